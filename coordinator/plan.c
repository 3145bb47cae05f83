/* SPDX-License-Identifier: MPL-2.0
 *
 * The planner's picture of the cluster: struct of arrays, so that a search over all hosts is one
 * pass over a few of them. */
#include "coordinator/plan_impl.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define BLOCK 512 /* hosts that are costed before any of them is looked at */

static const struct {
	const char *name, *text;
} codes[] = {
#define X(id, name, text) {name, text},
	PLAN_CODE_TABLE(X)
#undef X
};

const char *plan_code_name(enum plan_code code)
{
	return codes[code].name;
}

const char *plan_code_text(enum plan_code code)
{
	return codes[code].text;
}

/* --- groups --- */

void plan_groups_init(struct plan_groups *g, const uint32_t *ids, uint32_t n, uint32_t n_ids)
{
	*g = (struct plan_groups){0};
	if (!ids)
		return;
	g->at = mem_new((size_t)n_ids + 2, sizeof(*g->at));
	g->v = mem_new(n, sizeof(*g->v));
	for (uint32_t i = 0; i < n; i++)
		if (ids[i] < n_ids)
			g->at[ids[i] + 2]++;
	for (uint32_t id = 2; id < n_ids + 2; id++)
		g->at[id] += g->at[id - 1];
	for (uint32_t i = 0; i < n; i++)
		if (ids[i] < n_ids)
			g->v[g->at[ids[i] + 1]++] = i;
}

void plan_groups_done(struct plan_groups *g)
{
	free(g->at);
	free(g->v);
	*g = (struct plan_groups){0};
}

static uint32_t group_of(const uint32_t *ids, uint32_t n, uint32_t container)
{
	return ids && ids[container] < n ? ids[container] : PLAN_NONE;
}

/* --- the state --- */

static void fill_resource(struct plan_state *s, const struct plan_world *in, enum resource r)
{
	uint32_t n = in->n_hosts;

	s->used[r] = mem_new(n, sizeof(double));
	s->inverse[r] = mem_new(n, sizeof(double));
	for (uint32_t h = 0; h < n; h++) {
		uint64_t capacity = in->host.capacity[r] ? in->host.capacity[r][h] : 0;

		s->inverse[r][h] = capacity ? 1.0 / (double)capacity : 0;
		s->used[r][h] =
			in->host.load[r] ? (double)in->host.load[r][h] * s->inverse[r][h] : 0;
	}
}

static void fill_room(struct plan_state *s, const struct plan_world *in, const uint8_t *drained)
{
	const uint64_t *capacity = in->host.capacity[RESOURCE_mem];
	const uint64_t *load = in->host.load[RESOURCE_mem], *reserve = in->host.reserve;

	for (uint32_t h = 0; h < in->n_hosts; h++) {
		uint8_t flags = in->host.flags[h];

		s->shut[h] = !(flags & PLAN_HOST_up) || flags & PLAN_HOST_cordoned ||
			     (drained && drained[h]);
		s->room[h] = capacity ? (double)capacity[h] : 0;
		s->room[h] -= load ? (double)load[h] : 0;
		s->room[h] -= reserve ? (double)reserve[h] : 0;
		if (s->shut[h])
			s->room[h] = -1;
	}
}

void plan_state_init(struct plan_state *s, const struct plan_world *in, const uint8_t *drained)
{
	*s = (struct plan_state){.in = in};
	for (enum resource r = 0; r < RESOURCE_COUNT; r++)
		fill_resource(s, in, r);
	s->room = mem_new(in->n_hosts, sizeof(*s->room));
	s->shut = mem_new(in->n_hosts, sizeof(*s->shut));
	s->near = mem_new(in->n_hosts, sizeof(*s->near));
	s->home = mem_new(in->n_containers, sizeof(*s->home));
	if (in->n_containers)
		memcpy(s->home, in->ct.host, in->n_containers * sizeof(*s->home));
	fill_room(s, in, drained);
	plan_groups_init(&s->spread, in->ct.spread, in->n_containers, in->n_containers);
	plan_groups_init(&s->together, in->ct.together, in->n_containers, in->n_containers);
}

