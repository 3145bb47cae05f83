/* SPDX-License-Identifier: MPL-2.0
 *
 * One pass of the sender: takes a reader's records, pushes what the target lacks, and after the
 * last pass seals the manifest. Between passes it remembers which contents it has sent. */
#ifndef DROVER_TRANSFER_PASS_H
#define DROVER_TRANSFER_PASS_H

#include "base/err.h"
#include "transfer/push.h"

#include <stdint.h>

struct passes; /* memory of all passes of one migration */

struct passes *passes_new(struct push *push, const char *migration, uint64_t epoch);
void passes_free(struct passes **passes);

struct pass_options {
	bool final;            /* the manifest is sealed after it */
	unsigned rounds;       /* most rounds over the memory, 0 = 1 */
	uint64_t budget_bytes; /* a round that sends less is the last one */
	/* Told at every record and chunk; may be NULL. */
	void (*progress)(void *arg, const char *phase, uint64_t done, uint64_t total,
			 unsigned round);
	void *arg;
};

struct pass_result {
	uint8_t seal[SEAL_BYTES]; /* of the manifest, when final */
	unsigned rounds;          /* over the memory */
	uint64_t round_bytes;     /* new bytes of the last one */
	uint64_t dirty_bytes_s; /* those, by the time since the round before; 0 = one round only */
};

/* Runs one pass against a reader; fd stays the caller's. After an error the migration's stream is
 * of no use any more. */
int pass_run(struct passes *passes, int fd, const struct pass_options *options,
	     struct pass_result *ret, struct err *err);

#endif
