/* SPDX-License-Identifier: MPL-2.0
 *
 * The invariants of DESIGN.md §4 by name, as far as they can be seen from here. I1, I2, I3, I4 and
 * I11 are also checked where they would be broken (world.c), I7 is all of them with a rogue
 * coordinator that has every key. Q: nothing is stuck without a reason. */
#include "tests/sim/sim.h"

#include <string.h>

#define HOLD_SLACK_MS 3000

/* --- after every event --- */

/* A copy that could not be thawed yet may have its gate open: it is decided that it runs. */
static bool undecided(const struct host *h, int ct)
{
	for (size_t i = 0; i < h->n_kept; i++) {
		const struct kept_row *row = &h->kept[i];

		if (str_eq(row->container, sim.ct[ct].name) &&
		    (row->state == HANDOVER_held || row->state == HANDOVER_released ||
		     row->state == HANDOVER_reserved || row->state == HANDOVER_prepared))
			return true;
	}
	return false;
}

static void check_copies(void)
{
	for (int ct = 0; ct < sim.n_cts; ct++) {
		int running = 0;

		for (int i = 0; i < sim.n_hosts; i++) {
			const struct copy *copy = &sim.host[i].copy[ct];

			running += copy_runs(copy);
			if (copy->there && (copy->frozen || copy->armed) && copy->gate_open &&
			    undecided(&sim.host[i], ct))
				broken("I10", "the gate of %s is open on %s while it is held",
				       sim.ct[ct].name, sim.host[i].name);
		}
		if (running > 1)
			broken("I1", "%d copies of %s run", running, sim.ct[ct].name);
	}
}

/* I8: whatever happens to the others, a held source goes on at its deadline. */
static void check_holds(const struct host *h)
{
	uint64_t boot_ms = sim.now_ms - h->boot_at_ms + h->boot_jump_ms;

	uint64_t slack_ms = HOLD_SLACK_MS + 8 * sim.weather.slow_ms;

	if (!h->up || sim.now_ms < h->up_since_ms + slack_ms ||
	    sim.now_ms < h->jumped_ms + slack_ms || sim.now_ms < h->hung_ms + slack_ms)
		return;
	for (const struct mig *m = h->x->migs; m; m = m->next)
		if (m->row.side == SIDE_source && m->row.state == HANDOVER_held &&
		    boot_ms > m->row.hold_until_boot_ms + slack_ms)
			broken("I8", "%s is held on %s past its deadline", m->row.container,
			       h->name);
}

/* I14: a group is released, started and given back as a whole. Its members are those whose source
 * has journalled it so. A person's word, and what died (LOST), are on record. */
static void check_pair(const struct ghost *a, const struct ghost *b)
{
	if (a->released_by >= 0 && b->released_by < 0 && !a->forced)
		broken("I14", "%s is released, %s, which moves with it, is not", a->migration,
		       b->migration);
	if (!a->running_on || a->forced || b->forced)
		return;
	if (b->taken_back || b->source_kept == HANDOVER_held)
		broken("I14", "%s runs on its target, %s, which moves with it, is its source's",
		       a->migration, b->migration);
	if (!b->running_on || b->refused_on & a->running_on)
		broken("I14", "the target's journal says running of %s, and not of %s",
		       a->migration, b->migration);
}

static void check_groups(void)
{
	for (int i = 0; i < sim.n_ghosts; i++)
		for (int k = 0; sim.ghost[i].group[0] && k < sim.n_ghosts; k++)
			if (i != k && str_eq(sim.ghost[i].group, sim.ghost[k].group))
				check_pair(&sim.ghost[i], &sim.ghost[k]);
}

void check_event(void)
{
	check_copies();
	check_groups();
	for (int i = 0; i < sim.n_hosts; i++)
		check_holds(&sim.host[i]);
}

/* --- acts and answers --- */

static bool single(void)
{
	return !sim.weather.doubled && !sim.weather.rogue;
}

static bool allowed(const struct mig *m, enum handover_act act, uint8_t state)
{
	switch (act) {
	case ACT_gate_close:
	case ACT_freeze:
	case ACT_dump:
	case ACT_send:
		return state == HANDOVER_held;
	case ACT_invalidate:
	case ACT_thaw:
	case ACT_gate_open:
		return str_eq(handover_state_name(state), "own") ||
		       str_eq(handover_state_name(state), "aborted");
	case ACT_sync:
		return state == HANDOVER_own;
	case ACT_retire:
		return state == HANDOVER_done;
	case ACT_reserve:
	case ACT_unpack:
	case ACT_hook_before:
	case ACT_arm:
		return state == HANDOVER_reserved;
	case ACT_go:
	case ACT_plug:
	case ACT_settle:
		return state == HANDOVER_running;
	case ACT_kill:
		return state == HANDOVER_refused || state == HANDOVER_lost;
	case ACT_unreserve:
		return state == HANDOVER_refused;
	case ACT_clean_source:
		return state != HANDOVER_held && state != HANDOVER_released;
	case ACT_hook_after:
	case ACT_clean_target:
		return state != HANDOVER_reserved && state != HANDOVER_prepared;
	default:
		(void)m;
		return true;
	}
}

