/* SPDX-License-Identifier: MPL-2.0
 *
 * May this container live on that host, and which host is best. score_verdict lists every reason
 * against one host with the actual values; score_rank orders all hosts by the weighted terms of
 * DESIGN.md §5 and keeps the best, with each term. Pure: they read the node table and nothing else.
 */
#ifndef DROVER_COORDINATOR_SCORE_H
#define DROVER_COORDINATOR_SCORE_H

#include "coordinator/nodes.h"
#include "coordinator/policy.h"
#include "coordinator/predict.h"
#include "coordinator/verdict.h"

/* What is asked: one container, where it is, and what the user chose to skip. All borrowed. */
struct score_query {
	const struct msg_container *container;
	const struct node *source;
	struct msg_strs skip; /* skip names; "all" stands for every one that can be skipped */
	unsigned headroom_percent;
	const struct pairs *pairs;
	const struct rules *rules; /* NULL: none */
	uint64_t now_ms;           /* monotonic; 0: a beat's age is not judged */
	uint64_t interval_ms;      /* between beats */
	bool cold;                 /* it is to be stopped, moved and started */
	bool busy;                 /* another job moves it already */
	bool elsewhere;            /* another host has one of this name, or cannot say */
	bool has_peers;            /* others of its keep-together group run somewhere */
	bool live_only;            /* a ranking leaves out what cannot take it live */
};

#define SCORE_TERMS 6

struct candidate {
	const struct node *node;
	struct verdict verdict;
	double score; /* 0..100 */
	int tier; /* 1 preferred, 0 neither, -1 avoided or short of memory; candidates are ordered
		     by it first */
	struct msg_term terms[SCORE_TERMS];
	struct prediction prediction;
};

/* A ranking: live ones first, then by tier, by score and by id; then those that take it cold, and
 * those that cannot. Only the first of each are kept, with their reasons. */
struct ranking {
	struct candidate *v;
	size_t n;
	size_t hosts;                 /* all that were judged */
	size_t kinds[VERDICT_no + 1]; /* how many of each kind */
};

#define RANK_LIVE_KEPT 100
#define RANK_OTHER_KEPT 100

/* Every enrolled worker of the table except the source. ranking_done frees. */
void score_rank(const struct score_query *query, const struct nodes *nodes, struct ranking *ret);
void ranking_done(struct ranking *ranking);

/* The best host on which it can live, leaving out those that `out` (may be NULL) names; terms and
 * reasons included. False when there is none. candidate_done frees. */
typedef bool score_out_fn(void *arg, const struct node *node);
bool score_best(const struct score_query *query, const struct nodes *nodes, score_out_fn *out,
		void *arg, struct candidate *ret);
void candidate_done(struct candidate *candidate);

/* One host with everything: verdict, terms, prediction, tier. */
void score_one(const struct score_query *query, const struct node *target, struct candidate *ret);

/* What the query's container would cost on its way to a host; and its parts, for a ranking that
 * has a source's pairs at hand. */
struct prediction score_predict(const struct score_query *query, const struct node *target);
struct cost score_cost(const struct score_query *query); /* link_bytes_s is the caller's to set */
uint64_t score_link(const struct node *source, const struct node *target);

/* Every reason that applies on this host; skipped ones stay as warnings. verdict_done frees. */
void score_verdict(const struct score_query *query, const struct node *target, struct verdict *ret);

/* The fullest resource of a host, 0..1: a maximum, never a mean. */
double node_hot(const struct node *node);

#endif
