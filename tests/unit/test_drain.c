/* SPDX-License-Identifier: MPL-2.0
 *
 * A drain empties its hosts within the limits, tells what stays and why, survives the coordinator,
 * and is undone by restore. The workers here do at once what they are asked, unless scripted; the
 * ones of tests/lab are real. */
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
	bool running, io_uring;
	unsigned moves;
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
	int refuses; /* the host whose arm fails, -1 = none */
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
				.containers = {v, 0}};

	for (size_t i = 0; i < f->n_guests; i++)
		if (f->guest[i].host == host)
			v[caps.containers.n++] = (struct msg_container){
				.id = f->guest[i].id,
				.runtime = "runc",
				.status = f->guest[i].running ? "running" : "stopped",
				.bundle = "/var/lib/ct/x",
				.rss_bytes = f->guest[i].rss,
				.cpu_permille = f->guest[i].cpu,
				.io_uring = f->guest[i].io_uring,
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
	    &(struct msg_beat){.seq = ++f->seq,
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

static void start(struct fleet *f, size_t guests)
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

static void restart(struct fleet *f, uint64_t term)
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

static void answer(struct fleet *f, int host, const struct msg_ask *ask)
{
	static const uint8_t digest[32] = {1};
	struct guest *guest = guest_of(f, ask->container);
	bool source = str_eq(ask->source, hosts[host]);
	struct msg_container facts = {.id = ask->container,
				      .runtime = "runc",
				      .status = "running",
				      .bundle = "/var/lib/ct/x",
				      .rss_bytes = guest->rss};
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

static const struct msg_plan *evacuate(struct fleet *f, const char *host, uint64_t deadline_ms)
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

static void a_host_is_emptied_within_the_limits(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, GUESTS);
	assert_string_equal(evacuate(&f, "alpha", 0)->state, "running");
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_true(f.last->reply->final);
	assert_int_equal(f.last->reply->code, 0);
	assert_string_equal(f.last->reply->plan->note, "alpha is empty");
	assert_int_equal(f.most_out, 2);
	assert_true(f.most_in <= 2);
	for (int i = 1; i < HOSTS; i++)
		assert_true(guests_on(&f, i) >= 3);
	end(&f);
}

static void a_plan_touches_nothing(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 3);
	plan = ask(&f,
		   (struct msg_request){.command = "evacuate", .hosts = {v, 1}, .dry_run = true});
	assert_string_equal(plan->state, "planned");
	assert_int_equal(plan->items.n, 3);
	assert_string_equal(plan->items.v[0].container, "c2"); /* the largest first */
	run(&f, 5000);
	assert_int_equal(guests_on(&f, 0), 3);
	ask(&f, (struct msg_request){.command = "hosts", .host = "alpha"});
	assert_false(f.last->reply->hosts.v[0].cordoned);
	ask(&f, (struct msg_request){.command = "jobs", .all = true});
	assert_int_equal(f.last->reply->jobs.n, 0);
	end(&f);
}

static void what_is_missing_is_told(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 2);
	f.guest[0].rss = 3 * GIB;
	for (int i = 0; i < HOSTS; i++)
		f.available[i] = 4 * GIB;
	f.guest[1].io_uring = true;
	run(&f, 2000);
	plan = ask(&f,
		   (struct msg_request){.command = "evacuate", .hosts = {v, 1}, .dry_run = true});
	assert_string_equal(plan->items.v[0].why, "no host has 6.3 GiB more for c0");
	assert_string_equal(plan->items.v[0].code, "E-MEM");
	assert_string_equal(plan->items.v[1].code, "E-IOURING");
	end(&f);
}

/* What is placed first takes the room of what comes after. */
static void placements_add_up(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	size_t placed = 0;
	struct fleet f;

	(void)state;
	start(&f, 6);
	for (size_t i = 0; i < f.n_guests; i++)
		f.guest[i].rss = 1 * GIB;
	for (int i = 0; i < HOSTS; i++)
		f.available[i] = 4 * GIB; /* less 1.6 reserve: one of 2.1 and no more */
	run(&f, 2000);
	plan = ask(&f,
		   (struct msg_request){.command = "evacuate", .hosts = {v, 1}, .dry_run = true});
	for (size_t i = 0; i < plan->items.n; i++)
		placed += plan->items.v[i].target && *plan->items.v[i].target;
	assert_int_equal(placed, 3);
	end(&f);
}

