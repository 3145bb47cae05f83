/* SPDX-License-Identifier: MPL-2.0
 *
 * All hosts in order. One pass judges each host without a sentence and keeps the best in a heap;
 * only those that are kept are judged again with every word. What is the same for all targets is
 * asked once, what is the same for all hosts of a profile once per profile. */
#include "coordinator/terms.h"

#include "base/mem.h"

#include <string.h>

#define PROFILES 256 /* slots; profiles that share one push each other out */

#define BLOCK 16 /* hosts whose memory is asked for together */
#define CACHE_LINE 64

struct entry {
	const struct node *node;
	double score;
	int tier;
};

struct profile {
	uint64_t key;
	struct flags flags;
	bool known;
	int tier;
};

struct rank {
	struct judge judge;
	struct flags container; /* of the container alone */
	struct pair_walk pairs;
	struct cost cost;
	uint64_t cpu_permille;
	unsigned touched; /* so that what touch reads is read */
	struct profile profiles[PROFILES];
	struct verdict room; /* flags of the group of checks that is being asked */
};

static void rank_init(struct rank *r, const struct score_query *query)
{
	verdict_init_brief(&r->room);
	memset(r->profiles, 0, sizeof(r->profiles));
	r->judge = judge_of(query, &r->room);
	judge_container(&r->judge);
	r->container = r->room.flags;
	r->pairs = pairs_from(query->pairs, query->source->id);
	r->cost = score_cost(query);
	r->cost.cold = query->cold;
	r->cpu_permille = terms_cpu_permille(query);
}

static const struct profile *profile_of(struct rank *r)
{
	uint64_t key = r->judge.target->digest.profile;
	struct profile *slot = &r->profiles[key % PROFILES];

	if (slot->known && slot->key == key)
		return slot;
	verdict_init_brief(&r->room);
	judge_look(&r->judge);
	judge_profile(&r->judge);
	*slot = (struct profile){key, r->room.flags, true, judge_tier(&r->judge)};
	return slot;
}

/* Judges one host; its entry is filled when it is a live target. */
static enum verdict_kind rank_one(struct rank *r, const struct node *node, struct entry *ret)
{
	struct flags flags = r->container;
	const struct profile *profile;
	struct terms terms;

	r->cost.link_bytes_s = score_link(r->judge.query->source, node);
	judge_target(&r->judge, node,
		     predict_pair(r->judge.query->pairs, pairs_next(&r->pairs, node->id), &r->cost),
		     &r->room);
	verdict_init_brief(&r->room);
	if (!judge_host(&r->judge))
		return VERDICT_no;
	profile = profile_of(r);
	flags = flags_both(flags, profile->flags);
	verdict_init_brief(&r->room);
	judge_now(&r->judge);
	flags = flags_both(flags, r->room.flags);
	if (flags_kind(flags) > VERDICT_warn)
		return flags_kind(flags);
	ret->node = node;
	ret->score = terms_make(&r->judge, r->cpu_permille, &terms);
	ret->tier = terms_tier(&r->judge, profile->tier, terms.hot);
	return flags_kind(flags);
}

/* Whether a comes before b. */
static bool is_better(const struct entry *a, const struct entry *b)
{
	if (a->tier != b->tier)
		return a->tier > b->tier;
	if (a->score != b->score)
		return a->score > b->score;
	return strcmp(a->node->id, b->node->id) < 0;
}

static int by_rank(const void *a, const void *b)
{
	return is_better(a, b) ? -1 : 1; /* ids differ: no two are equal */
}

/* --- the best: a heap with the worst of the kept on top --- */

struct best {
	struct entry v[RANK_LIVE_KEPT];
	size_t n;
};

static void sift_down(struct best *best)
{
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;
		struct entry moved;

		if (child >= best->n)
			return;
		if (child + 1 < best->n && is_better(&best->v[child], &best->v[child + 1]))
			child++;
		if (!is_better(&best->v[at], &best->v[child]))
			return;
		moved = best->v[at];
		best->v[at] = best->v[child];
		best->v[child] = moved;
		at = child;
	}
}

