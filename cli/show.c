/* SPDX-License-Identifier: MPL-2.0
 *
 * Replies in the form of their commands. */
#include "cli/print.h"

#include "cli/report.h"
#include "cli/table.h"

#include "base/clock.h"
#include "base/mem.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* Every list field of a reply has this shape (proto/schema.h). */
struct list {
	const char *v;
	size_t n;
};

int noun_print(struct cli *cli, const struct noun *noun, const void *first, size_t n)
{
	struct column_set set;
	struct err err = {0};
	bool plain = cli->in.format == FORMAT_plain;

	if (columns_choose(noun, cli->in.format == FORMAT_wide, cli->in.columns, &set, &err))
		return report_err(cli, NULL, &err);
	if (cli->in.format == FORMAT_json)
		json_list_print(cli->out, noun->record, first, noun->stride, n);
	else
		table_print(cli->out, &cli->style, noun, &set,
			    (struct table_look){.headings = !cli->in.no_headings, .plain = plain},
			    first, n);
	return 0;
}

/* A line for each host that is not heard: what is listed of it is old. Places come host by host. */
static void print_unheard(struct cli *cli, const struct msg_reply *reply)
{
	const struct style *style = &cli->style;

	for (size_t i = 0; i < reply->places.n; i++) {
		const struct msg_place *place = &reply->places.v[i];

		if (place->note && *place->note &&
		    (i == 0 || !str_eq(place->host, reply->places.v[i - 1].host)))
			fprintf(cli->out, "%s%s%s\n", style_tone(style, TONE_warn), place->note,
				style_end(style));
	}
}

int list_print(struct cli *cli, const struct msg_reply *reply)
{
	const struct noun *noun = cli->in.command->noun;
	struct list list;
	int rc;

	memcpy(&list, (const char *)reply + noun->place, sizeof(list));
	if (cli->in.request.mode && noun == &noun_places && cli->in.format == FORMAT_table &&
	    !cli->in.columns)
		noun = &noun_ready; /* ps --movable, --stuck */
	rc = noun_print(cli, noun, list.v, list.n);
	if (!rc && noun == &noun_places && cli->in.format != FORMAT_json &&
	    cli->in.format != FORMAT_plain)
		print_unheard(cli, reply);
	return rc;
}

int history_print(struct cli *cli, const struct msg_reply *reply)
{
	return list_print(cli, reply);
}

static void print_title(struct cli *cli, const char *title, enum tone tone)
{
	fprintf(cli->out, "\n%s%s%s\n", style_tone(&cli->style, tone), title,
		style_end(&cli->style));
}

static void print_cluster(struct cli *cli, const struct msg_cluster *c)
{
	const struct style *style = &cli->style;
	const char *dot = style_sign(style, SIGN_dot);
	char up[32];

	fprintf(cli->out, "%scoordinator%s %s%s%s %s %s %s up %s %s beat %.1f s\n",
		style_tone(style, TONE_dim), style_end(style), style_tone(style, TONE_bold),
		c->coordinator ? c->coordinator : "", style_end(style), dot,
		c->version ? c->version : "?", dot, duration_text(up, sizeof(up), c->up_ms), dot,
		(double)c->interval_ms / 1000);
	fprintf(cli->out, "%s%" PRIu64 "/%" PRIu64 " hosts up%s %s %" PRIu64 " container%s %s ",
		style_tone(style, c->hosts_up < c->hosts_total ? TONE_warn : TONE_good),
		c->hosts_up, c->hosts_total, style_end(style), dot, c->containers,
		c->containers == 1 ? "" : "s", dot);
	fprintf(cli->out, "%" PRIu64 " moving", c->jobs_running);
	if (c->held)
		fprintf(cli->out, " %s %s%" PRIu64 " held%s", dot, style_tone(style, TONE_bad),
			c->held, style_end(style));
	fputc('\n', cli->out);
	fputs(style_tone(style, TONE_bad), cli->out);
	line_print(cli->out, "", c->warning);
	line_print(cli->out, "its configuration was not taken: ", c->config_problem);
	fputs(style_end(style), cli->out);
}

static bool job_is_held(const struct msg_job *job)
{
	return str_eq(job->outcome, "HELD");
}

/* Of a status: a LOST one is among its jobs while the source has a frozen copy. */
static bool job_needs_a_person(const struct msg_job *job)
{
	return job_is_held(job) || str_eq(job->outcome, "LOST");
}

static void print_held(struct cli *cli, const struct msg_job *job)
{
	const struct style *style = &cli->style;

	const char *source = job->source ? job->source : "?";

	fprintf(cli->out, "  %s%s  %s%s: ", style_tone(style, TONE_bad),
		job->container ? job->container : "", job->outcome, style_end(style));
	if (job_is_held(job))
		fprintf(cli->out, "%s or %s", source, job->target ? job->target : "?");
	else
		fprintf(cli->out, "a frozen copy on %s", source);
	fprintf(cli->out, ", job %s\n", id_tail(job->id));
	line_print(cli->out, "    waits for ", job->waiting_for);
	line_print(cli->out, "    why: ", job->error);
	line_print(cli->out, "    fix: ", job->fix);
}

