/* SPDX-License-Identifier: MPL-2.0
 *
 * The planner's working copy of the cluster, shared by plan*.c. */
#ifndef DROVER_COORDINATOR_PLAN_IMPL_H
#define DROVER_COORDINATOR_PLAN_IMPL_H

#include "coordinator/plan.h"

/* Members of each group one after another: those of g are v[at[g]] … v[at[g + 1] - 1]. */
struct plan_groups {
	uint32_t *at, *v;
};

/* What moves as one: a container, or the members of a group that is kept together. */
struct plan_unit {
	const uint32_t *v;
	uint32_t n;
	uint32_t to;     /* PLAN_NONE: stays */
	uint32_t anchor; /* the only host that will do, PLAN_NONE: any */
	uint8_t priority;
	bool pinned;  /* one of it is: none moves */
	double share; /* the largest part of a mean host that it takes */
	double size[RESOURCE_COUNT];
};

/* The load of a host is kept as fractions of its capacity. A double has whole bytes up to 2^53. */
struct plan_state {
	const struct plan_world *in;
	double *used[RESOURCE_COUNT], *inverse[RESOURCE_COUNT];
	double *room;   /* bytes of memory that may still come; negative: no target */
	uint8_t *shut;  /* no target, whatever room */
	uint32_t *home; /* of each container */
	uint32_t *near; /* of each domain: the search that found it taken */
	uint32_t search;
	struct plan_groups spread, together;
};

void plan_state_init(struct plan_state *s, const struct plan_world *in, const uint8_t *drained);
void plan_state_done(struct plan_state *s);

/* The n members by their ids, those below n_ids; nothing when ids is NULL. */
void plan_groups_init(struct plan_groups *g, const uint32_t *ids, uint32_t n, uint32_t n_ids);
void plan_groups_done(struct plan_groups *g);

double plan_hot(const struct plan_state *s, uint32_t host);

/* Hot of a host with a unit's size added (sign 1) or taken away (-1). */
double plan_hot_with(const struct plan_state *s, uint32_t host, const double *size, double sign);

void plan_unit_init(const struct plan_state *s, const uint32_t *v, uint32_t n,
		    struct plan_unit *ret);

/* The host that is least hot with the unit on it and hot below `below`, PLAN_NONE when there is
 * none. Never one that has it already. */
uint32_t plan_best(struct plan_state *s, const struct plan_unit *u, double below);

/* Prepares plan_permits for one unit: where its spread groups are. False: they contradict. */
bool plan_look(struct plan_state *s, const struct plan_unit *u);

/* Room apart: whether the host may have it. */
bool plan_permits(const struct plan_state *s, const struct plan_unit *u, uint32_t host);

/* The unit comes to the host; what it left keeps its room until the end of the plan. The
 * other takes such a move back. */
void plan_put(struct plan_state *s, struct plan_unit *u, uint32_t host);
void plan_take(struct plan_state *s, struct plan_unit *u);

/* Few units: their best places together, never worse than those that they have. */
void plan_search(struct plan_state *s, struct plan_unit *units, size_t n);

struct plan_evenness plan_evenness_of(const struct plan_state *s, const uint8_t *drained);

void plan_add_moves(struct plan *plan, const struct plan_world *in, const struct plan_unit *u,
		    enum plan_code why);

#endif
