/* SPDX-License-Identifier: MPL-2.0
 *
 * What is asked of the migrations of this host, and what is answered. A repeated ask is answered as
 * before; an abort or refuse that comes while another plan waits interrupts it and follows it. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/group.h"

#include <string.h>

/* --- answers --- */

static void send_answer(struct executor *x, const char *request, const void *body, size_t len)
{
	struct wire_out out = {.kind = WIRE_MESSAGE, .type = MSG_TYPE_answer};
	struct err err;

	str_copy(out.request, sizeof(out.request), request);
	out.body_len = (uint32_t)len;
	if (exec_tell(x, &out, body, -1, &err))
		log_warn("answer not passed on: %s", err.text);
}

static void keep_answer(struct mig *m, void *body, size_t len)
{
	size_t i = m->n_given < ANSWERS_KEPT ? m->n_given++ : 0;

	free(m->given[i].body);
	m->given[i] = (struct given){m->ask.step, m->ask.attempt, body, len};
}

static void fill_answer(struct mig *m, const struct wire_ask *ask, const struct err *failure)
{
	struct msg_answer *a = &m->answer;

	a->migration = ask->migration;
	a->step = ask->step;
	a->attempt = ask->attempt;
	a->epoch = ask->epoch;
	a->state = handover_state_name(m->row.state);
	a->figures = &m->figures;
	if (m->row.gone) {
		m->gone = (struct msg_container){.id = m->row.container, .status = "stopped"};
		a->facts = &m->gone;
	}
	if (!failure)
		return;
	a->code = (uint64_t)failure->code;
	a->error = failure->text;
	a->fix = failure->fix[0] ? failure->fix : NULL;
	if (m->log_tail[0])
		a->log = m->log_tail;
}

/* The word that this side's state proves to the other. */
static void add_proof(const struct executor *x, struct mig *m)
{
	const char *word = proof_word(m->row.side,
				      m->row.state == HANDOVER_closed ? m->row.last : m->row.state);
	uint8_t *sig;

	/* A record whose acts are still to come proves nothing yet: a RUNNING whose go fails is
	 * LOST. */
	if (!word || m->dead || m->plan)
		return;
	sig = scratch_take(&m->scratch, SIGN_BYTES);
	prover_sign(x->prover, &m->row, word, sig);
	m->answer.proof = (struct msg_bin){sig, SIGN_BYTES};
}

void mig_answer(struct executor *x, struct mig *m, const struct err *failure)
{
	struct err err;
	void *body;
	size_t len;

	fill_answer(m, &m->ask, failure);
	add_proof(x, m);
	if (msg_encode_body(MSG_TYPE_answer, &m->answer, &body, &len, &err)) {
		log_err("answer cannot be encoded: %s\tmigration=%s", err.text, m->row.migration);
		return;
	}
	send_answer(x, m->ask.request, body, len);
	if (m->ask.direct) /* has no attempts: another that counts none must not hear it again */
		free(body);
	else
		keep_answer(m, body, len);
}

/* An answer that is not kept; it still proves the state that it tells. */
static void answer_once(struct executor *x, const struct wire_ask *ask, const struct mig *m,
			const struct err *failure)
{
	struct mig once = {0};
	auto_free void *body = NULL;
	struct err err;
	size_t len;

	if (m) {
		once.row = m->row;
		once.dead = m->dead;
		once.plan = m->plan;
	}
	fill_answer(&once, ask, failure);
	add_proof(x, &once);
	if (!msg_encode_body(MSG_TYPE_answer, &once.answer, &body, &len, &err))
		send_answer(x, ask->request, body, len);
	scratch_done(&once.scratch);
}

static void acknowledge(struct executor *x, const struct wire_ask *ask)
{
	struct msg_ack ack = {
		.migration = ask->migration, .step = ask->step, .attempt = ask->attempt};
	struct wire_out out = {.kind = WIRE_MESSAGE, .type = MSG_TYPE_ack};
	auto_free void *body = NULL;
	struct err err;
	size_t len;

	str_copy(out.request, sizeof(out.request), ask->request);
	if (msg_encode_body(MSG_TYPE_ack, &ack, &body, &len, &err))
		return;
	out.body_len = (uint32_t)len;
	exec_tell(x, &out, body, -1, &err);
}

