/* SPDX-License-Identifier: MPL-2.0
 *
 * A recording as a load. A container begins where it was first seen and wants in each tick what it
 * got then, wherever a policy has put it; one that is not listed does not run. A host's own load is
 * what was measured there and was no container's. */
#include "simulate/load_impl.h"

#include "base/mem.h"
#include "simulate/recording.h"

#include <math.h>

struct replay {
	const struct recording *recording;
	size_t at; /* the moment that stands */
	struct sim_host *host;
	uint32_t n_hosts;
	struct sim_guest *guest;
	uint32_t n_guests;
};

static uint32_t find_host(struct replay *r, const char *id)
{
	uint32_t h = 0;

	while (h < r->n_hosts && !str_eq(r->host[h].id, id))
		h++;
	return h;
}

static uint32_t find_guest(const struct sim_guest *v, uint32_t n, const char *id)
{
	uint32_t g = 0;

	while (g < n && !str_eq(v[g].id, id))
		g++;
	return g;
}

static void add_host(struct replay *r, const struct rec_host *seen)
{
	struct sim_host *host;

	if (find_host(r, seen->id) < r->n_hosts)
		return;
	r->host = mem_grow(r->host, r->n_hosts + 1, sizeof(*r->host));
	host = &r->host[r->n_hosts++];
	*host = (struct sim_host){.cores = (double)seen->cpus,
				  .mem = (double)seen->mem_total_bytes};
	str_copy(host->id, sizeof(host->id), seen->id);
}

/* What is not configured is taken for what it used when it was first seen. */
static void add_guest(struct replay *r, const struct rec_container *seen)
{
	double cores = (double)seen->cpu_permille / 1000, mem = (double)seen->rss_bytes;
	uint32_t host = find_host(r, seen->host);
	struct sim_guest *guest;

	if (host == r->n_hosts || find_guest(r->guest, r->n_guests, seen->id) < r->n_guests)
		return;
	r->guest = mem_grow(r->guest, r->n_guests + 1, sizeof(*r->guest));
	guest = &r->guest[r->n_guests++];
	*guest = (struct sim_guest){.host = host, .cores_request = cores, .mem_request = mem};
	guest->cores_limit =
		seen->cpu_limit_permille ? (double)seen->cpu_limit_permille / 1000 : ceil(cores);
	guest->mem_limit = seen->limit_bytes ? (double)seen->limit_bytes : mem;
	str_copy(guest->id, sizeof(guest->id), seen->id);
}

static void replay_start(const struct load *load, struct sim_world *w)
{
	const struct replay *r = load->state;

	world_init(w, r->n_hosts, r->n_guests);
	for (uint32_t h = 0; h < r->n_hosts; h++)
		w->host[h] = r->host[h];
	for (uint32_t g = 0; g < r->n_guests; g++)
		w->guest[g] = r->guest[g];
}

/* The measured load of each host less its containers' at that moment. */
static void take_hosts(struct replay *r, const struct moment_of *m, struct sim_world *w)
{
	for (uint32_t h = 0; h < w->n_hosts; h++)
		w->host[h].up = false;
	for (size_t i = 0; i < m->n_hosts; i++) {
		const struct rec_host *seen = &m->host[i];
		struct sim_host *host = &w->host[find_host(r, seen->id)];

		host->up = true;
		host->own_cores = (double)(seen->cpus * seen->cpu_permille) / 1000;
		host->own_mem = (double)(seen->mem_total_bytes - seen->mem_available_bytes);
	}
}

static void take_containers(struct replay *r, const struct moment_of *m, struct sim_world *w)
{
	for (uint32_t g = 0; g < w->n_guests; g++)
		w->guest[g].cores = w->guest[g].mem = 0;
	for (size_t i = 0; i < m->n_containers; i++) {
		const struct rec_container *seen = &m->container[i];
		uint32_t g = find_guest(w->guest, w->n_guests, seen->id);
		uint32_t h = find_host(r, seen->host);

		if (g == w->n_guests || h == w->n_hosts)
			continue;
		w->guest[g].cores = (double)seen->cpu_permille / 1000;
		w->guest[g].mem = fmax(1, (double)seen->rss_bytes);
		w->host[h].own_cores = fmax(0, w->host[h].own_cores - w->guest[g].cores);
		w->host[h].own_mem = fmax(0, w->host[h].own_mem - w->guest[g].mem);
	}
}

static void replay_tick(struct load *load, struct sim_world *w)
{
	struct replay *r = load->state;
	const struct recording *rec = r->recording;
	const struct moment_of *m;

	while (r->at + 1 < rec->n && rec->v[r->at + 1].at_ms - rec->v[0].at_ms <= w->now_ms)
		r->at++;
	m = &rec->v[r->at];
	take_hosts(r, m, w);
	take_containers(r, m, w);
}

static void replay_done(struct load *load)
{
	struct replay *r = load->state;

	free(r->host);
	free(r->guest);
	free(r);
}

struct load *load_replay(const struct recording *recording)
{
	struct load *load = mem_new_of(struct load);
	struct replay *r = mem_new_of(struct replay);

	r->recording = recording;
	for (size_t i = 0; i < recording->n; i++) {
		for (size_t h = 0; h < recording->v[i].n_hosts; h++)
			add_host(r, &recording->v[i].host[h]);
		for (size_t c = 0; c < recording->v[i].n_containers; c++)
			add_guest(r, &recording->v[i].container[c]);
	}
	*load = (struct load){replay_start, replay_tick, replay_done, r};
	return load;
}
