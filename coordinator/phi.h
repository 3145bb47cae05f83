/* SPDX-License-Identifier: MPL-2.0
 *
 * The phi-accrual failure detector (Hayashibara, Défago, Yared, Katayama: The φ Accrual Failure
 * Detector, SRDS 2004): how surprising a silence is, given how regular a host's beats were.
 * φ = -log10 P(a beat comes later than this), so φ 8 is a mistake once in 10^8. The paper's window
 * of samples is kept as an exponentially weighted mean and variance: 16 bytes a host. Pure. */
#ifndef DROVER_COORDINATOR_PHI_H
#define DROVER_COORDINATOR_PHI_H

#include <stdint.h>

#define PHI_SUSPECT 8.0
#define PHI_DEAD 12.0
#define PHI_MOST 300.0 /* where doubles end */

/* Gaps between beats in units of the interval asked for, so that a new interval keeps them. Zeroed
 * is a host of which nothing is known yet: it is taken for regular. */
struct arrivals {
	float mean, variance;
	uint32_t n;
};

/* One gap. Longer ones than ten intervals are outages, not regularity, and are left out. */
void arrivals_note(struct arrivals *arrivals, uint64_t gap_ms, uint64_t interval_ms);

/* 0 … PHI_MOST. */
double phi(const struct arrivals *arrivals, uint64_t silence_ms, uint64_t interval_ms);

#endif
