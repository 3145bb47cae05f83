/* SPDX-License-Identifier: MPL-2.0
 *
 * How long one decision takes: a container is ranked over N synthetic hosts, many times, and each
 * time is measured. Half of the hosts could take it; the others are full, cordoned or have another
 * CRIU. There are as many profiles as are asked for, and every second host has a learned pair.
 * Prints one JSON object; says nothing about what is fast enough.
 *
 * usage: bench_rank [HOSTS [PROFILES [ROUNDS]]]   (10000 20 1000) */
#include "base/clock.h"
#include "base/mem.h"
#include "coordinator/score.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MIB (1024ull * 1024)
#define CONTAINERS 20

static void add_host(struct nodes *nodes, size_t i, size_t profiles,
		     const struct msg_strs *features)
{
	struct msg_container containers[CONTAINERS] = {{0}};
	char ids[CONTAINERS][32], id[32], kernel[32];
	struct msg_runtime runtime = {.name = "runc", .version = "1.3.6", .checkpoint = true};
	struct msg_network network = {.bridge = "br0", .subnet = "10.0.0.1/8", .speed_mbit = 10000};
	const char *images[] = {"/images/debian", "/images/redis"};
	struct msg_caps caps = {.kernel = kernel,
				.arch = "x86_64",
				.cpu_features = *features,
				.xsave_bytes = 2696,
				.criu_version = i % 10 == 3 ? 40101 : 40201,
				.cgroup_version = 2,
				.runtimes = {&runtime, 1},
				.networks = {&network, 1},
				.images = {images, 1 + i % 2},
				.containers = {containers, CONTAINERS}};
	struct msg_beat beat = {.seq = 1,
				.cpus = 16,
				.cpu_permille = i * 7919 % 900,
				.psi_io = (double)(i * 31 % 40),
				.mem_total_bytes = 65536 * MIB,
				.mem_available_bytes = (i % 10 < 3 ? 2000 : 40000) * MIB};
	struct node *node;
	struct msg *msg;

	str_fmt(kernel, sizeof(kernel), "6.12.%zu", i % profiles);
	for (size_t k = 0; k < CONTAINERS; k++) {
		str_fmt(ids[k], sizeof(ids[k]), "ct-%zu-%zu", i, k);
		containers[k] = (struct msg_container){
			.id = ids[k], .runtime = "runc", .status = "running"};
	}
	str_fmt(id, sizeof(id), "host-%05zu", i);
	node = nodes_add(nodes, id);
	node->enrolled = true;
	node->cordoned = i % 10 == 4;
	msg = msg_copy(MSG_TYPE_caps, &caps);
	msg->head.type = MSG_TYPE_caps;
	nodes_hear(nodes, node, msg, 1000);
	msg_free(&msg);
	msg = msg_copy(MSG_TYPE_beat, &beat);
	msg->head.type = MSG_TYPE_beat;
	nodes_hear(nodes, node, msg, 1000);
	msg_free(&msg);
}

/* Of this thread: what others of a shared machine take is not counted. */
static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct spread {
	uint64_t p50, p99, most;
};

static struct spread spread_of(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return (struct spread){v[n / 2], v[n * 99 / 100], v[n - 1]};
}

static void print(const char *name, struct spread s)
{
	printf(",\"%s_us\":{\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"max\":%" PRIu64 "}", name,
	       s.p50, s.p99, s.most);
}

static uint64_t argument(char **argv, int argc, int i, uint64_t def)
{
	uint64_t n = def;

	return argc > i && str_u64(argv[i], 1, 10000000, &n) ? n : def;
}

static void learn_pairs(struct pairs *pairs, const struct nodes *nodes)
{
	struct msg_figures figures = {.frozen_us = 300000, .send_us = 100000, .bytes_s = 300 * MIB};

	for (size_t i = 1; i < nodes->n; i += 2)
		predict_learn(pairs, nodes->v[0]->id, nodes->v[i]->id, 64 * MIB, &figures);
}

int main(int argc, char **argv)
{
	size_t hosts = argument(argv, argc, 1, 10000), profiles = argument(argv, argc, 2, 20);
	size_t rounds = argument(argv, argc, 3, 1000);
	auto_free uint64_t *rank_us = mem_new(rounds, sizeof(*rank_us));
	auto_free uint64_t *rank_cpu_us = mem_new(rounds, sizeof(*rank_cpu_us));
	auto_free uint64_t *best_cpu_us = mem_new(rounds, sizeof(*best_cpu_us));
	const char *names[256];
	char texts[256][16];
	struct msg_strs features = {names, 256};
	struct rules rules;
	struct nodes nodes;
	struct pairs pairs = {0};
	struct ranking r;

	for (size_t i = 0; i < 256; i++) {
		str_fmt(texts[i], sizeof(texts[i]), "feature%zu", i);
		names[i] = texts[i];
	}
	nodes_init(&nodes, 1000);
	for (size_t i = 0; i < hosts; i++)
		add_host(&nodes, i, profiles, &features);
	learn_pairs(&pairs, &nodes);
	for (size_t i = 0; i < rounds; i++) {
		struct msg_container ct = nodes.v[0]->caps->caps->containers.v[i % CONTAINERS];
		struct score_query query = {.container = &ct,
					    .source = nodes.v[0],
					    .headroom_percent = 10,
					    .pairs = &pairs,
					    .rules = &rules,
					    .now_ms = 2000,
					    .interval_ms = 1000};
		struct candidate best;
		uint64_t start_us, start_cpu_us;

		ct.rss_bytes = 512 * MIB;
		ct.image = "/images/redis";
		policy_rules(NULL, &ct, &rules);
		start_us = clock_mono_us();
		start_cpu_us = cpu_us();
		score_rank(&query, &nodes, &r);
		rank_cpu_us[i] = cpu_us() - start_cpu_us;
		rank_us[i] = clock_mono_us() - start_us;
		if (i + 1 < rounds)
			ranking_done(&r);
		start_cpu_us = cpu_us();
		if (score_best(&query, &nodes, NULL, NULL, &best))
			candidate_done(&best);
		best_cpu_us[i] = cpu_us() - start_cpu_us;
	}
	printf("{\"hosts\":%zu,\"profiles\":%zu,\"rounds\":%zu,\"live\":%zu,\"no\":%zu", hosts,
	       profiles, rounds, r.kinds[VERDICT_live] + r.kinds[VERDICT_warn],
	       r.kinds[VERDICT_cold] + r.kinds[VERDICT_no]);
	print("rank_cpu", spread_of(rank_cpu_us, rounds));
	print("rank_wall", spread_of(rank_us, rounds));
	print("best_cpu", spread_of(best_cpu_us, rounds));
	printf("}\n");
	ranking_done(&r);
	nodes_done(&nodes);
	pairs_done(&pairs);
	return 0;
}
