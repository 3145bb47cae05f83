/* SPDX-License-Identifier: MPL-2.0
 *
 * Many moves: the plan is shown and agreed to, then followed until the end. As with one job,
 * leaving stops nothing, and a silent coordinator is asked again under the same id. */
#include "cli/follow.h"

#include "cli/print.h"
#include "cli/report.h"
#include "cli/table.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define SILENCE_MS 5000
#define TICK_MS 100
#define SHOWN_MAX 3         /* moves in the line that is drawn in place */
#define DEADLINE_MS 3600000 /* unless --deadline says */

struct watch {
	struct cli *cli;
	char id[ULID_SIZE]; /* of the drain */
	char phase[64];
	struct progress *moves; /* of those that go on */
	size_t n_moves;
	uint64_t seq, asked_ms;
	bool drawn;
};

static struct progress *move_of(struct watch *watch, const char *id)
{
	for (size_t i = 0; i < watch->n_moves; i++)
		if (str_eq(watch->moves[i].id, id))
			return &watch->moves[i];
	watch->moves = mem_grow(watch->moves, watch->n_moves + 1, sizeof(*watch->moves));
	watch->moves[watch->n_moves] = (struct progress){0};
	return &watch->moves[watch->n_moves++];
}

static void drop_move(struct watch *watch, const char *id)
{
	for (size_t i = 0; i < watch->n_moves; i++)
		if (str_eq(watch->moves[i].id, id))
			watch->moves[i--] = watch->moves[--watch->n_moves];
}

static void erase(struct watch *watch)
{
	if (watch->drawn)
		fputs("\r\033[K", watch->cli->out);
	watch->drawn = false;
}

static void draw(struct watch *watch, uint64_t now_ms)
{
	struct cli *cli = watch->cli;
	char line[PROGRESS_SIZE], one[PROGRESS_SIZE];
	struct style narrow = cli->style;

	if (!cli->style.tty || cli->in.quiet || cli->in.format == FORMAT_json)
		return;
	str_copy(line, sizeof(line), watch->phase);
	narrow.width = 64;
	for (size_t i = 0; i < watch->n_moves && i < SHOWN_MAX; i++) {
		size_t used = strlen(line);

		progress_line(&watch->moves[i], &narrow, now_ms, one);
		str_fmt(line + used, sizeof(line) - used, " %s %s",
			style_sign(&cli->style, SIGN_dot), one);
	}
	style_cut(&cli->style, line, cli->style.width ? cli->style.width - 1 : 79);
	fprintf(cli->out, "\r%s\033[K", line);
	fflush(cli->out);
	watch->drawn = true;
}

static void take_event(struct watch *watch, const struct msg_event *event, uint64_t now_ms)
{
	struct cli *cli = watch->cli;
	const struct msg_job *job = event->job;

	if (event->seq && event->seq == watch->seq)
		return;
	watch->seq = event->seq;
	if (!job)
		return;
	if (str_eq(job->id, watch->id)) {
		str_copy(watch->phase, sizeof(watch->phase), job->phase);
		if (cli->in.format == FORMAT_json || cli->in.quiet ||
		    str_eq(event->kind, "drain.end") || !event->text || !*event->text)
			return;
		erase(watch);
		fprintf(cli->out, "[%s] ", job->phase ? job->phase : "");
		style_put(cli->out, event->text);
		fputc('\n', cli->out);
		fflush(cli->out);
	} else if (str_eq(event->kind, "job.end")) {
		drop_move(watch, job->id);
	} else {
		progress_feed(move_of(watch, job->id), job, now_ms);
	}
}

/* True when the message is the last one. */
static bool take(struct watch *watch, const struct msg *msg, const char *request, uint64_t now_ms)
{
	if (!str_eq(msg->head.request, request))
		return false;
	watch->asked_ms = now_ms;
	if (msg->head.type == MSG_TYPE_event)
		take_event(watch, msg->event, now_ms);
	return msg->head.type == MSG_TYPE_reply && msg->reply->final;
}

static int ask_again(struct watch *watch, struct session *session, char request[ULID_SIZE],
		     uint64_t now_ms, struct err *err)
{
	struct msg_request body = {.command = "job",
				   .job = watch->id,
				   .follow = true,
				   .user = watch->cli->in.request.user};

	if (now_ms - watch->asked_ms < SILENCE_MS)
		return 0;
	watch->asked_ms = now_ms;
	return session_ask(session, &body, request, err);
}

