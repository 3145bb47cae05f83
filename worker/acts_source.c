/* SPDX-License-Identifier: MPL-2.0
 *
 * What a source does. The hold is the cgroup freezer around a dump that leaves the tasks running:
 * CRIU gives the freezer back as it found it, so the container stays frozen whatever then dies. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/freezer.h"
#include "runtime/repair.h"
#include "worker/facts.h"
#include "worker/group.h"
#include "worker/group_net.h"
#include "worker/logs.h"
#include "worker/remount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define TREE_LIMIT_MS 100 /* of counting its files, while other work waits */
#define FREEZE_LIMIT_MS 10000
#define THAW_LIMIT_MS 10000
#define DUMP_LIMIT_MS 300000

static const struct runtime_driver *driver_of(const struct mig *m)
{
	return runtime_find(m->row.runtime);
}

/* Rules that answer the container's peers while it is away. Nothing is lost without them. */
static void reject(struct mig *m)
{
	struct run_cmds cmds = {0};
	struct err err;

	net_reject_cmds(m->row.container, &m->row.net, &cmds);
	if (run_cmds_sync(&cmds, &err))
		log_debug("reject rule: %s", err.text);
	run_cmds_done(&cmds);
}

/* They would answer them for ever: what failed once is tried once more. */
static void unreject(struct mig *m)
{
	struct run_cmds cmds = {0};
	struct err err;
	int rc;

	net_unreject_cmds(m->row.container, &cmds);
	rc = run_cmds_sync(&cmds, &err);
	if (rc && rc != -ERR_nosuch)
		rc = run_cmds_sync(&cmds, &err);
	if (rc && rc != -ERR_nosuch)
		log_warn("reject rule not removed: %s\tmigration=%s", err.text, m->row.migration);
	run_cmds_done(&cmds);
}

/* --- check --- */

static int read_container(struct executor *x, struct mig *m, struct err *err)
{
	const struct runtime_driver *driver = driver_of(m);
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	int rc;

	if (!driver)
		return fail(err, ERR_refused, "runtime \"%s\" is not known here", m->row.runtime);
	rc = runtime_state_sync(driver, NULL, m->row.container, &m->container, err);
	if (rc)
		return rc;
	if (!str_eq(m->container.status, "running")) {
		fail(err, ERR_refused, "%s is %s on %s", m->row.container, m->container.status,
		     x->self);
		return err_fix(err, "start it, or move it cold by copying its bundle");
	}
	bundle_done(&m->bundle);
	rc = bundle_read(m->container.bundle, &m->bundle, err);
	if (!rc && m->row.cold && m->bundle.terminal)
		return cold_refuse_terminal(m, err);
	if (!rc)
		rc = rootfs_read(m->bundle.rootfs, &m->rootfs, err);
	if (!rc)
		rc = cgroup_open(m->container.pid, m->bundle.cgroups_path, &cgroup, err);
	if (rc)
		return rc;
	m->row.pid = m->container.pid;
	str_copy(m->row.bundle, sizeof(m->row.bundle), m->container.bundle);
	str_copy(m->row.cgroup, sizeof(m->row.cgroup), cgroup.path);
	return 0;
}

static int read_net(struct executor *x, struct mig *m, struct err *err)
{
	memset(&m->row.net, 0, sizeof(m->row.net));
	switch (m->bundle.netns) {
	case BUNDLE_NETNS_HOST:
		m->row.net.kind = NET_HOST;
		return 0;
	case BUNDLE_NETNS_PRIVATE:
		m->row.net.kind = NET_PRIVATE;
		return 0;
	case BUNDLE_NETNS_SHARED:
		return fail(err, ERR_refused, "%s shares the network namespace %s",
			    m->row.container, m->bundle.netns_path);
	case BUNDLE_NETNS_NAMED:
		break;
	}
	if (net_read(m->bundle.netns_path, &m->row.net, err))
		return -err->code;
	if (!m->row.net.bridge[0])
		str_copy(m->row.net.bridge, sizeof(m->row.net.bridge),
			 options_str(x->options, OPT_worker_bridge));
	return net_state_check(&m->row.net, err);
}

