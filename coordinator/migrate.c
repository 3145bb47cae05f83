/* SPDX-License-Identifier: MPL-2.0
 *
 * The step machine's clockwork: stages are entered, asks sent and repeated, deadlines and hosts
 * watched. What answers mean is in migrate_answers.c and migrate_refused.c, what failures lead
 * to in migrate_fail.c. */
#include "coordinator/migrate.h"

#include "base/mem.h"
#include "coordinator/liveness.h"

#include <inttypes.h>
#include <string.h>

#define REPEAT_MS 1000 /* an unanswered ask is sent again */
#define ANEW_MS 1000   /* an ask whose answer settled nothing is asked anew */
#define NEVER UINT64_MAX

/* --- asks --- */

static void fill_carried(const struct job *job, unsigned carries, struct msg_ask *ask)
{
	const struct msg_ask *work = job->work->ask;

	if (carries & CARRY_peer) {
		ask->peer_address = work->peer_address;
		ask->peer_port = work->peer_port;
		ask->rounds = work->rounds;
	}
	if (carries & CARRY_facts)
		ask->container_facts = work->container_facts;
	if (carries & (CARRY_facts | CARRY_digest))
		ask->net = work->net;
	if (carries & CARRY_cpuinfo)
		ask->cpuinfo = work->cpuinfo;
	if (carries & CARRY_size) {
		ask->rss_bytes = work->rss_bytes;
		ask->tree_bytes = work->tree_bytes;
	}
	if (carries & CARRY_ticket)
		ask->ticket = work->ticket;
	if (carries & CARRY_digest)
		ask->digest = work->digest;
	if (carries & CARRY_proof)
		ask->proof = work->proof;
	if (carries & CARRY_reason)
		ask->reason = work->reason;
	if (carries & CARRY_skip)
		ask->skip = work->skip;
	if (carries & CARRY_force) {
		ask->operator= work->operator;
		ask->reason = work->reason;
		ask->proof = work->statement;
	}
}

static void send_ask(struct core *c, struct job *job, enum party party)
{
	const struct stage_row *row = stage_row(job->stage);
	const struct msg_ask *work = job->work->ask;
	uint64_t spent_ms = c->now.mono_ms - job->entered_ms;
	struct slot *slot = &job->slot[party];
	struct msg_ask ask = {
		.migration = job->id,
		.container = job->container,
		.step = slot->step,
		.attempt = slot->attempt,
		.epoch = job->epoch,
		.term = c->config.term,
		.source = job->source,
		.target = job->target,
		.runtime = work->runtime,
		.bundle = work->bundle,
		.mode = job->cold ? "cold" : NULL,
	};
	struct msg_head head = {.type = MSG_TYPE_ask, .epoch = c->config.term};

	if (!job->stops) { /* each host decides for one that it only stops */
		ask.group = job->group;
		ask.group_size = job->group_size;
	}
	if (row->cap_ms > spent_ms)
		ask.deadline_ms = row->cap_ms - spent_ms;
	fill_carried(job, row->carries[party], &ask);
	str_copy(head.request, sizeof(head.request), job->id);
	effects_ask(c->effects, job_node(job, party), head, &ask,
		    job->entered ? stage_name(job->stage) : "");
	slot->next_ms = c->now.mono_ms + REPEAT_MS;
}

static void send_due_asks(struct core *c, struct job *job)
{
	for (enum party party = 0; party < PARTY_COUNT; party++) {
		const struct slot *slot = &job->slot[party];

		if (slot->step && !slot->answered && slot->next_ms <= c->now.mono_ms)
			send_ask(c, job, party);
	}
}

void migrate_ask_now(struct core *c, struct job *job, enum party party)
{
	job->slot[party].next_ms = c->now.mono_ms;
	send_due_asks(c, job);
}

void migrate_ask_anew(struct core *c, struct job *job, enum party party)
{
	job->slot[party].attempt++;
	job->slot[party].next_ms = c->now.mono_ms + ANEW_MS;
}

