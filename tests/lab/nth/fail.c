/* SPDX-License-Identifier: MPL-2.0
 *
 * Preloaded (LD_PRELOAD) into drover's daemons: the nth call of one kind fails, counted over all
 * processes of the program on that host in the file of $DROVER_NTH (nth.h). It acts in drover's own
 * programs only and hands itself on to those; whatever else they start gets no preload, as drover
 * gives its children an environment of their own. A crash by a signal is noted in the same file.
 *
 * Calls of libzmq and the like are left alone where these abort by design (eventfd, epoll); what
 * they send is not.
 */
#define _GNU_SOURCE
#include "nth.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FRAMES 16
#define PUBLIC __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)

struct range {
	uintptr_t from, to;
};

static struct nth *shared;
static enum nth_role role;
static struct range program, msgpack, ssh, sqlite;
/* Of the environment, for the programs that are handed it on. */
static char kept[4][512];
static size_t n_kept;

static const char *const kind_names[] = {
#define X(name, text) #name,
	NTH_KINDS(X)
#undef X
};

static const char *const role_names[] = {
#define X(name) #name,
	NTH_ROLES(X)
#undef X
};

static bool within(const struct range *r, const void *at)
{
	return (uintptr_t)at >= r->from && (uintptr_t)at < r->to;
}

/* --- what is told --- */

/* "program+0x1234", which addr2line understands. */
static int place(char *buf, size_t size, const void *at)
{
	Dl_info info;
	const char *name;

	if (!dladdr(at, &info) || !info.dli_fname)
		return snprintf(buf, size, "?");
	name = strrchr(info.dli_fname, '/');
	return snprintf(buf, size, "%s+0x%lx", name ? name + 1 : info.dli_fname,
			(unsigned long)((uintptr_t)at - (uintptr_t)info.dli_fbase));
}

static void tell(enum nth_kind kind, const char *call, const char *what, const void *caller)
{
	char from[256];
	int saved = errno;

	place(from, sizeof from, (const char *)caller - 1);
	snprintf(shared->hit, sizeof shared->hit, "%s: %s(%s) of drover-%s %d at %s",
		 kind_names[kind], call, what, role_names[role], (int)getpid(), from);
	__atomic_add_fetch(&shared->hits, 1, __ATOMIC_SEQ_CST);
	errno = saved;
}

