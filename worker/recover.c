/* SPDX-License-Identifier: MPL-2.0
 *
 * What a worker does without being asked: it brings every row of its journal to a safe end when it
 * starts, gives up waiting when a deadline passes (a held source goes on, a target refuses), and
 * finishes with the other side directly when no coordinator speaks. The simulator runs this file.
 */
#include "base/clock.h"
#include "base/log.h"
#include "worker/executor.h"

#define DIRECT_AFTER_MS 5000          /* of a coordinator's silence, and between two tries */
#define DIRECT_MAX_MS (5 * 60 * 1000) /* when the target has said that a person has to decide */
#define RETRY_MS 1000
#define RETRY_MAX_MS 60000
#define FORGET_MS (5 * 60 * 1000) /* longer than all candidates' checks and reservations */

void recover_row(void *arg, const struct handover_row *row)
{
	struct executor *x = arg;
	struct mig *m = mig_new(x, row);

	m->journalled = m->found = true;
	if (row->term > x->term)
		x->term = row->term;
}

static bool is_held(const struct mig *m)
{
	return m->row.side == SIDE_source && m->row.state == HANDOVER_held &&
	       m->plan != handover_abort_plan();
}

/* The container came by m and is on its way to somewhere else: its gate is that one's. */
static bool moves_on(const struct executor *x, const struct mig *m)
{
	for (const struct mig *other = x->migs; other; other = other->next)
		if (other != m && str_eq(other->row.container, m->row.container) &&
		    mig_has_hold(other))
			return true;
	return false;
}

/* What the journal asks for after a start; NULL: to wait, or nothing. */
static const struct handover_plan *plan_of(struct executor *x, const struct mig *m,
					   recover_runs *runs)
{
	bool running = m->row.state == HANDOVER_running;
	bool same_boot = str_eq(m->row.boot_id, x->boot_id);

	if (m->row.settled)
		return NULL;
	same_boot = same_boot && (!running || m->row.cold || runs(x, m));
	if (running && same_boot && moves_on(x, m))
		return NULL;
	return running && m->row.cold ? handover_recover_cold(&m->row, same_boot)
				      : handover_recover(m->row.side, m->row.state, same_boot);
}

static void recover_some(struct executor *x, recover_runs *runs, bool held)
{
	for (struct mig *m = x->migs, *next; m; m = next) {
		const struct handover_plan *plan;

		next = m->next;
		if (is_held(m) != held)
			continue;
		plan = plan_of(x, m, runs);
		log_info("found in the journal\tmigration=%s container=%s state=%s plan=%s",
			 m->row.migration, m->row.container, handover_state_name(m->row.state),
			 plan ? plan->name : "none");
		if (plan)
			mig_begin(x, m, plan, true);
	}
}

/* The frozen ones first: the rest may take its time. */
void recover_all(struct executor *x, recover_runs *runs)
{
	recover_some(x, runs, true);
	recover_some(x, runs, false);
}

static void give_up_hold(struct executor *x, struct mig *m, const char *why)
{
	struct err err;

	log_warn("%s, resuming\tmigration=%s container=%s node=%s", why, m->row.migration,
		 m->row.container, x->self);
	if (!m->plan) {
		mig_begin(x, m, handover_abort_plan(), true);
		return;
	}
	fail(&err, ERR_timeout, "%s before the container was released", why);
	mig_fail(x, m, &err);
}

void recover_stop(struct executor *x)
{
	for (struct mig *m = x->migs, *next; m; m = next) {
		next = m->next;
		if (is_held(m))
			give_up_hold(x, m, "the worker stops");
	}
}

/* No coordinator speaks for a container that is neither here nor there: ask the target itself. */
static void tell_grant(struct executor *x, struct mig *m, uint64_t now_ms)
{
	struct tell tell = {.magic = TELL_MAGIC, .epoch = m->row.epoch};
	struct wire_out out = {.kind = WIRE_TELL, .body_len = sizeof(tell)};
	struct err err;

	if (m->plan || now_ms - m->asked_ms < DIRECT_AFTER_MS ||
	    now_ms - m->told_ms < (m->tell_after_ms ? m->tell_after_ms : DIRECT_AFTER_MS))
		return;
	m->told_ms = now_ms;
	str_copy(out.migration, sizeof(out.migration), m->row.migration);
	str_copy(out.peer, sizeof(out.peer), m->row.peer);
	str_copy(tell.migration, sizeof(tell.migration), m->row.migration);
	str_copy(tell.container, sizeof(tell.container), m->row.container);
	str_copy(tell.source, sizeof(tell.source), x->self);
	str_copy(tell.target, sizeof(tell.target), m->row.peer);
	prover_sign(x->prover, &m->row, "GRANT", tell.grant);
	if (exec_tell(x, &out, &tell, -1, &err))
		log_debug("telling the grant: %s", err.text);
}

