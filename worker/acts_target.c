/* SPDX-License-Identifier: MPL-2.0
 *
 * What a target does. The hold is CRIU's post-restore action script: drover-hook connects to the
 * migration's socket and blocks, with every task restored and none running. "go" lets them run; a
 * broken connection or anything else makes CRIU kill them. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/freezer.h"
#include "runtime/tasks.h"
#include "transfer/ticket.h"
#include "worker/arrival.h"
#include "worker/group_net.h"
#include "worker/hooks.h"
#include "worker/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define UNPACK_LIMIT_MS 120000
#define SETTLE_LIMIT_MS 60000
#define RESTORE_LIMIT_MS 120000
#define TICKET_LIFE_MS (3600 * 1000)
#define PARKED_LOOKS 10
#define PARKED_LOOK_MS 20

static const struct runtime_driver *driver_of(const struct mig *m)
{
	return runtime_find(m->row.runtime);
}

/* --- reserve --- */

/* A directory that the unprivileged receiver writes to. */
static int make_drop(const struct executor *x, const char *path, struct err *err)
{
	int rc = file_mkdirs(path, 0711, err);

	if (!rc && (chown(path, x->uid, x->gid) < 0 || chmod(path, 0700) < 0))
		rc = fail_errno(err, ERR_io, "giving %s to the receiver", path);
	return rc;
}

static void tickets_dir(const struct executor *x, char ret[PATH_MAX])
{
	str_fmt(ret, PATH_MAX, "%s/tickets", options_str(x->options, OPT_node_run));
}

static int make_ticket(struct executor *x, struct mig *m, const char *images, const char *tree,
		       struct err *err)
{
	struct ticket *ticket = scratch_take(&m->scratch, sizeof(*ticket));
	char dir[PATH_MAX];

	tickets_dir(x, dir);
	str_copy(ticket->migration, sizeof(ticket->migration), m->row.migration);
	str_copy(ticket->images, sizeof(ticket->images), images);
	str_copy(ticket->tree, sizeof(ticket->tree), tree);
	ticket->epoch = m->row.epoch;
	ticket->quota_bytes = 4 * m->ask.rss_bytes + 2 * m->ask.tree_bytes + (1ULL << 30);
	ticket->expiry_boot_ms = clock_boot_ms() + TICKET_LIFE_MS;
	ticket_new_secret(ticket);
	m->answer.ticket = (struct msg_bin){ticket->secret, sizeof(ticket->secret)};
	return ticket_create(dir, ticket, x->uid, x->gid, err);
}

static int begin_reserve(struct executor *x, struct mig *m, struct err *err)
{
	char images[PATH_MAX], tree[PATH_MAX], staging[PATH_MAX];
	struct stat st;
	int rc;

	rc = arrival_book(x, m, err);
	if (rc)
		return rc;
	if (m->ask.has_net)
		m->row.net = m->ask.net;
	if (m->row.net.kind == NET_NAMED) {
		rc = group_net_make(x, m, err);
		if (rc)
			return rc;
	}
	m->row.made_bundle = lstat(m->row.bundle, &st) < 0 && errno == ENOENT;
	mig_staging_dir(x, m, staging);
	mig_images_dir(x, m, images);
	mig_tree_dir(x, m, tree);
	rc = file_mkdirs(staging, 0711, err);
	if (!rc)
		rc = make_drop(x, images, err);
	if (!rc)
		rc = make_drop(x, tree, err);
	if (!rc)
		rc = make_ticket(x, m, images, tree, err);
	/* What reserve made has to be known after a restart, too. */
	return rc ? rc : journal_append(x->journal, &m->row, err);
}

/* --- arm --- */

/* The directories that the manifest's trees go to; names that it does not use stay empty. */
static int make_roots(const struct executor *x, const struct mig *m, struct err *err)
{
	static const char *const names[] = {"", "/upper", "/rootfs"};
	char path[PATH_MAX];
	int rc = arrival_in_storage(x, m->row.bundle)
			 ? 0
			 : fail(err, ERR_denied, "%s is not in worker.storage", m->row.bundle);

	for (size_t i = 0; !rc && i < ARRAY_LEN(names); i++) {
		str_fmt(path, sizeof(path), "%s%s", m->row.bundle, names[i]);
		rc = file_mkdirs(path, 0755, err);
	}
	return rc;
}

