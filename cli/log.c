/* SPDX-License-Identifier: MPL-2.0
 *
 * A job's logs, whole and as their hosts have them: piece after piece of each. Where a host has
 * none any more, or is not there, what the coordinator kept is printed instead, and said to be
 * that. */
#include "cli/follow.h"
#include "cli/print.h"
#include "cli/report.h"
#include "cli/session.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* Asks again under a new id; *ret is the final reply. */
static int ask(struct cli *cli, struct session *session, struct msg **ret, struct err *err)
{
	char id[ULID_SIZE] = "";
	int code = session_ask(session, &cli->in.request, id, err);

	msg_free(ret);
	return code ? code : session_answer(session, id, cli->in.timeout_ms, ret, err);
}

static void print_head(struct cli *cli, const struct msg_job *piece)
{
	char human[STR_HUMAN_SIZE];

	fprintf(cli->out, "%s--- %s: %s, %s%s\n", style_tone(&cli->style, TONE_bold),
		piece->log_host ? piece->log_host : "?", piece->log_name ? piece->log_name : "log",
		str_human_bytes(human, piece->log_total), style_end(&cli->style));
}

/* All of one host's log. 0 with *ret_printed, or why there is none in err. */
static int print_host(struct cli *cli, struct session *session, const char *host, bool head,
		      struct err *err)
{
	auto_msg struct msg *msg = NULL;
	uint64_t offset = 0;
	int code;

	cli->in.request.host = host;
	do {
		const struct msg_job *piece;

		cli->in.request.offset = offset;
		code = ask(cli, session, &msg, err);
		if (code)
			return code;
		if (msg->reply->code) {
			fail(err, (enum err_code)msg->reply->code, "%s",
			     msg->reply->error ? msg->reply->error : "");
			return err_fix(err, "%s", msg->reply->fix ? msg->reply->fix : "");
		}
		piece = msg->reply->jobs.n ? &msg->reply->jobs.v[0] : NULL;
		if (!piece || !piece->log_host)
			return fail(err, ERR_protocol, "this coordinator cannot read hosts' logs");
		if (!offset && head)
			print_head(cli, piece);
		if (!piece->log || !*piece->log || piece->log_offset != offset)
			break; /* its end; or it was replaced while we read */
		style_put(cli->out, piece->log);
		offset += strlen(piece->log);
		if (offset >= piece->log_total)
			break;
	} while (!cli_interrupted() && !ferror(cli->out));
	return 0;
}

static int print_kept(struct cli *cli, const struct msg_job *job)
{
	if (!job->log || !*job->log) {
		fprintf(cli->err, "drover: job %s has no log\n", job->id ? job->id : "");
		return 0;
	}
	fprintf(cli->err, "drover: this is the end of it, as the coordinator kept it\n");
	style_put(cli->out, job->log);
	if (job->log[strlen(job->log) - 1] != '\n')
		fputc('\n', cli->out);
	return 0;
}

static int print_all(struct cli *cli, struct session *session, const char *only)
{
	auto_msg struct msg *msg = NULL;
	struct err err = {0};
	const struct msg_job *job;
	bool printed = false;

	cli->in.request.host = NULL;
	if (ask(cli, session, &msg, &err))
		return report_err(cli, "the coordinator cannot be asked", &err);
	if (msg->reply->code || !msg->reply->jobs.n)
		return reply_present(cli, msg->reply);
	job = &msg->reply->jobs.v[0];
	for (int target = 0; target < 2; target++) {
		const char *host = only ? only : target ? job->target : job->source;

		if (!host || !*host || (only && target))
			continue;
		if (!print_host(cli, session, host, !only, &err)) {
			printed = true;
			continue;
		}
		fprintf(cli->err, "drover: ");
		style_put(cli->err, err.text);
		fputc('\n', cli->err);
		if (only && (err.code == ERR_usage || err.code == ERR_canceled))
			return err_exit_code(err.code);
		line_print(cli->err, "  fix: ", only ? err.fix : NULL);
	}
	return printed ? 0 : print_kept(cli, job);
}

int log_run(struct cli *cli)
{
	const char *only = cli->in.request.host;
	struct session *session = NULL;
	struct err err = {0};
	int exit_code;

	request_fill(cli);
	if (session_open(cli, &session, &err))
		return report_err(cli, "the coordinator cannot be asked", &err);
	exit_code = print_all(cli, session, only && *only ? only : NULL);
	session_close(&session);
	return exit_code;
}
