/* SPDX-License-Identifier: MPL-2.0
 *
 * Learned constants per pair of hosts. */
#include "coordinator/predict.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Before the first move: measured between two hosts on one Gb/s link or better. */
#define DEFAULT_FIXED_MS 600
#define DEFAULT_BYTES_S (100u << 20)
#define CHECK_MS 500 /* what happens before the first byte */

void pairs_done(struct pairs *pairs)
{
	free(pairs->v);
	*pairs = (struct pairs){0};
}

static int order(const struct pair *pair, const char *source, const char *target)
{
	int by_source = strcmp(pair->source, source);

	return by_source ? by_source : strcmp(pair->target, target);
}

/* The index of the first pair that is not before this one. */
static size_t slot_of(const struct pairs *pairs, const char *source, const char *target)
{
	size_t low = 0, high = pairs->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (order(&pairs->v[middle], source, target) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct pair *pairs_find(const struct pairs *pairs, const char *source, const char *target)
{
	size_t at = slot_of(pairs, source, target);

	return at < pairs->n && !order(&pairs->v[at], source, target) ? &pairs->v[at] : NULL;
}

static struct pair *pairs_add(struct pairs *pairs, const char *source, const char *target)
{
	struct pair *pair = pairs_find(pairs, source, target);
	size_t at = slot_of(pairs, source, target);

	if (pair)
		return pair;
	pairs->v = mem_grow(pairs->v, pairs->n + 1, sizeof(*pairs->v));
	pair = &pairs->v[at];
	memmove(pair + 1, pair, (pairs->n++ - at) * sizeof(*pair));
	*pair = (struct pair){.fixed_ms = DEFAULT_FIXED_MS, .bytes_s = DEFAULT_BYTES_S};
	str_copy(pair->source, sizeof(pair->source), source);
	str_copy(pair->target, sizeof(pair->target), target);
	return pair;
}

struct pair_walk pairs_from(const struct pairs *pairs, const char *source)
{
	size_t at = slot_of(pairs, source, ""), end = at;

	if (!pairs->n)
		return (struct pair_walk){0};
	while (end < pairs->n && str_eq(pairs->v[end].source, source))
		end++;
	return (struct pair_walk){pairs->v + at, pairs->v + end};
}

const struct pair *pairs_next(struct pair_walk *walk, const char *target)
{
	int cmp = 1;

	while (walk->at < walk->end && (cmp = strcmp(walk->at->target, target)) < 0)
		walk->at++;
	return walk->at < walk->end && cmp == 0 ? walk->at : NULL;
}

struct prediction predict_pair(const struct pair *pair, uint64_t rss_bytes, uint64_t tree_bytes)
{
	uint64_t bytes_s = pair && pair->bytes_s ? pair->bytes_s : DEFAULT_BYTES_S;
	uint64_t fixed_ms = pair ? pair->fixed_ms : DEFAULT_FIXED_MS;
	struct prediction p;

	p.frozen_ms = fixed_ms + (uint64_t)((double)rss_bytes / (double)bytes_s * 1000);
	p.total_ms =
		CHECK_MS + p.frozen_ms + (uint64_t)((double)tree_bytes / (double)bytes_s * 1000);
	return p;
}

struct prediction predict(const struct pairs *pairs, const char *source, const char *target,
			  uint64_t rss_bytes, uint64_t tree_bytes)
{
	return predict_pair(pairs_find(pairs, source, target), rss_bytes, tree_bytes);
}

static void ewma(uint64_t *mean, uint64_t sample, bool first)
{
	*mean = first ? sample : (3 * sample + 7 * *mean) / 10;
}

const struct pair *predict_learn(struct pairs *pairs, const char *source, const char *target,
				 const struct msg_figures *figures)
{
	uint64_t moving_us = figures->send_us;
	struct pair *pair;

	if (!figures->frozen_us)
		return NULL;
	if (moving_us > figures->frozen_us)
		moving_us = figures->frozen_us;
	pair = pairs_add(pairs, source, target);
	ewma(&pair->fixed_ms, (figures->frozen_us - moving_us) / 1000, pair->moves == 0);
	if (figures->bytes_s)
		ewma(&pair->bytes_s, figures->bytes_s, pair->moves == 0);
	pair->moves++;
	return pair;
}

void pair_key(const struct pair *pair, char ret_key[PREDICT_KEY_SIZE])
{
	str_fmt(ret_key, PREDICT_KEY_SIZE, "pair/%s/%s", pair->source, pair->target);
}

void pair_print(const struct pair *pair, char *ret_text, size_t size)
{
	str_fmt(ret_text, size, "%" PRIu64 " %" PRIu64 " %" PRIu64, pair->fixed_ms, pair->bytes_s,
		pair->moves);
}

bool pair_parse(struct pairs *pairs, const char *key, const char *text)
{
	char source[NAME_SIZE], target[NAME_SIZE];
	uint64_t fixed_ms, bytes_s, moves;
	struct pair *pair;

	if (sscanf(key, "pair/%63[^/]/%63s", source, target) != 2 ||
	    sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &fixed_ms, &bytes_s, &moves) != 3)
		return false;
	pair = pairs_add(pairs, source, target);
	pair->fixed_ms = fixed_ms;
	pair->bytes_s = bytes_s;
	pair->moves = moves;
	return true;
}
