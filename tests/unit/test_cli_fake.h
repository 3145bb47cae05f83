/* SPDX-License-Identifier: MPL-2.0
 *
 * A coordinator that says what a script tells it to, over the real bus, in a child process: the
 * command line on the other side cannot tell it from a real one. And the records that the tests of
 * printing share. */
#ifndef DROVER_TEST_CLI_FAKE_H
#define DROVER_TEST_CLI_FAKE_H

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "proto/bus.h"
#include "proto/msg.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MIB (UINT64_C(1024) * 1024)
#define FAKE_JOB "01KB0000000000000000007QK3"

static __attribute__((unused)) struct msg_figures fake_figures = {
	.frozen_us = 182400,
	.freeze_us = 900,
	.dump_us = 71000,
	.send_us = 12300,
	.verify_us = 5200,
	.restore_us = 80000,
	.start_us = 13000,
	.image_bytes = 64 * MIB,
	.tree_bytes = 120 * MIB,
	.sent_bytes = 23 * MIB,
	.frozen_bytes = 3 * MIB / 2,
	.pages = 16384,
	.zero_pages = 9830,
	.known_pages = 4915,
	.rounds = 2,
	.bytes_s = 210 * MIB,
};

static __attribute__((unused)) struct msg_host fake_hosts[] = {
	{.id = "alpha",
	 .state = "up",
	 .address = "10.9.0.1",
	 .age_ms = 400,
	 .kernel = "6.12.9",
	 .criu_version = 40100,
	 .cpus = 8,
	 .load1 = 3.1,
	 .cpu_permille = 420,
	 .mem_total_bytes = 16384 * MIB,
	 .mem_available_bytes = 4096 * MIB,
	 .containers = 7,
	 .arch = "x86_64"},
	{.id = "beta",
	 .state = "up",
	 .address = "10.9.0.2",
	 .age_ms = 700,
	 .kernel = "6.12.9",
	 .criu_version = 40100,
	 .cpus = 8,
	 .load1 = 0.4,
	 .cpu_permille = 60,
	 .mem_total_bytes = 16384 * MIB,
	 .mem_available_bytes = 14100 * MIB,
	 .containers = 2,
	 .cordoned = true,
	 .note = "disk swap on Friday",
	 .arch = "x86_64"},
	{.id = "gamma",
	 .state = "dead",
	 .address = "10.9.0.3",
	 .age_ms = 312000,
	 .kernel = "6.1.0",
	 .criu_version = 31701,
	 .cpus = 4,
	 .cpu_permille = 960,
	 .mem_total_bytes = 8192 * MIB,
	 .mem_available_bytes = 700 * MIB,
	 .containers = 3,
	 .arch = "x86_64"},
};

static __attribute__((unused)) struct msg_job fake_moved = {
	.id = FAKE_JOB,
	.kind = "migrate",
	.container = "web",
	.source = "alpha",
	.target = "beta",
	.state = "done",
	.step = "clean",
	.outcome = "MOVED",
	.runs_on = "beta",
	.started_ms = 1764000000000,
	.finished_ms = 1764000002310,
	.figures = &fake_figures,
	.predicted_frozen_ms = 200,
	.frozen_error_percent = -9,
	.user = "anna",
	.runtime = "runc",
};

static __attribute__((unused)) struct msg_job fake_stayed = {
	.id = FAKE_JOB,
	.kind = "migrate",
	.container = "web",
	.source = "alpha",
	.target = "beta",
	.state = "done",
	.step = "arm",
	.outcome = "STAYED",
	.runs_on = "alpha",
	.code = ERR_rolledback,
	.error = "restore on beta: /data/x is not there",
	.fix = "create /data/x on beta",
	.has_log = true,
	.started_ms = 1764000000000,
	.finished_ms = 1764000000900,
	.figures = NULL,
};

static __attribute__((unused)) struct msg_job fake_held = {
	.id = "01KB000000000000000000HE1D",
	.kind = "migrate",
	.container = "db",
	.source = "alpha",
	.target = "gamma",
	.state = "waiting",
	.step = "start",
	.outcome = "HELD",
	.error = "gamma has not answered since it was given db",
	.fix = "bring gamma back, or prove that it is off: drover force db",
	.waiting_for = "gamma",
	.started_ms = 1764000000000,
};

static __attribute__((unused)) struct msg_cluster fake_cluster = {
	.coordinator = "alpha",
	.version = "0.1.0",
	.epoch = 3,
	.up_ms = 8000000,
	.hosts_up = 2,
	.hosts_total = 3,
	.containers = 12,
	.jobs_running = 1,
	.held = 1,
	.interval_ms = 1000,
};

/* One script: what becomes of one request. */
struct fake {
	struct bus_sock *sock;
	const struct bus_from *from;
	char request[ULID_SIZE];
};

typedef void fake_script(struct fake *fake, const struct msg_request *request);

static inline void fake_say(struct fake *fake, enum msg_type type, const void *body)
{
	struct msg_head head = msg_head_new(type, 1, fake->request);
	struct err err;

	bus_send(fake->sock, fake->from, &head, body, &err);
}

static inline void fake_reply(struct fake *fake, const struct msg_reply *reply)
{
	fake_say(fake, MSG_TYPE_reply, reply);
}

/* The final reply with one job. */
static inline void fake_end(struct fake *fake, const struct msg_job *job)
{
	struct msg_job copy = *job;

	fake_reply(fake, &(struct msg_reply){.code = job->code,
					     .error = job->error,
					     .fix = job->fix,
					     .final = true,
					     .jobs = {&copy, 1}});
}

static inline void fake_event(struct fake *fake, const char *kind, const struct msg_job *job)
{
	static uint64_t seq;
	struct msg_job copy = *job;

	fake_say(fake, MSG_TYPE_event,
		 &(struct msg_event){
			 .seq = ++seq, .kind = kind, .wall_ms = clock_wall_ms(), .job = &copy});
}

/* A job on its way: step, phase, bytes. */
static inline struct msg_job fake_running(const char *step, const char *phase, uint64_t done)
{
	return (struct msg_job){
		.id = FAKE_JOB,
		.kind = "migrate",
		.container = "web",
		.source = "alpha",
		.target = "beta",
		.state = "running",
		.step = step,
		.phase = phase,
		.runs_on = "alpha",
		.done_bytes = done,
		.total_bytes = done ? 500 * MIB : 0,
		.bytes_s = done ? 210 * MIB : 0,
		.eta_ms = done ? 1500 : 0,
	};
}

static inline void fake_serve(const char *endpoint, fake_script *script, int ready_fd)
{
	struct err err = {0};
	struct bus *bus = bus_new(NULL, NULL, &err);
	struct bus_sock *sock = bus ? bus_local_router(bus, endpoint, &err) : NULL;

	if (!sock || write(ready_fd, "r", 1) != 1) {
		fprintf(stderr, "fake coordinator: %s\n", err.text);
		_exit(1);
	}
	for (;;) {
		struct bus_poll_item item = {.sock = sock, .fd = -1};
		struct bus_from from;
		struct msg *msg = NULL;

		if (bus_recv(sock, &from, &msg, &err) != 1) {
			bus_poll(&item, 1, 1000, &err);
			continue;
		}
		struct fake fake = {.sock = sock, .from = &from};

		str_copy(fake.request, sizeof(fake.request), msg->head.request);
		if (msg->head.type == MSG_TYPE_request)
			script(&fake, msg->request);
		msg_free(&msg);
	}
}

/* Returns its process id once it listens. */
static inline pid_t fake_start(const char *endpoint, fake_script *script)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		fake_serve(endpoint, script, ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

static inline void fake_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif
