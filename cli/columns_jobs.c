/* SPDX-License-Identifier: MPL-2.0
 *
 * The columns of jobs, those that go on and those that are over, and of the targets of a check. */
#include "cli/columns.h"

#include <string.h>

#define FIGURE(r, field) ((r)->figures ? (r)->figures->field : 0)

TEXT_STR(job_id, job, id)
TEXT_STR(job_kind, job, kind)
TEXT_STR(job_container, job, container)
TEXT_STR(job_from, job, source)
TEXT_STR(job_to, job, target)
TEXT_STR(job_runs_on, job, runs_on)
TEXT_STR(job_user, job, user)
TEXT_STR(job_error, job, error)
TEXT_STR(job_runtime, job, runtime)
TEXT_STR(job_forced, job, forced)
TEXT_U64(job_attempt, job, attempt)
TEXT_TIME(job_started, job, started_ms)
TEXT_TIME(job_finished, job, finished_ms)
TEXT_OF(job_rounds, job, cell_set(cell, "%" PRIu64, FIGURE(r, rounds)))
TEXT_OF(job_sent, job, cell_bytes(cell, FIGURE(r, sent_bytes)))
TEXT_OF(job_image, job, cell_bytes(cell, FIGURE(r, image_bytes)))
TEXT_OF(job_downtime, job, cell_duration(cell, FIGURE(r, frozen_us) / 1000))
TEXT_OF(job_predicted, job, cell_duration(cell, r->predicted_frozen_ms))
TEXT_OF(job_foretold, job, cell_duration(cell, r->predicted_total_ms))
TEXT_OF(job_total, job, cell_duration(cell, FIGURE(r, total_us) / 1000))
TEXT_OF(job_off, job,
	if (r->predicted_frozen_ms && FIGURE(r, frozen_us) && str_eq(r->outcome, "MOVED"))
		cell_set(cell, "%+" PRId64 "%%", r->frozen_error_percent))
TEXT_OF(job_total_off, job,
	if (r->predicted_total_ms && FIGURE(r, total_us))
		cell_set(cell, "%+" PRId64 "%%", r->total_error_percent))
TEXT_OF(job_score, job, if (r->score > 0) cell_set(cell, "%.1f", r->score))

TEXT(job_short)
{
	cell_set(cell, "%s", id_tail(((const struct msg_job *)record)->id));
}

/* What went wrong; or that all went as a person wanted it, which is as good to know. */
TEXT(job_note)
{
	const struct msg_job *r = record;
	bool forced = r->forced && *r->forced;

	cell_set(cell, "%s%s%s%s", forced ? "forced: " : "", forced ? r->forced : "",
		 forced && r->error && *r->error ? "; " : "", r->error ? r->error : "");
}

TEXT(job_state)
{
	const struct msg_job *r = record;
	bool over = r->outcome && *r->outcome;

	cell_set(cell, "%s", over ? r->outcome : r->state ? r->state : "");
	cell->tone = over ? outcome_tone(r->outcome) : state_tone(r->state);
}

TEXT(job_step)
{
	const struct msg_job *r = record;
	const char *phase = r->phase && *r->phase ? r->phase : NULL;
	const char *step = r->step ? r->step : "";

	if (phase && !str_eq(phase, step))
		cell_set(cell, "%s %s", step, phase);
	else
		cell_set(cell, "%s", step);
}

TEXT(job_progress)
{
	const struct msg_job *r = record;
	char bar[BAR_SIZE(8)] = "";
	double share;

	if (!r->total_bytes || r->finished_ms)
		return;
	share = (double)r->done_bytes / (double)r->total_bytes;
	if (cell->style->tty)
		style_bar(cell->style, bar, sizeof(bar), 8, share, false);
	cell_set(cell, "%s%s%.0f%%", bar, *bar ? " " : "", share * 100);
}

TEXT(job_rate)
{
	const struct msg_job *r = record;
	char human[STR_HUMAN_SIZE];

	if (r->bytes_s && !r->finished_ms)
		cell_set(cell, "%s/s", str_human_bytes(human, r->bytes_s));
}

TEXT(job_eta)
{
	const struct msg_job *r = record;

	if (!r->finished_ms)
		cell_duration(cell, r->eta_ms);
}

TEXT(job_took)
{
	const struct msg_job *r = record;

	if (r->finished_ms > r->started_ms)
		cell_duration(cell, r->finished_ms - r->started_ms);
}

TEXT(job_waiting)
{
	const struct msg_job *r = record;

	cell_set(cell, "%s", r->waiting_for ? r->waiting_for : "");
	cell->tone = TONE_warn;
}

/* clang-format off */
static const struct column job_columns[] = {
	{ "job",       "id",                  job_short,     0 },
	{ "id",        "id",                  job_id,        COLUMN_WIDE },
	{ "kind",      "kind",                job_kind,      COLUMN_WIDE },
	{ "container", "container",           job_container, 0 },
	{ "from",      "source",              job_from,      0 },
	{ "to",        "target",              job_to,        0 },
	{ "state",     "state",               job_state,     0 },
	{ "step",      "step",                job_step,      0 },
	{ "progress",  "done_bytes",          job_progress,  COLUMN_RIGHT },
	{ "rate",      "bytes_s",             job_rate,      COLUMN_RIGHT },
	{ "eta",       "eta_ms",              job_eta,       COLUMN_RIGHT },
	{ "runs-on",   "runs_on",             job_runs_on,   COLUMN_WIDE },
	{ "attempt",   "attempt",             job_attempt,   COLUMN_RIGHT | COLUMN_WIDE },
	{ "score",     "score",               job_score,     COLUMN_RIGHT | COLUMN_WIDE },
	{ "runtime",   "runtime",             job_runtime,   COLUMN_WIDE },
	{ "started",   "started_ms",          job_started,   COLUMN_WIDE },
	{ "downtime",  "frozen_us",           job_downtime,  COLUMN_RIGHT | COLUMN_WIDE },
	{ "sent",      "sent_bytes",          job_sent,      COLUMN_RIGHT | COLUMN_WIDE },
	{ "took",      "finished_ms",         job_took,      COLUMN_RIGHT | COLUMN_WIDE },
	{ "user",      "user",                job_user,      COLUMN_WIDE },
	{ "error",     "error",               job_error,     COLUMN_ASKED | COLUMN_WRAP },
	{ "forced",    "forced",              job_forced,    COLUMN_ASKED | COLUMN_WRAP },
	{ "waiting-for", "waiting_for",       job_waiting,   COLUMN_WRAP },
};

