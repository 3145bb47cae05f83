/* SPDX-License-Identifier: MPL-2.0
 *
 * What the core asks the judges: queries for its containers, with their rules, and what becomes of
 * the answers. */
#include "coordinator/core_impl.h"

#include "base/mem.h"

void core_mark(struct core *c, struct node *node)
{
	if (node)
		policy_mark(c->config.options, node);
}

/* Whether others of the group run somewhere. The container itself counts once, where it is. */
static bool has_peers(const struct core *c, const struct node *source, const char *group)
{
	uint64_t hash = together_hash(group);
	size_t here = 0;

	for (size_t i = 0; i < source->groups.n; i++)
		here += source->groups.v[i] == hash;
	for (size_t i = 0; i < c->nodes.n; i++)
		if (c->nodes.v[i] != source && hash_set_has(&c->nodes.v[i]->groups, hash))
			return true;
	return here > 1;
}

/* Whether the container could run on another host: one that lists it, or one that is not heard. */
static bool elsewhere(const struct core *c, const struct msg_container *container,
		      const struct node *source)
{
	for (size_t i = 0; i < c->nodes.n; i++) {
		const struct node *node = c->nodes.v[i];
		const struct msg_container *other = node_container(node, given(container->id));

		if (node == source || !node->enrolled)
			continue;
		if (node->state != NODE_up || !node->caps || (other && !container_is_copy(other)))
			return true;
	}
	return false;
}

struct score_query core_query(struct core *c, const struct msg_container *container,
			      const struct node *source)
{
	struct rules *rules = core_scratch(c, 1, sizeof(*rules));

	policy_rules(c->config.options, container, rules);
	return (struct score_query){
		.container = container,
		.source = source,
		.headroom_percent = c->config.headroom_percent,
		.pairs = &c->pairs,
		.rules = rules,
		.now_ms = c->now.mono_ms,
		.interval_ms = c->nodes.interval_ms,
		.elsewhere =
			str_eq(container->authority, "away") && elsewhere(c, container, source),
		.has_peers = *rules->together && has_peers(c, source, rules->together),
	};
}

void core_rank_chosen(struct core *c, const struct score_query *query, const char *host,
		      struct ranking *ret)
{
	const struct node *node = nodes_find(&c->nodes, host);

	*ret = (struct ranking){0};
	if (!node || !query->source)
		return;
	ret->v = mem_new_of(struct candidate);
	ret->n = ret->hosts = 1;
	score_one(query, node, ret->v);
	ret->kinds[verdict_kind(&ret->v->verdict)] = 1;
}

/* The host that comes nearest; where it takes the container cold it is the best one. */
static void judge_stuck(struct core *c, const struct score_query *query, struct msg_place *ret,
			const struct node **ret_best)
{
	struct msg_candidate *nearest = core_scratch(c, 1, sizeof(*nearest));
	struct ranking ranking;

	score_rank(query, &c->nodes, &ranking);
	ret->verdict = verdict_word(VERDICT_no);
	if (ranking.n) {
		core_show_candidate(c, &ranking.v[0], nearest);
		ret->verdict = nearest->verdict;
		ret->reasons.v = nearest->reasons.v;
		ret->reasons.n = nearest->reasons.n;
		if (verdict_kind(&ranking.v[0].verdict) == VERDICT_cold) {
			*ret_best = ranking.v[0].node;
			ret->best = nearest;
		}
	}
	ranking_done(&ranking);
}

void core_judge_place(struct core *c, const struct score_query *query, struct msg_place *ret,
		      const struct node **ret_best)
{
	struct candidate best = {0};

	*ret_best = NULL;
	ret->policy = *query->rules->name ? query->rules->name : NULL;
	ret->priority = query->rules->priority;
	if (!score_best(query, &c->nodes, NULL, NULL, &best)) {
		judge_stuck(c, query, ret, ret_best);
		return;
	}
	*ret_best = best.node;
	ret->best = core_scratch(c, 1, sizeof(*ret->best));
	core_show_candidate(c, &best, ret->best);
	ret->verdict = ret->best->verdict;
	ret->reasons.v = ret->best->reasons.v;
	ret->reasons.n = ret->best->reasons.n;
	candidate_done(&best);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

void core_show_rules(struct core *c, const struct rules *rules, struct msg_reply *reply)
{
	static const char *const moves[] = {
		[MOVE_live] = "live", [MOVE_cold] = "cold", [MOVE_never] = "never"};

	if (!*rules->name && !rules->labeled)
		return;
	reply->rules = core_scratch(c, 1, sizeof(*reply->rules));
	*reply->rules = (struct msg_rules){.policy = or_null(rules->name),
					   .labeled = rules->labeled,
					   .move = moves[rules->move],
					   .prefer = or_null(rules->prefer),
					   .avoid = or_null(rules->avoid),
					   .require = or_null(rules->require),
					   .spread = or_null(rules->spread),
					   .keep_together = or_null(rules->together),
					   .priority = rules->priority,
					   .max_downtime_ms = rules->max_downtime_ms};
}
