/* SPDX-License-Identifier: MPL-2.0
 *
 * A container's control group is found through its process, frozen, thawed, measured, looked into
 * and ended: on the real cgroup tree, in a group that is removed whatever happens. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/freezer.h"
#include "runtime/run.h"
#include "runtime/sockets.h"
#include "runtime/tasks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

static char top[64], group[128];

#define ok(call) \
	do { \
		struct err err = {0}; \
		if ((call) < 0) \
			fail_msg("%s", err.text); \
	} while (0)

/* A child in the group that does what body says and stops itself when it is ready. */
static pid_t child_in(const char *cgroup, void (*body)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (file_poke(AT_FDCWD, cgroup, "0") < 0)
			_exit(1);
		body();
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	return pid;
}

static void count_for_ever(void)
{
	volatile uint64_t *n =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	raise(SIGSTOP);
	for (;;)
		++*n;
}

static void nothing(void)
{
}

static pid_t start(void (*body)(void))
{
	char procs[160];

	str_fmt(procs, sizeof(procs), "%s/cgroup.procs", group);
	return child_in(procs, body);
}

static int set_up(void **state)
{
	static const char *const tops[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	char procs[96];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tops) && !top[0]; i++) {
		str_fmt(procs, sizeof(procs), "%s/cgroup.procs", tops[i]);
		if (geteuid() == 0 && access(procs, W_OK) == 0)
			str_copy(top, sizeof(top), tops[i]);
	}
	if (!top[0])
		return 0;
	str_fmt(group, sizeof(group), "%s/drover-test-%d", top, (int)getpid());
	return mkdir(group, 0755);
}

