/* SPDX-License-Identifier: MPL-2.0
 *
 * A job's memory and its records. */
#include "coordinator/job.h"

#include "base/mem.h"
#include "coordinator/nodes.h"
#include "coordinator/score.h"

#include <stdio.h>
#include <string.h>

static const char *const outcome_names[] = {"", "MOVED", "STAYED", "HELD", "LOST", "STOPPED"};

const char *outcome_name(enum outcome outcome)
{
	return outcome_names[outcome];
}

enum outcome outcome_find(const char *name)
{
	for (size_t i = 1; i < ARRAY_LEN(outcome_names); i++)
		if (str_eq(outcome_names[i], name))
			return (enum outcome)i;
	return OUTCOME_none;
}

struct job *job_new(const char *id)
{
	struct job *job = mem_new_of(struct job);

	str_copy(job->id, sizeof(job->id), id);
	job->work = msg_copy(MSG_TYPE_ask, &(struct msg_ask){.migration = id});
	return job;
}

void job_free(struct job **job)
{
	if (!*job)
		return;
	msg_free(&(*job)->work);
	msg_free(&(*job)->reasons);
	job_set_judged(*job, NULL);
	for (size_t i = 0; i < PARTY_COUNT; i++)
		free((*job)->log[i]);
	free(*job);
	*job = NULL;
}

void job_set_work(struct job *job, const struct msg_ask *work)
{
	struct msg *copy = msg_copy(MSG_TYPE_ask, work);

	msg_free(&job->work);
	job->work = copy;
	job->dirty_work = true;
}

void job_set_judged(struct job *job, struct ranking *judged)
{
	if (job->judged)
		ranking_done(job->judged);
	free(mem_take(job->judged));
	if (!judged)
		return;
	job->judged = mem_new_of(struct ranking);
	*job->judged = *judged;
	*judged = (struct ranking){0};
}

void job_set_reasons(struct job *job, const struct msg_reason *v, size_t n)
{
	struct msg_answer answer = {.reasons = {.v = (struct msg_reason *)v, .n = n}};
	struct msg *copy = n ? msg_copy(MSG_TYPE_answer, &answer) : NULL;

	msg_free(&job->reasons);
	job->reasons = copy;
	job->dirty_job = true;
}

void job_set_log(struct job *job, enum party party, const char *log)
{
	if (!log || !*log)
		return;
	free(job->log[party]);
	job->log[party] = str_dup(log);
	job->dirty_log[party] = true;
}

const char *job_node(const struct job *job, enum party party)
{
	return party == PARTY_source ? job->source : job->target;
}

void figures_merge(struct msg_figures *into, const struct msg_figures *from)
{
#define F(kind, key, name) \
	if (from->name) \
		into->name = from->name;
	MSG_figures(F)
#undef F
}

static void say_waiting(const struct job *job, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (enum party party = 0; party < PARTY_COUNT; party++) {
		const struct slot *slot = &job->slot[party];

		if (!slot->step || slot->answered)
			continue;
		str_fmt(text + used, size - used, "%s%s to answer %s", used ? ", " : "",
			job_node(job, party), step_name(slot->step));
		used = strlen(text);
	}
}

/* Both tails, each cut to half of the room so that its end is kept. */
static void say_log(const struct job *job, char *text, size_t size)
{
	size_t used = 0, half = size / 2 - NAME_SIZE - 16;

	text[0] = '\0';
	for (enum party party = 0; party < PARTY_COUNT; party++) {
		const char *log = job->log[party];
		size_t len = log ? strlen(log) : 0;

		if (!len)
			continue;
		str_fmt(text + used, size - used, "--- %s\n%s\n", job_node(job, party),
			len > half ? log + len - half : log);
		used = strlen(text);
	}
}

static const char *state_of(const struct job *job)
{
	if (job->stage == STAGE_done)
		return "done";
	if (job->stage == STAGE_stopped)
		return "stopped";
	return job->outcome || job->waiting_ms || stage_undoes(job->stage) ? "waiting" : "running";
}

/* How far what was measured is from what was predicted: +50 = it took half as long again. */
static int64_t error_percent(const struct job *job, uint64_t predicted_ms, uint64_t measured_us)
{
	double predicted_us = (double)predicted_ms * 1000;

	if (job->outcome != OUTCOME_moved || !predicted_ms || !measured_us)
		return 0;
	return (int64_t)(((double)measured_us / predicted_us - 1) * 100);
}

void job_view(const struct job *job, struct msg_job *ret, struct job_text *text, bool with_log)
{
	const struct stage_row *row = stage_row(job->stage);

	text->log[0] = text->waiting[0] = '\0';
	if (with_log)
		say_log(job, text->log, sizeof(text->log));
	if (job->waiting_ms || stage_undoes(job->stage))
		say_waiting(job, text->waiting, sizeof(text->waiting));
	*ret = (struct msg_job){
		.id = job->id,
		.kind = job->stops ? "stop" : "migrate",
		.container = job->container,
		.source = job->source,
		.target = job->target,
		.state = state_of(job),
		.step = stage_step(job->stage),
		.outcome = outcome_name(job->outcome),
		.runs_on = job->runs_on,
		.code = (uint64_t)job->code,
		.error = job->error,
		.fix = job->fix,
		.started_ms = job->started_ms,
		.finished_ms = job->finished_ms,
		.attempt = job->attempt,
		.epoch = job->epoch,
		.figures = (struct msg_figures *)&job->figures,
		.predicted_frozen_ms = job->predicted_frozen_ms,
		.predicted_total_ms = job->predicted_total_ms,
		.frozen_error_percent =
			error_percent(job, job->predicted_frozen_ms, job->figures.frozen_us),
		.total_error_percent =
			error_percent(job, job->predicted_total_ms, job->figures.total_us),
		.phase = job->phase,
		.done_bytes = job->done_bytes,
		.total_bytes = job->total_bytes,
		.bytes_s = job->bytes_s,
		.frozen = row->frozen,
		.runtime = job->runtime,
		.user = job->user,
		.parent = job->parent,
		.group = job->group,
		.group_name = job->group_name,
		.group_size = job->group_size,
		.log = text->log,
		.has_log = job->log[PARTY_source] || job->log[PARTY_target],
		.score = job->score,
		.held_ms = job->held_wall_ms,
		.mode = job->stops  ? "stop"
			: job->cold ? "cold"
				    : "live",
		.mode_reason = job->mode_reason,
		.forced = job->forced,
		.forced_ms = job->forced_ms,
		.waiting_for = text->waiting,
	};
	if (job->bytes_s && job->total_bytes > job->done_bytes)
		ret->eta_ms = (job->total_bytes - job->done_bytes) * 1000 / job->bytes_s;
	if (job->reasons) {
		ret->reasons.v = job->reasons->answer->reasons.v;
		ret->reasons.n = job->reasons->answer->reasons.n;
	}
}

