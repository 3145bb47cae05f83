/* SPDX-License-Identifier: MPL-2.0
 *
 * What a host bears, and what a move costs: memory over the link at the speed that its busier end
 * leaves it, a processor's share at both ends (compression, digests, verification), and memory
 * taken at the target from its begin on. */
#include "simulate/world.h"

#include "base/mem.h"

#include <math.h>

#define LINK_BYTES_S 117e6 /* a gigabit, as TCP gets it */
#define AGAIN 1.15         /* memory that changes while it is copied travels again */
#define SMALLEST 64e6      /* files, and what a move costs however small: about half a second */
#define SOURCE_CORES 0.8   /* while copying at full speed */
#define TARGET_CORES 0.5
#define THRASH_MS (6ull * 3600 * 1000)

void world_init(struct sim_world *w, uint32_t n_hosts, uint32_t n_guests)
{
	*w = (struct sim_world){.n_hosts = n_hosts, .n_guests = n_guests};
	w->host = mem_new(n_hosts + 1, sizeof(*w->host));
	w->guest = mem_new(n_guests + 1, sizeof(*w->guest));
}

void world_done(struct sim_world *w)
{
	free(w->host);
	free(w->guest);
	free(w->move);
	free(w->arrived);
	*w = (struct sim_world){0};
}

/* Of a link, for one more or for one of those that go on. */
static double share_of(const struct sim_world *w, const struct sim_move *m)
{
	unsigned from = w->host[m->from].moves, to = w->host[m->to].moves;

	return 1.0 / fmax(1, from > to ? from : to);
}

static void bear_moves(struct sim_world *w)
{
	for (size_t i = 0; i < w->n_moves; i++) {
		w->host[w->move[i].from].moves++;
		w->host[w->move[i].to].moves++;
	}
	for (size_t i = 0; i < w->n_moves; i++) {
		const struct sim_move *m = &w->move[i];
		double share = share_of(w, m);

		w->host[m->from].cores_wanted += SOURCE_CORES * share;
		w->host[m->to].cores_wanted += TARGET_CORES * share;
		w->host[m->from].net += share;
		w->host[m->to].net += share;
		w->host[m->to].mem_used += w->guest[m->guest].mem;
	}
}

void world_settle(struct sim_world *w)
{
	for (uint32_t h = 0; h < w->n_hosts; h++) {
		struct sim_host *host = &w->host[h];

		host->cores_wanted = host->own_cores;
		host->mem_used = host->own_mem;
		host->net = 0;
		host->moves = 0;
	}
	for (uint32_t g = 0; g < w->n_guests; g++) {
		struct sim_host *host = &w->host[w->guest[g].host];

		host->cores_wanted += w->guest[g].cores;
		host->mem_used += w->guest[g].mem;
	}
	bear_moves(w);
}

double world_hot(const struct sim_host *host)
{
	return fmax(host->cores_wanted / host->cores, host->mem_used / host->mem);
}

double world_granted(const struct sim_host *host)
{
	return host->cores_wanted > host->cores ? host->cores / host->cores_wanted : 1;
}

bool world_begin(struct sim_world *w, uint32_t guest, uint32_t to)
{
	struct sim_guest *g = &w->guest[guest];

	if (g->moving)
		return false;
	if (to >= w->n_hosts || to == g->host || !w->host[to].up || g->mem <= 0 ||
	    w->host[to].mem_used + g->mem > w->host[to].mem) {
		w->tally.failed++;
		return false;
	}
	w->move = mem_grow(w->move, w->n_moves + 1, sizeof(*w->move));
	w->move[w->n_moves++] = (struct sim_move){
		.guest = guest,
		.from = g->host,
		.to = to,
		.left_bytes = g->mem * AGAIN + SMALLEST,
	};
	g->moving = true;
	world_settle(w);
	return true;
}

static void arrive(struct sim_world *w, const struct sim_move *m)
{
	struct sim_guest *g = &w->guest[m->guest];

	w->tally.moves++;
	w->tally.back += g->moved_ms && g->left == m->to && w->now_ms - g->moved_ms < THRASH_MS;
	g->left = g->host;
	g->host = m->to;
	g->moved_ms = w->now_ms;
	g->moving = false;
}

void world_advance(struct sim_world *w)
{
	size_t kept = 0;

	world_settle(w);
	w->n_arrived = 0;
	w->arrived = mem_grow(w->arrived, w->n_moves + 1, sizeof(*w->arrived));
	for (size_t i = 0; i < w->n_moves; i++) {
		struct sim_move m = w->move[i];

		m.left_bytes -= share_of(w, &m) * LINK_BYTES_S * TICK_MS / 1000;
		if (m.left_bytes > 0)
			w->move[kept++] = m;
		else
			w->arrived[w->n_arrived++] = m;
	}
	w->n_moves = kept;
	for (size_t i = 0; i < w->n_arrived; i++)
		arrive(w, &w->arrived[i]);
	world_settle(w);
}

double world_imbalance(const struct sim_world *w)
{
	double sum = 0, squares = 0, n = 0;

	for (uint32_t h = 0; h < w->n_hosts; h++) {
		double hot = world_hot(&w->host[h]);

		if (!w->host[h].up)
			continue;
		sum += hot;
		squares += hot * hot;
		n++;
	}
	return sum > 0 ? sqrt(fmax(0, squares / n - sum / n * (sum / n))) / (sum / n) : 0;
}

unsigned world_hot_hosts(const struct sim_world *w)
{
	unsigned n = 0;

	for (uint32_t h = 0; h < w->n_hosts; h++)
		n += w->host[h].up && world_hot(&w->host[h]) > HOT;
	return n;
}
