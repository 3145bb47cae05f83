/* SPDX-License-Identifier: MPL-2.0
 *
 * worker/acts_target.c in the simulator: the hook dies with its worker, and the tasks that it held
 * with it. */
#include "tests/sim/sim.h"

#include <string.h>

static int target_check(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_enter(m, ACT_check_target, false, err);
	struct host *h = act_host(m, &ct);

	(void)x;
	if (!rc && h->copy[ct].there)
		rc = fail(err, ERR_refused, "a container of that name exists there");
	return rc ? rc : act_leave();
}

static int target_reserve(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_enter(m, ACT_reserve, false, err);
	struct host *h = act_host(m, &ct);
	uint8_t *ticket = scratch_take(&m->scratch, 64);

	if (!rc && h->copy[ct].there)
		rc = fail(err, ERR_refused, "a container of that name exists there");
	if (rc)
		return rc;
	m->row.made_bundle = !h->copy[ct].bundle;
	staging_new(h, m->row.migration);
	memset(ticket, (int)(1 + rnd_below(250)), 64);
	m->answer.ticket = (struct msg_bin){ticket, 64};
	rc = journal_append(x->journal, &m->row, err);
	return rc ? rc : act_leave();
}

static int target_unpack(struct executor *x, struct mig *m, struct err *err)
{
	int rc = act_enter(m, ACT_unpack, false, err);

	(void)x;
	return rc ? rc : act_pend(m, ACT_unpack, 10, 1000);
}

static int target_unpacked(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_ended(m, err);
	struct host *h = act_host(m, &ct);
	struct staging *s = staging_find(h, m->row.migration);

	(void)x;
	if (rc)
		return rc;
	if (!s || !s->received || s->unpacked || m->ask.digest_len != 32 ||
	    memcmp(s->digest, m->ask.digest, 32) != 0)
		return fail(err, ERR_protocol, "the manifest is not the one that was sealed");
	s->unpacked = true;
	h->copy[ct].bundle = true;
	return act_leave();
}

static int target_hook_before(struct executor *x, struct mig *m, struct err *err)
{
	int rc = act_enter(m, ACT_hook_before, false, err);

	(void)x;
	return rc || rnd_below(4) ? rc : act_pend(m, ACT_hook_before, 1, 5000);
}

static int target_hook_ended(struct executor *x, struct mig *m, struct err *err)
{
	int rc = act_ended(m, err);

	(void)x;
	return rc ? rc : act_leave();
}

/* What it says is nobody's concern: the handover is over. */
static int target_hook_after(struct executor *x, struct mig *m, struct err *err)
{
	act_enter(m, ACT_hook_after, true, err);
	(void)x;
	return rnd_below(4) ? 0 : act_pend(m, ACT_hook_after, 1, 5000);
}

static int target_hook_passed(struct executor *x, struct mig *m, struct err *err)
{
	int rc = act_ended(m, err);

	(void)x;
	return rc > 0 ? rc : act_leave();
}

static int target_arm(struct executor *x, struct mig *m, struct err *err)
{
	int rc = act_enter(m, ACT_arm, false, err);

	if (rc)
		return rc;
	m->row.arming = true;
	rc = journal_append(x->journal, &m->row, err);
	if (rc) {
		m->row.arming = false;
		return rc;
	}
	m->restore = act_child(m, ACT_arm);
	act_ends_later(m->restore, 50, 3000);
	return 1;
}

static int target_armed(struct executor *x, struct mig *m, struct err *err)
{
	int ct;
	struct host *h = act_host(m, &ct);
	const struct staging *s = staging_find(h, m->row.migration);
	struct copy *copy = &h->copy[ct];

	(void)x;
	if (!m->restore || m->restore->token)
		return 1;
	if (m->restore->bad || chance(sim.weather.act_fails) || copy->there || !s || !s->unpacked ||
	    !copy->bundle) {
		run_free(&m->restore);
		return fail(err, ERR_child, "the restore fails");
	}
	*copy = (struct copy){
		.there = true, .armed = true, .hook = true, .bundle = true, .version = s->version};
	str_copy(copy->by, ULID_SIZE, m->row.migration);
	return act_leave();
}