bool migrate_answered(struct job *job, enum party party)
{
	bool all = true;

	job->slot[party].answered = true;
	for (enum party p = 0; p < PARTY_COUNT; p++)
		all = all && (!job->slot[p].step || job->slot[p].answered);
	return all;
}

/* --- stages --- */

static void arrange_asks(struct core *c, struct job *job)
{
	const struct stage_row *row = stage_row(job->stage);

	for (enum party party = 0; party < PARTY_COUNT; party++)
		job->slot[party] = (struct slot){.step = row->ask[party],
						 .attempt = job->attempt,
						 .next_ms = c->now.mono_ms};
	if (job->stage == STAGE_giveback) {
		/* S takes its authority back only against T's proof. */
		if (job->work->ask->proof.len)
			job->slot[PARTY_target].answered = true;
		else
			job->slot[PARTY_source].next_ms = NEVER;
	}
	/* A job that never came to a target has nobody there to ask. */
	if (!job->target[0])
		job->slot[PARTY_target].step = STEP_none;
}

static void begin_stage(struct core *c, struct job *job)
{
	job->entered_ms = job->heard_ms = c->now.mono_ms;
	job->waiting_ms = stage_row(job->stage)->wait_ms ? 0 : c->now.mono_ms;
	job->ready = false;
	job->phase[0] = '\0';
	job->done_bytes = job->total_bytes = job->bytes_s = job->round = 0;
	arrange_asks(c, job);
	send_due_asks(c, job);
}

static void finish(struct core *c, struct job *job)
{
	struct node *target = nodes_find(&c->nodes, job->target);
	bool first = !job->finished_ms; /* LOST may be forced, and end again */

	job->finished_ms = c->now.wall_ms;
	if (target && first && (job->outcome == OUTCOME_moved || job->failed > STAGE_reserve)) {
		target->moves++;
		target->moves_failed += job->outcome != OUTCOME_moved;
	}
}

void migrate_enter(struct core *c, struct job *job, enum stage stage)
{
	char text[2 * NAME_SIZE + 64];

	job->stage = stage;
	job->dirty_job = true;
	job->entered = true;
	begin_stage(c, job);
	if (stage == STAGE_done) {
		if (!job->probe)
			finish(c, job);
		return; /* the end of the turn tells followers (core.c) */
	}
	str_fmt(text, sizeof(text), "%s: %s, %s%s%s", job->container, stage_name(stage),
		job->source, job->stops ? "" : " to ",
		job->stops       ? ""
		: job->target[0] ? job->target
				 : "?");
	if (!job->probe)
		core_emit(c, "job.step", NULL, text, job);
}

void migrate_resume(struct core *c, struct job *job)
{
	begin_stage(c, job);
}

/* --- time --- */

static void hold_back(struct core *c, struct job *job)
{
	enum party party = job->slot[PARTY_source].step ? PARTY_source : PARTY_target;

	if (job->outcome == OUTCOME_held)
		return;
	job->waiting_ms = c->now.mono_ms;
	job->code = ERR_held;
	str_fmt(job->error, sizeof(job->error),
		"%s has not answered %s for %" PRIu64
		" s: %s is %s on %s and %s on %s, and runs on neither until %s speaks",
		job_node(job, party), stage_name(job->stage),
		(c->now.mono_ms - job->entered_ms) / 1000, job->container,
		job->cold ? "stopped" : "frozen", job->source, job->cold ? "created" : "armed",
		job->target, job_node(job, party));
	str_fmt(job->fix, sizeof(job->fix),
		"bring %s back: the job goes on by itself; when it is off for good: drover force "
		"%s --owner %s --reason …",
		job_node(job, party), job->container, party == PARTY_source ? "target" : "source");
	migrate_settle(c, job, OUTCOME_held, "");
}

