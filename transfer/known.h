/* SPDX-License-Identifier: MPL-2.0
 *
 * What the sender knows the target to have: page digest → stamp. The stamp says which session
 * carried the page in which frame; a reference on another session has to wait until that frame is
 * acknowledged. Never holds more than the target's index can. */
#ifndef DROVER_TRANSFER_KNOWN_H
#define DROVER_TRANSFER_KNOWN_H

#include "transfer/page.h"

struct known {
	struct known_slot *slots;
	size_t size; /* power of two */
	size_t used;
	size_t limit;
};

#define KNOWN_STAMP(session, seq) (((uint64_t)(session) << 56) | (seq))
#define KNOWN_SESSION(stamp) ((unsigned)((stamp) >> 56))
#define KNOWN_SEQ(stamp) ((stamp)&0xffffffffffffffull)
#define KNOWN_ALWAYS 255 /* session of what the target said it has */

void known_init(struct known *known, size_t limit);
void known_done(struct known *known);

/* Stamp of a digest, 0 when it is not known. */
uint64_t known_find(const struct known *known, struct digest digest);

/* Adds or restamps; false when the table is at its limit. stamp is never 0. */
bool known_put(struct known *known, struct digest digest, uint64_t stamp);

#endif
