/* SPDX-License-Identifier: MPL-2.0
 *
 * A drain's memory, its views and its record. */
#include "coordinator/drain.h"

#include "base/mem.h"
#include "coordinator/nodes.h"

#include <inttypes.h>
#include <string.h>

static const char *const drain_states[] = {
#define X(name) [DRAIN_##name] = #name,
	DRAIN_STATE_TABLE(X)
#undef X
};

static const char *const item_states[] = {
#define X(name) [ITEM_##name] = #name,
	ITEM_STATE_TABLE(X)
#undef X
};

const char *drain_state_name(enum drain_state state)
{
	return drain_states[state];
}

const char *item_state_name(enum item_state state)
{
	return item_states[state];
}

/* Index of a word in a table of n, n when it is none. */
static size_t word_index(const char *const *words, size_t n, const char *word)
{
	size_t i = 0;

	while (i < n && !str_eq(words[i], word))
		i++;
	return i;
}

struct drain *drain_new(const char *id, const char *kind)
{
	struct drain *drain = mem_new_of(struct drain);

	str_copy(drain->id, sizeof(drain->id), id);
	str_copy(drain->kind, sizeof(drain->kind), kind);
	return drain;
}

void drain_free(struct drain **drain)
{
	if (!*drain)
		return;
	free((*drain)->items);
	free((*drain)->rooms);
	free(*drain);
	*drain = NULL;
}

struct drain_item *drain_add(struct drain *drain)
{
	struct drain_item *item;

	drain->items = mem_grow(drain->items, drain->n_items + 1, sizeof(*drain->items));
	item = &drain->items[drain->n_items++];
	*item = (struct drain_item){0};
	return item;
}

bool drain_has_host(const struct drain *drain, const char *host)
{
	for (size_t i = 0; i < drain->n_hosts; i++)
		if (str_eq(drain->hosts[i], host))
			return true;
	return false;
}

size_t drain_count(const struct drain *drain, enum item_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < drain->n_items; i++)
		n += drain->items[i].state == state;
	return n;
}

int drain_code(const struct drain *drain)
{
	size_t whole = drain_count(drain, ITEM_moved) + drain_count(drain, ITEM_gone) +
		       drain_count(drain, ITEM_stopped) + drain_count(drain, ITEM_started);

	if (str_eq(drain->ended, "unbegun"))
		return ERR_refused;
	return whole == drain->n_items ? 0 : ERR_partly;
}

/* --- views --- */

static struct msg_item item_view(const struct drain_item *item)
{
	return (struct msg_item){
		.container = item->container,
		.runtime = item->runtime,
		.source = item->source,
		.target = item->target,
		.verdict = item->verdict,
		.state = item_state_name(item->state),
		.job = item->job,
		.rss_bytes = item->rss_bytes,
		.predicted_frozen_ms = item->predicted_frozen_ms,
		.predicted_total_ms = item->predicted_total_ms,
		.frozen_us = item->frozen_us,
		.code = item->code,
		.why = item->why,
		.attempts = item->attempts,
		.tried = item->tried,
		.home = item->home,
		.mode = item->stop   ? "stop"
			: item->cold ? "cold"
				     : "live",
		.mode_reason = item->mode_reason,
		.score = item->score,
	};
}

static struct msg_room room_view(const struct drain_room *room)
{
	return (struct msg_room){
		.host = room->host,
		.boot_id = room->boot_id,
		.containers = room->containers,
		.containers_after = room->containers_after,
		.hot = room->hot,
		.hot_after = room->hot_after,
		.mem_available_bytes = room->available,
		.mem_available_after = room->available_after,
	};
}

