/* SPDX-License-Identifier: MPL-2.0
 *
 * Each reason against a host is found with its stable code and its values, and the best of the
 * remaining hosts comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "coordinator/score.h"

#include <stdio.h>
#include <string.h>

#define MIB (1024ull * 1024)

/* What a test bends before it asks for the verdict. */
struct world {
	struct nodes nodes;
	struct pairs pairs;
	struct msg_caps caps[3];
	struct msg_beat beat[3];
	struct msg_runtime runtime[3];
	struct msg_network network[3];
	struct msg_container container, other;
	struct msg_net net;
	const char *features[3][2];
	const char *address;
	struct verdict verdict;
	bool busy;
	struct msg_strs skip;
};

static const char *const ids[] = {"alpha", "beta", "gamma"};

static void good_world(struct world *w)
{
	*w = (struct world){0};
	nodes_init(&w->nodes, 1000);
	w->address = "10.9.0.5/24";
	w->net = (struct msg_net){.kind = "named", .bridge = "br0", .addrs = {&w->address, 1}};
	w->container = (struct msg_container){.id = "web",
					      .runtime = "runc",
					      .status = "running",
					      .rss_bytes = 100 * MIB,
					      .tree_bytes = 10 * MIB,
					      .net = &w->net};
	for (size_t i = 0; i < 3; i++) {
		w->features[i][0] = "avx2";
		w->features[i][1] = "sse4_2";
		w->runtime[i] = (struct msg_runtime){.name = "runc", .checkpoint = true};
		w->network[i] = (struct msg_network){.bridge = "br0", .subnet = "10.9.0.0/24"};
		w->caps[i] = (struct msg_caps){.kernel = "6.12.3",
					       .arch = "x86_64",
					       .cpu_features = {w->features[i], 2},
					       .xsave_bytes = 2696,
					       .criu_version = 40201,
					       .cgroup_version = 2,
					       .runtimes = {&w->runtime[i], 1},
					       .networks = {&w->network[i], 1},
					       .storage_total_bytes = 1000 * MIB,
					       .storage_free_bytes = 900 * MIB,
					       .staging_total_bytes = 1000 * MIB,
					       .staging_free_bytes = 900 * MIB};
		w->beat[i] = (struct msg_beat){.seq = 1,
					       .cpus = 4,
					       .mem_total_bytes = 1000 * MIB,
					       .mem_available_bytes = 800 * MIB};
	}
	w->caps[0].containers.v = &w->container;
	w->caps[0].containers.n = 1;
}

static void hear(struct world *w, size_t i, enum msg_type type, const void *body)
{
	struct node *node = nodes_add(&w->nodes, ids[i]);
	struct msg *msg = msg_copy(type, body);

	node->enrolled = true;
	msg->head.type = type;
	nodes_hear(&w->nodes, node, msg, 1000);
	msg_free(&msg);
}

static void hear_all(struct world *w)
{
	for (size_t i = 0; i < 3; i++) {
		hear(w, i, MSG_TYPE_caps, &w->caps[i]);
		hear(w, i, MSG_TYPE_beat, &w->beat[i]);
	}
}

static struct score_query query_of(struct world *w)
{
	return (struct score_query){.container = &w->container,
				    .source = nodes_find(&w->nodes, "alpha"),
				    .skip = w->skip,
				    .headroom_percent = 10,
				    .pairs = &w->pairs,
				    .busy = w->busy};
}

static void judge(struct world *w)
{
	struct score_query query = query_of(w);

	score_verdict(&query, nodes_find(&w->nodes, "beta"), &w->verdict);
}

static bool has(const struct world *w, const char *code)
{
	for (size_t i = 0; i < w->verdict.n; i++)
		if (str_eq(w->verdict.v[i].row->code, code))
			return true;
	return false;
}

static void end_world(struct world *w)
{
	verdict_done(&w->verdict);
	nodes_done(&w->nodes);
	pairs_done(&w->pairs);
}

static void a_good_host_has_no_reason_against_it(void **state)
{
	struct world w;

	(void)state;
	good_world(&w);
	hear_all(&w);
	judge(&w);
	assert_int_equal(w.verdict.n, 0);
	assert_true(w.verdict.feasible);
	assert_string_equal(verdict_word(&w.verdict), "live");
	end_world(&w);
}

