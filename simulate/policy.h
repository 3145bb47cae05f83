/* SPDX-License-Identifier: MPL-2.0
 *
 * What a policy is to the simulator: it looks at the world at the end of each tick, when that
 * tick's loads and w->arrived stand, and begins moves with world_begin. */
#ifndef DROVER_SIMULATE_POLICY_H
#define DROVER_SIMULATE_POLICY_H

#include "base/options.h"
#include "simulate/world.h"

struct policy_run {
	struct sim_world *w;
	const struct options *options;
	double *load1; /* of each host: what it is asked for, averaged over a minute like Unix' load
			*/
	void *state;   /* the policy's own, NULL at the start */
};

typedef void policy_look(struct policy_run *p);

policy_look incus_look, incus_coded_look, proxmox_look, descheduler_look, drover_look;

/* Frees p->state. */
void proxmox_done(struct policy_run *p);
void drover_done(struct policy_run *p);

#endif
