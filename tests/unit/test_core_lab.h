/* SPDX-License-Identifier: MPL-2.0
 *
 * A cluster for the coordinator's core to drive: three hosts with a worker each, virtual time, and
 * a memory that survives the coordinator. A test scripts what goes wrong. After each answer the lab
 * checks that at most one copy can run. */
#ifndef DROVER_TESTS_TEST_CORE_LAB_H
#define DROVER_TESTS_TEST_CORE_LAB_H

#include "test_core_worker.h"

#include "coordinator/core.h"
#include "coordinator/effects.h"

#include <stdlib.h>

/* What to do with an ask of this step to this host instead of what a good worker does. */
struct lab_script {
	int host; /* -1: any */
	enum step step;
	const char *container;       /* NULL: any */
	bool mute;                   /* never answers */
	bool twice;                  /* answers twice */
	bool bare;                   /* without proof, digest, ticket */
	int code;                    /* answers this error */
	const char *code_state;      /* with this state */
	const char *reason;          /* and this reason code */
	struct msg_figures *figures; /* a good answer has these */
	struct msg_container *facts; /* and these */
	unsigned times;              /* how often; 0 = for ever */
	void (*before)(void *lab);
};

/* When the coordinator is killed: before its records are durable, after, when all was sent but
 * nothing arrived, when all was done by the workers but no answer arrived. */
enum lab_crash { LAB_CRASH_before, LAB_CRASH_recorded, LAB_CRASH_sent, LAB_CRASH_done };

struct lab {
	struct core *core;
	uint64_t term;
	struct moment now;
	struct effects fx;
	struct effect_record *kept;
	size_t n_kept;
	struct lab_host host[LAB_HOSTS];
	struct lab_host twin[LAB_HOSTS]; /* api, where a test has made a pair */
	struct msg *gathers[2];          /* asks to release that wait for the other's */
	struct msg **queue;              /* asks on their way, with their host */
	int *queue_host;
	size_t n_queue;
	struct msg **heard; /* what the client was told */
	size_t n_heard;
	struct lab_script script[8];
	size_t n_scripts;
	unsigned ids;
	unsigned asks[STEP_COUNT];
	int crash_in;         /* turns with records until the coordinator is killed; 0 = never */
	enum lab_crash crash; /* … at this point */
	bool crashed;
	bool down;             /* between its death and its restart: answers are lost */
	enum step stop_before; /* lab_run ends when an ask of this step is to be delivered */
	bool stopped;
};

static struct lab_host *lab_host(struct lab *lab, const char *name)
{
	for (int i = 0; i < LAB_HOSTS; i++)
		if (str_eq(lab_names[i], name))
			return &lab->host[i];
	return NULL;
}

static struct lab_script *lab_add(struct lab *lab, const char *host, enum step step)
{
	struct lab_script *s = &lab->script[lab->n_scripts++];
	struct lab_host *h = host ? lab_host(lab, host) : NULL;

	*s = (struct lab_script){.host = h ? (int)(h - lab->host) : -1, .step = step};
	return s;
}

static void lab_ulid(struct lab *lab, char ret[ULID_SIZE])
{
	str_fmt(ret, ULID_SIZE, "01HZ%022u", ++lab->ids);
}

static void lab_restart(struct lab *lab);
static void lab_lose_answers(struct lab *lab);

static void lab_die(struct lab *lab)
{
	lab->crashed = true;
	effects_reset(&lab->fx);
	lab_restart(lab);
}

/* What the daemon does at the end of a turn: records first, then messages. */
static void lab_commit(struct lab *lab)
{
	bool dies = lab->crash_in && lab->fx.n_records && --lab->crash_in == 0;

	if (dies && lab->crash == LAB_CRASH_before) {
		lab_die(lab);
		return;
	}
	for (size_t i = 0; i < lab->fx.n_records; i++) {
		lab->kept = mem_grow(lab->kept, lab->n_kept + 1, sizeof(*lab->kept));
		lab->kept[lab->n_kept++] = lab->fx.records[i];
		lab->fx.records[i].data = NULL;
	}
	if (dies && lab->crash == LAB_CRASH_recorded) {
		lab_die(lab);
		return;
	}
	for (size_t i = 0; i < lab->fx.n_sends; i++) {
		struct effect_send *send = &lab->fx.sends[i];

		if (!send->node[0]) {
			lab->heard = mem_grow(lab->heard, lab->n_heard + 1, sizeof(*lab->heard));
			lab->heard[lab->n_heard++] = mem_take(send->msg);
		} else if (send->msg->head.type == MSG_TYPE_ask) {
			lab->queue = mem_grow(lab->queue, lab->n_queue + 1, sizeof(*lab->queue));
			lab->queue_host = mem_grow(lab->queue_host, lab->n_queue + 1,
						   sizeof(*lab->queue_host));
			lab->queue_host[lab->n_queue] =
				(int)(lab_host(lab, send->node) - lab->host);
			lab->queue[lab->n_queue++] = mem_take(send->msg);
		}
	}
	effects_reset(&lab->fx);
	if (dies && lab->crash == LAB_CRASH_done)
		lab_lose_answers(lab);
	if (dies)
		lab_die(lab);
}

