/* SPDX-License-Identifier: MPL-2.0
 *
 * The node table as the planner sees it, and the planner's moves as a drain. */
#include "coordinator/drain_impl.h"
#include "coordinator/group.h"

#include "base/mem.h"

#include <string.h>

#define SCALE 1000000.0 /* of loads that are known as a share only */

/* Everything that a plan_world borrows, and what its indices mean. */
struct picture {
	struct core *c;
	struct balance_wish wish;
	struct plan_world world;
	const struct node **node;
	struct place *place;
	uint64_t *capacity[RESOURCE_COUNT], *load[RESOURCE_COUNT], *size[RESOURCE_COUNT];
	uint64_t *reserve;
	uint32_t *ct_host, *spread, *together, *unit;
	uint8_t *host_flags, *ct_flags, *priority;
	uint64_t *group; /* hashes by id: the first container of a group gives it its number */
	size_t n_groups, room;
};

static bool counts(enum balance_by by, enum resource r)
{
	switch (by) {
	case BY_cpu:
		return r == RESOURCE_cpu;
	case BY_mem:
		return r == RESOURCE_mem;
	case BY_psi:
		return r == RESOURCE_io;
	default:
		return true;
	}
}

/* --- hosts --- */

static bool takes_part(const struct node *node)
{
	return node->enrolled && node->caps && node->beat && node->load_known;
}

/* Who asks for a rebalance wants it now. */
static bool is_brief(const struct picture *p, const struct node *node)
{
	/* Sums of parts that are not exact: what is meant to be enough is. */
	return p->wish.rested && node->hot_excess < p->c->balance.patience - 1e-6;
}

static void add_host(struct picture *p, const struct node *node)
{
	const struct msg_beat *beat = node->beat->beat;
	uint32_t i = p->world.n_hosts++;
	uint64_t total = beat->mem_total_bytes;

	p->node[i] = node;
	p->host_flags[i] = (node->state == NODE_up ? PLAN_HOST_up : 0) |
			   (node->cordoned ? PLAN_HOST_cordoned : 0) |
			   (is_brief(p, node) ? PLAN_HOST_briefly : 0);
	p->capacity[RESOURCE_cpu][i] = (beat->cpus ? beat->cpus : 1) * 1000;
	p->capacity[RESOURCE_mem][i] = total;
	p->capacity[RESOURCE_io][i] = p->capacity[RESOURCE_net][i] = (uint64_t)SCALE;
	for (size_t r = 0; r < RESOURCE_COUNT; r++) {
		p->load[r][i] = (uint64_t)(node->load[r] * (double)p->capacity[r][i]);
		if (!counts(p->wish.by, (enum resource)r) && r != RESOURCE_mem)
			p->capacity[r][i] = 0;
	}
	p->load[RESOURCE_cpu][i] += node->booked.cpu_permille;
	p->load[RESOURCE_mem][i] += node->booked.bytes;
	p->reserve[i] = total / 100 * p->c->config.headroom_percent;
}

/* --- containers --- */

static uint32_t group_id(struct picture *p, const char *name, uint64_t (*hash)(const char *group))
{
	uint64_t h;

	if (!*name)
		return PLAN_NONE;
	h = hash(name);
	for (size_t i = 0; i < p->n_groups; i++)
		if (p->group[i] == h)
			return (uint32_t)i;
	p->group[p->n_groups] = h;
	return (uint32_t)p->n_groups++;
}

static const struct rest *rest_of(const struct core *c, const char *container)
{
	for (size_t i = 0; i < c->balance.n_rests; i++)
		if (str_eq(c->balance.rests[i].container, container))
			return &c->balance.rests[i];
	return NULL;
}

static bool is_own(const struct core *c, const struct node *node)
{
	return node && c->config.boot_id[0] && str_eq(node->boot_id, c->config.boot_id);
}

