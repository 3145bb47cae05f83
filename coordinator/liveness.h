/* SPDX-License-Identifier: MPL-2.0
 *
 * Whether hosts are alive, as far as beats and other hosts can tell. Pure. A verdict stops
 * placement; it never starts anything.
 *
 * With i the interval that workers beat at and f = max(i, 1 s):
 *
 *   up ──▶ suspect   silent for 3 f and φ ≥ 8, or for 6 f
 *   suspect ──▶ dead silent for 5 f, φ ≥ 12 and each of three peers that were asked says that it
 *                    does not reach it; or for 10 f since anybody, peers included, last heard of it
 *   any ──▶ up       a word of its own
 *
 * Silence counts only while the coordinator itself listened: from its start, from the moment at
 * which it went on after it had been stopped or late, and from a change of i. In the first 10 f
 * after its start it counts only for hosts that have beaten: beats find their way back later than
 * hello. When more than 30 % of the living fall silent together nobody becomes dead: the likelier
 * cause is on this side. */
#ifndef DROVER_COORDINATOR_LIVENESS_H
#define DROVER_COORDINATOR_LIVENESS_H

#include "coordinator/nodes.h"

#include <stdbool.h>

#define LIVENESS_PEERS 3
#define LIVENESS_LATE_MS 2000 /* turns come once a second at least */
#define LIVENESS_TICK_MS 1000

/* The interval asked of n workers: clamp(n/1000 s, least, 10 s). */
uint64_t liveness_interval_ms(size_t n, uint64_t least_ms);

/* Sets it; silence counts anew when it changes. */
void liveness_set_interval(struct nodes *nodes, uint64_t interval_ms, uint64_t now_ms);

/* Called at each turn, before anything else. When the turn comes late, silence up to now is the
 * coordinator's own. Returns for how long it was away, 0 when it was in time. */
uint64_t liveness_turn(struct nodes *nodes, uint64_t now_ms);

/* A beat came; for its regularity. */
void liveness_beat(const struct nodes *nodes, struct node *node, uint64_t now_ms);

/* For how long a node has not been heard while the coordinator listened. */
uint64_t liveness_silence_ms(const struct nodes *nodes, const struct node *node, uint64_t now_ms);

uint64_t liveness_suspect_after_ms(const struct nodes *nodes); /* at the earliest */
uint64_t liveness_dead_after_ms(const struct nodes *nodes);    /* when nobody can be asked */

/* What a peer said of a suspect. */
enum sight { SIGHT_none, SIGHT_reached, SIGHT_unreached };

/* The questions about one suspect. */
struct enquiry {
	uint64_t asked_ms;
	unsigned rounds;
	size_t n; /* asked in this round */
	struct {
		char id[NAME_SIZE];
		enum sight sight;
	} peer[LIVENESS_PEERS];
	uint64_t seen_ms; /* 0 = by nobody so far */
	char seen_by[NAME_SIZE];
};

/* Takes an answer. Words of hosts that were not asked, or of hosts that are not suspect, change
 * nothing. True when it is news that it was seen. */
bool liveness_heard_of(struct node *node, const char *peer, enum sight sight, uint64_t now_ms);

/* What a sweep found. Each may be NULL. */
struct liveness_sink {
	void *arg;
	void (*state)(void *arg, struct node *node);                 /* it changed */
	void (*ask)(void *arg, struct node *node, const char *peer); /* whether it reaches node */
	void (*mass)(void *arg, size_t silent, size_t living);       /* silent 0: it is over */
};

/* Judges every node, at most four times an interval. Only with drained sockets. */
void liveness_sweep(struct nodes *nodes, uint64_t now_ms, const struct liveness_sink *sink);

#endif