void job_records(struct job *job, struct effects *effects)
{
	const char *point = stage_name(job->stage);
	size_t first = effects->n_records;
	struct job_text text;
	struct msg_job view;

	if (job->probe)
		return;
	for (enum party party = 0; party < PARTY_COUNT; party++) {
		if (!job->dirty_log[party])
			continue;
		effects_record(effects, party ? RECORD_log_target : RECORD_log_source, job->id,
			       MSG_TYPE_answer, &(struct msg_answer){.log = job->log[party]}, "");
		job->dirty_log[party] = false;
	}
	if (job->dirty_work)
		effects_record(effects, RECORD_work, job->id, MSG_TYPE_ask, job->work->ask, "");
	if (job->dirty_job) {
		job_view(job, &view, &text, false);
		effects_record(effects, RECORD_job, job->id, MSG_TYPE_event,
			       &(struct msg_event){.seq = JOB_RECORD_FORMAT,
						   .wall_ms = job->started_ms,
						   .kind = stage_name(job->stage),
						   .text = stage_name(job->failed),
						   .host = job->chosen,
						   .job = &view},
			       job->entered ? point : "");
	}
	job->dirty_work = job->dirty_job = false;
	if (job->stage == STAGE_done && effects->n_records > first)
		effects->records[effects->n_records - 1].closes = true;
}

static int replay_public(struct job *job, const struct msg_event *event, struct err *err)
{
	const struct msg_job *view = event->job;

	if (event->seq != JOB_RECORD_FORMAT || !view || !name_ok(view->container) ||
	    !name_ok(view->source))
		return fail(err, ERR_corrupt, "the record of job %s makes no sense", job->id);
	job->stage = stage_find(event->kind);
	job->failed = stage_find(event->text);
	if (job->stage == STAGE_none)
		return fail(err, ERR_corrupt, "job %s is in unknown stage %s", job->id,
			    given(event->kind));
	str_copy(job->chosen, sizeof(job->chosen), event->host);
	str_copy(job->container, sizeof(job->container), view->container);
	str_copy(job->source, sizeof(job->source), view->source);
	str_copy(job->target, sizeof(job->target), view->target);
	str_copy(job->user, sizeof(job->user), view->user);
	str_copy(job->parent, sizeof(job->parent), view->parent);
	str_copy(job->group, sizeof(job->group), view->group);
	str_copy(job->group_name, sizeof(job->group_name), view->group_name);
	job->group_size = view->group_size;
	str_copy(job->runtime, sizeof(job->runtime), view->runtime);
	str_copy(job->runs_on, sizeof(job->runs_on), view->runs_on);
	str_copy(job->error, sizeof(job->error), view->error);
	str_copy(job->fix, sizeof(job->fix), view->fix);
	job->outcome = outcome_find(view->outcome);
	job->code = (int)view->code;
	job->epoch = view->epoch;
	job->attempt = view->attempt;
	job->started_ms = view->started_ms;
	job->finished_ms = view->finished_ms;
	job->predicted_frozen_ms = view->predicted_frozen_ms;
	job->predicted_total_ms = view->predicted_total_ms;
	job->score = view->score;
	job->held_wall_ms = view->held_ms;
	job->stops = str_eq(view->mode, "stop");
	job->cold = job->stops || str_eq(view->mode, "cold");
	str_copy(job->mode_reason, sizeof(job->mode_reason), view->mode_reason);
	str_copy(job->forced, sizeof(job->forced), view->forced);
	job->forced_ms = view->forced_ms;
	if (view->figures)
		job->figures = *view->figures;
	job_set_reasons(job, view->reasons.v, view->reasons.n);
	return 0;
}

int job_replay(struct job *job, enum record_kind kind, const void *data, size_t len,
	       struct err *err)
{
	enum msg_type type = kind == RECORD_job    ? MSG_TYPE_event
			     : kind == RECORD_work ? MSG_TYPE_ask
						   : MSG_TYPE_answer;
	auto_msg struct msg *msg = NULL;
	int rc = msg_decode_body(type, data, len, &msg, err);

	if (rc)
		return fail(err, ERR_corrupt, "the record of job %s cannot be read", job->id);
	if (kind == RECORD_job)
		rc = replay_public(job, msg->event, err);
	else if (kind == RECORD_work)
		job_set_work(job, msg->ask);
	else
		job_set_log(job, kind == RECORD_log_source ? PARTY_source : PARTY_target,
			    msg->answer->log);
	job->dirty_job = job->dirty_work = false;
	job->dirty_log[PARTY_source] = job->dirty_log[PARTY_target] = false;
	return rc;
}
