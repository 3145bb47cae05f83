/* SPDX-License-Identifier: MPL-2.0
 *
 * A fleet to drain and to even out: four hosts whose workers do at once what they are asked, unless
 * scripted (the ones of tests/lab are real), virtual time, and a memory that survives the
 * coordinator. */
#ifndef DROVER_TESTS_TEST_DRAIN_FLEET_H
#define DROVER_TESTS_TEST_DRAIN_FLEET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "base/options.h"
#include "base/str.h"
#include "coordinator/core.h"
#include "coordinator/effects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS 4
#define GUESTS 12
#define MIB (1024u * 1024u)
#define GIB (1024ull * MIB)
#define DRAIN_ID "01HY00000000000000000000AB"

static const char *const hosts[HOSTS] = {"alpha", "beta", "gamma", "delta"};

struct guest {
	char id[8];
	int host;
	uint64_t rss, cpu; /* permille of one core */
	bool running, removed, io_uring;
	bool shares_netns;        /* nor may it be stopped */
	bool stays_up;            /* its stop fails */
	const char *label, *said; /* said: its authority, while it does not run */
	char stopped_by[ULID_SIZE];
	unsigned moves, stops;
};

struct fleet {
	struct core *core;
	struct moment now;
	struct effects fx;
	struct effect_record *kept;
	size_t n_kept;
	struct guest guest[GUESTS];
	size_t n_guests;
	uint64_t seq, available[HOSTS];
	bool up[HOSTS];
	struct msg **asks;
	int *ask_host;
	size_t n_asks;
	struct msg *last; /* final reply */
	unsigned ids, delay_ms;
	struct options *options;
	bool hooks[HOSTS], mute; /* of evacuations; mute: they are not answered */
	int fails;               /* the host whose pre-evacuate fails, -1 = none */
	unsigned pre[HOSTS], post[HOSTS];
	char outcome[16];
	int refuses; /* the host whose arm fails, -1 = none */
	int own;     /* the host that the coordinator runs on, -1 = none */
	unsigned out[HOSTS], in[HOSTS], all, most_out, most_in, most_all;
};

static int host_index(const char *name)
{
	for (int i = 0; i < HOSTS; i++)
		if (str_eq(hosts[i], name))
			return i;
	return -1;
}

static struct guest *guest_of(struct fleet *f, const char *id)
{
	for (size_t i = 0; i < f->n_guests; i++)
		if (str_eq(f->guest[i].id, id))
			return &f->guest[i];
	return NULL;
}

static void commit(struct fleet *f)
{
	for (size_t i = 0; i < f->fx.n_records; i++) {
		f->kept = mem_grow(f->kept, f->n_kept + 1, sizeof(*f->kept));
		f->kept[f->n_kept++] = f->fx.records[i];
		f->fx.records[i].data = NULL;
	}
	for (size_t i = 0; i < f->fx.n_sends; i++) {
		struct effect_send *send = &f->fx.sends[i];

		if (send->node[0] && send->msg->head.type == MSG_TYPE_ask) {
			f->asks = mem_grow(f->asks, f->n_asks + 1, sizeof(*f->asks));
			f->ask_host = mem_grow(f->ask_host, f->n_asks + 1, sizeof(*f->ask_host));
			f->ask_host[f->n_asks] = host_index(send->node);
			f->asks[f->n_asks++] = mem_take(send->msg);
		} else if (!send->node[0] && send->msg->head.type == MSG_TYPE_reply) {
			msg_free(&f->last);
			f->last = mem_take(send->msg);
		}
	}
	effects_reset(&f->fx);
}

static void feed(struct fleet *f, const struct core_event *event)
{
	core_feed(f->core, event, f->now, &f->fx);
	commit(f);
}

static void say(struct fleet *f, int host, enum msg_type type, const void *body)
{
	struct msg *msg = msg_copy(type, body);

	msg->head.type = type;
	feed(f,
	     &(struct core_event){
		     .kind = CORE_message, .node = hosts[host], .address = "10.0.0.1", .msg = msg});
	msg_free(&msg);
}

static void tell_caps(struct fleet *f, int host)
{
	struct msg_runtime runc = {.name = "runc", .version = "1.1", .checkpoint = true};
	struct msg_container v[GUESTS];
	struct msg_caps caps = {.kernel = "6.12.0",
				.arch = "x86_64",
				.criu_version = 40201,
				.runtimes = {&runc, 1},
				.cgroup_version = 2,
				.evacuate_hooks = f->hooks[host],
				.containers = {v, 0}};

	for (size_t i = 0; i < f->n_guests; i++)
		if (f->guest[i].host == host)
			v[caps.containers.n++] = (struct msg_container){
				.id = f->guest[i].id,
				.runtime = "runc",
				.status = f->guest[i].removed   ? "removed"
					  : f->guest[i].running ? "running"
								: "stopped",
				.bundle = "/var/lib/ct/x",
				.rss_bytes = f->guest[i].rss,
				.cpu_permille = f->guest[i].cpu,
				.io_uring = f->guest[i].io_uring,
				.shares_netns = f->guest[i].shares_netns,
				.labels = {&f->guest[i].label, f->guest[i].label != NULL},
				.migration = f->guest[i].stopped_by,
				.authority = f->guest[i].said,
			};
	say(f, host, MSG_TYPE_caps, &caps);
}