bool target_holds(struct executor *x, struct mig *m)
{
	int ct;
	const struct host *h = act_host(m, &ct);
	const struct copy *copy = &h->copy[ct];

	(void)x;
	return m->restore && !m->restore->bad && copy->armed && copy->hook &&
	       str_eq(copy->by, m->row.migration);
}

static int target_go(struct executor *x, struct mig *m, struct err *err)
{
	int ct;
	struct host *h = act_host(m, &ct);
	struct copy *copy = &h->copy[ct];
	struct ghost *g = ghost_find(m->row.migration);

	(void)x;
	act_enter(m, ACT_go, true, err);
	if (!m->restore || !copy->armed || !str_eq(copy->by, m->row.migration))
		return fail(err, ERR_lost, "the armed container is gone");
	if (!copy->hook)
		return fail(err, ERR_child, "criu is gone, the tasks stay parked");
	if (chance(sim.weather.act_fails)) {
		copy_destroy(h, ct, "criu was killed before it ran");
		return fail(err, ERR_child, "the restore fails at its end");
	}
	copy->armed = false;
	copy->home = g->went = true;
	copy_run(h, ct, "go");
	worker_point("act.went");
	copy->gate_open = true;
	m->restore->act = ACT_go;
	act_ends_later(m->restore, 5, 300);
	return 1;
}

static int target_gone(struct executor *x, struct mig *m, struct err *err)
{
	int ct;
	struct host *h = act_host(m, &ct);
	bool bad;

	(void)x;
	if (!m->restore || m->restore->token)
		return 1;
	bad = m->restore->bad && !copy_runs(&h->copy[ct]); /* LOST is only what does not run */
	run_free(&m->restore);
	return bad ? fail(err, ERR_child, "criu was killed at its end") : act_leave();
}

static int target_plug(struct executor *x, struct mig *m, struct err *err)
{
	int ct;
	struct host *h = act_host(m, &ct);

	(void)x;
	act_enter(m, ACT_plug, true, err);
	if (copy_runs(&h->copy[ct]))
		h->copy[ct].gate_open = true;
	return act_leave();
}

static int target_settle(struct executor *x, struct mig *m, struct err *err)
{
	(void)x;
	act_enter(m, ACT_settle, true, err);
	return act_leave();
}

static int target_kill(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc;
	struct host *h = act_host(m, &ct);

	(void)x;
	check_act(h, m, ACT_kill);
	run_free(&m->restore);
	if (h->copy[ct].armed && h->copy[ct].hook && str_eq(h->copy[ct].by, m->row.migration))
		copy_destroy(h, ct, NULL);
	rc = act_enter(m, ACT_kill, true, err);
	if (rc || !m->row.arming)
		return rc;
	copy_destroy(h, ct, NULL); /* whatever has that name */
	m->row.arming = false;
	return act_leave();
}

static int target_unreserve(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_enter(m, ACT_unreserve, true, err);
	struct host *h = act_host(m, &ct);

	(void)x;
	if (rc)
		return rc;
	staging_drop(h, m->row.migration);
	if (m->row.made_bundle)
		act_bundle_drop(h, ct);
	return act_leave();
}

static int target_clean(struct executor *x, struct mig *m, struct err *err)
{
	(void)x;
	act_enter(m, ACT_clean_target, true, err);
	staging_drop(sim.cur, m->row.migration);
	return act_leave();
}

const struct act acts_target[ACT_COUNT] = {
	[ACT_check_target] = {target_check, NULL},
	[ACT_reserve] = {target_reserve, NULL},
	[ACT_unpack] = {target_unpack, target_unpacked},
	[ACT_hook_before] = {target_hook_before, target_hook_ended},
	[ACT_hook_after] = {target_hook_after, target_hook_passed},
	[ACT_arm] = {target_arm, target_armed},
	[ACT_go] = {target_go, target_gone},
	[ACT_plug] = {target_plug, NULL},
	[ACT_settle] = {target_settle, NULL},
	[ACT_kill] = {target_kill, NULL},
	[ACT_unreserve] = {target_unreserve, NULL},
	[ACT_clean_target] = {target_clean, NULL},
};

const struct act acts_target_cold[ACT_COUNT];
