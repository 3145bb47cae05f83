/* SPDX-License-Identifier: MPL-2.0
 *
 * The foot of the mode ladder: what can go nowhere is stopped where it is, when a person has asked
 * for that (--on-stuck stop), and is started there again by the restore of its host. What bars a
 * cold move bars the stop, too: it could not be started again; so does a policy's move = never,
 * whatever is skipped. Of containers that move as one all are stopped or none. */
#include "coordinator/drain_impl.h"

#include "base/mem.h"
#include "coordinator/core_requests.h"
#include "coordinator/group.h"
#include "coordinator/judge.h"
#include "coordinator/migrate.h"

#include <string.h>

/* --- whether --- */

static bool place_of(struct core *c, const struct drain_item *item, struct place *ret)
{
	return !nodes_find_container(&c->nodes, item->container, item->source, ret, NULL) &&
	       str_eq(ret->container->status, "running");
}

/* Why it may not be stopped, in ret_why; false: it may. */
static bool bars_stop(struct core *c, const struct drain *drain, const struct drain_item *item,
		      const struct place *place, char *ret_why, size_t size)
{
	const char *skip[16];
	struct score_query query = drain_query(c, drain, item, place, skip);
	struct verdict verdict = {0};
	const struct reason *first;
	struct judge j;

	query.cold = true;
	j = judge_of(&query, &verdict);
	judge_container(&j);
	first = verdict_first(&verdict);
	if (query.rules && query.rules->move == MOVE_never)
		str_fmt(ret_why, size, "%s: a policy says move = never",
			code_row(CODE_policy_never)->code);
	else if (first)
		str_fmt(ret_why, size, "%s: %s", first->row->code, given(first->why));
	else if (!given(place->container->bundle)[0])
		str_fmt(ret_why, size, "nothing is known to start %s from again",
			given(place->container->id));
	else
		*ret_why = '\0';
	verdict_done(&verdict);
	return *ret_why != '\0';
}

static bool group_bars_stop(struct core *c, const struct drain *drain,
			    const struct drain_item *item, const struct place *place, char *ret_why,
			    size_t size)
{
	struct group group;
	char why[150];

	group_of(place, &group);
	for (size_t i = 0; i < group_listed(&group); i++)
		if (group.v[i].container != place->container &&
		    bars_stop(c, drain, item, &group.v[i], why, sizeof(why))) {
			str_fmt(ret_why, size, "nor may %s, which belongs with it, be: %s",
				given(group.v[i].container->id), why);
			return true;
		}
	return false;
}

bool drain_step_to_stop(struct core *c, const struct drain *drain, struct drain_item *item)
{
	char bar[200] = "", why[sizeof(item->why)];
	struct place place;

	if (!drain->stop || item->stop || str_eq(drain->kind, "restore") ||
	    !place_of(c, item, &place))
		return false;
	if (bars_stop(c, drain, item, &place, bar, sizeof(bar)) ||
	    group_bars_stop(c, drain, item, &place, bar, sizeof(bar))) {
		if (strstr(item->why, "not stopped: "))
			return false;
		str_copy(why, sizeof(why), item->why);
		str_fmt(item->why, sizeof(item->why), "%s%snot stopped: %s", why, *why ? "; " : "",
			bar);
		return false;
	}
	item->stop = true;
	item->target[0] = item->tried[0] = '\0';
	str_copy(item->verdict, sizeof(item->verdict), "stop");
	str_fmt(item->mode_reason, sizeof(item->mode_reason), "%s%s%s", item->code,
		*item->code ? ": " : "", item->why);
	return true;
}

/* --- stop --- */

static void say_not(struct core *c, struct drain *drain, struct drain_item *item, const char *why)
{
	char text[400];

	item->state = ITEM_stays;
	str_copy(item->why, sizeof(item->why), why);
	drain->dirty = true;
	str_fmt(text, sizeof(text), "%s: stays on %s: %s", item->container, item->source, why);
	drain_emit(c, drain, "drain.item", text);
}

