/* SPDX-License-Identifier: MPL-2.0
 *
 * Heartbeats with a noise, CAPS when something changed and every half minute, and answers. */
#include "simulate/workers.h"

#include "base/mem.h"
#include "simulate/chance.h"

#include <math.h>
#include <string.h>

#define NOISE 0.03 /* of each measurement, standard deviation */
#define START_MS 1000000
#define START_WALL_MS 1764000000000
#define CAPS_EVERY 3 /* ticks */
#define LINK_BYTES_S 125e6

static void feed(struct workers *ws, const struct core_event *event);

static uint32_t host_index(const struct sim_world *w, const char *id)
{
	uint32_t h = 0;

	while (h < w->n_hosts && !str_eq(w->host[h].id, id))
		h++;
	return h;
}

static uint32_t guest_index(const struct sim_world *w, const char *id)
{
	uint32_t g = 0;

	while (g < w->n_guests && !str_eq(w->guest[g].id, id))
		g++;
	return g;
}

static void say(struct workers *ws, uint32_t host, enum msg_type type, const void *body)
{
	struct msg *msg = msg_copy(type, body);

	msg->head.type = type;
	feed(ws, &(struct core_event){.kind = CORE_message,
				      .node = ws->w->host[host].id,
				      .address = "10.0.0.1",
				      .msg = msg});
	msg_free(&msg);
}

/* --- answers --- */

static struct msg_container facts_of(const struct sim_guest *g)
{
	return (struct msg_container){
		.id = g->id,
		.runtime = "runc",
		.status = "running",
		.bundle = "/var/lib/ct/simulated",
		.rss_bytes = (uint64_t)g->mem,
		.limit_bytes = (uint64_t)g->mem_limit,
		.cpu_permille = (uint64_t)(1000 * g->cores),
	};
}

static const char *proof_of(uint64_t step)
{
	switch (step) {
	case STEP_arm:
		return "PREPARED";
	case STEP_release:
		return "GRANT";
	case STEP_start:
		return "RUNNING";
	case STEP_refuse:
		return "REFUSED";
	default:
		return "";
	}
}

static void answer(struct workers *ws, const struct msg_ask *ask, uint32_t host, int code)
{
	static const uint8_t digest[32] = {1};
	const char *word = proof_of(ask->step);
	uint32_t guest = guest_index(ws->w, ask->container);
	struct msg_container facts = facts_of(&ws->w->guest[guest]);
	struct msg_figures held = {.frozen_us = 400000};
	struct msg_answer a = {.migration = ask->migration,
			       .step = ask->step,
			       .attempt = ask->attempt,
			       .epoch = ask->epoch,
			       .state = "own",
			       .code = (uint64_t)code,
			       .error = code ? "there is no room" : NULL,
			       .proof = {(const uint8_t *)word, strlen(word)}};

	if (ask->step == STEP_reserve)
		a.ticket = (struct msg_bin){(const uint8_t *)"ticket", 6};
	if (ask->step == STEP_hold) {
		a.digest = (struct msg_bin){digest, sizeof(digest)};
		a.figures = &held;
	}
	if (ask->step == STEP_check && str_eq(ask->source, ws->w->host[host].id))
		a.facts = &facts;
	say(ws, host, MSG_TYPE_answer, &a);
}

/* An ask is repeated until it is answered. */
static bool is_copying(const struct workers *ws, const struct msg_ask *ask)
{
	for (size_t i = 0; i < ws->n_asks; i++)
		if (str_eq(ws->ask[i]->ask->migration, ask->migration))
			return true;
	return false;
}

