/* SPDX-License-Identifier: MPL-2.0
 *
 * Names of the shapes, and the way to either kind of load. */
#include "simulate/load_impl.h"

#include "base/mem.h"
#include "simulate/recording.h"

#include <math.h>

static const struct {
	const char *name, *says;
} shapes[] = {
#define X(name, says) {#name, says},
	SHAPE_TABLE(X)
#undef X
};

const char *shape_name(enum shape shape)
{
	return shapes[shape].name;
}

const char *shape_says(enum shape shape)
{
	return shapes[shape].says;
}

enum shape shape_find(const char *name)
{
	enum shape shape = 0;

	while (shape < SHAPE_COUNT && !str_eq(shapes[shape].name, name))
		shape++;
	return shape;
}

void load_free(struct load **load)
{
	if (!*load)
		return;
	(*load)->done(*load);
	free(*load);
	*load = NULL;
}

void load_start(const struct load *load, struct sim_world *w)
{
	load->start(load, w);
}

void load_tick(struct load *load, struct sim_world *w)
{
	load->tick(load, w);
	world_settle(w);
}

/* --- written down --- */

static void write_moment(const struct sim_world *w, FILE *out)
{
	struct moment_of m = {.at_ms = w->now_ms};

	m.host = mem_new(w->n_hosts, sizeof(*m.host));
	m.container = mem_new(w->n_guests + 1, sizeof(*m.container));
	for (uint32_t h = 0; h < w->n_hosts; h++) {
		const struct sim_host *from = &w->host[h];
		struct rec_host *to = &m.host[m.n_hosts];
		double used = fmin(1, from->cores_wanted / from->cores);

		if (!from->up)
			continue;
		m.n_hosts++;
		str_copy(to->id, sizeof(to->id), from->id);
		to->cpus = (uint64_t)from->cores;
		to->cpu_permille = (uint64_t)lround(1000 * used);
		to->mem_total_bytes = (uint64_t)from->mem;
		to->mem_available_bytes = (uint64_t)fmax(0, from->mem - from->mem_used);
	}
	for (uint32_t g = 0; g < w->n_guests; g++) {
		const struct sim_guest *from = &w->guest[g];
		struct rec_container *to = &m.container[m.n_containers];

		if (from->mem <= 0)
			continue;
		m.n_containers++;
		str_copy(to->id, sizeof(to->id), from->id);
		str_copy(to->host, sizeof(to->host), w->host[from->host].id);
		to->cpu_permille = (uint64_t)lround(1000 * from->cores);
		to->rss_bytes = (uint64_t)from->mem;
		to->limit_bytes = (uint64_t)from->mem_limit;
		to->cpu_limit_permille = (uint64_t)lround(1000 * from->cores_limit);
	}
	recording_write(out, &m);
	free(m.host);
	free(m.container);
}

void load_record(struct load *load, uint64_t run_ms, FILE *out)
{
	struct sim_world w;

	recording_begin(out);
	load_start(load, &w);
	for (w.now_ms = 0; w.now_ms < run_ms; w.now_ms += TICK_MS) {
		load_tick(load, &w);
		write_moment(&w, out);
	}
	world_done(&w);
}