void drain_view(const struct drain *drain, struct msg_plan *ret, struct drain_text *text)
{
	text->items = mem_new(drain->n_items + 1, sizeof(*text->items));
	text->rooms = mem_new(drain->n_rooms + 1, sizeof(*text->rooms));
	for (size_t i = 0; i < drain->n_items; i++)
		text->items[i] = item_view(&drain->items[i]);
	for (size_t i = 0; i < drain->n_rooms; i++)
		text->rooms[i] = room_view(&drain->rooms[i]);
	for (size_t i = 0; i < drain->n_hosts; i++)
		text->hosts[i] = drain->hosts[i];
	for (size_t i = 0; i < drain->n_skip; i++)
		text->skip[i] = drain->skip[i];
	*ret = (struct msg_plan){
		.id = drain->id,
		.kind = drain->kind,
		.hosts = {text->hosts, drain->n_hosts},
		.reason = drain->reason,
		.user = drain->user,
		.state = drain_state_name(drain->state),
		.ended = drain->ended,
		.started_ms = drain->started_ms,
		.finished_ms = drain->finished_ms,
		.deadline_ms = drain->deadline_ms,
		.parallel = drain->parallel,
		.at_ms = drain->at_ms,
		.items = {text->items, drain->n_items},
		.rooms = {text->rooms, drain->n_rooms},
		.eta_ms = drain->eta_ms,
		.note = drain->note,
		.log = drain->log[0] ? drain->log : NULL,
		.skip = {text->skip, drain->n_skip},
		.on_stuck = drain->stop   ? "stop"
			    : drain->cold ? "cold"
					  : "stay",
	};
}

void drain_view_done(struct drain_text *text)
{
	free(text->items);
	free(text->rooms);
	text->items = NULL;
	text->rooms = NULL;
}

void drain_job_view(const struct drain *drain, struct msg_job *ret, char buf[DRAIN_PHASE_SIZE])
{
	bool over = drain->state == DRAIN_done;

	size_t stopped = drain_count(drain, ITEM_stopped),
	       started = drain_count(drain, ITEM_started);

	str_fmt(buf, DRAIN_PHASE_SIZE, "%zu of %zu moved", drain_count(drain, ITEM_moved),
		drain->n_items);
	if (stopped + started)
		str_fmt(buf, DRAIN_PHASE_SIZE, "%zu moved, %zu %s / %zu",
			drain_count(drain, ITEM_moved), stopped + started,
			stopped ? "stopped" : "started", drain->n_items);
	if (drain->state == DRAIN_preparing || drain->state == DRAIN_telling)
		str_fmt(buf, DRAIN_PHASE_SIZE, "%s-evacuate hooks",
			drain->state == DRAIN_telling ? "post" : "pre");
	*ret = (struct msg_job){
		.id = drain->id,
		.kind = drain->kind,
		.source = drain->n_hosts ? drain->hosts[0] : "",
		.state = drain_state_name(drain->state),
		.phase = buf,
		.user = drain->user,
		.started_ms = drain->started_ms,
		.finished_ms = drain->finished_ms,
		.code = over ? (uint64_t)drain_code(drain) : 0,
		.error = over ? drain->note : "",
	};
}

/* --- the record --- */

void drain_record(struct drain *drain, struct effects *effects)
{
	struct drain_text text;
	struct msg_plan plan;

	if (!drain->dirty)
		return;
	drain->dirty = false;
	drain_view(drain, &plan, &text);
	effects_record(effects, RECORD_drain, drain->id, MSG_TYPE_reply,
		       &(struct msg_reply){.plan = &plan}, "");
	effects->records[effects->n_records - 1].closes = drain->state == DRAIN_done;
	drain_view_done(&text);
}

static int replay_item(struct drain *drain, const struct msg_item *view, struct err *err)
{
	size_t state = word_index(item_states, ITEM_STATES, view->state);
	struct drain_item *item;

	if (state == ITEM_STATES || !name_ok(view->container) || !name_ok(view->source))
		return fail(err, ERR_corrupt, "the record of %s makes no sense", drain->id);
	item = drain_add(drain);
	item->state = (enum item_state)state;
	str_copy(item->container, sizeof(item->container), view->container);
	str_copy(item->runtime, sizeof(item->runtime), view->runtime);
	str_copy(item->source, sizeof(item->source), view->source);
	str_copy(item->target, sizeof(item->target), view->target);
	str_copy(item->verdict, sizeof(item->verdict), view->verdict);
	str_copy(item->job, sizeof(item->job), view->job);
	str_copy(item->code, sizeof(item->code), view->code);
	str_copy(item->why, sizeof(item->why), view->why);
	str_copy(item->tried, sizeof(item->tried), view->tried);
	str_copy(item->home, sizeof(item->home), view->home);
	item->rss_bytes = view->rss_bytes;
	item->predicted_frozen_ms = view->predicted_frozen_ms;
	item->predicted_total_ms = view->predicted_total_ms;
	item->frozen_us = view->frozen_us;
	item->attempts = view->attempts;
	item->score = view->score;
	item->cold = str_eq(view->mode, "cold");
	item->stop = str_eq(view->mode, "stop");
	str_copy(item->mode_reason, sizeof(item->mode_reason), view->mode_reason);
	return 0;
}

