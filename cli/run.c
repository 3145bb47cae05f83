/* SPDX-License-Identifier: MPL-2.0
 *
 * Questions with one answer, and the same question again and again (--watch): on a terminal the
 * answer is drawn over the last one, so that nothing scrolls. */
#include "cli/follow.h"
#include "cli/print.h"
#include "cli/report.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define SETTLE_MS 200 /* events come in groups: one redraw for all of them */
#define STALE_MS 5000 /* ages and loads grow old without an event */

void request_fill(struct cli *cli)
{
	struct msg_request *request = &cli->in.request;

	request->command = cli->in.command->name;
	request->user = *cli->user ? cli->user : NULL;
	if (str_eq(request->command, "history") && !request->limit)
		request->limit = 20;
	if (cli->in.log)
		request->mode = "log";
	if (cli->in.movable || cli->in.stuck)
		request->mode = cli->in.movable ? "movable" : "stuck";
}

int reply_present(struct cli *cli, const struct msg_reply *reply)
{
	/* These tell a failure in their own way; to show a job that failed is no failure. */
	bool own = cli->in.command->print == migrate_print ||
		   cli->in.command->print == check_print ||
		   (cli->in.command->print == job_print && reply->jobs.n);

	if (reply->code && !own)
		return report_reply(cli, reply, false);
	return cli->in.command->print(cli, reply);
}

static int ask_once(struct cli *cli, struct session *session, struct msg **ret, struct err *err)
{
	char id[ULID_SIZE] = "";
	int code = session_ask(session, &cli->in.request, id, err);

	return code ? code : session_answer(session, id, cli->in.timeout_ms, ret, err);
}

/* Over what is on the screen: each line is ended by an erase, the rest is erased at the end. */
static void draw(FILE *out, const struct style *style, const char *text, const char *notice)
{
	fputs(style->tty ? "\033[H" : "", out);
	for (const char *at = text; *at;) {
		size_t len = strcspn(at, "\n");

		fprintf(out, "%.*s%s\n", (int)len, at, style->tty ? "\033[K" : "");
		at += len + (at[len] == '\n');
	}
	if (notice)
		fprintf(out, "%s%s%s%s\n", style_tone(style, TONE_warn), notice, style_end(style),
			style->tty ? "\033[K" : "");
	fputs(style->tty ? "\033[J" : "\n", out);
	fflush(out);
}

/* The reply as it would be printed, on heap. */
static char *render(struct cli *cli, const struct msg_reply *reply, int *ret_exit)
{
	FILE *out = cli->out;
	char *text = NULL;
	size_t len;

	cli->out = open_memstream(&text, &len);
	*ret_exit = reply_present(cli, reply);
	fclose(cli->out);
	cli->out = out;
	return text;
}

/* Waits for the period's end, or for an event and what comes right after it. */
static enum heard wait_for_news(struct session *session, uint64_t period_ms, bool events)
{
	uint64_t end_ms = clock_mono_ms() + period_ms;

	for (;;) {
		uint64_t now_ms = clock_mono_ms();
		auto_msg struct msg *msg = NULL;
		struct err err = {0};
		int heard = session_next(session, now_ms < end_ms ? (int)(end_ms - now_ms) : 0,
					 &msg, &err);

		if (heard != HEARD_message)
			return heard == HEARD_interrupt ? HEARD_interrupt : HEARD_timeout;
		if (events && msg->head.type == MSG_TYPE_event && now_ms + SETTLE_MS < end_ms)
			end_ms = now_ms + SETTLE_MS;
	}
}

static int watch_loop(struct cli *cli, struct session *session)
{
	bool events = cli->in.watch_s == WATCH_EVENTS;
	uint64_t period_ms = events ? STALE_MS : cli->in.watch_s * 1000;
	struct msg_request subscribe = {.command = "watch", .follow = true};
	char subscription[ULID_SIZE] = "";
	auto_free char *text = NULL;
	struct err err = {0};
	int exit_code = 0;

	fputs(cli->style.tty ? "\033[H\033[2J" : "", cli->out);
	do {
		auto_msg struct msg *msg = NULL;

		/* Under one id, and so once, however often it is said: a coordinator that was
		 * restarted has forgotten it. */
		if (events)
			session_ask(session, &subscribe, subscription, &err);
		err.code = 0;
		if (!ask_once(cli, session, &msg, &err)) {
			free(text);
			text = render(cli, msg->reply, &exit_code);
		}
		if (err.code == ERR_canceled)
			break;
		if (err.code && !text)
			return report_err(cli, "the coordinator cannot be asked", &err);
		draw(cli->out, &cli->style, text, err.code ? err.text : NULL);
	} while (!exit_code && wait_for_news(session, period_ms, events) != HEARD_interrupt);
	return exit_code;
}

int ask_run(struct cli *cli)
{
	struct session *session = NULL;
	struct err err = {0};
	struct msg *msg = NULL;
	int exit_code;

	request_fill(cli);
	if (session_open(cli, &session, &err))
		return report_err(cli, "the coordinator cannot be asked", &err);
	if (cli->in.watch_s)
		exit_code = watch_loop(cli, session);
	else if (ask_once(cli, session, &msg, &err) && err.code == ERR_canceled)
		exit_code = EXIT_DETACHED;
	else if (err.code)
		exit_code = report_err(cli, "the coordinator cannot be asked", &err);
	else
		exit_code = reply_present(cli, msg->reply);
	msg_free(&msg);
	session_close(&session);
	return exit_code;
}
