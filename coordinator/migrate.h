/* SPDX-License-Identifier: MPL-2.0
 *
 * The step machine: it walks one job along the stage table (steps.h). docs/protocol.md says what
 * each transition means; nothing else changes a job's stage or outcome.
 *
 *      migrate_start                                                             outcome known
 *           │                                                                          │
 *        ┌──▼──┐ ok ┌───────┐ ok ┌─────────┐ ok  ┌──────┐ ok ┌──────┐ ok ┌─────┐ ok    │
 *    ┌──▶│check├───▶│ admit ├───▶│ reserve ├────▶│ sync ├───▶│ hold ├───▶│ arm ├──┐    │
 *    │   └──┬──┘    └───┬───┘    └────┬────┘     └──┬───┘    └──┬───┘    └──┬──┘  │    │
 *    │ next │ candidate │             │             │           │           │  ┌──▼────┴┐ no answer
 *    └──────┴───────────┘         unreserve         └───── rollback ────────┘  │release ├─▶ HELD
 *     none left: forget        STAYED at once      STAYED: at once, or when    └──┬──┬──┘
 *     STAYED at once                               S has answered abort    S says │  │ grant
 *                                                                 it has  aborted │  │
 *                                                             withdraw: STAYED ◀──┘  │
 *                                                                                 ┌──▼───┐ no
 * answer giveback: STAYED when S ◀────────┤start ├─▶ HELD has answered abort     T REFUSED └──┬───┘
 *                                                                                    │ running
 *                                                              retire → clean → done ◀ MOVED
 *
 * What may be trusted: up to arm S alone has authority and thaws by itself; in release and start
 * nobody runs, and silence means HELD, never a guess; from retire on T runs. HELD is left by the
 * answer that was missing, however late. */
#ifndef DROVER_COORDINATOR_MIGRATE_H
#define DROVER_COORDINATOR_MIGRATE_H

#include "coordinator/core_impl.h"

/* Puts a new job, whose container, source, working set and choice of target are set, on its way.
 * -ERR_refused when there is no target for it. */
int migrate_start(struct core *c, struct job *job, struct err *err);

/* A replayed job goes on: its stage's asks are sent again under the same attempt. */
void migrate_resume(struct core *c, struct job *job);

/* An answer of this party; dropped unless it is the one that is waited for. */
void migrate_answer(struct core *c, struct job *job, enum party party,
		    const struct msg_answer *answer);
void migrate_progress(struct core *c, struct job *job, enum party party,
		      const struct msg_progress *progress);

/* This party's worker is another process now: what it was asked is asked at once. */
void migrate_restarted(struct core *c, struct job *job, enum party party);

/* Repeats asks, watches deadlines and hosts. */
void migrate_tick(struct core *c, struct job *job);

/* When the job wants its next tick (monotonic). */
uint64_t migrate_next_ms(const struct job *job);

/* -ERR_refused from release on. */
int migrate_cancel(struct core *c, struct job *job, const char *reason, struct err *err);

/* An operator's signed word decides a job that is held (migrate_force.c): the request names the
 * owner and, once more, the host that is off. -ERR_refused while that host may live, and for a job
 * that waits for nobody; -ERR_unreachable when the owner cannot be asked. */
int migrate_force(struct core *c, struct job *job, const struct msg_request *request,
		  struct err *err);

/* --- migrate_stop.c: what is stopped where it is --- */

/* A new job and its group, without a target, on their way: stopped, until they are launched. */
void migrate_stop(struct core *c, struct job *job);

/* One that is stopped is started again at its own host. */
void migrate_launch(struct core *c, struct job *job, const char *parent);

/* While it is stopped: whether somebody has started or removed it, as its host says. */
void migrate_stop_look(struct core *c, struct job *job);

/* A member of a group was not stopped: the others are started again. */
void migrate_stop_fail(struct core *c, struct job *job);

/* A person takes it over as it is: drover leaves it stopped. */
void migrate_stop_leave(struct core *c, struct job *job, const char *reason);

void migrate_stop_done(struct core *c, struct job *job, enum party party,
		       const struct msg_answer *answer);
void migrate_launch_done(struct core *c, struct job *job, enum party party,
			 const struct msg_answer *answer);

/* --- for the files of the machine --- */

void migrate_enter(struct core *c, struct job *job, enum stage stage);