static void beat(struct fleet *f, int host)
{
	uint64_t cpu = 400, used = 0; /* of four cores */

	for (size_t i = 0; i < f->n_guests; i++)
		if (f->guest[i].host == host && f->guest[i].running) {
			cpu += f->guest[i].cpu;
			used += f->guest[i].cpu ? f->guest[i].rss : 0;
		}
	say(f, host, MSG_TYPE_beat,
	    &(struct msg_beat){.boot_id = hosts[host],
			       .seq = ++f->seq,
			       .cpus = 4,
			       .cpu_permille = cpu / 4 < 1000 ? cpu / 4 : 1000,
			       .mem_total_bytes = 16 * GIB,
			       .mem_available_bytes = f->available[host] - used});
}

static void boot(struct fleet *f, uint64_t term)
{
	struct core_config config = {.id = "ctl",
				     .term = term,
				     .interval_ms = 1000,
				     .headroom_percent = 10,
				     .options = f->options};
	struct err err = {0};

	if (f->own >= 0)
		str_copy(config.boot_id, sizeof(config.boot_id), hosts[f->own]);
	f->core = core_new(&config);
	for (size_t i = 0; i < f->n_kept; i++)
		assert_int_equal(core_replay(f->core, f->kept[i].kind, f->kept[i].key,
					     f->kept[i].data, f->kept[i].len, &err),
				 0);
	core_resume(f->core, f->now, &f->fx);
	commit(f);
	for (int i = 0; i < HOSTS; i++)
		feed(f, &(struct core_event){.kind = CORE_roster,
					     .node = hosts[i],
					     .address = "10.0.0.1",
					     .ssh_port = 22});
	for (int i = 0; i < HOSTS; i++) {
		tell_caps(f, i);
		beat(f, i);
	}
}

static void start_with(struct fleet *f, size_t guests, struct options *options)
{
	*f = (struct fleet){.options = options,
			    .now = {1000000, 1700000000000},
			    .refuses = -1,
			    .fails = -1,
			    .own = -1,
			    .n_guests = guests};
	for (size_t i = 0; i < guests; i++) {
		f->guest[i] = (struct guest){.rss = (i + 1) * 64 * MIB, .running = true};
		str_fmt(f->guest[i].id, sizeof(f->guest[i].id), "c%zu", i);
	}
	for (int i = 0; i < HOSTS; i++) {
		f->up[i] = true;
		f->available[i] = 14 * GIB;
	}
	boot(f, 1);
}

static __attribute__((unused)) void start(struct fleet *f, size_t guests)
{
	start_with(f, guests, NULL);
}

static void drop_asks(struct fleet *f)
{
	for (size_t i = 0; i < f->n_asks; i++)
		msg_free(&f->asks[i]);
	f->n_asks = 0;
}

static void end(struct fleet *f)
{
	core_free(&f->core);
	drop_asks(f);
	for (size_t i = 0; i < f->n_kept; i++)
		free(f->kept[i].data);
	msg_free(&f->last);
	options_free(&f->options);
	free(f->kept);
	free(f->asks);
	free(f->ask_host);
}

static __attribute__((unused)) void restart(struct fleet *f, uint64_t term)
{
	core_free(&f->core);
	drop_asks(f);
	f->now.mono_ms += 500;
	f->now.wall_ms += 500;
	boot(f, term);
}

