/* SPDX-License-Identifier: MPL-2.0
 *
 * An evacuation: everything on the drained hosts is placed at once, priority first, then the
 * largest, each where the host is least hot with it. What found no room makes some by sending what
 * this plan has placed elsewhere; then the hottest target gives away or swaps what it was given,
 * as long as that cools it. No guest of another host is ever moved. */
#include "coordinator/plan_impl.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define POLISH_UNITS 4096 /* larger plans are even enough by their number */
#define POLISH_ROUNDS 400
#define LEAST_GAIN 1e-9

struct drain {
	struct plan_state s;
	const uint8_t *drained;
	uint32_t *members; /* of the units, one after another */
	struct plan_unit *units;
	size_t n;
};

/* --- units --- */

static bool leaves(const struct drain *d, uint32_t container)
{
	uint32_t home = d->s.in->ct.host[container];

	return home < d->s.in->n_hosts && d->drained[home];
}

static uint32_t first_leaving(const struct drain *d, uint32_t group)
{
	uint32_t k = d->s.together.at[group];

	while (!leaves(d, d->s.together.v[k]))
		k++;
	return d->s.together.v[k];
}

/* The drained members of a group, in order, and where its others are. */
static uint32_t take_group(const struct drain *d, uint32_t group, uint32_t *to, uint32_t *anchor)
{
	uint32_t n = 0;

	for (uint32_t k = d->s.together.at[group]; k < d->s.together.at[group + 1]; k++) {
		uint32_t c = d->s.together.v[k];

		if (leaves(d, c))
			to[n++] = c;
		else if (*anchor == PLAN_NONE)
			*anchor = d->s.in->ct.host[c];
	}
	return n;
}

/* The unit of a container, unless an earlier one of its group has taken it. */
static uint32_t add_unit(struct drain *d, uint32_t c, uint32_t *members)
{
	const struct plan_world *in = d->s.in;
	uint32_t group = in->ct.together ? in->ct.together[c] : PLAN_NONE;
	uint32_t anchor = PLAN_NONE, n = 1;

	*members = c;
	if (group < in->n_containers) {
		if (first_leaving(d, group) != c)
			return 0;
		n = take_group(d, group, members, &anchor);
	}
	plan_unit_init(&d->s, members, n, &d->units[d->n]);
	d->units[d->n++].anchor = anchor;
	return n;
}

static void find_units(struct drain *d)
{
	const struct plan_world *in = d->s.in;
	uint32_t used = 0, n_leaving = 0;

	for (uint32_t c = 0; c < in->n_containers; c++)
		n_leaving += leaves(d, c);
	d->members = mem_new(n_leaving, sizeof(*d->members));
	d->units = mem_new(n_leaving, sizeof(*d->units));
	for (uint32_t c = 0; c < in->n_containers; c++)
		if (leaves(d, c) && used < n_leaving)
			used += add_unit(d, c, d->members + used);
}

static int by_urgency(const void *pa, const void *pb)
{
	const struct plan_unit *a = pa, *b = pb;

	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	if (a->share != b->share)
		return a->share > b->share ? -1 : 1;
	return a->v[0] < b->v[0] ? -1 : 1;
}

/* --- room that is made --- */

/* Whether the host would have it once `other`, which is on it, is gone. */
static bool fits_without(struct drain *d, struct plan_unit *u, struct plan_unit *other)
{
	uint32_t host = other->to;

	if (u->size[RESOURCE_mem] > d->s.room[host] + other->size[RESOURCE_mem])
		return false;
	plan_take(&d->s, other);
	if (plan_look(&d->s, u) && plan_permits(&d->s, u, host))
		return true;
	plan_put(&d->s, other, host);
	return false;
}

static bool make_room(struct drain *d, struct plan_unit *u)
{
	for (size_t i = 0; i < d->n; i++) {
		struct plan_unit *other = &d->units[i];
		uint32_t host = other->to, elsewhere;

		if (other == u || host == PLAN_NONE || !fits_without(d, u, other))
			continue;
		plan_put(&d->s, u, host);
		elsewhere = plan_best(&d->s, other, HUGE_VAL);
		if (elsewhere != PLAN_NONE) {
			plan_put(&d->s, other, elsewhere);
			return true;
		}
		plan_take(&d->s, u);
		plan_put(&d->s, other, host);
	}
	return false;
}

static void place_all(struct drain *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct plan_unit *u = &d->units[i];
		uint32_t best = u->pinned ? PLAN_NONE : plan_best(&d->s, u, HUGE_VAL);

		if (best != PLAN_NONE)
			plan_put(&d->s, u, best);
	}
	for (size_t i = 0; d->n <= POLISH_UNITS && i < d->n; i++)
		if (d->units[i].to == PLAN_NONE && !d->units[i].pinned)
			make_room(d, &d->units[i]);
}

/* --- polish --- */

static uint32_t hottest_target(const struct drain *d)
{
	uint32_t hottest = PLAN_NONE;
	double hot = 0;

	for (size_t i = 0; i < d->n; i++) {
		uint32_t h = d->units[i].to;

		if (h == PLAN_NONE || plan_hot(&d->s, h) <= hot)
			continue;
		hot = plan_hot(&d->s, h);
		hottest = h;
	}
	return hottest;
}