static int begin_unpack(struct executor *x, struct mig *m, struct err *err)
{
	char images[PATH_MAX], tree[PATH_MAX], hex[65];
	auto_argv struct run_argv argv = {0};
	struct run_spec spec = {.timeout_ms = UNPACK_LIMIT_MS, .stdout_max = 64 * 1024};
	int rc;

	if (m->ask.digest_len != 32)
		return fail(err, ERR_protocol, "the manifest's digest is missing");
	if (m->ask.has_net && m->row.net.kind == NET_NAMED) {
		m->row.net.n_neigh = m->ask.net.n_neigh;
		memcpy(m->row.net.neigh, m->ask.net.neigh, sizeof(m->row.net.neigh));
	}
	rc = make_roots(x, m, err);
	if (rc)
		return rc;
	mig_images_dir(x, m, images);
	mig_tree_dir(x, m, tree);
	str_hex(hex, m->ask.digest, 32);
	argv_add(&argv, x->libexec_worker);
	argv_add(&argv, "--role=unpack");
	argv_add(&argv, "--images");
	argv_add(&argv, images);
	argv_add(&argv, "--tree");
	argv_add(&argv, tree);
	argv_add(&argv, "--digest");
	argv_add(&argv, hex);
	argv_add(&argv, "--migration");
	argv_add(&argv, m->row.migration);
	argv_add(&argv, "--epoch");
	argv_addf(&argv, "%llu", (unsigned long long)m->row.epoch);
	argv_add(&argv, "--root");
	argv_addf(&argv, "bundle=%s", m->row.bundle);
	argv_add(&argv, "--root");
	argv_addf(&argv, "upper=%s/upper", m->row.bundle);
	argv_add(&argv, "--root");
	argv_addf(&argv, "rootfs=%s/rootfs", m->row.bundle);
	if (options_flag(x->options, OPT_worker_allow_hooks) ||
	    options_flag(x->options, OPT_worker_allow_criu_config))
		argv_add(&argv, "--allow-hooks"); /* arrival_policy tells them apart */
	argv_add(&argv, "--print-meta");
	spec.argv = (const char *const *)argv.v;
	rc = run_start(&spec, clock_mono_ms(), &m->child, err);
	return rc ? rc : 1;
}

/* The value of KEY in unpack's "KEY=VALUE" lines. */
static bool meta(const char *text, const char *key, char *ret, size_t size)
{
	size_t len = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (strncmp(p, key, len) == 0 && p[len] == '=')
			return str_fmt(ret, size, "%.*s", (int)strcspn(p + len + 1, "\n"),
				       p + len + 1);
	return false;
}

/* What came from the source may only be mounted where its tree was put. */
static bool in_bundle(const struct executor *x, const struct mig *m, const char *path)
{
	size_t len = strlen(m->row.bundle);

	return str_starts(path, m->row.bundle) && path[len] == '/' && arrival_in_storage(x, path);
}

static int mount_rootfs(struct executor *x, struct mig *m, const char *metas, struct err *err)
{
	struct rootfs_mount fs = {.kind = ROOTFS_OVERLAY};
	char kind[16], upper[PATH_MAX];
	int rc;

	if (!meta(metas, "kind", kind, sizeof(kind)) || !str_eq(kind, "overlay"))
		return arrival_policy(x, m, "", err);
	if (!meta(metas, "rootfs", fs.path, sizeof(fs.path)) ||
	    !meta(metas, "lower", fs.lower, sizeof(fs.lower)))
		return fail(err, ERR_protocol, "the manifest does not say how the root is mounted");
	if (meta(metas, "upper", fs.upper, sizeof(fs.upper)) && fs.upper[0] &&
	    !meta(metas, "work", fs.work, sizeof(fs.work)))
		return fail(err, ERR_protocol, "the manifest has no overlay work directory");
	str_fmt(upper, sizeof(upper), "%s/upper", m->row.bundle);
	if (!in_bundle(x, m, fs.path) ||
	    (fs.upper[0] &&
	     (!str_eq(fs.upper, upper) || !in_bundle(x, m, upper) || !in_bundle(x, m, fs.work))))
		return fail(err, ERR_denied, "the root would be mounted outside %s", m->row.bundle);
	rc = arrival_policy(x, m, fs.lower, err);
	return rc ? rc : rootfs_mount(&fs, err);
}

/* A payload without memory is nothing to restore, and one with memory is not to be forgotten. */
static int check_mode(const struct mig *m, const char *metas, struct err *err)
{
	char mode[16] = "live";

	meta(metas, "mode", mode, sizeof(mode));
	if (str_eq(mode, m->row.cold ? "cold" : "live"))
		return 0;
	return fail(err, ERR_protocol, "the payload is that of a %s move, and a %s one was asked",
		    mode, m->row.cold ? "cold" : "live");
}

