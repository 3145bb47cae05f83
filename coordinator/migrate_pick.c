/* SPDX-License-Identifier: MPL-2.0
 *
 * Which target a job tries: the user's choice, or the best host that was not tried yet. */
#include "coordinator/migrate.h"

#include "base/mem.h"

#include <string.h>

struct score_query migrate_query(struct core *c, struct job *job)
{
	struct score_query query = {0};

	core_book(c, job);
	query.container = job->work->ask->container_facts;
	query.source = nodes_find(&c->nodes, job->source);
	if (!query.container || !query.source)
		return query;
	query = core_query(c, query.container, query.source);
	query.skip = job->work->ask->skip;
	query.cold = job->cold;
	if (job->work->ask->max_downtime_ms) {
		struct rules *rules = core_scratch(c, 1, sizeof(*rules));

		*rules = *query.rules;
		rules->max_downtime_ms = job->work->ask->max_downtime_ms;
		rules->asked = true;
		query.rules = rules;
	}
	query.busy = !job->probe && core_job_moving(c, job->container, job->source, job) != NULL;
	return query;
}

bool migrate_was_tried(const struct job *job, const char *id)
{
	for (size_t i = 0; i < JOB_CANDIDATES_MAX; i++)
		if (str_eq(job->tried[i], id))
			return true;
	return false;
}

void migrate_use(struct job *job, const struct candidate *best)
{
	struct msg_ask work = *job->work->ask;
	struct msg_reason reasons[VERDICT_REASONS_MAX];

	str_copy(job->target, sizeof(job->target), best->node->id);
	if (job->attempt < JOB_CANDIDATES_MAX)
		str_copy(job->tried[job->attempt], NAME_SIZE, best->node->id);
	job->attempt++;
	job->score = best->score;
	job->predicted_frozen_ms = best->prediction.frozen_ms;
	job->predicted_total_ms = best->prediction.total_ms;
	work.peer_address = best->node->address;
	work.peer_port = best->node->ssh_port;
	job_set_work(job, &work);
	job_set_reasons(job, reasons, verdict_reasons(&best->verdict, reasons));
}

/* Where few hosts are the reason, each is named; where many are, the first. */
static void say_none(const struct ranking *ranking, const struct job *job, struct err *err)
{
	char why[ERR_TEXT_MAX] = "", one[400];
	const char *fix = "";

	for (size_t i = 0; i < ranking->n; i++) {
		const struct candidate *candidate = &ranking->v[i];
		size_t used = strlen(why);

		if (verdict_feasible(&candidate->verdict))
			continue; /* tried */
		verdict_print(&candidate->verdict, one, sizeof(one));
		str_fmt(why + used, sizeof(why) - used, "%s%s: %s", used ? "; " : "",
			candidate->node->id, one);
		if (!*fix)
			fix = verdict_fix(&candidate->verdict);
	}
	fail(err, ERR_refused, "no host can take %s: %s", job->container,
	     *why ? why : "there is no other host");
	err_fix(err, "%s", *fix ? fix : "drover check shows every host and reason");
}

static bool is_out(void *arg, const struct node *node)
{
	return migrate_was_tried(arg, node->id);
}

/* The chosen host, or the best that was not tried; false when it cannot be had. */
static bool find_target(struct core *c, struct job *job, const struct score_query *query,
			struct candidate *ret)
{
	const struct node *chosen = nodes_find(&c->nodes, job->chosen);

	if (!job->chosen[0])
		return score_best(query, &c->nodes, is_out, job, ret);
	if (!chosen)
		return false;
	score_one(query, chosen, ret);
	return verdict_feasible(&ret->verdict);
}

int migrate_pick(struct core *c, struct job *job, struct err *err)
{
	struct score_query query = migrate_query(c, job);
	struct candidate best = {0};
	struct ranking ranking;

	job_set_judged(job, NULL);
	if (job->group[0])
		return migrate_group_pick(c, job, err);
	if (!query.source || !query.container)
		return fail(err, ERR_nosuch, "nothing is known of %s any more", job->container);
	if (find_target(c, job, &query, &best)) {
		migrate_use(job, &best);
		candidate_done(&best);
		return 0;
	}
	candidate_done(&best);
	if (job->chosen[0])
		core_rank_chosen(c, &query, job->chosen, &ranking);
	else
		score_rank(&query, &c->nodes, &ranking);
	say_none(&ranking, job, err);
	job_set_judged(job, &ranking);
	return -err->code;
}

bool migrate_next_candidate(struct core *c, struct job *job)
{
	struct err err = {0};

	if (job->probe || job->chosen[0] || job->attempt >= JOB_CANDIDATES_MAX)
		return false;
	if (job->group[0])
		return migrate_group_repick(c, job);
	if (migrate_pick(c, job, &err)) {
		job_set_judged(job, NULL); /* nobody is shown it */
		return false;
	}
	migrate_enter(c, job, STAGE_check);
	return true;
}

int migrate_start(struct core *c, struct job *job, struct err *err)
{
	int rc = migrate_pick(c, job, err);
	struct job *m = NULL;

	while (!rc && (m = migrate_group_next(c, job, m)))
		migrate_enter(c, m, STAGE_check);
	return rc;
}
