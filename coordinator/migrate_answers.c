/* SPDX-License-Identifier: MPL-2.0
 *
 * What an answer that the step is done means, a row a stage; migrate_refused.c has the others. An
 * answer counts once: it must come from the party that was asked, with the step and attempt that
 * are waited for; all others are late or doubled and change nothing. */
#include "coordinator/migrate.h"

#include "base/mem.h"

#include <string.h>

#define DIGEST_LEN 32
#define EPOCH_LEAP_MAX 1000000 /* a worker's word on epochs is believed this far */

typedef void answer_fn(struct core *c, struct job *job, enum party party,
		       const struct msg_answer *answer);

static void unfit(struct core *c, struct job *job, enum party party, const char *lacks)
{
	migrate_fail(c, job, ERR_protocol, "run the same drover version on all hosts",
		     "%s answered %s without %s", job_node(job, party), stage_step(job->stage),
		     lacks);
}

static void onward(struct core *c, struct job *job)
{
	enum stage next = stage_row(job->stage)->next;

	if (!migrate_group_waits(c, job, next))
		migrate_enter(c, job, next);
}

/* An answer ended a silence that was told as HELD. */
void migrate_unhold(struct job *job)
{
	if (job->outcome != OUTCOME_held)
		return;
	job->outcome = OUTCOME_none;
	job->code = 0;
	job->error[0] = job->fix[0] = '\0';
	job->dirty_job = true;
}

/* --- done --- */

/* What --skip calls a worker's reason: the worker says so, or our table of codes. */
static const char *skip_name(const struct msg_reason *reason)
{
	const struct code_row *row = code_find(reason->code);

	return given(reason->skip)[0] ? reason->skip : row ? row->skip : "";
}

/* Reasons of a worker that neither are warnings nor skipped. */
const struct msg_reason *migrate_refusal_of(const struct job *job, const struct msg_answer *answer)
{
	for (size_t i = 0; i < answer->reasons.n; i++) {
		const struct msg_reason *reason = &answer->reasons.v[i];

		if (!reason->warning && !verdict_skips(&job->work->ask->skip, skip_name(reason)))
			return reason;
	}
	return NULL;
}

static bool about_container(const char *code)
{
	const struct code_row *row = code_find(code);

	return !row || row->about == ABOUT_ct || row->about == ABOUT_src;
}

void migrate_refused_by(struct core *c, struct job *job, enum party party,
			const struct msg_reason *reason)
{
	bool final = party == PARTY_source && about_container(reason->code);

	if (!final && migrate_next_candidate(c, job))
		return;
	migrate_fail(c, job, ERR_refused, given(reason->fix), "%s: %s: %s", job_node(job, party),
		     given(reason->code), given(reason->why));
}

void migrate_keep_reasons(struct job *job, const struct msg_answer *answer)
{
	if (answer->reasons.n)
		job_set_reasons(job, answer->reasons.v, answer->reasons.n);
}

/* What made a step fail comes before the warnings of the check. */
void migrate_add_reasons(struct job *job, const struct msg_answer *answer)
{
	struct msg_reason v[VERDICT_REASONS_MAX];
	const struct msg_answer *had = job->reasons ? job->reasons->answer : NULL;
	size_t n = 0;

	for (size_t i = 0; i < answer->reasons.n && n < ARRAY_LEN(v); i++)
		v[n++] = answer->reasons.v[i];
	for (size_t i = 0; n && had && i < had->reasons.n && n < ARRAY_LEN(v); i++)
		v[n++] = had->reasons.v[i];
	if (n)
		job_set_reasons(job, v, n);
}

