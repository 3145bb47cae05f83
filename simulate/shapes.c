/* SPDX-License-Identifier: MPL-2.0
 *
 * Generated loads. Sizes of hosts and containers are unequal: processors differ by an order of
 * magnitude, memory by more. What a container wants is its mean, times what its shape makes of it,
 * times a noise that keeps its direction for a few minutes. */
#include "simulate/load_impl.h"

#include "base/mem.h"
#include "simulate/chance.h"

#include <math.h>

#define GIB (1024.0 * 1024 * 1024)
#define MEM_SHARE 0.5   /* of all memory that containers have */
#define NOISE 0.12      /* of the mean, standard deviation */
#define NOISE_KEEP 0.95 /* a tick */
#define HEAVY 1.25      /* of its processors, what is wanted of an overloaded host */
#define NOISY 10        /* one container of this many is a noisy neighbour */

struct app {
	double mean, mem;
	double noise;
	double phase;               /* of its wave, in turns */
	double wave;                /* how far it swings, of the mean; 0: not at all */
	double rests;               /* ms, on average, between two bursts; 0: it has none */
	double burst;               /* cores that it wants besides while one lasts */
	uint64_t until_ms, next_ms; /* of the burst that goes on; of the next one */
	uint32_t home;
};

struct gen {
	enum shape shape;
	uint32_t n_hosts, n_guests;
	uint64_t run_ms;
	struct chance chance;
	struct sim_host *host;
	struct app *app;
	double heavy; /* what an overloaded host gets of its size, the others' being 1 */
};

/* Of all processors, what all containers want on average. */
static double share_of(enum shape shape)
{
	static const double shares[SHAPE_COUNT] = {
		[SHAPE_steady] = 0.50, [SHAPE_overload] = 0.62, [SHAPE_wave] = 0.58,
		[SHAPE_noisy] = 0.50,  [SHAPE_added] = 0.74,
	};

	return shares[shape];
}

/* --- sizes --- */

static void make_hosts(struct gen *g)
{
	static const double cores[] = {8, 12, 16, 24, 32};

	for (uint32_t h = 0; h < g->n_hosts; h++) {
		struct sim_host *host = &g->host[h];

		str_fmt(host->id, sizeof(host->id), "host%02u", h + 1);
		host->cores = cores[chance_next(&g->chance) % ARRAY_LEN(cores)];
		host->mem = host->cores * (double)(3 + chance_next(&g->chance) % 3) * GIB;
	}
}

/* Every third host wants HEAVY of what it has, if the others keep a fifth at least. */
static void overload(struct gen *g)
{
	double all = 0, heavy = 0, rest;

	for (uint32_t h = 0; h < g->n_hosts; h++) {
		all += g->host[h].cores;
		heavy += h % 3 == 0 ? g->host[h].cores : 0;
	}
	rest = fmax(0.2, (share_of(SHAPE_overload) * all - HEAVY * heavy) / (all - heavy));
	g->heavy = (share_of(SHAPE_overload) * all - rest * (all - heavy)) / heavy / rest;
}

static void scale(struct gen *g)
{
	double cores = 0, mem = 0, mean = 0, rss = 0;

	for (uint32_t h = 0; h < g->n_hosts; h++) {
		cores += g->host[h].cores;
		mem += g->host[h].mem;
	}
	for (uint32_t i = 0; i < g->n_guests; i++) {
		mean += g->app[i].mean;
		rss += g->app[i].mem;
	}
	for (uint32_t i = 0; i < g->n_guests; i++) {
		g->app[i].mean *= share_of(g->shape) * cores / mean;
		g->app[i].mem *= MEM_SHARE * mem / rss;
	}
}

static void make_apps(struct gen *g)
{
	for (uint32_t i = 0; i < g->n_guests; i++) {
		struct app *a = &g->app[i];

		a->mean = exp(0.8 * chance_noise(&g->chance));
		a->mem = exp(0.9 * chance_noise(&g->chance));
		a->noise = chance_noise(&g->chance);
	}
	scale(g);
}

/* --- where they begin --- */

/* What of a host a container counts on at the start. */
static double weight_of(const struct gen *g, uint32_t host, uint32_t i)
{
	switch (g->shape) {
	case SHAPE_overload:
		return host % 3 == 0 ? g->heavy : 1;
	case SHAPE_wave: /* those that peak together were put side by side */
		return host % 2 == i % 2 ? 4 : 1;
	case SHAPE_added:
		return host + 1 == g->n_hosts ? 0 : 1;
	default:
		return 1;
	}
}

struct order {
	uint32_t app;
	double mean;
};

static int larger_first(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	return x->mean > y->mean ? -1 : x->mean < y->mean ? 1 : x->app < y->app ? -1 : 1;
}

/* The coolest host then, but none whose memory would be nearly full while there is another. */
static uint32_t home_for(const struct gen *g, uint32_t i, const double *cores, const double *mem)
{
	const struct app *a = &g->app[i];
	double best = HUGE_VAL;
	uint32_t home = 0;

	for (uint32_t h = 0; h < g->n_hosts; h++) {
		double weight = weight_of(g, h, i), full = (mem[h] + a->mem) / g->host[h].mem;
		double cost =
			weight > 0 ? (cores[h] + a->mean) / g->host[h].cores / weight : HUGE_VAL;

		if (full > 0.75 && weight > 0)
			cost = 100 * full;
		if (cost >= best)
			continue;
		best = cost;
		home = h;
	}
	return home;
}