const struct noun noun_jobs = {
	.record = "job", .stride = sizeof(struct msg_job), .place = offsetof(struct msg_reply, jobs),
	.empty = "Nothing moves.",
	.columns = job_columns, .n_columns = ARRAY_LEN(job_columns),
};

static const struct column history_columns[] = {
	{ "finished",  "finished_ms",         job_finished,  0 },
	{ "job",       "id",                  job_short,     0 },
	{ "id",        "id",                  job_id,        COLUMN_ASKED },
	{ "kind",      "kind",                job_kind,      COLUMN_WIDE },
	{ "container", "container",           job_container, 0 },
	{ "from",      "source",              job_from,      0 },
	{ "to",        "target",              job_to,        0 },
	{ "outcome",   "outcome",             job_state,     0 },
	{ "runs-on",   "runs_on",             job_runs_on,   COLUMN_WIDE },
	{ "downtime",  "frozen_us",           job_downtime,  COLUMN_RIGHT },
	{ "predicted", "predicted_frozen_ms", job_predicted, COLUMN_RIGHT },
	{ "off",       "frozen_error_percent", job_off,      COLUMN_RIGHT },
	{ "total",     "total_us",            job_total,     COLUMN_RIGHT | COLUMN_WIDE },
	{ "predicted-total", "predicted_total_ms", job_foretold, COLUMN_RIGHT | COLUMN_WIDE },
	{ "total-off", "total_error_percent", job_total_off, COLUMN_RIGHT | COLUMN_WIDE },
	{ "sent",      "sent_bytes",          job_sent,      COLUMN_RIGHT },
	{ "image",     "image_bytes",         job_image,     COLUMN_RIGHT | COLUMN_WIDE },
	{ "rounds",    "rounds",              job_rounds,    COLUMN_RIGHT | COLUMN_WIDE },
	{ "took",      "started_ms",          job_took,      COLUMN_RIGHT },
	{ "user",      "user",                job_user,      COLUMN_WIDE },
	{ "error",     "error",               job_note,      COLUMN_WRAP },
	{ "forced",    "forced",              job_forced,    COLUMN_ASKED | COLUMN_WRAP },
};

const struct noun noun_history = {
	.record = "job", .stride = sizeof(struct msg_job), .place = offsetof(struct msg_reply, jobs),
	.empty = "Nothing has moved yet.",
	.columns = history_columns, .n_columns = ARRAY_LEN(history_columns),
};
/* clang-format on */

/* Candidates. */
TEXT_STR(target_host, candidate, host)
TEXT_OF(target_score, candidate, if (r->score > 0) cell_set(cell, "%.1f", r->score))
TEXT_OF(target_frozen, candidate, cell_duration(cell, r->predicted_frozen_ms))
TEXT_OF(target_total, candidate, cell_duration(cell, r->predicted_total_ms))

TEXT(target_verdict)
{
	const struct msg_candidate *r = record;

	cell_set(cell, "%s", r->verdict ? r->verdict : "");
	cell->tone = state_tone(r->verdict);
}

/* "0.40*hot 0.93", the parts that the score is the sum of. */
TEXT(target_terms)
{
	const struct msg_candidate *r = record;

	for (size_t i = 0; i < r->terms.n; i++) {
		const struct msg_term *term = &r->terms.v[i];
		size_t used = strlen(cell->text);

		str_fmt(cell->text + used, sizeof(cell->text) - used, "%s%s %.1f/%.0f",
			i ? "  " : "", term->name ? term->name : "",
			100 * term->weight * term->value, 100 * term->weight);
	}
}

TEXT(target_reasons)
{
	const struct msg_candidate *r = record;

	for (size_t i = 0; i < r->reasons.n; i++) {
		size_t used = strlen(cell->text);

		str_fmt(cell->text + used, sizeof(cell->text) - used, "%s%s", i ? "," : "",
			r->reasons.v[i].code ? r->reasons.v[i].code : "");
	}
}

/* clang-format off */
static const struct column candidate_columns[] = {
	{ "host",     "host",                target_host,    0 },
	{ "verdict",  "verdict",             target_verdict, 0 },
	{ "score",    "score",               target_score,   COLUMN_RIGHT },
	{ "downtime", "predicted_frozen_ms", target_frozen,  COLUMN_RIGHT },
	{ "total",    "predicted_total_ms",  target_total,   COLUMN_RIGHT },
	{ "terms",    "terms",               target_terms,   COLUMN_CUT },
	{ "reasons",  "reasons",             target_reasons, COLUMN_WIDE | COLUMN_CUT },
};

const struct noun noun_candidates = {
	.record = "candidate", .stride = sizeof(struct msg_candidate),
	.place = offsetof(struct msg_reply, candidates), .empty = "No host to ask.",
	.columns = candidate_columns, .n_columns = ARRAY_LEN(candidate_columns),
};
/* clang-format on */
