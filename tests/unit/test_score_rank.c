/* SPDX-License-Identifier: MPL-2.0
 *
 * The best of the hosts that can take a container comes first. */
#include "test_score_world.h"

static void the_emptier_host_comes_first(void **state)
{
	struct score_query query;
	struct ranking r;
	struct world w;
	double sum = 0;

	(void)state;
	good_world(&w);
	w.beat[1].cpu_permille = 900;
	hear_all(&w);
	query = query_of(&w);
	score_rank(&query, &w.nodes, &r);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.v[0].node->id, "gamma");
	assert_true(r.v[0].score > r.v[1].score);
	assert_true(r.v[0].score <= 100 && r.v[1].score >= 0);
	for (size_t i = 0; i < SCORE_TERMS; i++) {
		assert_true(r.v[0].terms[i].value >= 0 && r.v[0].terms[i].value <= 1);
		sum += r.v[0].terms[i].weight;
	}
	assert_true(sum > 0.999 && sum < 1.001);
	ranking_done(&r);
	end_world(&w);
}

/* The maximum counts, not the mean: one full resource outweighs three empty ones. */
static void the_fullest_resource_counts(void **state)
{
	struct score_query query;
	struct ranking r;
	struct world w;

	(void)state;
	good_world(&w);
	w.beat[1].psi_io = 95;
	w.beat[2].cpu_permille = 400;
	w.beat[2].psi_io = 40;
	hear_all(&w);
	query = query_of(&w);
	score_rank(&query, &w.nodes, &r);
	assert_string_equal(r.v[0].node->id, "gamma");
	assert_true(node_hot(r.v[1].node) > 0.94);
	ranking_done(&r);
	end_world(&w);
}

static void equals_are_ordered_by_name_and_the_refused_come_last(void **state)
{
	struct score_query query;
	struct ranking r;
	struct world w;

	(void)state;
	good_world(&w);
	hear_all(&w);
	query = query_of(&w);
	score_rank(&query, &w.nodes, &r);
	assert_string_equal(r.v[0].node->id, "beta");
	ranking_done(&r);
	nodes_find(&w.nodes, "beta")->cordoned = true;
	score_rank(&query, &w.nodes, &r);
	assert_string_equal(r.v[0].node->id, "gamma");
	assert_false(verdict_feasible(&r.v[1].verdict));
	ranking_done(&r);
	end_world(&w);
}

static void a_policy_comes_before_the_score(void **state)
{
	const char *labels[] = {"disk=ssd", "disk=hdd"};
	struct rules rules = some_rules();
	struct score_query query;
	struct ranking r;
	struct world w;

	(void)state;
	good_world(&w);
	w.caps[1].labels = (struct msg_strs){&labels[0], 1};
	w.caps[2].labels = (struct msg_strs){&labels[1], 1};
	w.beat[1].cpu_permille = 700; /* beta is worse */
	w.rules = &rules;
	hear_all(&w);
	query = query_of(&w);
	score_rank(&query, &w.nodes, &r);
	assert_string_equal(r.v[0].node->id, "gamma");
	ranking_done(&r);
	rules.prefer = "disk=ssd";
	score_rank(&query, &w.nodes, &r);
	assert_string_equal(r.v[0].node->id, "beta");
	assert_int_equal(r.v[0].tier, 1);
	assert_true(r.v[0].score < r.v[1].score);
	ranking_done(&r);
	nodes_find(&w.nodes, "beta")->load[RESOURCE_cpu] = 0.9; /* a preference fills no host */
	score_rank(&query, &w.nodes, &r);
	assert_string_equal(r.v[0].node->id, "gamma");
	ranking_done(&r);
	rules.prefer = "";
	rules.avoid = "disk=hdd";
	score_rank(&query, &w.nodes, &r);
	assert_string_equal(r.v[0].node->id, "beta");
	assert_int_equal(r.v[1].tier, -1);
	ranking_done(&r);
	end_world(&w);
}

/* Of many, the best are kept in order, and the best of all is the one that score_best finds. */
static void the_best_of_many_are_kept(void **state)
{
	struct score_query query;
	struct candidate best;
	struct ranking r;
	struct world w;

	(void)state;
	good_world(&w);
	hear_all(&w);
	for (size_t i = 0; i < 3 * RANK_LIVE_KEPT; i++) {
		char id[16];
		struct node *node;
		struct msg_beat load = w.beat[1];
		struct msg *caps = msg_copy(MSG_TYPE_caps, &w.caps[1]), *beat;

		load.cpu_permille = i * 7919 % 300 + (i % 7 == 0);
		load.mem_available_bytes = (i % 5 ? 800 : 100) * MIB;
		beat = msg_copy(MSG_TYPE_beat, &load);
		caps->head.type = MSG_TYPE_caps;
		beat->head.type = MSG_TYPE_beat;
		str_fmt(id, sizeof(id), "h%03zu", i);
		node = nodes_add(&w.nodes, id);
		node->enrolled = true;
		nodes_hear(&w.nodes, node, caps, 1000);
		nodes_hear(&w.nodes, node, beat, 1000);
		msg_free(&caps);
		msg_free(&beat);
	}
	query = query_of(&w);
	score_rank(&query, &w.nodes, &r);
	assert_int_equal(r.hosts, 3 * RANK_LIVE_KEPT + 2);
	assert_int_equal(r.kinds[VERDICT_no], 3 * RANK_LIVE_KEPT / 5);
	assert_int_equal(r.n, RANK_LIVE_KEPT + 3 * RANK_LIVE_KEPT / 5);
	for (size_t i = 1; i < RANK_LIVE_KEPT; i++)
		assert_true(r.v[i - 1].score >= r.v[i].score);
	for (size_t i = 0; i < w.nodes.n; i++) {
		struct candidate one;
		bool kept = false;

		for (size_t k = 0; k < r.n; k++)
			kept |= r.v[k].node == w.nodes.v[i];
		score_one(&query, w.nodes.v[i], &one);
		if (!kept && verdict_feasible(&one.verdict) && w.nodes.v[i] != query.source)
			assert_true(one.score <= r.v[RANK_LIVE_KEPT - 1].score);
		candidate_done(&one);
	}
	assert_true(score_best(&query, &w.nodes, NULL, NULL, &best));
	assert_ptr_equal(best.node, r.v[0].node);
	assert_true(best.score == r.v[0].score);
	candidate_done(&best);
	ranking_done(&r);
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_emptier_host_comes_first),
		cmocka_unit_test(the_fullest_resource_counts),
		cmocka_unit_test(equals_are_ordered_by_name_and_the_refused_come_last),
		cmocka_unit_test(a_policy_comes_before_the_score),
		cmocka_unit_test(the_best_of_many_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
