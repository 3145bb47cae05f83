/* SPDX-License-Identifier: MPL-2.0
 *
 * Jobs and events as they go on. A followed job has no deadline here: what the coordinator does not
 * say for a while is asked for again, under the same request id, so that a restarted coordinator
 * takes up the stream. Leaving never stops a job. */
#include "cli/follow.h"

#include "cli/print.h"
#include "cli/report.h"
#include "cli/table.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define SILENCE_MS 5000 /* then the stream is asked for again */
#define COMPLAIN_MS 12000
#define TICK_MS 100 /* redraws of the bar */
#define TICK_FROZEN_MS 40

struct follow {
	struct cli *cli;
	struct session *session;
	struct progress progress;
	char request[ULID_SIZE];
	bool spoke;        /* the coordinator has answered at all */
	bool drawn;        /* a line stands in place */
	bool complained;   /* that it is silent */
	uint64_t asked_ms; /* or heard of, the later */
	uint64_t heard_ms;
	uint64_t seq; /* of the last event that was shown; two subscriptions would show it twice */
};

static bool json_events(const struct cli *cli)
{
	return cli->in.format == FORMAT_json &&
	       (cli->in.events || cli->in.command->print != migrate_print);
}

static void erase(struct follow *follow)
{
	if (follow->drawn)
		fputs("\r\033[K", follow->cli->out);
	follow->drawn = false;
}

static void show(struct follow *follow, uint64_t now_ms)
{
	struct cli *cli = follow->cli;
	char line[PROGRESS_SIZE];

	if (cli->in.quiet || cli->in.format == FORMAT_json || !*follow->progress.id)
		return;
	if (cli->style.tty) {
		progress_line(&follow->progress, &cli->style, now_ms, line);
		fprintf(cli->out, "\r%s\033[K", line);
		follow->drawn = true;
	} else {
		progress_news(&follow->progress, &cli->style, now_ms, line);
		fputs(line, cli->out);
	}
	fflush(cli->out);
}

static int detach(struct follow *follow)
{
	struct cli *cli = follow->cli;
	const char *id = follow->progress.id;

	erase(follow);
	fflush(cli->out);
	if (*id)
		fprintf(cli->err, "job %s goes on: drover job %s --follow\n", id, id_tail(id));
	else
		fprintf(cli->err, "the request may have been taken; see: drover jobs\n");
	return EXIT_DETACHED;
}

/* Takes one message; true when it is the last. */
static bool take(struct follow *follow, const struct msg *msg, uint64_t now_ms)
{
	struct cli *cli = follow->cli;

	if (!str_eq(msg->head.request, follow->request))
		return false;
	follow->spoke = true;
	follow->complained = false;
	follow->asked_ms = follow->heard_ms = now_ms;
	if (msg->head.type == MSG_TYPE_event) {
		if (msg->event->job &&
		    (!*follow->progress.id || str_eq(msg->event->job->id, follow->progress.id)))
			progress_feed(&follow->progress, msg->event->job, now_ms);
		if (json_events(cli) && (msg->event->seq != follow->seq || !msg->event->seq))
			json_line_print(cli->out, msg_json(MSG_TYPE_event, msg->event));
		follow->seq = msg->event->seq;
		return false;
	}
	if (msg->head.type != MSG_TYPE_reply)
		return false;
	if (msg->reply->final)
		return true;
	if (msg->reply->plan)
		return true;
	if (!*follow->progress.id && !cli->in.quiet && cli->in.format != FORMAT_json)
		group_print(cli, msg->reply);
	if (msg->reply->jobs.n)
		progress_feed(&follow->progress, &msg->reply->jobs.v[0], now_ms);
	return false;
}

static void complain(struct cli *cli, bool *complained)
{
	if (!*complained)
		fprintf(cli->err, "drover: the coordinator does not answer; waiting for it\n");
	*complained = true;
}

/* Nothing was heard for a while. 0, or -ERR when it never spoke. */
static int ask_again(struct follow *follow, uint64_t now_ms, struct err *err)
{
	struct cli *cli = follow->cli;
	struct msg_request request = {
		.command = "job",
		.job = follow->progress.id,
		.follow = true,
		.user = cli->in.request.user,
	};

	if (!follow->spoke)
		return now_ms - follow->asked_ms < cli->in.timeout_ms
			       ? 0
			       : session_fail_silent(follow->session, cli->in.timeout_ms, err);
	if (now_ms - follow->asked_ms < SILENCE_MS || !*follow->progress.id)
		return 0;
	if (now_ms - follow->heard_ms > COMPLAIN_MS && !follow->complained) {
		erase(follow);
		complain(cli, &follow->complained);
	}
	follow->asked_ms = now_ms;
	return session_ask(follow->session, &request, follow->request, err);
}

static int follow_loop(struct follow *follow, struct msg **ret, struct err *err)
{
	for (;;) {
		auto_msg struct msg *msg = NULL;
		int tick_ms = follow->progress.frozen ? TICK_FROZEN_MS : TICK_MS;
		int heard = session_next(follow->session, tick_ms, &msg, err);
		uint64_t now_ms = clock_mono_ms();

		if (heard < 0)
			return heard;
		if (heard == HEARD_interrupt)
			return fail(err, ERR_canceled, "interrupted");
		if (heard == HEARD_message && take(follow, msg, now_ms)) {
			*ret = mem_take(msg);
			return 0;
		}
		if (heard == HEARD_timeout && ask_again(follow, now_ms, err))
			return -err->code;
		show(follow, now_ms);
	}
}

