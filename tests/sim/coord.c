/* SPDX-License-Identifier: MPL-2.0
 *
 * A coordinator: the production core, a store that keeps what was committed, and the daemon's order
 * (records, then messages). It may be killed between any two of these. */
#include "tests/sim/sim.h"

#include <string.h>

enum { CRASH_before, CRASH_recorded, CRASH_some_sent, CRASH_all_sent, CRASHES };

static struct moment now(const struct coord *c)
{
	return (struct moment){.mono_ms = sim.now_ms,
			       .wall_ms = sim.now_ms + 1700000000000 + (uint64_t)c->wall_jump_ms};
}

/* --- store --- */

static void keep_cordon(struct coord *c, const struct effect_record *record)
{
	for (int i = 0; i < sim.n_hosts; i++) {
		char key[NAME_SIZE + 8];

		str_fmt(key, sizeof(key), "cordon/%s", sim.host[i].name);
		if (!str_eq(record->key, key))
			continue;
		c->cordoned &= ~(1u << i);
		c->cordoned |= (uint32_t)(record->len >= 3 && !memcmp(record->data, "yes", 3)) << i;
	}
}

static void keep(struct coord *c, struct effect_record *record)
{
	if (record->kind == RECORD_value)
		keep_cordon(c, record);
	if (record->closes)
		for (size_t i = 0; i < c->n_records; i++)
			c->closed[i] |= str_eq(c->records[i].key, record->key);
	for (size_t i = 0; record->kind == RECORD_value && i < c->n_records; i++)
		if (c->records[i].kind == RECORD_value && str_eq(c->records[i].key, record->key)) {
			free(c->records[i].data);
			c->records[i] = *record;
			record->data = NULL;
			return;
		}
	c->records = mem_grow(c->records, c->n_records + 1, sizeof(*c->records));
	c->closed = mem_grow(c->closed, c->n_records + 1, sizeof(*c->closed));
	c->closed[c->n_records] = record->closes;
	c->records[c->n_records++] = *record;
	record->data = NULL;
}

static bool replayed_now(const struct coord *c, size_t i, int pass)
{
	if (c->records[i].kind == RECORD_value)
		return pass == 0;
	return c->closed[i] ? pass == 1 : pass == 2;
}

static void replay(struct coord *c)
{
	struct err err = {0};

	for (int pass = 0; pass < 3; pass++)
		for (size_t i = 0; i < c->n_records; i++) {
			const struct effect_record *r = &c->records[i];

			if (replayed_now(c, i, pass) &&
			    core_replay(c->core, r->kind, r->key, r->data, r->len, &err))
				broken("SIM", "replay: %s", err.text);
		}
}

/* --- a turn --- */

static void die(struct coord *c)
{
	coord_kill(c, sim.weather.absent ? 200000 : rnd_range(100, coin() ? 1000 : 30000));
}

static void send_one(struct coord *c, struct effect_send *send)
{
	if (!send->node[0]) {
		if (send->msg->head.type == MSG_TYPE_reply)
			trace("c%d: replies %llu %s", c->n,
			      (unsigned long long)send->msg->reply->code,
			      send->msg->reply->error ? send->msg->reply->error : "");
		return;
	}
	for (int i = 0; i < sim.n_hosts; i++)
		if (str_eq(sim.host[i].name, send->node)) {
			net_to_host(c->n, i, &send->msg);
			return;
		}
}

static void commit(struct coord *c)
{
	bool dies = c->fx.n_records && chance(sim.weather.coord_crash);
	uint64_t crash = dies ? rnd_below(CRASHES) : CRASHES;
	uint64_t timer_ms = c->fx.timer_ms;
	uint32_t cordoned = c->cordoned;
	size_t n = c->fx.n_sends;

	if (crash == CRASH_before) {
		die(c);
		return;
	}
	for (size_t i = 0; i < c->fx.n_records; i++)
		keep(c, &c->fx.records[i]);
	for (size_t i = 0; i < c->core->n_jobs; i++) {
		check_target(c, c->core->jobs[i], cordoned);
		check_outcome(c, c->core->jobs[i]);
	}
	check_drains(c);
	if (crash == CRASH_recorded)
		n = 0;
	if (crash == CRASH_some_sent)
		n = rnd_below(n + 1);
	for (size_t i = 0; i < n; i++)
		send_one(c, &c->fx.sends[i]);
	if (dies) {
		die(c);
		return;
	}
	effects_reset(&c->fx);
	c->tick_token = token_new();
	event_push(EV_tick, timer_ms, c->n, 0, c->tick_token, NULL);
}

void coord_feed(struct coord *c, const struct core_event *event)
{
	core_feed(c->core, event, now(c), &c->fx);
	if (event->kind != CORE_tick)
		core_feed(c->core, &(struct core_event){.kind = CORE_tick}, now(c), &c->fx);
	commit(c);
}

/* --- life --- */

void coord_start(struct coord *c)
{
	struct core_config config = {
		.term = ++c->term, .interval_ms = sim.interval_ms, .headroom_percent = 10};

	str_fmt(config.id, sizeof(config.id), "c%d", c->n);
	trace("c%d: starts, term %llu", c->n, (unsigned long long)c->term);
	c->exists = c->up = true;
	c->core = core_new(&config);
	replay(c);
	core_resume(c->core, now(c), &c->fx);
	for (int i = 0; i < sim.n_hosts; i++)
		core_feed(c->core,
			  &(struct core_event){.kind = CORE_roster,
					       .node = sim.host[i].name,
					       .address = "10.0.0.1",
					       .ssh_port = 22},
			  now(c), &c->fx);
	commit(c);
}

void coord_kill(struct coord *c, uint64_t down_ms)
{
	if (!c->up)
		return;
	trace("c%d: is killed", c->n);
	tally.coord_deaths++;
	c->up = false;
	core_free(&c->core);
	effects_reset(&c->fx);
	event_push(EV_coord_start, sim.now_ms + down_ms, c->n, 0, 0, NULL);
}

/* A second one from a copy of the first one's store. */
void coord_clone(const struct coord *from, struct coord *to, bool same_term)
{
	to->term = from->term - same_term;
	to->cordoned = from->cordoned;
	memcpy(to->pick, from->pick, sizeof(to->pick));
	to->n_picks = from->n_picks;
	for (size_t i = 0; i < from->n_records; i++) {
		struct effect_record r = from->records[i];

		r.data = mem_new(1, r.len + 1);
		memcpy(r.data, from->records[i].data, r.len);
		to->records = mem_grow(to->records, i + 1, sizeof(*to->records));
		to->closed = mem_grow(to->closed, i + 1, sizeof(*to->closed));
		to->records[i] = r;
		to->closed[i] = from->closed[i];
		to->n_records = i + 1;
	}
	coord_start(to);
}

void coord_free(struct coord *c)
{
	core_free(&c->core);
	effects_reset(&c->fx);
	for (size_t i = 0; i < c->n_records; i++)
		free(c->records[i].data);
	free(c->records);
	free(c->closed);
	*c = (struct coord){0};
}
