/* SPDX-License-Identifier: MPL-2.0
 *
 *   new --CONNECT--> connected --OPEN--> open --PASS--> open …, final PASS --> sealed
 *
 * A message that does not fit the state is answered with ERROR and changes nothing. While a pass
 * runs, every wait of the stream also looks at the control socket: anything but silence there ends
 * the pass (sender_wait). */
#include "transfer/sender.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "transfer/frame.h"
#include "transfer/pace.h"
#include "transfer/pass.h"
#include "transfer/push.h"
#include "transfer/ssh.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PROGRESS_MS 100
#define STALL_MS 60000
#define COMMAND "receive"

enum sender_state { SENDER_NEW, SENDER_CONNECTED, SENDER_OPEN, SENDER_DEAD };

struct sender {
	int fd;
	enum sender_state state;
	struct sender_connect connect;
	struct ssh *ssh; /* the warm session, until OPEN */
	struct pace *pace;
	struct push *push;
	struct passes *passes;
	uint64_t progress_ms;
	uint64_t total_hint;
};

static int sender_wait(void *arg, struct pollfd *fds, nfds_t n, int timeout_ms, struct err *err)
{
	struct sender *s = arg;
	struct pollfd all[PUSH_SESSIONS_MAX + 1];
	int got;

	if (n)
		if (n)
			memcpy(all, fds, n * sizeof(*fds));
	all[n] = (struct pollfd){.fd = s->fd, .events = POLLIN};
	do
		got = poll(all, n + 1, timeout_ms);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail_errno(err, ERR_io, "poll");
	if (all[n].revents)
		return fail(err, ERR_canceled, "canceled");
	if (n)
		memcpy(fds, all, n * sizeof(*fds));
	return 0;
}

static void on_progress(void *arg, const char *phase, uint64_t done, uint64_t total, unsigned round)
{
	struct sender *s = arg;
	struct sender_msg msg = {.kind = SENDER_progress};
	const struct push_figures *figures;
	uint64_t now = clock_mono_ms();

	if (now - s->progress_ms < PROGRESS_MS)
		return;
	s->progress_ms = now;
	figures = push_figures(s->push);
	str_copy(msg.progress.phase, sizeof(msg.progress.phase), phase);
	msg.progress.done_bytes = done;
	msg.progress.total_bytes = total > s->total_hint ? total : s->total_hint;
	msg.progress.sent_bytes = figures->sent_bytes;
	msg.progress.bytes_s = figures->bytes_s;
	msg.progress.round = round;
	sender_ctl_send(s->fd, &msg, -1, NULL);
}

static int new_session(struct sender *s, struct ssh **ret, struct err *err)
{
	struct ssh_target target = {.address = s->connect.address,
				    .port = s->connect.port,
				    .host_key = s->connect.host_key,
				    .user = s->connect.user,
				    .key_path = s->connect.key_path,
				    .cancel_fd = s->fd};

	return ssh_connect(&target, ret, err);
}

static int do_connect(struct sender *s, const struct sender_connect *connect, int pace,
		      struct err *err)
{
	int r;

	if (s->state != SENDER_NEW)
		return fail(err, ERR_busy, "already connected");
	s->connect = *connect;
	if (pace >= 0 && !s->pace && !(s->pace = pace_map(pace, err)))
		return -err->code;
	r = new_session(s, &s->ssh, err);
	if (!r)
		s->state = SENDER_CONNECTED;
	return r;
}

static int join(struct sender *s, struct frame_hello *hello, struct err *err)
{
	struct wire *wire;
	int r = s->ssh ? 0 : new_session(s, &s->ssh, err);

	if (!r)
		r = ssh_exec(&s->ssh, COMMAND, &wire, err);
	if (r)
		return r;
	wire->stall_ms = STALL_MS;
	return push_join(s->push, wire, hello, err);
}

static int do_open(struct sender *s, const struct sender_open *open, struct err *err)
{
	struct push_config config = {.codec = open->codec,
				     .rate = open->rate,
				     .pace = s->pace,
				     .link_rate = open->link_rate,
				     .wait = sender_wait,
				     .arg = s};
	struct frame_hello hello = {.epoch = open->epoch};
	int r = 0;

	if (s->state != SENDER_CONNECTED)
		return fail(err, ERR_busy, "not connected, or open already");
	str_copy(hello.migration, sizeof(hello.migration), open->migration);
	memcpy(hello.secret, open->secret, sizeof(hello.secret));
	s->push = push_new(&config);
	for (unsigned i = 0; !r && i < open->sessions; i++)
		r = join(s, &hello, err);
	explicit_bzero(&hello, sizeof(hello));
	s->passes = passes_new(s->push, open->migration, open->epoch);
	s->state = r ? SENDER_DEAD : SENDER_OPEN;
	return r;
}

