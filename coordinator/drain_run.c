/* SPDX-License-Identifier: MPL-2.0
 *
 * The queue of a drain: each turn it takes note of the moves that ended and begins those that the
 * limits let. The target is chosen again at that moment: the planned one if it still may be used,
 * else the best. */
#include "coordinator/drain_impl.h"

#include "base/mem.h"
#include "coordinator/core_requests.h"
#include "coordinator/migrate.h"

#include <inttypes.h>
#include <string.h>

#define HEARD_MS 10000 /* after our start; hosts that are silent for longer are not waited for */
#define LOOK_MS 1000   /* between looks at what waits */
#define STUCK_MS 10000 /* no host can take it and nothing is under way that may free one */
#define NO_TARGET_TRIES_MAX 8 /* rankings in vain a turn */

struct drain *core_drain_find(struct core *c, const char *id)
{
	for (size_t i = c->n_drains; i-- > 0;)
		if (str_eq(c->drains[i]->id, id))
			return c->drains[i];
	return NULL;
}

struct drain *core_drain_add(struct core *c, const char *id, const char *kind)
{
	c->drains = mem_grow(c->drains, c->n_drains + 1, sizeof(struct drain *));
	c->drains[c->n_drains] = drain_new(id, kind);
	return c->drains[c->n_drains++];
}

/* Hosts that are emptied together are to be known together, so that none is the other's target. */
bool core_hosts_heard(const struct core *c)
{
	if (c->now.mono_ms >= c->started_mono_ms + HEARD_MS)
		return true;
	for (size_t i = 0; i < c->nodes.n; i++) {
		const struct node *node = c->nodes.v[i];

		if (node->enrolled &&
		    (node->state == NODE_unknown || (node->state == NODE_up && !node->caps)))
			return false;
	}
	return c->now.mono_ms > c->started_mono_ms; /* the roster comes first */
}

/* The core has no source of chance; its term and a count are unique enough. */
void core_own_id(struct core *c, char ret_id[ULID_SIZE])
{
	ulid_nth(ret_id, "00000000000000000000000000", c->config.term << 20 | ++c->own_drains,
		 c->now.wall_ms);
}

struct drain *core_drain_of_host(struct core *c, const char *host)
{
	for (size_t i = c->n_drains; i-- > 0;)
		if (c->drains[i]->state != DRAIN_done && c->drains[i]->state != DRAIN_planned &&
		    drain_has_host(c->drains[i], host))
			return c->drains[i];
	return NULL;
}

void drain_emit(struct core *c, struct drain *drain, const char *kind, const char *text)
{
	char phase[DRAIN_PHASE_SIZE];
	struct msg_job view;

	drain_job_view(drain, &view, phase);
	core_emit_view(c, kind, NULL, text, &view);
}

/* --- moves that ended --- */

static void keep_failure(struct drain_item *item, const struct job *job)
{
	const struct msg_answer *said = job->reasons ? job->reasons->answer : NULL;

	item->code[0] = '\0';
	for (size_t i = 0; said && i < said->reasons.n && !item->code[0]; i++)
		if (!said->reasons.v[i].warning)
			str_copy(item->code, sizeof(item->code), said->reasons.v[i].code);
	str_copy(item->why, sizeof(item->why), job->error);
}

static void stayed(struct core *c, struct drain *drain, struct drain_item *item,
		   const struct job *job)
{
	bool over = drain->state > DRAIN_paused || job->cancelled || job->code == ERR_canceled ||
		    !job->runs_on[0];

	keep_failure(item, job);
	str_copy(item->tried, sizeof(item->tried), job->target);
	item->state = over ? ITEM_stays : ITEM_waiting;
	if (over || item->attempts < DRAIN_ATTEMPTS_MAX)
		return;
	if (drain_step_down(drain, item, item->code, item->why))
		item->tried[0] = '\0'; /* what failed there was another thing */
	else if ((!item->cold || item->attempts > DRAIN_ATTEMPTS_MAX) &&
		 !drain_step_to_stop(c, drain, item))
		item->state = ITEM_stays;
}

