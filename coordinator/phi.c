/* SPDX-License-Identifier: MPL-2.0
 *
 * A normal distribution whose spread has a floor: beats that came like clockwork must not make a
 * host suspect for one that is late by a scheduler's whim. */
#include "coordinator/phi.h"

#include <math.h>

#define WEIGHT (1.0f / 16)
#define GAP_MOST 10.0f
#define SPREAD_LEAST 0.25 /* standard deviation, in intervals */
#define MEAN_LEAST 0.5

void arrivals_note(struct arrivals *a, uint64_t gap_ms, uint64_t interval_ms)
{
	float gap = (float)gap_ms / (float)(interval_ms ? interval_ms : 1), off;

	if (gap > GAP_MOST)
		return;
	if (a->n++ == 0)
		a->mean = 1;
	off = gap - a->mean;
	a->mean += WEIGHT * off;
	a->variance = (1 - WEIGHT) * (a->variance + WEIGHT * off * off);
}

double phi(const struct arrivals *a, uint64_t silence_ms, uint64_t interval_ms)
{
	double silence = (double)silence_ms / (double)(interval_ms ? interval_ms : 1);
	double mean = a->n ? fmax(a->mean, MEAN_LEAST) : 1;
	double spread = fmax(sqrt(a->variance), SPREAD_LEAST);
	double later = 0.5 * erfc((silence - mean) / spread / M_SQRT2);

	return later > 0 ? fmin(-log10(later), PHI_MOST) : PHI_MOST;
}