static void place(struct gen *g)
{
	struct order *order = mem_new(g->n_guests, sizeof(*order));
	double *cores = mem_new(g->n_hosts, sizeof(*cores));
	double *mem = mem_new(g->n_hosts, sizeof(*mem));

	for (uint32_t i = 0; i < g->n_guests; i++)
		order[i] = (struct order){i, g->app[i].mean};
	qsort(order, g->n_guests, sizeof(*order), larger_first);
	for (uint32_t n = 0; n < g->n_guests; n++) {
		uint32_t i = order[n].app, home = home_for(g, i, cores, mem);

		cores[home] += g->app[i].mean;
		mem[home] += g->app[i].mem;
		g->app[i].home = home;
	}
	free(order);
	free(cores);
	free(mem);
}

static void make_restless(struct gen *g)
{
	for (uint32_t i = 0; i < g->n_guests; i++) {
		struct app *a = &g->app[i];

		if (g->shape == SHAPE_wave) {
			a->wave = 0.7;
			a->phase = (i % 2 ? 0.5 : 0) + 0.05 * chance_noise(&g->chance);
		}
		if (g->shape == SHAPE_noisy && i % NOISY == 0) {
			a->rests = chance_between(&g->chance, 15, 40) * 60000;
			a->burst = g->host[a->home].cores * chance_between(&g->chance, 0.35, 0.65);
			a->next_ms = (uint64_t)(a->rests * chance_part(&g->chance));
		}
	}
}

/* --- a tick --- */

static double wanted(struct gen *g, struct app *a, uint64_t now_ms)
{
	double turns = 2.0 * (double)now_ms / (double)g->run_ms + a->phase;
	double cores = a->mean * (1 - a->wave * cos(2 * M_PI * turns));

	a->noise = NOISE_KEEP * a->noise +
		   sqrt(1 - NOISE_KEEP * NOISE_KEEP) * chance_noise(&g->chance);
	cores *= fmax(0.1, 1 + NOISE * a->noise);
	if (a->rests > 0 && now_ms >= a->next_ms) {
		a->until_ms = now_ms + (uint64_t)(chance_between(&g->chance, 4, 20) * 60000);
		a->next_ms =
			a->until_ms + (uint64_t)(a->rests * chance_between(&g->chance, 0.5, 1.5));
	}
	return cores + (now_ms < a->until_ms ? a->burst : 0);
}

static void gen_tick(struct load *load, struct sim_world *w)
{
	struct gen *g = load->state;

	for (uint32_t h = 0; h < g->n_hosts; h++) {
		struct sim_host *host = &w->host[h];

		host->up =
			g->shape != SHAPE_added || h + 1 < g->n_hosts || w->now_ms >= g->run_ms / 6;
		host->own_cores = host->cores * 0.02;
		host->own_mem = host->mem * 0.03;
	}
	for (uint32_t i = 0; i < g->n_guests; i++) {
		w->guest[i].cores = wanted(g, &g->app[i], w->now_ms);
		w->guest[i].mem = g->app[i].mem;
	}
}

/* Who configures a container takes round numbers that are enough. */
static void gen_start(const struct load *load, struct sim_world *w)
{
	const struct gen *g = load->state;

	world_init(w, g->n_hosts, g->n_guests);
	for (uint32_t h = 0; h < g->n_hosts; h++)
		w->host[h] = g->host[h];
	for (uint32_t i = 0; i < g->n_guests; i++) {
		const struct app *a = &g->app[i];
		struct sim_guest *guest = &w->guest[i];

		str_fmt(guest->id, sizeof(guest->id), "ct%03u", i + 1);
		guest->host = a->home;
		guest->cores_request = ceil(a->mean * 10) / 10;
		guest->cores_limit = ceil(a->mean * 1.5);
		guest->mem_request = ceil(a->mem / GIB * 8) / 8 * GIB;
		guest->mem_limit = ceil(a->mem / GIB * 1.25 * 4) / 4 * GIB;
	}
}

static void gen_done(struct load *load)
{
	struct gen *g = load->state;

	free(g->host);
	free(g->app);
	free(g);
}

struct load *load_generate(enum shape shape, uint32_t n_hosts, uint32_t n_guests, uint64_t run_ms,
			   uint64_t seed)
{
	struct load *load = mem_new_of(struct load);
	struct gen *g = mem_new_of(struct gen);

	*g = (struct gen){.shape = shape,
			  .n_hosts = n_hosts,
			  .n_guests = n_guests,
			  .run_ms = run_ms,
			  .chance = {seed * SHAPE_COUNT + shape}};
	g->host = mem_new(n_hosts, sizeof(*g->host));
	g->app = mem_new(n_guests, sizeof(*g->app));
	make_hosts(g);
	make_apps(g);
	overload(g);
	place(g);
	make_restless(g);
	*load = (struct load){gen_start, gen_tick, gen_done, g};
	return load;
}
