/* SPDX-License-Identifier: MPL-2.0
 *
 * The model, and what it learns. */
#include "coordinator/predict.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Before the first move of all: measured between two hosts on one Gb/s link or better. */
#define DEFAULT_FIXED_MS 400
#define DEFAULT_STILL_MS_MIB 1.6
#define DEFAULT_BYTES_S (100u << 20)
#define DEFAULT_OVERHEAD_MS 600
#define LINK_USABLE 0.9 /* of a link's speed */

#define SCAN_BYTES_S (2.0 * (1u << 30)) /* memory read and hashed in a round that sends nothing */
#define GAP_S 0.15                      /* from the last round to the freeze */
#define ROUNDS_MAX 4                    /* worker/senders.c: rounds and budget of a pass */
#define BUDGET_BYTES (4.0 * (1u << 20))

#define COLD_STOP_MS 500.0
#define COLD_START_MS 500.0
#define COLD_CHANGED 0.05 /* of the tree, since it was read first */

#define DECAY 0.8
#define PRIOR_WEIGHT 0.05
#define PRIOR_MIB 128.0 /* where the second prior point is: a lever that two moves outweigh */
#define FIXED_MIN_MS 20.0
#define OVERHEAD_MAX_MS 60000
#define MIB (1024.0 * 1024)

