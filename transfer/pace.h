/* SPDX-License-Identifier: MPL-2.0
 *
 * One rate limit that several processes obey together: a virtual clock in shared memory says when
 * the next byte may go, and who sends moves it on (the generic cell rate algorithm, ITU-T I.371,
 * without a burst). Those that send at the same time alternate, so each gets its share; who sends
 * alone gets all. */
#ifndef DROVER_TRANSFER_PACE_H
#define DROVER_TRANSFER_PACE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* A process that stops, or lies, keeps the others waiting no longer than this. */
#define PACE_WAIT_MAX_US 10000000u

struct pace {
	_Atomic uint64_t next_us; /* CLOCK_MONOTONIC */
};

/* A descriptor of a new clock, to be passed on to those that share it; -ERR_… */
int pace_new(struct err *err);

/* Takes no descriptor. NULL with err when it is none of pace_new. */
struct pace *pace_map(int fd, struct err *err);
void pace_unmap(struct pace **pace);

/* Books bytes at rate bytes/s (not 0). Returns when they are through, in µs of CLOCK_MONOTONIC:
 * wait so long before the next. */
uint64_t pace_book(struct pace *pace, size_t bytes, uint64_t rate, uint64_t now_us);

#endif
