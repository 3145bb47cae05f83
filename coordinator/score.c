/* SPDX-License-Identifier: MPL-2.0
 *
 * One host judged: its verdict, and the terms of its score. DESIGN.md §5:
 * 100·[0.40(1−hot') + 0.15(1−σ_r) + 0.20(1−D/D_budget) + 0.10 link + 0.10(1−fail) + 0.05 keep],
 * where hot' is its fullest resource after the move, σ_r the spread over its resources then, D the
 * predicted frozen time, link its network speed against 10 Gb/s, fail its record as a target, and
 * keep whether the container's image is there already. */
#include "coordinator/terms.h"

#include <math.h>
#include <string.h>

#define FROZEN_BUDGET_MS 2000
#define LINK_BEST_MBIT 10000.0
#define LINK_UNKNOWN 0.5
#define HOT_LIMIT 0.85 /* a preference does not fill a host beyond this */

/* --- the verdict --- */

static void note_layers(struct judge *j)
{
	const char *image = given(j->ct->image);

	while (*image && j->n_layers < IMAGE_LAYERS) {
		size_t len = strcspn(image, ":");

		if (len && *image == '/') {
			j->layer[j->n_layers].path = hash_part(image, len);
			j->layer[j->n_layers++].dir = hash_dir(image, len);
		}
		image += len + (image[len] == ':');
	}
}

struct judge judge_of(const struct score_query *query, struct verdict *verdict)
{
	static const struct msg_caps nothing;
	const struct rules *rules = query->rules;
	struct judge j = {.query = query,
			  .ct = query->container,
			  .source = query->source,
			  .from = query->source->caps ? query->source->caps->caps : &nothing,
			  .to = &nothing,
			  .verdict = verdict,
			  .id = hash_text(query->container->id)};

	if (rules && *rules->spread)
		j.spread = spread_hash(rules->spread);
	if (rules && *rules->together)
		j.together = together_hash(rules->together);
	note_layers(&j);
	return j;
}

void judge_target(struct judge *j, const struct node *target, struct prediction prediction,
		  struct verdict *verdict)
{
	j->target = target;
	j->prediction = prediction;
	j->verdict = verdict;
}

/* The container's own rate of change, as its host sees it now, or as its last move has shown. */
struct cost score_cost(const struct score_query *query)
{
	const struct msg_container *ct = query->container;
	const struct rate *rate = predict_rate(query->pairs, ct->id);
	struct cost cost = {.rss_bytes = ct->rss_bytes, .tree_bytes = ct->tree_bytes};

	if (ct->dirty_known) {
		cost.dirty_bytes_s = ct->dirty_bytes_s;
		cost.dirty_from = RATE_sampled;
	} else if (rate) {
		cost.dirty_bytes_s = rate->dirty_bytes_s;
		cost.dirty_from = RATE_learned;
	}
	return cost;
}

uint64_t score_link(const struct node *source, const struct node *target)
{
	double a = source ? source->digest.link_mbit : 0, b = target->digest.link_mbit;
	double mbit = a > 0 && (a < b || b <= 0) ? a : b;

	return (uint64_t)(mbit * 1e6 / 8);
}

struct prediction score_predict(const struct score_query *query, const struct node *target)
{
	struct cost cost = score_cost(query);

	cost.link_bytes_s = score_link(query->source, target);
	cost.cold = query->cold;
	return predict(query->pairs, query->source->id, target->id, &cost);
}

void score_verdict(const struct score_query *query, const struct node *target, struct verdict *ret)
{
	struct judge j = judge_of(query, ret);

	*ret = (struct verdict){0};
	judge_target(&j, target, score_predict(query, target), ret);
	judge_container(&j);
	if (!judge_host(&j))
		return;
	judge_look(&j);
	judge_profile(&j);
	judge_now(&j);
}

/* --- the score --- */

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

