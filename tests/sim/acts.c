/* SPDX-License-Identifier: MPL-2.0
 *
 * What worker/acts_source.c and acts_target.c do, done to the world of the simulator: the same
 * order of effects, the same names decide (a container is killed by its name, whoever made it), and
 * each act can fail, take long, or end with the worker. */
#include "tests/sim/sim.h"

#include <string.h>

struct host *act_host(const struct mig *m, int *ret_ct)
{
	*ret_ct = ct_find(m->row.container);
	return sim.cur;
}

bool acts_link(const struct host *from, const char *to)
{
	for (int i = 0; i < sim.n_hosts; i++)
		if (str_eq(sim.host[i].name, to))
			return sim.host[i].powered && !(sim.cut[from->n] & 1u << i) &&
			       !(sim.cut[i] & 1u << from->n);
	return false;
}

/* --- children --- */

void run_drop(struct run *run)
{
	if (run && --run->refs == 0)
		free(run);
}

void run_free(struct run **run)
{
	if (*run)
		(*run)->killed = true;
	run_drop(*run);
	*run = NULL;
}

void act_ends_later(struct run *run, uint64_t min_ms, uint64_t max_ms)
{
	uint64_t ms = rnd_range(min_ms, max_ms);

	if (chance(sim.weather.act_slow))
		ms += rnd_range(5000, 90000);
	run->refs++;
	run->token = token_new();
	event_push(EV_child, sim.now_ms + sim.cur->lag_ms + ms, sim.cur->n, 0, run->token, run);
}

struct run *act_child(const struct mig *m, enum handover_act act)
{
	struct run *run = mem_new_of(struct run);

	run->host = sim.cur;
	run->refs = 1;
	run->act = act;
	str_copy(run->migration, ULID_SIZE, m->row.migration);
	return run;
}

/* --- every act --- */

/* The rules, then the chance to fail before anything was done. */
int act_enter(struct mig *m, enum handover_act act, bool undoes, struct err *err)
{
	check_act(sim.cur, m, act);
	trace("%s: %s %s", sim.cur->name, handover_act_name(act), m->row.migration + 20);
	note_digest(act + 7777u);
	tally.acts++;
	sim.cur->lag_ms += rnd_below(5);
	if (chance(undoes ? sim.weather.undo_fails : sim.weather.act_fails)) {
		tally.acts_failed++;
		trace("%s: %s fails", sim.cur->name, handover_act_name(act));
		return fail(err, ERR_io, "%s fails by the weather", handover_act_name(act));
	}
	return 0;
}

int act_leave(void)
{
	worker_point("act.done");
	return 0;
}

int act_pend(struct mig *m, enum handover_act act, uint64_t min_ms, uint64_t max_ms)
{
	m->child = act_child(m, act);
	act_ends_later(m->child, min_ms, max_ms);
	return 1;
}

/* 1: not yet, 0: it ended well. */
int act_ended(struct mig *m, struct err *err)
{
	struct run *run = m->child;
	bool bad;

	if (run->token)
		return 1;
	bad = run->bad || chance(sim.weather.act_fails);
	run_free(&m->child);
	return bad ? fail(err, ERR_child, "a child fails") : 0;
}

void act_bundle_drop(struct host *h, int ct)
{
	if (copy_runs(&h->copy[ct]))
		broken("I2", "the bundle of the running %s is removed on %s", sim.ct[ct].name,
		       h->name);
	h->copy[ct].bundle = h->copy[ct].home = false;
}
