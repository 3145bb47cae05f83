/* SPDX-License-Identifier: MPL-2.0
 *
 * A rebalance's tick, two lanes (docs/decisions/0011). Overload: each of the hottest hosts gives
 * away the one container that cools it most for what its move costs, to where it is cool. Balance:
 * when the cluster has been uneven for long enough and somebody feels it, a few such moves, or none
 * when all of them together would gain too little. What waits to be asked again, cooldowns and
 * evacuations are the caller's. */
#include "coordinator/plan_impl.h"

#include "base/mem.h"

#include <math.h>

#define TRIED 4 /* of a host's containers, those that cool it most for their cost */
#define LEAST_GAIN 1e-6
#define MOVE_BYTES (4.0 * (1u << 30)) /* freezing somebody is as dear as copying this much */

const struct plan_limits plan_limits = {
	.overload = 0.85,
	.relief = 0.10,
	.saturated = 0.95,
	.comfort = 0.65,
	.imbalance = 0.30,
	.gain = 0.10,
	.hold = 30,
	.moves = 3,
};

struct balance {
	struct plan_state s;
	const struct plan_world *in;
	struct plan_groups guests; /* of each host, as they are before the plan */
	struct plan_groups units;  /* the members of each */
	uint8_t *moved;            /* of each container */
	uint32_t n_moved;          /* units */
	double *hot;
	uint32_t *heap; /* hosts, the hottest first */
	uint32_t n_heap;
};

/* --- the hottest host --- */

static bool hotter(const struct balance *b, uint32_t x, uint32_t y)
{
	return b->hot[x] > b->hot[y] || (b->hot[x] == b->hot[y] && x < y);
}

static void sift_down(struct balance *b, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1, host = b->heap[at];

		if (child + 1 < b->n_heap && hotter(b, b->heap[child + 1], b->heap[child]))
			child++;
		if (child >= b->n_heap || !hotter(b, b->heap[child], host))
			return;
		b->heap[at] = b->heap[child];
		b->heap[child] = host;
		at = child;
	}
}

static void make_heap(struct balance *b)
{
	b->n_heap = 0;
	for (uint32_t h = 0; h < b->in->n_hosts; h++) {
		b->hot[h] = plan_hot(&b->s, h);
		if (b->in->host.flags[h] & PLAN_HOST_up)
			b->heap[b->n_heap++] = h;
	}
	for (uint32_t i = b->n_heap / 2; i-- > 0;)
		sift_down(b, i);
}

/* The top's hot has changed, or it is to go. A target's hot only grows towards the top's: it is
 * looked at again when it comes to the top. */
static void top_changed(struct balance *b, bool remove)
{
	if (remove)
		b->heap[0] = b->heap[--b->n_heap];
	if (b->n_heap)
		sift_down(b, 0);
}

/* --- one move --- */

struct candidate {
	struct plan_unit unit;
	double worth; /* what its host cools by, as far as it matters, for each byte that moves */
};

static bool may_move(const struct balance *b, uint32_t c)
{
	const struct plan_world *in = b->in;

	return !b->moved[c] &&
	       !(in->ct.flags && in->ct.flags[c] & (PLAN_CT_pinned | PLAN_CT_resting)) &&
	       !(in->ct.together && in->ct.together[c] < in->n_containers);
}

/* What moves when this guest does. False: it may not, or it is another's of its unit to begin. */
static bool unit_of(const struct balance *b, const uint32_t *guest, struct plan_unit *ret)
{
	uint32_t id = b->in->ct.unit ? b->in->ct.unit[*guest] : PLAN_NONE, n = 1;
	const uint32_t *v = guest;

	if (id < b->in->n_containers) {
		v = &b->units.v[b->units.at[id]];
		n = b->units.at[id + 1] - b->units.at[id];
	}
	if (v[0] != *guest)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!may_move(b, v[i]))
			return false;
	plan_unit_init(&b->s, v, n, ret);
	return true;
}

static double cost_of(const struct plan_unit *u)
{
	return u->size[RESOURCE_mem] + u->n * MOVE_BYTES;
}

/* What a move off a host is for: to cool it to `enough`, on a target that stays below `below`. */
struct goal {
	double enough, below;
};

/* The best TRIED of a host, best first. */
static size_t find_candidates(const struct balance *b, uint32_t host, double enough,
			      struct candidate *best)
{
	size_t n = 0;

	for (uint32_t k = b->guests.at[host]; k < b->guests.at[host + 1]; k++) {
		struct candidate c;
		size_t at;

		if (!unit_of(b, &b->guests.v[k], &c.unit))
			continue;
		c.worth =
			(b->hot[host] - fmax(enough, plan_hot_with(&b->s, host, c.unit.size, -1))) /
			cost_of(&c.unit);
		if (c.worth <= 0)
			continue;
		for (at = n; at > 0 && best[at - 1].worth < c.worth; at--)
			if (at < TRIED)
				best[at] = best[at - 1];
		if (at < TRIED)
			best[at] = c;
		n += n < TRIED;
	}
	return n;
}

