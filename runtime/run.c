/* SPDX-License-Identifier: MPL-2.0
 *
 * Starting, watching and reaping children. Input goes through a memfd, so that a child that never
 * reads cannot block us or raise SIGPIPE; output comes through pipes that we read without blocking.
 * Invariant: run_start has either executed the program or reaped what it forked. */
#include "runtime/run.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 16384
#define TURN_MAX (64 * CHUNK) /* bytes of one stream that one run_step reads */
#define REAP_MS 1000          /* how long run_free waits for a killed child */

struct stream {
	int fd; /* our end, -1 when closed */
	char *data;
	size_t len, cap, max;
	bool cut;
};

struct run {
	int epoll;
	int pidfd;
	struct stream out;
	struct stream err; /* keeps up to 2 × RUN_STDERR_TAIL, the last bytes win */
	int err_file;      /* detached output */
	bool new_session;
	bool over;
	uint64_t deadline_ms;
	uint64_t started_us;
	struct run_result result;
};

static const char *const minimal_env[] = {"PATH=" RUN_PATH, "LANG=C.UTF-8", NULL};

int run_find(const char *program, char *ret_path, size_t size, struct err *err)
{
	const char *dir = RUN_PATH;

	if (strchr(program, '/')) {
		if (access(program, X_OK) == 0 && str_copy(ret_path, size, program))
			return 0;
		return fail(err, ERR_nosuch, "%s is not there or not executable", program);
	}
	while (*dir) {
		size_t len = strcspn(dir, ":");

		if (str_fmt(ret_path, size, "%.*s/%s", (int)len, dir, program) &&
		    access(ret_path, X_OK) == 0)
			return 0;
		dir += len + (dir[len] == ':');
	}
	return fail(err, ERR_nosuch, "%s is not installed", program);
}

static int memfd_with(const char *name, const void *data, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	size_t at = 0;

	if (fd < 0)
		return -1;
	while (at < len) {
		ssize_t n = pwrite(fd, (const char *)data + at, len - at, (off_t)at);

		if (n <= 0) {
			close(fd);
			return -1;
		}
		at += (size_t)n;
	}
	return fd;
}

