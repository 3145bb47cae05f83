/* SPDX-License-Identifier: MPL-2.0
 *
 * The planner on generated clusters: hosts of three sizes, 20 containers on each, of sizes that
 * differ by two orders of magnitude, some in spread groups and some kept together. A tenth of the
 * hosts is twice as busy as the rest. Each line is the best of a few runs; wall
 * time is processor time when nobody else wants the processor. */
#include "coordinator/plan.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define EACH 20
#define RACK 40   /* that are emptied together */
#define DOMAIN 10 /* that a spread group has one of */
#define RUNS 9
#define GIB (1ULL << 30)

struct cluster {
	struct plan_world world;
	uint64_t *capacity[RESOURCE_COUNT], *load[RESOURCE_COUNT], *size[RESOURCE_COUNT], *reserve;
	uint8_t *flags, *drained;
	uint32_t *domain, *host, *spread, *together;
};

static uint64_t seed = 88172645463325252ULL;

static uint64_t next(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static void make_host(struct cluster *c, uint32_t h)
{
	uint64_t scale = 1 + next(3);

	c->capacity[RESOURCE_cpu][h] = 16000 * scale;
	c->capacity[RESOURCE_mem][h] = 64 * GIB * scale;
	c->capacity[RESOURCE_io][h] = 1000;
	c->capacity[RESOURCE_net][h] = 1250;
	c->reserve[h] = 2 * GIB;
	c->flags[h] = PLAN_HOST_up;
	c->domain[h] = h / DOMAIN;
	c->load[RESOURCE_mem][h] = GIB;
}

static void make_container(struct cluster *c, uint32_t i, uint32_t n)
{
	uint32_t h = c->host[i] = i / EACH;
	uint64_t busy = h % 10 == 3 ? 2 : 1;

	c->size[RESOURCE_cpu][i] = (20 + next(20) * next(20) * 2) * busy;
	c->size[RESOURCE_mem][i] = (1 + next(16) * next(16)) * (GIB / 64);
	c->size[RESOURCE_io][i] = next(18) * busy;
	c->size[RESOURCE_net][i] = next(20) * busy;
	/* Groups of five, one in a domain; pairs of neighbours. */
	c->spread[i] = i % 50 == 7 ? (i / 50) % (n / 250) + n / 2 : PLAN_NONE;
	c->together[i] = i % 40 == 10 || i % 40 == 11 ? i / 40 : PLAN_NONE;
	for (enum resource r = 0; r < RESOURCE_COUNT; r++)
		c->load[r][h] += c->size[r][i];
}

static void cluster_init(struct cluster *c, uint32_t n_hosts)
{
	uint32_t n = n_hosts * EACH;

	*c = (struct cluster){.world = {.n_hosts = n_hosts, .n_containers = n}};
	for (enum resource r = 0; r < RESOURCE_COUNT; r++) {
		c->world.host.capacity[r] = c->capacity[r] = mem_new(n_hosts, sizeof(uint64_t));
		c->world.host.load[r] = c->load[r] = mem_new(n_hosts, sizeof(uint64_t));
		c->world.ct.size[r] = c->size[r] = mem_new(n, sizeof(uint64_t));
	}
	c->world.host.reserve = c->reserve = mem_new(n_hosts, sizeof(uint64_t));
	c->world.host.flags = c->flags = mem_new(n_hosts, 1);
	c->world.host.domain = c->domain = mem_new(n_hosts, sizeof(uint32_t));
	c->world.ct.host = c->host = mem_new(n, sizeof(uint32_t));
	c->world.ct.spread = c->spread = mem_new(n, sizeof(uint32_t));
	c->world.ct.together = c->together = mem_new(n, sizeof(uint32_t));
	c->drained = mem_new(n_hosts, 1);
	for (uint32_t h = 0; h < n_hosts; h++)
		make_host(c, h);
	for (uint32_t i = 0; i < n; i++)
		make_container(c, i, n);
}

static void cluster_done(struct cluster *c)
{
	for (enum resource r = 0; r < RESOURCE_COUNT; r++) {
		free(c->capacity[r]);
		free(c->load[r]);
		free(c->size[r]);
	}
	free(c->reserve);
	free(c->flags);
	free(c->drained);
	free(c->domain);
	free(c->host);
	free(c->spread);
	free(c->together);
}

static double now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* drain: how many hosts, 0 for a rebalance. */
static void measure(struct cluster *c, const char *what, uint32_t drain)
{
	struct plan_limits limits = plan_limits;
	struct plan plan = {0};
	double best_ms = 1e12, best_cpu_ms = 1e12;

	/* The whole that there is to do, not what a tick may. */
	limits.moves = c->world.n_hosts / 10;
	limits.overload = 1e9;
	limits.imbalance = limits.gain = 0;
	limits.comfort = 0.5;
	limits.hold = 1;
	for (uint32_t h = 0; h < c->world.n_hosts; h++)
		c->drained[h] = h < drain;
	for (int run = 0; run < RUNS; run++) {
		unsigned ticks = 0;
		double began_cpu_ms = now_ms(CLOCK_PROCESS_CPUTIME_ID);
		double began_ms = now_ms(CLOCK_MONOTONIC);

		plan_free(&plan);
		if (drain)
			plan_evacuate(&c->world, c->drained, &plan);
		else
			plan_rebalance(&c->world, &limits, &ticks, &plan);
		best_ms = fmin(best_ms, now_ms(CLOCK_MONOTONIC) - began_ms);
		best_cpu_ms = fmin(best_cpu_ms, now_ms(CLOCK_PROCESS_CPUTIME_ID) - began_cpu_ms);
	}
	printf("%6u %10u  %-16s %8.2f %8.2f %7zu %5zu   %.3f -> %.3f   %.4f -> %.4f\n",
	       c->world.n_hosts, c->world.n_containers, what, best_ms, best_cpu_ms, plan.n_moves,
	       plan.n_stays, plan.before.hottest, plan.after.hottest, plan.before.imbalance,
	       plan.after.imbalance);
	plan_free(&plan);
}

int main(int argc, char **argv)
{
	static char *usual[] = {"", "100", "1000", "10000"};
	char **hosts = argc > 1 ? argv : usual;
	int n = argc > 1 ? argc : 4;

	printf("%6s %10s  %-16s %8s %8s %7s %5s   %-14s   %s\n", "HOSTS", "CONTAINERS", "PLAN",
	       "WALL MS", "CPU MS", "MOVES", "STAY", "HOTTEST", "IMBALANCE");
	for (int i = 1; i < n; i++) {
		struct cluster c;
		uint32_t n_hosts = (uint32_t)strtoul(hosts[i], NULL, 10);

		if (n_hosts < 2)
			return 2;
		cluster_init(&c, n_hosts);
		measure(&c, "evacuate one", 1);
		measure(&c, "evacuate a rack", n_hosts / 2 < RACK ? n_hosts / 2 : RACK);
		measure(&c, "rebalance", 0);
		cluster_done(&c);
	}
	return 0;
}