static void one_that_stays_does_not_stop_the_others(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, 6);
	f.guest[2].io_uring = true;
	run(&f, 2000);
	evacuate(&f, "alpha", 0);
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 1);
	assert_int_equal(f.guest[2].host, 0);
	assert_int_equal(f.last->reply->code, ERR_partly);
	assert_non_null(strstr(f.last->reply->plan->note, "1 left: c2 on alpha (E-IOURING"));
	end(&f);
}

/* What cannot move live is stopped only when that was asked, and alone. */
static void what_is_stuck_moves_cold_when_asked(void **state)
{
	const char *v[] = {"alpha"};
	struct fleet f;

	(void)state;
	start(&f, 6);
	f.guest[2].io_uring = true;
	run(&f, 2000);
	ask(&f, (struct msg_request){.command = "evacuate",
				     .hosts = {v, 1},
				     .yes = true,
				     .follow = true,
				     .mode = "cold"});
	run(&f, 60000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 0);
	for (size_t i = 0; i < f.last->reply->plan->items.n; i++) {
		const struct msg_item *item = &f.last->reply->plan->items.v[i];
		bool stuck = str_eq(item->container, "c2");

		assert_string_equal(item->mode, stuck ? "cold" : "live");
		assert_int_equal(item->mode_reason && str_starts(item->mode_reason, "E-IOURING"),
				 stuck);
	}
	end(&f);
}

/* Two live tries, then the ladder; a cold move that fails as well is the end. */
static void the_ladder_is_walked_once(void **state)
{
	const char *v[] = {"alpha"};
	struct fleet f;

	(void)state;
	start(&f, 1);
	f.refuses = 1;
	f.up[2] = f.up[3] = false; /* beta alone is left to try */
	run(&f, 30000);
	ask(&f, (struct msg_request){.command = "evacuate",
				     .hosts = {v, 1},
				     .yes = true,
				     .follow = true,
				     .mode = "cold"});
	run(&f, 200000);
	assert_int_equal(f.last->reply->code, ERR_partly);
	assert_int_equal(f.guest[0].host, 0);
	assert_string_equal(f.last->reply->plan->items.v[0].mode, "cold");
	assert_string_equal(f.last->reply->plan->items.v[0].state, "stays");
	end(&f);
}

static void a_move_that_fails_is_tried_on_one_other_host(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, 6);
	f.refuses = 1; /* nothing can be restored on beta */
	evacuate(&f, "alpha", 0);
	run(&f, 120000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_int_equal(guests_on(&f, 1), 0);
	end(&f);
}

static void the_coordinator_goes_on_where_it_was(void **state)
{
	struct fleet f;

	(void)state;
	for (unsigned ms = 300; ms < 6000; ms += 700) {
		start(&f, 8);
		evacuate(&f, "alpha", 0);
		run(&f, ms);
		restart(&f, 2);
		run(&f, 60000);
		assert_int_equal(guests_on(&f, 0), 0);
		ask(&f, (struct msg_request){.command = "job", .job = "0001AB"});
		assert_string_equal(f.last->reply->plan->state, "done");
		assert_string_equal(f.last->reply->plan->note, "alpha is empty");
		for (size_t i = 0; i < f.last->reply->plan->items.n; i++)
			assert_true(f.last->reply->plan->items.v[i].attempts <= 2);
		end(&f);
	}
}