/* It was moved to or from the coordinator's own host: never twice. */
static bool was_own_guest(const struct core *c, const struct rest *rest, const struct node *node)
{
	bool yes = is_own(c, node);

	for (size_t i = 0; i < REST_LEFT_MAX && !yes && rest->left[i][0]; i++)
		yes = is_own(c, nodes_find(&c->nodes, rest->left[i]));
	return yes;
}

static bool rests(const struct picture *p, const struct place *place)
{
	const struct rest *rest = rest_of(p->c, place->container->id);
	unsigned doublings;
	uint64_t ms;

	if (!rest || !p->wish.rested)
		return false;
	if (was_own_guest(p->c, rest, place->node))
		return true;
	doublings = rest->moves < REST_DOUBLINGS_MAX ? rest->moves : REST_DOUBLINGS_MAX;
	ms = p->wish.even ? REST_BALANCE_MS << (doublings ? doublings - 1 : 0) : REST_OVERLOAD_MS;
	return p->c->now.wall_ms < rest->moved_ms + ms;
}

static void add_container(void *arg, const struct place *place)
{
	struct picture *p = arg;
	const struct msg_container *ct = place->container;
	const struct msg_usage *usage = node_usage(place->node, given(ct->id));
	uint32_t i = p->world.n_containers;
	struct rules rules;

	if (place->secondary || !str_eq(ct->status, "running") || i == p->room)
		return;
	p->world.n_containers++;
	policy_rules(p->c->config.options, ct, &rules);
	p->place[i] = *place;
	p->ct_host[i] = p->world.n_hosts - 1;
	p->size[RESOURCE_cpu][i] = usage ? usage->cpu_permille : ct->cpu_permille;
	p->size[RESOURCE_mem][i] = usage ? usage->rss_bytes : ct->rss_bytes;
	p->ct_flags[i] = rules.move != MOVE_live ? PLAN_CT_pinned : 0;
	if (core_job_moving(p->c, ct->id, place->node->id, NULL) || rests(p, place))
		p->ct_flags[i] |= PLAN_CT_resting;
	p->priority[i] = (uint8_t)rules.priority;
	p->spread[i] = group_id(p, rules.spread, spread_hash);
	p->together[i] = group_id(p, rules.together, together_hash);
	p->unit[i] = PLAN_NONE;
}

/* Those of one host from `from` on that move as one are a unit, under the number of its first. */
static void make_units(struct picture *p, uint32_t from)
{
	struct group group;

	for (uint32_t i = from; i < p->world.n_containers; i++) {
		if (p->unit[i] != PLAN_NONE)
			continue;
		group_of(&p->place[i], &group);
		for (uint32_t k = i; group.n > 1 && k < p->world.n_containers; k++)
			if (group_has(&group, p->place[k].container->id, p->place[k].node->id))
				p->unit[k] = i;
		if (group.n > GROUP_MAX)
			p->ct_flags[i] |= PLAN_CT_pinned;
	}
}

/* --- the verdict --- */

static bool allowed(const void *arg, uint32_t container, uint32_t host)
{
	const struct picture *p = arg;
	const struct place *place = &p->place[container];
	const struct rest *rest = rest_of(p->c, place->container->id);
	struct score_query query;
	struct group_how how = {0};
	struct candidate one;
	struct group group;
	bool yes;

	if (rest && p->wish.rested && rest_forbids(rest, p->node[host]->id, p->c->now.wall_ms))
		return false; /* it came from there */
	if (p->node[host]->cordoned)
		return false;
	group_of(place, &group);
	if (group.n > 1)
		return core_group_fits(p->c, &group, &how, p->node[host]);
	query = core_query(p->c, place->container, place->node);
	score_one(&query, p->node[host], &one);
	yes = verdict_feasible(&one.verdict);
	candidate_done(&one);
	return yes;
}

/* --- one picture --- */

static size_t count_all(const struct core *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nodes.n; i++)
		n += takes_part(c->nodes.v[i]) ? core_count_places(c->nodes.v[i]) : 0;
	return n;
}