static void say_ended(struct core *c, struct drain *drain, const struct drain_item *item,
		      const struct job *job)
{
	char text[400], frozen[STR_HUMAN_SIZE];

	if (item->state == ITEM_moved)
		str_fmt(text, sizeof(text), "%s: moved to %s, frozen for %s", item->container,
			item->target, str_human_ms(frozen, item->frozen_us / 1000));
	else if (item->state == ITEM_stopped || item->state == ITEM_started)
		str_fmt(text, sizeof(text), "%s: %s on %s", item->container,
			item_state_name(item->state), item->source);
	else if (item->state == ITEM_waiting)
		str_fmt(text, sizeof(text), "%s: stayed on %s (%s); %s is tried", item->container,
			item->source, item->why,
			item->stop   ? "stopping it"
			: item->cold ? "a cold move"
				     : "another target");
	else
		str_fmt(text, sizeof(text), "%s: %s: %s", item->container,
			outcome_name(job->outcome), item->why);
	drain_emit(c, drain, "drain.item", text);
}

/* A HELD move may still end otherwise: it is looked at for as long as the drain lasts. */
static void watch_item(struct core *c, struct drain *drain, struct drain_item *item)
{
	const struct job *job = core_job_find(c, item->job);
	enum item_state before = item->state;

	if (job && job->stage != STAGE_done && !job->told_end)
		return;
	if (job && job->cold && !job->stops && !item->cold) { /* it has stepped down by itself */
		item->cold = true;
		str_copy(item->mode_reason, sizeof(item->mode_reason), job->mode_reason);
	}
	if (!job) {
		item->state = ITEM_stays;
		str_copy(item->why, sizeof(item->why), "its job is forgotten: see drover history");
	} else if (job->stops) {
		if (!drain_watch_stop(item, job))
			return;
	} else if (job->outcome == OUTCOME_moved) {
		item->state = ITEM_moved;
		item->frozen_us = job->figures.frozen_us;
		item->code[0] = item->why[0] = '\0';
		str_copy(item->target, sizeof(item->target), job->target);
		if (str_eq(drain->kind, "rebalance"))
			balance_moved(c, item->container, item->source);
	} else if (job->outcome == OUTCOME_held || job->outcome == OUTCOME_lost) {
		item->state = job->outcome == OUTCOME_held ? ITEM_held : ITEM_lost;
		keep_failure(item, job);
	} else if (job->outcome == OUTCOME_stayed) {
		stayed(c, drain, item, job);
	} else if (job->stage != STAGE_done) {
		return; /* its source has not said yet that it took it back */
	} else {
		item->state = ITEM_stays;
		keep_failure(item, job);
	}
	if (item->state == before)
		return;
	drain->dirty = true;
	if (job)
		say_ended(c, drain, item, job);
}

/* --- moves that begin --- */

struct traffic {
	size_t all, out, in;
};

static bool under_way(const struct job *job)
{
	return !job->probe && !job->told_end && job->stage != STAGE_done;
}

/* What is under way, of this drain or not: in all, out of one host, into one host. */
static struct traffic traffic_of(const struct core *c, const char *source, const char *target)
{
	struct traffic t = {0};

	for (size_t i = 0; i < c->n_jobs; i++) {
		const struct job *job = c->jobs[i];

		if (!under_way(job))
			continue;
		t.all++;
		t.out += str_eq(job->source, source);
		t.in += str_eq(job->target, target);
	}
	return t;
}

/* Whether n more still are within a limit; a group that is larger than it goes when nothing else
 * does. */
static bool within(size_t now, size_t n, size_t limit)
{
	return now + n <= limit || (!now && n > 1);
}

static bool may_leave(const struct core *c, const struct drain *drain,
		      const struct drain_item *item, size_t n)
{
	struct traffic t = traffic_of(c, item->source, "");
	size_t limit = drain->parallel ? drain->parallel : DRAIN_MOVES;

	return within(drain_count(drain, ITEM_moving), n, limit) &&
	       within(t.all, n, limit > DRAIN_MOVES ? limit : DRAIN_MOVES) &&
	       within(t.out, n, DRAIN_HOST_MOVES);
}

struct filter {
	struct core *c;
	const struct drain *drain;
	const struct drain_item *item;
	const struct group *group;
	bool for_now; /* with room for their arrival */
};

