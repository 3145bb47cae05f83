/* SPDX-License-Identifier: MPL-2.0
 *
 * Carries plans out: record before act, act before answer. One plan a migration at a time. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/group.h"

#include <string.h>

#define RESERVE_LIMIT_MS (2 * 3600 * 1000)

struct mig *mig_find(struct executor *x, const char *migration)
{
	struct mig *m = x->migs;

	while (m && !str_eq(m->row.migration, migration))
		m = m->next;
	return m;
}

struct mig *mig_new(struct executor *x, const struct handover_row *row)
{
	struct mig *m = mem_new_of(struct mig);

	m->row = *row;
	m->hook_listen = m->hook = m->init = -1;
	m->next = x->migs;
	x->migs = m;
	return m;
}

void mig_drop(struct executor *x, struct mig *m)
{
	for (struct mig **p = &x->migs; *p; p = &(*p)->next)
		if (*p == m) {
			*p = m->next;
			break;
		}
	run_free(&m->child);
	run_free(&m->restore);
	if (m->hook >= 0)
		close(m->hook);
	if (m->hook_listen >= 0)
		close(m->hook_listen);
	mig_unwatch(m);
	for (size_t i = 0; i < m->n_given; i++)
		free(m->given[i].body);
	bundle_done(&m->bundle);
	scratch_done(&m->scratch);
	free(m->queued);
	free(m);
}

void mig_unwatch(struct mig *m)
{
	if (m->init >= 0)
		close(m->init);
	m->init = -1;
	m->act_deadline_ms = 0;
}

enum handover_act mig_act(const struct mig *m)
{
	return m->plan ? (enum handover_act)m->plan->ops[m->at].act : ACT_none;
}

static const struct act *act_of(const struct mig *m)
{
	bool source = m->row.side == SIDE_source;
	const struct act *cold = source ? acts_source_cold : acts_target_cold;
	const struct act *live = source ? acts_source : acts_target;
	enum handover_act act = mig_act(m);

	return m->row.cold && cold[act].begin ? &cold[act] : &live[act];
}

bool mig_has_hold(const struct mig *m)
{
	switch (m->row.state) {
	case HANDOVER_none:
	case HANDOVER_running:
		return false;
	case HANDOVER_own:
	case HANDOVER_done:
	case HANDOVER_refused:
	case HANDOVER_lost:
		return !m->row.settled;
	default:
		return true;
	}
}

bool mig_must_end(const struct mig *m)
{
	return m->dead ||
	       (m->found && (m->row.state == HANDOVER_held || m->row.state == HANDOVER_reserved ||
			     m->row.state == HANDOVER_prepared));
}

/* --- plans --- */

/* Before a record and after it, before an act and while it waits for something. */
static void at_point(const char *what, const char *moment)
{
	char name[64];

	str_fmt(name, sizeof(name), "worker.%s.%s", what, moment);
	crash_point(name);
}

/* When this host gives up waiting in a state, CLOCK_BOOTTIME; 0 = never. */
static uint64_t give_up_at(const struct executor *x, const struct handover_row *row)
{
	uint64_t hold_ms = options_u64(x->options, OPT_worker_hold);
	uint64_t stop_ms = row->cold ? options_u64(x->options, OPT_worker_stop_timeout) : 0;

	switch (row->state) {
	case HANDOVER_held:
		return clock_boot_ms() + hold_ms + stop_ms;
	case HANDOVER_prepared: /* refusing is always safe, and a RELEASED source waits for it */
		return clock_boot_ms() + 2 * hold_ms;
	case HANDOVER_reserved:
		return clock_boot_ms() + RESERVE_LIMIT_MS;
	default:
		return 0;
	}
}

/* What a record changes of a row. */
struct before {
	uint8_t state, last, settled, gave_up, forced;
	uint64_t until_boot_ms;
};

static struct before enter(const struct executor *x, struct handover_row *row,
			   const struct handover_plan *plan, uint8_t state)
{
	struct before before = {row->state,   row->last,   row->settled,
				row->gave_up, row->forced, row->hold_until_boot_ms};

	row->state = state;
	row->last = state == HANDOVER_closed ? before.state : 0;
	row->settled = state == HANDOVER_own && !plan->ends; /* nothing is frozen yet */
	row->gave_up |= handover_gives_up(plan);
	row->forced |= handover_forces(plan);
	row->hold_until_boot_ms = give_up_at(x, row);
	return before;
}

/* What is not on disk has not happened, and its deadline still stands. */
static void take_back(struct handover_row *row, const struct before *before)
{
	row->state = before->state;
	row->last = before->last;
	row->settled = before->settled;
	row->gave_up = before->gave_up;
	row->forced = before->forced;
	row->hold_until_boot_ms = before->until_boot_ms;
}