static void lab_feed(struct lab *lab, const struct core_event *event)
{
	core_feed(lab->core, event, lab->now, &lab->fx);
	lab_commit(lab);
}

static void lab_say(struct lab *lab, int host, enum msg_type type, const void *body)
{
	struct msg *msg;

	if (lab->down)
		return;
	msg = msg_copy(type, body);
	msg->head.type = type;
	lab_feed(lab, &(struct core_event){.kind = CORE_message,
					   .node = lab_names[host],
					   .address = "10.0.0.1",
					   .msg = msg});
	msg_free(&msg);
}

static void lab_instance(const struct lab_host *h, int host, char ret[ULID_SIZE])
{
	str_fmt(ret, ULID_SIZE, "01HX%020u%02d", h->instance, host);
}

static void lab_caps(struct lab *lab, int i)
{
	static const char *features[] = {"avx2", "sse4_2"};
	struct lab_host *h = &lab->host[i];
	struct msg_runtime runc = {.name = "runc", .version = "1.1", .checkpoint = true};
	struct msg_network network = {.bridge = "br0", .subnet = "10.9.0.0/24"};
	const char *address = "10.9.0.5/24";
	struct msg_net net = {.kind = "named", .bridge = "br0", .addrs = {&address, 1}};
	struct msg_container v[2];
	struct msg_container web = {.id = "web",
				    .runtime = "runc",
				    .status = "running",
				    .bundle = "/var/lib/ct/web",
				    .rss_bytes = 64 * LAB_MIB,
				    .tree_bytes = LAB_MIB,
				    .io_uring = h->io_uring,
				    .labels = {&h->label, h->label != NULL},
				    .net = &net};
	char instance[ULID_SIZE];
	struct msg_caps caps = {.kernel = "6.12.0",
				.arch = "x86_64",
				.cpu_features = {features, 2},
				.xsave_bytes = 2696,
				.criu_version = 40201,
				.runtimes = {&runc, 1},
				.cgroup_version = 2,
				.networks = {&network, 1},
				.containers = {v, 0},
				.instance = instance};

	lab_instance(h, i, instance);
	if (str_eq(h->journal, "released") || str_eq(h->journal, "prepared") ||
	    str_eq(h->journal, "held")) {
		web.migration = "01HZ0000000000000000000001";
		web.authority = h->journal;
	}
	if (h->has_web)
		v[caps.containers.n++] = web;
	if (lab->twin[i].has_web) {
		web.id = "api";
		web.bundle = "/var/lib/ct/api";
		web.net = NULL;
		web.io_uring = lab->twin[i].io_uring;
		v[caps.containers.n++] = web;
	}
	lab_say(lab, i, MSG_TYPE_caps, &caps);
}

static void lab_beat(struct lab *lab, int i)
{
	struct lab_host *h = &lab->host[i];
	char instance[ULID_SIZE];
	struct msg_beat beat = {.instance = instance,
				.seq = ++h->seq,
				.cpus = 4,
				.cpu_permille = 100,
				.mem_total_bytes = 1024ull * LAB_MIB,
				.mem_available_bytes = h->mem_available};

	lab_instance(h, i, instance);
	h->beat_ms = lab->now.mono_ms;
	lab_say(lab, i, MSG_TYPE_beat, &beat);
}

static void lab_hello(struct lab *lab, int i)
{
	char instance[ULID_SIZE];

	lab_instance(&lab->host[i], i, instance);
	lab_say(lab, i, MSG_TYPE_hello,
		&(struct msg_hello){.node = lab_names[i], .instance = instance});
	lab_caps(lab, i);
	lab_beat(lab, i);
}