static int clean_up(void **state)
{
	auto_cgroup struct cgroup c = {.dir = -1};

	(void)state;
	if (!group[0])
		return 0;
	if (cgroup_open_path(group, &c, NULL) == 0)
		cgroup_kill(&c, 2000, NULL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return cgroup_remove(group, NULL);
}

static uint64_t ticks(pid_t pid)
{
	char path[64], line[1024];
	unsigned long long user = 0, sys = 0;

	str_fmt(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file_read_line(AT_FDCWD, path, line, sizeof(line));
	sscanf(strrchr(line, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
	       &user, &sys);
	return user + sys;
}

static void a_frozen_group_does_not_run(void **state)
{
	auto_cgroup struct cgroup c = {.dir = -1};
	struct cgroup_usage u;
	uint64_t before;
	pid_t pid;

	(void)state;
	if (!top[0])
		skip();
	pid = start(count_for_ever);
	ok(cgroup_open(pid, NULL, &c, &err));
	assert_string_equal(c.path, group);
	assert_int_equal(freezer_is_frozen(&c), 0);
	for (int i = 0; i < 20; i++) {
		ok(freezer_freeze(&c, 1000, &err));
		assert_int_equal(freezer_is_frozen(&c), 1);
		ok(freezer_freeze(&c, 1000, &err));
		ok(freezer_thaw(&c, 1000, &err));
		assert_int_equal(freezer_is_frozen(&c), 0);
	}
	ok(freezer_freeze(&c, 1000, &err));
	before = ticks(pid);
	poll(NULL, 0, 100);
	assert_int_equal(ticks(pid), before);
	ok(freezer_thaw(&c, 1000, &err));
	poll(NULL, 0, 200);
	assert_true(ticks(pid) > before);
	/* However busy the machine is, it gets so much in the end. */
	do {
		poll(NULL, 0, 20);
		ok(cgroup_usage(&c, &u, &err));
	} while (u.cpu_us <= 50000);
	assert_int_equal(u.processes, 1);
	assert_true(u.rss_bytes > 0);
	ok(cgroup_kill(&c, 2000, &err));
	waitpid(pid, NULL, 0);
}

static void a_frozen_group_can_be_killed(void **state)
{
	auto_cgroup struct cgroup c = {.dir = -1};
	pid_t pids[8], list[8];

	(void)state;
	if (!top[0])
		skip();
	for (size_t i = 0; i < ARRAY_LEN(pids); i++)
		pids[i] = start(nothing);
	ok(cgroup_open_path(group, &c, &err));
	assert_int_equal(cgroup_pids(&c, list, 3), 8);
	ok(freezer_freeze(&c, 1000, &err));
	ok(cgroup_kill(&c, 2000, &err));
	assert_int_equal(cgroup_pids(&c, NULL, 0), 0);
	ok(cgroup_kill(&c, 2000, &err));
	ok(freezer_thaw(&c, 1000, &err));
	for (size_t i = 0; i < ARRAY_LEN(pids); i++)
		waitpid(pids[i], NULL, 0);
}

static void groups_inside_belong_to_the_container(void **state)
{
	auto_cgroup struct cgroup c = {.dir = -1};
	char sub[160], procs[200], name[64];
	pid_t pid, list[4];

	(void)state;
	if (!top[0])
		skip();
	str_fmt(sub, sizeof(sub), "%s/init.scope", group);
	str_fmt(procs, sizeof(procs), "%s/cgroup.procs", sub);
	str_fmt(name, sizeof(name), "/drover-test-%d", (int)getpid());
	assert_int_equal(mkdir(sub, 0755), 0);
	pid = child_in(procs, nothing);
	ok(cgroup_open(pid, name, &c, &err));
	assert_string_equal(c.path, group);
	assert_int_equal(cgroup_pids(&c, list, 4), 1);
	assert_int_equal(list[0], pid);
	ok(freezer_freeze(&c, 1000, &err));
	ok(cgroup_kill(&c, 2000, &err));
	ok(freezer_thaw(&c, 1000, &err));
	cgroup_done(&c);
	waitpid(pid, NULL, 0);
	assert_int_equal(rmdir(sub), 0);
}

static void our_own_group_and_the_root_are_refused(void **state)
{
	auto_cgroup struct cgroup c = {.dir = -1};
	struct err err;

	(void)state;
	if (!top[0])
		skip();
	assert_int_equal(cgroup_open(getpid(), NULL, &c, &err), -ERR_refused);
	assert_int_equal(cgroup_open_path(top, &c, &err), -ERR_refused);
	assert_int_equal(cgroup_open_path("/tmp", &c, &err), -ERR_refused);
	assert_int_equal(cgroup_open_path("/sys/fs/cgroup/../cgroup", &c, &err), -ERR_invalid);
	assert_int_equal(cgroup_open_path("/sys/fs/cgroup/unified/no-such-group", &c, &err),
			 -ERR_nosuch);
	assert_int_equal(cgroup_open(0x3fffffff, NULL, &c, &err), -ERR_nosuch);
}

static void a_group_that_is_gone_is_no_error(void **state)
{
	auto_cgroup struct cgroup c = {.dir = -1};
	char path[160];
	struct err err;

	(void)state;
	if (!top[0])
		skip();
	str_fmt(path, sizeof(path), "%s/gone", group);
	assert_int_equal(mkdir(path, 0755), 0);
	ok(cgroup_open_path(path, &c, &err));
	ok(cgroup_remove(path, &err));
	ok(cgroup_remove(path, &err));
	assert_int_equal(freezer_is_frozen(&c), -ERR_nosuch);
	assert_int_equal(freezer_freeze(&c, 100, &err), -ERR_nosuch);
	ok(freezer_thaw(&c, 100, &err));
	ok(cgroup_kill(&c, 100, &err));
	assert_int_equal(cgroup_pids(&c, NULL, 0), 0);
}

static void version_1_works_too(void **state)
{
	auto_cgroup struct cgroup c = {.dir = -1};
	char path[128], procs[160];
	pid_t pid;

	(void)state;
	str_fmt(path, sizeof(path), "/sys/fs/cgroup/freezer/drover-test-%d", (int)getpid());
	str_fmt(procs, sizeof(procs), "%s/cgroup.procs", path);
	if (geteuid() != 0 || mkdir(path, 0755) < 0)
		skip();
	pid = child_in(procs, count_for_ever);
	ok(cgroup_open(pid, NULL, &c, &err));
	assert_int_equal(c.version, 1);
	assert_string_equal(c.path, path);
	ok(freezer_freeze(&c, 1000, &err));
	assert_int_equal(freezer_is_frozen(&c), 1);
	ok(freezer_thaw(&c, 1000, &err));
	assert_int_equal(freezer_is_frozen(&c), 0);
	ok(freezer_freeze(&c, 1000, &err));
	ok(freezer_thaw_task(pid, NULL, 1000, &err));
	assert_int_equal(freezer_is_frozen(&c), 0);
	ok(freezer_freeze(&c, 1000, &err));
	ok(cgroup_kill(&c, 2000, &err));
	waitpid(pid, NULL, 0);
	ok(cgroup_remove(path, &err));
}

/* ---- what tasks hold ---- */

static int *rings; /* shared with the child */
static struct sockaddr_un outside = {.sun_family = AF_UNIX};

static void hold_things(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4242)};
	struct sockaddr_in to = in;
	int listener, one, pair[2];

	unshare(CLONE_NEWNET);
	struct run_spec up = {.argv = (const char *const[]){"ip", "link", "set", "lo", "up", NULL}};
	struct run_result r;

	run_sync(&up, &r, NULL);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	bind(listener, (struct sockaddr *)&in, sizeof(in));
	listen(listener, 4);
	one = socket(AF_INET, SOCK_STREAM, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(one, (struct sockaddr *)&to, sizeof(to)) < 0)
		_exit(2);
	inotify_init();
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	open("/dev/ptmx", O_RDWR | O_NOCTTY);
	one = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	fcntl(one, F_SETLK, &(struct flock){.l_type = F_WRLCK});
	*rings = syscall(SYS_io_uring_setup, 4, (char[120]){0}) >= 0;
	one = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(one, (struct sockaddr *)&outside, sizeof(outside)) < 0)
		_exit(3);
}

