/* SPDX-License-Identifier: MPL-2.0
 *
 * What is said of one job: a block when it is over, a line while it goes on, a line an event. */
#include "cli/print.h"

#include "cli/progress.h"
#include "cli/table.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define PART_CELLS 24
#define EIGHTHS 8
#define SUBJECT_COLUMNS 16
#define JOB_INDENT 10 /* of a job's line: blanks and the end of its id */

enum tone outcome_tone(const char *outcome)
{
	if (str_eq(outcome, "MOVED"))
		return TONE_good;
	if (str_eq(outcome, "STAYED") || str_eq(outcome, "STOPPED"))
		return TONE_warn;
	return outcome && *outcome ? TONE_bad : TONE_plain;
}

enum tone state_tone(const char *state)
{
	/* clang-format off */
	static const struct { const char *state; enum tone tone; } tones[] = {
		{ "up", TONE_good }, { "running", TONE_good }, { "live", TONE_good },
		{ "suspect", TONE_warn }, { "unknown", TONE_warn }, { "paused", TONE_warn },
		{ "waiting", TONE_warn }, { "warn", TONE_warn }, { "cold", TONE_warn },
		{ "dead", TONE_bad }, { "no", TONE_bad }, { "held", TONE_bad },
		{ "queued", TONE_dim }, { "stopped", TONE_dim }, { "created", TONE_dim },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(tones); i++) {
		if (str_eq(tones[i].state, state))
			return tones[i].tone;
	}
	return TONE_plain;
}

/* It goes nowhere: stopped where it is, and started there again. */
static bool is_stop(const struct msg_job *job)
{
	return str_eq(job->mode, "stop");
}

int job_exit_code(const struct msg_job *job)
{
	if (job->code)
		return err_exit_code((int)job->code);
	if (str_eq(job->outcome, "HELD"))
		return err_exit_code(ERR_held);
	if (str_eq(job->outcome, "LOST"))
		return err_exit_code(ERR_lost);
	if ((job->forced && *job->forced) || is_stop(job))
		return 0; /* a person wanted it so */
	return str_eq(job->outcome, "STAYED") ? err_exit_code(ERR_io) : 0;
}

/* Tenths of a millisecond are shown where they are most of it. */
static const char *us_text(char *buf, size_t size, uint64_t us)
{
	if (us && us < 10000)
		str_fmt(buf, size, "%.1f ms", (double)us / 1000);
	else
		duration_text(buf, size, (us + 500) / 1000);
	return buf;
}

/* A bar whose length is the share, in eighths of a column; nothing after it. */
static void part_bar(const struct style *style, char *buf, size_t size, double share)
{
	static const char *const parts[EIGHTHS] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	unsigned eighths = (unsigned)(share * PART_CELLS * EIGHTHS + 0.5);
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < eighths / EIGHTHS; i++) {
		str_fmt(buf + used, size - used, "%s", style->utf8 ? "█" : "#");
		used = strlen(buf);
	}
	if (style->utf8)
		str_fmt(buf + used, size - used, "%s", parts[eighths % EIGHTHS]);
}

/* How far the measure is from the prediction. */
static void print_off(FILE *out, int64_t percent)
{
	if (percent)
		fprintf(out, " (%+" PRId64 "%%)", percent);
}

/* Until it ran at the target: the clean-up that follows keeps nobody waiting. */
static void print_total(FILE *out, const struct msg_job *job)
{
	uint64_t total_ms = job->figures ? job->figures->total_us / 1000 : 0;
	char text[32];

	if (!total_ms)
		return;
	fprintf(out, "  moved in   %s", duration_text(text, sizeof(text), total_ms));
	if (job->predicted_total_ms)
		fprintf(out, ", predicted %s",
			duration_text(text, sizeof(text), job->predicted_total_ms));
	print_off(out, job->total_error_percent);
	fputc('\n', out);
}

static bool is_cold(const struct msg_job *job)
{
	return str_eq(job->mode, "cold") || is_stop(job);
}