static void replay_rooms(struct drain *drain, const struct msg_plan *plan)
{
	drain->n_rooms = plan->rooms.n;
	drain->rooms = mem_new(drain->n_rooms + 1, sizeof(*drain->rooms));
	for (size_t i = 0; i < drain->n_rooms; i++) {
		const struct msg_room *view = &plan->rooms.v[i];
		struct drain_room *room = &drain->rooms[i];

		str_copy(room->host, sizeof(room->host), view->host);
		str_copy(room->boot_id, sizeof(room->boot_id), view->boot_id);
		room->containers = view->containers;
		room->containers_after = view->containers_after;
		room->hot = view->hot;
		room->hot_after = view->hot_after;
		room->available = view->mem_available_bytes;
		room->available_after = view->mem_available_after;
	}
}

static void replay_words(struct drain *drain, const struct msg_plan *plan)
{
	for (; drain->n_hosts < plan->hosts.n && drain->n_hosts < DRAIN_HOSTS_MAX; drain->n_hosts++)
		str_copy(drain->hosts[drain->n_hosts], NAME_SIZE, plan->hosts.v[drain->n_hosts]);
	for (; drain->n_skip < plan->skip.n && drain->n_skip < ARRAY_LEN(drain->skip);
	     drain->n_skip++)
		str_copy(drain->skip[drain->n_skip], sizeof(drain->skip[0]),
			 plan->skip.v[drain->n_skip]);
	str_copy(drain->kind, sizeof(drain->kind), plan->kind);
	str_copy(drain->reason, sizeof(drain->reason), plan->reason);
	str_copy(drain->user, sizeof(drain->user), plan->user);
	str_copy(drain->ended, sizeof(drain->ended), plan->ended);
	str_copy(drain->note, sizeof(drain->note), plan->note);
	str_copy(drain->log, sizeof(drain->log), plan->log);
}

static void forget(struct drain *drain)
{
	free(drain->items);
	free(drain->rooms);
	drain->items = NULL;
	drain->rooms = NULL;
	drain->n_items = drain->n_rooms = drain->n_hosts = drain->n_skip = 0;
}

int drain_replay(struct drain *drain, const void *data, size_t len, struct err *err)
{
	auto_msg struct msg *msg = NULL;
	const struct msg_plan *plan;
	size_t state;

	if (msg_decode_body(MSG_TYPE_reply, data, len, &msg, err) || !msg->reply->plan)
		return fail(err, ERR_corrupt, "the record of %s cannot be read", drain->id);
	plan = msg->reply->plan;
	forget(drain); /* records of an earlier moment */
	state = word_index(drain_states, DRAIN_STATES, plan->state);
	if (state == DRAIN_STATES)
		return fail(err, ERR_corrupt, "%s is in unknown state %s", drain->id,
			    given(plan->state));
	drain->state = (enum drain_state)state;
	drain->started_ms = plan->started_ms;
	drain->finished_ms = plan->finished_ms;
	drain->deadline_ms = plan->deadline_ms;
	drain->parallel = plan->parallel;
	drain->at_ms = plan->at_ms;
	drain->stop = str_eq(plan->on_stuck, "stop");
	drain->cold = drain->stop || str_eq(plan->on_stuck, "cold");
	drain->eta_ms = plan->eta_ms;
	replay_words(drain, plan);
	replay_rooms(drain, plan);
	for (size_t i = 0; i < plan->items.n; i++)
		if (replay_item(drain, &plan->items.v[i], err))
			return -err->code;
	return 0;
}
