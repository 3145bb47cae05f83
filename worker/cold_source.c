/* SPDX-License-Identifier: MPL-2.0
 *
 * What the source of a cold move does otherwise: its container is told to stop, and killed when it
 * does not; only files travel; undoing is starting it again. Its network stays open until it has
 * stopped, so that it can end what it is at.
 *
 * HELD: it runs, ends or has ended, row.told says whether it knows. Told, it is never left half
 * stopped: the undo waits for its end, and starts it.
 *
 * STOPPED, with no target, is the same stop and the same undo without anything between them; its
 * network stays as it is. row.settled: it has ended, and a restart does not stop it again. */
#include "worker/executor.h"
#include "worker/group_net.h"

#include "base/clock.h"
#include "base/codes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/cgroup.h"
#include "worker/remount.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define TELL_EVERY_MS 1000
#define KILL_LIMIT_MS 10000
#define LAUNCHES_MAX 3 /* then a person has to look */
#define PIDS_MAX 256

/* --- stop --- */

/* Whoever starts it would have to keep the terminal's other end for as long as it runs. */
int cold_refuse_terminal(struct mig *m, struct err *err)
{
	const struct code_row *row = code_row(CODE_terminal);
	struct msg_reason *reason = scratch_take(&m->scratch, sizeof(*reason));

	*reason = (struct msg_reason){.code = row->code, .fix = row->fix};
	reason->why = scratch_fmt(&m->scratch,
				  "config.json of %s asks for a terminal: stopped, it "
				  "could not be started again by drover",
				  m->row.container);
	m->answer.reasons.v = reason;
	m->answer.reasons.n = 1;
	fail(err, ERR_refused, "%s: %s", row->code, reason->why);
	return err_fix(err, "%s", row->fix);
}

static int begin_gate(struct executor *x, struct mig *m, struct err *err)
{
	(void)x;
	if (!m->sender_open) /* after a restart: a stop would be for nothing */
		return fail(err, ERR_refused, "no session to %s is open: check and sync come first",
			    m->row.peer);
	return m->row.net.kind == NET_NAMED ? net_read_neigh(&m->row.net, err) : 0;
}