static bool is_out(void *arg, const struct node *node)
{
	const struct filter *filter = arg;

	return !drain_may_use(filter->drain, filter->item, node) ||
	       (filter->for_now && !within(traffic_of(filter->c, "", node->id).in, filter->group->n,
					   DRAIN_HOST_MOVES)) ||
	       (filter->group->n > 1 &&
		!drain_takes_group(filter->c, filter->drain, filter->item, filter->group, node));
}

static bool can_take(const struct score_query *query, struct filter *filter,
		     const struct node *node)
{
	struct verdict verdict;
	bool can;

	if (!node || node == query->source || is_out(filter, node))
		return false;
	score_verdict(query, node, &verdict);
	can = verdict_feasible(&verdict);
	verdict_done(&verdict);
	return can;
}

/* The planned target or the best of the rest, with room for one more arrival: its id in ret_target,
 * "" when there is none. Answers whether some host could take it, if only later. */
static bool choose(struct core *c, const struct drain *drain, const struct drain_item *item,
		   const struct group *group, const struct score_query *query,
		   char ret_target[NAME_SIZE])
{
	struct filter filter = {c, drain, item, group, true};
	struct candidate best;
	bool found = can_take(query, &filter, nodes_find(&c->nodes, item->target));

	str_copy(ret_target, NAME_SIZE, found ? item->target : "");
	if (found)
		return true;
	for (int pass = 0; pass < 2 && !found; pass++) {
		filter.for_now = pass == 0;
		found = score_best(query, &c->nodes, is_out, &filter, &best);
		if (found && filter.for_now)
			str_copy(ret_target, NAME_SIZE, best.node->id);
		if (found)
			candidate_done(&best);
	}
	return found;
}

static void say_why(struct core *c, struct drain *drain, struct drain_item *item,
		    const struct group *group, const struct score_query *query)
{
	struct ranking ranking;

	if (group->n > 1) {
		drain_group_say_why(c, drain, item, group);
		return;
	}
	score_rank(query, &c->nodes, &ranking);
	drain_say_why(drain, item, &ranking);
	ranking_done(&ranking);
}

void drain_moves(struct core *c, struct drain *drain, struct drain_item *item,
		 const struct job *job)
{
	char text[3 * NAME_SIZE + 300];

	if (!item)
		return;
	item->state = ITEM_moving;
	if (job->cold && !item->cold) { /* with another of its group */
		item->cold = true;
		str_copy(item->mode_reason, sizeof(item->mode_reason), job->mode_reason);
	}
	item->attempts++;
	item->since_ms = 0;
	item->code[0] = item->why[0] = '\0';
	item->predicted_frozen_ms = job->predicted_frozen_ms;
	str_copy(item->target, sizeof(item->target), job->target);
	str_copy(item->job, sizeof(item->job), job->id);
	drain->dirty = true;
	if (job->stops)
		str_fmt(text, sizeof(text), "%s: %s on %s%s%s", item->container,
			job->stage == STAGE_launch ? "is started" : "is stopped", item->source,
			job->stage == STAGE_launch ? "" : ": ",
			job->stage == STAGE_launch ? "" : job->mode_reason);
	else if (job->cold)
		str_fmt(text, sizeof(text), "%s: %s to %s, cold: %s", item->container, item->source,
			job->target, job->mode_reason);
	else
		str_fmt(text, sizeof(text), "%s: %s to %s", item->container, item->source,
			job->target);
	drain_emit(c, drain, "drain.item", text);
}

/* The waiting item of a container that moves as one with another, or NULL. */
struct drain_item *drain_item_of(struct drain *drain, const struct job *job)
{
	for (size_t i = 0; i < drain->n_items; i++)
		if (drain->items[i].state == ITEM_waiting &&
		    str_eq(drain->items[i].container, job->container) &&
		    str_eq(drain->items[i].source, job->source))
			return &drain->items[i];
	return NULL;
}

void drain_next_id(struct core *c, struct drain *drain, char ret[ULID_SIZE])
{
	do /* begun before the coordinator was started again: the next */
		ulid_nth(ret, drain->id, ++drain->begun, c->now.wall_ms);
	while (core_job_find(c, ret));
}

