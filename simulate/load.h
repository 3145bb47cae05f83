/* SPDX-License-Identifier: MPL-2.0
 *
 * What loads a simulated cluster: one of the generated shapes, or a recording of a real one. The
 * load does not depend on who moves what: under each policy it is the same. Pure. */
#ifndef DROVER_SIMULATE_LOAD_H
#define DROVER_SIMULATE_LOAD_H

#include "simulate/world.h"

#include <stdio.h>

/* clang-format off */
/* X(name, what it is) */
#define SHAPE_TABLE(X) \
	X(steady,   "well placed, loaded by half; nothing has to move") \
	X(overload, "a third of the hosts have more than they can bear from the start") \
	X(wave,     "two kinds of containers, the peaks of one in the other's troughs, twice a run") \
	X(noisy,    "a few containers that want a half of their host now and then") \
	X(added,    "hosts that are nearly full, and after a sixth of the time one more, empty")
/* clang-format on */

enum shape {
#define X(name, says) SHAPE_##name,
	SHAPE_TABLE(X)
#undef X
		SHAPE_COUNT
};

const char *shape_name(enum shape shape);
const char *shape_says(enum shape shape);
enum shape shape_find(const char *name); /* SHAPE_COUNT when there is none */

struct load;
struct recording;

/* n_hosts from 2 on, with n_guests containers of unequal sizes, for a run of this length. */
struct load *load_generate(enum shape shape, uint32_t n_hosts, uint32_t n_guests, uint64_t run_ms,
			   uint64_t seed);

/* Borrows the recording. Containers want what they got then, wherever they are now. */
struct load *load_replay(const struct recording *recording);

void load_free(struct load **load);

/* Makes the world of the start; world_done is the caller's. */
void load_start(const struct load *load, struct sim_world *w);

/* Writes the load as a recording, a moment each tick, as it is when nobody moves anything. The load
 * is used up. */
void load_record(struct load *load, uint64_t run_ms, FILE *out);

/* What is wanted at w->now_ms; called once for every tick, in order, 0 included. */
void load_tick(struct load *load, struct sim_world *w);

#endif
