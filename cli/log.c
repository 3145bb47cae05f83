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
#include <jansson.h>
#include <string.h>

/* Asks again under a new id; *ret is the final reply. */
static int ask(struct cli *cli, struct session *session, struct msg **ret, struct err *err)
{
	char id[ULID_SIZE] = "";
	int code = session_ask(session, &cli->in.request, id, err);

	msg_free(ret);
	return code ? code : session_answer(session, id, cli->in.timeout_ms, ret, err);
}

/* Takes one piece of a host's log; first: of this host. */
typedef void piece_fn(void *arg, const struct msg_job *piece, bool first);

/* All of one host's log. 0, or why there is none in err. */
static int read_host(struct cli *cli, struct session *session, const char *host, piece_fn *fn,
		     void *arg, struct err *err)
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
		fn(arg, piece, !offset);
		if (!piece->log || !*piece->log || piece->log_offset != offset)
			break; /* its end; or it was replaced while we read */
		offset += strlen(piece->log);
		if (offset >= piece->log_total)
			break;
	} while (!cli_interrupted() && !ferror(cli->out));
	return 0;
}

/* --- as text --- */

struct printer {
	struct cli *cli;
	bool head;
};

static void print_piece(void *arg, const struct msg_job *piece, bool first)
{
	const struct printer *printer = arg;
	struct cli *cli = printer->cli;
	char human[STR_HUMAN_SIZE];

	if (first && printer->head)
		fprintf(cli->out, "%s--- %s: %s, %s%s\n", style_tone(&cli->style, TONE_bold),
			piece->log_host, piece->log_name ? piece->log_name : "log",
			str_human_bytes(human, piece->log_total), style_end(&cli->style));
	if (piece->log)
		style_put(cli->out, piece->log);
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

static int print_text(struct cli *cli, struct session *session, const struct msg_job *job,
		      const char *only)
{
	struct printer printer = {.cli = cli, .head = !only};
	struct err err = {0};
	bool printed = false;

	for (int target = 0; target < 2; target++) {
		const char *host = only ? only : target ? job->target : job->source;

		if (!host || !*host || (only && target))
			continue;
		if (!read_host(cli, session, host, print_piece, &printer, &err)) {
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

/* --- as JSON --- */

struct gathered {
	FILE *text;
	json_t *log; /* the object of this host */
};

static void gather_piece(void *arg, const struct msg_job *piece, bool first)
{
	struct gathered *gathered = arg;

	if (first && piece->log_name)
		json_object_set_new(gathered->log, "name", json_string(piece->log_name));
	fputs(piece->log ? piece->log : "", gathered->text);
}

/* JSON is UTF-8; what is not becomes "?". */
static json_t *text_new(char *text, size_t len)
{
	json_t *value = json_stringn(text, len);

	if (value)
		return value;
	for (size_t i = 0; i < len; i++)
		text[i] = text[i] & 0x80 ? '?' : text[i];
	return json_stringn(text, len);
}

/* {host, name, bytes, text}, or {host, error} of one that has none to give. */
static json_t *host_log(struct cli *cli, struct session *session, const char *host, struct err *err)
{
	struct gathered gathered = {.log = json_object()};
	char *text = NULL;
	size_t len = 0;
	int code;

	gathered.text = open_memstream(&text, &len);
	json_object_set_new(gathered.log, "host", json_string(host));
	code = read_host(cli, session, host, gather_piece, &gathered, err);
	fclose(gathered.text);
	if (code) {
		json_object_set_new(gathered.log, "error", json_string(err->text));
	} else {
		json_object_set_new(gathered.log, "bytes", json_integer((json_int_t)len));
		json_object_set_new(gathered.log, "text", text_new(text, len));
	}
	free(text);
	return gathered.log;
}

/* The job as ever, and with it all that its hosts have of its logs. */
static int print_json(struct cli *cli, struct session *session, const struct msg_job *job,
		      const char *only)
{
	auto_free char *text = msg_json_record("job", job);
	json_t *object = text ? json_loads(text, 0, NULL) : NULL, *logs = json_array();
	struct err err = {0};

	for (int target = 0; target < 2; target++) {
		const char *host = only ? only : target ? job->target : job->source;

		if (host && *host && !(only && target))
			json_array_append_new(logs, host_log(cli, session, host, &err));
	}
	if (!object)
		object = json_object();
	json_object_set_new(object, "logs", logs);
	json_object_print(cli->out, object);
	if (err.code == ERR_canceled || (only && err.code == ERR_usage))
		return report_err(cli, NULL, &err);
	return 0;
}

/* Of an evacuation: what its hosts' hooks said. */
static int print_plan_log(struct cli *cli, const struct msg_reply *reply)
{
	const struct msg_plan *plan = reply->plan;

	if (cli->in.format == FORMAT_json)
		return plan_print(cli, reply);
	if (plan->log)
		style_put(cli->out, plan->log);
	else
		fprintf(cli->err,
			"drover: no hook has said anything; its moves have logs of their own\n");
	return 0;
}

static int print_all(struct cli *cli, struct session *session, const char *only)
{
	auto_msg struct msg *msg = NULL;
	struct err err = {0};

	cli->in.request.host = NULL;
	if (ask(cli, session, &msg, &err))
		return report_err(cli, "the coordinator cannot be asked", &err);
	if (msg->reply->code || !msg->reply->jobs.n)
		return reply_present(cli, msg->reply);
	if (msg->reply->plan)
		return print_plan_log(cli, msg->reply);
	return cli->in.format == FORMAT_json
		       ? print_json(cli, session, &msg->reply->jobs.v[0], only)
		       : print_text(cli, session, &msg->reply->jobs.v[0], only);
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