static void sift_up(struct best *best, size_t at)
{
	while (at && is_better(&best->v[(at - 1) / 2], &best->v[at])) {
		struct entry moved = best->v[at];

		best->v[at] = best->v[(at - 1) / 2];
		best->v[(at - 1) / 2] = moved;
		at = (at - 1) / 2;
	}
}

static void keep_best(struct best *best, const struct entry *entry)
{
	if (best->n < RANK_LIVE_KEPT) {
		best->v[best->n++] = *entry;
		sift_up(best, best->n - 1);
	} else if (is_better(entry, &best->v[0])) {
		best->v[0] = *entry;
		sift_down(best);
	}
}

/* --- all hosts --- */

static bool is_candidate(const struct score_query *query, const struct node *node)
{
	return node != query->source && node->enrolled;
}

/* Reads a byte of each cache line that judging the next hosts will read. These reads do not wait
 * for each other, and so memory is waited for once a block and not several times a host. */
static void touch(struct rank *r, const struct nodes *nodes, size_t from)
{
	size_t end = from + BLOCK < nodes->n ? from + BLOCK : nodes->n;

	for (size_t i = from; i < end; i++) {
		const unsigned char *node = (const unsigned char *)nodes->v[i];

		for (size_t at = 0; at < offsetof(struct node, role); at += CACHE_LINE)
			r->touched += node[at];
	}
}

struct others {
	const struct node *v[2][RANK_OTHER_KEPT]; /* cold, no */
	size_t n[2];
};

static void keep_other(struct others *others, enum verdict_kind kind, const struct node *node)
{
	size_t list = kind == VERDICT_no;

	if (others->n[list] < RANK_OTHER_KEPT)
		others->v[list][others->n[list]++] = node;
}

void score_rank(const struct score_query *query, const struct nodes *nodes, struct ranking *ret)
{
	auto_free struct rank *r = mem_new_of(struct rank);
	struct best best = {.n = 0};
	struct others others = {.n = {0, 0}};
	struct entry entry;

	rank_init(r, query);
	*ret = (struct ranking){0};
	for (size_t i = 0; i < nodes->n; i++) {
		enum verdict_kind kind;

		if (i % BLOCK == 0)
			touch(r, nodes, i);
		if (!is_candidate(query, nodes->v[i]))
			continue;
		kind = rank_one(r, nodes->v[i], &entry);
		ret->hosts++;
		ret->kinds[kind]++;
		if (kind <= VERDICT_warn)
			keep_best(&best, &entry);
		else if (!query->live_only)
			keep_other(&others, kind, nodes->v[i]);
	}
	qsort(best.v, best.n, sizeof(best.v[0]), by_rank);
	ret->v = mem_new(best.n + others.n[0] + others.n[1] + 1, sizeof(*ret->v));
	for (size_t i = 0; i < best.n; i++)
		score_one(query, best.v[i].node, &ret->v[ret->n++]);
	for (size_t list = 0; list < 2; list++)
		for (size_t i = 0; i < others.n[list]; i++)
			score_one(query, others.v[list][i], &ret->v[ret->n++]);
}

bool score_best(const struct score_query *query, const struct nodes *nodes, score_out_fn *out,
		void *arg, struct candidate *ret)
{
	auto_free struct rank *r = mem_new_of(struct rank);
	struct entry best = {0}, entry;

	rank_init(r, query);
	for (size_t i = 0; i < nodes->n; i++) {
		const struct node *node = nodes->v[i];

		if (i % BLOCK == 0)
			touch(r, nodes, i);
		if (!is_candidate(query, node) || rank_one(r, node, &entry) > VERDICT_warn ||
		    (best.node && !is_better(&entry, &best)) || (out && out(arg, node)))
			continue;
		best = entry;
	}
	if (best.node)
		score_one(query, best.node, ret);
	return best.node != NULL;
}

void ranking_done(struct ranking *ranking)
{
	for (size_t i = 0; i < ranking->n; i++)
		candidate_done(&ranking->v[i]);
	free(ranking->v);
	*ranking = (struct ranking){0};
}
