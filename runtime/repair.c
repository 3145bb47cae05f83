/* SPDX-License-Identifier: MPL-2.0
 *
 * A copy of each socket's descriptor is taken from its task (pidfd_getfd) and asked. */
#include "runtime/repair.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct sweep {
	int healed, failed; /* sockets; errno of the last one that could not be reached */
};

static void end_one(struct sweep *s, int pidfd, int number)
{
	auto_close int fd = pidfd_getfd(pidfd, number, 0);
	int on = 0, off = 0;
	socklen_t len = sizeof(on);

	if (fd < 0) {
		if (errno != EBADF && errno != ESRCH)
			s->failed = errno;
		return;
	}
	/* Other kinds of sockets do not know the option. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, &len) < 0 || on != 1)
		return;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) < 0)
		s->failed = errno;
	else
		s->healed++;
}

static void sweep_task(struct sweep *s, pid_t pid)
{
	auto_close int pidfd = pidfd_open(pid, 0);
	char path[64], link[64];
	auto_closedir DIR *dir = NULL;
	const struct dirent *e;
	uint64_t number;

	str_fmt(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = pidfd < 0 ? NULL : opendir(path);
	while (dir && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (str_starts(link, "socket:") && str_u64(e->d_name, 0, INT_MAX, &number))
			end_one(s, pidfd, (int)number);
	}
}

int repair_end(const struct cgroup *cgroup, struct err *err)
{
	auto_free pid_t *pids = mem_new(CGROUP_PIDS_MAX, sizeof(*pids));
	ssize_t n = cgroup_pids(cgroup, pids, CGROUP_PIDS_MAX);
	struct sweep s = {0};

	for (ssize_t i = 0; i < n && i < CGROUP_PIDS_MAX; i++)
		sweep_task(&s, pids[i]);
	if (!s.failed)
		return s.healed;
	errno = s.failed;
	return fail_errno(err, ERR_io, "sockets of %s", cgroup->path);
}