static void do_pass(struct sender *s, const struct sender_pass *pass, int reader)
{
	struct pass_options options = {.final = pass->final,
				       .rounds = pass->rounds,
				       .budget_bytes = pass->budget_bytes,
				       .progress = on_progress,
				       .arg = s};
	struct sender_msg msg = {.kind = SENDER_passed};
	struct sender_passed *passed = &msg.passed;
	const struct push_figures *figures;
	struct pass_result result;
	struct err err = {0};
	uint64_t start = clock_mono_us();

	s->total_hint = pass->total_bytes;
	if (pass_run(s->passes, reader, &options, &result, &err) || pass->final)
		s->state = SENDER_DEAD;
	figures = push_figures(s->push);
	passed->code = (uint32_t)err.code;
	str_copy(passed->text, sizeof(passed->text), err.text);
	memcpy(passed->digest, result.seal, sizeof(passed->digest));
	passed->image_bytes = figures->image_bytes;
	passed->tree_bytes = figures->tree_bytes;
	passed->sent_bytes = figures->sent_bytes;
	passed->pages = figures->pages;
	passed->zero_pages = figures->zero_pages;
	passed->known_pages = figures->known_pages;
	passed->bytes_s = figures->bytes_s;
	passed->rounds = result.rounds;
	passed->round_bytes = result.round_bytes;
	passed->dirty_bytes_s = result.dirty_bytes_s;
	passed->took_us = clock_mono_us() - start;
	sender_ctl_send(s->fd, &msg, -1, NULL);
}

static void answer(struct sender *s, enum sender_kind kind, const struct err *err)
{
	struct sender_msg msg = {.kind = err->code ? SENDER_error : kind};

	if (err->code) {
		msg.error.code = (uint32_t)err->code;
		str_copy(msg.error.text, sizeof(msg.error.text), err->text);
		str_copy(msg.error.fix, sizeof(msg.error.fix), err->fix);
	}
	sender_ctl_send(s->fd, &msg, -1, NULL);
}

/* False when the process has to end. */
static bool on_message(struct sender *s, const struct sender_msg *msg, int passed)
{
	struct err err = {0};

	switch (msg->kind) {
	case SENDER_connect:
		do_connect(s, &msg->connect, passed, &err);
		answer(s, SENDER_connected, &err);
		return true;
	case SENDER_open:
		do_open(s, &msg->open, &err);
		answer(s, SENDER_opened, &err);
		return true;
	case SENDER_pass:
		if (s->state == SENDER_OPEN && passed >= 0) {
			do_pass(s, &msg->pass, passed);
			return true;
		}
		fail(&err, ERR_busy, "not open, or sealed, or no reader");
		answer(s, SENDER_error, &err);
		return true;
	case SENDER_close:
		return false;
	}
	fail(&err, ERR_protocol, "unexpected message");
	answer(s, SENDER_error, &err);
	return true;
}

static void serve(struct sender *s)
{
	for (;;) {
		struct pollfd p = {.fd = s->fd, .events = POLLIN};
		auto_close int passed = -1;
		struct sender_msg msg;
		int r;

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return;
		r = sender_ctl_recv(s->fd, &msg, &passed, NULL);
		if (r == -ERR_busy)
			continue;
		if (r || !on_message(s, &msg, passed))
			return;
		explicit_bzero(&msg, sizeof(msg));
	}
}

int sender_run(int control_fd)
{
	struct sender s = {.fd = control_fd};
	struct err err = {0};

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0);
	if (ssh_init(&err)) {
		answer(&s, SENDER_error, &err);
		return err_exit_code(err.code);
	}
	serve(&s);
	passes_free(&s.passes);
	push_free(&s.push);
	ssh_free(&s.ssh);
	pace_unmap(&s.pace);
	return 0;
}

int sender_main(int argc, char **argv)
{
	uint64_t fd = STDIN_FILENO;

	if (argc != 1 &&
	    (argc != 3 || !str_eq(argv[1], "--fd") || !str_u64(argv[2], 0, INT_MAX, &fd))) {
		log_err("usage: --role=sender --fd N");
		return err_exit_code(ERR_usage);
	}
	return sender_run((int)fd);
}