static void picture_take(struct picture *p, struct core *c, const struct balance_wish *wish)
{
	size_t hosts = c->nodes.n + 1;

	*p = (struct picture){.c = c, .wish = *wish, .room = count_all(c)};
	core_book(c, NULL);
	p->node = core_scratch(c, hosts, sizeof(*p->node));
	p->host_flags = core_scratch(c, hosts, 1);
	p->reserve = core_scratch(c, hosts, sizeof(uint64_t));
	p->place = core_scratch(c, p->room + 1, sizeof(*p->place));
	p->ct_host = core_scratch(c, p->room + 1, sizeof(uint32_t));
	p->spread = core_scratch(c, p->room + 1, sizeof(uint32_t));
	p->together = core_scratch(c, p->room + 1, sizeof(uint32_t));
	p->unit = core_scratch(c, p->room + 1, sizeof(uint32_t));
	p->ct_flags = core_scratch(c, p->room + 1, 1);
	p->priority = core_scratch(c, p->room + 1, 1);
	p->group = core_scratch(c, 2 * p->room + 1, sizeof(uint64_t));
	for (size_t r = 0; r < RESOURCE_COUNT; r++) {
		p->world.host.capacity[r] = p->capacity[r] =
			core_scratch(c, hosts, sizeof(uint64_t));
		p->world.host.load[r] = p->load[r] = core_scratch(c, hosts, sizeof(uint64_t));
		p->world.ct.size[r] = p->size[r] = core_scratch(c, p->room + 1, sizeof(uint64_t));
	}
	for (size_t i = 0; i < c->nodes.n; i++) {
		struct node *node = c->nodes.v[i];
		struct nodes one = {.v = &node, .n = 1};
		uint32_t first = p->world.n_containers;

		if (!takes_part(node))
			continue;
		add_host(p, node);
		nodes_each_place(&one, add_container, p);
		make_units(p, first);
	}
	p->world.host.reserve = p->reserve;
	p->world.host.flags = p->host_flags;
	p->world.ct.host = p->ct_host;
	p->world.ct.priority = p->priority;
	p->world.ct.flags = p->ct_flags;
	p->world.ct.spread = p->spread;
	p->world.ct.together = p->together;
	p->world.ct.unit = p->unit;
	p->world.allowed = allowed;
	p->world.arg = p;
}

static void add_item(const struct picture *p, const struct plan_move *move, struct drain *drain)
{
	const struct msg_container *ct = p->place[move->container].container;
	struct drain_item *item = drain_add(drain);

	str_copy(item->container, sizeof(item->container), ct->id);
	str_copy(item->runtime, sizeof(item->runtime), ct->runtime);
	str_copy(item->source, sizeof(item->source), p->node[move->from]->id);
	str_copy(item->home, sizeof(item->home), p->node[move->to]->id);
	str_copy(item->code, sizeof(item->code), plan_code_name(move->why));
	str_copy(item->why, sizeof(item->why), plan_code_text(move->why));
	item->rss_bytes = ct->rss_bytes;
}

enum plan_quiet balance_propose(struct core *c, const struct balance_wish *wish,
				struct drain *drain)
{
	struct plan_limits limits = c->balance.limits;
	unsigned ticks = wish->held ? c->balance.uneven_ticks : limits.hold;
	struct picture picture;
	enum plan_quiet quiet;
	struct plan plan;

	if (wish->max_moves)
		limits.moves = wish->max_moves;
	if (!wish->overload)
		limits.overload = 1e9;
	if (!wish->even)
		limits.imbalance = 1e9;
	picture_take(&picture, c, wish);
	quiet = plan_rebalance(&picture.world, &limits, &ticks, &plan);
	if (wish->held)
		c->balance.uneven_ticks = ticks;
	for (size_t i = 0; i < plan.n_moves && drain->n_items < DRAIN_ITEMS_MAX; i++)
		add_item(&picture, &plan.moves[i], drain);
	drain->hottest = plan.before.hottest;
	drain->hottest_after = plan.after.hottest;
	drain->imbalance = plan.before.imbalance;
	drain->imbalance_after = plan.after.imbalance;
	plan_free(&plan);
	return quiet;
}
