/* SPDX-License-Identifier: MPL-2.0
 *
 * A person decides a handover in place of the host that is gone. The coordinator says no while that
 * host may live; whether the word is an operator's is the owner's worker to judge, and until it has
 * said yes the job waits as it did.
 *
 *   release (S silent) ──takeover──▶ T: force ──▶ MOVED, retire …      no: back to release
 *   start   (T silent) ──takeback──▶ S: force ──▶ STAYED, overrule …   no: back to start
 *   LOST on T          ──takeback──▶ S: force ──▶ STAYED, overrule …   no: back to done
 */
#include "coordinator/liveness.h"
#include "coordinator/migrate.h"

#include <inttypes.h>
#include <string.h>

#define SILENCE_MS 30000 /* of a host before a person may say that it is off */

/* --- may it be? --- */

static uint64_t silence_ms(const struct core *c, const struct node *node)
{
	return node ? liveness_silence_ms(&c->nodes, node, c->now.mono_ms) : 0;
}

/* Dead, and silent for long while this coordinator listened. */
static int check_gone(struct core *c, const char *id, struct err *err)
{
	const struct node *node = nodes_find(&c->nodes, id);
	uint64_t silent_ms = silence_ms(c, node);

	if (node && (node->state == NODE_up || node->state == NODE_suspect)) {
		fail(err, ERR_refused, "%s is %s: it was heard %" PRIu64 " s ago%s%s", id,
		     node_state_name(node->state), silent_ms / 1000, *node->note ? "; " : "",
		     node->note);
		return err_fix(err, "the job goes on by itself when its worker answers; force is "
				    "for a host that is off");
	}
	if (silent_ms >= SILENCE_MS)
		return 0;
	fail(err, ERR_refused, "%s was not heard for %" PRIu64 " s only", id, silent_ms / 1000);
	return err_fix(err, "make sure that it is off, and come again after %" PRIu64 " s",
		       (SILENCE_MS - silent_ms) / 1000 + 1);
}

static int check_owner(struct core *c, const char *id, struct err *err)
{
	const struct node *node = nodes_find(&c->nodes, id);

	if (node && node->state == NODE_up)
		return 0;
	fail(err, ERR_unreachable, "%s shall have it, and is %s itself", id,
	     node ? node_state_name(node->state) : "unknown");
	return err_fix(err, "its own worker has to do it: bring it back first");
}

/* The side that is asked in the stage that holds the job is the one that is missing. */
static int check_job(const struct job *job, enum party owner, struct err *err)
{
	bool lost = job->stage == STAGE_done && job->outcome == OUTCOME_lost;
	enum party missing = job->stage == STAGE_release ? PARTY_source : PARTY_target;

	if (!lost && (job->outcome != OUTCOME_held ||
		      (job->stage != STAGE_release && job->stage != STAGE_start))) {
		fail(err, ERR_refused, "job %s is not held: it is %s", job->id,
		     job->outcome ? outcome_name(job->outcome) : stage_name(job->stage));
		return err_fix(err, "force is for a job that drover status shows as HELD or LOST");
	}
	if (owner != missing)
		return 0;
	fail(err, ERR_refused, "job %s waits for %s: it cannot be given to the host that is silent",
	     job->id, job_node(job, missing));
	return err_fix(err, "--owner %s, when %s is off for good",
		       owner == PARTY_source ? "target" : "source", job_node(job, missing));
}

static int check_words(const struct job *job, enum party owner, const struct msg_request *request,
		       struct err *err)
{
	const char *other = job_node(job, party_other(owner));

	if (!given(request->reason)[0])
		return fail(err, ERR_usage, "force needs a reason");
	if (!str_eq(given(request->host), other)) {
		fail(err, ERR_refused, "the other host is %s, not %s", other,
		     given(request->host)[0] ? request->host : "one that was not named");
		return err_fix(err, "--confirm %s, when it is really off", other);
	}
	if (given(request->operator)[0] && request->statement.len)
		return 0;
	return fail(err, ERR_denied, "force needs the signature of an operator of the roster");
}

/* --- there --- */

static void begin(struct core *c, struct job *job, enum party owner,
		  const struct msg_request *request)
{
	const char *other = job_node(job, party_other(owner));
	struct msg_ask work = *job->work->ask;

	work.operator= request->operator;
	work.statement = request->statement;
	work.reason = request->reason;
	job_set_work(job, &work);
	job->forced_ms = c->now.wall_ms;
	str_fmt(job->forced, sizeof(job->forced),
		"%s has it by the word of %s (operator %s), %s being off, not heard for %" PRIu64
		" s: %s",
		job_node(job, owner), given(request->user)[0] ? request->user : "?",
		request->operator, other, silence_ms(c, nodes_find(&c->nodes, other)) / 1000,
		request->reason);
	core_emit(c, "job.forced", other, job->forced, job);
	job->failed = job->stage; /* where it goes back to */
	job->told_end = false;
	migrate_enter(c, job, owner == PARTY_source ? STAGE_takeback : STAGE_takeover);
}

int migrate_force(struct core *c, struct job *job, const struct msg_request *request,
		  struct err *err)
{
	enum party owner = str_eq(given(request->owner), "target") ? PARTY_target : PARTY_source;
	int rc;