/* Each case bends one thing and expects one code. */
static void bend_cordon(struct world *w)
{
	nodes_find(&w->nodes, "beta")->cordoned = true;
}

static void bend_suspect(struct world *w)
{
	nodes_judge(&w->nodes, nodes_find(&w->nodes, "beta"), 5000);
}

static void bend_source_down(struct world *w)
{
	nodes_judge(&w->nodes, nodes_find(&w->nodes, "alpha"), 50000);
}

#define BEND(name, ...) \
	static void name(struct world *w) \
	{ \
		__VA_ARGS__; \
	}
BEND(bend_runtime, w->runtime[1].name = "crun")
BEND(bend_checkpoint, w->runtime[1].checkpoint = false)
BEND(bend_no_criu, w->caps[1].criu_version = 0)
BEND(bend_older_criu, w->caps[1].criu_version = 40101)
BEND(bend_ancient_criu, w->caps[0].criu_version = w->caps[1].criu_version = 31701)
BEND(bend_criu_check, w->caps[1].criu_check = "no freezer")
BEND(bend_arch, w->caps[1].arch = "aarch64")
BEND(bend_features, w->features[1][0] = "avx")
BEND(bend_xsave, w->caps[1].xsave_bytes = 832)
BEND(bend_mem, w->beat[1].mem_available_bytes = 250 * MIB)
BEND(bend_disk, w->beat[1].storage_free_bytes = 20 * MIB)
BEND(bend_staging, w->beat[1].staging_free_bytes = 100 * MIB)
BEND(bend_cgroup, w->caps[1].cgroup_version = 1)
BEND(bend_crun_v1, w->caps[0].cgroup_version = w->caps[1].cgroup_version = 1;
     w->container.runtime = w->runtime[0].name = w->runtime[1].name = "crun")
BEND(bend_bridge, w->network[1].bridge = "br1")
BEND(bend_subnet, w->network[1].subnet = "10.8.0.0/24")
BEND(bend_name, w->other = (struct msg_container){.id = "web", .status = "stopped"};
     w->caps[1].containers.v = &w->other; w->caps[1].containers.n = 1)
BEND(bend_stopped, w->container.status = "stopped")
BEND(bend_busy, w->busy = true)
BEND(bend_io_uring, w->container.io_uring = true)
BEND(bend_tty, w->container.tty = true)
BEND(bend_unix, w->container.external_unix = true)
BEND(bend_netns, w->container.shares_netns = true)
BEND(bend_host_net, w->net.kind = "host"; w->container.inet_sockets = true)
BEND(bend_kernel_vdso, w->caps[1].kernel = "6.14.0"; w->caps[1].criu_version = 31701;
     w->caps[0].criu_version = 31701)
BEND(bend_source_vdso, w->caps[0].kernel = "6.13.0"; w->caps[0].criu_version = 31900)
BEND(bend_source_sockopt, w->caps[0].kernel = "6.18.1"; w->caps[0].criu_version = 40101;
     w->container.inet_sockets = true)

