/* SPDX-License-Identifier: MPL-2.0
 *
 * One run: load, time, policy, and what is counted. */
#include "simulate/simulate.h"

#include "base/mem.h"
#include "simulate/policy.h"

#include <math.h>

#define LAST_TICKS (600 * 1000 / TICK_MS)

static const struct {
	const char *name, *says;
} policies[SIM_POLICY_COUNT] = {
#define X(id, name_, says_) [SIM_##id] = {name_, says_},
	SIM_POLICY_TABLE(X)
#undef X
};

static const struct {
	policy_look *look, *done;
} acts[SIM_POLICY_COUNT] = {
	[SIM_drover] = {drover_look, drover_done},    [SIM_incus] = {incus_look, NULL},
	[SIM_incus_coded] = {incus_coded_look, NULL}, [SIM_proxmox] = {proxmox_look, proxmox_done},
	[SIM_descheduler] = {descheduler_look, NULL},
};

const char *sim_policy_name(enum sim_policy policy)
{
	return policies[policy].name;
}

const char *sim_policy_says(enum sim_policy policy)
{
	return policies[policy].says;
}

enum sim_policy sim_policy_find(const char *name)
{
	enum sim_policy policy = 0;

	while (policy < SIM_POLICY_COUNT && !str_eq(policies[policy].name, name))
		policy++;
	return policy;
}

/* As the kernel averages its run queue. */
static void average_load(struct policy_run *p)
{
	double keep = exp(-(double)TICK_MS / 60000);

	for (uint32_t h = 0; h < p->w->n_hosts; h++) {
		double wanted = p->w->host[h].cores_wanted;

		p->load1[h] = p->w->now_ms ? keep * p->load1[h] + (1 - keep) * wanted : wanted;
	}
}

void sim_run(struct load *load, uint64_t run_ms, enum sim_policy policy,
	     const struct options *options, struct sim_result *ret)
{
	uint64_t ticks = run_ms / TICK_MS, last_ms = 0;
	struct sim_world w;
	struct policy_run p = {.w = &w, .options = options};

	*ret = (struct sim_result){0};
	load_start(load, &w);
	p.load1 = mem_new(w.n_hosts, sizeof(*p.load1));
	for (uint64_t tick = 0; tick < ticks; tick++) {
		w.now_ms = tick * TICK_MS;
		load_tick(load, &w);
		world_advance(&w);
		last_ms = w.n_arrived ? w.now_ms : last_ms;
		ret->hot_ticks += world_hot_hosts(&w);
		if (tick + LAST_TICKS >= ticks)
			ret->imbalance += world_imbalance(&w) /
					  (double)(ticks < LAST_TICKS ? ticks : LAST_TICKS);
		average_load(&p);
		if (acts[policy].look)
			acts[policy].look(&p);
	}
	if (acts[policy].done)
		acts[policy].done(&p);
	ret->moves = w.tally.moves;
	ret->back = w.tally.back;
	ret->failed = w.tally.failed;
	ret->quiet_ms = (double)(run_ms - last_ms);
	free(p.load1);
	world_done(&w);
}
