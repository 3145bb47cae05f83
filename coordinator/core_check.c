/* SPDX-License-Identifier: MPL-2.0
 *
 * Live checks: a probe is a job that asks for the first steps' verdicts and ends there. It is never
 * recorded, and a coordinator that restarts forgets it. */
#include "coordinator/core_requests.h"

#include "base/mem.h"
#include "coordinator/migrate.h"

#include <string.h>

/* All hosts for this probe's container, as its host has described it last. */
static void rank(struct core *c, struct job *probe)
{
	struct score_query query = migrate_query(c, probe);
	struct ranking ranking = {0};

	query.busy = core_job_moving(c, probe->container, probe->source, probe) != NULL;
	if (query.source && probe->chosen[0])
		core_rank_chosen(c, &query, probe->chosen, &ranking);
	else if (query.source)
		score_rank(&query, &c->nodes, &ranking);
	job_set_judged(probe, &ranking);
}

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= b / 8;
}

static bool is_same(const struct msg_container *a, const struct msg_container *b)
{
	struct msg_answer one = {.facts = (struct msg_container *)a};
	struct msg_answer other = {.facts = (struct msg_container *)b};
	auto_free void *x = NULL;
	auto_free void *y = NULL;
	size_t x_len, y_len;

	return !msg_encode_body(MSG_TYPE_answer, &one, &x, &x_len, NULL) &&
	       !msg_encode_body(MSG_TYPE_answer, &other, &y, &y_len, NULL) && x_len == y_len &&
	       !memcmp(x, y, x_len);
}

/* Ten thousand hosts are ranked once where nothing has changed but what always does, and that by
 * little. */
void core_probe_heard(struct job *probe, const struct msg_container *fresh)
{
	const struct msg_container *was = probe->work->ask->container_facts;
	struct msg_container now = *fresh;

	if (is_near(now.rss_bytes, was->rss_bytes) && is_near(now.tree_bytes, was->tree_bytes) &&
	    is_near(now.dirty_bytes_s, was->dirty_bytes_s)) {
		now.rss_bytes = was->rss_bytes;
		now.tree_bytes = was->tree_bytes;
		now.dirty_bytes_s = was->dirty_bytes_s;
		now.cpu_permille = was->cpu_permille;
		now.tasks = was->tasks;
	}
	if (!is_same(&now, was))
		job_set_judged(probe, NULL);
}

int core_ask_check(struct asked *a, struct err *err)
{
	struct job *job;

	if (!given(a->body->container)[0])
		return core_ask_ready(a, err);
	if (core_prepare(a, true, &job, err))
		return -err->code;
	a->reply.final = false;
	job->client = a->client;
	str_copy(job->client_request, sizeof(job->client_request), a->request);
	job->epoch = a->c->epoch + 1;
	rank(a->c, job);
	if (!job->judged->n || !verdict_feasible(&job->judged->v[0].verdict)) {
		job->stage = STAGE_done; /* nobody to ask: what is known is the answer */
		return 0;
	}
	migrate_use(job, &job->judged->v[0]);
	migrate_enter(a->c, job, STAGE_check);
	return 0;
}

static void add_reason(struct core *c, const struct job *probe, struct msg_candidate *candidate,
		       const struct msg_reason *reason)
{
	struct msg_reason *v = core_scratch(c, VERDICT_REASONS_MAX, sizeof(*v));
	const struct code_row *row = code_find(reason->code);
	size_t n = candidate->reasons.n;

	for (size_t i = 0; i < n; i++)
		if (str_eq(candidate->reasons.v[i].code, reason->code))
			return;
	if (n == VERDICT_REASONS_MAX)
		return;
	memcpy(v, candidate->reasons.v, n * sizeof(*v));
	v[n] = *reason;
	if (!given(v[n].skip)[0] && row)
		v[n].skip = row->skip;
	v[n].warning |= verdict_skips(&probe->work->ask->skip, v[n].skip);
	candidate->verdict = verdict_word(verdict_with(verdict_parse(candidate->verdict), &v[n]));
	candidate->reasons.v = v;
	candidate->reasons.n = n + 1;
}

/* What the workers said is added to the verdict of the host that they spoke about. */
static void add_said(struct core *c, const struct job *probe, struct msg_candidate *candidate)
{
	const struct msg_answer *said = probe->reasons ? probe->reasons->answer : NULL;

	for (size_t i = 0; said && i < said->reasons.n; i++)
		add_reason(c, probe, candidate, &said->reasons.v[i]);
	if (probe->code)
		add_reason(c, probe, candidate,
			   &(struct msg_reason){
				   .code = code_row(CODE_no_answer)->code,
				   .why = core_text(c, probe->error),
				   .fix = *probe->fix ? probe->fix : code_row(CODE_no_answer)->fix,
			   });
}

static void say_result(struct msg_reply *reply)
{
	bool cold = false;

	for (size_t i = 0; i < reply->candidates.n; i++) {
		enum verdict_kind kind = verdict_parse(reply->candidates.v[i].verdict);

		if (kind <= VERDICT_warn)
			return;
		cold |= kind == VERDICT_cold;
	}
	reply->code = ERR_refused;
	reply->error = cold ? "no host can take it live; stopped, it could be moved"
			    : "no host can take it";
	reply->fix = cold ? "each host's reasons say what to do; drover migrate --cold stops it, "
			    "moves it "
			    "and starts it"
			  : "each host's reasons say what to do";
}

void core_probe_done(struct core *c, struct job *probe)
{
	struct score_query query = migrate_query(c, probe);
	struct msg_reply reply = {.final = true};

	if (!probe->judged)
		rank(c, probe);
	core_list_candidates(c, probe->judged, &reply);
	if (query.rules)
		core_show_rules(c, query.rules, &reply);
	for (size_t i = 0; i < reply.candidates.n; i++)
		if (str_eq(reply.candidates.v[i].host, probe->target))
			add_said(c, probe, &reply.candidates.v[i]);
	say_result(&reply);
	core_reply(c, probe->client, probe->client_request, &reply);
	core_job_drop(c, probe);
}