void plan_state_done(struct plan_state *s)
{
	for (enum resource r = 0; r < RESOURCE_COUNT; r++) {
		free(s->used[r]);
		free(s->inverse[r]);
	}
	free(s->room);
	free(s->shut);
	free(s->near);
	free(s->home);
	plan_groups_done(&s->spread);
	plan_groups_done(&s->together);
}

/* --- a unit --- */

void plan_unit_init(const struct plan_state *s, const uint32_t *v, uint32_t n,
		    struct plan_unit *ret)
{
	const struct plan_world *in = s->in;

	*ret = (struct plan_unit){.v = v, .n = n, .to = PLAN_NONE, .anchor = PLAN_NONE};
	for (uint32_t i = 0; i < n; i++) {
		for (enum resource r = 0; r < RESOURCE_COUNT; r++)
			if (in->ct.size[r])
				ret->size[r] += (double)in->ct.size[r][v[i]];
		if (in->ct.flags && in->ct.flags[v[i]] & PLAN_CT_pinned)
			ret->pinned = true;
		if (in->ct.priority && in->ct.priority[v[i]] > ret->priority)
			ret->priority = in->ct.priority[v[i]];
	}
	for (enum resource r = 0; r < RESOURCE_COUNT; r++) {
		double part = ret->size[r] * s->inverse[r][in->ct.host[v[0]]];

		ret->share = part > ret->share ? part : ret->share;
	}
}

double plan_hot_with(const struct plan_state *s, uint32_t host, const double *size, double sign)
{
	double hot = 0;

	for (enum resource r = 0; r < RESOURCE_COUNT; r++) {
		double part = s->used[r][host] + sign * size[r] * s->inverse[r][host];

		hot = part > hot ? part : hot;
	}
	return hot;
}

double plan_hot(const struct plan_state *s, uint32_t host)
{
	static const double nothing[RESOURCE_COUNT];

	return plan_hot_with(s, host, nothing, 1);
}

/* --- where it may go --- */

static uint32_t domain_of(const struct plan_state *s, uint32_t host)
{
	return s->in->host.domain ? s->in->host.domain[host] : host;
}

static bool is_part(const struct plan_unit *u, uint32_t container)
{
	for (uint32_t i = 0; i < u->n; i++)
		if (u->v[i] == container)
			return true;
	return false;
}

bool plan_look(struct plan_state *s, const struct plan_unit *u)
{
	bool good = true;

	s->search++;
	for (uint32_t i = 0; i < u->n; i++) {
		uint32_t g = group_of(s->in->ct.spread, s->in->n_containers, u->v[i]);

		for (uint32_t k = g == PLAN_NONE ? 0 : s->spread.at[g];
		     g != PLAN_NONE && k < s->spread.at[g + 1]; k++) {
			uint32_t other = s->spread.v[k];

			if (!is_part(u, other))
				s->near[domain_of(s, s->home[other])] = s->search;
			else
				good = good && other == u->v[i];
		}
	}
	return good;
}

bool plan_permits(const struct plan_state *s, const struct plan_unit *u, uint32_t host)
{
	if (s->shut[host] || s->near[domain_of(s, host)] == s->search ||
	    (u->anchor != PLAN_NONE && u->anchor != host))
		return false;
	for (uint32_t i = 0; i < u->n; i++)
		if (s->home[u->v[i]] == host ||
		    (s->in->allowed && !s->in->allowed(s->in->arg, u->v[i], host)))
			return false;
	return true;
}

/* Of n hosts from `from`: hot with the unit on it, infinite where it lacks memory. */
static void cost_block(const struct plan_state *s, const struct plan_unit *u, uint32_t from,
		       uint32_t n, double *restrict cost)
{
	const double *room = s->room + from, memory = u->size[RESOURCE_mem];

	for (uint32_t i = 0; i < n; i++)
		cost[i] = room[i] >= memory ? 0 : HUGE_VAL;
	for (enum resource r = 0; r < RESOURCE_COUNT; r++) {
		const double *used = s->used[r] + from, *inverse = s->inverse[r] + from;
		double size = u->size[r];

		for (uint32_t i = 0; i < n; i++) {
			double part = used[i] + size * inverse[i];

			cost[i] = part > cost[i] ? part : cost[i];
		}
	}
}