static double spread(const double load[RESOURCE_COUNT])
{
	double mean = 0, variance = 0;

	for (size_t r = 0; r < RESOURCE_COUNT; r++)
		mean += load[r] / RESOURCE_COUNT;
	for (size_t r = 0; r < RESOURCE_COUNT; r++)
		variance += (load[r] - mean) * (load[r] - mean) / RESOURCE_COUNT;
	return sqrt(variance);
}

static bool keeps_image(const struct judge *j)
{
	for (size_t i = 0; i < j->n_layers; i++)
		if (!bloom_has(&j->target->digest.images, j->layer[i].path))
			return false;
	return j->n_layers > 0;
}

uint64_t terms_cpu_permille(const struct score_query *query)
{
	const struct msg_usage *usage = node_usage(query->source, given(query->container->id));

	return usage ? usage->cpu_permille : query->container->cpu_permille;
}

double terms_make(const struct judge *j, uint64_t cpu_permille, struct terms *ret)
{
	static const double weights[SCORE_TERMS] = {0.40, 0.15, 0.20, 0.10, 0.10, 0.05};
	const struct node *node = j->target;
	const struct digest *d = &node->digest;
	const struct rules *rules = j->query->rules;
	double budget =
		rules && rules->max_downtime_ms ? (double)rules->max_downtime_ms : FROZEN_BUDGET_MS;
	double after[RESOURCE_COUNT], score = 0;

	memcpy(after, node->load, sizeof(after));
	after[RESOURCE_cpu] +=
		(double)(cpu_permille + node->booked.cpu_permille) / 1000 / (d->cpus ? d->cpus : 1);
	if (d->mem_total_bytes)
		after[RESOURCE_mem] += (double)(j->ct->rss_bytes + node->booked.bytes) /
				       (double)d->mem_total_bytes;
	ret->hot = fullest(after);
	ret->value[0] = 1 - unit(ret->hot);
	ret->value[1] = 1 - unit(spread(after));
	ret->value[2] = 1 - unit((double)j->prediction.frozen_ms / budget);
	ret->value[3] = d->link_mbit ? unit(d->link_mbit / LINK_BEST_MBIT) : LINK_UNKNOWN;
	ret->value[4] = 1 - unit((double)(node->moves_failed + 1) / (double)(node->moves + 2));
	ret->value[5] = keeps_image(j);
	for (size_t i = 0; i < SCORE_TERMS; i++)
		score += 100 * weights[i] * ret->value[i];
	return score;
}

int terms_tier(const struct judge *j, int labels_tier, double hot)
{
	if (labels_tier < 0 || j->target->digest.presses)
		return -1;
	if (j->together && judge_has_group(j->target, j->together))
		labels_tier = 1;
	return hot < HOT_LIMIT ? labels_tier : 0;
}

static void name_terms(const struct terms *terms, struct msg_term ret[SCORE_TERMS])
{
	static const struct msg_term named[SCORE_TERMS] = {
		{"room", 0.40, 0}, {"balance", 0.15, 0}, {"frozen", 0.20, 0},
		{"link", 0.10, 0}, {"record", 0.10, 0},  {"keep", 0.05, 0},
	};

	memcpy(ret, named, sizeof(named));
	for (size_t i = 0; i < SCORE_TERMS; i++) {
		ret[i].value = terms->value[i];
		ret[i].points = 100 * ret[i].weight * ret[i].value;
	}
}

void score_one(const struct score_query *query, const struct node *target, struct candidate *ret)
{
	struct judge j;
	struct terms terms;

	*ret = (struct candidate){.node = target};
	score_verdict(query, target, &ret->verdict);
	ret->prediction = score_predict(query, target);
	j = judge_of(query, &ret->verdict);
	judge_target(&j, target, ret->prediction, &ret->verdict);
	judge_look(&j);
	ret->score = terms_make(&j, terms_cpu_permille(query), &terms);
	ret->tier = terms_tier(&j, judge_tier(&j), terms.hot);
	name_terms(&terms, ret->terms);
}

void candidate_done(struct candidate *candidate)
{
	verdict_done(&candidate->verdict);
}
