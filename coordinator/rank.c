/* SPDX-License-Identifier: MPL-2.0
 *
 * The score of a host that would take the container, DESIGN.md §5:
 * 100·[0.40(1−hot') + 0.15(1−σ_r) + 0.20(1−D/D_budget) + 0.10 link + 0.10(1−fail) + 0.05 keep],
 * where hot' is its fullest resource after the move, σ_r the spread over its resources then, D the
 * predicted frozen time, link its network speed against 10 Gb/s, fail its record as a target, and
 * keep whether the container's image is there already. */
#include "coordinator/score.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define FROZEN_BUDGET_MS 2000
#define LINK_BEST_MBIT 10000.0
#define LINK_UNKNOWN 0.5

static double unit(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

static double fullest(const double load[RESOURCE_COUNT])
{
	double most = 0;

	for (size_t r = 0; r < RESOURCE_COUNT; r++)
		most = load[r] > most ? load[r] : most;
	return most;
}

double node_hot(const struct node *node)
{
	return unit(fullest(node->load));
}

static void load_after(const struct score_query *query, const struct node *node,
		       double ret[RESOURCE_COUNT])
{
	const struct msg_beat *beat = node->beat ? node->beat->beat : NULL;
	const struct msg_usage *usage = node_usage(query->source, given(query->container->id));
	uint64_t cpu = usage ? usage->cpu_permille : query->container->cpu_permille;
	double cpus = beat && beat->cpus ? (double)beat->cpus : 1;
	double total = beat ? (double)beat->mem_total_bytes : 0;

	memcpy(ret, node->load, sizeof(node->load));
	ret[RESOURCE_cpu] += (double)(cpu + node->booked_cpu_permille) / 1000 / cpus;
	if (total > 0)
		ret[RESOURCE_mem] +=
			(double)(query->container->rss_bytes + node->booked_bytes) / total;
}

static double spread(const double load[RESOURCE_COUNT])
{
	double mean = 0, variance = 0;

	for (size_t r = 0; r < RESOURCE_COUNT; r++)
		mean += load[r] / RESOURCE_COUNT;
	for (size_t r = 0; r < RESOURCE_COUNT; r++)
		variance += (load[r] - mean) * (load[r] - mean) / RESOURCE_COUNT;
	return sqrt(variance);
}

static double link_of(const struct node *node)
{
	uint64_t mbit = 0;

	for (size_t i = 0; node->caps && i < node->caps->caps->networks.n; i++)
		if (node->caps->caps->networks.v[i].speed_mbit > mbit)
			mbit = node->caps->caps->networks.v[i].speed_mbit;
	return mbit ? unit((double)mbit / LINK_BEST_MBIT) : LINK_UNKNOWN;
}

static double keeps(const struct score_query *query, const struct node *node)
{
	const char *image = given(query->container->image);

	return *image && node->caps && strs_have(&node->caps->caps->images, image);
}

void score_terms(const struct score_query *query, struct candidate *candidate)
{
	const struct node *node = candidate->node;
	double budget =
		query->frozen_budget_ms ? (double)query->frozen_budget_ms : FROZEN_BUDGET_MS;
	double after[RESOURCE_COUNT];

	load_after(query, node, after);
	candidate->prediction = predict(query->pairs, query->source->id, node->id,
					query->container->rss_bytes, query->container->tree_bytes);
	candidate->terms[0] = (struct msg_term){"room", 0.40, 1 - unit(fullest(after))};
	candidate->terms[1] = (struct msg_term){"balance", 0.15, 1 - unit(spread(after))};
	candidate->terms[2] = (struct msg_term){
		"frozen", 0.20, 1 - unit((double)candidate->prediction.frozen_ms / budget)};
	candidate->terms[3] = (struct msg_term){"link", 0.10, link_of(node)};
	candidate->terms[4] = (struct msg_term){
		"record", 0.10,
		1 - unit((double)(node->moves_failed + 1) / (double)(node->moves + 2))};
	candidate->terms[5] = (struct msg_term){"keep", 0.05, keeps(query, node)};
	candidate->score = 0;
	for (size_t i = 0; i < SCORE_TERMS; i++)
		candidate->score += 100 * candidate->terms[i].weight * candidate->terms[i].value;
}

static int by_rank(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->verdict.feasible != y->verdict.feasible)
		return x->verdict.feasible ? -1 : 1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return strcmp(x->node->id, y->node->id);
}

size_t score_rank(const struct score_query *query, const struct nodes *nodes,
		  struct candidate **ret)
{
	size_t n = 0;

	*ret = mem_new(nodes->n + 1, sizeof(**ret));
	for (size_t i = 0; i < nodes->n; i++) {
		struct candidate *candidate = &(*ret)[n];

		if (nodes->v[i] == query->source || !nodes->v[i]->enrolled)
			continue;
		candidate->node = nodes->v[i];
		score_verdict(query, candidate->node, &candidate->verdict);
		score_terms(query, candidate);
		n++;
	}
	qsort(*ret, n, sizeof(**ret), by_rank);
	return n;
}

void candidates_free(struct candidate **candidates, size_t n)
{
	for (size_t i = 0; *candidates && i < n; i++)
		verdict_done(&(*candidates)[i].verdict);
	free(*candidates);
	*candidates = NULL;
}