/* Records why and goes the way that the stage's row says. */
void migrate_fail(struct core *c, struct job *job, int code, const char *fix, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* The outcome is known (or, with OUTCOME_held, known to be open). */
void migrate_settle(struct core *c, struct job *job, enum outcome outcome, const char *runs_on);

/* Asks this party again later, under a new attempt: its answer settled nothing. */
void migrate_ask_anew(struct core *c, struct job *job, enum party party);
void migrate_ask_now(struct core *c, struct job *job, enum party party);

/* Marks the party's ask as answered; true when the stage has all its answers. */
bool migrate_answered(struct job *job, enum party party);

/* An answer with an error (migrate_refused.c). */
void migrate_refused(struct core *c, struct job *job, enum party party,
		     const struct msg_answer *answer);

/* The first reason that neither is a warning nor skipped by the user, NULL when there is none. */
const struct msg_reason *migrate_refusal_of(const struct job *job, const struct msg_answer *answer);

/* A worker refuses: the next candidate, or the end. */
void migrate_refused_by(struct core *c, struct job *job, enum party party,
			const struct msg_reason *reason);
void migrate_keep_reasons(struct job *job, const struct msg_answer *answer);
void migrate_add_reasons(struct job *job, const struct msg_answer *answer);
void migrate_keep_proof(struct job *job, const struct msg_answer *answer);

/* An answer ended a silence that was told as HELD. */
void migrate_unhold(struct job *job);

/* For stages that only need every answer. */
void migrate_collect(struct core *c, struct job *job, enum party party,
		     const struct msg_answer *answer);

/* migrate_budget.c: true when what was measured is over the job's budget, and it has failed for
 * that; it may have become a cold move instead. */
bool migrate_over_budget(struct core *c, struct job *job, const struct msg_figures *figures);

/* --- migrate_force.c: answers in the stages that a person's word leads to --- */
void migrate_takeback_done(struct core *c, struct job *job, enum party party,
			   const struct msg_answer *answer);
void migrate_takeback_refused(struct core *c, struct job *job, enum party party,
			      const struct msg_answer *answer);
void migrate_overrule_refused(struct core *c, struct job *job, enum party party,
			      const struct msg_answer *answer);
void migrate_takeover_done(struct core *c, struct job *job, enum party party,
			   const struct msg_answer *answer);
void migrate_takeover_refused(struct core *c, struct job *job, enum party party,
			      const struct msg_answer *answer);
void migrate_retire_refused(struct core *c, struct job *job, enum party party,
			    const struct msg_answer *answer);

/* --- migrate_group.c: jobs that move as one --- */

/* The members of a job's group in the order of their start, itself among them; NULL past the last.
 * A job without a group has itself. */
struct job *migrate_group_next(const struct core *c, const struct job *of, const struct job *after);

/* Makes the jobs of the others, with the lead's wishes. -ERR_refused when they are too many. */
int migrate_group_make(struct core *c, struct job *lead, const struct place *place,
		       struct err *err);

/* Forgets jobs that were not begun, the others first. */
void migrate_group_drop(struct core *c, struct job *job);

/* The best host that takes all of them; and another one before anything is reserved. */
int migrate_group_pick(struct core *c, struct job *job, struct err *err);
bool migrate_group_repick(struct core *c, struct job *job);

/* True: the job has a group, and either waits for it before this stage or has entered it by now. */
bool migrate_group_waits(struct core *c, struct job *job, enum stage next);

/* A member has failed: those that are not past their release stay, too. */
void migrate_group_fail(struct core *c, struct job *job);

/* Whether the end of each member has been told. */
bool migrate_group_told(const struct core *c, const struct job *job);

/* --- migrate_pick.c --- */

bool migrate_was_tried(const struct job *job, const char *id);
void migrate_use(struct job *job, const struct candidate *best);

/* The query that stands for this job's container. */
struct score_query migrate_query(struct core *c, struct job *job);

/* Chooses the best host that was not tried yet, or the one that the user chose. -ERR_refused when
 * there is none: job->judged has them all then, but for a group. */
int migrate_pick(struct core *c, struct job *job, struct err *err);

/* Before the first freeze: on to the next candidate, false when there is none left. */
bool migrate_next_candidate(struct core *c, struct job *job);

#endif
