/* SPDX-License-Identifier: MPL-2.0
 *
 * The plan of a drain: its containers, by priority and size, each on the best host that is left
 * when those before it are there already. What the plan says is shown and agreed to; the queue
 * chooses again when a move begins (drain_run.c), as the cluster has gone on meanwhile. */
#include "coordinator/drain_impl.h"

#include "base/mem.h"

#include <string.h>

#define ALIKE 2.0 /* points of score that make no difference */

bool drain_step_down(const struct drain *drain, struct drain_item *item, const char *code,
		     const char *why)
{
	if (!drain->cold || item->cold)
		return false;
	item->cold = true;
	str_fmt(item->mode_reason, sizeof(item->mode_reason), "%s%s%s", code, *code ? ": " : "",
		why);
	return true;
}

struct score_query drain_query(struct core *c, const struct drain *drain,
			       const struct drain_item *item, const struct place *place,
			       const char *skip[16])
{
	struct score_query query;

	for (size_t i = 0; i < drain->n_skip; i++)
		skip[i] = drain->skip[i];
	query = core_query(c, place->container, place->node);
	query.skip = (struct msg_strs){skip, drain->n_skip};
	query.cold = item->cold;
	query.busy = core_job_moving(c, place->container->id, place->node->id, NULL) != NULL;
	return query;
}

bool drain_may_use(const struct drain *drain, const struct drain_item *item,
		   const struct node *node)
{
	if (node->cordoned || str_eq(node->id, item->tried))
		return false;
	return *item->home ? str_eq(node->id, item->home) : !drain_has_host(drain, node->id);
}

/* --- what is missing --- */

static const struct msg_reason *first_refusal(const struct candidate *candidate,
					      struct msg_reason buf[VERDICT_REASONS_MAX])
{
	size_t n = verdict_reasons(&candidate->verdict, buf);

	for (size_t i = 0; i < n; i++)
		if (!buf[i].warning)
			return &buf[i];
	return NULL;
}

static void keep_reason(struct drain_item *item, const char *host, const struct msg_reason *reason)
{
	str_copy(item->code, sizeof(item->code), reason->code);
	str_fmt(item->why, sizeof(item->why), "%s%s%s", host, *host ? ": " : "",
		given(reason->why));
}

bool drain_may_ask(const struct drain *drain, const struct drain_item *item,
		   const struct node *node)
{
	if (*item->home)
		return str_eq(node->id, item->home);
	return !node->cordoned && !drain_has_host(drain, node->id);
}

/* The reason that the container itself gives, whatever the host; else the one that most hosts give.
 */
void drain_say_why(const struct drain *drain, struct drain_item *item,
		   const struct ranking *ranking)
{
	struct msg_reason buf[VERDICT_REASONS_MAX];
	const struct code_row *row;
	const struct msg_reason *reason;
	size_t asked = 0, memory = 0;
	char need[STR_HUMAN_SIZE];

	item->code[0] = item->why[0] = '\0';
	for (size_t i = 0; i < ranking->n; i++) {
		if (!drain_may_ask(drain, item, ranking->v[i].node))
			continue;
		asked++;
		reason = first_refusal(&ranking->v[i], buf);
		row = reason ? code_find(reason->code) : NULL;
		if (!row)
			continue;
		if (row->about == ABOUT_ct || row->about == ABOUT_src) {
			keep_reason(item, "", reason);
			return;
		}
		memory += row == code_row(CODE_mem) || row == code_row(CODE_staging);
		if (!item->code[0])
			keep_reason(item, ranking->v[i].node->id, reason);
	}
	if (!asked)
		str_copy(item->why, sizeof(item->why),
			 "there is no other host that may be moved onto");
	else if (memory == asked)
		str_fmt(item->why, sizeof(item->why), "no host has %s more for %s",
			str_human_bytes(need, 2 * item->rss_bytes + item->rss_bytes / 10),
			item->container);
}

/* --- placing --- */

static void book(struct core *c, const struct drain_item *item, const struct msg_container *facts)
{
	struct node *node = nodes_find(&c->nodes, item->target);

	if (node)
		core_book_one(c, node, facts);
}

static size_t arrivals(const struct drain *drain, const char *host)
{
	size_t n = 0;

	for (size_t i = 0; i < drain->n_items; i++)
		n += str_eq(drain->items[i].target, host);
	return n;
}

/* Of hosts that are about as good as the best the one that gets the fewest of this plan: a host
 * takes two at a time, and what is alike should not end up on one. */
static const struct candidate *choose(const struct drain *drain, const struct drain_item *item,
				      const struct ranking *ranking)
{
	const struct candidate *top = NULL, *best = NULL;
	size_t fewest = 0, here;

	for (size_t i = 0; i < ranking->n; i++) {
		const struct candidate *one = &ranking->v[i];

		if (!drain_may_use(drain, item, one->node))
			continue;
		if (top && (one->tier < top->tier || one->score < top->score - ALIKE))
			break; /* they come in order of tier and score */
		top = top ? top : one;
		here = arrivals(drain, one->node->id);
		if (best && here >= fewest)
			continue;
		best = one;
		fewest = here;
	}
	return best;
}

