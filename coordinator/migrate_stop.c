/* SPDX-License-Identifier: MPL-2.0
 *
 * A job that moves nothing: its container is stopped where it is, so that its host becomes empty,
 * and is started there again by a restore. It is not over while it is stopped: it keeps the
 * container's lock, as its host's journal does, and both end together.
 *
 *      stop ──▶ stopped ──restore──▶ launch ──▶ tidy ──▶ done     STAYED
 *        │         │ started or removed by somebody ───▶ tidy     STAYED, as its host says
 *        │         │ cancel ───────────────────────────▶ tidy     STOPPED, a person's from then on
 *        └─────────┴─▶ rollback ─▶ tidy ─▶ done                   STAYED: it, or one of its group,
 *                                                                 could not be stopped */
#include "coordinator/migrate.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

#define EACH_MEMBER(c, of, m) \
	for (struct job *m = migrate_group_next(c, of, NULL); m; m = migrate_group_next(c, of, m))

void migrate_stop(struct core *c, struct job *job)
{
	char text[24];

	EACH_MEMBER(c, job, m)
	{
		m->stops = m->cold = true;
		m->epoch = ++c->epoch;
		m->attempt = 1;
		migrate_enter(c, m, STAGE_stop);
	}
	str_fmt(text, sizeof(text), "%" PRIu64, c->epoch);
	effects_value(c->effects, "epoch", text);
}

void migrate_stop_done(struct core *c, struct job *job, enum party party,
		       const struct msg_answer *answer)
{
	(void)party;
	(void)answer;
	migrate_settle(c, job, OUTCOME_stopped, "");
	migrate_enter(c, job, STAGE_stopped);
}

void migrate_stop_fail(struct core *c, struct job *job)
{
	bool stopped = job->outcome == OUTCOME_stopped;

	if (stopped) /* not any more; what becomes of it, its host says */
		job->outcome = OUTCOME_none;
	if (!job->group[0])
		return;
	EACH_MEMBER(c, job, m)
	{
		if (m == job || (m->stage != STAGE_stop && m->stage != STAGE_stopped))
			continue;
		migrate_fail(c, m, job->code ? job->code : ERR_io, job->fix,
			     "%s, which belongs with it, was not stopped: %.700s", job->container,
			     job->error);
	}
}

/* Over, and its row at the host with it; nothing is done to the container. */
static void let_go(struct core *c, struct job *job, enum outcome outcome, const char *runs_on)
{
	migrate_settle(c, job, outcome, runs_on);
	migrate_enter(c, job, STAGE_tidy);
}

void migrate_stop_look(struct core *c, struct job *job)
{
	const struct node *node = nodes_find(&c->nodes, job->source);
	const struct msg_container *ct =
		node && node->state == NODE_up ? node_container(node, job->container) : NULL;

	if (!ct || !str_eq(ct->migration, job->id))
		return;
	if (str_eq(ct->authority, "started")) {
		str_fmt(job->error, sizeof(job->error), "somebody has started %s on %s",
			job->container, job->source);
		let_go(c, job, OUTCOME_stayed, job->source);
	} else if (str_eq(ct->status, "removed")) {
		str_fmt(job->error, sizeof(job->error), "somebody has removed %s from %s",
			job->container, job->source);
		let_go(c, job, OUTCOME_stayed, "");
	}
}

void migrate_stop_leave(struct core *c, struct job *job, const char *reason)
{
	str_fmt(job->error, sizeof(job->error), "left stopped on %s%s%s", job->source,
		*reason ? ": " : "", reason);
	str_fmt(job->fix, sizeof(job->fix), "start it there yourself");
	let_go(c, job, OUTCOME_stopped, "");
}

void migrate_launch(struct core *c, struct job *job, const char *parent)
{
	job->attempt++;
	job->outcome = OUTCOME_none;
	job->told_end = false;
	str_copy(job->parent, sizeof(job->parent), parent);
	migrate_enter(c, job, STAGE_launch);
}

void migrate_launch_done(struct core *c, struct job *job, enum party party,
			 const struct msg_answer *answer)
{
	if (job->source_gone)
		job->code = ERR_child; /* it does not start: migrate_settle says so */
	migrate_add_reasons(job, answer);
	migrate_settle(c, job, OUTCOME_stayed, job->source);
	migrate_collect(c, job, party, answer);
}