static void stop(struct core *c, struct drain *drain, struct drain_item *item)
{
	struct job *job, *m = NULL;
	char id[ULID_SIZE], why[200] = "";
	struct place place;
	struct err err = {0};

	if (!place_of(c, item, &place))
		return;
	if (bars_stop(c, drain, item, &place, why, sizeof(why)) ||
	    group_bars_stop(c, drain, item, &place, why, sizeof(why))) {
		say_not(c, drain, item, why);
		return;
	}
	drain_next_id(c, drain, id);
	job = core_job_make(c, id, &place, (struct msg_strs){0}, drain->user);
	str_copy(job->parent, sizeof(job->parent), drain->id);
	str_copy(job->mode_reason, sizeof(job->mode_reason), item->mode_reason);
	if (migrate_group_make(c, job, &place, &err)) {
		migrate_group_drop(c, job);
		say_not(c, drain, item, err.text);
		return;
	}
	migrate_stop(c, job);
	while ((m = migrate_group_next(c, job, m)))
		drain_moves(c, drain, m == job ? item : drain_item_of(drain, m), m);
}

/* --- start --- */

static void is_not_stopped(struct core *c, struct drain *drain, struct drain_item *item)
{
	struct place now;

	item->state = ITEM_gone;
	if (nodes_find_container(&c->nodes, item->container, NULL, &now, NULL))
		str_fmt(item->why, sizeof(item->why), "it is not stopped on %s any more",
			item->source);
	else
		str_fmt(item->why, sizeof(item->why), "it is %s on %s by now",
			given(now.container->status), now.node->id);
	drain->dirty = true;
}

static void start(struct core *c, struct drain *drain, struct drain_item *item)
{
	const struct node *node = nodes_find(&c->nodes, item->home);
	struct job *job = core_job_find(c, item->job);

	if (!job || job->stage != STAGE_stopped) {
		is_not_stopped(c, drain, item);
		return;
	}
	if (!node || node->state != NODE_up)
		return;
	migrate_launch(c, job, drain->id);
	drain_moves(c, drain, item, job);
}

void drain_do_stop(struct core *c, struct drain *drain, struct drain_item *item)
{
	if (*item->home)
		start(c, drain, item);
	else
		stop(c, drain, item);
}

void drain_collect_stopped(struct core *c, struct drain *drain, const struct drain_item *stopped)
{
	const struct job *job = core_job_find(c, stopped->job);
	struct drain_item *item;

	for (size_t i = 0; i < drain->n_items; i++)
		if (str_eq(drain->items[i].container, stopped->container))
			return; /* a later evacuation has spoken for it */
	if (drain->n_items == DRAIN_ITEMS_MAX)
		return;
	item = drain_add(drain);
	*item = (struct drain_item){.stop = true, .rss_bytes = stopped->rss_bytes};
	str_copy(item->container, sizeof(item->container), stopped->container);
	str_copy(item->runtime, sizeof(item->runtime), stopped->runtime);
	str_copy(item->source, sizeof(item->source), stopped->source);
	str_copy(item->home, sizeof(item->home), stopped->source);
	str_copy(item->target, sizeof(item->target), stopped->source);
	str_copy(item->job, sizeof(item->job), stopped->job);
	str_copy(item->verdict, sizeof(item->verdict), "start");
	if (!job || job->stage != STAGE_stopped)
		is_not_stopped(c, drain, item);
}

/* --- what became of it --- */

bool drain_watch_stop(struct drain_item *item, const struct job *job)
{
	enum item_state before = item->state;

	if (job->outcome == OUTCOME_stopped && !*item->home)
		item->state = ITEM_stopped;
	else if (job->outcome == OUTCOME_stayed && *item->home && str_eq(job->runs_on, item->home))
		item->state = ITEM_started;
	else if (job->outcome == OUTCOME_none || job->outcome == OUTCOME_held)
		return false;
	else
		item->state = ITEM_stays;
	item->code[0] = item->why[0] = '\0';
	if (item->state == ITEM_stays)
		str_copy(item->why, sizeof(item->why), job->error);
	return item->state != before;
}
