/* SPDX-License-Identifier: MPL-2.0
 *
 * Chance from a seed: the same seed gives the same numbers on every machine. */
#ifndef DROVER_SIMULATE_CHANCE_H
#define DROVER_SIMULATE_CHANCE_H

#include <stdint.h>

struct chance {
	uint64_t state;
};

/* SplitMix64, Steele, Lea and Flood 2014. */
static inline uint64_t chance_next(struct chance *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* In [0, 1). */
static inline double chance_part(struct chance *c)
{
	return (double)(chance_next(c) >> 11) * 0x1p-53;
}

static inline double chance_between(struct chance *c, double least, double most)
{
	return least + (most - least) * chance_part(c);
}

/* Mean 0, standard deviation 1, within ±3: the sum of four uniform numbers, scaled. */
static inline double chance_noise(struct chance *c)
{
	uint64_t bits = chance_next(c);
	double sum = 0;

	for (int i = 0; i < 4; i++)
		sum += (double)(bits >> (16 * i) & 0xffff) * 0x1p-16;
	return (sum - 2) * 1.7320508075688772;
}

#endif
