/* SPDX-License-Identifier: MPL-2.0
 *
 * The two kinds of loads behind load.h. */
#ifndef DROVER_SIMULATE_LOAD_IMPL_H
#define DROVER_SIMULATE_LOAD_IMPL_H

#include "simulate/load.h"

struct load {
	void (*start)(const struct load *load, struct sim_world *w);
	void (*tick)(struct load *load, struct sim_world *w);
	void (*done)(struct load *load); /* all but the struct itself */
	void *state;
};

#endif