static int begin(struct core *c, struct drain *drain, struct drain_item *item,
		 const struct place *place, const char *target, const char *skip[16],
		 struct err *err)
{
	struct job *job, *m = NULL;
	struct msg_ask work;
	char id[ULID_SIZE];

	drain_next_id(c, drain, id);
	job = core_job_make(c, id, place, (struct msg_strs){skip, drain->n_skip}, drain->user);
	str_copy(job->parent, sizeof(job->parent), drain->id);
	str_copy(job->chosen, sizeof(job->chosen), target);
	job->cold = item->cold;
	if (drain->cold) {
		work = *job->work->ask;
		work.mode = "ladder";
		job_set_work(job, &work);
	}
	str_copy(job->mode_reason, sizeof(job->mode_reason), item->mode_reason);
	if (migrate_group_make(c, job, place, err) || core_job_begin(c, job, err)) {
		migrate_group_drop(c, job);
		return -err->code;
	}
	while ((m = migrate_group_next(c, job, m)))
		drain_moves(c, drain, m == job ? item : drain_item_of(drain, m), m);
	return 0;
}

static void is_gone(struct core *c, struct drain *drain, struct drain_item *item)
{
	char text[200];

	item->state = ITEM_gone;
	str_fmt(item->why, sizeof(item->why), "it does not run on %s any more", item->source);
	str_fmt(text, sizeof(text), "%s: %s", item->container, item->why);
	drain->dirty = true;
	drain_emit(c, drain, "drain.item", text);
}

/* No host can take it now. That may be different when what moves has arrived, or when a host that
 * is not up comes back: only a while of nothing under way settles it. */
static void wait_or_stay(struct core *c, struct drain *drain, struct drain_item *item,
			 const struct node *source)
{
	char text[400];

	if (source->state != NODE_up || traffic_of(c, "", "").all) {
		item->since_ms = 0;
		return;
	}
	if (!item->since_ms)
		item->since_ms = c->now.mono_ms;
	if (c->now.mono_ms - item->since_ms < STUCK_MS)
		return;
	drain->dirty = true;
	if (drain_step_down(drain, item, item->code, item->why) ||
	    drain_step_to_stop(c, drain, item)) {
		item->since_ms = 0;
		return;
	}
	item->state = ITEM_stays;
	str_fmt(text, sizeof(text), "%s: stays on %s: %s%s%s", item->container, item->source,
		item->code, *item->code ? ": " : "", item->why);
	drain_emit(c, drain, "drain.item", text);
}

/* After all that moves: room may come until then. */
static void stop_at_last(struct core *c, struct drain *drain, struct drain_item *item)
{
	for (size_t i = 0; i < drain->n_items; i++)
		if (!drain->items[i].stop &&
		    (drain->items[i].state == ITEM_waiting || drain->items[i].state == ITEM_moving))
			return;
	drain_do_stop(c, drain, item);
}

/* True when a ranking was made in vain. */
static bool dispatch(struct core *c, struct drain *drain, struct drain_item *item)
{
	const char *skip[16];
	struct score_query query;
	struct place place;
	struct err err = {0};
	char target[NAME_SIZE] = "";
	struct group group;
	bool any;

	if (item->stop && *item->home) {
		drain_do_stop(c, drain, item); /* a restore's: it is started */
		return false;
	}
	if (nodes_find_container(&c->nodes, item->container, item->source, &place, &err) ||
	    !str_eq(place.container->status, "running")) {
		const struct node *source = nodes_find(&c->nodes, item->source);

		if (source && source->state == NODE_up && source->caps)
			is_gone(c, drain, item);
		return false;
	}
	group_of(&place, &group);
	if (group.n > 1 && !may_leave(c, drain, item, group.n))
		return false;
	core_book(c, NULL);
	query = drain_query(c, drain, item, &place, skip);
	any = choose(c, drain, item, &group, &query, target);
	if (!any)
		say_why(c, drain, item, &group, &query);
	if (!*target && !any && item->stop)
		stop_at_last(c, drain, item);
	else if (!*target && !any)
		wait_or_stay(c, drain, item, place.node);
	if (*target && begin(c, drain, item, &place, target, skip, &err))
		str_copy(item->why, sizeof(item->why), err.text);
	return !*target;
}