uint32_t plan_best(struct plan_state *s, const struct plan_unit *u, double below)
{
	double cost[BLOCK];
	uint32_t best = PLAN_NONE, n = s->in->n_hosts;

	if (!plan_look(s, u))
		return PLAN_NONE;
	for (uint32_t from = 0; from < n; from += BLOCK) {
		uint32_t many = n - from < BLOCK ? n - from : BLOCK;

		cost_block(s, u, from, many, cost);
		for (uint32_t i = 0; i < many; i++) {
			if (cost[i] >= below || !plan_permits(s, u, from + i))
				continue;
			below = cost[i];
			best = from + i;
		}
	}
	return best;
}

static void add(struct plan_state *s, uint32_t host, const double *size, double sign)
{
	for (enum resource r = 0; r < RESOURCE_COUNT; r++)
		s->used[r][host] += sign * size[r] * s->inverse[r][host];
}

void plan_put(struct plan_state *s, struct plan_unit *u, uint32_t host)
{
	u->to = host;
	for (uint32_t i = 0; i < u->n; i++) {
		double size[RESOURCE_COUNT] = {0};

		for (enum resource r = 0; r < RESOURCE_COUNT; r++)
			size[r] = s->in->ct.size[r] ? (double)s->in->ct.size[r][u->v[i]] : 0;
		add(s, s->home[u->v[i]], size, -1);
		s->home[u->v[i]] = host;
	}
	add(s, host, u->size, 1);
	s->room[host] -= u->size[RESOURCE_mem];
}

void plan_take(struct plan_state *s, struct plan_unit *u)
{
	uint32_t host = u->to;

	s->room[host] += u->size[RESOURCE_mem];
	add(s, host, u->size, -1);
	for (uint32_t i = 0; i < u->n; i++) {
		double size[RESOURCE_COUNT] = {0};
		uint32_t home = s->in->ct.host[u->v[i]];

		for (enum resource r = 0; r < RESOURCE_COUNT; r++)
			size[r] = s->in->ct.size[r] ? (double)s->in->ct.size[r][u->v[i]] : 0;
		add(s, home, size, 1);
		s->home[u->v[i]] = home;
	}
	u->to = PLAN_NONE;
}

/* --- the whole --- */

struct plan_evenness plan_evenness_of(const struct plan_state *s, const uint8_t *drained)
{
	struct plan_evenness e = {0};
	double sum = 0, squares = 0;
	uint32_t n = 0;

	for (uint32_t h = 0; h < s->in->n_hosts; h++) {
		double hot;

		if (!(s->in->host.flags[h] & PLAN_HOST_up) || (drained && drained[h]))
			continue;
		hot = plan_hot(s, h);
		e.hottest = hot > e.hottest ? hot : e.hottest;
		sum += hot;
		squares += hot * hot;
		n++;
	}
	if (n > 1 && sum > 0) {
		double mean = sum / n, variance = squares / n - mean * mean;

		e.imbalance = sqrt(variance > 0 ? variance : 0) / mean;
	}
	return e;
}

void plan_add_moves(struct plan *plan, const struct plan_world *in, const struct plan_unit *u,
		    enum plan_code why)
{
	plan->moves = mem_grow(plan->moves, plan->n_moves + u->n, sizeof(*plan->moves));
	for (uint32_t i = 0; i < u->n; i++)
		plan->moves[plan->n_moves++] = (struct plan_move){
			.container = u->v[i],
			.from = in->ct.host[u->v[i]],
			.to = u->to,
			.why = why,
		};
}

void plan_free(struct plan *plan)
{
	free(plan->moves);
	free(plan->stays);
	*plan = (struct plan){0};
}