static int event_unpack(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	if (!run_step(m->child, clock_mono_ms()))
		return 1;
	rc = run_check(run_result(m->child), "unpack", err);
	if (!rc)
		rc = check_mode(m, run_result(m->child)->out, err);
	if (!rc)
		rc = mount_rootfs(x, m, run_result(m->child)->out, err);
	run_free(&m->child);
	m->figures.verify_us = clock_mono_us() - m->act_began_us;
	return rc;
}

static int begin_hook_before(struct executor *x, struct mig *m, struct err *err)
{
	m->arrived = true;
	return hooks_begin(x, m, HOOK_pre_restore, err);
}

static int event_hook_before(struct executor *x, struct mig *m, struct err *err)
{
	return hooks_step(x, m, HOOK_pre_restore, err);
}

static enum hook_event hook_of(const struct mig *m)
{
	return m->row.state == HANDOVER_running ? HOOK_post_restore : HOOK_failed_restore;
}

/* With the clean-up, when the handover is over: nobody waits for these. A worker that was started
 * again in between has forgotten that there was an arrival, and runs none. */
static int begin_hook_after(struct executor *x, struct mig *m, struct err *err)
{
	return m->arrived ? hooks_begin(x, m, hook_of(m), err) : 0;
}

static int event_hook_after(struct executor *x, struct mig *m, struct err *err)
{
	return hooks_step(x, m, hook_of(m), err);
}

static int hook_socket(struct executor *x, struct mig *m, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char staging[PATH_MAX];

	mig_staging_dir(x, m, staging);
	if (!str_fmt(address.sun_path, sizeof(address.sun_path), "%s/hold.sock", staging))
		return fail(err, ERR_invalid, "path too long for a socket: %s", staging);
	unlink(address.sun_path);
	m->hook_listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (m->hook_listen < 0 ||
	    bind(m->hook_listen, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0600) < 0 || listen(m->hook_listen, 4) < 0)
		return fail_errno(err, ERR_io, "hook socket %s", address.sun_path);
	return 0;
}

static int begin_arm(struct executor *x, struct mig *m, struct err *err)
{
	const struct runtime_driver *driver = driver_of(m);
	char images[PATH_MAX], work[PATH_MAX], staging[PATH_MAX];
	struct runtime_request request = {
		.id = m->row.container,
		.bundle = m->row.bundle,
		.image_dir = images,
		.work_dir = work,
		.tcp_established = true,
		.file_locks = true,
		.detach = true,
	};
	auto_argv struct run_argv argv = {0};
	struct run_spec spec;
	int rc;

	mig_staging_dir(x, m, staging);
	mig_images_dir(x, m, images);
	str_fmt(work, sizeof(work), "%s/work", staging);
	rc = file_mkdirs(work, 0700, err);
	if (!rc)
		rc = runtime_forget(driver, NULL, m->row.container, err);
	if (!rc)
		rc = hook_socket(x, m, err);
	if (!rc)
		rc = driver->argv(driver, RUNTIME_RESTORE, &request, &argv, err);
	m->row.arming = true; /* from here on what bears its name is ours to kill */
	if (!rc)
		rc = journal_append(x->journal, &m->row, err);
	if (rc) {
		m->row.arming = false;
		return rc;
	}
	spec = runtime_spec(RUNTIME_RESTORE, &argv, RESTORE_LIMIT_MS);
	rc = run_start(&spec, clock_mono_ms(), &m->restore, err);
	if (!rc && m->row.net.kind == NET_NAMED && net_set_neigh(&m->row.net, err))
		log_warn("neighbours not copied: %s\tmigration=%s", err->text, m->row.migration);
	return rc ? rc : 1;
}

static int restore_ended(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	if (!m->restore || !run_step(m->restore, clock_mono_ms()))
		return 1;
	rc = run_check(run_result(m->restore), "restore", err);
	if (rc)
		logs_explain(x, m, run_result(m->restore), err);
	run_free(&m->restore);
	return rc;
}

