/* SPDX-License-Identifier: MPL-2.0
 *
 * What an answer with an error means, a row a stage: whether it settles anything, who has authority
 * according to the journal that speaks, and which way the job goes on. */
#include "coordinator/migrate.h"

#include <string.h>

typedef void answer_fn(struct core *c, struct job *job, enum party party,
		       const struct msg_answer *answer);

static bool answer_says(const struct msg_answer *answer, const char *state)
{
	return str_eq(answer->state, state);
}

static void early_refused(struct core *c, struct job *job, enum party party,
			  const struct msg_answer *answer)
{
	const struct msg_reason *refusal = migrate_refusal_of(job, answer);

	migrate_keep_reasons(job, answer);
	if (job->probe) {
		migrate_enter(c, job, STAGE_done);
		return;
	}
	if (refusal && job->stage <= STAGE_admit) {
		migrate_refused_by(c, job, party, refusal);
		return;
	}
	if (job->stage == STAGE_admit && migrate_next_candidate(c, job))
		return;
	migrate_fail(c, job, (int)answer->code, given(answer->fix), "%s: %s", job_node(job, party),
		     given(answer->error)[0] ? answer->error : err_text((int)answer->code));
}

static void step_refused(struct core *c, struct job *job, enum party party,
			 const struct msg_answer *answer)
{
	migrate_add_reasons(job, answer);
	migrate_fail(c, job, (int)answer->code, given(answer->fix), "%s: %s", job_node(job, party),
		     given(answer->error)[0] ? answer->error : err_text((int)answer->code));
}

/* S speaks for itself: it has thawed (own), or it is still HELD and must be told to. Anything else
 * settles nothing. */
static void release_refused(struct core *c, struct job *job, enum party party,
			    const struct msg_answer *answer)
{
	bool aborted = answer_says(answer, "own") || answer_says(answer, "none") ||
		       answer_says(answer, "closed") ||
		       (answer->code == ERR_canceled && !answer_says(answer, "held"));

	if (!aborted && !answer_says(answer, "held")) {
		migrate_ask_anew(c, job, party);
		return;
	}
	migrate_unhold(job);
	job->still_held = !aborted;
	step_refused(c, job, party, answer);
}

static void start_refused(struct core *c, struct job *job, enum party party,
			  const struct msg_answer *answer)
{
	bool has_refused = answer_says(answer, "refused") || answer_says(answer, "none");

	if (answer_says(answer, "lost")) {
		migrate_unhold(job);
		job->code = ERR_lost;
		str_fmt(job->error, sizeof(job->error), "%s died on %s as it was started: %.800s",
			job->container, job->target, given(answer->error));
		str_fmt(job->fix, sizeof(job->fix),
			"its frozen copy is still on %s: a person has to decide", job->source);
		migrate_settle(c, job, OUTCOME_lost, "");
		migrate_enter(c, job, STAGE_done);
		return;
	}
	if (!has_refused) {
		migrate_ask_anew(c, job, party);
		return;
	}
	migrate_unhold(job);
	step_refused(c, job, party, answer);
	if (answer->proof.len) {
		migrate_keep_proof(job, answer);
		job->slot[PARTY_target].answered = true;
		migrate_ask_now(c, job, PARTY_source);
	}
}

/* Asked until it is done. */
static void insist(struct core *c, struct job *job, enum party party,
		   const struct msg_answer *answer)
{
	(void)answer;
	migrate_ask_anew(c, job, party);
}

static void undo_refused(struct core *c, struct job *job, enum party party,
			 const struct msg_answer *answer)
{
	const struct slot *source = &job->slot[PARTY_source];

	if (party == PARTY_target && answer_says(answer, "running") && source->step &&
	    !source->answered) {
		/* It runs there: what was to be undone has been done. T says so with its proof. */
		job->code = 0;
		job->error[0] = job->fix[0] = '\0';
		migrate_enter(c, job, STAGE_start);
		return;
	}
	if (party == PARTY_source && answer_says(answer, "released"))
		job->wants_proof = true;
	insist(c, job, party, answer);
}

/* A fresh session is all that S has after a check, and T cleans itself up: one refusal is enough.
 */
static void forget_refused(struct core *c, struct job *job, enum party party,
			   const struct msg_answer *answer)
{
	migrate_collect(c, job, party, answer);
}

static answer_fn *const refused[STAGE_COUNT] = {
	[STAGE_check] = early_refused,
	[STAGE_admit] = early_refused,
	[STAGE_reserve] = early_refused,
	[STAGE_sync] = step_refused,
	[STAGE_hold] = step_refused,
	[STAGE_arm] = step_refused,
	[STAGE_release] = release_refused,
	[STAGE_start] = start_refused,
	[STAGE_retire] = migrate_retire_refused,
	[STAGE_clean] = insist,
	[STAGE_forget] = forget_refused,
	[STAGE_unreserve] = insist,
	[STAGE_rollback] = undo_refused,
	[STAGE_withdraw] = undo_refused,
	[STAGE_giveback] = undo_refused,
	[STAGE_tidy] = insist,
	[STAGE_takeback] = migrate_takeback_refused,
	[STAGE_overrule] = migrate_overrule_refused,
	[STAGE_takeover] = migrate_takeover_refused,
	[STAGE_stop] = step_refused,
	[STAGE_launch] = insist,
};

void migrate_refused(struct core *c, struct job *job, enum party party,
		     const struct msg_answer *answer)
{
	refused[job->stage](c, job, party, answer);
}
