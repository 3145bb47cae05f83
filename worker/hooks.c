/* SPDX-License-Identifier: MPL-2.0
 *
 * One program after another: the next is the one whose name follows the last one's. */
#include "worker/hooks.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_MAX 4096

static const char *const names[] = {
	[HOOK_pre_restore] = "pre-restore",
	[HOOK_post_restore] = "post-restore",
	[HOOK_failed_restore] = "failed-restore",
};

static bool only_root_writes(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == 0 &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* The name that follows `last` in the directory; 1 found, 0 none, -ERR_denied. */
static int next_name(const char *dir, const char *last, char ret[NAME_SIZE], struct err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *entry;
	DIR *d;

	ret[0] = '\0';
	if (fd < 0)
		return 0; /* no directory, no hooks */
	if (!only_root_writes(fd, S_IFDIR)) {
		close(fd);
		return fail(err, ERR_denied, "%s is not root's alone: its hooks are not run", dir);
	}
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return fail_errno(err, ERR_io, "%s", dir);
	}
	while ((entry = readdir(d)) != NULL)
		if (name_ok(entry->d_name) && strcmp(entry->d_name, last) > 0 &&
		    (!*ret || strcmp(entry->d_name, ret) < 0))
			str_copy(ret, NAME_SIZE, entry->d_name);
	closedir(d);
	return *ret != '\0';
}

static int may_run(const char *path, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || !only_root_writes(fd, S_IFREG))
		return fail(err, ERR_denied, "the hook %s is not root's alone", path);
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0
		       ? fail(err, ERR_denied, "the hook %s is not executable", path)
		       : 0;
}

static void mac_of(const struct net_state *net, char buf[NET_TEXT])
{
	const uint8_t *m = net->mac;

	str_fmt(buf, NET_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

int hooks_next(const struct executor *x, const char *event, char last[NAME_SIZE],
	       char ret_path[PATH_MAX], struct err *err)
{
	char dir[PATH_MAX], name[NAME_SIZE];
	int rc;

	ret_path[0] = '\0';
	str_fmt(dir, sizeof(dir), "%.3900s/%s.d", options_str(x->options, OPT_worker_hooks), event);
	rc = next_name(dir, last, name, err);
	if (rc <= 0)
		return rc;
	str_copy(last, NAME_SIZE, name);
	str_fmt(ret_path, PATH_MAX, "%.4000s/%s", dir, name);
	rc = may_run(ret_path, err);
	return rc ? rc : 1;
}

int hooks_start(struct executor *x, struct run_argv *argv, struct run_argv *env, struct run **ret,
		struct err *err)
{
	struct run_spec spec = {.cgroup = RUN_CGROUP,
				.stdout_max = OUTPUT_MAX,
				.new_session = true,
				.timeout_ms = options_u64(x->options, OPT_worker_hook_timeout)};

	argv_add(env, "PATH=" RUN_PATH);
	argv_add(env, "LANG=C.UTF-8");
	if (env->bad)
		return fail(err, ERR_invalid, "the hook's environment is too large");
	spec.argv = (const char *const *)argv->v;
	spec.env = (const char *const *)env->v;
	return run_start(&spec, clock_mono_ms(), ret, err);
}

static int start(struct executor *x, struct mig *m, enum hook_event event, const char *path,
		 struct err *err)
{
	const struct net_state *net = &m->row.net;
	bool named = net->kind == NET_NAMED;
	auto_argv struct run_argv argv = {0}, env = {0};
	char ip[NET_TEXT] = "", mac[NET_TEXT] = "";

	if (named && net->n_addrs)
		net_addr_text(&net->addrs[0], ip);
	if (named)
		mac_of(net, mac);
	ip[strcspn(ip, "/")] = '\0';
	argv_add(&argv, path);
	argv_add(&argv, names[event]);
	argv_add(&argv, m->row.container);
	argv_add(&argv, m->row.peer);
	argv_add(&argv, x->self);
	argv_addf(&env, "DROVER_EVENT=%s", names[event]);
	argv_addf(&env, "DROVER_CONTAINER=%s", m->row.container);
	argv_addf(&env, "DROVER_SOURCE=%s", m->row.peer);
	argv_addf(&env, "DROVER_TARGET=%s", x->self);
	argv_addf(&env, "DROVER_JOB=%s", m->row.migration);
	argv_addf(&env, "DROVER_BUNDLE=%s", m->row.bundle);
	argv_addf(&env, "DROVER_IP=%s", ip);
	argv_addf(&env, "DROVER_MAC=%s", mac);
	argv_addf(&env, "DROVER_OUTCOME=%s",
		  event == HOOK_post_restore     ? "MOVED"
		  : event == HOOK_failed_restore ? "STAYED"
						 : "");
	return hooks_start(x, &argv, &env, &m->child, err);
}

/* What the later hooks meet is told and passed over. */
static int pass_over(const struct mig *m, enum hook_event event, struct err *err)
{
	if (event == HOOK_pre_restore)
		return -err->code;
	log_warn("%s\tmigration=%s", err->text, m->row.migration);
	return 0;
}

/* Starts the next program; 0 none is left, 1 it runs, -ERR. */
static int run_next(struct executor *x, struct mig *m, enum hook_event event, struct err *err)
{
	char path[PATH_MAX];
	int rc;

	for (;;) {
		rc = hooks_next(x, names[event], m->hook_last, path, err);
		if (!rc)
			return 0;
		if (rc == 1 && !start(x, m, event, path, err))
			return 1;
		rc = pass_over(m, event, err);
		if (rc || !*path)
			return rc;
	}
}

int hooks_begin(struct executor *x, struct mig *m, enum hook_event event, struct err *err)
{
	m->hook_last[0] = '\0';
	return run_next(x, m, event, err);
}

/* Behind the restore's log, and with the answer. */
static void keep_output(struct mig *m, const char *what, const struct run_result *result)
{
	size_t used = strlen(m->runtime_said);

	str_fmt(m->runtime_said + used, sizeof(m->runtime_said) - used, "--- %s: exit %d\n%s%s",
		what, result->exit_code, result->out ? result->out : "", result->err_tail);
	if (result->exit_code || result->signal)
		str_fmt(m->log_tail, sizeof(m->log_tail), "--- %s: exit %d\n%.4000s%s", what,
			result->exit_code, result->out ? result->out : "", result->err_tail);
}

int hooks_step(struct executor *x, struct mig *m, enum hook_event event, struct err *err)
{
	const struct run_result *result;
	char what[NAME_SIZE + 32];
	int rc;

	if (!run_step(m->child, clock_mono_ms()))
		return 1;
	result = run_result(m->child);
	str_fmt(what, sizeof(what), "the %s hook %s", names[event], m->hook_last);
	rc = run_check(result, what, err);
	keep_output(m, what, result);
	run_free(&m->child);
	rc = rc ? pass_over(m, event, err) : 0;
	return rc ? rc : run_next(x, m, event, err);
}