void drain_use(struct drain_item *item, const struct candidate *best)
{
	str_copy(item->target, sizeof(item->target), best->node->id);
	str_copy(item->verdict, sizeof(item->verdict),
		 item->cold ? "cold" : verdict_word(verdict_kind(&best->verdict)));
	item->score = best->score;
	item->predicted_frozen_ms = best->prediction.frozen_ms;
	item->predicted_total_ms = best->prediction.total_ms;
}

/* The hosts that may be asked: home alone, or all. */
static void rank(struct core *c, const struct drain_item *item, struct score_query *query,
		 struct ranking *ret)
{
	if (*item->home)
		core_rank_chosen(c, query, item->home, ret);
	else
		score_rank(query, &c->nodes, ret);
}

/* Whether a host was found. */
static bool place_so(struct core *c, const struct drain *drain, struct drain_item *item,
		     const struct place *place)
{
	const struct candidate *best;
	struct ranking ranking;
	const char *skip[16];
	struct score_query query = drain_query(c, drain, item, place, skip);
	bool found;

	query.live_only = true;
	rank(c, item, &query, &ranking);
	best = choose(drain, item, &ranking);
	found = best && verdict_feasible(&best->verdict);
	if (found) {
		drain_use(item, best);
		book(c, item, place->container);
	}
	ranking_done(&ranking);
	if (found)
		return true;
	query.live_only = false;
	rank(c, item, &query, &ranking);
	item->target[0] = '\0';
	str_copy(item->verdict, sizeof(item->verdict), "no");
	drain_say_why(drain, item, &ranking);
	ranking_done(&ranking);
	return false;
}

static void place_alone(struct core *c, const struct drain *drain, struct drain_item *item,
			const struct place *place)
{
	if (place_so(c, drain, item, place) || !drain_step_down(drain, item, item->code, item->why))
		return;
	if (place_so(c, drain, item, place)) {
		item->code[0] = item->why[0] = '\0'; /* it is the mode's reason now */
		return;
	}
	item->cold = false; /* not that either; why it cannot move cold is what is left to mend */
	item->mode_reason[0] = '\0';
	drain_step_to_stop(c, drain, item);
}

/* With all that move with it, which are looked at no more then. */
static void place_item(struct core *c, struct drain *drain, size_t at, bool *placed)
{
	struct drain_item *item = &drain->items[at];
	struct group group;
	struct place place;

	if (placed[at] || item->state != ITEM_waiting || item->stop ||
	    nodes_find_container(&c->nodes, item->container, item->source, &place, NULL))
		return;
	group_of(&place, &group);
	if (group.n == 1) {
		place_alone(c, drain, item, &place);
		return;
	}
	drain_place_group(c, drain, item, &group);
	for (size_t i = at; i < drain->n_items; i++)
		placed[i] |= group_has(&group, drain->items[i].container, drain->items[i].source);
}

static int most_urgent_first(const void *a, const void *b)
{
	const struct drain_item *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->rss_bytes != y->rss_bytes)
		return x->rss_bytes > y->rss_bytes ? -1 : 1;
	return strcmp(x->container, y->container);
}

static void set_priority(struct core *c, struct drain_item *item)
{
	struct rules rules = {.priority = PRIORITY_DEFAULT};
	struct place place;

	if (!nodes_find_container(&c->nodes, item->container, item->source, &place, NULL))
		policy_rules(c->config.options, place.container, &rules);
	item->priority = rules.priority;
}

/* --- the hosts before and after --- */

static struct drain_room *room_of(struct core *c, struct drain *drain, const char *host)
{
	const struct node *node = nodes_find(&c->nodes, host);
	struct drain_room *room;

	for (size_t i = 0; i < drain->n_rooms; i++)
		if (str_eq(drain->rooms[i].host, host))
			return &drain->rooms[i];
	drain->rooms = mem_grow(drain->rooms, drain->n_rooms + 1, sizeof(*drain->rooms));
	room = &drain->rooms[drain->n_rooms++];
	*room = (struct drain_room){0};
	str_copy(room->host, sizeof(room->host), host);
	if (!node)
		return room;
	str_copy(room->boot_id, sizeof(room->boot_id), node->boot_id);
	room->containers = room->containers_after = core_count_places(node);
	room->hot = room->hot_after = node->load_known ? node_hot(node) : 0;
	if (node->beat)
		room->available = room->available_after = node->beat->beat->mem_available_bytes;
	return room;
}