static bool in_group(const struct cgroup *cgroup, pid_t pid)
{
	pid_t pids[PIDS_MAX];
	ssize_t n = cgroup_pids(cgroup, pids, ARRAY_LEN(pids));

	for (ssize_t i = 0; i < n && i < (ssize_t)ARRAY_LEN(pids); i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* Its init, by a descriptor that no other process can come to stand for. -1: it has ended. */
static int open_init(const struct mig *m, const struct cgroup *cgroup)
{
	int fd = m->row.pid > 0 ? pidfd_open(m->row.pid, 0) : -1;

	if (fd >= 0 && !in_group(cgroup, m->row.pid)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool has_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return pidfd < 0 || poll(&p, 1, 0) == 1;
}

static void wait_on(struct mig *m)
{
	uint64_t now_ms = clock_mono_ms();

	m->act_deadline_ms = now_ms + TELL_EVERY_MS;
	if (m->act_deadline_ms > m->stop_until_ms)
		m->act_deadline_ms = m->stop_until_ms;
}

/* 1: it may still end by itself. Else nothing of it is left when this returns 0. */
static int stop_step(struct executor *x, struct mig *m, struct err *err)
{
	struct wire_sent sent = {.phase = "stop"};
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	bool late = clock_mono_ms() >= m->stop_until_ms;
	int rc;

	if (!has_ended(m->init) && !late) {
		if (!m->self)
			exec_progress(x, m, &sent);
		wait_on(m);
		return 1;
	}
	if (late && !has_ended(m->init))
		log_warn("it did not stop in time and is killed\tmigration=%s container=%s node=%s",
			 m->row.migration, m->row.container, x->self);
	mig_unwatch(m);
	rc = cgroup_open_path(m->row.cgroup, &cgroup, err);
	if (rc == -ERR_nosuch)
		return 0;
	return rc ? rc : cgroup_kill(&cgroup, KILL_LIMIT_MS, err);
}

static int stopped(struct executor *x, struct mig *m, struct err *err)
{
	int rc = stop_step(x, m, err);

	if (rc)
		return rc;
	m->figures.freeze_us = clock_mono_us() - m->act_began_us;
	return m->row.net.kind == NET_NAMED ? net_gate_close(&m->row.net, err) : 0;
}

static int tell_to_stop(struct executor *x, struct mig *m, struct err *err)
{
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	int signal = m->bundle.stop_signal, rc;

	rc = cgroup_open_path(m->row.cgroup, &cgroup, err);
	if (!rc)
		rc = remount_keep(x, m, err);
	if (!rc && m->row.state == HANDOVER_held)
		rc = group_net_lock(x, m, err);
	if (rc)
		return rc;
	m->row.told = true;
	rc = journal_append(x->journal, &m->row, err);
	if (rc) {
		m->row.told = false;
		return rc;
	}
	m->gate_closed_us = clock_mono_us(); /* its users' wait begins here */
	m->stop_until_ms = clock_mono_ms() + options_u64(x->options, OPT_worker_stop_timeout);
	m->init = open_init(m, &cgroup);
	if (m->init >= 0 && pidfd_send_signal(m->init, signal, NULL, 0) < 0 && errno != ESRCH)
		return fail_errno(err, ERR_io, "stopping %s", m->row.container);
	return 0;
}

static int begin_stop(struct executor *x, struct mig *m, struct err *err)
{
	int rc = tell_to_stop(x, m, err);

	return rc ? rc : stopped(x, m, err);
}

/* --- what travels --- */

static int begin_dump(struct executor *x, struct mig *m, struct err *err)
{
	char images[PATH_MAX], work[PATH_MAX];

	return source_image_dirs(x, m, images, work, err);
}

/* --- undo --- */

static void cannot_start(struct executor *x, struct mig *m, const struct err *why)
{
	const struct code_row *row = code_row(CODE_cold_start);
	struct msg_reason *reason = scratch_take(&m->scratch, sizeof(*reason));

	reason->code = row->code;
	reason->fix = row->fix;
	reason->why = scratch_fmt(&m->scratch, "%s was stopped on %s and does not start again: %s",
				  m->row.container, x->self, why->text);
	m->answer.reasons.v = reason;
	m->answer.reasons.n = 1;
	log_err("stopped, and not started again: %s\tmigration=%s container=%s node=%s", why->text,
		m->row.migration, m->row.container, x->self);
	m->row.gone = true;
}

/* What fails for a moment (no memory, a busy disk) is tried again; then it is told as it is. */
static int launch_failed(struct executor *x, struct mig *m, struct err *err)
{
	if (++m->launches < LAUNCHES_MAX)
		return -err->code;
	cannot_start(x, m, err);
	return 0;
}

/* After a reboot its network namespace is gone, unless somebody has made it anew. */
static int ensure_net(struct mig *m, struct err *err)
{
	struct net_state made;
	int rc;

	if (m->row.net.kind != NET_NAMED)
		return 0;
	if (access(m->row.net.netns, F_OK) < 0) {
		rc = net_create(m->row.container, &m->row.net, &made, err);
		if (rc)
			return rc;
		str_copy(made.bridge, sizeof(made.bridge), m->row.net.bridge);
		m->row.net = made;
	} else if (!net_read(m->row.net.netns, &made, NULL) && made.host_ifname[0]) {
		str_copy(m->row.net.host_ifname, sizeof(m->row.net.host_ifname), made.host_ifname);
	}
	return net_gate_open(&m->row.net, err);
}

static int begin_again(struct executor *x, struct mig *m, struct err *err)
{
	int rc = ensure_net(m, err);

	if (!rc)
		rc = remount_again(x, m, err);
	if (!rc)
		rc = launch_begin(x, m, LAUNCH_delete, err);
	return rc < 0 ? launch_failed(x, m, err) : rc;
}

static int event_undo(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	if (m->launch == LAUNCH_none) {
		rc = stop_step(x, m, err);
		return rc ? rc : begin_again(x, m, err);
	}
	rc = launch_step(x, m, LAUNCH_start, err);
	if (rc < 0)
		return launch_failed(x, m, err);
	if (rc == 0)
		log_info("started again\tmigration=%s container=%s node=%s", m->row.migration,
			 m->row.container, x->self);
	return rc;
}

/* A container that runs here again is not stopped a second time, by a plan that is repeated. */
static bool is_back(const struct mig *m)
{
	const struct runtime_driver *driver = runtime_find(m->row.runtime);
	struct runtime_container found;

	return driver && !runtime_state_sync(driver, NULL, m->row.container, &found, NULL) &&
	       (str_eq(found.status, "running") || str_eq(found.status, "paused")) &&
	       found.pid != m->row.pid;
}

/* --- stop, and go nowhere --- */

static int ended(struct executor *x, struct mig *m)
{
	struct err err;

	m->row.settled = true;
	if (journal_append(x->journal, &m->row, &err)) {
		m->row.settled = false; /* a restart looks again */
		log_warn("%s\tmigration=%s", err.text, m->row.migration);
	}
	return 0;
}

static int event_end(struct executor *x, struct mig *m, struct err *err)
{
	int rc = stop_step(x, m, err);

	m->figures.freeze_us = clock_mono_us() - m->act_began_us;
	return rc ? rc : ended(x, m);
}

/* After a restart it may have ended, or run again by somebody's will: then it is let be. */
static int begin_end(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	if (is_back(m))
		return ended(x, m);
	if (!m->bundle.dir && bundle_read(m->row.bundle, &m->bundle, err))
		return -err->code;
	rc = tell_to_stop(x, m, err);
	if (rc == -ERR_nosuch)
		return ended(x, m);
	return rc ? rc : event_end(x, m, err);
}

static int begin_undo(struct executor *x, struct mig *m, struct err *err)
{
	auto_cgroup struct cgroup cgroup = {.dir = -1};

	m->launch = LAUNCH_none;
	if (!m->row.told && (!m->row.cgroup[0] || str_eq(m->row.boot_id, x->boot_id)))
		return acts_source[ACT_thaw].begin(x, m, err);
	if (m->row.gone || is_back(m))
		return 0;
	if (!m->stop_until_ms)
		m->stop_until_ms =
			clock_mono_ms() + options_u64(x->options, OPT_worker_stop_timeout);
	if (!cgroup_open_path(m->row.cgroup, &cgroup, NULL))
		m->init = open_init(m, &cgroup);
	return event_undo(x, m, err);
}

const struct act acts_source_cold[ACT_COUNT] = {
	[ACT_gate_close] = {begin_gate, NULL, NULL}, [ACT_freeze] = {begin_stop, stopped, NULL},
	[ACT_dump] = {begin_dump, NULL, NULL},       [ACT_thaw] = {begin_undo, event_undo, NULL},
	[ACT_stop] = {begin_end, event_end, NULL},
};
