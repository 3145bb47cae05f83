/* SPDX-License-Identifier: MPL-2.0
 *
 * One line that says where a move is. While the container runs, the bar shows the bytes; once it is
 * frozen what counts is for how long, so the clock of the freeze takes the first place. */
#include "cli/progress.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

#define BAR_CELLS_MAX 30
#define BAR_CELLS_MIN 6
#define WIDTH_DEFAULT 80
#define TAIL_COLUMNS 32 /* kept for bytes, rate and ETA, so that the bar keeps its length */

/* clang-format off */
/* step, phase ("" = any other), the word on the bar, the sentence off a terminal */
static const struct {
	const char *step, *phase, *word, *says;
} stages[] = {
	{ "check",   "",        "check",    "checking source and target" },
	{ "admit",   "",        "check",    "checking the target" },
	{ "reserve", "",        "reserve",  "reserving memory, disk and network at the target" },
	{ "sync",    "tree",    "files",    "copying files while it runs" },
	{ "sync",    "memory",  "memory",   "copying memory while it runs" },
	{ "sync",    "",        "copy",     "copying while it runs" },
	{ "precopy", "",        "memory",   "copying memory while it runs" },
	{ "hold",    "freeze",  "freeze",   "frozen: stopping it" },
	{ "hold",    "dump",    "dump",     "frozen: dumping its state" },
	{ "hold",    "tree",    "send",     "frozen: sending the last files" },
	{ "hold",    "memory",  "send",     "frozen: sending the last memory" },
	{ "hold",    "images",  "send",     "frozen: sending the rest" },
	{ "hold",    "send",    "send",     "frozen: sending the rest" },
	{ "hold",    "",        "hold",     "frozen: taking its state" },
	{ "arm",     "verify",  "verify",   "frozen: verifying what came" },
	{ "arm",     "restore", "restore",  "frozen: restoring at the target" },
	{ "arm",     "",        "restore",  "frozen: restoring at the target" },
	{ "release", "",        "hand over", "frozen: handing over" },
	{ "start",   "",        "start",    "frozen: starting at the target" },
	{ "retire",  "",        "retire",   "runs at the target; removing the old copy" },
	{ "clean",   "",        "clean",    "cleaning up" },
	{ "abort",   "",        "undo",     "undoing: it goes on at the source" },
	{ "refuse",  "",        "undo",     "undoing: the target drops its copy" },
	{ "forget",  "",        "undo",     "nothing was touched; the source forgets it" },
	{ "unreserve", "",      "undo",     "undoing: the target drops its reservation" },
	{ "rollback", "",       "undo",     "undoing: it goes on at the source" },
	{ "withdraw", "",       "undo",     "undoing: the target drops its copy" },
	{ "giveback", "",       "undo",     "undoing: the target gave it back to the source" },
	{ "stop",    "",        "stop",     "stopping it where it is" },
	{ "launch",  "",        "start",    "starting it where it was stopped" },
	{ "hook",    "",        "hook",     "running a hook of the host" },
	{ "force",   "",        "force",    "frozen: a person has decided; the owner takes it" },
	{ "report",  "",        "ask",      "asking both hosts what they know" },
	{ "",        "",        "queued",   "waiting for its turn" },
};
/* clang-format on */

static size_t stage_of(const char *step, const char *phase)
{
	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		if (str_eq(stages[i].step, step) &&
		    (!*stages[i].phase || str_eq(stages[i].phase, phase)))
			return i;
	}
	return ARRAY_LEN(stages);
}

const char *progress_words(const char *step, const char *phase)
{
	size_t stage = stage_of(step ? step : "", phase ? phase : "");

	return stage < ARRAY_LEN(stages) ? stages[stage].says : step;
}

void progress_feed(struct progress *progress, const struct msg_job *job, uint64_t now_ms)
{
	uint64_t frozen_ms = job->figures ? job->figures->frozen_us / 1000 : 0;
	const char *step =
		job->step && *job->step ? job->step : progress->step; /* at the end: "" */
	const char *phase = job->phase ? job->phase : "";

	if (!str_eq(progress->step, step) || !str_eq(progress->phase, phase))
		progress->stage_ms = now_ms;
	str_copy(progress->id, sizeof(progress->id), job->id);
	str_copy(progress->container, sizeof(progress->container), job->container);
	str_copy(progress->source, sizeof(progress->source), job->source);
	str_copy(progress->target, sizeof(progress->target), job->target);
	if (step != progress->step)
		str_copy(progress->step, sizeof(progress->step), step);
	str_copy(progress->phase, sizeof(progress->phase), phase);
	str_copy(progress->waiting_for, sizeof(progress->waiting_for), job->waiting_for);
	style_clean(progress->container);
	style_clean(progress->source);
	style_clean(progress->target);
	style_clean(progress->phase);
	style_clean(progress->waiting_for);
	progress->done_bytes = job->done_bytes;
	progress->total_bytes = job->total_bytes;
	progress->bytes_s = job->bytes_s;
	progress->eta_ms = job->eta_ms;
	progress->heard_ms = now_ms;
	if (job->frozen && (!progress->frozen || now_ms - progress->frozen_since_ms < frozen_ms))
		progress->frozen_since_ms = now_ms > frozen_ms ? now_ms - frozen_ms : 0;
	progress->frozen = job->frozen;
}

static bool waits(const struct progress *p, uint64_t now_ms)
{
	return *p->waiting_for && now_ms - p->stage_ms >= PROGRESS_PATIENCE_MS;
}

