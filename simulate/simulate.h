/* SPDX-License-Identifier: MPL-2.0
 *
 * The policy simulator: one load, one policy, virtual time. The policy `drover` is the
 * coordinator's own core (coordinator/core.h) with its two lanes, fed with heartbeats and answered
 * by simulated workers; its rivals are the published rules of other products, on the same cluster.
 * Pure. */
#ifndef DROVER_SIMULATE_SIMULATE_H
#define DROVER_SIMULATE_SIMULATE_H

#include "base/options.h"
#include "simulate/load.h"

/* clang-format off */
/* X(identifier, name, what it is) */
#define SIM_POLICY_TABLE(X) \
	X(nothing,     "nothing",      "nobody moves anything") \
	X(drover,      "drover",       "this coordinator with rebalance = auto, as it is configured") \
	X(incus,       "incus",        "the rule of Incus' cluster.rebalance as it is meant") \
	X(incus_coded, "incus-coded",  "the same as its source has it") \
	X(proxmox,     "proxmox",      "Proxmox VE's CRS, automatic, with its defaults") \
	X(descheduler, "descheduler",  "Kubernetes' descheduler: LowNodeUtilization with its defaults")
/* clang-format on */

enum sim_policy {
#define X(id, name, says) SIM_##id,
	SIM_POLICY_TABLE(X)
#undef X
		SIM_POLICY_COUNT
};

const char *sim_policy_name(enum sim_policy policy);
const char *sim_policy_says(enum sim_policy policy);
enum sim_policy sim_policy_find(const char *name); /* SIM_POLICY_COUNT when there is none */

struct sim_result {
	double moves, back, failed; /* back: to the host left less than six hours before */
	double hot_ticks;           /* host-ticks above HOT, a tick being TICK_MS */
	double imbalance;           /* CV of hot over hosts, mean of the last ten minutes */
	double quiet_ms;            /* from the last move's end to the end; the whole run: none */
};

/* The load is used up. options (for `drover` only): borrowed, coordinator.rebalance is taken as
 * auto whatever it says. */
void sim_run(struct load *load, uint64_t run_ms, enum sim_policy policy,
	     const struct options *options, struct sim_result *ret);

#endif
