/* SPDX-License-Identifier: MPL-2.0
 *
 * Failure blocks. stdout stays clean but for the JSON object that was asked for. */
#include "cli/report.h"

#include "cli/print.h"

#include <jansson.h>
#include <string.h>

#define CANDIDATES_SHOWN 5

static bool some(const char *text)
{
	return text && *text;
}

static void print_json(FILE *out, const struct report *report)
{
	json_t *object = json_object();
	const char *error = some(report->why) ? report->why : report->what;

	json_object_set_new(object, "code", json_integer(report->code));
	json_object_set_new(object, "name", json_string(err_name(report->code)));
	json_object_set_new(object, "error", json_string(error));
	if (some(report->fix))
		json_object_set_new(object, "fix", json_string(report->fix));
	if (some(report->runs_on))
		json_object_set_new(object, "runs_on", json_string(report->runs_on));
	if (some(report->job))
		json_object_set_new(object, "job", json_string(report->job));
	json_dumpf(object, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	fputc('\n', out);
	json_decref(object);
}

static void print_part(const struct cli *cli, const char *name, const char *text)
{
	const struct style *style = &cli->err_style;

	if (!some(text))
		return;
	fprintf(cli->err, "  %s%s%s ", style_tone(style, TONE_dim), name, style_end(style));
	style_put(cli->err, text);
	fputc('\n', cli->err);
}

int report_print(struct cli *cli, const struct report *report)
{
	const struct style *style = &cli->err_style;

	fprintf(cli->err, "%sdrover:%s ", style_tone(style, TONE_bad), style_end(style));
	style_put(cli->err, report->what);
	fputc('\n', cli->err);
	if (!str_eq(report->why, report->what))
		print_part(cli, "why:", report->why);
	print_part(cli, "fix:", report->fix);
	if (some(report->container) && some(report->runs_on))
		fprintf(cli->err, "  %s runs on %s%s%s\n", report->container,
			style_tone(style, TONE_bold), report->runs_on, style_end(style));
	if (some(report->job) && report->has_log)
		fprintf(cli->err, "  %slog:%s drover job %s --log\n", style_tone(style, TONE_dim),
			style_end(style), report->job);
	if (cli->in.format == FORMAT_json && !report->job_is_json)
		print_json(cli->out, report);
	return err_exit_code(report->code);
}

int report_err(struct cli *cli, const char *what, const struct err *err)
{
	const char *text = *err->text ? err->text : err_text(err->code);

	return report_print(cli, &(struct report){
					 .code = err->code,
					 .what = what ? what : text,
					 .why = what ? text : NULL,
					 .fix = err->fix,
				 });
}

/* What became of the container, in one sentence. */
static void outcome_text(const struct msg_job *job, char *buf, size_t size)
{
	const char *outcome = job->outcome ? job->outcome : "";
	const char *name = some(job->container) ? job->container : "the container";

	if (str_eq(outcome, "HELD"))
		str_fmt(buf, size, "%s is held: nobody may start it until both hosts are heard",
			name);
	else if (str_eq(outcome, "LOST"))
		str_fmt(buf, size, "%s is lost", name);
	else if (str_eq(outcome, "MOVED"))
		str_fmt(buf, size, "%s moved, but not all went well", name);
	else if (job->code == ERR_refused || job->code == ERR_nosuch || job->code == ERR_denied)
		str_fmt(buf, size, "%s was not moved, nothing was touched", name);
	else if (job->code == ERR_rolledback)
		str_fmt(buf, size, "%s was not moved, the attempt was undone", name);
	else if (job->code == ERR_canceled)
		str_fmt(buf, size, "%s was not moved, the job was canceled", name);
	else
		str_fmt(buf, size, "%s was not moved", name);
}

/* The nearest misses when no host would do. */
static void print_candidates(struct cli *cli, const struct msg_reply *reply)
{
	for (size_t i = 0; i < reply->candidates.n && i < CANDIDATES_SHOWN; i++) {
		const struct msg_candidate *candidate = &reply->candidates.v[i];

		fprintf(cli->err, "  %s%s%s\n", style_tone(&cli->err_style, TONE_bold),
			some(candidate->host) ? candidate->host : "", style_end(&cli->err_style));
		for (size_t r = 0; r < candidate->reasons.n; r++)
			reason_print(cli->err, &cli->err_style, &candidate->reasons.v[r]);
	}
	if (reply->candidates.n > CANDIDATES_SHOWN)
		fprintf(cli->err, "  and %zu more: drover check %s\n",
			reply->candidates.n - CANDIDATES_SHOWN, cli->in.request.container);
}

int report_reply(struct cli *cli, const struct msg_reply *reply, bool job_is_json)
{
	const struct msg_job *job = reply->jobs.n == 1 ? &reply->jobs.v[0] : NULL;
	const char *error = some(reply->error) ? reply->error : job ? job->error : NULL;
	char what[256];
	int exit_code;

	if (!some(error))
		error = err_text((int)reply->code);
	if (job)
		outcome_text(job, what, sizeof(what));
	exit_code = report_print(cli, &(struct report){
					      .code = (int)reply->code,
					      .what = job ? what : error,
					      .why = error,
					      .fix = some(reply->fix) ? reply->fix
						     : job            ? job->fix
								      : NULL,
					      .container = job ? job->container : NULL,
					      .runs_on = job ? job->runs_on : NULL,
					      .job = job ? job->id : NULL,
					      .has_log = job && job->has_log,
					      .job_is_json = job_is_json,
				      });
	for (size_t i = 0; job && i < job->reasons.n; i++)
		if (!reason_is_told(&job->reasons.v[i], error))
			reason_print(cli->err, &cli->err_style, &job->reasons.v[i]);
	/* With a host named, the error is that host's reasons already. */
	if (!job && !some(cli->in.request.host))
		print_candidates(cli, reply);
	return exit_code;
}