/* A connection on the hook's socket: its first bytes are "armed". */
static bool hook_arrived(struct mig *m)
{
	const struct timeval limit = {.tv_sec = 1}; /* it connects and says it at once */
	char word[8] = "";
	int fd = m->hook_listen < 0 ? -1 : accept4(m->hook_listen, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (recv(fd, word, sizeof(word) - 1, 0) != 5 || !str_eq(word, "armed")) {
		close(fd);
		return false;
	}
	if (m->hook >= 0)
		close(m->hook);
	m->hook = fd;
	return true;
}

static int event_arm(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	if (hook_arrived(m)) {
		m->figures.restore_us = clock_mono_us() - m->act_began_us;
		run_set_deadline(m->restore, UINT64_MAX); /* it waits for us now */
		return 0;
	}
	rc = restore_ended(x, m, err);
	if (rc == 0)
		return fail(err, ERR_child,
			    "the restore ended without waiting for the hook: is "
			    "its action-script configured?");
	return rc;
}

bool target_holds(struct executor *x, struct mig *m)
{
	struct pollfd ended = {.fd = m->init, .events = POLLIN};
	char byte;

	(void)x;
	if (m->row.cold)
		return m->init >= 0 && poll(&ended, 1, 0) == 0;
	return m->hook >= 0 && recv(m->hook, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN && m->restore && !run_step(m->restore, clock_mono_ms());
}

/* --- start --- */

/* CRIU calls the script twice for each action; every caller after the decision gets the same word.
 * A script that did not get it makes CRIU kill what it restored. */
static int say_go(struct mig *m, struct err *err)
{
	int rc = 0;

	if (send(m->hook, "go", 2, MSG_NOSIGNAL) < 0)
		rc = fail_errno(err, ERR_lost, "the hook of the armed container went away");
	close(m->hook);
	m->hook = -1;
	return rc;
}

static int begin_go(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	if (!m->restore || m->hook < 0)
		return fail(err, ERR_lost, "the armed container is gone");
	run_set_deadline(m->restore, clock_mono_ms() + RESTORE_LIMIT_MS);
	rc = say_go(m, err);
	if (rc)
		return rc; /* with the gate closed: its end is not its peers' to see */
	/* Its tasks run from here on; the gate opens without waiting for the runtime to return. */
	if (m->row.net.kind == NET_NAMED && !net_gate_open(&m->row.net, err) &&
	    !group_net_unlock(x, m, err))
		net_announce(&m->row.net, NULL);
	m->gate_opened_us = clock_mono_us();
	return 1;
}

/* A moment: a task that was let go may not have been on a CPU yet. */
static bool executes(pid_t init)
{
	for (int i = 0; i < PARKED_LOOKS; i++) {
		if (!task_is_parked(init))
			return true;
		poll(NULL, 0, PARKED_LOOK_MS);
	}
	return false;
}

/* A runtime that fails after its container was let go has not stopped it: LOST is only what does
 * not run. */
static int event_go(struct executor *x, struct mig *m, struct err *err)
{
	struct runtime_container found;
	int rc;

	if (hook_arrived(m) && say_go(m, err))
		log_warn("%s\tmigration=%s", err->text, m->row.migration);
	rc = restore_ended(x, m, err);
	if (rc >= 0 || runtime_state_sync(driver_of(m), NULL, m->row.container, &found, NULL) ||
	    !str_eq(found.status, "running") || !executes(found.pid))
		return rc;
	log_warn("it runs, although %s\tmigration=%s", err->text, m->row.migration);
	return 0;
}

static int begin_plug(struct executor *x, struct mig *m, struct err *err)
{
	int rc;

	if (m->hook_listen >= 0)
		close(m->hook_listen);
	m->hook_listen = -1;
	m->figures.start_us = clock_mono_us() - m->act_began_us;
	if (m->row.net.kind != NET_NAMED)
		return 0;
	rc = net_gate_open(&m->row.net, err);
	if (!rc)
		rc = group_net_unlock(x, m, err);
	if (!rc)
		rc = net_announce(&m->row.net, err);
	if (rc)
		log_err("the container runs but its network is closed: %s\tmigration=%s", err->text,
			m->row.migration);
	return 0;
}

/* The source destroys its files when it has our RUNNING: until then ours may be in the page cache
 * only. A child, since syncfs(2) of a busy disk takes its time; what it cannot write it says to the
 * log: the container runs, and nothing can be taken back. */
static int begin_settle(struct executor *x, struct mig *m, struct err *err)
{
	const char *argv[] = {"sync", "--file-system", m->row.bundle, NULL};
	struct run_spec spec = {.argv = argv, .timeout_ms = SETTLE_LIMIT_MS};

	(void)x;
	if (!run_start(&spec, clock_mono_ms(), &m->child, err))
		return 1;
	log_err("files are not synced: %s\tmigration=%s", err->text, m->row.migration);
	return 0;
}

static int event_settle(struct executor *x, struct mig *m, struct err *err)
{
	(void)x;
	if (!m->child || !run_step(m->child, clock_mono_ms()))
		return 1;
	if (run_check(run_result(m->child), "sync", err))
		log_err("files are not synced: %s\tmigration=%s", err->text, m->row.migration);
	run_free(&m->child);
	m->figures.running_us = clock_mono_us() - m->gate_opened_us;
	return 0;
}

/* --- ends --- */

static int begin_kill(struct executor *x, struct mig *m, struct err *err)
{
	const struct runtime_driver *driver = driver_of(m);
	struct runtime_request request = {.id = m->row.container, .force = true};
	struct runtime_container found;
	auto_argv struct run_argv argv = {0};
	struct run_result result = {0};
	struct run_spec spec;
	int rc;

	(void)x;
	if (m->hook >= 0)
		close(m->hook); /* the script exits with 1, criu kills what it restored */
	if (m->hook_listen >= 0)
		close(m->hook_listen);
	m->hook = m->hook_listen = -1;
	if (!driver || !m->row.arming)
		return 0;
	if (m->restore) {
		struct pollfd p = {.fd = run_fd(m->restore), .events = POLLIN};

		for (int i = 0; i < 50 && !run_step(m->restore, clock_mono_ms()); i++)
			poll(&p, 1, 100);
		run_free(&m->restore);
	}
	if (!runtime_state_sync(driver, NULL, m->row.container, &found, NULL)) {
		rc = driver->argv(driver, RUNTIME_DELETE, &request, &argv, err);
		if (rc)
			return rc;
		spec = runtime_spec(RUNTIME_DELETE, &argv, 30000);
		rc = run_sync(&spec, &result, err);
		run_result_done(&result);
		if (rc)
			return rc;
	}
	rc = runtime_forget(driver, NULL, m->row.container, err);
	m->row.arming = rc != 0;
	return rc;
}

/* All of it is tried; the first failure is told, and who asked comes again. */
static int drop_staging(struct executor *x, struct mig *m, struct err *err)
{
	char tickets[PATH_MAX], staging[PATH_MAX], tree[PATH_MAX];
	int rc;

	tickets_dir(x, tickets);
	mig_staging_dir(x, m, staging);
	mig_tree_dir(x, m, tree);
	rc = ticket_burn(tickets, m->row.migration, err);
	logs_keep(x, m);
	if (trash_put(x->trash, staging, rc ? NULL : err) && !rc)
		rc = -err->code;
	if (trash_put(x->trash, tree, rc ? NULL : err) && !rc)
		rc = -err->code;
	return rc;
}

static int begin_unreserve(struct executor *x, struct mig *m, struct err *err)
{
	auto_bundle struct bundle bundle = {0};
	struct err why;
	int rc = drop_staging(x, m, err);

	if (m->row.net.kind == NET_NAMED && group_net_destroy(x, m, &why))
		log_warn("network not removed: %s\tmigration=%s", why.text, m->row.migration);
	if (!m->row.made_bundle || !m->row.bundle[0])
		return rc;
	if (!bundle_read(m->row.bundle, &bundle, NULL))
		rootfs_unmount(bundle.rootfs, NULL);
	if (trash_put(x->trash, m->row.bundle, rc ? NULL : err) && !rc)
		rc = -err->code;
	return rc;
}

static int begin_clean(struct executor *x, struct mig *m, struct err *err)
{
	return drop_staging(x, m, err);
}

const struct act acts_target[ACT_COUNT] = {
	[ACT_check_target] = {arrival_check, arrival_checked},
	[ACT_reserve] = {begin_reserve, NULL},
	[ACT_unpack] = {begin_unpack, event_unpack},
	[ACT_hook_before] = {begin_hook_before, event_hook_before},
	[ACT_hook_after] = {begin_hook_after, event_hook_after},
	[ACT_arm] = {begin_arm, event_arm},
	[ACT_go] = {begin_go, event_go},
	[ACT_plug] = {begin_plug, NULL},
	[ACT_settle] = {begin_settle, event_settle},
	[ACT_kill] = {begin_kill, NULL},
	[ACT_unreserve] = {begin_unreserve, NULL},
	[ACT_clean_target] = {begin_clean, NULL},
};
