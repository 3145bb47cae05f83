/* SPDX-License-Identifier: MPL-2.0
 *
 * Questions with one answer, and the same question again and again (--watch): on a terminal the
 * answer is drawn over the last one, so that nothing scrolls. */
#include "cli/follow.h"
#include "cli/pages.h"
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

/* Of the list that comes in pages; NULL when the answer is one. */
static const struct noun *paged(const struct cli *cli)
{
	const struct noun *noun = cli->in.command->noun;

	return noun == &noun_hosts || noun == &noun_places ? noun : NULL;
}

static int ask_once(struct cli *cli, struct session *session, struct joined *ret, struct err *err)
{
	return pages_join(cli, session, &cli->in.request, paged(cli), ret, err);
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
		struct joined answer;

		/* Under one id, and so once, however often it is said: a coordinator that was
		 * restarted has forgotten it. */
		if (events)
			session_ask(session, &subscribe, subscription, &err);
		err.code = 0;
		if (!ask_once(cli, session, &answer, &err)) {
			free(text);
			text = render(cli, &answer.reply, &exit_code);
			joined_done(&answer);
		}
		if (err.code == ERR_canceled)
			break;
		if (err.code && !text)
			return report_err(cli, "the coordinator cannot be asked", &err);
		draw(cli->out, &cli->style, text, err.code ? err.text : NULL);
	} while (!exit_code && wait_for_news(session, period_ms, events) != HEARD_interrupt);
	return exit_code;
}

struct stream {
	struct cli *cli;
	size_t n; /* printed so far */
	int exit_code;
};

static int print_page(void *arg, const struct msg_reply *page)
{
	struct stream *stream = arg;
	struct cli *cli = stream->cli;
	const struct noun *noun = paged(cli);
	struct {
		const void *v;
		size_t n;
	} list;

	memcpy(&list, (const char *)page + noun->place, sizeof(list));
	if (page->code || cli->in.format != FORMAT_json)
		stream->exit_code = reply_present(cli, page);
	else
		stream->n = json_list_more(cli->out, stream->n, noun->record, list.v, noun->stride,
					   list.n);
	return stream->exit_code || ferror(cli->out);
}

/* Forms without a layout are printed as the pages come. A JSON list that is not closed was not
 * read to its end. */
static int print_pages(struct cli *cli, struct session *session, struct err *err)
{
	struct stream stream = {.cli = cli};

	if (pages_each(cli, session, &cli->in.request, print_page, &stream, err) < 0)
		return 0; /* err says it */
	if (cli->in.format == FORMAT_json && !stream.exit_code)
		json_list_end(cli->out, stream.n);
	return stream.exit_code;
}

static int print_answer(struct cli *cli, struct session *session, struct err *err)
{
	struct joined answer;
	int exit_code;

	if (ask_once(cli, session, &answer, err))
		return 0;
	exit_code = reply_present(cli, &answer.reply);
	joined_done(&answer);
	return exit_code;
}

int ask_run(struct cli *cli)
{
	bool stream =
		paged(cli) && (cli->in.format == FORMAT_json || cli->in.format == FORMAT_plain);
	struct session *session = NULL;
	struct err err = {0};
	int exit_code;

	request_fill(cli);
	if (session_open(cli, &session, &err))
		return report_err(cli, "the coordinator cannot be asked", &err);
	if (cli->in.watch_s)
		exit_code = watch_loop(cli, session);
	else if (stream)
		exit_code = print_pages(cli, session, &err);
	else
		exit_code = print_answer(cli, session, &err);
	if (err.code == ERR_canceled)
		exit_code = EXIT_DETACHED;
	else if (err.code)
		exit_code = report_err(cli, "the coordinator cannot be asked", &err);
	session_close(&session);
	return exit_code;
}
