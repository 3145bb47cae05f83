/* SPDX-License-Identifier: MPL-2.0
 *
 * fork, the child's preparations, exec. The child reports over a close-on-exec pipe: silence means
 * that the program runs. Only async-signal-safe calls in the child. */
#include "runtime/spawn.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void reset_signals(void)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			sigaction(i, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Gives the child its descriptors. All sources are first moved above every number that is wanted,
 * so that no dup2 closes a source that is still to come. */
static int arrange_fds(struct spawn_plan *plan)
{
	const struct run_spec *spec = plan->spec;
	int high = 3, from[3], extra[16];

	if (spec->n_fds > ARRAY_LEN(extra))
		return EINVAL;
	for (size_t i = 0; i < spec->n_fds; i++)
		if (spec->fds[i].child >= high)
			high = spec->fds[i].child + 1;
	plan->status = fcntl(plan->status, F_DUPFD_CLOEXEC, high);
	if (plan->status < 0)
		return errno;
	for (int i = 0; i < 3; i++)
		if ((from[i] = fcntl(plan->stdio[i], F_DUPFD_CLOEXEC, high)) < 0)
			return errno;
	for (size_t i = 0; i < spec->n_fds; i++)
		if ((extra[i] = fcntl(spec->fds[i].parent, F_DUPFD_CLOEXEC, high)) < 0)
			return errno;
	if (syscall(SYS_close_range, 3u, ~0u, (unsigned)CLOSE_RANGE_CLOEXEC) < 0)
		return errno;
	for (int i = 0; i < 3; i++)
		if (dup2(from[i], i) < 0)
			return errno;
	for (size_t i = 0; i < spec->n_fds; i++)
		if (dup2(extra[i], spec->fds[i].child) < 0)
			return errno;
	return 0;
}

static int drop_ids(const struct run_spec *spec)
{
	if (!spec->uid && !spec->gid)
		return 0;
	if (setgroups(0, NULL) < 0)
		return errno;
	if (spec->gid && setresgid(spec->gid, spec->gid, spec->gid) < 0)
		return errno;
	if (spec->uid && setresuid(spec->uid, spec->uid, spec->uid) < 0)
		return errno;
	return 0;
}

/* Only async-signal-safe calls from here to exec: other threads of the parent may hold locks. */
static _Noreturn void child_main(struct spawn_plan *plan)
{
	int failed;

	if (plan->cgroup_procs >= 0 && write(plan->cgroup_procs, "0", 1) < 0)
		errno = 0; /* best effort */
	reset_signals();
	if (plan->spec->new_session)
		setsid();
	umask(022);
	failed = arrange_fds(plan);
	if (!failed && chdir(plan->cwd) < 0)
		failed = errno;
	if (!failed)
		failed = drop_ids(plan->spec);
	if (!failed) {
		execve(plan->path, plan->argv, plan->env);
		failed = errno;
	}
	if (write(plan->status, &failed, sizeof(failed)) < 0)
		_exit(126);
	_exit(127);
}

/* fork with a pidfd, into the cgroup behind cgroup_fd when it is one. Containers' seccomp filters
 * may hide clone3. */
static pid_t fork_pidfd(int cgroup_fd, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0 && cgroup_fd >= 0)
		return fork_pidfd(-1, ret_pidfd);
	if (pid >= 0 || (errno != ENOSYS && errno != EPERM))
		return pid;
	pid = fork();
	if (pid > 0 && (*ret_pidfd = pidfd_open(pid, 0)) < 0) {
		int saved = errno;

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		errno = saved;
		return -1;
	}
	return pid;
}

/* Opens (and makes) the group NAME at the top of the tree: a directory for clone3 on version 2, and
 * cgroup.procs of systemd's own hierarchy on version 1. -1 where there is none. */
static int open_cgroup2(const char *name)
{
	static const char *const tops[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		if (!str_fmt(path, sizeof(path), "%s/cgroup.procs", tops[i]) || access(path, F_OK))
			continue;
		if (!str_fmt(path, sizeof(path), "%s/%s", tops[i], name) ||
		    (mkdir(path, 0755) < 0 && errno != EEXIST))
			return -1;
		return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return -1;
}

static int open_cgroup1(const char *name)
{
	char path[PATH_MAX];

	if (access("/sys/fs/cgroup/systemd/cgroup.procs", F_OK) < 0 ||
	    !str_fmt(path, sizeof(path), "/sys/fs/cgroup/systemd/%s", name) ||
	    (mkdir(path, 0755) < 0 && errno != EEXIST) ||
	    !str_fmt(path, sizeof(path), "/sys/fs/cgroup/systemd/%s/cgroup.procs", name))
		return -1;
	return open(path, O_WRONLY | O_CLOEXEC);
}

int spawn(struct spawn_plan *plan, pid_t *ret_pid, int *ret_pidfd)
{
	auto_close int cgroup = plan->spec->cgroup ? open_cgroup2(plan->spec->cgroup) : -1;
	auto_close int procs = plan->spec->cgroup ? open_cgroup1(plan->spec->cgroup) : -1;
	auto_close int status = -1;
	int fds[2], failed = 0;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return errno;
	status = fds[0];
	plan->status = fds[1];
	plan->cgroup_procs = procs;
	*ret_pid = fork_pidfd(cgroup, ret_pidfd);
	if (*ret_pid == 0)
		child_main(plan);
	if (*ret_pid < 0)
		failed = errno;
	close(fds[1]);
	if (failed)
		return failed;
	do {
		n = read(status, &failed, sizeof(failed));
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(failed))
		return 0;
	waitid(P_PIDFD, (id_t)*ret_pidfd, &(siginfo_t){0}, WEXITED);
	return failed;
}