static void lab_boot_core(struct lab *lab)
{
	struct core_config config = {
		.id = "ctl", .term = ++lab->term, .interval_ms = 1000, .headroom_percent = 10};
	struct err err = {0};

	lab->core = core_new(&config);
	for (size_t i = 0; i < lab->n_kept; i++)
		assert_int_equal(core_replay(lab->core, lab->kept[i].kind, lab->kept[i].key,
					     lab->kept[i].data, lab->kept[i].len, &err),
				 0);
	core_resume(lab->core, lab->now, &lab->fx);
	lab_commit(lab);
	for (int i = 0; i < LAB_HOSTS; i++)
		lab_feed(lab, &(struct core_event){.kind = CORE_roster,
						   .node = lab_names[i],
						   .address = "10.0.0.1",
						   .ssh_port = 22});
	for (int i = 0; i < LAB_HOSTS; i++)
		if (lab->host[i].up)
			lab_hello(lab, i);
}

static void lab_start(struct lab *lab)
{
	*lab = (struct lab){.now = {.mono_ms = 1000000, .wall_ms = 1700000000000}};
	for (int i = 0; i < LAB_HOSTS; i++) {
		lab->host[i] = (struct lab_host){
			.up = true, .instance = 1, .mem_available = 600ull * LAB_MIB};
		str_copy(lab->host[i].journal, 16, "none");
	}
	lab->host[0].has_web = true;
	lab->host[2].mem_available = 500ull * LAB_MIB; /* beta is better than gamma */
	lab_boot_core(lab);
}

static void lab_drop_queue(struct lab *lab)
{
	for (size_t i = 0; i < lab->n_queue; i++)
		msg_free(&lab->queue[i]);
	lab->n_queue = 0;
}

static void lab_restart(struct lab *lab)
{
	core_free(&lab->core);
	lab_drop_queue(lab);
	for (int i = 0; i < 2; i++)
		msg_free(&lab->gathers[i]);
	lab->now.mono_ms += 500;
	lab->now.wall_ms += 500;
	lab_boot_core(lab);
}

static void lab_end(struct lab *lab)
{
	core_free(&lab->core);
	lab_drop_queue(lab);
	for (int i = 0; i < 2; i++)
		msg_free(&lab->gathers[i]);
	for (size_t i = 0; i < lab->n_kept; i++)
		free(lab->kept[i].data);
	for (size_t i = 0; i < lab->n_heard; i++)
		msg_free(&lab->heard[i]);
	free(lab->kept);
	free(lab->heard);
	free(lab->queue);
	free(lab->queue_host);
}

/* --- what the workers are asked --- */

static unsigned lab_running(const struct lab_host *v)
{
	unsigned running = 0;

	for (int i = 0; i < LAB_HOSTS; i++)
		running += v[i].has_web && !v[i].frozen && !str_eq(v[i].journal, "prepared");
	return running;
}

static void lab_at_most_one_runs(const struct lab *lab)
{
	assert_true(lab_running(lab->host) <= 1);
	assert_true(lab_running(lab->twin) <= 1);
}

static struct lab_script *lab_scripted(struct lab *lab, int host, uint64_t step,
				       const char *container)
{
	for (size_t i = 0; i < lab->n_scripts; i++) {
		struct lab_script *s = &lab->script[i];

		if (s->step == step && (s->host < 0 || s->host == host) &&
		    (!s->container || str_eq(s->container, container)))
			return s;
	}
	return NULL;
}

static void lab_unscript(struct lab *lab, struct lab_script *s)
{
	if (s->times && --s->times == 0)
		s->step = STEP_COUNT;
	(void)lab;
}

/* A log of 20,000 bytes: more than fits an answer. Without a script none is kept. */
static void lab_deliver_log(struct lab *lab, int host, const struct msg_ask *ask)
{
	struct lab_script *s = lab_scripted(lab, host, STEP_log, ask->container);
	struct msg_answer a = {
		.migration = ask->migration, .step = STEP_log, .log_offset = ask->offset};
	char piece[16384];

	if (!lab->host[host].up || (s && s->mute))
		return;
	if (s && s->code) {
		a.code = (uint64_t)s->code;
		a.error = "scripted error";
	} else {
		size_t left = ask->offset < 20000 ? 20000 - (size_t)ask->offset : 0;
		size_t len = left < sizeof(piece) - 1 ? left : sizeof(piece) - 1;

		memset(piece, 'x', len);
		piece[len] = '\0';
		a.log = piece;
		a.log_total = 20000;
		a.log_name = "dump.log";
	}
	lab_say(lab, host, MSG_TYPE_answer, &a);
}

static void lab_deliver(struct lab *lab, int host, const struct msg_ask *ask);

