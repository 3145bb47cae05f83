/* SPDX-License-Identifier: MPL-2.0
 *
 * Three good hosts and one container to judge; a test bends what it is about before it asks. */
#ifndef DROVER_TESTS_TEST_SCORE_WORLD_H
#define DROVER_TESTS_TEST_SCORE_WORLD_H

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
	struct rules *rules;
	uint64_t now_ms;
	bool has_peers;
	struct msg_mount mount;
	const char *text; /* for lists of one */
	uint64_t group;
};

static const char *const ids[] = {"alpha", "beta", "gamma"};

/* Rules of one container, as policies make them. */
static struct rules some_rules(void)
{
	return (struct rules){.prefer = "",
			      .avoid = "",
			      .require = "",
			      .spread = "",
			      .together = "",
			      .name = "db"};
}

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
				    .busy = w->busy,
				    .rules = w->rules,
				    .now_ms = w->now_ms,
				    .interval_ms = 1000,
				    .has_peers = w->has_peers};
}

static void end_world(struct world *w)
{
	verdict_done(&w->verdict);
	nodes_done(&w->nodes);
	pairs_done(&w->pairs);
}

#endif