void check_act(struct host *h, const struct mig *m, enum handover_act act)
{
	const struct kept_row *row = disk_row(h, m->row.migration);
	const struct ghost *g = ghost_find(m->row.migration);
	int ct = ct_find(m->row.container);
	uint8_t state = row ? row->state : HANDOVER_none;

	if (!g || ct < 0)
		broken("SIM", "an act for an unknown container");
	if (h->fenced)
		broken("I6", "%s acts for term %llu, epoch %llu after term %llu, epoch %llu",
		       h->name, (unsigned long long)h->asked->term,
		       (unsigned long long)h->asked->epoch, (unsigned long long)h->seen_term,
		       (unsigned long long)m->row.epoch);
	if (!allowed(m, act, state))
		broken("I5", "%s on %s while the disk says %s", handover_act_name(act), h->name,
		       handover_state_name(state));
	if (act == ACT_freeze && h->copy[ct].gate_open)
		broken("I10", "%s is frozen on %s with its gate open", m->row.container, h->name);
	if (act == ACT_freeze && single() && !(g->reserved_on & 1u << g->target))
		broken("I13", "%s is frozen before its target has reserved anything",
		       m->row.container);
	if (act == ACT_dump && !h->copy[ct].frozen && h->copy[ct].there)
		broken("I9", "%s is dumped on %s while it runs", m->row.container, h->name);
	if (act == ACT_retire && !g->went)
		broken("I2", "%s is retired on %s before the target has run it", m->row.container,
		       h->name);
}

void check_answer(struct host *h, const struct msg_answer *answer)
{
	const struct kept_row *row = disk_row(h, answer->migration ? answer->migration : "");
	const struct ghost *g = ghost_find(answer->migration ? answer->migration : "");
	const char *kept = handover_state_name(row ? row->state : HANDOVER_none);
	const char *said = answer->state ? answer->state : "none";

	if (str_eq(kept, "closed") && str_eq(said, "none"))
		return;
	if (str_eq(kept, "running") && str_eq(said, "lost"))
		return; /* without room for that record; a restart finds it out again */
	if (!str_eq(said, kept))
		broken("I5", "%s answers %s, its disk says %s", h->name, said, kept);
	if (str_eq(said, "running") && answer->proof.len && g && !g->went)
		broken("I5", "%s proves RUNNING before it let the container go", h->name);
}

/* --- outcomes --- */

static struct pick *pick_of(struct coord *c, const char *job)
{
	struct pick *pick = NULL;

	for (unsigned i = 0; i < PICKS_MAX; i++)
		if (str_eq(c->pick[i].job, job))
			return &c->pick[i];
	pick = &c->pick[c->n_picks++ % PICKS_MAX];
	*pick = (struct pick){0};
	str_copy(pick->job, ULID_SIZE, job);
	return pick;
}

/* I13: a host that was cordoned before this turn, and still is, is not picked. */
void check_target(struct coord *c, const struct job *job, uint32_t cordoned)
{
	struct pick *pick = pick_of(c, job->id);

	if (str_eq(pick->target, job->target))
		return;
	for (int i = 0; i < sim.n_hosts; i++)
		if (str_eq(sim.host[i].name, job->target) && cordoned & c->cordoned & 1u << i)
			broken("I13", "%s is cordoned, job %s picks it", job->target, job->id);
	str_copy(pick->target, NAME_SIZE, job->target);
}

/* I13: a drain that is done has nothing under way, and what it says has moved has run elsewhere. */
void check_drains(const struct coord *c)
{
	for (size_t i = 0; single() && i < c->core->n_drains; i++) {
		const struct drain *drain = c->core->drains[i];

		for (size_t k = 0; drain->state == DRAIN_done && k < drain->n_items; k++) {
			const struct drain_item *item = &drain->items[k];
			const struct ghost *g = ghost_find(item->job);

			if (item->state == ITEM_waiting || item->state == ITEM_moving)
				broken("I13", "drain %s is done, %s is %s", drain->id,
				       item->container, item_state_name(item->state));
			if (item->state == ITEM_moved && (!g || !g->went))
				broken("I13", "drain %s says that %s has moved, it has not",
				       drain->id, item->container);
		}
	}
}