/* Memory and CPU are known to go along, the rest stays as it is. */
static double hot_then(const struct drain_room *room, const struct node *node,
		       const struct msg_beat *beat)
{
	double load[RESOURCE_COUNT], most = 0;

	memcpy(load, node->load, sizeof(load));
	load[RESOURCE_mem] = 1 - (double)room->available_after / (double)beat->mem_total_bytes;
	load[RESOURCE_cpu] +=
		(double)room->cpu_permille / 1000 / (beat->cpus ? (double)beat->cpus : 1);
	for (size_t r = 0; r < RESOURCE_COUNT; r++)
		most = load[r] > most ? load[r] : most;
	return most < 1 ? most : 1;
}

static void shift_room(struct core *c, struct drain_room *room, const struct drain_item *item,
		       bool arrives)
{
	const struct node *node = nodes_find(&c->nodes, room->host);
	const struct node *source = nodes_find(&c->nodes, item->source);
	const struct msg_beat *beat = node && node->beat ? node->beat->beat : NULL;
	const struct msg_usage *usage;

	room->containers_after += arrives ? 1 : -1;
	if (arrives)
		room->available_after -= room->available_after < item->rss_bytes
						 ? room->available_after
						 : item->rss_bytes;
	else
		room->available_after += item->rss_bytes;
	usage = source ? node_usage(source, item->container) : NULL;
	room->cpu_permille += (arrives ? 1 : -1) * (usage ? (int64_t)usage->cpu_permille : 0);
	if (beat && beat->mem_total_bytes && node->load_known)
		room->hot_after = hot_then(room, node, beat);
}

static void look_at_rooms(struct core *c, struct drain *drain)
{
	for (size_t i = 0; i < drain->n_hosts; i++)
		room_of(c, drain, drain->hosts[i]);
	for (size_t i = 0; i < drain->n_items; i++) {
		const struct drain_item *item = &drain->items[i];

		if (item->state != ITEM_waiting || !item->target[0] || item->stop)
			continue;
		shift_room(c, room_of(c, drain, item->source), item, false);
		shift_room(c, room_of(c, drain, item->target), item, true);
	}
}

/* As many moves at a time as the limits let, none shorter than the longest. */
static void guess_eta(struct drain *drain)
{
	uint64_t lanes = drain->parallel ? drain->parallel : DRAIN_MOVES, sum = 0, longest = 0;
	uint64_t out = DRAIN_HOST_MOVES * (drain->n_hosts ? drain->n_hosts : 1);

	lanes = lanes < out ? lanes : out;
	for (size_t i = 0; i < drain->n_items; i++) {
		uint64_t ms = drain->items[i].target[0] ? drain->items[i].predicted_total_ms : 0;

		sum += ms;
		longest = ms > longest ? ms : longest;
	}
	drain->eta_ms = sum / lanes > longest ? sum / lanes : longest;
}

void drain_place(struct core *c, struct drain *drain)
{
	bool *placed = core_scratch(c, drain->n_items + 1, sizeof(*placed));

	core_book(c, NULL);
	for (size_t i = 0; i < drain->n_items; i++)
		set_priority(c, &drain->items[i]);
	if (drain->n_items)
		qsort(drain->items, drain->n_items, sizeof(*drain->items), most_urgent_first);
	for (size_t i = 0; i < drain->n_items; i++)
		place_item(c, drain, i, placed);
	look_at_rooms(c, drain);
	guess_eta(drain);
}

/* --- what is on the hosts --- */

struct collect {
	struct drain *drain;
	size_t added;
};

static bool has_item(const struct drain *drain, const char *container, const char *host)
{
	for (size_t i = 0; i < drain->n_items; i++)
		if (str_eq(drain->items[i].container, container) &&
		    str_eq(drain->items[i].source, host))
			return true;
	return false;
}

static void collect_one(void *arg, const struct place *place)
{
	struct collect *collect = arg;
	const struct msg_container *ct = place->container;
	struct drain_item *item;

	/* What does not run needs no move to let the host go down. */
	if (place->secondary || !str_eq(ct->status, "running") ||
	    collect->drain->n_items == DRAIN_ITEMS_MAX ||
	    has_item(collect->drain, given(ct->id), place->node->id))
		return;
	item = drain_add(collect->drain);
	str_copy(item->container, sizeof(item->container), ct->id);
	str_copy(item->runtime, sizeof(item->runtime), ct->runtime);
	str_copy(item->source, sizeof(item->source), place->node->id);
	item->rss_bytes = ct->rss_bytes;
	collect->added++;
}

size_t drain_collect(struct core *c, struct drain *drain)
{
	struct collect collect = {.drain = drain};

	for (size_t i = 0; i < drain->n_hosts; i++) {
		struct node *node = nodes_find(&c->nodes, drain->hosts[i]);
		struct nodes one = {.v = &node, .n = 1};

		if (node)
			nodes_each_place(&one, collect_one, &collect);
	}
	return collect.added;
}
