/* SPDX-License-Identifier: MPL-2.0
 *
 * The end of a control group: kill all, wait until it is empty, remove it. */
#include "runtime/cgroup.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define DEPTH_MAX 16
#define PASS_MS 20 /* how long one pass of a kill by signals waits */

/* Signals everybody who is in it now and waits a moment for the first of them to go. Answers how
 * many there were. */
static ssize_t kill_pass(const struct cgroup *cgroup)
{
	auto_free pid_t *pids = mem_new(CGROUP_PIDS_MAX, sizeof(*pids));
	ssize_t n;
	struct pollfd p = {.fd = -1, .events = POLLIN};

	/* Frozen, nobody forks away and no pid is given to another process while we use it. */
	freezer_freeze(cgroup, PASS_MS, NULL);
	n = cgroup_pids(cgroup, pids, CGROUP_PIDS_MAX);
	if (n > 0)
		p.fd = pidfd_open(pids[0], 0);
	for (ssize_t i = 0; i < n && i < CGROUP_PIDS_MAX; i++)
		kill(pids[i], SIGKILL);
	freezer_thaw(cgroup, PASS_MS, NULL);
	if (n > 0)
		poll(&p, 1, PASS_MS);
	if (p.fd >= 0)
		close(p.fd);
	return n;
}

static bool is_populated(const struct cgroup *cgroup, int events)
{
	char buf[256];
	ssize_t n = events < 0 ? -1 : pread(events, buf, sizeof(buf) - 1, 0);

	if (n <= 0)
		return cgroup_pids(cgroup, NULL, 0) > 0;
	buf[n] = 0;
	return strstr(buf, "populated 1") != NULL;
}

static int kill_at_once(const struct cgroup *cgroup, uint64_t limit_ms)
{
	auto_close int events = openat(cgroup->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	uint64_t until = clock_mono_ms() + limit_ms, now;

	while (is_populated(cgroup, events) && (now = clock_mono_ms()) < until) {
		struct pollfd p = {.fd = events, .events = POLLPRI};

		poll(&p, 1, (int)(until - now));
	}
	return is_populated(cgroup, events) ? -1 : 0;
}

int cgroup_kill(const struct cgroup *cgroup, uint64_t limit_ms, struct err *err)
{
	uint64_t until = clock_mono_ms() + limit_ms;

	if (cgroup->version == 2 && file_poke(cgroup->dir, "cgroup.kill", "1") == 0) {
		if (kill_at_once(cgroup, limit_ms) == 0)
			return 0;
	} else {
		while (kill_pass(cgroup) > 0)
			if (clock_mono_ms() >= until)
				break;
		if (cgroup_pids(cgroup, NULL, 0) <= 0)
			return 0;
	}
	return fail(err, ERR_timeout, "tasks of %s survive SIGKILL for %llu ms", cgroup->path,
		    (unsigned long long)limit_ms);
}

static int remove_tree(int dir, const char *name, int depth)
{
	auto_close int self = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_closedir DIR *d = NULL;
	const struct dirent *e;
	int again = self < 0 ? -1 : openat(self, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	d = again < 0 ? NULL : fdopendir(again);
	while (d && depth < DEPTH_MAX && (e = readdir(d)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			remove_tree(self, e->d_name, depth + 1);
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_remove(const char *path, struct err *err)
{
	auto_cgroup struct cgroup c = {.dir = -1};
	int rc = cgroup_open_path(path, &c, err);

	if (rc == -ERR_nosuch)
		return 0;
	if (rc < 0)
		return rc;
	errno = -remove_tree(AT_FDCWD, path, 0);
	return errno ? fail_errno(err, errno == EBUSY ? ERR_busy : ERR_io, "removing %s", path) : 0;
}
