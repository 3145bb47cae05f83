/* SPDX-License-Identifier: MPL-2.0
 *
 * A machine and the worker on it: a process that starts from its journal, hears asks, and may die
 * at any point; what then is left is what a real one leaves. */
#include "tests/sim/sim.h"

#include "base/clock.h"
#include "worker/bus_side.h"

#include <string.h>

void host_init(int n)
{
	struct host *h = &sim.host[n];

	h->n = n;
	h->powered = true;
	h->boot_at_ms = sim.now_ms - rnd_range(100000, 10000000);
	worker_start(h);
}

/* --- death --- */

/* The hook's channel breaks with the worker: what is not let go yet dies. */
static void hooks_break(struct host *h)
{
	for (struct mig *m = h->x->migs; m; m = m->next) {
		int ct = ct_find(m->row.container);

		if (m->restore && m->restore->act == ACT_arm && ct >= 0 && h->copy[ct].armed &&
		    h->copy[ct].hook && str_eq(h->copy[ct].by, m->row.migration))
			copy_destroy(h, ct, "its worker died");
	}
}

static void bury(struct host *h)
{
	sim.cur = h;
	h->up = h->fenced = h->starting = false;
	if (!h->x)
		return;
	tally.deaths++;
	hooks_break(h);
	direct_drop(h);
	while (h->x->migs)
		mig_drop(h->x, h->x->migs);
	journal_close(&h->x->journal);
	/* The kernel closes what it had open, also in the middle of journal_open. */
	h->journal.open = h->journal.locked = false;
	prover_free(&h->x->prover);
	free(h->x);
	h->x = NULL;
	h->wake_ms = 0;
	sim.cur = NULL;
}

void worker_kill(struct host *h, uint64_t down_ms)
{
	if (!h->up)
		return;
	trace("%s: its worker is killed", h->name);
	bury(h);
	event_push(EV_worker_start, sim.now_ms + down_ms, h->n, 0, h->instances, NULL);
}

void host_power_cut(struct host *h, uint64_t down_ms)
{
	if (!h->powered)
		return;
	trace("%s: power is cut", h->name);
	tally.power_cuts++;
	bury(h);
	h->powered = false;
	for (int ct = 0; ct < sim.n_cts; ct++) {
		copy_destroy(h, ct, "its host lost power");
		h->copy[ct].gate_open = false;
	}
	memset(h->staging, 0, sizeof(h->staging));
	disk_power_cut(h);
	if (!h->gone)
		event_push(EV_boot, sim.now_ms + down_ms, h->n, 0, 0, NULL);
}

void host_boot(struct host *h)
{
	if (h->powered || h->gone)
		return;
	trace("%s: boots", h->name);
	h->powered = true;
	h->boots++;
	h->boot_at_ms = sim.now_ms;
	h->boot_jump_ms = 0;
	copy_autostart(h);
	event_push(EV_worker_start, sim.now_ms + rnd_range(10, 3000), h->n, 0, h->instances, NULL);
}

void worker_die(bool power)
{
	struct host *h = sim.cur;

	h->dying_power = power;
	longjmp(h->jmp, 1);
}

void worker_point(const char *name)
{
	bool hot = sim.weather.hot_point < HOT_POINTS &&
		   hash_of(name, strlen(name)) % HOT_POINTS == sim.weather.hot_point;

	if (!sim.cur->inside || !chance(hot ? 150000 : sim.weather.point_crash))
		return;
	trace("%s: dies at %s", sim.cur->name, name);
	worker_die(sim.weather.power && chance(sim.weather.power_of_crash));
}

void crash_point(const char *name);
void crash_point(const char *name)
{
	worker_point(name);
}

/* --- life --- */

static void wake_later(struct host *h)
{
	uint64_t at_ms = h->next_beat_ms;

	for (const struct mig *m = h->x->migs; m; m = m->next)
		if (m->row.state == HANDOVER_held && sim.now_ms + 250 < at_ms)
			at_ms = sim.now_ms + 250;
	if (at_ms < h->busy_until_ms)
		at_ms = h->busy_until_ms;
	if (h->wake_ms > sim.now_ms && h->wake_ms <= at_ms)
		return;
	h->wake_ms = at_ms;
	h->wake_token = token_new();
	event_push(EV_wake, at_ms, h->n, 0, h->wake_token, NULL);
}

typedef void inside_fn(struct host *h, void *arg);

/* Runs code of the worker, which may end with its death. */
static void inside(struct host *h, inside_fn *fn, void *arg)
{
	uint64_t down_ms;

	sim.cur = h;
	h->inside = true;
	h->lag_ms = 0;
	if (setjmp(h->jmp) == 0) {
		fn(h, arg);
		h->inside = false;
		sim.cur = NULL;
		h->busy_until_ms = sim.now_ms + h->lag_ms;
		if (h->up)
			wake_later(h);
		return;
	}
	h->inside = false;
	down_ms = rnd_range(50, coin() ? 500 : 20000);
	if (h->dying_power) {
		h->dying_power = false;
		host_power_cut(h, down_ms);
		return;
	}
	trace("%s: its worker died", h->name);
	bury(h);
	event_push(EV_worker_start, sim.now_ms + down_ms, h->n, 0, h->instances, NULL);
}

