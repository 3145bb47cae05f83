/* SPDX-License-Identifier: MPL-2.0
 *
 * Open addressing with linear probing, at most half full. */
#include "transfer/known.h"

#include "base/mem.h"

#define FIRST_SIZE 4096

struct known_slot {
	struct digest digest;
	uint64_t stamp; /* 0 = empty */
};

void known_init(struct known *known, size_t limit)
{
	*known = (struct known){.size = FIRST_SIZE, .limit = limit};
	known->slots = mem_new(known->size, sizeof(*known->slots));
}

void known_done(struct known *known)
{
	free(known->slots);
	*known = (struct known){0};
}

static struct known_slot *probe(const struct known *known, struct digest digest)
{
	size_t i = digest.lo & (known->size - 1);

	while (known->slots[i].stamp && !digest_eq(known->slots[i].digest, digest))
		i = (i + 1) & (known->size - 1);
	return &known->slots[i];
}

uint64_t known_find(const struct known *known, struct digest digest)
{
	return probe(known, digest)->stamp;
}

static void grow(struct known *known)
{
	struct known bigger = {.size = known->size * 2, .used = known->used, .limit = known->limit};

	bigger.slots = mem_new(bigger.size, sizeof(*bigger.slots));
	for (size_t i = 0; i < known->size; i++)
		if (known->slots[i].stamp)
			*probe(&bigger, known->slots[i].digest) = known->slots[i];
	free(known->slots);
	*known = bigger;
}

bool known_put(struct known *known, struct digest digest, uint64_t stamp)
{
	struct known_slot *slot = probe(known, digest);

	if (slot->stamp) {
		slot->stamp = stamp;
		return true;
	}
	if (known->used >= known->limit)
		return false;
	if (2 * (known->used + 1) > known->size) {
		grow(known);
		slot = probe(known, digest);
	}
	*slot = (struct known_slot){digest, stamp};
	known->used++;
	return true;
}
