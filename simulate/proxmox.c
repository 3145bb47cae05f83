/* SPDX-License-Identifier: MPL-2.0
 *
 * Proxmox VE's automatic rebalancing (HA manager 5.2, ha-manager(1) "CRS Load Balancer"; options
 * crs: ha-auto-rebalance-*; proxmox-resource-scheduling's scheduler.rs): a node's load is the mean
 * of its processor's and memory's part in use, the imbalance is its coefficient of variation over
 * sqrt(n - 1); when that was above 30 % for three rounds of ten seconds, the one migration that
 * lowers it most ("bruteforce") is made, if it does so by a tenth. It has no cooldown. While a
 * migration goes on no other is begun. */
#include "simulate/policy.h"

#include "base/mem.h"

#include <math.h>

#define THRESHOLD 0.30
#define MARGIN 0.10
#define HOLD_ROUNDS 3

struct rounds {
	unsigned uneven;
};

struct node {
	double cores, mem;
};

static double load_of(const struct sim_host *host, double cores, double mem)
{
	return (fmin(cores, host->cores) / host->cores + mem / host->mem) / 2;
}

/* As if the container (UINT32_MAX: none) were on `to`. */
static double imbalance_with(const struct sim_world *w, uint32_t guest, uint32_t to)
{
	double sum = 0, squares = 0, n = 0;

	for (uint32_t h = 0; h < w->n_hosts; h++) {
		const struct sim_host *host = &w->host[h];
		double cores = fmin(host->cores_wanted, host->cores), mem = host->mem_used, load;

		if (!host->up)
			continue;
		if (guest != UINT32_MAX) {
			const struct sim_guest *g = &w->guest[guest];
			double sign = h == to ? 1 : h == g->host ? -1 : 0;

			cores += sign * g->cores * world_granted(&w->host[g->host]);
			mem += sign * g->mem;
		}
		load = load_of(host, fmax(0, cores), mem);
		sum += load;
		squares += load * load;
		n++;
	}
	if (n < 2 || sum <= 0)
		return 0;
	return sqrt(fmax(0, squares / n - sum / n * (sum / n))) / (sum / n) / sqrt(n - 1);
}

static void move_best(struct sim_world *w, double before)
{
	uint32_t best = UINT32_MAX, target = 0;
	double least = before * (1 - MARGIN);

	for (uint32_t i = 0; i < w->n_guests; i++) {
		for (uint32_t h = 0; w->guest[i].mem > 0 && h < w->n_hosts; h++) {
			double after;

			if (!w->host[h].up || h == w->guest[i].host)
				continue;
			after = imbalance_with(w, i, h);
			if (after > least)
				continue;
			least = after;
			best = i;
			target = h;
		}
	}
	if (best != UINT32_MAX)
		world_begin(w, best, target);
}

void proxmox_look(struct policy_run *p)
{
	struct rounds *r = p->state ? p->state : (p->state = mem_new_of(struct rounds));
	double imbalance = imbalance_with(p->w, UINT32_MAX, 0);

	if (p->w->n_moves)
		return;
	r->uneven = imbalance > THRESHOLD ? r->uneven + 1 : 0;
	if (r->uneven < HOLD_ROUNDS)
		return;
	r->uneven = 0;
	move_best(p->w, imbalance);
}

void proxmox_done(struct policy_run *p)
{
	free(p->state);
}