static void pause_resume_cancel(void **state)
{
	struct fleet f;
	size_t left;

	(void)state;
	start(&f, 10);
	evacuate(&f, "alpha", 0);
	run(&f, 1500);
	assert_string_equal(
		ask(&f, (struct msg_request){.command = "pause", .job = "alpha"})->state, "paused");
	run(&f, 5000);
	left = guests_on(&f, 0);
	assert_true(left > 2);
	run(&f, 20000);
	assert_int_equal(guests_on(&f, 0), left);
	ask(&f, (struct msg_request){.command = "resume", .job = "alpha"});
	run(&f, 1000);
	ask(&f, (struct msg_request){.command = "cancel", .job = "alpha"});
	run(&f, 20000);
	assert_true(guests_on(&f, 0) > 0);
	ask(&f, (struct msg_request){.command = "job", .job = "0001AB"});
	assert_string_equal(f.last->reply->plan->state, "done");
	assert_string_equal(f.last->reply->plan->ended, "cancel");
	assert_int_equal(
		ask(&f, (struct msg_request){.command = "resume", .job = "0001AB"}) != NULL, 0);
	assert_int_equal(f.last->reply->code, ERR_refused);
	end(&f);
}

static void the_deadline_stops_the_queue_and_no_container(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, 10);
	evacuate(&f, "alpha", 2000);
	run(&f, 30000);
	assert_int_equal(f.last->reply->code, ERR_partly);
	assert_string_equal(f.last->reply->plan->ended, "deadline");
	assert_true(guests_on(&f, 0) > 0 && guests_on(&f, 0) < 10);
	end(&f);
}

static void hosts_that_are_emptied_take_nothing(void **state)
{
	const char *v[] = {"alpha", "beta"};
	struct fleet f;

	(void)state;
	start(&f, 8);
	for (size_t i = 0; i < 4; i++)
		f.guest[i].host = 1;
	run(&f, 2000);
	ask(&f, (struct msg_request){
			.command = "evacuate", .hosts = {v, 2}, .yes = true, .follow = true});
	run(&f, 60000);
	assert_string_equal(f.last->reply->plan->note, "alpha, beta are empty");
	assert_int_equal(guests_on(&f, 0) + guests_on(&f, 1), 0);
	end(&f);
}

static void guests_come_home_unless_they_moved_on(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	struct fleet f;
	const char *first;
	int other;

	(void)state;
	start(&f, 6);
	evacuate(&f, "alpha", 0);
	run(&f, 60000);
	ask(&f, (struct msg_request){.command = "hosts", .host = "alpha"});
	assert_true(f.last->reply->hosts.v[0].maintenance);
	other = f.guest[3].host == 1 ? 2 : 1;
	first = hosts[f.guest[0].host];
	ask(&f,
	    (struct msg_request){.command = "migrate", .container = "c3", .host = hosts[other]});
	run(&f, 10000);
	restart(&f, 2); /* where they were put outlives the coordinator */
	run(&f, 2000);
	plan = ask(&f, (struct msg_request){
			       .command = "restore", .hosts = {v, 1}, .yes = true, .follow = true});
	assert_int_equal(plan->items.n, 6);
	run(&f, 60000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 5);
	assert_int_equal(f.guest[3].host, other);
	ask(&f, (struct msg_request){.command = "hosts", .host = "alpha"});
	assert_false(f.last->reply->hosts.v[0].maintenance);
	assert_false(f.last->reply->hosts.v[0].cordoned);
	/* What goes to the same place later is not the evacuation's any more. */
	ask(&f, (struct msg_request){.command = "migrate", .container = "c0", .host = first});
	run(&f, 10000);
	plan = ask(&f,
		   (struct msg_request){.command = "restore", .hosts = {v, 1}, .dry_run = true});
	assert_int_equal(plan->items.n, 0);
	end(&f);
}