static void carry_out(struct workers *ws, struct msg *msg, const char *node)
{
	const struct msg_ask *ask = msg->ask;
	uint32_t host = host_index(ws->w, node), guest = guest_index(ws->w, ask->container);
	bool copies = ask->step == STEP_sync, begun;

	if (host == ws->w->n_hosts || guest == ws->w->n_guests || (copies && is_copying(ws, ask))) {
		msg_free(&msg);
		return;
	}
	begun = copies && world_begin(ws->w, guest, host_index(ws->w, ask->target));
	if (begun) {
		ws->ask = mem_grow(ws->ask, ws->n_asks + 1, sizeof(struct msg *));
		ws->ask[ws->n_asks++] = msg;
		return;
	}
	answer(ws, ask, host, copies ? ERR_refused : 0);
	msg_free(&msg);
}

/* Effects are carried out in the order in which they came; an answer may bring new ones. */
static void feed(struct workers *ws, const struct core_event *event)
{
	struct effects fx = {0};

	core_feed(ws->core, event, ws->now, &fx);
	for (size_t i = 0; i < fx.n_sends; i++) {
		struct effect_send *send = &fx.sends[i];

		if (send->node[0] && send->msg->head.type == MSG_TYPE_ask)
			carry_out(ws, mem_take(send->msg), send->node);
	}
	effects_reset(&fx);
}

/* --- copying --- */

static bool has_arrived(const struct workers *ws, const struct msg_ask *ask)
{
	for (size_t i = 0; i < ws->w->n_arrived; i++)
		if (str_eq(ws->w->guest[ws->w->arrived[i].guest].id, ask->container))
			return true;
	return false;
}

static void tell_progress(struct workers *ws, const struct msg_ask *ask, uint32_t host)
{
	say(ws, host, MSG_TYPE_progress,
	    &(struct msg_progress){.migration = ask->migration,
				   .step = ask->step,
				   .attempt = ask->attempt,
				   .phase = "memory"});
}

static void tell_copying(struct workers *ws)
{
	struct msg **asks = ws->ask;
	size_t n = ws->n_asks;

	ws->ask = NULL;
	ws->n_asks = 0;
	for (size_t i = 0; i < n; i++) {
		struct msg *msg = asks[i];
		uint32_t host = host_index(ws->w, msg->ask->source);

		if (has_arrived(ws, msg->ask)) {
			answer(ws, msg->ask, host, 0);
			msg_free(&msg);
			continue;
		}
		tell_progress(ws, msg->ask, host);
		ws->ask = mem_grow(ws->ask, ws->n_asks + 1, sizeof(struct msg *));
		ws->ask[ws->n_asks++] = msg;
	}
	free(asks);
}

/* --- what workers tell of themselves --- */

static double measured(struct workers *ws, double value)
{
	return fmax(0, value * (1 + NOISE * chance_noise(&ws->chance)));
}

static void tell_caps(struct workers *ws, uint32_t host)
{
	const struct sim_world *w = ws->w;
	struct msg_runtime runc = {.name = "runc", .version = "1.1", .checkpoint = true};
	struct msg_container *v = mem_new(w->n_guests + 1, sizeof(*v));
	struct msg_caps caps = {.revision = ++ws->seq,
				.kernel = "6.12.0",
				.arch = "x86_64",
				.criu_version = 40201,
				.runtimes = {&runc, 1},
				.cgroup_version = 2,
				.containers = {v, 0}};

	for (uint32_t g = 0; g < w->n_guests && caps.containers.n < 512; g++)
		if (w->guest[g].host == host && w->guest[g].mem > 0)
			v[caps.containers.n++] = facts_of(&w->guest[g]);
	say(ws, host, MSG_TYPE_caps, &caps);
	free(v);
}