static void timed_out(struct core *c, struct job *job)
{
	const struct stage_row *row = stage_row(job->stage);
	enum party party = job->slot[PARTY_source].step ? PARTY_source : PARTY_target;

	if (job->stage == STAGE_release || job->stage == STAGE_start)
		hold_back(c, job);
	else if (row->undo == STAGE_none)
		migrate_enter(c, job, row->next);
	else if (job->stage <= STAGE_admit && migrate_next_candidate(c, job))
		return;
	else
		migrate_fail(c, job, ERR_timeout, "see drover hosts and the worker's log there",
			     "%s has not answered %s for %" PRIu64 " s", job_node(job, party),
			     step_name(job->slot[party].step),
			     (c->now.mono_ms - job->heard_ms) / 1000);
}

static bool is_lost(const struct core *c, enum patience patience, const char *id)
{
	const struct node *node = nodes_find(&c->nodes, id);

	if (patience == PATIENCE_endless || !node)
		return false;
	if (node->left) /* a worker that was stopped may be started again, as one that is killed */
		return c->now.mono_ms - node->heard_ms >=
		       (patience == PATIENCE_suspect ? liveness_suspect_after_ms(&c->nodes)
						     : liveness_dead_after_ms(&c->nodes));
	return node->state == NODE_dead ||
	       (patience == PATIENCE_suspect && node->state == NODE_suspect);
}

/* True when a host of the job is gone for longer than the stage can bear. */
static bool peer_lost(struct core *c, struct job *job)
{
	const struct stage_row *row = stage_row(job->stage);

	for (enum party party = 0; party < PARTY_COUNT; party++) {
		const char *id = job_node(job, party);

		if (!id[0] || !is_lost(c, row->patience, id))
			continue;
		if (row->undo == STAGE_none) {
			migrate_enter(c, job, row->next);
			return true;
		}
		if (party == PARTY_target && job->stage <= STAGE_admit &&
		    migrate_next_candidate(c, job))
			return true;
		migrate_fail(c, job, ERR_unreachable, "see drover hosts",
			     "%s is %s: it was not heard for %" PRIu64 " s", id,
			     node_state_name(nodes_find(&c->nodes, id)->state),
			     (c->now.mono_ms - nodes_find(&c->nodes, id)->heard_ms) / 1000);
		return true;
	}
	return false;
}

static bool deadline_passed(const struct core *c, const struct job *job)
{
	const struct stage_row *row = stage_row(job->stage);

	if (job->ready) /* another of its group has a deadline */
		return false;
	return (row->wait_ms && c->now.mono_ms - job->heard_ms >= row->wait_ms) ||
	       (row->cap_ms && c->now.mono_ms - job->entered_ms >= row->cap_ms);
}

/* The user's own limit for the whole job, up to the point where it could still be undone. */
static bool job_deadline_passed(struct core *c, struct job *job)
{
	uint64_t limit_ms = job->work->ask->deadline_ms;
	char text[STR_HUMAN_SIZE];

	if (!limit_ms || !stage_before_release(job->stage) ||
	    c->now.wall_ms < job->started_ms + limit_ms)
		return false;
	job->past_deadline = true;
	migrate_fail(c, job, ERR_timeout, "give it more time with --deadline",
		     "the job's deadline of %s has passed", str_human_ms(text, limit_ms));
	return true;
}

void migrate_tick(struct core *c, struct job *job)
{
	if (job->stage == STAGE_done || job_deadline_passed(c, job) || peer_lost(c, job))
		return;
	if (job->stage == STAGE_stopped)
		migrate_stop_look(c, job);
	if (deadline_passed(c, job))
		timed_out(c, job);
	send_due_asks(c, job);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t migrate_next_ms(const struct job *job)
{
	const struct stage_row *row = stage_row(job->stage);
	uint64_t next_ms = NEVER;

	for (enum party party = 0; party < PARTY_COUNT; party++)
		if (job->slot[party].step && !job->slot[party].answered)
			next_ms = earlier(next_ms, job->slot[party].next_ms);
	if (row->wait_ms && job->outcome != OUTCOME_held && !job->ready)
		next_ms = earlier(next_ms, job->heard_ms + row->wait_ms);
	return next_ms;
}

void migrate_restarted(struct core *c, struct job *job, enum party party)
{
	if (job->slot[party].step && !job->slot[party].answered &&
	    job->slot[party].next_ms != NEVER)
		migrate_ask_now(c, job, party);
}