static const struct {
	void (*early)(struct world *w); /* before the hosts speak */
	void (*late)(struct world *w);  /* after */
	const char *code;
	const char *value; /* in the sentence */
} cases[] = {
	{NULL, bend_cordon, "E-HOST-CORDONED", "beta"},
	{NULL, bend_suspect, "E-HOST-DOWN", "suspect"},
	{NULL, bend_source_down, "E-SOURCE-DOWN", "dead"},
	{bend_runtime, NULL, "E-RUNTIME", "runc"},
	{bend_checkpoint, NULL, "E-RUNTIME", "cannot restore"},
	{bend_no_criu, NULL, "E-CRIU-MISSING", "beta"},
	{bend_older_criu, NULL, "E-CRIU-VERSION", "4.1.1"},
	{bend_ancient_criu, NULL, "E-CRIU-OLD", "3.17.1"},
	{bend_criu_check, NULL, "E-CRIU-CHECK", "no freezer"},
	{bend_arch, NULL, "E-ARCH", "aarch64"},
	{bend_features, NULL, "E-CPU-FEATURES", "avx2"},
	{bend_xsave, NULL, "E-CPU-XSAVE", "832"},
	{bend_mem, NULL, "E-MEM", "250 MiB"},
	{bend_disk, NULL, "E-DISK", "20.0 MiB"},
	{bend_staging, NULL, "E-STAGING", "100 MiB"},
	{bend_cgroup, NULL, "E-CGROUP", "v1 on beta"},
	{bend_crun_v1, NULL, "E-CGROUP", "crun"},
	{bend_bridge, NULL, "E-NET-BRIDGE", "br0"},
	{bend_subnet, NULL, "E-NET-SUBNET", "10.8.0.0/24"},
	{bend_name, NULL, "E-NAME-TAKEN", "stopped"},
	{bend_stopped, NULL, "E-STOPPED", "stopped"},
	{bend_busy, NULL, "E-BUSY", "web"},
	{bend_io_uring, NULL, "E-IOURING", "web"},
	{bend_tty, NULL, "E-TTY", "web"},
	{bend_unix, NULL, "E-EXT-UNIX", "web"},
	{bend_netns, NULL, "E-SHARED-NETNS", "web"},
	{bend_host_net, NULL, "E-NET-HOST", "web"},
	{bend_kernel_vdso, NULL, "E-KERNEL-CRIU", "6.14.0"},
	{bend_source_vdso, NULL, "E-SOURCE-KERNEL", "vDSO"},
	{bend_source_sockopt, NULL, "E-SOURCE-KERNEL", "1:16"},
};

static void each_reason_is_found(void **state)
{
	char text[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		good_world(&w);
		if (cases[i].early)
			cases[i].early(&w);
		hear_all(&w);
		if (cases[i].late)
			cases[i].late(&w);
		judge(&w);
		verdict_print(&w.verdict, text, sizeof(text));
		if (!has(&w, cases[i].code) || !strstr(text, cases[i].value))
			print_error("%s: %s\n", cases[i].code, text);
		assert_true(has(&w, cases[i].code));
		assert_non_null(strstr(text, cases[i].value));
		assert_false(w.verdict.feasible);
		assert_string_equal(verdict_word(&w.verdict), "no");
		assert_true(strlen(verdict_fix(&w.verdict)) > 0);
		end_world(&w);
	}
}

static void a_newer_criu_is_only_a_warning(void **state)
{
	struct world w;

	(void)state;
	good_world(&w);
	w.caps[0].criu_version = 40101;
	hear_all(&w);
	judge(&w);
	assert_string_equal(verdict_word(&w.verdict), "warn");
	assert_true(w.verdict.feasible);
	end_world(&w);
}

/* What would lose data cannot be skipped, by any name. */
static void skipping_turns_reasons_into_warnings(void **state)
{
	const char *names[] = {"cpu"}, *all[] = {"all"};
	struct world w;

	(void)state;
	good_world(&w);
	bend_xsave(&w);
	w.skip = (struct msg_strs){names, 1};
	hear_all(&w);
	judge(&w);
	assert_true(w.verdict.feasible);
	assert_true(has(&w, "E-CPU-XSAVE"));
	end_world(&w);
	good_world(&w);
	bend_xsave(&w);
	bend_name(&w);
	w.skip = (struct msg_strs){all, 1};
	hear_all(&w);
	judge(&w);
	assert_false(w.verdict.feasible);
	assert_false(score_skips(&w.skip, ""));
	end_world(&w);
}

static void bookings_count_against_memory(void **state)
{
	struct world w;

	(void)state;
	good_world(&w);
	hear_all(&w);
	nodes_find(&w.nodes, "beta")->booked_bytes = 600 * MIB;
	judge(&w);
	assert_true(has(&w, "E-MEM"));
	end_world(&w);
}

static void the_emptier_host_comes_first(void **state)
{
	struct candidate *candidates;
	struct score_query query;
	struct world w;
	double sum = 0;
	size_t n;

	(void)state;
	good_world(&w);
	w.beat[1].cpu_permille = 900;
	hear_all(&w);
	query = query_of(&w);
	n = score_rank(&query, &w.nodes, &candidates);
	assert_int_equal(n, 2);
	assert_string_equal(candidates[0].node->id, "gamma");
	assert_true(candidates[0].score > candidates[1].score);
	assert_true(candidates[0].score <= 100 && candidates[1].score >= 0);
	for (size_t i = 0; i < SCORE_TERMS; i++) {
		assert_true(candidates[0].terms[i].value >= 0 && candidates[0].terms[i].value <= 1);
		sum += candidates[0].terms[i].weight;
	}
	assert_true(sum > 0.999 && sum < 1.001);
	candidates_free(&candidates, n);
	end_world(&w);
}