static int record(struct executor *x, struct mig *m, uint8_t state, struct err *err)
{
	const struct handover_row *rows[GROUP_MAX];
	struct before before[GROUP_MAX];
	struct mig *set[GROUP_MAX];
	size_t n;
	int rc = group_set(x, m, state, set, &n, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		before[i] = enter(x, &set[i]->row, m->plan, state);
		rows[i] = &set[i]->row;
	}
	at_point(handover_state_name(state), "record");
	rc = journal_append_all(x->journal, rows, n, err);
	for (size_t i = 0; i < n; i++) {
		if (rc) {
			take_back(&set[i]->row, &before[i]);
			continue;
		}
		set[i]->journalled = true;
		set[i]->found = false;
		set[i]->batched = set[i] == m ? 0 : state;
	}
	m->dead = rc && state == HANDOVER_lost;
	at_point(handover_state_name(state), "recorded");
	return rc;
}

/* A record of the plan, unless it was made already for the whole group. */
static int go_through(struct executor *x, struct mig *m, uint8_t state, struct err *err)
{
	int rc = 0;

	if (m->batched == state) {
		m->batched = 0;
		m->at++;
		return 0;
	}
	rc = record(x, m, state, err);
	if (rc)
		return rc;
	m->at++;
	group_go_on(x, m);
	return 0;
}

/* A restart does not repeat what has been done to its end: by then the container may be here again,
 * under another migration. */
static void settle(struct executor *x, struct mig *m)
{
	struct err err;

	if (!m->plan->ends || m->stuck || m->plan->ops[m->at].state)
		return;
	m->row.settled = true;
	if (!journal_append(x->journal, &m->row, &err))
		return;
	m->row.settled = false;
	log_warn("%s\tmigration=%s", err.text, m->row.migration);
}

static void finish(struct executor *x, struct mig *m)
{
	struct wire_ask *next = m->queued;
	const char *name = m->plan->name;
	bool closed = m->row.state == HANDOVER_closed;

	settle(x, m);
	m->found |= m->plan->ends; /* matters where its record failed: the undoing is due */
	m->plan = NULL;
	m->act_deadline_ms = 0;
	log_info("%s %s\tmigration=%s container=%s state=%s node=%s", name,
		 m->failed ? m->failure.text : "done", m->row.migration, m->row.container,
		 handover_state_name(m->row.state), x->self);
	if (!m->self)
		mig_answer(x, m, m->failed ? &m->failure : NULL);
	x->next_caps_ms = 0;
	if (closed) {
		mig_drop(x, m);
		return;
	}
	if (!next)
		return;
	m->queued = NULL;
	mig_ask(x, next);
	free(next);
}

/* A failed act of a plan that ends is logged and passed over: the next act may still make the
 * container run. A failed record never is: no act goes before its record. */
static bool fall_back(struct executor *x, struct mig *m, const struct err *why)
{
	if (m->child && act_of(m)->stop)
		act_of(m)->stop(x, m);
	run_free(&m->child);
	mig_unwatch(m);
	log_warn("%s: %s failed: %s\tmigration=%s container=%s node=%s", m->plan->name,
		 handover_act_name(mig_act(m)), why->text, m->row.migration, m->row.container,
		 x->self);
	if (!m->failed)
		m->failure = *why;
	m->failed = true;
	if (!m->at && !mig_act(m)) /* its first record: nothing was done that must be undone */
		return false;
	if (m->plan->ends && mig_act(m)) {
		m->stuck = true;
		m->at++;
		return true;
	}
	if (!m->plan->on_failure)
		return false;
	m->plan = m->plan->on_failure;
	m->at = 0;
	return true;
}

static void advance(struct executor *x, struct mig *m, int rc, struct err *err)
{
	for (;;) {
		const struct handover_op *op = &m->plan->ops[m->at];

		if (rc == 1)
			return;
		if (rc < 0) {
			if (!fall_back(x, m, err))
				break;
			rc = 0;
			continue;
		}
		if (!op->state && !op->act)
			break;
		if (op->state) {
			rc = go_through(x, m, op->state, err);
			continue;
		}
		at_point(handover_act_name(op->act), "act");
		m->act_began_us = clock_mono_us();
		rc = act_of(m)->begin(x, m, err);
		m->at += rc == 0;
		if (rc == 1)
			at_point(handover_act_name(op->act), "pending");
	}
	finish(x, m);
}

void mig_begin(struct executor *x, struct mig *m, const struct handover_plan *plan, bool self)
{
	struct err err = {0};

	m->plan = plan;
	m->at = 0;
	m->failed = m->stuck = false;
	m->self = self;
	m->log_tail[0] = '\0';
	memset(&m->answer, 0, sizeof(m->answer));
	scratch_done(&m->scratch);
	advance(x, m, 0, &err);
}

void mig_event(struct executor *x, struct mig *m)
{
	const struct act *act = act_of(m);
	struct err err = {0};
	int rc;

	if (!m->plan || !act->event)
		return;
	rc = act->event(x, m, &err);
	m->at += rc == 0;
	if (rc != 1)
		advance(x, m, rc, &err);
}

void mig_fail(struct executor *x, struct mig *m, const struct err *why)
{
	struct err err = *why;

	if (m->plan)
		advance(x, m, -err.code, &err);
}