static void keep_facts(struct job *job, const struct msg_answer *answer)
{
	struct msg_ask work = *job->work->ask;

	if (answer->facts) {
		work.container_facts = answer->facts;
		work.rss_bytes = answer->facts->rss_bytes;
		work.tree_bytes = answer->facts->tree_bytes;
		if (given(answer->facts->bundle)[0])
			work.bundle = answer->facts->bundle;
		if (given(answer->facts->runtime)[0])
			work.runtime = answer->facts->runtime;
		work.net = answer->facts->net;
	}
	if (answer->net)
		work.net = answer->net;
	work.cpuinfo = answer->cpuinfo;
	job_set_work(job, &work);
}

static void foretell(struct job *job, struct prediction prediction)
{
	job->predicted_frozen_ms = prediction.frozen_ms;
	job->predicted_total_ms = prediction.total_ms;
	job->dirty_job = true;
}

/* A coordinator that was started again has not heard this host yet: nothing is known against it.
 * The step's deadline ends the wait. */
static bool is_news(const struct node *node)
{
	return node && (node->state == NODE_unknown || !node->caps);
}

/* S's fresh facts may rule out the target that its last CAPS allowed. */
static void check_done(struct core *c, struct job *job, enum party party,
		       const struct msg_answer *answer)
{
	const struct msg_reason *refusal = migrate_refusal_of(job, answer);
	const struct node *target = nodes_find(&c->nodes, job->target);
	struct verdict verdict = {0};
	struct score_query query;
	char why[ERR_TEXT_MAX];

	migrate_keep_reasons(job, answer);
	if (job->probe && answer->facts)
		core_probe_heard(job, answer->facts);
	keep_facts(job, answer);
	if (job->probe) {
		migrate_enter(c, job, job->target[0] ? STAGE_admit : STAGE_done);
		return;
	}
	if (refusal) {
		migrate_refused_by(c, job, party, refusal);
		return;
	}
	query = migrate_query(c, job);
	if (is_news(target) || is_news(query.source)) {
		migrate_ask_anew(c, job, party);
		return;
	}
	if (target && query.source) {
		score_verdict(&query, target, &verdict);
		foretell(job, score_predict(&query, target));
	}
	verdict_print(&verdict, why, sizeof(why));
	if (verdict_feasible(&verdict))
		onward(c, job);
	else if (!migrate_next_candidate(c, job))
		migrate_fail(c, job, ERR_refused, verdict_fix(&verdict), "%s", why);
	verdict_done(&verdict);
}

static void admit_done(struct core *c, struct job *job, enum party party,
		       const struct msg_answer *answer)
{
	const struct msg_reason *refusal = migrate_refusal_of(job, answer);
	struct msg_ask work = *job->work->ask;

	migrate_keep_reasons(job, answer);
	if (job->probe) {
		migrate_enter(c, job, STAGE_done);
		return;
	}
	if (refusal) {
		migrate_refused_by(c, job, party, refusal);
		return;
	}
	work.cpuinfo = (struct msg_bin){0}; /* large, and not needed any more */
	job_set_work(job, &work);
	onward(c, job);
}

static void reserve_done(struct core *c, struct job *job, enum party party,
			 const struct msg_answer *answer)
{
	struct msg_ask work = *job->work->ask;

	if (!answer->ticket.len) {
		unfit(c, job, party, "a ticket");
		return;
	}
	work.ticket = answer->ticket;
	job_set_work(job, &work);
	onward(c, job);
}

static void sync_done(struct core *c, struct job *job, enum party party,
		      const struct msg_answer *answer)
{
	(void)party;
	if (!migrate_over_budget(c, job, answer->figures))
		onward(c, job);
}

static void hold_done(struct core *c, struct job *job, enum party party,
		      const struct msg_answer *answer)
{
	struct msg_ask work = *job->work->ask;

	if (answer->digest.len != DIGEST_LEN) {
		unfit(c, job, party, "the digest of its manifest");
		return;
	}
	work.digest = answer->digest;
	if (answer->net)
		work.net = answer->net;
	work.proof = (struct msg_bin){0};
	job_set_work(job, &work);
	job->held_ms = c->now.mono_ms;
	job->held_wall_ms = c->now.wall_ms;
	job->held_frozen_us = answer->figures ? answer->figures->frozen_us : 0;
	onward(c, job);
}