/* Adds text, and never half of it. */
static void add(char buf[PROGRESS_SIZE], const char *a, const char *b, const char *c)
{
	size_t used = strlen(buf);

	if (used + strlen(a) + strlen(b) + strlen(c) < PROGRESS_SIZE)
		sprintf(buf + used, "%s%s%s", a, b, c);
}

/* "312/500 MiB  210 MiB/s  ETA 2 s", both sizes in the total's unit and with as many digits as it,
 * so that nothing moves while they grow. */
static void add_bytes(const struct progress *p, char *text, size_t size)
{
	static const char units[] = "BKMGTP";
	char total[STR_HUMAN_SIZE], rate[STR_HUMAN_SIZE], eta[32];
	const char *digits = str_human_bytes(total, p->total_bytes);
	const char *unit = strchr(digits, ' ');
	const char *at = unit ? strchr(units, unit[1]) : NULL;
	unsigned shift = at ? 10 * (unsigned)(at - units) : 0;
	size_t used;

	str_fmt(text, size, "%*.*f/%s", unit ? (int)(unit - digits) : 0,
		strchr(digits, '.') ? 1 : 0, (double)p->done_bytes / (double)(1ull << shift),
		digits);
	used = strlen(text);
	if (p->bytes_s)
		str_fmt(text + used, size - used, "  %s/s", str_human_bytes(rate, p->bytes_s));
	used = strlen(text);
	if (!p->frozen && p->eta_ms) {
		uint64_t s = (p->eta_ms + 999) / 1000;

		if (s < 60)
			str_fmt(eta, sizeof(eta), "%" PRIu64 " s", s);
		else
			str_fmt(eta, sizeof(eta), "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
		str_fmt(text + used, size - used, "  ETA %s", eta);
	}
}

static void add_frozen(const struct progress *p, const struct style *style, uint64_t now_ms,
		       char buf[PROGRESS_SIZE])
{
	uint64_t ms = now_ms > p->frozen_since_ms ? now_ms - p->frozen_since_ms : 0;
	char text[48];

	if (ms < 10000)
		str_fmt(text, sizeof(text), "  frozen %" PRIu64 " ms", ms);
	else
		str_fmt(text, sizeof(text), "  frozen %.1f s", (double)ms / 1000);
	add(buf, style_tone(style, TONE_warn), text, style_end(style));
}

static void add_head(const struct progress *p, const struct style *style, char buf[PROGRESS_SIZE])
{
	size_t stage = stage_of(p->step, p->phase);
	char word[16];

	add(buf, style_tone(style, TONE_bold), p->container, style_end(style));
	if (*p->source) {
		add(buf, "  ", p->source, " ");
		add(buf, style_sign(style, SIGN_arrow), " ", *p->target ? p->target : "?");
	}
	str_fmt(word, sizeof(word), "%-9s",
		stage < ARRAY_LEN(stages) ? stages[stage].word : p->step);
	add(buf, "  ", word, "");
}

void progress_line(const struct progress *p, const struct style *style, uint64_t now_ms,
		   char buf[PROGRESS_SIZE])
{
	/* Terminals wrap when the last column is taken. */
	size_t width = style->width > 1 ? style->width - 1 : style->width ? 1 : WIDTH_DEFAULT - 1;
	char bytes[160] = "", bar[BAR_SIZE(BAR_CELLS_MAX)], percent[16] = "";
	size_t used;

	buf[0] = '\0';
	add_head(p, style, buf);
	if (p->frozen)
		add_frozen(p, style, now_ms, buf);
	if (p->total_bytes) {
		double share = (double)p->done_bytes / (double)p->total_bytes;

		add_bytes(p, bytes, sizeof(bytes));
		str_fmt(percent, sizeof(percent), " %3.0f%%", share * 100);
		used = strlen(bytes) > TAIL_COLUMNS ? strlen(bytes) : TAIL_COLUMNS;
		used += style_columns(buf) + strlen(percent) + 4;
		if (used + BAR_CELLS_MIN <= width) {
			size_t room = width - used;

			style_bar(style, bar, sizeof(bar),
				  room < BAR_CELLS_MAX ? (unsigned)room : BAR_CELLS_MAX, share,
				  true);
			add(buf, "  ", bar, "");
		}
		add(buf, percent, "  ", bytes);
	}
	if (waits(p, now_ms) && !p->frozen)
		add(buf, "  waiting for ", p->waiting_for, "");
	style_cut(style, buf, width);
}

void progress_news(struct progress *p, const struct style *style, uint64_t now_ms,
		   char buf[PROGRESS_SIZE])
{
	char now[sizeof(p->told)];
	bool wait = waits(p, now_ms);

	buf[0] = '\0';
	str_fmt(now, sizeof(now), "%s%s%s", progress_words(p->step, p->phase),
		wait ? ", waiting for " : "", wait ? p->waiting_for : "");
	if (str_eq(now, p->told))
		return;
	if (!*p->told) {
		add(buf, p->container, ": job ", p->id);
		if (*p->source)
			add(buf, ", ", p->source, " ");
		if (*p->target)
			add(buf, style_sign(style, SIGN_arrow), " ", p->target);
		add(buf, "\n", "", "");
	}
	str_copy(p->told, sizeof(p->told), now);
	add(buf, p->container, ": ", now);
	add(buf, "\n", "", "");
}
