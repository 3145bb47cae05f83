/* SPDX-License-Identifier: MPL-2.0
 *
 * Which target a job tries: the user's choice, or the best host that was not tried yet. */
#include "coordinator/migrate.h"

#include "base/mem.h"

#include <string.h>

struct score_query migrate_query(struct core *c, struct job *job)
{
	core_book(c, job);
	return (struct score_query){
		.container = job->work->ask->container_facts,
		.source = nodes_find(&c->nodes, job->source),
		.skip = job->work->ask->skip,
		.headroom_percent = c->config.headroom_percent,
		.pairs = &c->pairs,
		.busy = !job->probe && core_job_moving(c, job->container, job->source, job) != NULL,
	};
}

static bool was_tried(const struct job *job, const char *id)
{
	for (size_t i = 0; i < JOB_CANDIDATES_MAX; i++)
		if (str_eq(job->tried[i], id))
			return true;
	return false;
}

static void use(struct job *job, const struct candidate *best)
{
	struct msg_ask work = *job->work->ask;
	struct msg_reason reasons[VERDICT_REASONS_MAX];

	str_copy(job->target, sizeof(job->target), best->node->id);
	if (job->attempt < JOB_CANDIDATES_MAX)
		str_copy(job->tried[job->attempt], NAME_SIZE, best->node->id);
	job->attempt++;
	job->score = best->score;
	job->predicted_frozen_ms = best->prediction.frozen_ms;
	work.peer_address = best->node->address;
	work.peer_port = best->node->ssh_port;
	job_set_work(job, &work);
	job_set_reasons(job, reasons, verdict_reasons(&best->verdict, reasons));
}

static void say_none(const struct candidate *candidates, size_t n, const struct job *job,
		     struct err *err)
{
	char why[ERR_TEXT_MAX] = "", one[400];
	const char *fix = "";

	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(why);

		if (candidates[i].verdict.feasible)
			continue; /* tried */
		verdict_print(&candidates[i].verdict, one, sizeof(one));
		str_fmt(why + used, sizeof(why) - used, "%s%s: %s", used ? "; " : "",
			candidates[i].node->id, one);
		if (!*fix)
			fix = verdict_fix(&candidates[i].verdict);
	}
	fail(err, ERR_refused, "no host can take %s: %s", job->container,
	     *why ? why : "there is no other host");
	err_fix(err, "%s", *fix ? fix : "drover check shows every host and reason");
}

int migrate_pick(struct core *c, struct job *job, struct err *err)
{
	struct score_query query = migrate_query(c, job);
	const struct candidate *best = NULL;
	struct candidate *candidates;
	size_t n;

	if (!query.source || !query.container)
		return fail(err, ERR_nosuch, "nothing is known of %s any more", job->container);
	n = score_rank(&query, &c->nodes, &candidates);
	for (size_t i = 0; i < n && !best; i++) {
		const struct candidate *one = &candidates[i];

		if (job->chosen[0] ? str_eq(one->node->id, job->chosen)
				   : one->verdict.feasible && !was_tried(job, one->node->id))
			best = one;
	}
	if (best && best->verdict.feasible)
		use(job, best);
	else
		say_none(best ? best : candidates, best ? 1 : n, job, err);
	best = best && best->verdict.feasible ? best : NULL;
	candidates_free(&candidates, n);
	return best ? 0 : -err->code;
}

bool migrate_next_candidate(struct core *c, struct job *job)
{
	struct err err = {0};

	if (job->probe || job->chosen[0] || job->attempt >= JOB_CANDIDATES_MAX)
		return false;
	if (migrate_pick(c, job, &err))
		return false;
	migrate_enter(c, job, STAGE_check);
	return true;
}

int migrate_start(struct core *c, struct job *job, struct err *err)
{
	int rc = migrate_pick(c, job, err);

	if (!rc)
		migrate_enter(c, job, STAGE_check);
	return rc;
}
