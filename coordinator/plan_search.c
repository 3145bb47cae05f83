/* SPDX-License-Identifier: MPL-2.0
 *
 * Small evacuations are searched through: depth first, units in their order, the coolest host
 * first, nothing that cannot beat the best so far. What one host gives has mostly an optimum that
 * is found in a moment; when the steps run out the best so far stands. */
#include "coordinator/plan_impl.h"

#include "base/mem.h"

#include <math.h>

#define SEARCH_UNITS 16
#define SEARCH_HOSTS 32
#define SEARCH_STEPS 20000
#define LEAST_GAIN 1e-9

struct best {
	struct plan_state *s;
	struct plan_unit *units;
	size_t n;
	uint32_t hosts[SEARCH_HOSTS], n_hosts;
	uint32_t to[SEARCH_UNITS];
	uint32_t left; /* containers that stay */
	double hot;    /* of the hottest host that gets something */
	unsigned steps;
};

struct choice {
	uint32_t host;
	double hot;
};

static void sort_in(struct choice *v, uint32_t n, struct choice new)
{
	while (n > 0 && v[n - 1].hot > new.hot) {
		v[n] = v[n - 1];
		n--;
	}
	v[n] = new;
}

static uint32_t find_choices(struct best *b, const struct plan_unit *u, struct choice *ret)
{
	uint32_t n = 0;

	if (!plan_look(b->s, u))
		return 0;
	for (uint32_t i = 0; i < b->n_hosts; i++) {
		uint32_t h = b->hosts[i];

		if (u->size[RESOURCE_mem] > b->s->room[h] || !plan_permits(b->s, u, h))
			continue;
		sort_in(ret, n++, (struct choice){h, plan_hot_with(b->s, h, u->size, 1)});
	}
	return n;
}

static bool is_worse(const struct best *b, uint32_t left, double hot)
{
	return left > b->left || (left == b->left && hot > b->hot - LEAST_GAIN);
}

static void keep(struct best *b, uint32_t left, double hot)
{
	for (size_t i = 0; i < b->n; i++)
		b->to[i] = b->units[i].to;
	b->left = left;
	b->hot = hot;
}

static void descend(struct best *b, size_t at, uint32_t left, double hot)
{
	struct plan_unit *u = &b->units[at];
	struct choice choices[SEARCH_HOSTS];
	uint32_t n;

	if (is_worse(b, left, hot) || b->steps == 0)
		return;
	b->steps--;
	if (at == b->n) {
		keep(b, left, hot);
		return;
	}
	n = u->pinned ? 0 : find_choices(b, u, choices);
	for (uint32_t i = 0; i < n; i++) {
		plan_put(b->s, u, choices[i].host);
		descend(b, at + 1, left, fmax(hot, choices[i].hot));
		plan_take(b->s, u);
	}
	descend(b, at + 1, left + u->n, hot);
}

/* The coolest that are open, before anything has come. */
static void choose_hosts(struct best *b)
{
	struct choice coolest[SEARCH_HOSTS + 1];
	uint32_t n = 0;

	for (uint32_t h = 0; h < b->s->in->n_hosts; h++) {
		if (b->s->shut[h])
			continue;
		sort_in(coolest, n, (struct choice){h, plan_hot(b->s, h)});
		n += n < SEARCH_HOSTS;
	}
	for (uint32_t i = 0; i < n; i++)
		b->hosts[b->n_hosts++] = coolest[i].host;
}

void plan_search(struct plan_state *s, struct plan_unit *units, size_t n)
{
	struct best b = {.s = s, .units = units, .n = n, .steps = SEARCH_STEPS};
	uint32_t left = 0;
	double hot = 0;

	if (n > SEARCH_UNITS)
		return;
	for (size_t i = 0; i < n; i++) {
		left += units[i].to == PLAN_NONE ? units[i].n : 0;
		if (units[i].to != PLAN_NONE)
			hot = fmax(hot, plan_hot(s, units[i].to));
	}
	keep(&b, left, hot);
	for (size_t i = 0; i < n; i++)
		if (units[i].to != PLAN_NONE)
			plan_take(s, &units[i]);
	choose_hosts(&b);
	descend(&b, 0, 0, 0);
	for (size_t i = 0; i < n; i++)
		if (b.to[i] != PLAN_NONE)
			plan_put(s, &units[i], b.to[i]);
}