/* The maximum counts, not the mean: one full resource outweighs three empty ones. */
static void the_fullest_resource_counts(void **state)
{
	struct candidate *candidates;
	struct score_query query;
	struct world w;
	size_t n;

	(void)state;
	good_world(&w);
	w.beat[1].psi_io = 95;
	w.beat[2].cpu_permille = 400;
	w.beat[2].psi_io = 40;
	hear_all(&w);
	query = query_of(&w);
	n = score_rank(&query, &w.nodes, &candidates);
	assert_string_equal(candidates[0].node->id, "gamma");
	assert_true(node_hot(candidates[1].node) > 0.94);
	candidates_free(&candidates, n);
	end_world(&w);
}

static void equals_are_ordered_by_name_and_the_refused_come_last(void **state)
{
	struct candidate *candidates;
	struct score_query query;
	struct world w;
	size_t n;

	(void)state;
	good_world(&w);
	hear_all(&w);
	query = query_of(&w);
	n = score_rank(&query, &w.nodes, &candidates);
	assert_string_equal(candidates[0].node->id, "beta");
	candidates_free(&candidates, n);
	nodes_find(&w.nodes, "beta")->cordoned = true;
	n = score_rank(&query, &w.nodes, &candidates);
	assert_string_equal(candidates[0].node->id, "gamma");
	assert_false(candidates[1].verdict.feasible);
	candidates_free(&candidates, n);
	end_world(&w);
}

static void codes_are_unique_and_told_with_a_fix(void **state)
{
	(void)state;
	for (enum reason_id i = 0; i < REASON_COUNT; i++) {
		assert_ptr_equal(reason_find(reason_row(i)->code), reason_row(i));
		assert_true(strlen(reason_row(i)->code) <= 31);
		assert_true(strlen(reason_row(i)->fix) > 0);
		assert_true(strlen(reason_row(i)->skip) <= 31);
	}
	assert_null(reason_find("E-NONE"));
	assert_null(reason_find(NULL));
}

static void moves_teach_the_prediction(void **state)
{
	struct msg_figures f = {.frozen_us = 900000, .send_us = 500000, .bytes_s = 200 * MIB};
	struct pairs pairs = {0}, copy = {0};
	const struct pair *pair;
	char key[PREDICT_KEY_SIZE], text[80];
	uint64_t before = predict(&pairs, "a", "b", 100 * MIB, 0).frozen_ms;

	(void)state;
	pair = predict_learn(&pairs, "a", "b", &f);
	assert_int_equal(pair->fixed_ms, 400);
	assert_int_equal(predict(&pairs, "a", "b", 100 * MIB, 0).frozen_ms, 900);
	assert_true(before != 900);
	assert_int_equal(predict(&pairs, "b", "a", 100 * MIB, 0).frozen_ms, before);
	pair_key(pair, key);
	pair_print(pair, text, sizeof(text));
	assert_true(pair_parse(&copy, key, text));
	assert_int_equal(predict(&copy, "a", "b", 100 * MIB, 0).frozen_ms, 900);
	assert_false(pair_parse(&copy, "pair/a", text));
	assert_false(pair_parse(&copy, key, "no numbers"));
	assert_null(predict_learn(&pairs, "a", "b", &(struct msg_figures){0}));
	pairs_done(&pairs);
	pairs_done(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_host_has_no_reason_against_it),
		cmocka_unit_test(each_reason_is_found),
		cmocka_unit_test(a_newer_criu_is_only_a_warning),
		cmocka_unit_test(skipping_turns_reasons_into_warnings),
		cmocka_unit_test(bookings_count_against_memory),
		cmocka_unit_test(the_emptier_host_comes_first),
		cmocka_unit_test(the_fullest_resource_counts),
		cmocka_unit_test(equals_are_ordered_by_name_and_the_refused_come_last),
		cmocka_unit_test(codes_are_unique_and_told_with_a_fix),
		cmocka_unit_test(moves_teach_the_prediction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
