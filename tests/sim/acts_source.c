/* SPDX-License-Identifier: MPL-2.0
 *
 * worker/acts_source.c in the simulator: a container is killed by its name, whoever made it. */
#include "tests/sim/sim.h"

#include "worker/group.h"

#include <string.h>

static int source_check(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_enter(m, ACT_check_source, false, err);
	struct host *h = act_host(m, &ct);
	struct msg_container *facts = scratch_take(&m->scratch, sizeof(*facts));

	(void)x;
	if (rc)
		return rc;
	if (!copy_runs(&h->copy[ct]))
		return fail(err, ERR_refused, "%s does not run on %s", m->row.container, h->name);
	*facts = (struct msg_container){.id = m->row.container,
					.runtime = "runc",
					.status = "running",
					.bundle = "/var/lib/ct/x",
					.labels = {&sim.ct[ct].label, sim.ct[ct].label != NULL},
					.rss_bytes = 64u << 20};
	m->answer.facts = facts;
	m->sender_open = true;
	str_copy(m->row.cgroup, sizeof(m->row.cgroup), "/cgroup");
	return act_leave();
}

static int source_sync(struct executor *x, struct mig *m, struct err *err)
{
	int rc = act_enter(m, ACT_sync, false, err);

	(void)x;
	if (!rc && !m->sender_open)
		rc = fail(err, ERR_refused, "no session is open");
	return rc ? rc : act_pend(m, ACT_sync, 20, 2000);
}

static struct staging *theirs(const struct mig *m)
{
	for (int i = 0; i < sim.n_hosts; i++)
		if (str_eq(sim.host[i].name, m->row.peer) && acts_link(sim.cur, m->row.peer))
			return staging_find(&sim.host[i], m->row.migration);
	return NULL;
}

static int source_synced(struct executor *x, struct mig *m, struct err *err)
{
	int rc = act_ended(m, err);

	(void)x;
	if (!rc && !theirs(m))
		rc = fail(err, ERR_unreachable, "the receiver does not answer");
	return rc;
}

static int source_gate_close(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_enter(m, ACT_gate_close, false, err);
	struct host *h = act_host(m, &ct);

	(void)x;
	if (!rc && !m->sender_open)
		rc = fail(err, ERR_refused, "no session is open");
	if (rc)
		return rc;
	h->copy[ct].gate_open = false;
	return act_leave();
}

static int source_freeze(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_enter(m, ACT_freeze, false, err);
	struct host *h = act_host(m, &ct);
	struct copy *copy = &h->copy[ct];

	(void)x;
	if (!rc && (!copy->there || !m->row.cgroup[0]))
		rc = fail(err, ERR_nosuch, "no cgroup of %s", m->row.container);
	if (rc)
		return rc;
	if (!copy->frozen)
		sim.ct[ct].latest = ++copy->version;
	copy->frozen = true;
	return act_leave();
}

static int source_dump(struct executor *x, struct mig *m, struct err *err)
{
	int rc = act_enter(m, ACT_dump, false, err);

	(void)x;
	return rc ? rc : act_pend(m, ACT_dump, 20, 1500);
}

static int source_dumped(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_ended(m, err);
	struct host *h = act_host(m, &ct);
	struct staging *s;

	(void)x;
	if (rc)
		return rc;
	if (!h->copy[ct].there)
		return fail(err, ERR_child, "there is nothing to dump");
	if (!h->copy[ct].frozen)
		broken("I9", "%s is dumped while it runs", m->row.container);
	s = staging_new(h, m->row.migration);
	s->source = s->images = true;
	s->version = h->copy[ct].version;
	return act_leave();
}

static int source_send(struct executor *x, struct mig *m, struct err *err)
{
	int rc = act_enter(m, ACT_send, false, err);

	(void)x;
	return rc ? rc : act_pend(m, ACT_send, 20, 3000);
}

static int source_sent(struct executor *x, struct mig *m, struct err *err)
{
	struct staging *mine = staging_find(sim.cur, m->row.migration), *to = theirs(m);
	uint64_t word = rnd();
	int rc = act_ended(m, err);

	(void)x;
	if (rc)
		return rc;
	if (!mine || !mine->images || !to)
		return fail(err, ERR_io, "the sender ended without a sealed manifest");
	for (size_t i = 0; i < sizeof(m->digest); i++)
		m->digest[i] = (uint8_t)(word >> i % 8 * 8);
	memcpy(to->digest, m->digest, sizeof(to->digest));
	to->version = mine->version;
	to->received = true;
	to->unpacked = false;
	m->answer.digest = (struct msg_bin){m->digest, sizeof(m->digest)};
	return act_leave();
}

/* A staging that cannot be wiped is logged only: it cannot fail here. */
static int source_wipe(struct executor *x, struct mig *m, struct err *err)
{
	(void)x;
	act_enter(m, mig_act(m), true, err);
	m->sender_open = m->passing = false;
	staging_drop(sim.cur, m->row.migration);
	return act_leave();
}

static int source_thaw(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_enter(m, ACT_thaw, true, err);
	struct host *h = act_host(m, &ct);
	const struct staging *s = staging_find(h, m->row.migration);

	(void)x;
	if (rc)
		return rc;
	if (s && s->images)
		broken("I9", "%s goes on while its image can still be used", m->row.container);
	if (m->row.cgroup[0] && !h->copy[ct].there) {
		m->row.gone = true;
		ghost_find(m->row.migration)->gone = true;
	}
	if (m->row.cgroup[0] && h->copy[ct].there && h->copy[ct].frozen) {
		h->copy[ct].frozen = false;
		copy_run(h, ct, "thaw");
	}
	return act_leave();
}

static int source_gate_open(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_enter(m, ACT_gate_open, true, err);
	struct host *h = act_host(m, &ct);

	(void)x;
	if (rc)
		return rc;
	h->copy[ct].gate_open |= m->row.cgroup[0] && h->copy[ct].there;
	return act_leave();
}

static int source_retire(struct executor *x, struct mig *m, struct err *err)
{
	int ct, rc = act_enter(m, ACT_retire, true, err);
	struct host *h = act_host(m, &ct);

	(void)x;
	if (rc)
		return rc;
	copy_destroy(h, ct, NULL);
	h->copy[ct].gate_open = false;
	act_bundle_drop(h, ct);
	staging_drop(h, m->row.migration);
	return act_leave();
}

const struct act acts_source[ACT_COUNT] = {
	[ACT_check_source] = {source_check, NULL},
	[ACT_sync] = {source_sync, source_synced},
	[ACT_gate_close] = {source_gate_close, NULL},
	[ACT_freeze] = {source_freeze, NULL},
	[ACT_dump] = {source_dump, source_dumped},
	[ACT_send] = {source_send, source_sent},
	[ACT_gather] = {group_gather, group_gather},
	[ACT_invalidate] = {source_wipe, NULL},
	[ACT_thaw] = {source_thaw, NULL},
	[ACT_gate_open] = {source_gate_open, NULL},
	[ACT_retire] = {source_retire, NULL},
	[ACT_clean_source] = {source_wipe, NULL},
};

/* Moves are live here: the protocol is the same for cold ones. */
const struct act acts_source_cold[ACT_COUNT];