static void on_crash(int sig)
{
	void *frames[FRAMES];
	int n = backtrace(frames, FRAMES), at;
	char *text = shared->crash;

	if (__atomic_fetch_add(&shared->crashes, 1, __ATOMIC_SEQ_CST) == 0) {
		at = snprintf(text, NTH_TEXT, "drover-%s %d: signal %d at", role_names[role],
			      (int)getpid(), sig);
		for (int i = 1; i < n && at < NTH_TEXT - 300; i++) {
			text[at++] = ' ';
			at += place(text + at, (size_t)(NTH_TEXT - at), (char *)frames[i] - 1);
		}
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

/* --- the count --- */

/* Whether this call is the one that fails. */
static bool fails(enum nth_kind kind, const char *call, const char *what, const void *caller)
{
	uint64_t n;

	if (!shared || !__atomic_load_n(&shared->armed, __ATOMIC_SEQ_CST))
		return false;
	n = __atomic_add_fetch(&shared->counts[role][kind], 1, __ATOMIC_SEQ_CST);
	if (shared->role != role || shared->kind != kind || shared->n != n)
		return false;
	tell(kind, call, what, caller);
	return true;
}

static const char *fd_name(int fd, char buf[256])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, buf, 255);
	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static bool fd_is(int fd, unsigned a, unsigned b)
{
	struct stat st;

	return fd != STDERR_FILENO && fstat(fd, &st) == 0 &&
	       ((st.st_mode & S_IFMT) == a || (st.st_mode & S_IFMT) == b);
}

/* Who has sent into a broken connection finds it broken. */
static bool breaks(const char *call, int fd, const char *name, const void *caller)
{
	if (!fails(NTH_epipe, call, name, caller))
		return false;
	shutdown(fd, SHUT_RDWR);
	return true;
}

/* The kernel says it for netlink and for sockets within the host, never for TCP. */
static bool may_lack_buffers(int fd)
{
	int domain = 0;
	socklen_t len = sizeof domain;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       (domain == AF_UNIX || domain == AF_NETLINK);
}

/* A write to a file may lack room or be bad, one to a pipe or socket may find nobody. 0 or errno.
 */
static int write_fails(const char *call, int fd, const void *caller)
{
	char name[256];

	if (!shared || !shared->armed)
		return 0;
	if (fd_is(fd, S_IFREG, S_IFREG)) {
		fd_name(fd, name);
		return fails(NTH_enospc, call, name, caller) ? ENOSPC
		       : fails(NTH_eio, call, name, caller)  ? EIO
							     : 0;
	}
	if (!fd_is(fd, S_IFIFO, S_IFSOCK))
		return 0;
	fd_name(fd, name);
	if (breaks(call, fd, name, caller))
		return EPIPE;
	return may_lack_buffers(fd) && fails(NTH_enobufs, call, name, caller) ? ENOBUFS : 0;
}

static bool fsync_fails(const char *call, int fd, const void *caller)
{
	char name[256];

	return shared && shared->armed && fails(NTH_fsync, call, fd_name(fd, name), caller);
}

/* Only what drover or a library that can bear it opens. */
static bool open_fails(const char *call, const char *what, const void *caller)
{
	if (!within(&program, caller) && !within(&ssh, caller) && !within(&sqlite, caller))
		return false;
	return fails(NTH_open, call, what, caller);
}

/* base/crash.h asks this one. */
PUBLIC bool drover_lab_memory_fails(void)
{
	return fails(NTH_memory, "mem_try", "", CALLER);
}

/* --- the calls --- */

#define REAL(name) \
	static __typeof__(&name) real; \
	if (!real) \
	real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define FAIL_WITH(code) \
	do { \
		errno = (code); \
		return -1; \
	} while (0)

#define WRITES(type, name, params, args) \
	PUBLIC type name params \
	{ \
		int failed = write_fails(#name, fd, CALLER); \
		REAL(name); \
		if (failed) \
			FAIL_WITH(failed); \
		return real args; \
	}

WRITES(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRITES(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
WRITES(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
WRITES(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
WRITES(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
WRITES(ssize_t, sendfile, (int fd, int in, off_t *at, size_t n), (fd, in, at, n))
WRITES(ssize_t, sendfile64, (int fd, int in, off64_t *at, size_t n), (fd, in, at, n))
WRITES(int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
WRITES(int, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))
WRITES(int, ftruncate, (int fd, off_t n), (fd, n))
WRITES(int, ftruncate64, (int fd, off64_t n), (fd, n))
WRITES(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
WRITES(ssize_t, sendmsg, (int fd, const struct msghdr *h, int flags), (fd, h, flags))

PUBLIC ssize_t sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to,
		      socklen_t to_len)
{
	int failed = write_fails("sendto", fd, CALLER);

	REAL(sendto);
	if (failed)
		FAIL_WITH(failed);
	return real(fd, p, n, flags, to, to_len);
}

#define SYNCS(name) \
	PUBLIC int name(int fd) \
	{ \
		REAL(name); \
		if (fsync_fails(#name, fd, CALLER)) \
			FAIL_WITH(EIO); \
		return real(fd); \
	}

SYNCS(fsync)
SYNCS(fdatasync)
SYNCS(syncfs)

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPENS(name) \
	PUBLIC int name(const char *path, int flags, ...) \
	{ \
		va_list args; \
		mode_t mode; \
		REAL(name); \
		va_start(args, flags); \
		mode = mode_of(flags, args); \
		va_end(args); \
		if (open_fails(#name, path, CALLER)) \
			FAIL_WITH(ENFILE); \
		return real(path, flags, mode); \
	}

#define OPENS_AT(name) \
	PUBLIC int name(int dir, const char *path, int flags, ...) \
	{ \
		va_list args; \
		mode_t mode; \
		REAL(name); \
		va_start(args, flags); \
		mode = mode_of(flags, args); \
		va_end(args); \
		if (open_fails(#name, path, CALLER)) \
			FAIL_WITH(ENFILE); \
		return real(dir, path, flags, mode); \
	}

OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

#define CALLS(type, bad, check, name, params, args, code) \
	PUBLIC type name params \
	{ \
		REAL(name); \
		if (check) { \
			errno = (code); \
			return bad; \
		} \
		return real args; \
	}

#define MAKES_FD(name, params, args) \
	CALLS(int, -1, open_fails(#name, "", CALLER), name, params, args, ENFILE)

/* What fortified programs call. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

CALLS(int, -1, open_fails("open", path, CALLER), __open_2, (const char *path, int flags),
      (path, flags), ENFILE)
CALLS(int, -1, open_fails("open", path, CALLER), __open64_2, (const char *path, int flags),
      (path, flags), ENFILE)
CALLS(int, -1, open_fails("openat", path, CALLER), __openat_2,
      (int dir, const char *path, int flags), (dir, path, flags), ENFILE)
CALLS(int, -1, open_fails("openat", path, CALLER), __openat64_2,
      (int dir, const char *path, int flags), (dir, path, flags), ENFILE)
CALLS(FILE *, NULL, open_fails("fopen", path, CALLER), fopen, (const char *path, const char *mode),
      (path, mode), ENFILE)
CALLS(DIR *, NULL, open_fails("opendir", path, CALLER), opendir, (const char *path), (path), ENFILE)
MAKES_FD(pipe2, (int fds[2], int flags), (fds, flags))
MAKES_FD(socketpair, (int domain, int type, int protocol, int fds[2]),
	 (domain, type, protocol, fds))
MAKES_FD(socket, (int domain, int type, int protocol), (domain, type, protocol))
MAKES_FD(memfd_create, (const char *name, unsigned flags), (name, flags))
MAKES_FD(epoll_create1, (int flags), (flags))
MAKES_FD(accept4, (int fd, struct sockaddr *a, socklen_t *len, int flags), (fd, a, len, flags))
MAKES_FD(pidfd_open, (pid_t pid, unsigned flags), (pid, flags))

CALLS(int, -1, fails(NTH_mkdir, "mkdir", path, CALLER), mkdir, (const char *path, mode_t mode),
      (path, mode), EIO)
CALLS(int, -1, fails(NTH_mkdir, "mkdirat", path, CALLER), mkdirat,
      (int dir, const char *path, mode_t mode), (dir, path, mode), EIO)
CALLS(int, -1, fails(NTH_rename, "rename", to, CALLER), rename, (const char *from, const char *to),
      (from, to), EIO)
CALLS(int, -1, fails(NTH_rename, "renameat", to, CALLER), renameat,
      (int a, const char *from, int b, const char *to), (a, from, b, to), EIO)
CALLS(int, -1, fails(NTH_rename, "renameat2", to, CALLER), renameat2,
      (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags),
      EIO)
CALLS(int, -1, fails(NTH_mount, "mount", at, CALLER), mount,
      (const char *what, const char *at, const char *type, unsigned long flags, const void *data),
      (what, at, type, flags, data), ENOMEM)
CALLS(int, -1, fails(NTH_mount, "umount2", at, CALLER), umount2, (const char *at, int flags),
      (at, flags), ENOMEM)
CALLS(int, -1, fails(NTH_mount, "fsmount", "", CALLER), fsmount,
      (int fd, unsigned flags, unsigned attr), (fd, flags, attr), ENOMEM)
CALLS(pid_t, -1, fails(NTH_fork, "fork", "", CALLER), fork, (void), (), EAGAIN)

/* drover tries a clone3 that may not enter its cgroup again without: both are one start. */
static bool clone_fails(const struct clone_args *args, const void *caller)
{
	static __thread bool again;

	if (again && !(args->flags & CLONE_INTO_CGROUP)) {
		again = false;
		return true;
	}
	again = false;
	if (!fails(NTH_fork, "clone3", "", caller))
		return false;
	again = args->flags & CLONE_INTO_CGROUP;
	return true;
}

PUBLIC long syscall(long number, ...)
{
	long a[6];
	va_list args;

	REAL(syscall);
	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_clone3 && clone_fails((const struct clone_args *)a[0], CALLER))
		FAIL_WITH(EAGAIN);
	if (number == SYS_openat2 && open_fails("openat2", (const char *)a[1], CALLER))
		FAIL_WITH(ENFILE);
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* What msgpack takes for what it decodes. glibc has its own under this name. */
void *__libc_malloc(size_t size);

PUBLIC void *malloc(size_t size)
{
	if (shared && within(&msgpack, CALLER) && fails(NTH_memory, "malloc", "", CALLER)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(size);
}

/* --- who is it --- */

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool role_find(const char *path, enum nth_role *ret)
{
	const char *name = base_of(path);

	for (int i = 0; i < NTH_ROLE_COUNT; i++)
		if (!strncmp(name, "drover-", 7) && !strcmp(name + 7, role_names[i])) {
			*ret = (enum nth_role)i;
			return true;
		}
	return false;
}

/* drover's own programs get what this one was given. Between fork and exec: no memory is taken. */
PUBLIC int execve(const char *path, char *const argv[], char *const env[])
{
	char *more[64];
	enum nth_role other;
	size_t n = 0;

	REAL(execve);
	if (!shared || (strcmp(path, "/proc/self/exe") != 0 && !role_find(path, &other)))
		return real(path, argv, env);
	for (; env[n] && n < 59; n++)
		more[n] = env[n];
	for (size_t i = 0; i < n_kept; i++)
		more[n++] = kept[i];
	more[n] = NULL;
	return real(path, argv, more);
}

static int find_range(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct range *r = !info->dlpi_name[0]                      ? &program
			  : strstr(info->dlpi_name, "libmsgpack")  ? &msgpack
			  : strstr(info->dlpi_name, "libssh2")     ? &ssh
			  : strstr(info->dlpi_name, "libsqlite3.") ? &sqlite
								   : NULL;

	(void)size;
	(void)arg;
	for (int i = 0; r && i < info->dlpi_phnum; i++) {
		uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		if (!r->from || from < r->from)
			r->from = from;
		if (from + info->dlpi_phdr[i].p_memsz > r->to)
			r->to = from + info->dlpi_phdr[i].p_memsz;
	}
	return 0;
}

static void keep(const char *name)
{
	const char *value = getenv(name);

	if (value)
		snprintf(kept[n_kept++], sizeof kept[0], "%s=%s", name, value);
}

static void watch_signals(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGPIPE, SIGSYS};
	struct sigaction sa = {.sa_handler = on_crash};
	void *warm[2];

	backtrace(warm, 2); /* takes memory the first time */
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaction(signals[i], &sa, NULL);
}

__attribute__((constructor)) static void start(void)
{
	const char *file = getenv("DROVER_NTH");
	char exe[512];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	void *map;
	int fd;

	exe[n < 0 ? 0 : n] = '\0';
	if (!file || !role_find(exe, &role))
		return;
	fd = open(file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(struct nth), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return;
	dl_iterate_phdr(find_range, NULL);
	keep("LD_PRELOAD");
	keep("DROVER_NTH");
	keep("ASAN_OPTIONS");
	keep("UBSAN_OPTIONS");
	shared = map;
	watch_signals();
}