/* Moves the best of them whose target stays cool enough. */
static bool move_one(struct balance *b, uint32_t host, struct goal goal, enum plan_code why,
		     struct plan *plan)
{
	struct candidate best[TRIED], *chosen = NULL;
	size_t n = find_candidates(b, host, goal.enough, best);
	double most = 0;
	uint32_t to = PLAN_NONE;

	for (size_t i = 0; i < n; i++) {
		uint32_t target = plan_best(&b->s, &best[i].unit, goal.below);
		double worth;

		if (target == PLAN_NONE)
			continue;
		worth = best[i].worth *
			fmax(1 - plan_hot_with(&b->s, target, best[i].unit.size, 1), 1e-3);
		if (worth <= most)
			continue;
		most = worth;
		chosen = &best[i];
		to = target;
	}
	if (!chosen)
		return false;
	plan_put(&b->s, &chosen->unit, to);
	plan_add_moves(plan, b->in, &chosen->unit, why);
	for (uint32_t i = 0; i < chosen->unit.n; i++)
		b->moved[chosen->unit.v[i]] = 1;
	b->n_moved++;
	b->hot[host] = plan_hot(&b->s, host);
	return true;
}

/* --- the lanes --- */

/* A target that came near the limit would be the next one to be relieved. */
static struct goal relief_of(const struct plan_limits *limits, double hot)
{
	double cool = limits->overload - limits->relief;

	return (struct goal){cool, hot >= limits->saturated ? limits->overload : cool};
}

static void relieve(struct balance *b, const struct plan_limits *limits, struct plan *plan)
{
	while (b->n_heap && b->n_moved < limits->moves && b->hot[b->heap[0]] >= limits->overload) {
		uint32_t top = b->heap[0];

		if (!(b->in->host.flags[top] & PLAN_HOST_briefly))
			move_one(b, top, relief_of(limits, b->hot[top]), PLAN_overload, plan);
		top_changed(b, true);
	}
}

static void even_out(struct balance *b, const struct plan_limits *limits, struct plan *plan)
{
	while (b->n_heap && b->n_moved < limits->moves) {
		uint32_t top = b->heap[0];
		double hot = plan_hot(&b->s, top);

		if (hot != b->hot[top]) {
			b->hot[top] = hot;
			top_changed(b, false);
			continue;
		}
		if (hot < limits->comfort)
			return;
		top_changed(b, !move_one(b, top, (struct goal){0, hot - LEAST_GAIN}, PLAN_balance,
					 plan));
	}
}

static enum plan_quiet balance_lane(struct balance *b, const struct plan_limits *limits,
				    unsigned *uneven_ticks, struct plan *plan)
{
	if (plan->before.imbalance <= limits->imbalance) {
		*uneven_ticks = 0;
		return PLAN_QUIET_even;
	}
	if (plan->before.hottest < limits->comfort) {
		*uneven_ticks = 0;
		return PLAN_QUIET_comfort;
	}
	if (++*uneven_ticks < limits->hold)
		return PLAN_QUIET_hold;
	even_out(b, limits, plan);
	if (!plan->n_moves)
		return PLAN_QUIET_candidate;
	plan->after = plan_evenness_of(&b->s, NULL);
	if (plan->after.imbalance <= plan->before.imbalance * (1 - limits->gain))
		return PLAN_QUIET_moves;
	plan->n_moves = 0;
	plan->after = plan->before;
	return PLAN_QUIET_gain;
}

static void balance_init(struct balance *b, const struct plan_world *world)
{
	*b = (struct balance){.in = world};
	plan_state_init(&b->s, world, NULL);
	plan_groups_init(&b->guests, world->ct.host, world->n_containers, world->n_hosts);
	plan_groups_init(&b->units, world->ct.unit, world->n_containers, world->n_containers);
	b->moved = mem_new(world->n_containers, sizeof(*b->moved));
	b->hot = mem_new(world->n_hosts, sizeof(*b->hot));
	b->heap = mem_new(world->n_hosts, sizeof(*b->heap));
}

static void balance_done(struct balance *b)
{
	plan_state_done(&b->s);
	plan_groups_done(&b->guests);
	plan_groups_done(&b->units);
	free(b->moved);
	free(b->hot);
	free(b->heap);
}

enum plan_quiet plan_rebalance(const struct plan_world *world, const struct plan_limits *limits,
			       unsigned *uneven_ticks, struct plan *ret)
{
	enum plan_quiet quiet = PLAN_QUIET_moves;
	struct balance b;

	*ret = (struct plan){0};
	balance_init(&b, world);
	make_heap(&b);
	ret->before = ret->after = plan_evenness_of(&b.s, NULL);
	if (ret->before.hottest >= limits->overload)
		relieve(&b, limits, ret);
	if (ret->n_moves) {
		ret->after = plan_evenness_of(&b.s, NULL);
	} else {
		make_heap(&b);
		quiet = balance_lane(&b, limits, uneven_ticks, ret);
		if (ret->before.hottest >= limits->overload && quiet == PLAN_QUIET_even)
			quiet = PLAN_QUIET_candidate;
	}
	balance_done(&b);
	return quiet;
}