static void print_downtime(FILE *out, const struct style *style, const struct msg_job *job)
{
	const struct msg_figures *f = job->figures;
	/* clang-format off */
	const struct { const char *name; uint64_t us; } parts[] = {
		{ is_cold(job) ? "stop" : "freeze", f->freeze_us }, { "dump", f->dump_us }, { "send", f->send_us },
		{ "verify", f->verify_us }, { is_cold(job) ? "create" : "restore", f->restore_us }, { "start", f->start_us },
	};
	/* clang-format on */
	char text[32], bar[PART_CELLS * 3 + 8];

	fprintf(out, "  downtime   %s%s%s", style_tone(style, TONE_bold),
		us_text(text, sizeof(text), f->frozen_us), style_end(style));
	if (job->predicted_frozen_ms)
		fprintf(out, ", predicted %s",
			duration_text(text, sizeof(text), job->predicted_frozen_ms));
	print_off(out, job->frozen_error_percent);
	fputc('\n', out);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!parts[i].us)
			continue;
		part_bar(style, bar, sizeof(bar),
			 f->frozen_us > parts[i].us ? (double)parts[i].us / (double)f->frozen_us
						    : 1);
		fprintf(out, "    %-8s %9s", parts[i].name,
			us_text(text, sizeof(text), parts[i].us));
		if (style->tty)
			fprintf(out, "  %s%s%s", style_tone(style, TONE_live), bar,
				style_end(style));
		fputc('\n', out);
	}
}

static void print_payload(FILE *out, const struct msg_figures *f)
{
	char text[STR_HUMAN_SIZE];

	if (!f->sent_bytes && !f->image_bytes)
		return;
	fprintf(out, "  sent       %s", str_human_bytes(text, f->sent_bytes));
	if (f->frozen_bytes)
		fprintf(out, ", %s of it while frozen", str_human_bytes(text, f->frozen_bytes));
	if (f->bytes_s)
		fprintf(out, ", %s/s", str_human_bytes(text, f->bytes_s));
	fprintf(out, "\n  carried    ");
	if (f->image_bytes)
		fprintf(out, "memory of %s", str_human_bytes(text, f->image_bytes));
	if (f->tree_bytes)
		fprintf(out, "%sfiles of %s", f->image_bytes ? ", " : "",
			str_human_bytes(text, f->tree_bytes));
	if (f->rounds)
		fprintf(out, ", %" PRIu64 " round%s while it ran", f->rounds,
			f->rounds == 1 ? "" : "s");
	if (f->dirty_bytes_s >= 1 << 20)
		fprintf(out, ", %s/s changed", str_human_bytes(text, f->dirty_bytes_s));
	fputc('\n', out);
}

static void print_head(FILE *out, const struct style *style, const struct msg_job *job)
{
	bool over = job->outcome && *job->outcome;
	const char *state = over ? job->outcome : job->state ? job->state : "";

	fprintf(out, "%s%s%s  %s%s%s", style_tone(style, TONE_bold),
		job->container ? job->container : "", style_end(style),
		style_tone(style, over ? outcome_tone(state) : state_tone(state)), state,
		style_end(style));
	if (job->source && is_stop(job))
		fprintf(out, "  %s", job->source);
	else if (job->source)
		fprintf(out, "  %s %s %s", job->source, style_sign(style, SIGN_arrow),
			job->target && *job->target ? job->target : "?");
	fprintf(out, "  %sjob %s%s\n", style_tone(style, TONE_dim), job->id ? job->id : "",
		style_end(style));
}

void line_print(FILE *out, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	fputs(label, out);
	style_put(out, text);
	fputc('\n', out);
}

void reason_print(FILE *out, const struct style *style, const struct msg_reason *reason)
{
	enum tone tone = reason->warning ? TONE_warn : TONE_bad;

	fprintf(out, "    %s%s %s%s", style_tone(style, tone),
		style_sign(style, reason->warning ? SIGN_warn : SIGN_no),
		reason->code ? reason->code : "", style_end(style));
	line_print(out, "  ", reason->why && *reason->why ? reason->why : "(no reason given)");
	line_print(out, "      fix: ", reason->fix);
	if (reason->skip && *reason->skip)
		fprintf(out, "      %sor leave this check out: --skip %s%s\n",
			style_tone(style, TONE_dim), reason->skip, style_end(style));
}

bool reason_is_told(const struct msg_reason *reason, const char *error)
{
	return error && reason->code && strstr(error, reason->code) &&
	       !(reason->skip && *reason->skip);
}