/* --- asks --- */

/* What a host does with a container of its own and no other host. */
static bool needs_no_target(uint32_t step)
{
	return step == STEP_stop || step == STEP_abort || step == STEP_clean || step == STEP_report;
}

static bool ids_good(const struct wire_ask *ask, struct err *err)
{
	bool alone = !ask->target[0] && needs_no_target(ask->step);
	bool good = ulid_ok(ask->migration) && name_ok(ask->container) && name_ok(ask->source) &&
		    (alone || name_ok(ask->target)) &&
		    (!ask->runtime[0] || runtime_find(ask->runtime)) &&
		    (!ask->bundle[0] || path_ok(ask->bundle));

	if (!good)
		fail(err, ERR_invalid, "an id or path of the request is malformed");
	else if (str_eq(ask->source, ask->target))
		fail(err, ERR_refused, "source and target are the same host");
	else if (!group_check(ask, err) && (!ask->has_net || !net_state_check(&ask->net, err)))
		return true;
	return false;
}

static int busy_elsewhere(struct executor *x, const struct wire_ask *ask, struct err *err)
{
	for (struct mig *m = x->migs; m; m = m->next) {
		if (mig_has_hold(m) && str_eq(m->row.container, ask->container) &&
		    !str_eq(m->row.migration, ask->migration))
			return fail(err, ERR_busy, "%s is in migration %s, which is %s here",
				    ask->container, m->row.migration,
				    handover_state_name(m->row.state));
	}
	return 0;
}

static struct mig *mig_for(struct executor *x, const struct wire_ask *ask)
{
	struct handover_row row = {.epoch = ask->epoch, .term = ask->term};
	bool source = str_eq(ask->source, x->self);
	struct mig *m;

	str_copy(row.migration, sizeof(row.migration), ask->migration);
	str_copy(row.container, sizeof(row.container), ask->container);
	str_copy(row.peer, sizeof(row.peer), source ? ask->target : ask->source);
	str_copy(row.runtime, sizeof(row.runtime), ask->runtime);
	str_copy(row.bundle, sizeof(row.bundle), ask->bundle);
	str_copy(row.boot_id, sizeof(row.boot_id), x->boot_id);
	row.side = source ? SIDE_source : SIDE_target;
	m = mig_new(x, &row);
	m->asked_ms = clock_mono_ms();
	return m;
}

static bool proof_good(struct executor *x, struct mig *m, const struct wire_ask *ask)
{
	const char *word = proof_wanted(ask->step);

	if (m->row.group[0] && m->row.state == HANDOVER_prepared && ask->step == STEP_start)
		group_seal(x, m);
	if (ask->step == STEP_force)
		return !prover_force(x->prover, &m->row, ask->operator, ask->reason, ask->proof,
				     ask->proof_len, NULL);
	return word && prover_check(x->prover, &m->row, word, ask->proof, ask->proof_len);
}

static bool repeated(struct executor *x, struct mig *m, const struct wire_ask *ask)
{
	if (m->plan && !m->self && m->ask.step == ask->step && m->ask.attempt == ask->attempt) {
		acknowledge(x, ask);
		return true;
	}
	for (size_t i = 0; i < m->n_given; i++)
		if (m->given[i].step == ask->step && m->given[i].attempt == ask->attempt) {
			send_answer(x, ask->request, m->given[i].body, m->given[i].len);
			return true;
		}
	return false;
}

/* Another plan waits for something: abort and refuse break it off and follow; the rest is told to
 * come again. */
