/* SPDX-License-Identifier: MPL-2.0
 *
 * A cluster in virtual time: hosts with processors, memory and a link, containers that want some of
 * each, and moves that take time and burden both ends while they go on. Pure: whoever moves
 * containers and whatever loads them are others' matter. */
#ifndef DROVER_SIMULATE_WORLD_H
#define DROVER_SIMULATE_WORLD_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TICK_MS \
	10000 /* one step; also how often the coordinator looks (coordinator.rebalance_every) */
#define TICKS_PER_HOUR (3600 * 1000 / TICK_MS)
#define HOT 0.90 /* a host above this is hot */

struct sim_host {
	char id[NAME_SIZE];
	double cores, mem;         /* bytes */
	double own_cores, own_mem; /* what runs there besides the containers; of this tick */
	bool up;                   /* heard of in this tick */
	/* of this tick, by world_settle */
	double cores_wanted;  /* may be more than it has */
	double mem_used, net; /* net: 0..1 of its link */
	unsigned moves;       /* out of it or into it */
};

struct sim_guest {
	char id[NAME_SIZE];
	uint32_t host;
	double cores, mem;                 /* wanted in this tick; 0 and 0: it does not run */
	double cores_limit, mem_limit;     /* configured; what rivals go by */
	double cores_request, mem_request; /* likewise */
	bool moving;
	uint64_t moved_ms; /* when its last move ended, 0 = never */
	uint32_t left;     /* the host it left then */
};

struct sim_move {
	uint32_t guest, from, to;
	double left_bytes;
};

struct sim_tally {
	unsigned moves, back, failed; /* back: to the host that it had left less than 6 h before */
};

struct sim_world {
	uint64_t now_ms; /* since the start */
	struct sim_host *host;
	uint32_t n_hosts;
	struct sim_guest *guest;
	uint32_t n_guests;
	struct sim_move *move, *arrived;
	size_t n_moves, n_arrived;
	struct sim_tally tally;
};

void world_init(struct sim_world *w, uint32_t n_hosts, uint32_t n_guests);
void world_done(struct sim_world *w);

/* Sums up what each host bears in this tick, moves included. After every change of loads. */
void world_settle(struct sim_world *w);

/* The fullest resource of a host, 0..1 and above (processors can be wanted more than they are). */
double world_hot(const struct sim_host *host);

/* The part of what a container wants that its host's processors can give: 1 unless overcommitted.
 */
double world_granted(const struct sim_host *host);

/* Begins a move. False, and counted as failed, when the target is not up, is the source, or lacks
 * the memory; false also when the container is moving already. */
bool world_begin(struct sim_world *w, uint32_t guest, uint32_t to);

/* One tick of copying. The moves that have copied all end: their containers are where they went to,
 * and w->arrived has them until the next call. */
void world_advance(struct sim_world *w);

/* Standard deviation of hot over its mean, of hosts that are up; 0 when even. */
double world_imbalance(const struct sim_world *w);

/* How many hosts are above HOT. */
unsigned world_hot_hosts(const struct sim_world *w);

#endif
