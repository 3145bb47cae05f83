/* SPDX-License-Identifier: MPL-2.0
 *
 * Failures and ends: how a cause is told, which way back it takes (the table's undo column), and
 * what is known about where the container runs. */
#include "coordinator/migrate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* docs/protocol.md, "When a step fails": the exit code follows from where it failed. What the user
 * asked for (cancel, deadline) is told as such. */
static int told_code(const struct job *job, const struct stage_row *row, int code)
{
	if (code == ERR_canceled && job->cancelled)
		return ERR_canceled;
	if (job->past_deadline)
		return ERR_timeout;
	if (row->code == ERR_refused)
		return code == ERR_canceled ? ERR_refused : code;
	if (row->code == ERR_io)
		return err_exit_code(code) == err_exit_code(ERR_io) ? code : ERR_io;
	return row->code;
}

static void keep_cause(struct job *job, const char *text)
{
	struct msg_ask work = *job->work->ask;
	char reason[256];

	str_fmt(reason, sizeof(reason), "%s: %s", stage_name(job->stage), text);
	work.reason = reason;
	work.proof = (struct msg_bin){0};
	job_set_work(job, &work);
}

void migrate_fail(struct core *c, struct job *job, int code, const char *fix, const char *fmt, ...)
{
	const struct stage_row *row = stage_row(job->stage);
	enum stage undo = row->undo;
	char text[sizeof(job->error)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	str_copy(job->error, sizeof(job->error), text);
	str_copy(job->fix, sizeof(job->fix), fix);
	job->code = told_code(job, row, code);
	job->failed = job->stage;
	keep_cause(job, text);
	if (job->probe) {
		migrate_enter(c, job, STAGE_done);
		return;
	}
	/* Nothing was frozen yet; or S itself has said that it took the container back. */
	if (job->stage <= STAGE_sync || (job->stage == STAGE_release && !job->still_held))
		migrate_settle(c, job, OUTCOME_stayed, job->source);
	if (job->stage == STAGE_release && job->still_held)
		undo = STAGE_rollback;
	migrate_enter(c, job, undo);
	if (job->stops)
		migrate_stop_fail(c, job);
	else
		migrate_group_fail(c, job);
}

static void learn(struct core *c, struct job *job)
{
	const struct pair *pair = predict_learn(&c->pairs, job->source, job->target,
						job->work->ask->rss_bytes, &job->figures);
	const struct rate *rate = predict_learn_rate(&c->pairs, job->container, &job->figures);
	char key[PREDICT_KEY_SIZE], text[PREDICT_TEXT_SIZE];

	if (pair) {
		pair_key(pair, key);
		pair_print(pair, text);
		effects_value(c->effects, key, text);
	}
	if (rate) {
		rate_key(rate, key);
		rate_print(rate, text);
		effects_value(c->effects, key, text);
	}
}

/* Its files are all there is of it, and they are where they were: nothing is lost. */
static void say_stopped(struct job *job)
{
	const struct msg_answer *said = job->reasons ? job->reasons->answer : NULL;
	size_t used = strlen(job->error);
	const char *why = "";

	for (size_t i = 0; said && i < said->reasons.n; i++)
		if (str_eq(said->reasons.v[i].code, code_row(CODE_cold_start)->code))
			why = given(said->reasons.v[i].why);
	str_fmt(job->error + used, sizeof(job->error) - used,
		"%s%s: it is stopped on %s, and runs nowhere", used ? "; " : "",
		*why ? why : "it could not be started again", job->source);
	str_fmt(job->fix, sizeof(job->fix), "%s", code_row(CODE_cold_start)->fix);
}

void migrate_settle(struct core *c, struct job *job, enum outcome outcome, const char *runs_on)
{
	if (outcome == OUTCOME_stayed && job->source_gone && job->cold) {
		say_stopped(job);
		runs_on = "";
	} else if (outcome == OUTCOME_stayed && job->source_gone) {
		outcome = OUTCOME_lost;
		runs_on = "";
		job->code = ERR_lost;
		str_fmt(job->error, sizeof(job->error), "%s ended on %s while it was held there",
			job->container, job->source);
		str_copy(job->fix, sizeof(job->fix),
			 "its files are where they were: start it anew");
	}
	job->outcome = outcome;
	str_copy(job->runs_on, sizeof(job->runs_on), runs_on);
	job->dirty_job = true;
	if (outcome == OUTCOME_moved) {
		nodes_moved(&c->nodes, job->container, job->source, job->target,
			    job->work->ask->container_facts, c->now.mono_ms);
		core_mark(c, nodes_find(&c->nodes, job->source));
		core_mark(c, nodes_find(&c->nodes, job->target));
		if (!job->forced[0] &&
		    !job->cold) /* it was frozen for as long as a person needed */
			learn(c, job);
	}
}

int migrate_cancel(struct core *c, struct job *job, const char *reason, struct err *err)
{
	if (job->stage == STAGE_done)
		return fail(err, ERR_refused, "job %s is over: %s", job->id,
			    outcome_name(job->outcome));
	if (stage_undoes(job->stage))
		return fail(err, ERR_refused, "job %s is being undone already", job->id);
	if (job->stage == STAGE_stopped) {
		migrate_stop_leave(c, job, given(reason));
		return 0;
	}
	if (job->stops) {
		fail(err, ERR_refused, "%s is being %s on %s", job->container,
		     job->stage == STAGE_stop ? "stopped" : "started", job->source);
		return err_fix(err, "drover restore %s starts what was stopped there", job->source);
	}
	if (!stage_before_release(job->stage)) {
		fail(err, ERR_refused, "job %s is at %s, past the point where %s can go back",
		     job->id, stage_name(job->stage), job->container);
		if (job->outcome == OUTCOME_held)
			return err_fix(err,
				       "bring the silent host back, or, when it is off for good, "
				       "see drover force --help");
		return err_fix(err, "it ends as MOVED; migrate it back then");
	}
	job->cancelled = true;
	migrate_fail(c, job, ERR_canceled, "", "canceled%s%s", reason && *reason ? ": " : "",
		     given(reason));
	return 0;
}