static void interrupt(struct executor *x, struct mig *m, const struct wire_ask *ask)
{
	enum step undo = m->row.side == SIDE_source ? STEP_abort : STEP_refuse;
	bool breaks = ask->step == undo && ask->epoch >= m->row.epoch;
	enum handover_act act = mig_act(m);
	struct err err;

	/* The group was started at another's ask: this one is answered when that is through. */
	if (m->self && m->plan == handover_start_plan() && ask->step == STEP_start &&
	    !ask->direct && ask->epoch >= m->row.epoch) {
		m->self = false;
		m->ask = *ask;
		acknowledge(x, ask);
		return;
	}
	fail(&err, ERR_busy, "still busy with %s", m->plan->name);
	if (!breaks || m->queued) {
		answer_once(x, ask, m, &err);
		return;
	}
	m->queued = mem_new_of(struct wire_ask);
	*m->queued = *ask;
	acknowledge(x, ask);
	if (act == ACT_sync || act == ACT_dump || act == ACT_send || act == ACT_gather ||
	    act == ACT_unpack || act == ACT_arm || act == ACT_stop ||
	    (act == ACT_freeze && m->row.cold)) {
		fail(&err, ERR_canceled, "%s was broken off: %s", m->plan->name,
		     ask->reason[0] ? ask->reason : "asked by the coordinator");
		mig_fail(x, m, &err);
	}
}

static void answer_done(struct executor *x, struct mig *m, const struct wire_ask *ask)
{
	m->ask = *ask;
	memset(&m->answer, 0, sizeof(m->answer));
	scratch_done(&m->scratch);
	mig_answer(x, m, NULL);
}

/* A plan that ends is begun again while something of it is left to do, and not after. */
static const struct handover_plan *settled_plan(const struct mig *m, enum step step,
						const struct handover_plan *plan)
{
	if (m->row.settled && m->row.state == HANDOVER_done)
		return plan == handover_retire_plan() ? NULL : plan;
	if (m->row.state == HANDOVER_own && !m->row.settled &&
	    (step == STEP_abort || step == STEP_force))
		return handover_abort_plan();
	if (m->row.state == HANDOVER_own && step == STEP_abort && !m->row.gave_up)
		return handover_decline_plan();
	if (m->row.settled)
		return plan;
	if (m->row.state == HANDOVER_refused && step == STEP_refuse)
		return handover_refuse_plan();
	return plan;
}

static const struct handover_plan *plan_for(struct executor *x, struct mig *m,
					    const struct wire_ask *ask, struct err *err)
{
	const struct handover_plan *plan = NULL;
	int rc = 0;

	if (ask->epoch < m->row.epoch)
		rc = fail(err, ERR_refused, "epoch %llu is over, this is %llu",
			  (unsigned long long)ask->epoch, (unsigned long long)m->row.epoch);
	if (!rc)
		rc = handover_plan(m->row.side, m->row.state, ask->step, proof_good(x, m, ask),
				   &plan, err);
	if (ask->step == STEP_force && ask->epoch >= m->row.epoch && mig_has_hold(m))
		rc = force_check_ask(x, m, ask, rc, err);
	if (rc)
		rc = force_overridden(&m->row, ask->step, rc, err);
	if (!rc)
		plan = settled_plan(m, ask->step, plan);
	if (!rc && plan == handover_release_plan(false))
		plan = handover_release_plan(m->row.group[0]);
	if (!rc && m->row.gave_up &&
	    (ask->step == STEP_sync || ask->step == STEP_hold || ask->step == STEP_stop))
		rc = fail(err, ERR_canceled, "%s: the source has given this handover up",
			  step_name(ask->step));
	if (!rc && mig_must_end(m) && ask->step != STEP_abort && ask->step != STEP_refuse)
		rc = m->dead ? fail(err, ERR_busy,
				    "%s is lost here, which the journal could not be told yet",
				    m->row.container)
			     : fail(err, ERR_busy,
				    "%s of before the restart has to be undone first",
				    handover_state_name(m->row.state));
	/* STOPPED is left as it is, where a person has decided otherwise meanwhile. */
	if (!rc && ask->step == STEP_clean && mig_has_hold(m) && m->row.state != HANDOVER_stopped)
		rc = fail(err, ERR_busy, "%s still has something to undo here", m->row.container);
	/* Who asks for what cannot be does not carry it on: the direct path is not kept waiting. */
	if (!rc && !ask->direct)
		m->asked_ms = clock_mono_ms();
	if (rc)
		answer_once(x, ask, m, err);
	else if (!plan)
		answer_done(x, m, ask);
	return rc ? NULL : plan;
}

