/* SPDX-License-Identifier: MPL-2.0
 *
 * Frozen time foretold: frozen = fixed + bytes sent while frozen / bandwidth, with both constants
 * learned per pair of hosts (EWMA 0.3) from finished moves. Pure. */
#ifndef DROVER_COORDINATOR_PREDICT_H
#define DROVER_COORDINATOR_PREDICT_H

#include "base/str.h"
#include "proto/schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREDICT_KEY_SIZE (5 + 2 * NAME_SIZE)

struct pair {
	char source[NAME_SIZE], target[NAME_SIZE];
	uint64_t fixed_ms;
	uint64_t bytes_s;
	uint64_t moves;
};

/* In order of source and target. */
struct pairs {
	struct pair *v;
	size_t n;
};

/* The pairs of one source, walked along targets that come in order of their ids. */
struct pair_walk {
	const struct pair *at, *end;
};

struct prediction {
	uint64_t frozen_ms, total_ms;
};

void pairs_done(struct pairs *pairs);

/* What a move of so many bytes from source to target would take. */
struct prediction predict(const struct pairs *pairs, const char *source, const char *target,
			  uint64_t rss_bytes, uint64_t tree_bytes);

/* The same with the pair at hand; NULL: nothing was learned yet. */
struct prediction predict_pair(const struct pair *pair, uint64_t rss_bytes, uint64_t tree_bytes);

/* A walk over all of a source's pairs, and the one of the next target: each call names a target
 * after that of the last one. NULL when nothing was learned. */
struct pair_walk pairs_from(const struct pairs *pairs, const char *source);
const struct pair *pairs_next(struct pair_walk *walk, const char *target);

/* Learns from one move; the changed pair, borrowed, or NULL when the figures say nothing. */
const struct pair *predict_learn(struct pairs *pairs, const char *source, const char *target,
				 const struct msg_figures *figures);

/* A pair as a line of text for the store under its key "pair/S/T", and back (false: not a pair). */
void pair_key(const struct pair *pair, char ret_key[PREDICT_KEY_SIZE]);
void pair_print(const struct pair *pair, char *ret_text, size_t size);
bool pair_parse(struct pairs *pairs, const char *key, const char *text);

#endif
