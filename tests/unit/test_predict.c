/* SPDX-License-Identifier: MPL-2.0
 *
 * The model: before any move it is sane and heeds the link; moves teach it, per pair, and other
 * pairs until they have their own; memory that changes costs rounds and frozen time up to all of
 * it; what it has learned survives the store, and a move that was held up teaches nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "coordinator/predict.h"

#include <stdlib.h>
#include <string.h>

#define MIB (1024ull * 1024)

static struct cost still(uint64_t mib)
{
	return (struct cost){.rss_bytes = mib * MIB};
}

/* A move of a host pair on which still memory costs fixed + per_mib. */
static struct msg_figures moved(uint64_t mib, uint64_t fixed_ms, uint64_t per_mib_us)
{
	uint64_t us = fixed_ms * 1000 + mib * per_mib_us;

	return (struct msg_figures){.frozen_us = us,
				    .dump_us = us / 2,
				    .restore_us = us / 2,
				    .bytes_s = 400 * MIB,
				    .sent_bytes = mib * MIB,
				    .rounds = 2,
				    .total_us = us + 2000000};
}

static void before_the_first_move(void **state)
{
	struct pairs none = {0};
	struct cost cost = still(64);
	struct prediction p = predict(&none, "a", "b", &cost), slow;

	(void)state;
	assert_in_range(p.frozen_ms, 200, 2000);
	assert_true(p.total_ms > p.frozen_ms && p.total_ms < 10000);
	cost.link_bytes_s = 10 * MIB; /* 100 Mb/s */
	cost.dirty_bytes_s = 20 * MIB;
	slow = predict(&none, "a", "b", &cost);
	assert_in_range(slow.pending_bytes, 60 * MIB, 64 * MIB); /* it never converges */
	assert_in_range(slow.frozen_ms, p.frozen_ms + 6000, p.frozen_ms + 9000);
	assert_true(slow.total_ms > 14000);
	assert_int_equal(predict(NULL, "a", "b", &(struct cost){.rss_bytes = 64 * MIB}).frozen_ms,
			 p.frozen_ms);
}

static void moves_of_one_size_teach(void **state)
{
	struct pairs pairs = {0};
	struct cost cost = still(64);
	struct msg_figures f = moved(64, 300, 3000);
	uint64_t before = predict(&pairs, "a", "b", &cost).frozen_ms;

	(void)state;
	assert_non_null(predict_learn(&pairs, "a", "b", 64 * MIB, &f));
	assert_in_range(predict(&pairs, "a", "b", &cost).frozen_ms, 470, 510); /* 492 */
	for (int i = 0; i < 10; i++)
		predict_learn(&pairs, "a", "b", 64 * MIB, &f);
	assert_in_range(predict(&pairs, "a", "b", &cost).frozen_ms, 485, 500);
	assert_true(before != predict(&pairs, "a", "b", &cost).frozen_ms);
	pairs_done(&pairs);
}

/* Two sizes tell the constant from the slope, so a third is foretold. */
static void sizes_are_told_apart(void **state)
{
	struct pairs pairs = {0};
	struct cost third = still(256);

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct msg_figures f = moved(i % 2 ? 32 : 512, 250, 2800);

		predict_learn(&pairs, "a", "b", (i % 2 ? 32 : 512) * MIB, &f);
	}
	assert_in_range(predict(&pairs, "a", "b", &third).frozen_ms, 870, 1050); /* 967 */
	pairs_done(&pairs);
}

/* A change of the world is learned within a few moves. */
static void old_moves_fade(void **state)
{
	struct pairs pairs = {0};
	struct cost cost = still(64);
	struct msg_figures slow = moved(64, 2000, 0), fast = moved(64, 400, 0);

	(void)state;
	for (int i = 0; i < 10; i++)
		predict_learn(&pairs, "a", "b", 64 * MIB, &slow);
	for (int i = 0; i < 10; i++)
		predict_learn(&pairs, "a", "b", 64 * MIB, &fast);
	assert_in_range(predict(&pairs, "a", "b", &cost).frozen_ms, 380, 620);
	pairs_done(&pairs);
}

static void others_stand_in(void **state)
{
	struct pairs pairs = {0};
	struct cost cost = still(64);
	struct msg_figures f = moved(64, 1500, 0);
	uint64_t never = predict(&pairs, "x", "y", &cost).frozen_ms, known;

	(void)state;
	for (int i = 0; i < 8; i++)
		predict_learn(&pairs, "a", "b", 64 * MIB, &f);
	known = predict(&pairs, "a", "b", &cost).frozen_ms;
	assert_true(known > 1400);
	assert_in_range(predict(&pairs, "x", "y", &cost).frozen_ms, known - 150, known + 150);
	assert_true(never < 1000);
	/* The others' bandwidth, but no more than this link can do. */
	cost.dirty_bytes_s = 1000 * MIB;
	cost.link_bytes_s = 10 * MIB;
	assert_true(predict(&pairs, "x", "y", &cost).frozen_ms > 5000);
	pairs_done(&pairs);
}