/* A migration that was closed here: what is over stays over. */
static void ask_closed(struct executor *x, const struct wire_ask *ask)
{
	struct mig closed = {0};
	const struct handover_plan *plan;
	struct err err = {0};
	int rc;

	journal_closed(x->journal, ask->migration, &closed.row);
	rc = handover_plan(closed.row.side, HANDOVER_closed, ask->step, true, &plan, &err);
	rc = force_overridden(&closed.row, ask->step, rc, &err);
	answer_once(x, ask, &closed, rc || plan ? &err : NULL);
}

/* Steps that take hold of a container: one migration of it at a time, also among those that were
 * all checked before. */
static bool takes_hold(uint32_t step)
{
	return step == STEP_sync || step == STEP_hold || step == STEP_reserve || step == STEP_arm ||
	       step == STEP_stop;
}

/* Up to the first freeze, and to what is armed, a coordinator may still step down to a cold move.
 */
static bool begins_something(uint32_t step)
{
	return step == STEP_check || takes_hold(step);
}

static int admit(struct executor *x, const struct wire_ask *ask, const struct mig *m,
		 struct err *err)
{
	if (!ids_good(ask, err))
		return -err->code;
	if (!str_eq(ask->source, x->self) && !str_eq(ask->target, x->self))
		return fail(err, ERR_refused, "%s is neither source nor target", x->self);
	if (ask->direct)
		return m && ask->step == STEP_start
			       ? 0
			       : fail(err, ERR_nosuch, "this host knows no such migration");
	if (ask->term < x->term)
		return fail(err, ERR_refused, "a newer coordinator (term %llu) leads",
			    (unsigned long long)x->term);
	return m && !takes_hold(ask->step) ? 0 : busy_elsewhere(x, ask, err);
}

void mig_ask(struct executor *x, const struct wire_ask *ask)
{
	struct mig *m = mig_find(x, ask->migration);
	const struct handover_plan *plan;
	struct err err = {0};

	if (!m && ulid_ok(ask->migration) && journal_closed(x->journal, ask->migration, NULL)) {
		ask_closed(x, ask);
		return;
	}
	if (admit(x, ask, m, &err)) {
		answer_once(x, ask, m, &err);
		return;
	}
	if (!ask->direct)
		x->term = ask->term;
	/* The source has no attempts to count: it hears how things stand now. */
	if (m && !ask->direct && repeated(x, m, ask))
		return;
	if (ask->step == STEP_report) {
		if (m && !m->plan)
			answer_done(x, m, ask);
		else
			answer_once(x, ask, m, NULL);
		return;
	}
	if (!m)
		m = mig_for(x, ask);
	if (m->plan) {
		interrupt(x, m, ask);
		return;
	}
	if (group_broken(x, m, ask, &err)) { /* refusing is always safe, and S waits for it */
		mig_begin(x, m, handover_refuse_plan(), true);
		answer_once(x, ask, m, &err);
		return;
	}
	plan = plan_for(x, m, ask, &err);
	if (!plan)
		return;
	if (m->row.state == HANDOVER_none) {
		m->row.epoch = ask->epoch;
		group_take(m, ask);
	}
	if (!ask->direct)
		m->row.term = ask->term;
	if (begins_something(ask->step))
		m->row.cold = ask->cold || ask->step == STEP_stop;
	if (ask->step == STEP_check && m->row.side == SIDE_source)
		str_copy(m->row.peer, sizeof(m->row.peer), ask->target); /* the next candidate */
	m->ask = *ask;
	mig_begin(x, m, plan, false);
}