	if (owner == PARTY_source && !str_eq(given(request->owner), "source"))
		return fail(err, ERR_usage, "the owner is source or target");
	if (job->stage == STAGE_takeback || job->stage == STAGE_takeover)
		return fail(err, ERR_busy, "job %s is being forced already", job->id);
	rc = check_job(job, owner, err);
	if (!rc)
		rc = check_owner(c, job_node(job, owner), err);
	if (!rc && job->outcome == OUTCOME_held) /* LOST is the target's own word */
		rc = check_gone(c, job_node(job, party_other(owner)), err);
	if (!rc)
		rc = check_words(job, owner, request, err);
	if (!rc)
		begin(c, job, owner, request);
	return rc;
}

/* --- answers --- */

static void back(struct core *c, struct job *job, enum party party, const struct msg_answer *answer)
{
	enum stage stage = job->failed;

	job->failed = STAGE_none;
	job->forced[0] = '\0';
	job->forced_ms = 0;
	migrate_enter(c, job, stage);
	job->code = (int)answer->code;
	str_fmt(job->error, sizeof(job->error), "%s does not take it by force: %.800s",
		job_node(job, party),
		given(answer->error)[0] ? answer->error : err_text((int)answer->code));
	str_copy(job->fix, sizeof(job->fix), answer->fix);
	job->told_end = false;
	if (stage != STAGE_done)
		job->waiting_ms = c->now.mono_ms > LINGER_MS ? c->now.mono_ms - LINGER_MS : 1;
	core_emit(c, "job.unforced", job_node(job, party), job->error, job);
}

static void decided(struct job *job)
{
	job->code = 0;
	job->error[0] = job->fix[0] = '\0';
	job->outcome = OUTCOME_none;
}

void migrate_takeback_done(struct core *c, struct job *job, enum party party,
			   const struct msg_answer *answer)
{
	(void)party;
	(void)answer;
	decided(job);
	migrate_settle(c, job, OUTCOME_stayed, job->source);
	migrate_enter(c, job, STAGE_overrule);
}

/* S has settled it meanwhile, or will not. */
void migrate_takeback_refused(struct core *c, struct job *job, enum party party,
			      const struct msg_answer *answer)
{
	if (str_eq(answer->state, "closed")) {
		migrate_takeback_done(c, job, party, answer);
	} else if (str_eq(answer->state, "done")) {
		decided(job);
		job->forced[0] = '\0';
		migrate_settle(c, job, OUTCOME_moved, job->target);
		migrate_enter(c, job, STAGE_clean);
	} else {
		back(c, job, party, answer);
	}
}

void migrate_takeover_done(struct core *c, struct job *job, enum party party,
			   const struct msg_answer *answer)
{
	if (!answer->proof.len) {
		migrate_ask_anew(c, job, party);
		return;
	}
	decided(job);
	job->failed = STAGE_none;
	migrate_keep_proof(job, answer);
	migrate_settle(c, job, OUTCOME_moved, job->target);
	migrate_enter(c, job, STAGE_retire);
}

void migrate_takeover_refused(struct core *c, struct job *job, enum party party,
			      const struct msg_answer *answer)
{
	if (!str_eq(answer->state, "lost")) {
		back(c, job, party, answer);
		return;
	}
	decided(job);
	job->code = ERR_lost;
	str_fmt(job->error, sizeof(job->error), "%s died on %s as it was started: %.800s",
		job->container, job->target, given(answer->error));
	migrate_settle(c, job, OUTCOME_lost, "");
	migrate_enter(c, job, STAGE_done);
}

/* What the override risks has come to pass: said as loudly as can be, and nobody is killed. */
static void split(struct core *c, struct job *job)
{
	job->code = ERR_held;
	job->runs_on[0] = '\0';
	str_fmt(job->error, sizeof(job->error),
		"%s runs on BOTH %s and %s: it was forced while the other ran it", job->container,
		job->source, job->target);
	str_fmt(job->fix, sizeof(job->fix),
		"stop one of them now, on its host, with its runtime; "
		"what both did since has to be compared by a person");
	job->told_end = false;
	job->dirty_job = true;
	core_emit(c, "job.split", NULL, job->error, job);
}

void migrate_overrule_refused(struct core *c, struct job *job, enum party party,
			      const struct msg_answer *answer)
{
	if (str_eq(answer->state, "running")) {
		split(c, job);
	} else if (str_eq(answer->state, "lost")) {
		str_fmt(job->error, sizeof(job->error),
			"it had run on %s too, and ended there with what it had done", job->target);
		job->dirty_job = true;
	} else {
		migrate_ask_anew(c, job, party);
		return;
	}
	migrate_collect(c, job, party, answer);
}

/* A source that comes back after its container was given to the target: it may have been HELD only,
 * and then it has resumed by itself. */
void migrate_retire_refused(struct core *c, struct job *job, enum party party,
			    const struct msg_answer *answer)
{
	bool resumed = str_eq(answer->state, "own") || str_eq(answer->state, "closed");

	if (!job->forced[0] || !resumed) {
		migrate_ask_anew(c, job, party);
		return;
	}
	if (!job->source_gone)
		split(c, job);
	migrate_collect(c, job, party, answer);
}