static unsigned most(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

/* From the first check to the clean-up of its source. */
static void count_traffic(struct fleet *f, const struct msg_ask *ask, bool source)
{
	int from = host_index(ask->source), to = host_index(ask->target);

	if (to < 0)
		return; /* it goes nowhere */
	if (ask->step == STEP_sync && source) {
		f->most_out = most(f->most_out, ++f->out[from]);
		f->most_in = most(f->most_in, ++f->in[to]);
		f->most_all = most(f->most_all, ++f->all);
	} else if (ask->step == STEP_clean && source && f->out[from]) {
		f->out[from]--;
		f->in[to]--;
		f->all--;
	}
}

static void answer_hook(struct fleet *f, int host, const struct msg_ask *ask)
{
	bool post = str_eq(ask->event, "post-evacuate");
	struct msg_answer a = {.migration = ask->migration,
			       .step = ask->step,
			       .event = ask->event,
			       .log = "--- hook said"};

	(post ? f->post : f->pre)[host]++;
	if (post)
		str_copy(f->outcome, sizeof(f->outcome), ask->outcome);
	if (!post && host == f->fails) {
		a.code = ERR_child;
		a.error = "the pre-evacuate hook 10-lb: exit 7: scripted";
	}
	if (f->up[host] && !f->mute)
		say(f, host, MSG_TYPE_answer, &a);
}

static void answer(struct fleet *f, int host, const struct msg_ask *ask)
{
	static const uint8_t digest[32] = {1};
	struct guest *guest = guest_of(f, ask->container);
	bool source = str_eq(ask->source, hosts[host]);
	struct msg_container facts = {.id = ask->container,
				      .runtime = "runc",
				      .status = "running",
				      .bundle = "/var/lib/ct/x",
				      .rss_bytes = guest->rss,
				      .labels = {&guest->label, guest->label != NULL}};
	struct msg_figures held = {.frozen_us = 100000};
	struct msg_answer a = {.migration = ask->migration,
			       .step = ask->step,
			       .attempt = ask->attempt,
			       .epoch = ask->epoch,
			       .state = "own"};
	const char *word = ask->step == STEP_arm       ? "PREPARED"
			   : ask->step == STEP_release ? "GRANT"
			   : ask->step == STEP_start   ? "RUNNING"
			   : ask->step == STEP_refuse  ? "REFUSED"
						       : "";

	if (!f->up[host])
		return;
	count_traffic(f, ask, source);
	a.proof = (struct msg_bin){(const uint8_t *)word, strlen(word)};
	if (ask->step == STEP_reserve)
		a.ticket = (struct msg_bin){(const uint8_t *)"ticket", 6};
	if (ask->step == STEP_hold) {
		a.digest = (struct msg_bin){digest, 32};
		a.figures = &held;
	}
	if (ask->step == STEP_check && source)
		a.facts = &facts;
	if (ask->step == STEP_arm && host == f->refuses) {
		a.code = ERR_child;
		a.error = "scripted";
	}
	if (ask->step == STEP_stop && guest->stays_up) {
		a.code = ERR_refused;
		a.error = "scripted";
	} else if (ask->step == STEP_stop) {
		guest->stops += guest->running;
		guest->running = false;
		guest->said = a.state = "stopped";
		str_copy(guest->stopped_by, sizeof(guest->stopped_by), ask->migration);
	}
	if (ask->step == STEP_abort && str_eq(guest->stopped_by, ask->migration)) {
		guest->running = true;
		guest->said = NULL;
		guest->stopped_by[0] = '\0';
	}
	if (ask->step == STEP_start && guest->host != host) {
		guest->host = host;
		guest->moves++;
	}
	say(f, host, MSG_TYPE_answer, &a);
}

static void run(struct fleet *f, uint64_t ms)
{
	uint64_t end_ms = f->now.mono_ms + ms;

	while (f->now.mono_ms < end_ms) {
		size_t n = f->n_asks;

		/* What is sent now is answered in the next tenth of a second. */
		for (size_t i = 0; i < n; i++) {
			struct msg *msg = f->asks[0];
			int host = f->ask_host[0];

			f->n_asks--;
			memmove(f->asks, f->asks + 1, f->n_asks * sizeof(*f->asks));
			memmove(f->ask_host, f->ask_host + 1, f->n_asks * sizeof(*f->ask_host));
			if (msg->ask->step == STEP_hook)
				answer_hook(f, host, msg->ask);
			else
				answer(f, host, msg->ask);
			msg_free(&msg);
		}
		f->now.mono_ms += 100;
		f->now.wall_ms += 100;
		for (int i = 0; i < HOSTS && f->now.mono_ms % 1000 == 0; i++)
			if (f->up[i]) {
				tell_caps(f, i);
				beat(f, i);
			}
		feed(f, &(struct core_event){.kind = CORE_tick});
	}
}

/* The reply, and its plan. */
static const struct msg_plan *ask(struct fleet *f, struct msg_request request)
{
	struct msg *msg = msg_copy(MSG_TYPE_request, &request);
	char id[ULID_SIZE];

	str_fmt(id, sizeof(id), "01HY%020uAB", ++f->ids);
	str_copy(msg->head.request, ULID_SIZE, id);
	msg_free(&f->last);
	feed(f, &(struct core_event){.kind = CORE_request, .client = 7, .msg = msg, .id = id});
	msg_free(&msg);
	assert_non_null(f->last);
	return f->last->reply->plan;
}

static __attribute__((unused)) const struct msg_plan *evacuate(struct fleet *f, const char *host,
							       uint64_t deadline_ms)
{
	const char *v[] = {host, "beta"};
	struct msg_request request = {.command = "evacuate",
				      .hosts = {v, 1},
				      .yes = true,
				      .follow = true,
				      .deadline_ms = deadline_ms};

	return ask(f, request);
}

static size_t guests_on(const struct fleet *f, int host)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_guests; i++)
		n += f->guest[i].host == host && f->guest[i].running;
	return n;
}

#endif