static int watch_loop(struct watch *watch, struct session *session, char request[ULID_SIZE],
		      struct msg **ret, struct err *err)
{
	for (;;) {
		auto_msg struct msg *msg = NULL;
		int heard = session_next(session, TICK_MS, &msg, err);
		uint64_t now_ms = clock_mono_ms();

		if (heard < 0)
			return heard;
		if (heard == HEARD_interrupt)
			return fail(err, ERR_canceled, "interrupted");
		if (heard == HEARD_message && take(watch, msg, request, now_ms)) {
			*ret = mem_take(msg);
			return 0;
		}
		if (heard == HEARD_timeout && ask_again(watch, session, request, now_ms, err))
			return -err->code;
		draw(watch, now_ms);
	}
}

int drain_follow(struct cli *cli, struct session *session, char id[ULID_SIZE],
		 const struct msg_plan *first, struct msg **ret, struct err *err)
{
	struct watch watch = {.cli = cli, .asked_ms = clock_mono_ms()};
	int rc;

	str_copy(watch.id, sizeof(watch.id), first->id);
	str_fmt(watch.phase, sizeof(watch.phase), "%zu to move", first->items.n);
	rc = watch_loop(&watch, session, id, ret, err);
	erase(&watch);
	fflush(cli->out);
	free(watch.moves);
	return rc;
}

int drain_detach(struct cli *cli, const struct msg_plan *plan)
{
	const char *tail = id_tail(plan->id);

	fprintf(cli->err,
		"%s %s goes on: drover job %s --follow; drover pause %s; drover cancel %s\n",
		plan->kind, tail, tail, tail, tail);
	return EXIT_DETACHED;
}

/* --- plan, question, begin --- */

/* The reply to a request, which is the plan whether it is final or not. */
static int ask_plan(struct cli *cli, struct session *session, const struct msg_request *request,
		    char id[ULID_SIZE], struct msg **ret, struct err *err)
{
	uint64_t end_ms = clock_mono_ms() + cli->in.timeout_ms;

	if (session_ask(session, request, id, err))
		return -err->code;
	for (;;) {
		uint64_t now_ms = clock_mono_ms();
		int heard = session_next(session, now_ms < end_ms ? (int)(end_ms - now_ms) : 0, ret,
					 err);

		if (heard < 0)
			return heard;
		if (heard == HEARD_timeout)
			return session_fail_silent(session, cli->in.timeout_ms, err);
		if (heard == HEARD_interrupt)
			return fail(err, ERR_canceled, "interrupted");
		if ((*ret)->head.type == MSG_TYPE_reply && str_eq((*ret)->head.request, id))
			return 0;
		msg_free(ret);
	}
}

static int save_plan(struct cli *cli, const struct msg_plan *plan, struct err *err)
{
	auto_free char *text = msg_json_record("plan", plan);

	if (!text)
		return fail(err, ERR_nomem, "the plan cannot be written as JSON");
	return file_write_atomic(cli->in.save_file, text, strlen(text), 0644, err);
}

static size_t movable(const struct msg_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->items.n; i++)
		n += plan->items.v[i].target && *plan->items.v[i].target &&
		     !str_eq(plan->items.v[i].mode, "stop");
	return n;
}

static size_t stoppable(const struct msg_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->items.n; i++)
		n += str_eq(plan->items.v[i].mode, "stop") &&
		     str_eq(plan->items.v[i].state, "waiting");
	return n;
}

static void ask_to_agree(struct cli *cli, const struct msg_plan *plan)
{
	bool starts = str_eq(plan->kind, "restore");
	size_t moves = movable(plan), stops = stoppable(plan);

	if (moves || !stops)
		fprintf(cli->out, "\nMove %zu container%s", moves, moves == 1 ? "" : "s");
	if (moves && stops)
		fprintf(cli->out, " and %s %zu", starts ? "start" : "stop", stops);
	else if (stops)
		fprintf(cli->out, "\n%s %zu container%s", starts ? "Start" : "Stop", stops,
			stops == 1 ? "" : "s");
	fprintf(cli->out, "? [y/N] ");
	fflush(cli->out);
}