void migrate_keep_proof(struct job *job, const struct msg_answer *answer)
{
	struct msg_ask work = *job->work->ask;

	work.proof = answer->proof;
	job_set_work(job, &work);
}

static void arm_done(struct core *c, struct job *job, enum party party,
		     const struct msg_answer *answer)
{
	if (!answer->proof.len) {
		unfit(c, job, party, "its proof");
		return;
	}
	migrate_keep_proof(job, answer);
	onward(c, job);
}

/* Without the grant nothing may go on; without it nothing may be undone either. */
static void release_done(struct core *c, struct job *job, enum party party,
			 const struct msg_answer *answer)
{
	if (!answer->proof.len) {
		migrate_ask_anew(c, job, party);
		return;
	}
	migrate_unhold(job);
	migrate_keep_proof(job, answer);
	onward(c, job);
}

/* From S's answer to now: on the monotonic clock, or, where another coordinator has heard that
 * answer, on the wall clock, which may have been set meanwhile: a day is too much to believe. */
static uint64_t frozen_so_far(const struct core *c, const struct job *job)
{
	uint64_t since_ms = c->now.mono_ms - job->held_ms;

	if (job->held_ms)
		return job->held_frozen_us + since_ms * 1000;
	since_ms = c->now.wall_ms - job->held_wall_ms;
	if (!job->held_wall_ms || since_ms > 86400000)
		return 0;
	return job->figures.frozen_us + since_ms * 1000;
}

static void start_done(struct core *c, struct job *job, enum party party,
		       const struct msg_answer *answer)
{
	uint64_t frozen_us = frozen_so_far(c, job);

	if (!answer->proof.len) {
		migrate_ask_anew(c, job, party);
		return;
	}
	migrate_unhold(job);
	migrate_keep_proof(job, answer);
	/* Each side sees a part only; the time between their answers is on this clock. T had let it
	 * run before it answered. */
	if (answer->figures && answer->figures->running_us < frozen_us)
		frozen_us -= answer->figures->running_us;
	if (frozen_us > job->figures.frozen_us)
		job->figures.frozen_us = frozen_us;
	if (c->now.wall_ms > job->started_ms)
		job->figures.total_us = (c->now.wall_ms - job->started_ms) * 1000;
	migrate_settle(c, job, OUTCOME_moved, job->target);
	onward(c, job);
}

/* Stages that only need every answer. */
void migrate_collect(struct core *c, struct job *job, enum party party,
		     const struct msg_answer *answer)
{
	(void)answer;
	if (migrate_answered(job, party))
		onward(c, job);
}

/* S runs again; T's REFUSED, when it comes first, is kept for an S that turns out RELEASED. */
static void undo_done(struct core *c, struct job *job, enum party party,
		      const struct msg_answer *answer)
{
	struct slot *source = &job->slot[PARTY_source];

	if (party == PARTY_source) {
		migrate_add_reasons(job, answer);
		if (job->outcome != OUTCOME_stayed && job->outcome != OUTCOME_lost)
			migrate_settle(c, job, OUTCOME_stayed, job->source);
	} else if (answer->proof.len) {
		migrate_keep_proof(job, answer);
		if (!source->answered && source->next_ms > c->now.mono_ms &&
		    (job->stage == STAGE_giveback || job->wants_proof))
			migrate_ask_now(c, job, PARTY_source);
	} else if (job->stage == STAGE_giveback) {
		migrate_ask_anew(c, job, party);
		return;
	}
	if (migrate_answered(job, party))
		onward(c, job);
}