static bool runs(struct executor *x, const struct mig *m)
{
	int ct = ct_find(m->row.container);

	(void)x;
	return ct >= 0 && sim.cur->copy[ct].there && !sim.cur->copy[ct].armed;
}

static void begin(struct host *h, void *arg)
{
	struct executor *x = mem_new_of(struct executor);
	struct err err = {0};

	(void)arg;
	h->x = x;
	x->bus = -1;
	str_copy(x->self, sizeof(x->self), h->name);
	str_fmt(x->boot_id, sizeof(x->boot_id), "boot-%d-%u", h->n, h->boots);
	sim_ulid(x->instance);
	if (prover_new("/", "/", x->self, &x->prover, &err))
		broken("SIM", "prover: %s", err.text);
	if (journal_open("/journal", recover_row, x, &x->journal, &err)) {
		trace("%s: %s", h->name, err.text);
		h->gone = true; /* a person has to look at it */
		return;
	}
	h->up = true;
	h->seen_term = 0;
	for (size_t i = 0; i < h->n_kept; i++)
		if (h->kept[i].state != HANDOVER_closed && h->kept[i].term > h->seen_term)
			h->seen_term = h->kept[i].term;
	h->starting = true;
	recover_all(x, runs);
	h->starting = false;
	h->asker = ROGUE;
	h->next_beat_ms = h->next_caps_ms = h->next_hello_ms = 0;
}

void worker_start(struct host *h)
{
	h->instances++;
	h->up_since_ms = sim.now_ms;
	trace("%s: its worker starts", h->name);
	inside(h, begin, NULL);
	if (h->x && !h->up)
		bury(h);
}

/* --- what it hears --- */

static void ask(struct host *h, void *arg)
{
	const struct wire_ask *ask = arg;
	const struct mig *m = mig_find(h->x, ask->migration);

	ghost_of(ask);
	h->asked = ask;
	h->fenced = (!ask->direct && ask->term < h->seen_term) || (m && ask->epoch < m->row.epoch);
	mig_ask(h->x, ask);
	h->fenced = false;
	h->asked = NULL;
	if (h->x->term > h->seen_term)
		h->seen_term = h->x->term;
}

void worker_ask(struct host *h, const struct wire_ask *wire)
{
	if (!h->up || (sim.n_ghosts == GHOSTS_MAX && !ghost_find(wire->migration)))
		return;
	inside(h, ask, (void *)wire);
	h->fenced = false;
}

static void told(struct host *h, void *arg)
{
	recover_told(h->x, arg);
}

void worker_told(struct host *h, const struct told *word)
{
	inside(h, told, (void *)word);
}

void worker_message(struct host *h, int from, const struct msg *msg)
{
	static struct wire_ask wire;
	struct err err;

	if (msg->head.type == MSG_TYPE_welcome)
		facts_send_caps(h, from);
	if (msg->head.type != MSG_TYPE_ask || bus_ask(msg->ask, msg->head.request, &wire, &err))
		return;
	h->asker = from;
	trace("%s: c%d asks %s (attempt %llu, term %llu) of %s", h->name, from,
	      step_name(wire.step), (unsigned long long)wire.attempt, (unsigned long long)wire.term,
	      wire.migration + 20);
	worker_ask(h, &wire);
}

static void child(struct host *h, void *arg)
{
	struct run *run = arg;

	for (struct mig *m = h->x->migs; m; m = m->next) {
		if (m->child != run && m->restore != run)
			continue;
		if (m->plan)
			mig_event(h->x, m);
		else if (m->row.state == HANDOVER_prepared) /* executor.c: what is armed dies */
			mig_begin(h->x, m, handover_refuse_plan(), true);
		return;
	}
}

void worker_child(struct host *h, struct run *run, uint64_t token)
{
	if (!run->killed && run->token == token && h->up) {
		run->token = 0;
		inside(h, child, run);
	}
	run_drop(run);
}

static void sender_lost(struct host *h, void *arg)
{
	struct mig *m = arg;
	struct err err;

	fail(&err, ERR_io, "the sender was lost");
	m->sender_open = m->passing = false;
	mig_fail(h->x, m, &err);
}

void worker_sender_lost(struct host *h, struct mig *m)
{
	inside(h, sender_lost, m);
}

static void woken(struct host *h, void *arg)
{
	(void)arg;
	recover_waits(h->x, clock_mono_ms());
	if (sim.now_ms >= h->next_beat_ms)
		facts_send_beat(h);
}

void worker_wake(struct host *h, uint64_t token)
{
	if (!h->up || token != h->wake_token)
		return;
	h->wake_ms = 0;
	inside(h, woken, NULL);
}

void worker_free(struct host *h)
{
	bury(h);
}
