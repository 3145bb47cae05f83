/* SPDX-License-Identifier: MPL-2.0
 *
 * The policy `drover`: the coordinator's core as the daemon runs it, with rebalance = auto. */
#include "simulate/policy.h"

#include "base/mem.h"
#include "simulate/workers.h"

struct drover {
	struct workers workers;
	struct core_config config;
	struct options *options;
};

static struct drover *begin(struct policy_run *p)
{
	struct drover *d = mem_new_of(struct drover);
	struct err err;

	d->options = options_copy(p->options);
	options_set(d->options, "coordinator.rebalance=auto", &err);
	d->config = (struct core_config){
		.id = "simulated",
		.term = 1,
		.interval_ms = options_u64(d->options, OPT_coordinator_interval),
		.headroom_percent = (unsigned)options_u64(d->options, OPT_coordinator_headroom),
		.options = d->options,
	};
	workers_init(&d->workers, p->w, &d->config);
	return d;
}

void drover_look(struct policy_run *p)
{
	struct drover *d = p->state ? p->state : (p->state = begin(p));

	workers_tick(&d->workers);
}

void drover_done(struct policy_run *p)
{
	struct drover *d = p->state;

	if (!d)
		return;
	workers_done(&d->workers);
	options_free(&d->options);
	free(d);
}