/* One that goes on, or NULL. */
static const struct drain *open_drain(const struct coord *c)
{
	for (size_t i = 0; c->core && i < c->core->n_drains; i++)
		if (c->core->drains[i]->state == DRAIN_running ||
		    c->core->drains[i]->state == DRAIN_ending)
			return c->core->drains[i];
	return NULL;
}

/* I12, at the moment when an outcome is recorded. With several coordinators at work on one job each
 * knows only its own part. */
void check_outcome(const struct coord *c, const struct job *job)
{
	struct ghost *g = ghost_find(job->id);

	if (job->probe || !g || g->told == job->outcome)
		return;
	g->told = job->outcome;
	g->owner = c->n;
	tally.held += job->outcome == OUTCOME_held && !g->told_held;
	g->told_held |= job->outcome == OUTCOME_held;
	trace("c%d: %s %s %s, runs on %s", c->n, job->id + 20, stage_name(job->stage),
	      outcome_name(job->outcome), job->runs_on);
	if (job->outcome == OUTCOME_moved && !g->went)
		broken("I12", "%s is told as MOVED, the target never ran it", job->id);
	if (!single())
		return;
	if (job->outcome == OUTCOME_stayed &&
	    (g->running_on || g->source_kept == HANDOVER_held ||
	     g->source_kept == HANDOVER_released || g->source_kept == HANDOVER_done))
		broken("I12", "%s is told as STAYED, the source's disk says %s", job->id,
		       handover_state_name(g->source_kept));
	if (job->outcome == OUTCOME_lost && !g->lost_kept && !g->gone)
		broken("I12", "%s is told as LOST, the target's disk does not say so", job->id);
}

/* --- the end --- */

static bool idle(const struct host *h)
{
	if (h->gone)
		return true;
	if (!h->up)
		return false;
	for (const struct mig *m = h->x->migs; m; m = m->next)
		if (m->plan)
			return false;
	return true;
}

/* A migration that only a person can end, or a host that is gone. */
static bool excused(int ct)
{
	/* A rogue may have used any of them. */
	for (int i = 0; sim.weather.rogue && i < sim.n_hosts; i++)
		if (sim.host[i].gone)
			return true;
	for (int i = 0; i < sim.n_ghosts; i++) {
		const struct ghost *g = &sim.ghost[i];

		if (g->ct != ct)
			continue;
		if (g->lost_kept || (g->source >= 0 && sim.host[g->source].gone) ||
		    (g->target >= 0 && sim.host[g->target].gone))
			return true;
	}
	return false;
}

/* The last ask of a migration that was heard may be a late one, of a target that it has left. */
static bool waits_for_a_gone_host(const struct job *job)
{
	for (int i = 0; i < sim.n_hosts; i++)
		if (sim.host[i].gone && (str_eq(sim.host[i].name, job->source) ||
					 str_eq(sim.host[i].name, job->target)))
			return true;
	return false;
}

/* Where nothing goes wrong and nobody gives up, a job that was begun moves its container. */
static void check_fair(const struct job *job)
{
	if (sim.weather.fair && job->outcome != OUTCOME_moved && job->failed > STAGE_admit)
		broken("Q", "job %s is %s in fair weather: %s", job->id, outcome_name(job->outcome),
		       job->error);
}

/* A copy that waits for the other side, or for its own deadline. */
static bool waits(int ct)
{
	for (int i = 0; i < sim.n_hosts; i++)
		if (sim.host[i].copy[ct].frozen || sim.host[i].copy[ct].armed)
			return !excused(ct);
	return false;
}

bool check_settled(void)
{
	if (sim.clients_left || sim.in_flight)
		return false;
	for (int i = 0; i < COORDS_MAX; i++)
		if (sim.coord[i].exists &&
		    (!sim.coord[i].up || core_jobs_running(sim.coord[i].core) ||
		     open_drain(&sim.coord[i])))
			return false;
	for (int ct = 0; ct < sim.n_cts; ct++)
		if (waits(ct))
			return false;
	for (int i = 0; i < sim.n_hosts; i++)
		if (!idle(&sim.host[i]))
			return false;
	return true;
}

static void check_jobs(const struct coord *c)
{
	for (size_t i = 0; c->core && i < c->core->n_jobs; i++) {
		const struct job *job = c->core->jobs[i];
		const struct ghost *g = ghost_find(job->id);
		int ct = ct_find(job->container);

		if (job->probe || excused(ct) || waits_for_a_gone_host(job))
			continue;
		if (job->stage != STAGE_done)
			broken("Q", "job %s is stuck at %s (%s)", job->id, stage_name(job->stage),
			       job->error);
		if (!job->outcome || job->outcome == OUTCOME_held)
			broken("I12", "job %s is done and has no outcome", job->id);
		check_fair(job);
		if (g && job->outcome == OUTCOME_stayed && g->went)
			broken("I12", "job %s is STAYED, the target ran it", job->id);
	}
}