static void beat(struct workers *ws, uint32_t host, struct msg_usage *usage)
{
	const struct sim_world *w = ws->w;
	const struct sim_host *h = &w->host[host];
	double used = fmin(1, measured(ws, fmin(h->cores_wanted, h->cores)) / h->cores);
	struct msg_beat beat = {.seq = ++ws->seq,
				.cpus = (uint64_t)h->cores,
				.cpu_permille = (uint64_t)(1000 * used),
				.mem_total_bytes = (uint64_t)h->mem,
				.net_bytes_s = (uint64_t)(h->net * LINK_BYTES_S),
				.usage = {usage, 0}};

	beat.mem_available_bytes = (uint64_t)fmax(0, h->mem - h->mem_used);
	for (uint32_t g = 0; g < w->n_guests && beat.usage.n < 512; g++)
		if (w->guest[g].host == host && w->guest[g].mem > 0)
			usage[beat.usage.n++] = (struct msg_usage){
				.id = w->guest[g].id,
				.status = "running",
				.rss_bytes = (uint64_t)w->guest[g].mem,
				.cpu_permille =
					(uint64_t)(1000 * measured(ws, w->guest[g].cores *
									       world_granted(h))),
			};
	say(ws, host, MSG_TYPE_beat, &beat);
}

/* Which hosts have others than they last said. */
static void tell_changes(struct workers *ws)
{
	struct sim_world *w = ws->w;
	bool all = w->now_ms / TICK_MS % CAPS_EVERY == 0;
	uint8_t *changed = mem_new(w->n_hosts, 1);

	for (uint32_t h = 0; h < w->n_hosts; h++) {
		changed[h] = all || ws->was_up[h] != w->host[h].up;
		ws->was_up[h] = w->host[h].up;
	}
	for (uint32_t g = 0; g < w->n_guests; g++) {
		uint32_t now = w->guest[g].mem > 0 ? w->guest[g].host : UINT32_MAX;

		if (ws->known_host[g] == now)
			continue;
		if (ws->known_host[g] != UINT32_MAX)
			changed[ws->known_host[g]] = 1;
		if (now != UINT32_MAX)
			changed[now] = 1;
		ws->known_host[g] = now;
	}
	for (uint32_t h = 0; h < w->n_hosts; h++)
		if (changed[h] && w->host[h].up)
			tell_caps(ws, h);
	free(changed);
}

static void set_time(struct workers *ws, uint64_t before_end_ms)
{
	uint64_t since_ms = ws->w->now_ms + TICK_MS - before_end_ms;

	ws->now = (struct moment){START_MS + since_ms, START_WALL_MS + since_ms};
}

void workers_tick(struct workers *ws)
{
	struct sim_world *w = ws->w;
	struct msg_usage *usage = mem_new(w->n_guests + 1, sizeof(*usage));

	set_time(ws, BEATS * 1000);
	tell_copying(ws);
	tell_changes(ws);
	for (unsigned n = BEATS; n-- > 0;) {
		set_time(ws, n * 1000);
		for (uint32_t h = 0; h < w->n_hosts; h++)
			if (w->host[h].up)
				beat(ws, h, usage);
	}
	feed(ws, &(struct core_event){.kind = CORE_tick});
	free(usage);
}

void workers_init(struct workers *ws, struct sim_world *w, const struct core_config *config)
{
	*ws = (struct workers){.w = w, .chance = {w->n_guests}, .core = core_new(config)};
	ws->known_host = mem_new(w->n_guests + 1, sizeof(*ws->known_host));
	ws->was_up = mem_new(w->n_hosts + 1, 1);
	for (uint32_t g = 0; g < w->n_guests; g++)
		ws->known_host[g] = UINT32_MAX;
	set_time(ws, TICK_MS);
	core_resume(ws->core, ws->now, &ws->fx);
	effects_reset(&ws->fx);
	for (uint32_t h = 0; h < w->n_hosts; h++)
		feed(ws, &(struct core_event){.kind = CORE_roster,
					      .node = w->host[h].id,
					      .address = "10.0.0.1",
					      .ssh_port = 22});
}

void workers_done(struct workers *ws)
{
	for (size_t i = 0; i < ws->n_asks; i++)
		msg_free(&ws->ask[i]);
	free(ws->ask);
	free(ws->known_host);
	free(ws->was_up);
	core_free(&ws->core);
}