/* False: the ask waits for that of the other of its pair. What waited is answered with it. */
static bool lab_pair(struct lab *lab, int host, struct lab_host *h, const struct msg_ask *ask)
{
	struct lab_host *other = h->is_api ? &lab->host[host] : &lab->twin[host];
	struct msg *waited;

	if (!lab_pair_step(h, other, ask)) {
		msg_free(&lab->gathers[h->is_api]);
		lab->gathers[h->is_api] = msg_copy(MSG_TYPE_ask, ask);
		return false;
	}
	waited = str_eq(other->journal, "held") ? NULL : mem_take(lab->gathers[!h->is_api]);
	if (waited)
		lab_deliver(lab, host, waited->ask);
	msg_free(&waited);
	return true;
}

static void lab_deliver(struct lab *lab, int host, const struct msg_ask *ask)
{
	struct lab_script *s = lab_scripted(lab, host, ask->step, ask->container);
	struct lab_host *h = str_eq(ask->container, "api") ? &lab->twin[host] : &lab->host[host];
	struct msg_answer a = {.migration = ask->migration,
			       .step = ask->step,
			       .attempt = ask->attempt,
			       .epoch = ask->epoch};
	struct msg_reason reason = {.why = "scripted", .fix = "mend it"};
	bool source = str_eq(ask->source, lab_names[host]), twice = s && s->twice;
	char state[16];

	lab->asks[ask->step]++;
	assert_int_equal(ask->term, lab->term);
	if (ask->step == STEP_log) {
		lab_deliver_log(lab, host, ask);
		return;
	}
	if (s && s->before)
		s->before(lab);
	if (!lab->host[host].up || (s && s->mute))
		return;
	if (h->label && !(s && s->code) && !lab_pair(lab, host, h, ask))
		return;
	if (s && (s->code || s->reason)) {
		a.code = (uint64_t)s->code;
		a.error = "scripted error";
		a.log = "Error (criu/x.c:1): scripted";
		if (s->reason) {
			reason.code = s->reason;
			a.reasons.v = &reason;
			a.reasons.n = 1;
		}
	} else {
		a.code = (uint64_t)(source ? lab_source_step(h, ask) : lab_target_step(h, ask));
	}
	str_copy(state, sizeof(state), s && s->code_state ? s->code_state : h->journal);
	a.state = state;
	if (!a.code && !(s && s->bare))
		lab_fill(h, ask, &a);
	if (!a.code && s && s->figures)
		a.figures = s->figures;
	if (!a.code && s && s->facts)
		a.facts = s->facts;
	if (s)
		lab_unscript(lab, s);
	lab_at_most_one_runs(lab);
	lab_say(lab, host, MSG_TYPE_answer, &a);
	if (twice)
		lab_say(lab, host, MSG_TYPE_answer, &a);
}

static struct msg *lab_next(struct lab *lab, int *ret_host)
{
	struct msg *msg = lab->queue[0];

	*ret_host = lab->queue_host[0];
	lab->n_queue--;
	memmove(lab->queue, lab->queue + 1, lab->n_queue * sizeof(*lab->queue));
	memmove(lab->queue_host, lab->queue_host + 1, lab->n_queue * sizeof(*lab->queue_host));
	return msg;
}

static void lab_lose_answers(struct lab *lab)
{
	lab->down = true;
	while (lab->n_queue) {
		int host;
		struct msg *msg = lab_next(lab, &host);

		lab_deliver(lab, host, msg->ask);
		msg_free(&msg);
	}
	lab->down = false;
}

/* Virtual time goes on for so long, or until stop_before. */
static void lab_run(struct lab *lab, uint64_t ms)
{
	uint64_t end_ms = lab->now.mono_ms + ms;

	lab->stopped = false;
	for (;;) {
		while (lab->n_queue) {
			struct msg *msg;
			int host;

			if (lab->stop_before && lab->queue[0]->ask->step == lab->stop_before) {
				lab->stopped = true;
				return;
			}
			msg = lab_next(lab, &host);
			lab_deliver(lab, host, msg->ask);
			msg_free(&msg);
		}
		if (lab->now.mono_ms >= end_ms)
			return;
		lab->now.mono_ms += 100;
		lab->now.wall_ms += 100;
		for (int i = 0; i < LAB_HOSTS; i++)
			if (lab->host[i].up && lab->now.mono_ms - lab->host[i].beat_ms >= 1000)
				lab_beat(lab, i);
		lab_feed(lab, &(struct core_event){.kind = CORE_tick});
	}
}

static const struct CMUnitTest *lab_keep_quiet(void) __attribute__((unused));
static const struct CMUnitTest *lab_keep_quiet(void)
{
	(void)lab_add;
	(void)lab_restart;
	(void)lab_run;
	(void)lab_end;
	(void)lab_start;
	return NULL;
}

#endif
