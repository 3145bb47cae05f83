/* SPDX-License-Identifier: MPL-2.0
 *
 * Jobs that move as one: a job a member, under one group id, from one host to one other. They walk
 * the stages by themselves and wait for each other before anything is reserved, before the first
 * freeze and before the release. Until the release one that fails takes the others back with it;
 * from then on S and T decide for all of them at once (worker/group.h). */
#include "coordinator/core_requests.h"
#include "coordinator/group.h"
#include "coordinator/migrate.h"

#include "base/mem.h"

/* --- who --- */

struct job *migrate_group_next(const struct core *c, const struct job *of, const struct job *after)
{
	bool seen = !after;

	for (size_t i = 0; i < c->n_jobs; i++) {
		struct job *job = c->jobs[i];
		bool member = job == of || (of->group[0] && str_eq(job->group, of->group));

		if (seen && member)
			return job;
		seen |= job == after;
	}
	return NULL;
}

#define EACH_MEMBER(c, of, m) \
	for (struct job *m = migrate_group_next(c, of, NULL); m; m = migrate_group_next(c, of, m))

/* --- made --- */

void migrate_group_drop(struct core *c, struct job *job)
{
	struct job *other;

	while (job->group[0] && (other = migrate_group_next(c, job, NULL))) {
		if (other == job)
			other = migrate_group_next(c, job, job);
		if (!other)
			break;
		core_job_drop(c, other);
	}
	core_job_drop(c, job);
}

static void add_member(struct core *c, struct job *lead, const struct place *place, uint64_t n)
{
	struct msg_ask work;
	struct job *job;
	char id[ULID_SIZE];

	do
		ulid_nth(id, lead->id, n++, c->now.wall_ms);
	while (core_job_find(c, id));
	job = core_job_make(c, id, place, lead->work->ask->skip, lead->user);
	str_copy(job->chosen, sizeof(job->chosen), lead->chosen);
	str_copy(job->parent, sizeof(job->parent), lead->parent);
	str_copy(job->group, sizeof(job->group), lead->id);
	str_copy(job->group_name, sizeof(job->group_name), lead->group_name);
	job->group_size = lead->group_size;
	job->probe = lead->probe;
	job->cold = lead->cold;
	str_copy(job->mode_reason, sizeof(job->mode_reason), lead->mode_reason);
	work = *job->work->ask;
	work.deadline_ms = lead->work->ask->deadline_ms;
	work.max_downtime_ms = lead->work->ask->max_downtime_ms;
	job_set_work(job, &work);
}

int migrate_group_make(struct core *c, struct job *lead, const struct place *place, struct err *err)
{
	struct group group;

	group_of(place, &group);
	if (group.n == 1)
		return 0;
	if (group.n > GROUP_MAX) {
		fail(err, ERR_refused,
		     "%s: %zu containers of %s are in group %s: at most %d move as one",
		     code_row(CODE_group_size)->code, group.n, place->node->id, group.name,
		     GROUP_MAX);
		return err_fix(err, "%s", code_row(CODE_group_size)->fix);
	}
	str_copy(lead->group, sizeof(lead->group), lead->id);
	str_copy(lead->group_name, sizeof(lead->group_name), group.name);
	lead->group_size = group.n;
	for (size_t i = 1; i < group.n; i++)
		add_member(c, lead, &group.v[i], i);
	return 0;
}

/* --- where to --- */

