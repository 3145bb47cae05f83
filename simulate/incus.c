/* SPDX-License-Identifier: MPL-2.0
 *
 * Incus' automatic rebalancing (Incus 6, cmd/incusd/cluster_rebalance.go and the server options
 * cluster.rebalance.*): a server's score is the mean of its memory's and its load average's
 * percent; when the busiest is 20 % above the least busy, instances of the one go to the other, one
 * a run, unless it would come to more than half-way between the two; an instance rests for six
 * hours. The interval has no default (0: off); here it is the shortest, a minute.
 *
 * As it is coded, an instance's configured processors are added to the memory and its bytes to the
 * load, and all percents are cut to eight bits: what a move would do is a number without meaning.
 * (Incus moves virtual machines only; here it may move all.) */
#include "simulate/policy.h"

#include <math.h>

#define INTERVAL_MS 60000
#define THRESHOLD 20 /* percent of the busier one's score */
#define COOLDOWN_MS (6ull * 3600 * 1000)

struct usage {
	double mem, cores; /* added to what the server has */
};

static double score_meant(const struct policy_run *p, uint32_t h, struct usage more)
{
	const struct sim_host *host = &p->w->host[h];

	return 50 *
	       ((host->mem_used + more.mem) / host->mem + (p->load1[h] + more.cores) / host->cores);
}

/* Go cuts a float that is too large for uint8 to the low byte of the integer, on amd64. */
static uint8_t byte_of(double percent)
{
	return (uint8_t)(int64_t)percent;
}

static double score_coded(const struct policy_run *p, uint32_t h, struct usage more)
{
	const struct sim_host *host = &p->w->host[h];
	uint8_t mem = byte_of((host->mem_used + more.mem) * 100 / host->mem);
	uint8_t cores = byte_of((p->load1[h] + more.cores) * 100 / host->cores);

	return (uint8_t)(mem + cores) / 2;
}

typedef double score_fn(const struct policy_run *p, uint32_t h, struct usage more);

static bool rests(const struct policy_run *p, const struct sim_guest *g)
{
	return g->moved_ms && p->w->now_ms - g->moved_ms < COOLDOWN_MS;
}

static void rebalance(struct policy_run *p, score_fn *score, bool coded)
{
	struct sim_world *w = p->w;
	uint32_t busy = 0, idle = 0;
	double most = -1, least = HUGE_VAL;

	for (uint32_t h = 0; h < w->n_hosts; h++) {
		double s = score(p, h, (struct usage){0});

		if (!w->host[h].up)
			continue;
		busy = s > most ? h : busy;
		most = fmax(s, most);
		idle = s < least ? h : idle;
		least = fmin(s, least);
	}
	if (most <= 0 || (most - least) / most * 100 < THRESHOLD)
		return;
	for (uint32_t i = 0; i < w->n_guests; i++) {
		const struct sim_guest *g = &w->guest[i];
		struct usage more = {.mem = coded ? g->cores_limit : g->mem_limit,
				     .cores = coded ? g->mem_limit : g->cores_limit};

		if (g->host != busy || g->mem <= 0 || rests(p, g) ||
		    score(p, idle, more) >= (most + least) / 2)
			continue;
		world_begin(w, i, idle);
		return;
	}
}

/* A run waits for its migrations. */
static bool is_due(const struct policy_run *p)
{
	return p->w->now_ms % INTERVAL_MS == 0 && !p->w->n_moves;
}

void incus_look(struct policy_run *p)
{
	if (is_due(p))
		rebalance(p, score_meant, false);
}

void incus_coded_look(struct policy_run *p)
{
	if (is_due(p))
		rebalance(p, score_coded, true);
}
