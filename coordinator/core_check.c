/* SPDX-License-Identifier: MPL-2.0
 *
 * Live checks: a probe is a job that asks for the first steps' verdicts and ends there. It is never
 * recorded, and a coordinator that restarts forgets it. */
#include "coordinator/core_group.h"
#include "coordinator/core_requests.h"
#include "coordinator/migrate.h"

#include "base/mem.h"

#include <stdlib.h>
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

/* What ties it to others is in its host's list; the rest of what is known of it may be newer. */
static void group_of_probe(const struct score_query *query, struct group *ret)
{
	const struct msg_container *listed;

	*ret = (struct group){.n = 1};
	if (!query->source || !query->container)
		return;
	listed = node_container(query->source, given(query->container->id));
	group_of(&(struct place){query->source, listed ? listed : query->container, false}, ret);
	ret->v[0].container = query->container;
}

/* The best that takes it, and all that move with it; NULL when there is none. */
static const struct candidate *best_of(struct core *c, struct job *probe)
{
	struct score_query query = migrate_query(c, probe);
	struct group_how how = {query.skip, query.cold};
	struct group group;

	group_of_probe(&query, &group);
	for (size_t i = 0; i < probe->judged->n; i++) {
		const struct candidate *one = &probe->judged->v[i];

		if (verdict_feasible(&one->verdict) &&
		    (group.n == 1 || core_group_fits(c, &group, &how, one->node)))
			return one;
	}
	return NULL;
}

int core_ask_check(struct asked *a, struct err *err)
{
	const struct candidate *best;
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
	best = best_of(a->c, job);
	if (!best) {
		job->stage = STAGE_done; /* nobody to ask: what is known is the answer */
		return 0;
	}
	migrate_use(job, best);
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

/* --- with all that move with it --- */

static uint64_t *counter(struct msg_tally *tally, enum verdict_kind kind)
{
	uint64_t *const counters[] = {&tally->live, &tally->warn, &tally->cold, &tally->no};

	return counters[kind];
}

static int by_kind(const void *a, const void *b)
{
	const struct msg_candidate *x = a, *y = b;
	int order = (int)verdict_parse(x->verdict) - (int)verdict_parse(y->verdict);
	bool live = verdict_parse(x->verdict) <= VERDICT_warn &&
		    verdict_parse(y->verdict) <= VERDICT_warn;

	if (order && !live)
		return order;
	return x->tier != y->tier     ? (x->tier > y->tier ? -1 : 1)
	       : x->score != y->score ? (x->score > y->score ? -1 : 1)
				      : strcmp(x->host, y->host);
}

/* A host takes all or none. */
static void judge_group(struct core *c, const struct group *group, const struct group_how *how,
			struct msg_reply *reply)
{
	for (size_t i = 0; i < reply->candidates.n; i++) {
		struct msg_candidate *one = &reply->candidates.v[i];
		const struct node *node = nodes_find(&c->nodes, one->host);
		struct group_verdict said;

		if (!node)
			continue;
		core_group_judge(c, group, how, node, &said);
		if (reply->tally) {
			--*counter(reply->tally, verdict_parse(one->verdict));
			++*counter(reply->tally, said.kind);
		}
		one->verdict = verdict_word(said.kind);
		one->reasons.n = core_group_reasons(c, group, &said, 0, &one->reasons.v);
		group_verdict_done(&said);
	}
	if (reply->candidates.n)
		qsort(reply->candidates.v, reply->candidates.n, sizeof(*reply->candidates.v),
		      by_kind);
}

static void show_group(struct core *c, const struct group *group, struct msg_reply *reply)
{
	struct msg_rules *rules = reply->rules;

	if (!rules)
		rules = reply->rules = core_scratch(c, 1, sizeof(*rules));
	rules->group = core_text(c, group->name);
	rules->moves_with.v = core_scratch(c, GROUP_MAX, sizeof(*rules->moves_with.v));
	for (size_t i = 1; i < group_listed(group); i++)
		rules->moves_with.v[rules->moves_with.n++] = group->v[i].container->id;
}

static void add_group(struct core *c, const struct score_query *query, struct msg_reply *reply)
{
	struct group_how how = {query->skip, query->cold};
	struct group group;

	group_of_probe(query, &group);
	if (group.n == 1)
		return;
	show_group(c, &group, reply);
	judge_group(c, &group, &how, reply);
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
	add_group(c, &query, &reply);
	for (size_t i = 0; i < reply.candidates.n; i++)
		if (str_eq(reply.candidates.v[i].host, probe->target))
			add_said(c, probe, &reply.candidates.v[i]);
	say_result(&reply);
	core_reply(c, probe->client, probe->client_request, &reply);
	core_job_drop(c, probe);
}