static bool job_is_stopped(const struct msg_job *job)
{
	return str_eq(job->outcome, "STOPPED") && !job->finished_ms;
}

/* What waits for a restore of its host. */
static void print_stopped(struct cli *cli, const struct msg_reply *reply)
{
	size_t shown = 0;

	for (size_t i = 0; i < reply->jobs.n; i++) {
		const struct msg_job *job = &reply->jobs.v[i];
		const char *source = job->source ? job->source : "?";

		if (!job_is_stopped(job))
			continue;
		if (!shown++)
			print_title(cli, "STOPPED BY DROVER", TONE_warn);
		fprintf(cli->out, "  %s on %s, job %s: drover restore %s starts it\n",
			job->container ? job->container : "", source, id_tail(job->id), source);
	}
}

static void print_jobs(struct cli *cli, const struct msg_reply *reply, bool held)
{
	size_t shown = 0;

	for (size_t i = 0; i < reply->jobs.n; i++) {
		const struct msg_job *job = &reply->jobs.v[i];

		if (job_needs_a_person(job) != held || (!held && job->finished_ms) ||
		    job_is_stopped(job))
			continue;
		if (!shown++)
			print_title(cli, held ? "A PERSON HAS TO DECIDE" : "MOVING",
				    held ? TONE_bad : TONE_dim);
		if (held)
			print_held(cli, job);
		else
			job_line_print(cli->out, &cli->style, job);
	}
}

static void print_window(struct cli *cli, const struct msg_window *w)
{
	const struct style *style = &cli->style;
	uint64_t now_ms = clock_wall_ms(), at_ms = w->open ? w->end_ms : w->start_ms;
	char in[32];

	fprintf(cli->out, "  %s%s%s  ", style_tone(style, w->open ? TONE_warn : TONE_bold),
		w->name ? w->name : "", style_end(style));
	if (!w->start_ms)
		fputs("never again", cli->out);
	else
		fprintf(cli->out, "%s %s (in %s)", w->open ? "open until" : "opens",
			(w->open ? w->ends : w->starts) ? (w->open ? w->ends : w->starts) : "?",
			duration_text(in, sizeof(in), at_ms > now_ms ? at_ms - now_ms : 0));
	for (size_t i = 0; i < w->hosts.n; i++) {
		const struct msg_window_host *h = &w->hosts.v[i];

		fprintf(cli->out, "%s%s", i ? ", " : ": ", h->host ? h->host : "?");
		if (w->open && h->state)
			fprintf(cli->out, " %s", h->state);
		if (h->note && *h->note)
			fprintf(cli->out, " (%s)", h->note);
	}
	line_print(cli->out, "  ", w->reason);
	if (!(w->reason && *w->reason))
		fputc('\n', cli->out);
}

static void print_windows(struct cli *cli, const struct msg_reply *reply)
{
	if (reply->windows.n)
		print_title(cli, "MAINTENANCE WINDOWS", TONE_dim);
	for (int open = 1; open >= 0; open--)
		for (size_t i = 0; i < reply->windows.n; i++)
			if (reply->windows.v[i].open == (open == 1))
				print_window(cli, &reply->windows.v[i]);
}

int status_print(struct cli *cli, const struct msg_reply *reply)
{
	struct column_set set;
	struct err err = {0};

	if (cli->in.format == FORMAT_json) {
		json_print(cli->out, msg_json(MSG_TYPE_reply, reply));
		return 0;
	}
	if (columns_choose(&noun_hosts, false, "host,state,cpu,mem,free,ctrs,seen,note", &set,
			   &err))
		return report_err(cli, NULL, &err);
	if (cli->in.format != FORMAT_plain) {
		if (reply->cluster)
			print_cluster(cli, reply->cluster);
		fputc('\n', cli->out);
	}
	table_print(cli->out, &cli->style, &noun_hosts, &set,
		    (struct table_look){.headings = true, .plain = cli->in.format == FORMAT_plain},
		    reply->hosts.v, reply->hosts.n);
	if (cli->in.format != FORMAT_plain) {
		print_jobs(cli, reply, false);
		print_stopped(cli, reply);
		print_jobs(cli, reply, true);
		print_windows(cli, reply);
	}
	return 0;
}

/* Lines of text, the last one ended too. */
static void text_put(FILE *out, const char *text)
{
	style_put(out, text);
	if (text[strlen(text) - 1] != '\n')
		fputc('\n', out);
}

int text_print(struct cli *cli, const struct msg_reply *reply)
{
	if (cli->in.format == FORMAT_json) {
		json_print(cli->out, msg_json(MSG_TYPE_reply, reply));
		return 0;
	}
	if (reply->text && *reply->text)
		text_put(cli->out, reply->text);
	else if (!cli->in.quiet)
		fprintf(cli->out, "%s: done\n", cli->in.command->name);
	return 0;
}

