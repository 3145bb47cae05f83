/* SPDX-License-Identifier: MPL-2.0
 *
 * What the sender remembers of the contents it has sent: inode → staging file. Private to passes.
 */
#ifndef DROVER_TRANSFER_MEMO_H
#define DROVER_TRANSFER_MEMO_H

#include "transfer/handoff.h"
#include "transfer/page.h"

struct memo {
	uint32_t root;
	uint64_t dev, ino; /* ino 0 = empty slot */
	uint64_t size;
	int64_t mtime_s, ctime_s;
	uint32_t mtime_ns, ctime_ns;
	bool racy; /* so fresh when looked at that a change might not show in ctime */
	uint32_t id;
	struct digest digest;
	unsigned pass; /* that saw it last */
	char *path;    /* first name in that pass, kept when there are several */
};

struct memos {
	struct memo *slots;
	size_t size, used;
};

/* The inode's memo, an empty one when it is new; borrowed until the next call. */
struct memo *memos_get(struct memos *memos, uint32_t root, uint64_t dev, uint64_t ino);
void memos_done(struct memos *memos);

/* Whether what was sent still is what the record describes. */
bool memo_same(const struct memo *memo, const struct handoff *head);
void memo_set(struct memo *memo, const struct handoff *head);

#endif