static void waited(struct executor *x, struct mig *m, uint64_t boot_ms)
{
	uint64_t until = m->row.hold_until_boot_ms;
	bool waits = m->row.side == SIDE_target && !m->plan &&
		     (m->row.state == HANDOVER_reserved || m->row.state == HANDOVER_prepared);

	if (!until || boot_ms < until)
		return;
	if (is_held(m))
		give_up_hold(x, m, "the hold deadline passed");
	else if (waits)
		mig_begin(x, m, handover_refuse_plan(), true);
}

/* What could not be thawed, killed or removed is not left so because nobody asks again. */
static void try_again(struct executor *x, struct mig *m, uint64_t now_ms)
{
	bool ends = m->row.state == HANDOVER_own || m->row.state == HANDOVER_done ||
		    m->row.state == HANDOVER_refused || m->row.state == HANDOVER_lost ||
		    mig_must_end(m);

	if (!ends || m->plan || m->row.settled || now_ms < m->retry_ms)
		return;
	m->retry_after_ms = m->retry_after_ms ? 2 * m->retry_after_ms : RETRY_MS;
	if (m->retry_after_ms > RETRY_MAX_MS)
		m->retry_after_ms = RETRY_MAX_MS;
	m->retry_ms = now_ms + m->retry_after_ms;
	mig_begin(x, m, handover_recover(m->row.side, m->row.state, !m->dead), true);
}

/* A check leaves a session to the target and nothing else: without a word it is given back. */
static bool forgotten(struct executor *x, struct mig *m, uint64_t now_ms)
{
	struct wire_out out = {.kind = WIRE_CLOSE};
	struct err err;

	if (m->plan || m->row.state != HANDOVER_none || now_ms - m->asked_ms < FORGET_MS)
		return false;
	str_copy(out.migration, sizeof(out.migration), m->row.migration);
	if (m->sender_open && exec_tell(x, &out, NULL, -1, &err))
		return false;
	mig_drop(x, m);
	return true;
}

void recover_waits(struct executor *x, uint64_t now_ms)
{
	uint64_t boot_ms = clock_boot_ms();

	for (struct mig *m = x->migs, *next; m; m = next) {
		next = m->next;
		if (m->row.side == SIDE_source && m->row.state == HANDOVER_released)
			tell_grant(x, m, now_ms);
		if (forgotten(x, m, now_ms))
			continue;
		try_again(x, m, now_ms);
		waited(x, m, boot_ms);
	}
}

void recover_told(struct executor *x, const struct told *told)
{
	struct mig *m = mig_find(x, told->migration);

	if (!m || m->plan || m->row.side != SIDE_source || m->row.state != HANDOVER_released)
		return;
	m->alive_ms = clock_mono_ms();
	m->peer_lost = str_eq(told->state, "lost");
	m->tell_after_ms = m->peer_lost ? 2 * m->tell_after_ms : 0;
	if (m->peer_lost && m->tell_after_ms < 2 * DIRECT_AFTER_MS)
		m->tell_after_ms = 2 * DIRECT_AFTER_MS;
	if (m->tell_after_ms > DIRECT_MAX_MS)
		m->tell_after_ms = DIRECT_MAX_MS;
	if (!told->state[0]) {
		log_info(
			"the target's host is up, its worker does not answer\tmigration=%s node=%s",
			told->migration, m->row.peer);
		return;
	}
	log_info("target answers by the direct path\tmigration=%s state=%s", told->migration,
		 told->state);
	if (prover_check(x->prover, &m->row, "RUNNING", told->proof, told->proof_len))
		mig_begin(x, m, handover_retire_plan(), true);
	else if (prover_check(x->prover, &m->row, "REFUSED", told->proof, told->proof_len))
		mig_begin(x, m, handover_abort_plan(), true);
}