static answer_fn *const done[STAGE_COUNT] = {
	[STAGE_check] = check_done,
	[STAGE_admit] = admit_done,
	[STAGE_reserve] = reserve_done,
	[STAGE_sync] = sync_done,
	[STAGE_hold] = hold_done,
	[STAGE_arm] = arm_done,
	[STAGE_release] = release_done,
	[STAGE_start] = start_done,
	[STAGE_retire] = migrate_collect,
	[STAGE_clean] = migrate_collect,
	[STAGE_forget] = migrate_collect,
	[STAGE_unreserve] = migrate_collect,
	[STAGE_rollback] = undo_done,
	[STAGE_withdraw] = undo_done,
	[STAGE_giveback] = undo_done,
	[STAGE_tidy] = migrate_collect,
	[STAGE_takeback] = migrate_takeback_done,
	[STAGE_overrule] = migrate_collect,
	[STAGE_takeover] = migrate_takeover_done,
	[STAGE_stop] = migrate_stop_done,
	[STAGE_launch] = migrate_launch_done,
};

/* --- any answer --- */

static void keep_figures(struct job *job, const struct msg_answer *answer)
{
	uint64_t frozen_us = job->figures.frozen_us, sent_bytes = job->figures.sent_bytes;

	if (!answer->figures)
		return;
	figures_merge(&job->figures, answer->figures);
	/* What sync had sent, it sent while the container ran. */
	if (answer->step == STEP_hold && sent_bytes && job->figures.sent_bytes > sent_bytes)
		job->figures.frozen_bytes = job->figures.sent_bytes - sent_bytes;
	/* After the start the measure is taken: S's longer view goes up to its retirement. */
	if (job->outcome == OUTCOME_moved)
		job->figures.frozen_us = frozen_us;
	job->dirty_job = true;
}

static void keep_epoch(struct core *c, const struct msg_answer *answer)
{
	if (answer->epoch > c->epoch && answer->epoch - c->epoch < EPOCH_LEAP_MAX)
		c->epoch = answer->epoch;
}

void migrate_answer(struct core *c, struct job *job, enum party party,
		    const struct msg_answer *answer)
{
	const struct slot *slot = &job->slot[party];

	if (!slot->step || slot->answered || answer->step != slot->step ||
	    answer->attempt != slot->attempt || !done[job->stage])
		return;
	keep_epoch(c, answer);
	/* Busy with something else: it keeps no such answer, so the same attempt is asked again. */
	if (answer->code == ERR_busy && job->stage > STAGE_reserve)
		return;
	keep_figures(job, answer);
	if (party == PARTY_source && job->stage > STAGE_sync && answer->facts)
		job->source_gone = str_eq(answer->facts->status, "stopped");
	job_set_log(job, party, answer->log);
	if (answer->code)
		migrate_refused(c, job, party, answer);
	else
		done[job->stage](c, job, party, answer);
}

/* The sender cannot know beforehand how much it will read; what the check found is near it. */
static uint64_t total_of(const struct job *job, const struct msg_progress *progress)
{
	const struct msg_ask *work = job->work->ask;
	uint64_t total = progress->total_bytes;

	if (!total && str_eq(progress->phase, "memory"))
		total = work->rss_bytes;
	else if (!total && str_eq(progress->phase, "tree"))
		total = work->tree_bytes;
	return total && total < progress->done_bytes ? progress->done_bytes : total;
}

void migrate_progress(struct core *c, struct job *job, enum party party,
		      const struct msg_progress *progress)
{
	const struct slot *slot = &job->slot[party];

	if (!slot->step || slot->answered || progress->step != slot->step ||
	    progress->attempt != slot->attempt)
		return;
	job->heard_ms = c->now.mono_ms;
	str_copy(job->phase, sizeof(job->phase), progress->phase);
	job->done_bytes = progress->done_bytes;
	job->total_bytes = total_of(job, progress);
	job->bytes_s = progress->bytes_s;
	job->round = progress->round;
	if (c->now.mono_ms - job->told_progress_ms < 100 && job->told_progress_ms)
		return;
	job->told_progress_ms = c->now.mono_ms;
	core_emit(c, "job.progress", job_node(job, party), NULL, job);
}
