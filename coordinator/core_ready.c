/* SPDX-License-Identifier: MPL-2.0
 *
 * Many containers judged at once: `ps --movable`, `ps --stuck`, and what an evacuation of a host
 * would meet. The last one books each container's place before it asks for the next, so that no two
 * of them count on the same room. */
#include "coordinator/core_group.h"
#include "coordinator/core_requests.h"

#include "base/mem.h"

#include <string.h>

/* Containers times hosts that one request may judge: the loop stands still meanwhile, a fifth of
 * a second on a slow core. */
#define JUDGED_MAX 1000000

static int not_too_many(const struct asked *a, struct err *err)
{
	uint64_t n = a->reply.places.n * (uint64_t)a->c->nodes.n;

	if (n <= JUDGED_MAX)
		return 0;
	fail(err, ERR_refused, "%zu containers times %zu hosts are too many to judge at once",
	     a->reply.places.n, a->c->nodes.n);
	return err_fix(err, "choose: drover ps --host HOST, or drover check CTR");
}

static void count(struct msg_tally *tally, const char *verdict)
{
	uint64_t *counters[] = {&tally->live, &tally->warn, &tally->cold, &tally->no};

	tally->judged++;
	++*counters[verdict_parse(verdict)];
}

static const struct node *judge_one(struct asked *a, struct msg_place *place,
				    const struct node *node)
{
	struct score_query query = core_query(a->c, place->container, node);
	const struct node *best;

	query.busy = core_job_moving(a->c, place->container->id, place->host, NULL) != NULL;
	query.skip = a->body->skip;
	core_judge_place(a->c, &query, place, &best);
	return best;
}

static struct msg_place *row_of(struct asked *a, const struct place *member)
{
	for (size_t i = 0; i < a->reply.places.n; i++)
		if (str_eq(a->reply.places.v[i].container->id, member->container->id) &&
		    str_eq(a->reply.places.v[i].host, member->node->id))
			return &a->reply.places.v[i];
	return NULL;
}

/* All that move with it are judged with it, once. */
static const struct node *judge_all(struct asked *a, const struct group *group, bool *judged)
{
	struct group_how how = {.skip = a->body->skip};
	struct msg_place *rows[GROUP_MAX] = {0};
	const struct node *best;

	for (size_t i = 0; i < group_listed(group); i++) {
		rows[i] = row_of(a, &group->v[i]);
		if (rows[i])
			judged[rows[i] - a->reply.places.v] = true;
	}
	core_judge_group(a->c, group, &how, rows, &best);
	return best;
}

static void judge(struct asked *a, struct msg_place *place, bool *judged, bool book)
{
	struct node *node = nodes_find(&a->c->nodes, place->host), *target;
	const struct node *best;
	struct group group;

	group_of(&(struct place){.node = node, .container = place->container}, &group);
	best = group.n > 1 ? judge_all(a, &group, judged) : judge_one(a, place, node);
	target = best && book ? nodes_find(&a->c->nodes, best->id) : NULL;
	for (size_t i = 0; target && i < group_listed(&group); i++)
		core_book_one(a->c, target, group.v[i].container);
}

/* Each container of the reply, or each group of them, in their order; `book`: with the room that is
 * left by those before it. */
static void judge_places(struct asked *a, bool book)
{
	bool *judged = core_scratch(a->c, a->reply.places.n + 1, sizeof(*judged));

	core_book(a->c, NULL);
	a->reply.tally = core_scratch(a->c, 1, sizeof(*a->reply.tally));
	for (size_t i = 0; i < a->reply.places.n; i++) {
		struct msg_place *place = &a->reply.places.v[i];

		if (!judged[i])
			judge(a, place, judged, book);
		count(a->reply.tally, place->verdict);
	}
}

static bool is_wanted(const char *mode, const struct msg_place *place)
{
	bool movable = verdict_parse(place->verdict) <= VERDICT_warn;

	return str_eq(mode, "movable") ? movable : !movable;
}

int core_judge_places(struct asked *a, struct err *err)
{
	size_t kept = 0;

	if (not_too_many(a, err))
		return -err->code;
	judge_places(a, false);
	for (size_t i = 0; i < a->reply.places.n; i++)
		if (is_wanted(a->body->mode, &a->reply.places.v[i]))
			a->reply.places.v[kept++] = a->reply.places.v[i];
	a->reply.places.n = kept;
	return 0;
}

/* --- an evacuation foretold --- */

static int by_size(const void *a, const void *b)
{
	const struct msg_place *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->container->rss_bytes != y->container->rss_bytes)
		return x->container->rss_bytes > y->container->rss_bytes ? -1 : 1;
	return strcmp(x->container->id, y->container->id);
}

static void set_priorities(struct asked *a)
{
	struct rules rules;

	for (size_t i = 0; i < a->reply.places.n; i++) {
		policy_rules(a->c->config.options, a->reply.places.v[i].container, &rules);
		a->reply.places.v[i].priority = rules.priority;
	}
}

int core_ask_ready(struct asked *a, struct err *err)
{
	struct msg_request on_host = {.host = a->body->from};
	struct node *node;

	if (!given(a->body->from)[0]) {
		fail(err, ERR_usage, "check needs a container or a host");
		return err_fix(err, "drover check CTR, or drover check --host HOST");
	}
	if (nodes_find_host(&a->c->nodes, a->body->from, &node, err) ||
	    verdict_check_skips(&a->body->skip, err))
		return -err->code;
	core_list_places(a->c, &on_host, &a->reply);
	if (not_too_many(a, err))
		return -err->code;
	set_priorities(a);
	if (a->reply.places.n)
		qsort(a->reply.places.v, a->reply.places.n, sizeof(*a->reply.places.v), by_size);
	judge_places(a, true);
	if (a->reply.tally->live + a->reply.tally->warn < a->reply.tally->judged)
		a->reply.code =
			a->reply.tally->live + a->reply.tally->warn ? ERR_partly : ERR_refused;
	return 0;
}