int cordon_print(struct cli *cli, const struct msg_reply *reply)
{
	if (cli->in.format == FORMAT_json)
		return noun_print(cli, &noun_hosts, reply->hosts.v, reply->hosts.n);
	for (size_t i = 0; i < reply->hosts.n && !cli->in.quiet; i++) {
		const struct msg_host *host = &reply->hosts.v[i];

		fprintf(cli->out, "%s %s\n", host->id ? host->id : "",
			host->cordoned ? "is cordoned: nothing moves onto it, what runs there stays"
				       : "may be moved onto again");
	}
	return 0;
}

static void print_failure(struct cli *cli, const struct msg_job *job)
{
	line_print(cli->out, "  why        ", job->error);
	line_print(cli->out, "  fix        ", job->fix);
	if (job->has_log && !(job->log && *job->log))
		fprintf(cli->out, "  log        drover job %s --log\n", job->id ? job->id : "");
}

void group_print(struct cli *cli, const struct msg_reply *reply)
{
	const struct msg_job *lead = reply->jobs.v;

	if (reply->jobs.n < 2)
		return;
	fprintf(cli->out, "%s moves with ", lead->container ? lead->container : "");
	for (size_t i = 1; i < reply->jobs.n; i++)
		fprintf(cli->out, "%s%s", i > 1 ? ", " : "",
			reply->jobs.v[i].container ? reply->jobs.v[i].container : "");
	fprintf(cli->out, ": group %s\n", lead->group_name ? lead->group_name : "");
}

static void print_quiet(struct cli *cli, const struct msg_job *job)
{
	char text[32];

	fprintf(cli->out, "%s %s %s", job->container ? job->container : "",
		job->outcome ? job->outcome : "", job->runs_on ? job->runs_on : "");
	if (job->figures && job->figures->frozen_us)
		fprintf(cli->out, " %s",
			duration_text(text, sizeof(text), job->figures->frozen_us / 1000));
	fputc('\n', cli->out);
}

/* The others that moved as one with the job that was asked for, and how long any of them stood. */
static void print_members(struct cli *cli, const struct msg_reply *reply)
{
	uint64_t frozen_us = 0;
	char text[32];

	for (size_t i = 0; reply->jobs.n > 1 && i < reply->jobs.n; i++) {
		const struct msg_job *job = &reply->jobs.v[i];
		uint64_t us = job->figures ? job->figures->frozen_us : 0;

		frozen_us = us > frozen_us ? us : frozen_us;
		if (i && job->outcome && *job->outcome)
			print_quiet(cli, job);
	}
	if (frozen_us)
		fprintf(cli->out, "group %s: frozen for %s\n",
			reply->jobs.v->group_name ? reply->jobs.v->group_name : "",
			duration_text(text, sizeof(text), frozen_us / 1000));
}

int job_print(struct cli *cli, const struct msg_reply *reply)
{
	const struct msg_job *job = reply->jobs.n ? &reply->jobs.v[0] : NULL;

	if (reply->plan)
		return plan_print(cli, reply);
	if (!job)
		return text_print(cli, reply);
	if (cli->in.format == FORMAT_json) {
		json_print(cli->out, msg_json_record("job", job));
		return 0;
	}
	if (cli->in.log) {
		if (job->log && *job->log)
			text_put(cli->out, job->log);
		else
			fprintf(cli->err, "drover: job %s has no log\n", job->id ? job->id : "");
		return 0;
	}
	summary_print(cli->out, &cli->style, job);
	print_failure(cli, job);
	if (!job->finished_ms && !(job->outcome && *job->outcome))
		job_line_print(cli->out, &cli->style, job);
	print_members(cli, reply);
	line_print(cli->out, "  ", reply->text);
	return 0;
}

int migrate_print(struct cli *cli, const struct msg_reply *reply)
{
	const struct msg_job *job = reply->jobs.n ? &reply->jobs.v[0] : NULL;
	struct msg_reply failed = *reply;

	if (!failed.code && job && job->outcome && *job->outcome && job_exit_code(job))
		failed.code = job->code ? job->code : job_is_held(job) ? ERR_held : ERR_io;
	if (cli->in.format == FORMAT_json && job && cli->in.events)
		json_line_print(cli->out, msg_json_record("job", job));
	else if (cli->in.format == FORMAT_json && job)
		json_print(cli->out, msg_json_record("job", job));
	else if (job && cli->in.quiet && !failed.code)
		print_quiet(cli, job);
	else if (job && !(job->outcome && *job->outcome) && !failed.code)
		fprintf(cli->out, "job %s: %s %s %s %s\n", job->id ? job->id : "",
			job->container ? job->container : "", job->source ? job->source : "?",
			style_sign(&cli->style, SIGN_arrow),
			job->target && *job->target ? job->target : "?");
	else if (job && (!failed.code || (job->figures && job->figures->frozen_us)))
		summary_print(cli->out, &cli->style, job);
	if (cli->in.format != FORMAT_json)
		print_members(cli, reply);
	fflush(cli->out);
	return failed.code ? report_reply(cli, &failed, job != NULL) : 0;
}