static void check_drain_ends(const struct coord *c)
{
	const struct drain *drain = open_drain(c);

	for (int ct = 0; ct < sim.n_cts; ct++)
		if (excused(ct))
			return;
	if (drain)
		broken("Q", "drain %s is still %s", drain->id, drain_state_name(drain->state));
}

/* Where the last finished job of a container says that it runs. One that failed at its check says
 * only what the coordinator believed before it asked. */
static const char *told_place(const struct coord *c, int ct)
{
	const char *place = sim.host[0].name;
	uint64_t latest = 0;

	for (size_t i = 0; c->core && i < c->core->n_jobs; i++) {
		const struct job *job = c->core->jobs[i];

		if (job->probe || job->stage != STAGE_done || !job->runs_on[0] ||
		    (job->failed && job->failed <= STAGE_admit) ||
		    !str_eq(job->container, sim.ct[ct].name) || job->epoch < latest)
			continue;
		place = job->runs_on;
		latest = job->epoch;
	}
	return place;
}

static void check_container(const struct coord *c, int ct)
{
	const char *place = told_place(c, ct);
	const struct host *runs = NULL;

	for (int i = 0; i < sim.n_hosts; i++) {
		const struct host *h = &sim.host[i];
		const struct copy *copy = &h->copy[ct];

		if (!copy_runs(copy))
			continue;
		runs = h;
		if (!copy->gate_open)
			broken("I10", "%s runs on %s and its gate stays closed", sim.ct[ct].name,
			       h->name);
	}
	if (!runs && !sim.ct[ct].ended)
		broken("Q", "%s runs nowhere", sim.ct[ct].name);
	if (runs && !str_eq(runs->name, place))
		broken("I12", "%s runs on %s, its last job says %s", sim.ct[ct].name, runs->name,
		       place);
}

static void check_leftovers(const struct host *h)
{
	for (size_t i = 0; i < STAGINGS_MAX; i++) {
		const struct staging *s = &h->staging[i];
		const struct kept_row *row = disk_row(h, s->migration);

		if (s->migration[0] && s->images && (!row || row->state == HANDOVER_closed))
			broken("I9", "an image of the finished %s is left on %s", s->migration,
			       h->name);
	}
}

/* Without a coordinator that they obey, too, source and target come to an end. */
static void check_waits(int ct)
{
	for (int i = 0; waits(ct) && i < sim.n_hosts; i++)
		if (sim.host[i].copy[ct].frozen || sim.host[i].copy[ct].armed)
			broken("Q", "%s is still %s on %s", sim.ct[ct].name,
			       sim.host[i].copy[ct].frozen ? "frozen" : "armed", sim.host[i].name);
}

/* Nothing is left of what is told as LOST: a person may bring the source's copy back. Nor of what
 * was closed. */
static void check_lost(const struct host *h)
{
	for (size_t i = 0; h->up && i < h->n_kept; i++) {
		const struct kept_row *row = &h->kept[i];
		int ct = ct_find(row->container);

		if (ct < 0 || !h->copy[ct].there || !str_eq(h->copy[ct].by, row->migration))
			continue;
		if (row->state == HANDOVER_lost ||
		    (row->state == HANDOVER_closed && h->copy[ct].armed))
			broken("I12", "%s is %s for %s, where its tasks are left", row->migration,
			       handover_state_name(row->state), h->name);
	}
}

static void count(void)
{
	for (int i = 0; i < sim.n_ghosts; i++) {
		tally.moved += sim.ghost[i].told == OUTCOME_moved;
		tally.stayed += sim.ghost[i].told == OUTCOME_stayed;
		tally.lost += sim.ghost[i].told == OUTCOME_lost;
	}
}

void check_quiescence(void)
{
	count();
	for (int i = 0; i < sim.n_hosts; i++)
		check_lost(&sim.host[i]);
	for (int ct = 0; ct < sim.n_cts; ct++)
		check_waits(ct);
	if (!single())
		return;
	check_jobs(&sim.coord[0]);
	check_drain_ends(&sim.coord[0]);
	for (int ct = 0; ct < sim.n_cts; ct++)
		if (!excused(ct))
			check_container(&sim.coord[0], ct);
	for (int i = 0; i < sim.n_hosts; i++)
		if (!sim.host[i].gone)
			check_leftovers(&sim.host[i]);
}