static bool give_away(struct drain *d, uint32_t host, double hot)
{
	for (size_t i = 0; i < d->n; i++) {
		struct plan_unit *u = &d->units[i];
		uint32_t best;

		if (u->to != host)
			continue;
		best = plan_best(&d->s, u, hot - LEAST_GAIN);
		if (best == PLAN_NONE)
			continue;
		plan_take(&d->s, u);
		plan_put(&d->s, u, best);
		return true;
	}
	return false;
}

static bool may_come(struct drain *d, struct plan_unit *u, uint32_t host, double hot)
{
	return u->size[RESOURCE_mem] <= d->s.room[host] &&
	       plan_hot_with(&d->s, host, u->size, 1) < hot - LEAST_GAIN && plan_look(&d->s, u) &&
	       plan_permits(&d->s, u, host);
}

static bool swapped(struct drain *d, struct plan_unit *a, struct plan_unit *b, double hot)
{
	uint32_t host_a = a->to, host_b = b->to;

	plan_take(&d->s, a);
	plan_take(&d->s, b);
	if (may_come(d, a, host_b, hot)) {
		plan_put(&d->s, a, host_b);
		if (may_come(d, b, host_a, hot)) {
			plan_put(&d->s, b, host_a);
			return true;
		}
		plan_take(&d->s, a);
	}
	plan_put(&d->s, a, host_a);
	plan_put(&d->s, b, host_b);
	return false;
}

static bool swap_away(struct drain *d, uint32_t host, double hot)
{
	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; d->units[i].to == host && k < d->n; k++) {
			struct plan_unit *b = &d->units[k];

			if (b->to != PLAN_NONE && b->to != host && swapped(d, &d->units[i], b, hot))
				return true;
		}
	return false;
}

/* Each round cools the hottest target without making another as hot, so that it comes to an end. */
static void polish(struct drain *d)
{
	for (int round = 0; d->n <= POLISH_UNITS && round < POLISH_ROUNDS; round++) {
		uint32_t host = hottest_target(d);
		double hot = host == PLAN_NONE ? 0 : plan_hot(&d->s, host);

		if (host == PLAN_NONE || (!give_away(d, host, hot) && !swap_away(d, host, hot)))
			return;
	}
}

/* --- who stays --- */

static bool refused_by_verdict(const struct plan_world *in, const struct plan_unit *u,
			       uint32_t host)
{
	for (uint32_t i = 0; in->allowed && i < u->n; i++)
		if (!in->allowed(in->arg, u->v[i], host))
			return true;
	return false;
}

/* The cause that most nearly let it go: a host that only lacks memory says how much. */
static struct plan_stay why_not(struct drain *d, const struct plan_unit *u)
{
	struct plan_stay stay = {.why = PLAN_no_host, .nearest = PLAN_NONE};
	bool looked = plan_look(&d->s, u);
	double least = HUGE_VAL;

	for (uint32_t h = 0; h < d->s.in->n_hosts; h++) {
		double lacks = u->size[RESOURCE_mem] - d->s.room[h];

		if (d->s.shut[h])
			continue;
		if (u->anchor != PLAN_NONE && u->anchor != h) {
			stay.why = stay.why == PLAN_no_host ? PLAN_together : stay.why;
		} else if (refused_by_verdict(d->s.in, u, h)) {
			stay.why = stay.why == PLAN_no_host ? PLAN_refused : stay.why;
		} else if (!looked || !plan_permits(&d->s, u, h)) {
			stay.why = stay.why == PLAN_memory ? stay.why : PLAN_spread;
		} else if (lacks < least) {
			least = lacks;
			stay.why = PLAN_memory;
			stay.nearest = h;
			stay.missing_bytes = lacks > 0 ? (uint64_t)lacks : 0;
		}
	}
	return stay;
}

static void add_stays(struct drain *d, const struct plan_unit *u, struct plan *plan)
{
	struct plan_stay stay = {.why = PLAN_together, .nearest = PLAN_NONE};

	if (!u->pinned)
		stay = why_not(d, u);
	plan->stays = mem_grow(plan->stays, plan->n_stays + u->n, sizeof(*plan->stays));
	for (uint32_t i = 0; i < u->n; i++) {
		struct plan_stay *to = &plan->stays[plan->n_stays++];

		*to = stay;
		to->container = u->v[i];
		if (d->s.in->ct.flags && d->s.in->ct.flags[u->v[i]] & PLAN_CT_pinned)
			to->why = PLAN_pinned;
	}
}

void plan_evacuate(const struct plan_world *world, const uint8_t *drained, struct plan *ret)
{
	struct drain d = {.drained = drained};

	*ret = (struct plan){0};
	plan_state_init(&d.s, world, drained);
	ret->before = plan_evenness_of(&d.s, drained);
	find_units(&d);
	if (d.n)
		qsort(d.units, d.n, sizeof(*d.units), by_urgency);
	place_all(&d);
	polish(&d);
	plan_search(&d.s, d.units, d.n);
	for (size_t i = 0; i < d.n; i++)
		if (d.units[i].to != PLAN_NONE)
			plan_add_moves(ret, world, &d.units[i], PLAN_evacuate);
		else
			add_stays(&d, &d.units[i], ret);
	ret->after = plan_evenness_of(&d.s, drained);
	plan_state_done(&d.s);
	free(d.members);
	free(d.units);
}