/* 1 yes, 0 no, negative when nobody can be asked. */
static int agree(struct cli *cli, const struct msg_plan *plan, struct err *err)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO) || !cli->style.tty) {
		fail(err, ERR_usage, "nobody is there to agree to the plan: %s needs -y here",
		     cli->in.command->name);
		return err_fix(err, "look at it with --dry-run, then repeat with -y");
	}
	ask_to_agree(cli, plan);
	if (!fgets(answer, sizeof(answer), stdin))
		fputc('\n', cli->out);
	return *answer == 'y' || *answer == 'Y';
}

/* Plans, shows, asks. 1 = go on; 0 = that was all, *ret_exit is the exit code. */
static int plan_first(struct cli *cli, struct session *session, int *ret_exit, struct err *err)
{
	struct msg_request request = cli->in.request;
	auto_msg struct msg *msg = NULL;
	char id[ULID_SIZE] = "";
	int agreed;

	*ret_exit = 0;
	request.dry_run = true;
	request.yes = false;
	if (ask_plan(cli, session, &request, id, &msg, err))
		return -err->code;
	if (!msg->reply->plan) {
		*ret_exit = report_reply(cli, msg->reply, false);
		return 0;
	}
	if (cli->in.save_file && save_plan(cli, msg->reply->plan, err))
		return -err->code;
	if (cli->in.request.dry_run || (cli->in.format != FORMAT_json && !cli->in.quiet))
		plan_print(cli, msg->reply);
	if (cli->in.request.dry_run)
		return 0;
	if (!movable(msg->reply->plan) && str_eq(msg->reply->plan->kind, "rebalance"))
		return 0;
	if (cli->in.request.yes)
		return 1;
	agreed = agree(cli, msg->reply->plan, err);
	if (!agreed)
		fprintf(cli->err, "drover: nothing was done\n");
	*ret_exit = agreed ? 0 : err_exit_code(ERR_refused);
	return agreed;
}

/* Begins it and stays with it to its end. */
static int begin(struct cli *cli, struct session *session, int *ret_exit, struct err *err)
{
	auto_msg struct msg *first = NULL, *last = NULL;
	char id[ULID_SIZE] = "";

	cli->in.request.yes = true;
	cli->in.request.follow = !cli->in.detach && !cli->in.request.at_ms;
	if (ask_plan(cli, session, &cli->in.request, id, &first, err))
		return -err->code;
	if (!first->reply->plan) {
		*ret_exit = report_reply(cli, first->reply, false);
		return 0;
	}
	if (first->reply->plan->at_ms) {
		*ret_exit = plan_print(cli, first->reply);
		return 0;
	}
	if (cli->in.detach) {
		if (cli->in.format == FORMAT_json)
			*ret_exit = plan_print(cli, first->reply);
		else
			fprintf(cli->out, "%s\n", first->reply->plan->id);
		return 0;
	}
	if (drain_follow(cli, session, id, first->reply->plan, &last, err)) {
		if (err->code != ERR_canceled)
			return -err->code;
		*err = (struct err){0};
		*ret_exit = drain_detach(cli, first->reply->plan);
		return 0;
	}
	*ret_exit = last->reply->plan ? plan_print(cli, last->reply)
				      : report_reply(cli, last->reply, false);
	return 0;
}

static const char *const on_stuck_words[] = {"stay", "cold", "stop"}; /* ON_STUCK_WORDS */
static const char *const by_words[] = {"all", "cpu", "mem", "psi"};   /* BY_WORDS */

int drain_run(struct cli *cli)
{
	struct session *session = NULL;
	struct err err = {0};
	int exit_code = 0, rc;

	request_fill(cli);
	if (str_eq(cli->in.command->name, "rebalance")) {
		cli->in.request.mode = by_words[cli->in.by];
		cli->in.request.dry_run = !cli->in.apply;
	}
	if (cli->in.on_stuck)
		cli->in.request.mode = on_stuck_words[cli->in.on_stuck];
	if (!cli->in.request.deadline_ms)
		cli->in.request.deadline_ms = DEADLINE_MS;
	rc = session_open(cli, &session, &err);
	if (!rc)
		rc = plan_first(cli, session, &exit_code, &err);
	if (rc > 0)
		rc = begin(cli, session, &exit_code, &err);
	session_close(&session);
	if (rc < 0 && err.code == ERR_canceled)
		return EXIT_DETACHED;
	return rc < 0 ? report_err(cli,
				   err.code == ERR_usage || err.code == ERR_io
					   ? NULL
					   : "the coordinator cannot be asked",
				   &err)
		      : exit_code;
}
