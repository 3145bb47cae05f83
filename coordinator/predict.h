/* SPDX-License-Identifier: MPL-2.0
 *
 * The cost of a move foretold: how long the container is frozen, and how long until it runs at its
 * target. DESIGN.md §5:
 *
 *   V0 = rss;  V(k+1) = min(rss, dirty · T(k)),  T(k) = rss / scan + V(k) / bw
 *   frozen = fixed + still · rss + V(n) / bw
 *
 * T is one round of pre-copy: all memory is read, what changed is sent. fixed and still (dump,
 * hash, verify, restore of what need not travel) are fitted per pair of hosts to its finished moves
 * by least squares whose weights decay (0.8 a move), over two weak prior points; bw is an EWMA
 * (0.3). What a pair has not learned yet is the mean of the others', then what the link's speed
 * allows, then a default. Rates of change are learned per container from pre-copy's own rounds.
 * Pure. */
#ifndef DROVER_COORDINATOR_PREDICT_H
#define DROVER_COORDINATOR_PREDICT_H

#include "base/str.h"
#include "proto/schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREDICT_KEY_SIZE (8 + 2 * NAME_SIZE)
#define PREDICT_TEXT_SIZE 192

struct pair {
	char source[NAME_SIZE], target[NAME_SIZE];
	uint64_t moves;
	uint64_t bytes_s;       /* 0 = not known */
	uint64_t overhead_ms;   /* of the whole move beyond what the model has */
	double w, x, y, xx, xy; /* decayed sums over moves: x in MiB of memory, y in ms */
};

/* What a container's pre-copy has shown. */
struct rate {
	char container[NAME_SIZE];
	uint64_t dirty_bytes_s;
};

/* What a pair without moves is taken for: the mean of those that have some. */
struct prior {
	double fixed_ms, still_ms_mib;
	uint64_t bytes_s, overhead_ms; /* bytes_s 0: none has moved anything */
};

/* In order of source and target. */
struct pairs {
	struct pair *v;
	size_t n;
	struct rate *rates; /* in order of the container */
	size_t n_rates;
	struct prior prior;
	bool has_prior;
};

/* The pairs of one source, walked along targets that come in order of their ids. */
struct pair_walk {
	const struct pair *at, *end;
};

/* Where a rate of change is from: pages of the container looked at twice just now, its last move,
 * the rounds of the move that is under way. */
enum rate_from { RATE_unknown, RATE_sampled, RATE_learned, RATE_measured };
const char *rate_from_name(enum rate_from from);

/* What is to move, and over what. */
struct cost {
	uint64_t rss_bytes, tree_bytes;
	uint64_t dirty_bytes_s; /* 0 = still, or not known */
	enum rate_from dirty_from;
	bool cold;             /* stopped, moved and started: no memory travels */
	uint64_t link_bytes_s; /* the slower of the two hosts' links, 0 = not known */
	uint64_t bytes_s;      /* as measured in this very move, 0 = not */
};

struct prediction {
	uint64_t frozen_ms, total_ms; /* total: until it runs at the target */
	uint64_t pending_bytes;       /* that will have changed when it is frozen */
	unsigned rounds;              /* of pre-copy */
	uint64_t dirty_bytes_s;       /* what it stands on */
	enum rate_from dirty_from;
};

void pairs_done(struct pairs *pairs);

struct prediction predict(const struct pairs *pairs, const char *source, const char *target,
			  const struct cost *cost);

/* The same with the pair at hand; NULL: nothing was learned of it yet. */
struct prediction predict_pair(const struct pairs *pairs, const struct pair *pair,
			       const struct cost *cost);

/* The rate of change that a container's moves have shown, NULL when none did. */
const struct rate *predict_rate(const struct pairs *pairs, const char *container);

/* A walk over all of a source's pairs, and the one of the next target: each call names a target
 * after that of the last one. NULL when nothing was learned. */
struct pair_walk pairs_from(const struct pairs *pairs, const char *source);
const struct pair *pairs_next(struct pair_walk *walk, const char *target);

/* Learns from one move of so much memory; the changed pair, borrowed, or NULL when the figures say
 * nothing. */
const struct pair *predict_learn(struct pairs *pairs, const char *source, const char *target,
				 uint64_t rss_bytes, const struct msg_figures *figures);

/* Learns the container's rate of change; NULL when the move had no second round. */
const struct rate *predict_learn_rate(struct pairs *pairs, const char *container,
				      const struct msg_figures *figures);

/* A pair as a line of text for the store under its key "pair/S/T", a rate under "dirty/CONTAINER",
 * and either back (false: neither, or of an older form). */
void pair_key(const struct pair *pair, char ret_key[PREDICT_KEY_SIZE]);
void pair_print(const struct pair *pair, char ret_text[PREDICT_TEXT_SIZE]);
void rate_key(const struct rate *rate, char ret_key[PREDICT_KEY_SIZE]);
void rate_print(const struct rate *rate, char ret_text[PREDICT_TEXT_SIZE]);
bool predict_parse(struct pairs *pairs, const char *key, const char *text);

#endif
