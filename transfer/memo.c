/* SPDX-License-Identifier: MPL-2.0
 *
 * Open addressing with linear probing, at most half full. */
#include "transfer/memo.h"

#include "base/mem.h"

#define FIRST_SIZE 1024
#define RACY_MS 100 /* coarser than any kernel's clock tick */

static struct memo *probe(const struct memos *memos, uint32_t root, uint64_t dev, uint64_t ino)
{
	uint64_t hash = (ino * 0x9e3779b97f4a7c15ull) ^ dev ^ root;
	size_t i = (hash ^ hash >> 32) & (memos->size - 1);

	for (;; i = (i + 1) & (memos->size - 1)) {
		struct memo *m = &memos->slots[i];

		if (!m->ino || (m->ino == ino && m->dev == dev && m->root == root))
			return m;
	}
}

static void grow(struct memos *memos)
{
	struct memos bigger = {.size = memos->size ? 2 * memos->size : FIRST_SIZE,
			       .used = memos->used};

	bigger.slots = mem_new(bigger.size, sizeof(*bigger.slots));
	for (size_t i = 0; i < memos->size; i++) {
		const struct memo *m = &memos->slots[i];

		if (m->ino)
			*probe(&bigger, m->root, m->dev, m->ino) = *m;
	}
	free(memos->slots);
	*memos = bigger;
}

struct memo *memos_get(struct memos *memos, uint32_t root, uint64_t dev, uint64_t ino)
{
	struct memo *m;

	if (2 * (memos->used + 1) > memos->size)
		grow(memos);
	m = probe(memos, root, dev, ino);
	if (!m->ino) {
		*m = (struct memo){.root = root, .dev = dev, .ino = ino};
		memos->used++;
	}
	return m;
}

void memos_done(struct memos *memos)
{
	for (size_t i = 0; i < memos->size; i++)
		free(memos->slots[i].path);
	free(memos->slots);
	*memos = (struct memos){0};
}

bool memo_same(const struct memo *memo, const struct handoff *head)
{
	return memo->id && !memo->racy && memo->size == head->size &&
	       memo->mtime_s == head->mtime_s && memo->mtime_ns == head->mtime_ns &&
	       memo->ctime_s == head->ctime_s && memo->ctime_ns == head->ctime_ns;
}

void memo_set(struct memo *memo, const struct handoff *head)
{
	int64_t ctime_ms = head->ctime_s * 1000 + head->ctime_ns / 1000000;

	memo->size = head->size;
	memo->mtime_s = head->mtime_s;
	memo->mtime_ns = head->mtime_ns;
	memo->ctime_s = head->ctime_s;
	memo->ctime_ns = head->ctime_ns;
	memo->racy = ctime_ms + RACY_MS > (int64_t)head->seen_ms;
}