void pairs_done(struct pairs *pairs)
{
	free(pairs->v);
	free(pairs->rates);
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
	*pair = (struct pair){0};
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

const char *rate_from_name(enum rate_from from)
{
	static const char *const names[] = {[RATE_unknown] = "unknown",
					    [RATE_sampled] = "sampled",
					    [RATE_learned] = "learned",
					    [RATE_measured] = "measured"};

	return names[from];
}

/* --- the model --- */

struct model {
	double fixed_ms, still_ms_mib, bytes_s, overhead_ms;
};

/* Least squares over the pair's sums and the prior's two points. */
static void fit(const struct pair *pair, const struct prior *prior, struct model *ret)
{
	double w = pair->w + 2 * PRIOR_WEIGHT, x = pair->x + PRIOR_WEIGHT * PRIOR_MIB;
	double far_ms = prior->fixed_ms + PRIOR_MIB * prior->still_ms_mib;
	double y = pair->y + PRIOR_WEIGHT * (prior->fixed_ms + far_ms);
	double xx = pair->xx + PRIOR_WEIGHT * PRIOR_MIB * PRIOR_MIB;
	double xy = pair->xy + PRIOR_WEIGHT * PRIOR_MIB * far_ms;
	double slope = (w * xy - x * y) / (w * xx - x * x);

	ret->still_ms_mib = slope > 0 ? slope : 0;
	ret->fixed_ms = (y - ret->still_ms_mib * x) / w;
	if (ret->fixed_ms < FIXED_MIN_MS)
		ret->fixed_ms = FIXED_MIN_MS;
}

static struct model model_of(const struct pairs *pairs, const struct pair *pair,
			     const struct cost *cost)
{
	static const struct prior none = {.fixed_ms = DEFAULT_FIXED_MS,
					  .still_ms_mib = DEFAULT_STILL_MS_MIB,
					  .overhead_ms = DEFAULT_OVERHEAD_MS};
	const struct prior *prior = pairs && pairs->has_prior ? &pairs->prior : &none;
	double link = (double)cost->link_bytes_s * LINK_USABLE;
	struct model m = {prior->fixed_ms, prior->still_ms_mib, (double)prior->bytes_s,
			  (double)prior->overhead_ms};

	if (pair && pair->moves) {
		fit(pair, prior, &m);
		m.overhead_ms = (double)pair->overhead_ms;
	}
	if (pair && pair->bytes_s)
		m.bytes_s = (double)pair->bytes_s;
	else if (link > 0 && (m.bytes_s <= 0 || m.bytes_s > link))
		m.bytes_s = link; /* not faster than it can be, whatever others do */
	if (m.bytes_s <= 0)
		m.bytes_s = DEFAULT_BYTES_S;
	if (cost->bytes_s)
		m.bytes_s = (double)cost->bytes_s;
	return m;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

struct precopy {
	double seconds, pending;
	unsigned rounds;
};

/* The rounds as the sender makes them (transfer/seed.c, seed_again). */
static struct precopy precopy_of(const struct cost *cost, double bytes_s)
{
	double rss = (double)cost->rss_bytes, dirty = (double)cost->dirty_bytes_s;
	double sends = rss, before = rss, round_s;
	struct precopy ret = {0};

	do {
		round_s = rss / SCAN_BYTES_S + sends / bytes_s;
		ret.seconds += round_s;
		ret.rounds++;
		if (ret.rounds >= ROUNDS_MAX || sends <= BUDGET_BYTES ||
		    (ret.rounds > 1 && sends > before * 0.9))
			break;
		before = sends;
		sends = least(rss, dirty * round_s);
	} while (1);
	ret.pending = least(rss, dirty * (round_s + GAP_S));
	return ret;
}

/* Stop, what changed of the tree since its first pass, create and start. How long a program takes
 * to stop is its own matter: most end within a moment, and worker.stop_timeout ends the others. */
static struct prediction predict_cold(const struct model *m, const struct cost *cost)
{
	double tree_ms = (double)cost->tree_bytes / m->bytes_s * 1000;

	return (struct prediction){
		.frozen_ms = (uint64_t)(COLD_STOP_MS + COLD_START_MS + tree_ms * COLD_CHANGED),
		.total_ms = (uint64_t)(m->overhead_ms + tree_ms + COLD_STOP_MS + COLD_START_MS),
	};
}

struct prediction predict_pair(const struct pairs *pairs, const struct pair *pair,
			       const struct cost *cost)
{
	struct model m = model_of(pairs, pair, cost);
	struct precopy precopy;
	double frozen_ms, tree_ms = (double)cost->tree_bytes / m.bytes_s * 1000;

	if (cost->cold)
		return predict_cold(&m, cost);
	precopy = precopy_of(cost, m.bytes_s);
	frozen_ms = m.fixed_ms + m.still_ms_mib * (double)cost->rss_bytes / MIB +
		    precopy.pending / m.bytes_s * 1000;
	return (struct prediction){
		.frozen_ms = (uint64_t)(frozen_ms + 0.5),
		.total_ms =
			(uint64_t)(m.overhead_ms + tree_ms + precopy.seconds * 1000 + frozen_ms),
		.pending_bytes = (uint64_t)precopy.pending,
		.rounds = precopy.rounds,
		.dirty_bytes_s = cost->dirty_bytes_s,
		.dirty_from = cost->dirty_from,
	};
}

struct prediction predict(const struct pairs *pairs, const char *source, const char *target,
			  const struct cost *cost)
{
	return predict_pair(pairs, pairs ? pairs_find(pairs, source, target) : NULL, cost);
}

/* --- learning --- */

static void ewma(uint64_t *mean, uint64_t sample, bool first)
{
	*mean = first ? sample : (3 * sample + 7 * *mean) / 10;
}

static void add_move(struct pair *pair, double mib, double still_ms)
{
	pair->w = pair->w * DECAY + 1;
	pair->x = pair->x * DECAY + mib;
	pair->y = pair->y * DECAY + still_ms;
	pair->xx = pair->xx * DECAY + mib * mib;
	pair->xy = pair->xy * DECAY + mib * still_ms;
}

static void renew_prior(struct pairs *pairs)
{
	static const struct prior start = {.fixed_ms = DEFAULT_FIXED_MS,
					   .still_ms_mib = DEFAULT_STILL_MS_MIB};
	double fixed = 0, still = 0, bytes_s = 0, overhead = 0;
	size_t n = 0, n_bytes = 0;
	struct model m;

	for (size_t i = 0; i < pairs->n; i++) {
		if (!pairs->v[i].moves)
			continue;
		fit(&pairs->v[i], &start, &m);
		fixed += m.fixed_ms;
		still += m.still_ms_mib;
		overhead += (double)pairs->v[i].overhead_ms;
		bytes_s += (double)pairs->v[i].bytes_s;
		n_bytes += pairs->v[i].bytes_s > 0;
		n++;
	}
	pairs->has_prior = n > 0;
	if (!n)
		return;
	pairs->prior = (struct prior){.fixed_ms = fixed / (double)n,
				      .still_ms_mib = still / (double)n,
				      .overhead_ms = (uint64_t)(overhead / (double)n)};
	if (n_bytes)
		pairs->prior.bytes_s = (uint64_t)(bytes_s / (double)n_bytes);
}

/* What the whole move took beyond tree, rounds and freeze. */
static uint64_t overhead_of(const struct msg_figures *f, double bytes_s, uint64_t rss_bytes)
{
	uint64_t running_bytes =
		f->sent_bytes > f->frozen_bytes ? f->sent_bytes - f->frozen_bytes : 0;
	double known_ms = (double)f->frozen_us / 1000 + (double)running_bytes / bytes_s * 1000 +
			  (double)(f->rounds * rss_bytes) / SCAN_BYTES_S * 1000;
	double left_ms = (double)f->total_us / 1000 - known_ms;

	return left_ms < 0 ? 0 : left_ms > OVERHEAD_MAX_MS ? OVERHEAD_MAX_MS : (uint64_t)left_ms;
}

/* Frozen for longer than its parts took: a host or a coordinator was away. */
static bool was_held_up(const struct msg_figures *f)
{
	uint64_t parts_us =
		f->freeze_us + f->dump_us + f->send_us + f->verify_us + f->restore_us + f->start_us;

	return f->frozen_us > 2 * parts_us + 1000000;
}

const struct pair *predict_learn(struct pairs *pairs, const char *source, const char *target,
				 uint64_t rss_bytes, const struct msg_figures *figures)
{
	double moving_ms = 0, frozen_ms = (double)figures->frozen_us / 1000;
	struct pair *pair;
	bool first;

	if (!figures->frozen_us || was_held_up(figures))
		return NULL;
	pair = pairs_add(pairs, source, target);
	first = pair->moves++ == 0;
	if (figures->bytes_s)
		ewma(&pair->bytes_s, figures->bytes_s, !pair->bytes_s);
	if (pair->bytes_s)
		moving_ms = least((double)figures->frozen_bytes / (double)pair->bytes_s * 1000,
				  frozen_ms);
	add_move(pair, (double)rss_bytes / MIB, frozen_ms - moving_ms);
	if (figures->total_us && pair->bytes_s)
		ewma(&pair->overhead_ms, overhead_of(figures, (double)pair->bytes_s, rss_bytes),
		     first);
	renew_prior(pairs);
	return pair;
}

/* --- rates of change --- */

static size_t rate_slot(const struct pairs *pairs, const char *container)
{
	size_t low = 0, high = pairs->n_rates;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(pairs->rates[middle].container, container) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct rate *rate_add(struct pairs *pairs, const char *container)
{
	size_t at = rate_slot(pairs, container);
	struct rate *rate;

	if (at < pairs->n_rates && str_eq(pairs->rates[at].container, container))
		return &pairs->rates[at];
	pairs->rates = mem_grow(pairs->rates, pairs->n_rates + 1, sizeof(*pairs->rates));
	rate = &pairs->rates[at];
	memmove(rate + 1, rate, (pairs->n_rates++ - at) * sizeof(*rate));
	*rate = (struct rate){0};
	str_copy(rate->container, sizeof(rate->container), container);
	return rate;
}

const struct rate *predict_rate(const struct pairs *pairs, const char *container)
{
	size_t at = pairs && container ? rate_slot(pairs, container) : 0;

	return pairs && container && at < pairs->n_rates &&
			       str_eq(pairs->rates[at].container, container)
		       ? &pairs->rates[at]
		       : NULL;
}

const struct rate *predict_learn_rate(struct pairs *pairs, const char *container,
				      const struct msg_figures *figures)
{
	struct rate *rate;

	if (figures->rounds < 2 || !name_ok(container))
		return NULL;
	rate = rate_add(pairs, container);
	ewma(&rate->dirty_bytes_s, figures->dirty_bytes_s, !rate->dirty_bytes_s);
	return rate;
}

/* --- in the store --- */

void pair_key(const struct pair *pair, char ret_key[PREDICT_KEY_SIZE])
{
	str_fmt(ret_key, PREDICT_KEY_SIZE, "pair/%s/%s", pair->source, pair->target);
}

void pair_print(const struct pair *pair, char ret_text[PREDICT_TEXT_SIZE])
{
	str_fmt(ret_text, PREDICT_TEXT_SIZE,
		"2 %" PRIu64 " %" PRIu64 " %" PRIu64 " %.9g %.9g %.9g %.9g %.9g", pair->moves,
		pair->bytes_s, pair->overhead_ms, pair->w, pair->x, pair->y, pair->xx, pair->xy);
}

void rate_key(const struct rate *rate, char ret_key[PREDICT_KEY_SIZE])
{
	str_fmt(ret_key, PREDICT_KEY_SIZE, "dirty/%s", rate->container);
}

void rate_print(const struct rate *rate, char ret_text[PREDICT_TEXT_SIZE])
{
	str_fmt(ret_text, PREDICT_TEXT_SIZE, "%" PRIu64, rate->dirty_bytes_s);
}

static bool sums_are_sane(const struct pair *p)
{
	return p->w >= 0 && p->w < 1e6 && p->x >= 0 && p->x < 1e12 && p->y >= 0 && p->y < 1e12 &&
	       p->xx >= 0 && p->xx < 1e18 && p->xy >= 0 && p->xy < 1e18;
}

static bool parse_pair(struct pairs *pairs, const char *key, const char *text)
{
	struct pair read = {0}, *pair;

	if (sscanf(key, "pair/%63[^/]/%63s", read.source, read.target) != 2 ||
	    sscanf(text, "2 %" SCNu64 " %" SCNu64 " %" SCNu64 " %lf %lf %lf %lf %lf", &read.moves,
		   &read.bytes_s, &read.overhead_ms, &read.w, &read.x, &read.y, &read.xx,
		   &read.xy) != 8 ||
	    !sums_are_sane(&read))
		return false;
	pair = pairs_add(pairs, read.source, read.target);
	*pair = read;
	renew_prior(pairs);
	return true;
}

bool predict_parse(struct pairs *pairs, const char *key, const char *text)
{
	uint64_t bytes_s;

	if (str_starts(key, "pair/"))
		return parse_pair(pairs, key, text);
	if (!str_starts(key, "dirty/") || !name_ok(key + strlen("dirty/")) ||
	    !str_u64(text, 0, UINT64_MAX, &bytes_s))
		return false;
	rate_add(pairs, key + strlen("dirty/"))->dirty_bytes_s = bytes_s;
	return true;
}
