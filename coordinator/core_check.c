/* SPDX-License-Identifier: MPL-2.0
 *
 * Live checks: a probe is a job that asks for the first steps' verdicts and ends there. It is never
 * recorded, and a coordinator that restarts forgets it. */
#include "coordinator/core_requests.h"

#include "coordinator/migrate.h"

#include <string.h>

int core_ask_check(struct asked *a, struct err *err)
{
	struct job *job;

	if (core_prepare(a, true, &job, err))
		return -err->code;
	a->reply.final = false;
	job->client = a->client;
	str_copy(job->client_request, sizeof(job->client_request), a->request);
	job->epoch = a->c->epoch + 1;
	if (migrate_start(a->c, job, err))
		job->stage = STAGE_done; /* nobody to ask: what is known is the answer */
	return 0;
}

/* What the workers said is added to the verdict of the host that they spoke about. */
static void add_said(struct core *c, const struct job *probe, struct msg_candidate *candidate)
{
	const struct msg_answer *said = probe->reasons ? probe->reasons->answer : NULL;
	struct msg_reason *v = core_scratch(c, VERDICT_REASONS_MAX, sizeof(*v));
	size_t n = candidate->reasons.n;

	memcpy(v, candidate->reasons.v, n * sizeof(*v));
	for (size_t i = 0; said && i < said->reasons.n && n < VERDICT_REASONS_MAX; i++) {
		const struct msg_reason *reason = &said->reasons.v[i];
		bool known = false;

		for (size_t k = 0; k < n; k++)
			known |= str_eq(v[k].code, reason->code);
		if (known)
			continue;
		v[n] = *reason;
		v[n].warning |= score_skips(&probe->work->ask->skip, reason->skip);
		if (!v[n].warning)
			candidate->verdict = "no";
		else if (str_eq(candidate->verdict, "live"))
			candidate->verdict = "warn";
		n++;
	}
	candidate->reasons.v = v;
	candidate->reasons.n = n;
}

static void add_failure(struct core *c, const struct job *probe, struct msg_candidate *candidate)
{
	struct msg_reason *v = core_scratch(c, VERDICT_REASONS_MAX, sizeof(*v));
	size_t n = candidate->reasons.n;

	if (!probe->code || n == VERDICT_REASONS_MAX)
		return;
	memcpy(v, candidate->reasons.v, n * sizeof(*v));
	v[n] = (struct msg_reason){.code = reason_row(REASON_no_answer)->code,
				   .why = core_scratch(c, 1, 500),
				   .fix = *probe->fix ? probe->fix
						      : reason_row(REASON_no_answer)->fix};
	str_copy((char *)v[n].why, 500, probe->error);
	candidate->reasons.v = v;
	candidate->reasons.n = n + 1;
	candidate->verdict = "no";
}

static void only_chosen(struct msg_reply *reply, const char *chosen)
{
	size_t kept = 0;

	for (size_t i = 0; i < reply->candidates.n; i++)
		if (str_eq(reply->candidates.v[i].host, chosen))
			reply->candidates.v[kept++] = reply->candidates.v[i];
	reply->candidates.n = kept;
}

static void check_same_host(struct core *c, const struct score_query *query, const struct job *job,
			    struct msg_reply *reply, struct candidate *one)
{
	one->node = nodes_find(&c->nodes, job->chosen);
	score_verdict(query, one->node, &one->verdict);
	score_terms(query, one);
	core_list_candidates(c, one, 1, reply);
}

void core_probe_done(struct core *c, struct job *probe)
{
	struct score_query query = migrate_query(c, probe);
	struct msg_reply reply = {.final = true};
	struct candidate *candidates = NULL, same = {0};
	bool can = false;
	size_t n = 0;

	query.busy = core_job_moving(c, probe->container, probe->source, probe) != NULL;
	if (str_eq(probe->chosen, probe->source)) {
		check_same_host(c, &query, probe, &reply, &same);
	} else if (query.source) {
		n = score_rank(&query, &c->nodes, &candidates);
		core_list_candidates(c, candidates, n, &reply);
	}
	if (probe->chosen[0])
		only_chosen(&reply, probe->chosen);
	for (size_t i = 0; i < reply.candidates.n; i++) {
		struct msg_candidate *candidate = &reply.candidates.v[i];

		if (str_eq(candidate->host, probe->target)) {
			add_said(c, probe, candidate);
			add_failure(c, probe, candidate);
		}
		can |= !str_eq(candidate->verdict, "no");
	}
	if (!can) {
		reply.code = ERR_refused;
		reply.error = "no host can take it live";
		reply.fix = "each host's reasons say what to do";
	}
	core_reply(c, probe->client, probe->client_request, &reply);
	candidates_free(&candidates, n);
	verdict_done(&same.verdict);
	core_job_drop(c, probe);
}