static int begin_check(struct executor *x, struct mig *m, struct err *err)
{
	struct wire_out out = {.kind = WIRE_CONNECT};
	struct msg_container *facts = scratch_take(&m->scratch, sizeof(*facts));
	struct msg_net *net = scratch_take(&m->scratch, sizeof(*net));
	int rc;

	str_copy(m->row.runtime, sizeof(m->row.runtime), m->ask.runtime);
	rc = m->ask.peer_address[0] ? prover_knows(x->prover, m->row.peer, err) : 0;
	if (!rc)
		rc = read_container(x, m, err);
	if (!rc)
		rc = read_net(x, m, err);
	if (!rc)
		rc = facts_look(x, driver_of(m), &m->container, NULL, &m->scratch, facts, NULL,
				err);
	if (rc)
		return rc;
	m->net_shared = facts->shares_netns;
	facts_net(&m->row.net, &m->scratch, net);
	facts->tree_bytes = rootfs_bytes(&m->rootfs, TREE_LIMIT_MS);
	m->answer.facts = facts;
	m->answer.net = net;
	m->answer.cpuinfo = (struct msg_bin){x->criu.cpuinfo, x->criu.cpuinfo_len};
	if (!m->ask.peer_address[0])
		return 0;
	str_copy(out.peer, sizeof(out.peer), m->row.peer);
	str_copy(out.address, sizeof(out.address), m->ask.peer_address);
	str_copy(out.migration, sizeof(out.migration), m->row.migration);
	out.port = m->ask.peer_port;
	m->sender_open = true;
	return exec_tell(x, &out, NULL, -1, err);
}

/* --- the reader --- */

static void add_exclude(struct run_argv *argv, const char *dir, const char *path)
{
	size_t len = strlen(dir);

	if (!str_starts(path, dir) || path[len] != '/')
		return;
	argv_add(argv, "--exclude");
	argv_addf(argv, "bundle=%s", path + len + 1);
}

static void add_trees(struct run_argv *argv, const struct mig *m)
{
	const char *dir = m->container.bundle;
	const struct rootfs_mount *fs = &m->rootfs;

	argv_add(argv, "--tree");
	argv_addf(argv, "bundle=%s", dir);
	add_exclude(argv, dir, fs->path);
	if (fs->kind == ROOTFS_OVERLAY && fs->upper[0]) {
		add_exclude(argv, dir, fs->upper);
		add_exclude(argv, dir, fs->work);
		argv_add(argv, "--tree");
		argv_addf(argv, "upper=%s", fs->upper);
		argv_add(argv, "--meta");
		argv_addf(argv, "work=%s", fs->work);
	} else if (fs->kind == ROOTFS_PLAIN) {
		argv_add(argv, "--tree");
		argv_addf(argv, "rootfs=%s", fs->path);
	}
	argv_add(argv, "--meta");
	argv_addf(argv, "mode=%s", m->row.cold ? "cold" : "live");
	argv_add(argv, "--meta");
	argv_addf(argv, "kind=%s", fs->kind == ROOTFS_OVERLAY ? "overlay" : "plain");
	argv_add(argv, "--meta");
	argv_addf(argv, "rootfs=%s", fs->path);
	if (fs->kind == ROOTFS_OVERLAY) {
		argv_add(argv, "--meta");
		argv_addf(argv, "lower=%s", fs->lower);
		argv_add(argv, "--meta");
		argv_addf(argv, "upper=%s", fs->upper);
	}
}

static void add_pids(struct run_argv *argv, const struct mig *m)
{
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	pid_t pids[16];
	ssize_t n = cgroup_open_path(m->row.cgroup, &cgroup, NULL)
			    ? 0
			    : cgroup_pids(&cgroup, pids, ARRAY_LEN(pids));

	for (ssize_t i = 0; i < n && i < (ssize_t)ARRAY_LEN(pids); i++) {
		argv_add(argv, "--pid");
		argv_addf(argv, "%d", (int)pids[i]);
	}
}

/* Starts the reader and hands its other end to the sender; the pass is over when the sender says
 * so. */