static void what_tasks_hold_is_seen(void **state)
{
	auto_cgroup struct cgroup c = {.dir = -1};
	auto_close int listener = -1, peer = -1;
	struct tasks_facts f;
	pid_t pid;

	(void)state;
	if (!top[0])
		skip();
	str_fmt(outside.sun_path, sizeof(outside.sun_path), "/tmp/drover-test-%d", (int)getpid());
	rings = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&outside, sizeof(outside)), 0);
	assert_int_equal(listen(listener, 1), 0);
	pid = start(hold_things);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	unlink(outside.sun_path);
	ok(cgroup_open_path(group, &c, &err));
	ok(tasks_read(&c, pid, NULL, &f, &err));
	assert_int_equal(f.processes, 1);
	assert_int_equal(f.threads, 1);
	assert_true(f.rss_bytes > 4096);
	assert_true(f.own[CENSUS_net]);
	assert_int_equal(f.foreign[CENSUS_net], 0);
	assert_int_equal(f.external_unix, 1);
	assert_int_equal(f.n_external_names, 1);
	assert_string_equal(f.external_names[0], outside.sun_path);
	assert_int_equal(f.io_uring, *rings); /* the kernel may forbid them */
	assert_int_equal(f.inotify, 1);
	assert_int_equal(f.file_locks, 1);
	assert_int_equal(f.tcp_established, 2); /* both ends of a loopback connection */
	assert_int_equal(f.inet_sockets, 3);
	assert_int_equal(f.n_listening, 1);
	assert_string_equal(f.listening[0], "tcp 0.0.0.0:4242");
	ok(cgroup_kill(&c, 2000, &err));
	waitpid(pid, NULL, 0);
}

#if defined(__x86_64__)
/* futex (address, FUTEX_WAIT, value, NULL), called from a page of memory as CRIU's restorer does.
 */
static void waits_as_restored(void)
{
	static const unsigned char code[] = {0x49, 0x89,      0xca,       /* mov r10, rcx */
					     0xb8, SYS_futex, 0,    0, 0, /* mov eax, … */
					     0x0f, 0x05,      0xc3};      /* syscall; ret */
	static uint32_t word;
	unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long (*wait)(uint32_t *, int, uint32_t, void *);

	if (page == MAP_FAILED)
		_exit(3);
	memcpy(page, code, sizeof(code));
	memcpy(&wait, &page, sizeof(wait));
	wait(&word, 0, 0, NULL);
}

static void waits_by_itself(void)
{
	static uint32_t word;

	syscall(SYS_futex, &word, 0, 0, NULL);
}

static bool is_parked(void (*body)(void))
{
	bool parked = false;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body();
		_exit(0);
	}
	for (int i = 0; i < 50 && !parked; i++) {
		parked = task_is_parked(pid);
		poll(NULL, 0, 10);
	}
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return parked;
}

static void a_task_that_was_never_let_go_is_seen(void **state)
{
	(void)state;
	assert_true(is_parked(waits_as_restored));
	assert_false(is_parked(waits_by_itself));
	assert_false(task_is_parked(getpid()));
}
#endif

static void socket_lines_are_read(void **state)
{
	struct inet_socket s;

	(void)state;
	assert_true(
		socket_parse("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 "
			     "00000000     0        0 12345 1 0000000000000000 100 0 0 10 0\n",
			     &s));
	assert_string_equal(s.local, "127.0.0.1:8080");
	assert_int_equal(s.state, SOCKET_LISTEN);
	assert_int_equal(s.inode, 12345);
	assert_true(socket_parse("  12: 00000000000000000000000001000000:0016 "
				 "00000000000000000000000000000000:0000 01 00000000:00000000 "
				 "00:00000000 00000000  1000        0 77 1 0 20 4 30 10 -1\n",
				 &s));
	assert_string_equal(s.local, "[::1]:22");
	assert_int_equal(s.state, SOCKET_ESTABLISHED);
	assert_false(
		socket_parse("  sl  local_address rem_address   st tx_queue rx_queue tr\n", &s));
	assert_false(socket_parse("", &s));
	assert_false(socket_parse("   0: 0100007F 00000000:0000 0A", &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frozen_group_does_not_run),
		cmocka_unit_test(a_frozen_group_can_be_killed),
		cmocka_unit_test(groups_inside_belong_to_the_container),
		cmocka_unit_test(our_own_group_and_the_root_are_refused),
		cmocka_unit_test(a_group_that_is_gone_is_no_error),
		cmocka_unit_test(version_1_works_too),
		cmocka_unit_test(what_tasks_hold_is_seen),
#if defined(__x86_64__)
		cmocka_unit_test(a_task_that_was_never_let_go_is_seen),
#endif
		cmocka_unit_test(socket_lines_are_read),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
