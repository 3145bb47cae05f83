/* SPDX-License-Identifier: MPL-2.0
 *
 * The Kubernetes descheduler's LowNodeUtilization (pkg/framework/plugins/nodeutilization, with the
 * thresholds of its shipped policy: 20 % and 50 % of cpu, memory and pods; every five minutes). It
 * goes by what containers have requested, not by what they use. A node below 20 % in all three is
 * underutilised, one above 50 % in any is overutilised; pods leave the latter until it is below
 * 50 %, or until what the former lack to 50 % is spent. Where an evicted pod goes is the
 * scheduler's choice: kube-scheduler's NodeResourcesFit with LeastAllocated takes the node whose
 * requests leave most free. (A pod is stopped and started anew; here it moves.) */
#include "simulate/policy.h"

#include "base/mem.h"

#include <math.h>

#define INTERVAL_MS 300000
#define LOW 0.20
#define TARGET 0.50
#define PODS 110 /* that a kubelet takes */

struct asked {
	double cores, mem, pods;
};

static struct asked *sum_requests(const struct sim_world *w)
{
	struct asked *asked = mem_new(w->n_hosts, sizeof(*asked));

	for (uint32_t i = 0; i < w->n_guests; i++) {
		const struct sim_guest *g = &w->guest[i];

		if (g->mem <= 0)
			continue;
		asked[g->host].cores += g->cores_request;
		asked[g->host].mem += g->mem_request;
		asked[g->host].pods++;
	}
	return asked;
}

static double fullest(const struct sim_host *host, const struct asked *a)
{
	return fmax(fmax(a->cores / host->cores, a->mem / host->mem), a->pods / PODS);
}

static void add(struct asked *a, const struct sim_guest *g, double sign)
{
	a->cores += sign * g->cores_request;
	a->mem += sign * g->mem_request;
	a->pods += sign;
}

static uint32_t scheduled(const struct sim_world *w, const struct asked *asked,
			  const struct sim_guest *g)
{
	uint32_t best = UINT32_MAX;
	double most = -1;

	for (uint32_t h = 0; h < w->n_hosts; h++) {
		const struct sim_host *host = &w->host[h];
		double cores = 1 - (asked[h].cores + g->cores_request) / host->cores;
		double mem = 1 - (asked[h].mem + g->mem_request) / host->mem;

		if (h == g->host || !host->up || cores < 0 || mem < 0 || asked[h].pods >= PODS ||
		    cores + mem <= most)
			continue;
		most = cores + mem;
		best = h;
	}
	return best;
}

/* What the underutilised may take; false when there is none, or when there is nothing but them. */
static bool find_room(const struct sim_world *w, const struct asked *asked, struct asked *ret)
{
	uint32_t low = 0, up = 0;

	*ret = (struct asked){0};
	for (uint32_t h = 0; h < w->n_hosts; h++) {
		const struct sim_host *host = &w->host[h];

		up += host->up;
		if (!host->up || fullest(host, &asked[h]) > LOW)
			continue;
		low++;
		ret->cores += TARGET * host->cores - asked[h].cores;
		ret->mem += TARGET * host->mem - asked[h].mem;
		ret->pods += TARGET * PODS - asked[h].pods;
	}
	return low && low < up;
}

static void relieve(struct sim_world *w, struct asked *asked, uint32_t host, struct asked *room)
{
	for (uint32_t i = 0; i < w->n_guests; i++) {
		struct sim_guest *g = &w->guest[i];
		uint32_t to;

		if (fullest(&w->host[host], &asked[host]) <= TARGET || room->cores <= 0 ||
		    room->mem <= 0 || room->pods <= 0)
			return;
		if (g->host != host || g->moving || g->mem <= 0)
			continue;
		to = scheduled(w, asked, g);
		if (to == UINT32_MAX || !world_begin(w, i, to))
			continue;
		add(&asked[host], g, -1);
		add(&asked[to], g, 1);
		add(room, g, -1);
	}
}

/* Nodes with the largest requests first. */
static uint32_t next_over(const struct sim_world *w, const struct asked *asked, const uint8_t *done)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t h = 0; h < w->n_hosts; h++)
		if (!done[h] && w->host[h].up && fullest(&w->host[h], &asked[h]) > TARGET &&
		    (best == UINT32_MAX || asked[h].mem > asked[best].mem))
			best = h;
	return best;
}

void descheduler_look(struct policy_run *p)
{
	struct sim_world *w = p->w;
	struct asked *asked, room;
	uint8_t *done;

	if (w->now_ms % INTERVAL_MS || w->n_moves)
		return;
	asked = sum_requests(w);
	done = mem_new(w->n_hosts, 1);
	if (find_room(w, asked, &room))
		for (uint32_t h; (h = next_over(w, asked, done)) != UINT32_MAX;) {
			relieve(w, asked, h, &room);
			done[h] = 1;
		}
	free(asked);
	free(done);
}
