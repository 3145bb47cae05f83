/* SPDX-License-Identifier: MPL-2.0
 *
 * The terms of a score as the ranking needs them: numbers without names. */
#ifndef DROVER_COORDINATOR_TERMS_H
#define DROVER_COORDINATOR_TERMS_H

#include "coordinator/judge.h"

struct terms {
	double value[SCORE_TERMS]; /* 0..1 each */
	double hot;                /* the fullest resource after the move; may be above 1 */
};

/* What the container takes of its source's CPUs, in thousandths of one. */
uint64_t terms_cpu_permille(const struct score_query *query);

/* The score of j's target, 0..100. */
double terms_make(const struct judge *j, uint64_t cpu_permille, struct terms *ret);

/* 1, 0 or -1: what policies make of the target beyond its score. */
int terms_tier(const struct judge *j, int labels_tier, double hot);

#endif
