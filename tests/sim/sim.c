/* SPDX-License-Identifier: MPL-2.0
 *
 * Time, chance, trace, and the loop over events. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

#define TRACE_LINES 4000
#define TRACE_TEXT 240

struct sim sim;
struct tally tally;

/* Shared with a process that runs a seed and dies of it. */
static struct trace {
	size_t n;
	char line[TRACE_LINES][TRACE_TEXT];
} * lines;

/* --- chance --- */

/* https://prng.di.unimi.it/splitmix64.c */
uint64_t rnd(void)
{
	uint64_t z = (sim.rng += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t rnd_below(uint64_t n)
{
	return n ? rnd() % n : 0;
}

uint64_t rnd_range(uint64_t min, uint64_t max)
{
	return min + rnd_below(max - min + 1);
}

bool chance(unsigned per_million)
{
	return per_million && !sim.calm && rnd() % 1000000 < per_million;
}

bool coin(void)
{
	return rnd() >> 63;
}

void sim_ulid(char ret[ULID_SIZE])
{
	str_fmt(ret, ULID_SIZE, "01HZ%022llu", (unsigned long long)++sim.ids);
}

uint64_t hash_of(const void *data, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3;
	return hash;
}

/* --- trace --- */

void note_digest(uint64_t value)
{
	sim.digest = (sim.digest ^ value) * 0x100000001b3;
	sim.digest ^= sim.digest >> 29;
}

void trace(const char *fmt, ...)
{
	char *line;
	va_list args;
	int n;

	if (!sim.tracing)
		return;
	line = lines->line[lines->n++ % TRACE_LINES];
	n = snprintf(line, TRACE_TEXT, "%9.3f ", (double)(sim.now_ms - START_MS) / 1000);
	va_start(args, fmt);
	vsnprintf(line + n, TRACE_TEXT - (size_t)n, fmt, args);
	va_end(args);
}

void trace_print(size_t last)
{
	size_t n = lines->n, first = n > last ? n - last : 0;

	if (n > TRACE_LINES && first < n - TRACE_LINES)
		first = n - TRACE_LINES;
	for (; first < n; first++)
		printf("  %s\n", lines->line[first % TRACE_LINES]);
}

void trace_share(void)
{
	lines = share_new(sizeof(*lines));
}

void broken(const char *name, const char *fmt, ...)
{
	va_list args;

	str_copy(sim.broken, sizeof(sim.broken), name);
	va_start(args, fmt);
	vsnprintf(sim.why, sizeof(sim.why), fmt, args);
	va_end(args);
	trace("BROKEN %s: %s", name, sim.why);
	longjmp(sim.over, 1);
}

/* --- events: a heap by time, then by order of making --- */

static bool before(const struct event *a, const struct event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

uint64_t token_new(void)
{
	return ++sim.tokens;
}

void event_push(enum event_kind kind, uint64_t at_ms, int a, int b, uint64_t token, void *p)
{
	struct event event = {at_ms, ++sim.seq, kind, a, b, token, p};
	size_t i = sim.n_heap;

	if (!(i & (i + 1)) || !sim.heap)
		sim.heap = mem_grow(sim.heap, 2 * (i + 1), sizeof(*sim.heap));
	sim.n_heap++;
	for (; i && before(&event, &sim.heap[(i - 1) / 2]); i = (i - 1) / 2)
		sim.heap[i] = sim.heap[(i - 1) / 2];
	sim.heap[i] = event;
}

bool event_pop(struct event *ret)
{
	struct event last;
	size_t i = 0, child;

	if (!sim.n_heap)
		return false;
	*ret = sim.heap[0];
	last = sim.heap[--sim.n_heap];
	for (; (child = 2 * i + 1) < sim.n_heap; i = child) {
		if (child + 1 < sim.n_heap && before(&sim.heap[child + 1], &sim.heap[child]))
			child++;
		if (!before(&sim.heap[child], &last))
			break;
		sim.heap[i] = sim.heap[child];
	}
	if (sim.n_heap)
		sim.heap[i] = last;
	return true;
}

/* --- the loop --- */

static void to_host(const struct event *e)
{
	struct host *h = &sim.host[e->a];
	struct packet *packet = e->p;

	if (h->up)
		worker_message(h, e->b, packet->msg);
	packet_drop(packet);
}

static void to_coord(const struct event *e)
{
	struct coord *c = &sim.coord[e->a];
	struct packet *packet = e->p;

	if (c->up)
		coord_feed(c, &(struct core_event){.kind = CORE_message,
						   .node = sim.host[e->b].name,
						   .address = "10.0.0.1",
						   .msg = packet->msg});
	packet_drop(packet);
}

static void go_calm(void)
{
	trace("calm");
	sim.calm = true;
	net_calm();
	for (int i = 0; i < sim.n_hosts; i++) {
		struct host *h = &sim.host[i];

		h->full = false;
		h->jumped_ms = sim.now_ms;
		if (h->busy_until_ms > sim.now_ms + 1000)
			h->busy_until_ms = sim.now_ms + 1000;
	}
	for (int i = 0; i < COORDS_MAX; i++)
		sim.coord[i].busy_until_ms = 0;
}

/* Until when the process that an event is for is busy or hangs. */
static uint64_t busy_until(const struct event *e)
{
	switch (e->kind) {
	case EV_to_host:
	case EV_child:
	case EV_tell:
	case EV_told:
	case EV_wake:
		return sim.host[e->a].up ? sim.host[e->a].busy_until_ms : 0;
	case EV_to_coord:
	case EV_tick:
		return sim.coord[e->a].up ? sim.coord[e->a].busy_until_ms : 0;
	default:
		return 0;
	}
}

static void dispatch(const struct event *e)
{
	struct host *h = e->a >= 0 && e->a < HOSTS_MAX ? &sim.host[e->a] : NULL;
	struct coord *c = e->a >= 0 && e->a < COORDS_MAX ? &sim.coord[e->a] : NULL;

	switch (e->kind) {
	case EV_to_host:
		to_host(e);
		break;
	case EV_to_coord:
		to_coord(e);
		break;
	case EV_child:
		worker_child(h, e->p, e->token);
		break;
	case EV_tell:
		direct_tell(h, e->p);
		break;
	case EV_told:
		direct_told(h, e->p);
		break;
	case EV_wake:
		worker_wake(h, e->token);
		break;
	case EV_worker_start:
		if (h->powered && !h->up && e->token == h->instances)
			worker_start(h);
		break;
	case EV_boot:
		host_boot(h);
		break;
	case EV_tick:
		if (c->up && e->token == c->tick_token)
			coord_feed(c, &(struct core_event){.kind = CORE_tick});
		break;
	case EV_coord_start:
		if (!c->up)
			coord_start(c);
		break;
	case EV_client:
		chaos_client();
		break;
	case EV_fault:
		chaos_fault();
		break;
	case EV_rogue:
		rogue_ask();
		break;
	case EV_calm:
		go_calm();
		break;
	case EV_heal:
		chaos_heal(e->a, e->b);
		break;
	default:
		break;
	}
}

static void start(uint64_t seed, bool tracing)
{
	sim = (struct sim){.seed = seed,
			   .rng = seed * 0x9e3779b97f4a7c15 + 0x1234567,
			   .now_ms = START_MS,
			   .digest = 0xcbf29ce484222325,
			   .tracing = tracing};
	if (tracing)
		lines->n = 0;
}

static void discard(const struct event *e)
{
	if (e->kind == EV_to_host || e->kind == EV_to_coord)
		packet_drop(e->p);
	else if (e->kind == EV_child)
		run_drop(e->p);
	else if (e->kind == EV_tell || e->kind == EV_told)
		free(e->p);
}

static void stop(void)
{
	struct event e;

	while (event_pop(&e))
		discard(&e);
	for (int i = 0; i < COORDS_MAX; i++)
		coord_free(&sim.coord[i]);
	for (int i = 0; i < HOSTS_MAX; i++) {
		worker_free(&sim.host[i]);
		disk_free(&sim.host[i]);
	}
	free(sim.heap);
	sim.heap = NULL;
}

static void loop(void)
{
	struct event e;

	while (event_pop(&e)) {
		if (e.at_ms >= sim.end_ms) {
			discard(&e);
			return;
		}
		sim.now_ms = e.at_ms > sim.now_ms ? e.at_ms : sim.now_ms;
		sim.events++;
		note_digest(e.at_ms * 64 + e.kind + (uint64_t)e.a * 16);
		if (busy_until(&e) > sim.now_ms) {
			event_push(e.kind, busy_until(&e), e.a, e.b, e.token, e.p);
			continue;
		}
		dispatch(&e);
		check_event();
		if (sim.calm && sim.now_ms > sim.calm_ms && check_settled())
			return;
	}
}

bool sim_run(uint64_t seed, bool tracing, bool again)
{
	heap_begin(again);
	start(seed, tracing);
	if (setjmp(sim.over) == 0) {
		chaos_init();
		loop();
		check_quiescence();
	}
	note_digest(sim.now_ms);
	stop();
	return !sim.broken[0];
}