/* The last lines of the stream, then the reply in the command's own form. */
static int finish(struct follow *follow, const struct msg_reply *reply)
{
	struct cli *cli = follow->cli;
	const struct msg_job *job = reply->jobs.n ? &reply->jobs.v[0] : NULL;

	erase(follow);
	if (reply->code && *follow->progress.told && job)
		fprintf(cli->out, "%s: %s\n", job->container ? job->container : "job",
			job->outcome ? job->outcome : "done");
	fflush(cli->out);
	if (reply->code)
		return migrate_print(cli, reply);
	return cli->in.detach ? reply_present(cli, reply) : migrate_print(cli, reply);
}

static int follow_plan(struct follow *follow, const struct msg_reply *reply, struct err *err)
{
	auto_msg struct msg *last = NULL;

	if (reply->final)
		return plan_print(follow->cli, reply);
	if (!drain_follow(follow->cli, follow->session, follow->request, reply->plan, &last, err))
		return plan_print(follow->cli, last->reply);
	if (err->code == ERR_canceled)
		return drain_detach(follow->cli, reply->plan);
	return report_err(follow->cli, "the coordinator cannot be asked", err);
}

int follow_run(struct cli *cli)
{
	struct follow follow = {
		.cli = cli, .asked_ms = clock_mono_ms(), .heard_ms = clock_mono_ms()};
	auto_msg struct msg *msg = NULL;
	struct err err = {0};
	int exit_code, code;

	request_fill(cli);
	if (cli->in.cold || cli->in.allow_cold)
		cli->in.request.mode = cli->in.cold ? "cold" : "ladder";
	if (str_eq(cli->in.command->name, "migrate"))
		cli->in.request.follow = !cli->in.detach;
	else if (cli->in.log)
		return log_run(cli);
	else if (!cli->in.request.follow)
		return ask_run(cli);
	if (session_open(cli, &follow.session, &err))
		return report_err(cli, "the coordinator cannot be asked", &err);
	code = session_ask(follow.session, &cli->in.request, follow.request, &err);
	if (!code)
		code = follow_loop(&follow, &msg, &err);
	if (!code && msg->reply->plan) {
		exit_code = follow_plan(&follow, msg->reply, &err);
		session_close(&follow.session);
		return exit_code;
	}
	if (!code)
		exit_code = finish(&follow, msg->reply);
	else if (err.code == ERR_canceled)
		exit_code = detach(&follow);
	else
		exit_code = report_err(cli, "the coordinator cannot be asked", &err);
	session_close(&follow.session);
	return exit_code;
}

/* True when the stream is over. */
static bool show_event(struct cli *cli, const struct msg *msg, const char *id, uint64_t *seq)
{
	if (msg->head.type == MSG_TYPE_event && (msg->event->seq != *seq || !msg->event->seq)) {
		*seq = msg->event->seq;
		if (cli->in.format == FORMAT_json)
			json_line_print(cli->out, msg_json(MSG_TYPE_event, msg->event));
		else
			event_print(cli->out, &cli->style, msg->event);
		fflush(cli->out);
	}
	return msg->head.type == MSG_TYPE_reply && msg->reply->final &&
	       str_eq(msg->head.request, id);
}

static int events_loop(struct cli *cli, struct session *session, struct err *err)
{
	struct msg_request request = {
		.command = "watch", .follow = true, .user = cli->in.request.user};
	struct msg_request probe = {.command = "status"};
	uint64_t seq = 0, asked_ms = 0, heard_ms = clock_mono_ms();
	char id[ULID_SIZE] = "", probe_id[ULID_SIZE] = "";
	bool spoke = false, complained = false;

	for (;;) {
		auto_msg struct msg *msg = NULL;
		uint64_t now_ms = clock_mono_ms();
		int heard;

		if (!asked_ms || (now_ms - asked_ms >= SILENCE_MS && spoke)) {
			asked_ms = now_ms;
			if (session_ask(session, &request, id, err) ||
			    session_ask(session, &probe, probe_id, err))
				return -err->code;
		}
		heard = session_next(session, TICK_MS * 5, &msg, err);
		if (heard < 0)
			return heard;
		if (heard == HEARD_interrupt || ferror(cli->out))
			return 0;
		if (heard == HEARD_message) {
			spoke = true;
			complained = false;
			heard_ms = now_ms;
			if (show_event(cli, msg, id, &seq))
				return reply_present(cli, msg->reply);
		} else if (!spoke && now_ms - heard_ms > cli->in.timeout_ms) {
			return session_fail_silent(session, cli->in.timeout_ms, err);
		} else if (now_ms - heard_ms > COMPLAIN_MS) {
			complain(cli, &complained);
		}
	}
}

int events_run(struct cli *cli)
{
	struct session *session = NULL;
	struct err err = {0};
	int exit_code;

	request_fill(cli);
	if (session_open(cli, &session, &err))
		return report_err(cli, "the coordinator cannot be asked", &err);
	exit_code = events_loop(cli, session, &err);
	session_close(&session);
	return err.code ? report_err(cli, "the coordinator cannot be asked", &err) : exit_code;
}