/* One end for the child in *child, ours (non-blocking) watched by the epoll. */
static int open_stream(struct run *run, struct stream *s, int *child)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	s->fd = fds[0];
	*child = fds[1];
	if (fcntl(s->fd, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return epoll_ctl(run->epoll, EPOLL_CTL_ADD, s->fd, &ev);
}

static int open_stdio(struct run *run, const struct run_spec *spec, int stdio[3])
{
	bool discard = spec->detached_output || spec->no_output || !spec->stdout_max;

	stdio[0] = spec->stdin_data && !spec->detached_output
			   ? memfd_with("drover-input", spec->stdin_data, spec->stdin_len)
			   : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (stdio[0] < 0)
		return -1;
	if (discard)
		stdio[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	else if (open_stream(run, &run->out, &stdio[1]) < 0)
		return -1;
	if (stdio[1] < 0)
		return -1;
	if (spec->no_output)
		return (stdio[2] = open("/dev/null", O_WRONLY | O_CLOEXEC)) < 0 ? -1 : 0;
	if (!spec->detached_output)
		return open_stream(run, &run->err, &stdio[2]);
	run->err_file = memfd_with("drover-stderr", "", 0);
	stdio[2] = run->err_file < 0 ? -1 : fcntl(run->err_file, F_DUPFD_CLOEXEC, 3);
	return stdio[2] < 0 ? -1 : 0;
}

static int start_child(struct run *run, struct spawn_plan *plan)
{
	run->started_us = clock_mono_us();
	return spawn(plan, &run->result.pid, &run->pidfd);
}

static int watch_pidfd(struct run *run)
{
	struct epoll_event ev = {.events = EPOLLIN};

	return epoll_ctl(run->epoll, EPOLL_CTL_ADD, run->pidfd, &ev);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static struct run *run_new(const struct run_spec *spec, uint64_t now_ms)
{
	struct run *run = mem_new_of(struct run);

	run->pidfd = run->out.fd = run->err.fd = run->err_file = -1;
	run->out.max = spec->stdout_max;
	run->err.max = 2 * RUN_STDERR_TAIL;
	run->new_session = spec->new_session;
	run->deadline_ms = spec->timeout_ms ? now_ms + spec->timeout_ms : UINT64_MAX;
	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	return run;
}

int run_start(const struct run_spec *spec, uint64_t now_ms, struct run **ret, struct err *err)
{
	char path[PATH_MAX];
	struct spawn_plan plan = {
		.path = path,
		.argv = (char *const *)spec->argv,
		.env = (char *const *)(spec->env ? spec->env : minimal_env),
		.cwd = spec->cwd ? spec->cwd : "/",
		.stdio = {-1, -1, -1},
		.spec = spec,
	};
	struct run *run;
	int rc = 0, failed;

	*ret = NULL;
	if (!spec->argv || !spec->argv[0] || (spec->cgroup && !name_ok(spec->cgroup)))
		return fail(err, ERR_invalid, "a command line is empty or was cut");
	if ((rc = run_find(spec->argv[0], path, sizeof(path), err)) < 0)
		return rc;
	run = run_new(spec, now_ms);
	if (run->epoll < 0 || open_stdio(run, spec, plan.stdio) < 0)
		rc = fail_errno(err, ERR_io, "preparing to run %s", path);
	else if ((failed = start_child(run, &plan)) != 0) {
		errno = failed;
		rc = fail_errno(err, ERR_child, "executing %s", path);
		run->over = true;
	} else if (watch_pidfd(run) < 0)
		rc = fail_errno(err, ERR_io, "watching %s", path);
	for (int i = 0; i < 3; i++)
		close_fd(&plan.stdio[i]);
	if (rc < 0)
		run_free(&run);
	*ret = run;
	return rc;
}

int run_fd(const struct run *run)
{
	return run->epoll;
}

uint64_t run_deadline_ms(const struct run *run)
{
	return run->over ? UINT64_MAX : run->deadline_ms;
}

void run_set_deadline(struct run *run, uint64_t deadline_ms)
{
	run->deadline_ms = deadline_ms;
}

const struct run_result *run_result(const struct run *run)
{
	return &run->result;
}

static void keep_head(struct stream *s, const char *data, size_t n)
{
	size_t room = s->max - s->len;

	if (n > room) {
		n = room;
		s->cut = true;
	}
	if (s->len + n + 1 > s->cap) {
		s->cap = s->len + n + CHUNK;
		s->data = mem_grow(s->data, s->cap, 1);
	}
	memcpy(s->data + s->len, data, n);
	s->len += n;
}

static void keep_tail(struct stream *s, const char *data, size_t n)
{
	if (!s->data)
		s->data = mem_new(s->max, 1);
	if (n > RUN_STDERR_TAIL) {
		data += n - RUN_STDERR_TAIL;
		n = RUN_STDERR_TAIL;
	}
	if (s->len + n > s->max) {
		size_t keep = s->len < RUN_STDERR_TAIL ? s->len : RUN_STDERR_TAIL;

		memmove(s->data, s->data + s->len - keep, keep);
		s->len = keep;
	}
	memcpy(s->data + s->len, data, n);
	s->len += n;
}

/* Reads what is there. At end of file the descriptor is closed, which takes it out of the epoll. */
static void pump(struct stream *s, void (*keep)(struct stream *, const char *, size_t))
{
	char buf[CHUNK];

	for (size_t turn = 0; s->fd >= 0 && turn < TURN_MAX;) {
		ssize_t n = read(s->fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close_fd(&s->fd);
			return;
		}
		keep(s, buf, (size_t)n);
		turn += (size_t)n;
	}
}

static void take_error_file(struct run *run)
{
	char buf[RUN_STDERR_TAIL];
	struct stat st;
	off_t from;
	ssize_t n;

	if (run->err_file < 0 || fstat(run->err_file, &st) < 0)
		return;
	from = st.st_size > RUN_STDERR_TAIL ? st.st_size - RUN_STDERR_TAIL : 0;
	n = pread(run->err_file, buf, sizeof(buf), from);
	if (n > 0)
		keep_tail(&run->err, buf, (size_t)n);
}

static void finish(struct run *run, const siginfo_t *si)
{
	struct run_result *r = &run->result;
	size_t keep = run->err.len < RUN_STDERR_TAIL ? run->err.len : RUN_STDERR_TAIL;

	run->over = true;
	r->duration_us = clock_mono_us() - run->started_us;
	r->exit_code = si->si_code == CLD_EXITED ? si->si_status : -1;
	r->signal = si->si_code == CLD_EXITED ? 0 : si->si_status;
	if (keep)
		memcpy(r->err_tail, run->err.data + run->err.len - keep, keep);
	r->err_tail[keep] = 0;
	if (run->out.max) {
		if (!run->out.data)
			run->out.data = mem_new(1, 1);
		run->out.data[run->out.len] = 0;
		r->out = mem_take(run->out.data);
		r->out_len = run->out.len;
		r->out_cut = run->out.cut;
	}
}

int run_step(struct run *run, uint64_t now_ms)
{
	siginfo_t si = {0};

	if (run->over)
		return 1;
	if (now_ms >= run->deadline_ms) {
		run->result.timed_out = true;
		run->deadline_ms = UINT64_MAX;
		run_kill(run);
	}
	pump(&run->out, keep_head);
	pump(&run->err, keep_tail);
	if (waitid(P_PIDFD, (id_t)run->pidfd, &si, WEXITED | WNOHANG) < 0 || !si.si_pid)
		return 0;
	pump(&run->out, keep_head);
	pump(&run->err, keep_tail);
	take_error_file(run);
	finish(run, &si);
	close_fd(&run->out.fd);
	close_fd(&run->err.fd);
	return 1;
}

void run_kill(struct run *run)
{
	if (run->over)
		return;
	/* Not reaped yet, so neither the pid nor its group can belong to anybody else. */
	if (run->new_session)
		kill(-run->result.pid, SIGKILL);
	pidfd_send_signal(run->pidfd, SIGKILL, NULL, 0);
}

void run_free(struct run **prun)
{
	struct run *run = *prun;

	*prun = NULL;
	if (!run)
		return;
	if (!run->over && run->pidfd >= 0) {
		struct pollfd p = {.fd = run->pidfd, .events = POLLIN};

		run_kill(run);
		/* A task that the kernel cannot end now becomes a zombie of ours; no use to wait.
		 */
		if (poll(&p, 1, REAP_MS) == 1)
			waitid(P_PIDFD, (id_t)run->pidfd, &(siginfo_t){0}, WEXITED | WNOHANG);
	}
	close_fd(&run->out.fd);
	close_fd(&run->err.fd);
	close_fd(&run->err_file);
	close_fd(&run->pidfd);
	close_fd(&run->epoll);
	free(run->out.data);
	free(run->err.data);
	free(run->result.out);
	free(run);
}

int run_sync(const struct run_spec *spec, struct run_result *ret, struct err *err)
{
	struct run *run;
	int rc = run_start(spec, clock_mono_ms(), &run, err);

	memset(ret, 0, sizeof(*ret));
	if (rc < 0)
		return rc;
	while (!run_step(run, clock_mono_ms())) {
		uint64_t now = clock_mono_ms(), until = run_deadline_ms(run);
		struct pollfd p = {.fd = run_fd(run), .events = POLLIN};
		uint64_t wait = until <= now ? 0 : until - now;

		poll(&p, 1, wait > INT_MAX ? -1 : (int)wait);
	}
	*ret = run->result;
	run->result.out = NULL;
	run_free(&run);
	return 0;
}
