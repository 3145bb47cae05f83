/* SPDX-License-Identifier: MPL-2.0
 *
 * Version 2: cgroup.freeze is the wish, "frozen" in cgroup.events the fact, with an event when it
 * changes. Version 1: freezer.state is both and has no event, so it is read again after a
 * millisecond. */
#include "runtime/freezer.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The kernel tells of a change at most every 10 ms (CGROUP_FILE_NOTIFY_MIN_INTV) and may drop the
 * event of a change back; a look after this long costs nothing. */
#define LOOK_MS 20

static bool is_gone(int rc)
{
	return rc == -ENOENT || rc == -ENODEV;
}

/* 1, 0, or -errno. */
static int look_v2(int events)
{
	char buf[256];
	ssize_t n = pread(events, buf, sizeof(buf) - 1, 0);

	if (n < 0)
		return -errno;
	buf[n] = 0;
	return strstr(buf, "frozen 1") != NULL;
}

static int look_v1(int dir)
{
	char line[32];
	ssize_t n = file_read_line(dir, "freezer.state", line, sizeof(line));

	return n < 0 ? (int)n : str_eq(line, "FROZEN");
}

static int open_events(const struct cgroup *cgroup)
{
	int fd = openat(cgroup->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Waits until the state is the wanted one: 0, 1 = late, -errno. */
static int wait_v2(const struct cgroup *cgroup, int wanted, uint64_t limit_ms)
{
	auto_close int events = open_events(cgroup);
	uint64_t until = clock_mono_ms() + limit_ms, now;
	int rc;

	if (events < 0)
		return events;
	while ((rc = look_v2(events)) >= 0 && rc != wanted) {
		struct pollfd p = {.fd = events, .events = POLLPRI};

		now = clock_mono_ms();
		if (now >= until)
			return 1;
		poll(&p, 1, until - now < LOOK_MS ? (int)(until - now) : LOOK_MS);
	}
	return rc < 0 ? rc : 0;
}

static int wait_v1(const struct cgroup *cgroup, int wanted, uint64_t limit_ms)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	uint64_t until = clock_mono_ms() + limit_ms;
	int rc;

	while ((rc = look_v1(cgroup->dir)) >= 0 && rc != wanted) {
		if (clock_mono_ms() >= until)
			return 1;
		nanosleep(&moment, NULL);
	}
	return rc < 0 ? rc : 0;
}

static int change(const struct cgroup *cgroup, int wanted, uint64_t limit_ms)
{
	int rc;

	if (cgroup->version == 2)
		rc = file_poke(cgroup->dir, "cgroup.freeze", wanted ? "1" : "0");
	else
		rc = file_poke(cgroup->dir, "freezer.state", wanted ? "FROZEN" : "THAWED");
	if (rc < 0)
		return rc;
	return cgroup->version == 2 ? wait_v2(cgroup, wanted, limit_ms)
				    : wait_v1(cgroup, wanted, limit_ms);
}

int freezer_freeze(const struct cgroup *cgroup, uint64_t limit_ms, struct err *err)
{
	int rc = change(cgroup, 1, limit_ms);

	if (rc == 1)
		return fail(err, ERR_timeout, "%s is not frozen after %llu ms", cgroup->path,
			    (unsigned long long)limit_ms);
	errno = -rc;
	return rc < 0 ? fail_errno(err, is_gone(rc) ? ERR_nosuch : ERR_io, "freezing %s",
				   cgroup->path)
		      : 0;
}

int freezer_thaw(const struct cgroup *cgroup, uint64_t limit_ms, struct err *err)
{
	int rc = change(cgroup, 0, limit_ms);

	if (rc == 1)
		return fail(err, ERR_timeout, "%s is not thawed after %llu ms", cgroup->path,
			    (unsigned long long)limit_ms);
	errno = -rc;
	return rc < 0 && !is_gone(rc) ? fail_errno(err, ERR_io, "thawing %s", cgroup->path) : 0;
}

int freezer_thaw_task(pid_t pid, const char *cgroups_path, uint64_t limit_ms, struct err *err)
{
	int rc = 0;

	for (int version = 2; version >= 1 && rc == 0; version--) {
		auto_cgroup struct cgroup c = {.dir = -1};

		rc = cgroup_open_version(pid, version, cgroups_path, &c, err);
		if (rc == 0)
			rc = freezer_thaw(&c, limit_ms, err);
		else if (rc == -ERR_refused)
			rc = 0;
	}
	return rc;
}

int freezer_is_frozen(const struct cgroup *cgroup)
{
	auto_close int events = -1;
	int rc;

	if (cgroup->version == 1) {
		rc = look_v1(cgroup->dir);
	} else {
		events = open_events(cgroup);
		rc = events < 0 ? events : look_v2(events);
	}
	return rc < 0 ? (is_gone(rc) ? -ERR_nosuch : -ERR_io) : rc;
}
