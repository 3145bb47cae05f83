/* SPDX-License-Identifier: MPL-2.0
 *
 * The simulated cluster's side of the bus: what its workers tell a coordinator, and what they
 * answer. They do at once what they are asked, except for copying, which takes its time. */
#ifndef DROVER_SIMULATE_WORKERS_H
#define DROVER_SIMULATE_WORKERS_H

#include "coordinator/core.h"
#include "simulate/chance.h"
#include "simulate/world.h"

#define BEATS 5 /* a tick, a second apart, the last ones: earlier ones have faded from the EWMA */

struct workers {
	struct sim_world *w;
	struct core *core;
	struct effects fx;
	struct moment now;
	struct chance chance;
	uint64_t seq;
	struct msg **ask; /* sync asks that are being carried out */
	size_t n_asks;
	uint32_t *known_host; /* of each container, as the last CAPS said; UINT32_MAX: nowhere */
	uint8_t *was_up;
};

void workers_init(struct workers *ws, struct sim_world *w, const struct core_config *config);
void workers_done(struct workers *ws);

/* One tick: arrivals answered, progress, changed containers, heartbeats, then the core's look. */
void workers_tick(struct workers *ws);

#endif
