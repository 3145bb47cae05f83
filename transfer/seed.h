/* SPDX-License-Identifier: MPL-2.0
 *
 * Memory of running processes, sent ahead into the target's page store. What is read may be torn or
 * stale: a page only ever counts as what its digest says, and after the freeze the images say which
 * pages there are. */
#ifndef DROVER_TRANSFER_SEED_H
#define DROVER_TRANSFER_SEED_H

#include "base/err.h"
#include "transfer/push.h"

#include <stdint.h>

struct seed_process {
	int mem, pagemap, maps; /* descriptors of /proc/PID/…, owned */
};

struct seed {
	struct seed_process *v;
	size_t n;
	uint8_t *buf; /* PAGE_RUN_BYTES */
	uint64_t read_bytes;
	int (*tick)(void *arg, struct err *err); /* between reads; its error ends the round */
	void *arg;
};

/* Takes the three descriptors. */
void seed_add(struct seed *seed, int mem, int pagemap, int maps);
void seed_done(struct seed *seed);

/* One round over all processes; *ret_new gets the bytes that the target lacked. A process that has
 * ended is passed over. */
int seed_round(struct seed *seed, struct push *push, uint64_t *ret_new, struct err *err);

/* Whether another round is worth its while after one that found `now` new bytes, the one before
 * `before`. */
bool seed_again(unsigned done, unsigned rounds, uint64_t before, uint64_t now,
		uint64_t budget_bytes);

#endif