int source_pass(struct executor *x, struct mig *m, bool final, struct err *err)
{
	struct wire_out out = {.kind = WIRE_PASS, .final_pass = final};
	auto_argv struct run_argv argv = {0};
	auto_close int ours = -1, theirs = -1;
	struct run_fd fds[] = {{-1, 3}};
	struct run_spec spec = {.fds = fds, .n_fds = 1};
	char images[PATH_MAX];
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail_errno(err, ERR_io, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	argv_add(&argv, x->libexec_worker);
	argv_add(&argv, "--role=reader");
	argv_add(&argv, "--fd");
	argv_add(&argv, "3");
	add_trees(&argv, m);
	if (final) {
		mig_images_dir(x, m, images);
		argv_add(&argv, "--images");
		argv_add(&argv, images);
	} else if (!m->row.cold) {
		argv_add(&argv, "--memory");
	}
	add_pids(&argv, m);
	fds[0].parent = ours;
	spec.argv = (const char *const *)argv.v;
	rc = argv.bad ? fail(err, ERR_invalid, "too many arguments for the reader")
		      : run_start(&spec, clock_mono_ms(), &m->child, err);
	if (rc)
		return rc;
	str_copy(out.migration, sizeof(out.migration), m->row.migration);
	m->passing = true;
	rc = exec_tell(x, &out, NULL, theirs, err);
	return rc ? rc : 1;
}

static int reader_ended(struct mig *m, struct err *err)
{
	int rc;

	if (!m->child || !run_step(m->child, clock_mono_ms()))
		return 0;
	rc = run_check(run_result(m->child), "reader", err);
	run_free(&m->child);
	return rc;
}

static int event_pass(struct executor *x, struct mig *m, struct err *err)
{
	int rc = reader_ended(m, err);

	(void)x;
	if (rc)
		return rc;
	/* The sender may speak before the reader is reaped. */
	return m->passing || m->child ? 1 : 0;
}

static int begin_sync(struct executor *x, struct mig *m, struct err *err)
{
	struct wire_out out = {
		.kind = WIRE_OPEN, .ticket_len = m->ask.ticket_len, .epoch = m->row.epoch};
	int rc;

	if (!m->sender_open)
		return fail(err, ERR_refused, "no session to %s is open: check comes first",
			    m->row.peer);
	str_copy(out.migration, sizeof(out.migration), m->row.migration);
	memcpy(out.ticket, m->ask.ticket, sizeof(out.ticket));
	rc = exec_tell(x, &out, NULL, -1, err);
	return rc ? rc : source_pass(x, m, false, err);
}

/* --- hold --- */

static int begin_gate_close(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	if (!m->sender_open) /* after a restart: a freeze would be for nothing */
		return fail(err, ERR_refused, "no session to %s is open: check and sync come first",
			    m->row.peer);
	m->gate_closed_us = clock_mono_us();
	if (m->row.net.kind != NET_NAMED)
		return 0;
	rc = group_net_lock(x, m, err);
	if (!rc)
		rc = net_read_neigh(&m->row.net, err);
	if (!rc)
		rc = net_gate_close(&m->row.net, err);
	if (rc)
		return rc;
	reject(m);
	return 0;
}

static int begin_freeze(struct executor *x, struct mig *m, struct err *err)
{
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	int rc = cgroup_open_path(m->row.cgroup, &cgroup, err);

	(void)x;
	if (!rc)
		rc = freezer_freeze(&cgroup, FREEZE_LIMIT_MS, err);
	m->figures.freeze_us = clock_mono_us() - m->act_began_us;
	return rc;
}

int source_image_dirs(struct executor *x, struct mig *m, char images[PATH_MAX], char work[PATH_MAX],
		      struct err *err)
{
	char staging[PATH_MAX];
	int rc;

	mig_staging_dir(x, m, staging);
	mig_images_dir(x, m, images);
	str_fmt(work, PATH_MAX, "%s/work", staging);
	rc = file_mkdirs(images, 0700, err);
	return rc ? rc : file_mkdirs(work, 0700, err);
}

static int begin_dump(struct executor *x, struct mig *m, struct err *err)
{
	const struct runtime_driver *driver = driver_of(m);
	char images[PATH_MAX], work[PATH_MAX];
	struct runtime_request request = {
		.id = m->row.container,
		.image_dir = images,
		.work_dir = work,
		.leave_running = true,
		.tcp_established = true,
		.file_locks = true,
	};
	auto_argv struct run_argv argv = {0};
	struct run_spec spec;
	int rc = source_image_dirs(x, m, images, work, err);

	if (!rc)
		rc = driver->argv(driver, RUNTIME_CHECKPOINT, &request, &argv, err);
	if (rc)
		return rc;
	spec = runtime_spec(RUNTIME_CHECKPOINT, &argv, DUMP_LIMIT_MS);
	rc = run_start(&spec, clock_mono_ms(), &m->child, err);
	return rc ? rc : 1;
}

void source_hold(const struct mig *m, uint64_t limit_ms)
{
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	struct err err;

	if (cgroup_open_path(m->row.cgroup, &cgroup, &err) ||
	    freezer_freeze(&cgroup, limit_ms, &err))
		log_debug("%s", err.text);
}

/* CRIU thaws what it dumps. The tasks of one that is killed would run on at once, into sockets that
 * are in repair mode still; begin_thaw ends that. */
static void stop_dump(struct executor *x, struct mig *m)
{
	(void)x;
	source_hold(m, 0);
	run_free(&m->child);
	source_hold(m, FREEZE_LIMIT_MS);
}

static int event_dump(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	if (!run_step(m->child, clock_mono_ms()))
		return 1;
	rc = run_check(run_result(m->child), "checkpoint", err);
	if (rc)
		logs_explain(x, m, run_result(m->child), err);
	run_free(&m->child);
	m->figures.dump_us = clock_mono_us() - m->act_began_us;
	return rc;
}

static int begin_send(struct executor *x, struct mig *m, struct err *err)
{
	m->has_digest = false;
	return source_pass(x, m, true, err);
}

static int event_send(struct executor *x, struct mig *m, struct err *err)
{
	struct msg_net *net;
	int rc = event_pass(x, m, err);

	if (rc)
		return rc;
	if (!m->has_digest)
		return fail(err, ERR_io, "the sender ended without a sealed manifest");
	m->figures.send_us = clock_mono_us() - m->act_began_us;
	m->figures.frozen_us = clock_mono_us() - m->gate_closed_us; /* the rest is T's to tell */
	net = scratch_take(&m->scratch, sizeof(*net));
	facts_net(&m->row.net, &m->scratch, net);
	m->answer.net = net;
	m->answer.digest = (struct msg_bin){m->digest, sizeof(m->digest)};
	return 0;
}

/* --- ends --- */

static void close_sender(struct executor *x, struct mig *m)
{
	struct wire_out out = {.kind = WIRE_CLOSE};
	struct err err;

	m->passing = m->sender_open = false;
	str_copy(out.migration, sizeof(out.migration), m->row.migration);
	if (exec_tell(x, &out, NULL, -1, &err))
		log_debug("closing the sender: %s", err.text);
}

static int begin_clean(struct executor *x, struct mig *m, struct err *err)
{
	char staging[PATH_MAX];

	close_sender(x, m);
	logs_keep(x, m);
	if (m->row.state != HANDOVER_own || m->row.settled) /* else it may have to start anew */
		remount_forget(x, m);
	mig_staging_dir(x, m, staging);
	return trash_put(x->trash, staging, err); /* who asked comes again */
}

/* A container that ended while it was held (killed, or its host was restarted) does not go on at
 * the source: the row keeps that, and every answer tells it. */
void source_gone(struct executor *x, struct mig *m)
{
	log_err("the container ended while it was held\tmigration=%s container=%s node=%s",
		m->row.migration, m->row.container, x->self);
	m->row.gone = true;
}

static int begin_thaw(struct executor *x, struct mig *m, struct err *err)
{
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	int rc = m->row.cgroup[0] ? cgroup_open_path(m->row.cgroup, &cgroup, err) : -ERR_nosuch;

	if (rc == -ERR_nosuch && !m->row.cgroup[0])
		return 0; /* it was never frozen */
	if (rc && rc != -ERR_nosuch)
		return rc;
	if (rc || cgroup_pids(&cgroup, NULL, 0) == 0) {
		source_gone(x, m);
		return 0;
	}
	if (freezer_is_frozen(&cgroup) == 1) {
		rc = repair_end(&cgroup, err);
		if (rc)
			log_warn("%d TCP sockets were in repair mode%s%s\tmigration=%s "
				 "container=%s node=%s",
				 rc < 0 ? 0 : rc, rc < 0 ? ": " : "", rc < 0 ? err->text : "",
				 m->row.migration, m->row.container, x->self);
	}
	return freezer_thaw(&cgroup, THAW_LIMIT_MS, err);
}

static int begin_gate_open(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	(void)x;
	if (m->row.net.kind != NET_NAMED)
		return 0;
	rc = net_gate_open(&m->row.net, err);
	if (m->gate_closed_us)
		m->figures.frozen_us = clock_mono_us() - m->gate_closed_us;
	unreject(m);
	if (!rc)
		rc = net_heal(&m->row.net, err);
	if (!rc)
		rc = net_announce(&m->row.net, err);
	if (!rc || !m->row.gone)
		return rc;
	/* The network may have gone with the container: nothing is behind that gate any more. */
	log_warn("gate not opened: %s\tmigration=%s", err->text, m->row.migration);
	return 0;
}

static int delete_container(struct mig *m, struct err *err)
{
	const struct runtime_driver *driver = driver_of(m);
	struct runtime_request request = {.id = m->row.container, .force = true};
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	auto_argv struct run_argv argv = {0};
	struct run_result result = {0};
	struct runtime_container found;
	struct run_spec spec;
	int rc;

	if (!cgroup_open_path(m->row.cgroup, &cgroup, NULL)) {
		rc = cgroup_kill(&cgroup, THAW_LIMIT_MS, err);
		if (rc)
			return rc;
	}
	rc = driver->argv(driver, RUNTIME_DELETE, &request, &argv, err);
	if (rc)
		return rc;
	spec = runtime_spec(RUNTIME_DELETE, &argv, 30000);
	rc = run_sync(&spec, &result, err);
	run_result_done(&result);
	if (rc)
		return rc;
	/* Its exit code says nothing: an unknown container is what we want. */
	if (!runtime_state_sync(driver, NULL, m->row.container, &found, NULL))
		return fail(err, ERR_busy, "%s does not let go of %s", driver->name,
			    m->row.container);
	return 0;
}

/* The container runs elsewhere: that something of it is left here holds nothing up. What failed
 * once is tried once more. */
static void remove_net(struct executor *x, const struct mig *m)
{
	struct err err;

	if (group_net_destroy(x, m, &err) && group_net_destroy(x, m, &err))
		log_warn("network not removed: %s\tmigration=%s", err.text, m->row.migration);
}

static void remove_bundle(const struct executor *x, const struct mig *m)
{
	auto_bundle struct bundle bundle = {0};
	char storage[PATH_MAX];
	struct err err;

	/* A tree with a mount in it cannot be emptied: it stays where a person finds it. */
	if (!bundle_read(m->row.bundle, &bundle, NULL) && rootfs_unmount(bundle.rootfs, &err) &&
	    rootfs_unmount(bundle.rootfs, &err)) {
		log_warn("bundle left: %s	migration=%s", err.text, m->row.migration);
		return;
	}
	str_fmt(storage, sizeof(storage), "%s/", options_str(x->options, OPT_worker_storage));
	if (!str_starts(m->row.bundle, storage))
		log_warn("bundle left: %s is not in worker.storage\tmigration=%s", m->row.bundle,
			 m->row.migration);
	else if (trash_put(x->trash, m->row.bundle, &err) &&
		 trash_put(x->trash, m->row.bundle, &err))
		log_warn("bundle not removed: %s\tmigration=%s", err.text, m->row.migration);
}

static int begin_retire(struct executor *x, struct mig *m, struct err *err)
{
	int rc = delete_container(m, err);

	if (rc)
		return rc;
	if (m->row.net.kind == NET_NAMED) {
		unreject(m);
		remove_net(x, m);
	}
	remove_bundle(x, m);
	return begin_clean(x, m, err);
}

const struct act acts_source[ACT_COUNT] = {
	[ACT_check_source] = {begin_check, NULL},
	[ACT_sync] = {begin_sync, event_pass},
	[ACT_gate_close] = {begin_gate_close, NULL},
	[ACT_freeze] = {begin_freeze, NULL},
	[ACT_dump] = {begin_dump, event_dump, stop_dump},
	[ACT_send] = {begin_send, event_send},
	[ACT_gather] = {group_gather, group_gather},
	[ACT_invalidate] = {begin_clean, NULL},
	[ACT_thaw] = {begin_thaw, NULL},
	[ACT_gate_open] = {begin_gate_open, NULL},
	[ACT_retire] = {begin_retire, NULL},
	[ACT_clean_source] = {begin_clean, NULL},
};