static void begin_moves(struct core *c, struct drain *drain)
{
	size_t in_vain = 0;

	for (size_t i = 0; i < drain->n_items && in_vain < NO_TARGET_TRIES_MAX; i++) {
		struct drain_item *item = &drain->items[i];

		if (item->state == ITEM_waiting && may_leave(c, drain, item, 1))
			in_vain += dispatch(c, drain, item);
	}
}

/* --- the end --- */

void drain_close(struct core *c, struct drain *drain)
{
	drain->state = DRAIN_done;
	drain->finished_ms = c->now.wall_ms;
	drain->dirty = true;
	drain_emit(c, drain, "drain.end", drain->note);
	core_end_drain_followers(c, drain);
}

static void finish(struct core *c, struct drain *drain)
{
	drain_sum_up(drain);
	if (drain_hooks_wanted(c, drain))
		drain_hooks_begin(c, drain, true);
	else
		drain_close(c, drain);
}

void drain_end(struct core *c, struct drain *drain, const char *why, bool also_moving)
{
	struct err err = {0};

	drain->state = DRAIN_ending;
	drain->dirty = true;
	str_copy(drain->ended, sizeof(drain->ended), why);
	for (size_t i = 0; i < drain->n_items; i++) {
		struct drain_item *item = &drain->items[i];
		struct job *job;

		if (item->state == ITEM_waiting) {
			item->state = ITEM_stays;
			if (!item->why[0])
				str_copy(item->why, sizeof(item->why),
					 str_eq(why, "cancel") ? "canceled before its turn"
							       : "its turn had not come");
		}
		job = item->state == ITEM_moving && also_moving ? core_job_find(c, item->job)
								: NULL;
		if (job && job->stage < STAGE_hold)
			migrate_cancel(c, job, "its evacuation was canceled", &err);
	}
}

static bool past_deadline(const struct core *c, const struct drain *drain)
{
	return drain->deadline_ms && drain->state != DRAIN_ending &&
	       c->now.wall_ms >= drain->started_ms + drain->deadline_ms;
}

/* Containers that were started on a host after its plan was made keep it from being empty. */
static bool has_newcomers(struct core *c, struct drain *drain)
{
	if (drain->state != DRAIN_running || !str_eq(drain->kind, "evacuate") ||
	    !drain_collect(c, drain))
		return false;
	drain->dirty = true;
	return true;
}

static void run_one(struct core *c, struct drain *drain)
{
	if (drain->state == DRAIN_preparing || drain->state == DRAIN_telling) {
		drain_hooks_run(c, drain);
		return;
	}
	for (size_t i = 0; i < drain->n_items; i++)
		if (drain->items[i].state == ITEM_moving || drain->items[i].state == ITEM_held ||
		    drain->items[i].state == ITEM_stopped)
			watch_item(c, drain, &drain->items[i]);
	if (past_deadline(c, drain))
		drain_end(c, drain, "deadline", false);
	if (drain->state == DRAIN_running)
		begin_moves(c, drain);
	if (drain_count(drain, ITEM_moving) || drain_count(drain, ITEM_waiting) ||
	    drain->state == DRAIN_paused || has_newcomers(c, drain))
		return;
	finish(c, drain);
}

void drains_run(struct core *c)
{
	for (size_t i = 0; i < c->n_drains; i++) {
		struct drain *drain = c->drains[i];

		if (drain->state == DRAIN_planned && c->now.wall_ms >= drain->at_ms &&
		    core_hosts_heard(c))
			core_begin_planned(c, drain);
		if (drain->state != DRAIN_done && drain->state != DRAIN_planned &&
		    (c->drains_due || c->now.mono_ms >= drain->look_ms)) {
			drain->look_ms = c->now.mono_ms + LOOK_MS;
			run_one(c, drain);
		}
		drain_record(drain, c->effects);
	}
	c->drains_due = false;
}

uint64_t drains_next_ms(const struct core *c)
{
	uint64_t next_ms = UINT64_MAX;

	for (size_t i = 0; i < c->n_drains; i++)
		if (c->drains[i]->state != DRAIN_done && c->drains[i]->state != DRAIN_planned &&
		    c->drains[i]->look_ms < next_ms)
			next_ms = c->drains[i]->look_ms;
	return next_ms;
}