static void a_saved_plan_is_applied_while_it_holds(void **state)
{
	const char *v[] = {"alpha"};
	struct msg *saved;
	struct fleet f;

	(void)state;
	start(&f, 4);
	ask(&f, (struct msg_request){.command = "evacuate", .hosts = {v, 1}, .dry_run = true});
	saved = mem_take(f.last);
	ask(&f, (struct msg_request){.command = "migrate", .container = "c1", .host = "beta"});
	run(&f, 10000);
	ask(&f,
	    (struct msg_request){
		    .command = "apply", .saved = saved->reply->plan, .yes = true, .follow = true});
	assert_int_equal(f.last->reply->code, ERR_refused);
	assert_string_equal(f.last->reply->error, "c1 does not run on alpha any more");
	ask(&f, (struct msg_request){.command = "migrate", .container = "c1", .host = "alpha"});
	run(&f, 10000);
	ask(&f,
	    (struct msg_request){
		    .command = "apply", .saved = saved->reply->plan, .yes = true, .follow = true});
	run(&f, 60000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 0);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(
			hosts[guest_of(&f, saved->reply->plan->items.v[i].container)->host],
			saved->reply->plan->items.v[i].target);
	msg_free(&saved);
	end(&f);
}

static void one_begins_at_its_time(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 3);
	plan = ask(&f, (struct msg_request){.command = "evacuate",
					    .hosts = {v, 1},
					    .yes = true,
					    .at_ms = f.now.wall_ms + 60000});
	assert_string_equal(plan->state, "planned");
	run(&f, 30000);
	restart(&f, 2);
	run(&f, 25000);
	assert_int_equal(guests_on(&f, 0), 3);
	f.n_guests = 4; /* started since */
	f.guest[3] = (struct guest){.id = "c9", .rss = MIB, .running = true};
	run(&f, 30000);
	assert_int_equal(guests_on(&f, 0), 0);
	plan = ask(&f, (struct msg_request){.command = "evacuate",
					    .hosts = {v, 1},
					    .yes = true,
					    .at_ms = f.now.wall_ms + 5000});
	ask(&f, (struct msg_request){.command = "cancel", .job = "0002AB"});
	run(&f, 10000);
	ask(&f, (struct msg_request){.command = "job", .job = "0002AB"});
	assert_string_equal(f.last->reply->plan->note, "canceled before its time");
	end(&f);
}

/* Three hogs and a few small ones on alpha: 80 % of a host each three, and the others idle. */
static void load_alpha(struct fleet *f)
{
	for (size_t i = 0; i < f->n_guests; i++)
		f->guest[i].cpu = i < 3 ? 1100 : 50;
	run(f, 10000);
}

static void an_overloaded_host_is_relieved_on_request(void **state)
{
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 6);
	load_alpha(&f);
	plan = ask(&f, (struct msg_request){.command = "rebalance", .dry_run = true});
	assert_int_equal(plan->items.n, 1);
	assert_string_equal(plan->items.v[0].why, "its host is overloaded");
	assert_string_equal(plan->items.v[0].source, "alpha");
	assert_int_equal(guests_on(&f, 0), 6);
	ask(&f, (struct msg_request){.command = "rebalance", .yes = true, .follow = true});
	run(&f, 30000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 5);
	end(&f);
}

static void what_is_even_is_left_alone(void **state)
{
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 4);
	for (int i = 0; i < HOSTS; i++) {
		f.guest[i].host = i;
		f.guest[i].cpu = 2000;
	}
	run(&f, 10000);
	plan = ask(&f, (struct msg_request){.command = "rebalance", .dry_run = true});
	assert_int_equal(plan->items.n, 0);
	assert_non_null(strstr(plan->note, "even enough"));
	assert_null(ask(&f, (struct msg_request){.command = "rebalance", .mode = "ram"}));
	assert_int_equal(f.last->reply->code, ERR_usage);
	end(&f);
}

static struct options *automatic(const char *mode)
{
	struct options *options = options_new();
	struct err err;

	assert_int_equal(options_set(options, mode, &err), 0);
	return options;
}

static void by_itself_it_acts_and_is_quiet_then(void **state)
{
	unsigned moves = 0, settled;
	struct fleet f;

	(void)state;
	start_with(&f, 8, automatic("coordinator.rebalance=auto"));
	load_alpha(&f);
	run(&f, 180000);
	for (size_t i = 0; i < f.n_guests; i++)
		moves += f.guest[i].moves;
	settled = moves;
	assert_true(moves >= 1 && moves <= 5);
	restart(&f, 2); /* who rests is remembered */
	run(&f, 30 * 60000);
	for (moves = 0; moves < 1;)
		for (size_t i = 0; i < f.n_guests; i++) {
			assert_true(f.guest[i].moves <= 1); /* none came back */
			moves += f.guest[i].moves;
		}
	assert_true(moves <= settled + 1);
	end(&f);
}

