/* SPDX-License-Identifier: MPL-2.0
 *
 * What the target of a cold move does otherwise: the container is created and not started, which
 * holds it; starting it is the go. A worker that dies in between leaves it so: the next one deletes
 * what was PREPARED, and starts what was RUNNING, or finds it started. */
#include "worker/executor.h"

#include "base/clock.h"
#include "base/log.h"

#include <sys/pidfd.h>

static const struct runtime_driver *driver_of(const struct mig *m)
{
	return runtime_find(m->row.runtime);
}

static bool find(const struct mig *m, struct runtime_container *ret)
{
	const struct runtime_driver *driver = driver_of(m);

	return driver && !runtime_state_sync(driver, NULL, m->row.container, ret, NULL);
}

static bool runs(const struct mig *m)
{
	struct runtime_container found;

	return find(m, &found) &&
	       (str_eq(found.status, "running") || str_eq(found.status, "paused"));
}

/* --- arm --- */

static int begin_create(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	m->row.arming = true; /* from here on what bears its name is ours to kill */
	rc = journal_append(x->journal, &m->row, err);
	if (rc) {
		m->row.arming = false;
		return rc;
	}
	if (m->row.net.kind == NET_NAMED && net_set_neigh(&m->row.net, err))
		log_warn("neighbours not copied: %s\tmigration=%s", err->text, m->row.migration);
	return launch_begin(x, m, LAUNCH_create, err);
}

static int created(struct executor *x, struct mig *m, struct err *err)
{
	struct runtime_container found;
	int rc = launch_step(x, m, LAUNCH_create, err);

	if (rc)
		return rc;
	if (!find(m, &found) || !str_eq(found.status, "created"))
		return fail(err, ERR_child, "%s was created and is not there", m->row.container);
	m->row.pid = found.pid;
	m->init = pidfd_open(found.pid, 0);
	if (m->init < 0)
		return fail_errno(err, ERR_child, "watching %s", m->row.container);
	m->figures.restore_us = clock_mono_us() - m->act_began_us;
	return 0;
}

/* --- go --- */

static void open_gate(struct mig *m)
{
	struct err err;

	if (m->row.net.kind != NET_NAMED)
		return;
	if (!net_gate_open(&m->row.net, &err))
		net_announce(&m->row.net, NULL);
	else
		log_warn("%s\tmigration=%s", err.text, m->row.migration);
}

/* Its network is open before its first instruction: it may need it to come up. */
static int begin_start(struct executor *x, struct mig *m, struct err *err)
{
	struct runtime_container found;
	bool waits = find(m, &found) && str_eq(found.status, "created");

	mig_unwatch(m);
	open_gate(m);
	m->gate_opened_us = clock_mono_us();
	if (!waits && runs(m))
		return 0;
	return launch_begin(x, m, waits ? LAUNCH_start : LAUNCH_delete, err);
}

/* LOST is only what does not run. */
static int started(struct executor *x, struct mig *m, struct err *err)
{
	int rc = launch_step(x, m, LAUNCH_start, err);

	if (rc == 0)
		m->gate_opened_us = clock_mono_us();
	if (rc >= 0 || !runs(m))
		return rc;
	log_warn("it runs, although %s\tmigration=%s", err->text, m->row.migration);
	return 0;
}

/* From here on a restart finds nothing to make good. */
static int settled(struct executor *x, struct mig *m, struct err *err)
{
	int rc = acts_target[ACT_settle].event(x, m, err);

	if (rc)
		return rc;
	m->row.ran = true;
	if (journal_append(x->journal, &m->row, err)) {
		m->row.ran = false;
		log_warn("%s\tmigration=%s", err->text, m->row.migration);
	}
	return 0;
}

static int begin_settle(struct executor *x, struct mig *m, struct err *err)
{
	return acts_target[ACT_settle].begin(x, m, err);
}

/* --- ends --- */

static int begin_kill(struct executor *x, struct mig *m, struct err *err)
{
	int rc = 0;

	(void)x;
	if (m->row.arming)
		rc = launch_wipe(m, err);
	m->row.arming = rc != 0;
	return rc;
}

const struct act acts_target_cold[ACT_COUNT] = {
	[ACT_arm] = {begin_create, created, NULL},
	[ACT_go] = {begin_start, started, NULL},
	[ACT_settle] = {begin_settle, settled, NULL},
	[ACT_kill] = {begin_kill, NULL, NULL},
};