/* V(k+1) = min(rss, dirty · T): the faster memory changes the more is left, up to all of it. */
static void changes_cost_time(void **state)
{
	struct pairs pairs = {0};
	struct msg_figures f = moved(256, 300, 1000);
	uint64_t last = 0, rates[] = {0, 1, 10, 100, 1000, 10000};
	struct cost cost = still(256);
	struct prediction p;

	(void)state;
	predict_learn(&pairs, "a", "b", 256 * MIB, &f);
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		cost.dirty_bytes_s = rates[i] * MIB;
		p = predict(&pairs, "a", "b", &cost);
		assert_true(p.frozen_ms >= last && p.rounds >= 1 && p.rounds <= 4);
		assert_true(p.pending_bytes <= 256 * MIB);
		last = p.frozen_ms;
	}
	assert_int_equal(p.pending_bytes, 256 * MIB);
	cost.dirty_bytes_s = 0;
	p = predict(&pairs, "a", "b", &cost);
	assert_int_equal(p.pending_bytes, 0);
	assert_int_equal(p.rounds, 2);
	assert_true(last > p.frozen_ms + 500); /* 256 MiB at 400 MiB/s */
	pairs_done(&pairs);
}

static void a_move_that_was_held_up_teaches_nothing(void **state)
{
	struct pairs pairs = {0};
	struct msg_figures f = moved(64, 300, 1000);

	(void)state;
	f.frozen_us += 30000000; /* its coordinator was away */
	assert_null(predict_learn(&pairs, "a", "b", 64 * MIB, &f));
	assert_null(predict_learn(&pairs, "a", "b", 64 * MIB, &(struct msg_figures){0}));
	assert_int_equal(pairs.n, 0);
	pairs_done(&pairs);
}

static void lessons_survive_the_store(void **state)
{
	struct pairs pairs = {0}, copy = {0};
	char key[PREDICT_KEY_SIZE], text[PREDICT_TEXT_SIZE];
	struct msg_figures f = moved(64, 700, 1000);
	struct cost cost = still(100);
	const struct pair *pair;
	const struct rate *rate;

	(void)state;
	f.dirty_bytes_s = 5 * MIB;
	predict_learn(&pairs, "a", "b", 64 * MIB, &f);
	f = moved(256, 700, 1000);
	f.dirty_bytes_s = 5 * MIB;
	pair = predict_learn(&pairs, "a", "b", 256 * MIB, &f);
	pair_key(pair, key);
	pair_print(pair, text);
	assert_true(predict_parse(&copy, key, text));
	assert_int_equal(predict(&copy, "a", "b", &cost).frozen_ms,
			 predict(&pairs, "a", "b", &cost).frozen_ms);
	assert_int_equal(predict(&copy, "x", "y", &cost).total_ms,
			 predict(&pairs, "x", "y", &cost).total_ms);
	rate = predict_learn_rate(&pairs, "web", &f);
	rate_key(rate, key);
	rate_print(rate, text);
	assert_string_equal(key, "dirty/web");
	assert_true(predict_parse(&copy, key, text));
	assert_int_equal(predict_rate(&copy, "web")->dirty_bytes_s, 5 * MIB);
	assert_null(predict_rate(&copy, "wec"));
	assert_null(predict_rate(NULL, "web"));
	f.rounds = 1;
	assert_null(predict_learn_rate(&pairs, "db", &f)); /* one round says nothing of changes */
	assert_false(predict_parse(&copy, "pair/a/c", "400 1000 3")); /* an older form */
	assert_false(predict_parse(&copy, "pair/a/c", "2 1 1 1 nan 1 1 1 1"));
	assert_false(predict_parse(&copy, "pair/a", "2 1 1 1 1 1 1 1 1"));
	assert_false(predict_parse(&copy, "dirty/../x", "7"));
	assert_false(predict_parse(&copy, "other", "7"));
	pairs_done(&pairs);
	pairs_done(&copy);
}

static void pairs_are_walked_in_order(void **state)
{
	struct msg_figures f = moved(64, 300, 1000);
	struct pairs pairs = {0};
	struct pair_walk walk;

	(void)state;
	predict_learn(&pairs, "a", "b", 64 * MIB, &f);
	predict_learn(&pairs, "a", "d", 64 * MIB, &f);
	predict_learn(&pairs, "a", "aa", 64 * MIB, &f);
	predict_learn(&pairs, "0", "b", 64 * MIB, &f);
	walk = pairs_from(&pairs, "a");
	assert_string_equal(pairs_next(&walk, "aa")->target, "aa");
	assert_null(pairs_next(&walk, "ab"));
	assert_string_equal(pairs_next(&walk, "b")->target, "b");
	assert_null(pairs_next(&walk, "c"));
	assert_string_equal(pairs_next(&walk, "d")->target, "d");
	assert_null(pairs_next(&walk, "e"));
	pairs_done(&pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_the_first_move),
		cmocka_unit_test(moves_of_one_size_teach),
		cmocka_unit_test(sizes_are_told_apart),
		cmocka_unit_test(old_moves_fade),
		cmocka_unit_test(others_stand_in),
		cmocka_unit_test(changes_cost_time),
		cmocka_unit_test(a_move_that_was_held_up_teaches_nothing),
		cmocka_unit_test(lessons_survive_the_store),
		cmocka_unit_test(pairs_are_walked_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
