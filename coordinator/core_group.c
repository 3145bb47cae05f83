/* SPDX-License-Identifier: MPL-2.0
 *
 * What is said of a group is what is said of the worst of its members, on one host that takes them
 * all. */
#include "coordinator/core_group.h"

#include "base/mem.h"

#include <string.h>

/* --- on one host --- */

static struct score_query query_of(struct core *c, const struct place *place,
				   const struct group_how *how)
{
	struct score_query query = core_query(c, place->container, place->node);

	query.skip = how->skip;
	query.cold = how->cold;
	query.busy = core_job_moving(c, place->container->id, place->node->id, NULL) != NULL;
	return query;
}

static void judge_size(const struct group *group, const struct group_how *how,
		       struct verdict *verdict)
{
	if (group->n > GROUP_MAX && verdict_note(verdict, CODE_group_size, false, &how->skip))
		verdict_say(verdict, "%zu containers of %s are in group %s: at most %d move as one",
			    group->n, group->v[0].node->id, group->name, GROUP_MAX);
}

void core_group_judge(struct core *c, const struct group *group, const struct group_how *how,
		      const struct node *node, struct group_verdict *ret)
{
	struct node *to = (struct node *)node;
	struct bookings before = to->booked;

	*ret = (struct group_verdict){0};
	for (size_t i = 0; i < group_listed(group); i++) {
		struct score_query query = query_of(c, &group->v[i], how);
		enum verdict_kind kind;

		score_verdict(&query, node, &ret->v[i]);
		judge_size(group, how, &ret->v[i]);
		kind = verdict_kind(&ret->v[i]);
		if (kind > ret->kind) {
			ret->kind = kind;
			ret->worst = i;
		}
		ret->n++;
		core_book_beside(c, to, group->v[i].container, how->cold);
	}
	to->booked = before;
}

void group_verdict_done(struct group_verdict *said)
{
	for (size_t i = 0; i < said->n; i++)
		verdict_done(&said->v[i]);
	*said = (struct group_verdict){0};
}

bool core_group_fits(struct core *c, const struct group *group, const struct group_how *how,
		     const struct node *node)
{
	struct group_verdict said;
	bool fits;

	core_group_judge(c, group, how, node, &said);
	fits = said.kind <= VERDICT_warn;
	group_verdict_done(&said);
	return fits;
}

/* --- on the best host --- */

struct filter {
	struct core *c;
	const struct group *group;
	const struct group_how *how;
};

static bool is_out(void *arg, const struct node *node)
{
	const struct filter *filter = arg;

	return !core_group_fits(filter->c, filter->group, filter->how, node);
}

const struct node *core_group_nearest(struct core *c, const struct group *group,
				      const struct group_how *how, const struct score_query *query,
				      const struct group_ask *ask, struct group_verdict *ret)
{
	const struct node *found = NULL;
	struct ranking ranking;

	score_rank(query, &c->nodes, &ranking);
	for (size_t i = 0; i < ranking.n && (!found || ret->kind > ask->enough); i++) {
		const struct node *node = ranking.v[i].node;
		struct group_verdict said;

		if (ask->may && !ask->may(ask->arg, node))
			continue;
		core_group_judge(c, group, how, node, &said);
		if (!found || said.kind < ret->kind) {
			group_verdict_done(ret);
			*ret = said;
			found = node;
		} else {
			group_verdict_done(&said);
		}
	}
	ranking_done(&ranking);
	return found;
}

const struct node *core_group_host(struct core *c, const struct group *group,
				   const struct group_how *how, struct group_verdict *ret)
{
	struct score_query query = query_of(c, &group->v[0], how);
	struct filter filter = {c, group, how};
	struct candidate best = {0};
	const struct node *found = NULL;

	*ret = (struct group_verdict){0};
	if (score_best(&query, &c->nodes, is_out, &filter, &best)) {
		found = best.node;
		core_group_judge(c, group, how, found, ret);
	}
	candidate_done(&best);
	if (found)
		return found;
	return core_group_nearest(c, group, how, &query,
				  &(struct group_ask){.enough = VERDICT_cold}, ret);
}

/* --- in words --- */

/* What a host lacks is said once, whoever finds it. */
static bool is_told(const struct msg_reason *v, size_t n, const struct msg_reason *reason)
{
	const struct code_row *row = code_find(reason->code);

	for (size_t i = 0; i < n; i++)
		if (str_eq(v[i].code, reason->code) && v[i].warning <= reason->warning)
			return !row || row->about == ABOUT_dst || row->about == ABOUT_src;
	return false;
}

static size_t add_reasons(struct core *c, const struct verdict *verdict, const char *of,
			  struct msg_reason *v, size_t n)
{
	struct msg_reason said[VERDICT_REASONS_MAX];
	size_t n_said = verdict_reasons(verdict, said);
	char text[500];

	for (size_t i = 0; i < n_said && n < VERDICT_REASONS_MAX; i++) {
		if (is_told(v, n, &said[i]))
			continue;
		v[n] = said[i];
		if (of)
			str_fmt(text, sizeof(text), "%s moves with it: %.400s", of,
				given(said[i].why));
		v[n].why = core_text(c, of ? text : said[i].why);
		v[n++].of = of;
	}
	return n;
}

size_t core_group_reasons(struct core *c, const struct group *group,
			  const struct group_verdict *said, size_t own, struct msg_reason **ret)
{
	size_t n = 0;

	*ret = core_scratch(c, VERDICT_REASONS_MAX, sizeof(**ret));
	if (own < said->n)
		n = add_reasons(c, &said->v[own], NULL, *ret, n);
	for (int kind = VERDICT_no; kind >= VERDICT_live; kind--)
		for (size_t i = 0; i < said->n; i++)
			if (i != own && verdict_kind(&said->v[i]) == (enum verdict_kind)kind)
				n = add_reasons(c, &said->v[i], group->v[i].container->id, *ret, n);
	return n;
}

static void show_verdict(struct core *c, const struct group *group,
			 const struct group_verdict *said, size_t own, struct msg_place *ret)
{
	ret->verdict = verdict_word(said->kind);
	ret->reasons.n = core_group_reasons(c, group, said, own, &ret->reasons.v);
	if (said->kind > VERDICT_warn)
		ret->barred_by = group->v[said->worst].container->id;
}

static void show_best(struct core *c, const struct score_query *query, const struct node *node,
		      struct msg_place *ret)
{
	struct candidate one;

	score_one(query, node, &one);
	ret->best = core_scratch(c, 1, sizeof(*ret->best));
	core_show_candidate(c, &one, ret->best);
	ret->best->verdict = ret->verdict;
	ret->best->reasons.v = ret->reasons.v;
	ret->best->reasons.n = ret->reasons.n;
	candidate_done(&one);
}

void core_judge_group(struct core *c, const struct group *group, const struct group_how *how,
		      struct msg_place *const places[GROUP_MAX], const struct node **ret_best)
{
	struct group_verdict said;
	const struct node *host = core_group_host(c, group, how, &said);

	*ret_best = host && said.kind < VERDICT_no ? host : NULL;
	if (!host)
		said.kind = VERDICT_no; /* there is no other host */
	for (size_t i = 0; i < group_listed(group); i++) {
		struct score_query query;

		if (!places[i])
			continue;
		query = query_of(c, &group->v[i], how);
		places[i]->policy = *query.rules->name ? query.rules->name : NULL;
		places[i]->priority = query.rules->priority;
		show_verdict(c, group, &said, i, places[i]);
		if (*ret_best)
			show_best(c, &query, host, places[i]);
	}
	group_verdict_done(&said);
}