void summary_print(FILE *out, const struct style *style, const struct msg_job *job)
{
	char text[32];

	print_head(out, style, job);
	if (job->runs_on && *job->runs_on)
		fprintf(out, "  runs on    %s\n", job->runs_on);
	else if (is_stop(job) && str_eq(job->outcome, "STOPPED"))
		fprintf(out, "  runs on    nowhere: drover has stopped it on %s%s%s\n",
			job->source ? job->source : "?",
			job->finished_ms ? "" : "; what starts it: drover restore ",
			job->finished_ms || !job->source ? "" : job->source);
	else if (is_cold(job) && str_eq(job->outcome, "STAYED"))
		fprintf(out, "  runs on    %snowhere%s: it is stopped on %s\n",
			style_tone(style, TONE_bad), style_end(style),
			job->source ? job->source : "?");
	else if (job->outcome && *job->outcome)
		fprintf(out, "  runs on    %sunknown%s: %s or %s\n", style_tone(style, TONE_bad),
			style_end(style), job->source ? job->source : "?",
			job->target ? job->target : "?");
	if (is_cold(job))
		line_print(out, is_stop(job) ? "  stopped    " : "  cold       ", job->mode_reason);
	if (is_cold(job) && str_eq(job->outcome, "MOVED"))
		fputs("             it was started anew: its clients must connect again\n", out);
	line_print(out, "  waits for  ", job->waiting_for);
	line_print(out, "  forced     ", job->forced);
	if (job->figures && job->figures->frozen_us)
		print_downtime(out, style, job);
	if (job->figures)
		print_payload(out, job->figures);
	print_total(out, job);
	if (job->finished_ms > job->started_ms && job->started_ms)
		fprintf(out, "  took       %s\n",
			duration_text(text, sizeof(text), job->finished_ms - job->started_ms));
	for (size_t i = 0; i < job->reasons.n; i++)
		if (!reason_is_told(&job->reasons.v[i], job->error))
			reason_print(out, style, &job->reasons.v[i]);
}

void job_line_print(FILE *out, const struct style *style, const struct msg_job *job)
{
	struct progress progress = {0};
	struct style narrow = *style;
	char line[PROGRESS_SIZE];
	uint64_t now_ms = UINT64_C(1) << 40; /* any: the clock of the freeze is the job's */

	if (narrow.width > JOB_INDENT * 2)
		narrow.width -= JOB_INDENT;
	progress_feed(&progress, job, now_ms);
	progress.stage_ms = 0;
	progress_line(&progress, &narrow, now_ms, line);
	fprintf(out, "  %s%s%s  %s\n", style_tone(style, TONE_dim), id_tail(job->id),
		style_end(style), line);
}

static enum tone event_tone(const struct msg_event *event)
{
	static const char *const warn[] = {"host.suspect",  "host.seen",    "host.cordoned",
					   "host.rebooted", "hosts.silent", "coordinator.late"};

	for (size_t i = 0; i < ARRAY_LEN(warn); i++) {
		if (str_eq(event->kind, warn[i]))
			return TONE_warn;
	}
	if (str_eq(event->kind, "host.dead"))
		return TONE_bad;
	return event->job ? outcome_tone(event->job->outcome) : TONE_plain;
}

static void print_event_text(FILE *out, const struct msg_event *event)
{
	const struct msg_job *job = event->job;
	/* The text of a step is its name; there are better words. */
	bool step = job && (str_eq(event->kind, "job.step") || str_eq(event->kind, "job.progress"));
	bool text = !step && event->text && *event->text;
	bool over = job && job->outcome && *job->outcome;

	if (over)
		fprintf(out, " %s%s", job->outcome, text || step ? ":" : "");
	if (step || (job && !over && !text))
		fprintf(out, " %s", progress_words(job->step, job->phase));
	if (text) {
		fputc(' ', out);
		style_put(out, event->text);
	}
	if (job && !over && job->total_bytes)
		fprintf(out, ", %.0f%%", 100 * (double)job->done_bytes / (double)job->total_bytes);
}

void event_print(FILE *out, const struct style *style, const struct msg_event *event)
{
	const struct msg_job *job = event->job;
	const char *kind = event->kind ? event->kind : "";
	const char *subject = job && job->container ? job->container
			      : event->host         ? event->host
						    : "";
	time_t at = (time_t)(event->wall_ms / 1000);
	char clock[16] = "";
	struct tm tm;

	if (localtime_r(&at, &tm))
		strftime(clock, sizeof(clock), "%T", &tm);
	fprintf(out, "%s%s%s  %s%-15s%s %s", style_tone(style, TONE_dim), clock, style_end(style),
		style_tone(style, event_tone(event)), kind, style_end(style), subject);
	if (job || (event->text && *event->text)) {
		fprintf(out, "%*s",
			strlen(subject) < SUBJECT_COLUMNS ? SUBJECT_COLUMNS - (int)strlen(subject)
							  : 0,
			"");
		print_event_text(out, event);
	}
	fputc('\n', out);
}