/* Whether the host takes them all together; err says which it does not take, and why. */
static bool takes_all(struct core *c, struct job *job, const struct node *node, struct err *err)
{
	EACH_MEMBER(c, job, m)
	{
		struct score_query query = migrate_query(c, m);
		struct verdict verdict;
		char why[ERR_TEXT_MAX];
		bool can;

		if (!query.source || !query.container) {
			fail(err, ERR_nosuch, "nothing is known of %s any more", m->container);
			return false;
		}
		EACH_MEMBER(c, job, before)
		{
			if (before == m)
				break;
			if (before->work->ask->container_facts && !str_eq(before->target, node->id))
				core_book_one(c, (struct node *)node,
					      before->work->ask->container_facts);
		}
		score_verdict(&query, node, &verdict);
		can = verdict_feasible(&verdict);
		if (!can) {
			verdict_print(&verdict, why, sizeof(why));
			fail(err, ERR_refused, "%s: %s: %s", node->id, m->container, why);
			err_fix(err, "%s", verdict_fix(&verdict));
		}
		verdict_done(&verdict);
		if (!can)
			return false;
	}
	return true;
}

static void use_for_all(struct core *c, struct job *job, const struct node *node)
{
	EACH_MEMBER(c, job, m)
	{
		struct score_query query = migrate_query(c, m);
		struct candidate one = {0};

		score_one(&query, node, &one);
		migrate_use(m, &one);
		candidate_done(&one);
	}
}

int migrate_group_pick(struct core *c, struct job *job, struct err *err)
{
	struct score_query query = migrate_query(c, job);
	struct err why = {0};
	struct ranking ranking;
	const struct node *found = NULL;

	if (!query.source || !query.container)
		return fail(err, ERR_nosuch, "nothing is known of %s any more", job->container);
	if (job->chosen[0])
		core_rank_chosen(c, &query, job->chosen, &ranking);
	else
		score_rank(&query, &c->nodes, &ranking);
	for (size_t i = 0; i < ranking.n && !found; i++)
		if (!migrate_was_tried(job, ranking.v[i].node->id) &&
		    ranking.v[i].node != query.source &&
		    takes_all(c, job, ranking.v[i].node, why.code ? NULL : &why))
			found = ranking.v[i].node;
	ranking_done(&ranking);
	if (found) {
		use_for_all(c, job, found);
		return 0;
	}
	fail(err, ERR_refused, "no host can take %s with its group %s: %s", job->container,
	     job->group_name, why.code ? why.text : "there is no other host");
	return err_fix(err, "%s",
		       why.fix[0] ? why.fix : "drover check shows every host and reason");
}

bool migrate_group_repick(struct core *c, struct job *job)
{
	struct err err = {0};

	EACH_MEMBER(c, job, m)
	if (m->stage > STAGE_admit)
		return false;
	if (migrate_group_pick(c, job, &err))
		return false;
	EACH_MEMBER(c, job, m)
	{
		m->ready = false;
		migrate_enter(c, m, STAGE_check);
	}
	return true;
}

/* --- together --- */

bool migrate_group_waits(struct core *c, struct job *job, enum stage next)
{
	if (!job->group[0] ||
	    (next != STAGE_reserve && next != STAGE_hold && next != STAGE_release))
		return false;
	job->ready = true;
	for (enum party p = 0; p < PARTY_COUNT; p++)
		job->slot[p].answered = true;
	EACH_MEMBER(c, job, m)
	if (!m->ready || m->stage != job->stage)
		return true;
	EACH_MEMBER(c, job, m)
	{
		m->ready = false;
		migrate_enter(c, m, next);
	}
	return true;
}

void migrate_group_fail(struct core *c, struct job *job)
{
	if (!job->group[0] || job->failed > STAGE_release)
		return;
	EACH_MEMBER(c, job, m)
	{
		if (m == job || m->stage == STAGE_none || m->stage > STAGE_release)
			continue;
		m->cancelled = job->cancelled;
		m->past_deadline = job->past_deadline;
		m->still_held = m->stage == STAGE_release;
		migrate_fail(c, m,
			     job->cancelled ? ERR_canceled
			     : job->code    ? job->code
					    : ERR_io,
			     job->fix, "%s, which moves with it, stayed: %.700s", job->container,
			     job->error);
	}
}

/* --- told --- */

bool migrate_group_told(const struct core *c, const struct job *job)
{
	EACH_MEMBER(c, job, m)
	if (!m->told_end || m->told != m->outcome)
		return false;
	return true;
}