/* 88 % is 3 percent too much a look: five looks of ten seconds. What is at 100 % waits for one. */
static void a_host_is_relieved_the_sooner_the_hotter_it_is(void **state)
{
	static const struct {
		uint64_t cpu; /* of the third hog, the others take 1,100 each */
		unsigned least_s, most_s;
	} cases[] = {{920, 30, 90}, {1800, 1, 30}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned seconds = 0, moves = 0;
		struct fleet f;

		start_with(&f, 3, automatic("coordinator.rebalance=auto"));
		for (size_t g = 0; g < 3; g++)
			f.guest[g].cpu = g == 2 ? cases[i].cpu : 1100;
		for (; !moves && seconds < 300; seconds++) {
			run(&f, 1000);
			for (size_t g = 0; g < 3; g++)
				moves += f.guest[g].moves;
		}
		assert_in_range(seconds, cases[i].least_s, cases[i].most_s);
		end(&f);
	}
}

static void suggesting_moves_nothing(void **state)
{
	struct fleet f;

	(void)state;
	start_with(&f, 8, automatic("coordinator.rebalance=suggest"));
	load_alpha(&f);
	run(&f, 120000);
	assert_int_equal(guests_on(&f, 0), 8);
	ask(&f, (struct msg_request){.command = "jobs", .all = true});
	assert_int_equal(f.last->reply->jobs.n, 0);
	end(&f);
}

static void nothing_is_evened_while_a_host_is_emptied(void **state)
{
	struct fleet f;

	(void)state;
	start_with(&f, 8, automatic("coordinator.rebalance=auto"));
	f.guest[0].host = 1;
	run(&f, 2000);
	evacuate(&f, "beta", 0);
	ask(&f, (struct msg_request){.command = "pause", .job = "beta"});
	run(&f, 10000); /* what had begun */
	load_alpha(&f);
	run(&f, 120000);
	assert_int_equal(guests_on(&f, 0), 7 + (f.guest[0].host == 0));
	end(&f);
}

static void one_at_a_time_on_a_host(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, 6);
	evacuate(&f, "alpha", 0);
	run(&f, 500);
	assert_null(evacuate(&f, "alpha", 0));
	assert_int_equal(f.last->reply->code, ERR_busy);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_is_emptied_within_the_limits),
		cmocka_unit_test(a_plan_touches_nothing),
		cmocka_unit_test(what_is_missing_is_told),
		cmocka_unit_test(placements_add_up),
		cmocka_unit_test(one_that_stays_does_not_stop_the_others),
		cmocka_unit_test(what_is_stuck_moves_cold_when_asked),
		cmocka_unit_test(the_ladder_is_walked_once),
		cmocka_unit_test(a_move_that_fails_is_tried_on_one_other_host),
		cmocka_unit_test(the_coordinator_goes_on_where_it_was),
		cmocka_unit_test(pause_resume_cancel),
		cmocka_unit_test(the_deadline_stops_the_queue_and_no_container),
		cmocka_unit_test(hosts_that_are_emptied_take_nothing),
		cmocka_unit_test(guests_come_home_unless_they_moved_on),
		cmocka_unit_test(a_saved_plan_is_applied_while_it_holds),
		cmocka_unit_test(one_begins_at_its_time),
		cmocka_unit_test(an_overloaded_host_is_relieved_on_request),
		cmocka_unit_test(what_is_even_is_left_alone),
		cmocka_unit_test(by_itself_it_acts_and_is_quiet_then),
		cmocka_unit_test(a_host_is_relieved_the_sooner_the_hotter_it_is),
		cmocka_unit_test(suggesting_moves_nothing),
		cmocka_unit_test(nothing_is_evened_while_a_host_is_emptied),
		cmocka_unit_test(one_at_a_time_on_a_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
