/* SPDX-License-Identifier: MPL-2.0
 *
 * Children end when they should, give back what they wrote, get what they are given, and nothing
 * more. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SH(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})

static struct run_result go(struct run_spec spec)
{
	struct run_result r;
	struct err err = {0};

	if (!spec.timeout_ms)
		spec.timeout_ms = 20000;
	if (run_sync(&spec, &r, &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

static void exit_codes_and_signals_are_told_apart(void **state)
{
	struct run_result r = go((struct run_spec){.argv = SH("exit 7")});
	struct err err = {0};

	(void)state;
	assert_int_equal(r.exit_code, 7);
	assert_int_equal(r.signal, 0);
	assert_null(r.out);
	assert_int_equal(run_check(&r, "sh", &err), -ERR_child);
	assert_string_equal(err.text, "sh: exit code 7");
	r = go((struct run_spec){.argv = SH("kill -TERM $$")});
	assert_int_equal(r.exit_code, -1);
	assert_int_equal(r.signal, SIGTERM);
	assert_true(r.duration_us > 0);
}

static void output_is_kept_up_to_its_limit_and_never_blocks(void **state)
{
	struct run_result r = go(
		(struct run_spec){.argv = SH("printf abcdef; printf oops >&2"), .stdout_max = 100});

	(void)state;
	assert_string_equal(r.out, "abcdef");
	assert_int_equal(r.out_len, 6);
	assert_false(r.out_cut);
	assert_string_equal(r.err_tail, "oops");
	run_result_done(&r);
	r = go((struct run_spec){.argv = SH("head -c 3000000 /dev/zero"), .stdout_max = 1000000});
	assert_int_equal(r.out_len, 1000000);
	assert_true(r.out_cut);
	assert_int_equal(r.exit_code, 0);
	run_result_done(&r);
}

static void the_end_of_stderr_is_kept(void **state)
{
	struct run_result r = go((struct run_spec){
		.argv = SH("i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done")});
	char line[64];

	(void)state;
	assert_int_equal(strlen(r.err_tail), RUN_STDERR_TAIL);
	assert_string_equal(run_last_line(&r, line, sizeof(line)), "line 2999");
}

static void runtimes_log_lines_are_reduced_to_their_message(void **state)
{
	struct run_result r = {0};
	char line[128];

	(void)state;
	str_copy(r.err_tail, sizeof(r.err_tail),
		 "x\n{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\",\"time\":\"t\"}\n");
	assert_string_equal(run_last_line(&r, line, sizeof(line)), "a \"b\"");
	str_copy(r.err_tail, sizeof(r.err_tail),
		 "time=\"2026-11-24T10:37:24Z\" level=error msg=\"container does not exist\"\n");
	assert_string_equal(run_last_line(&r, line, sizeof(line)), "container does not exist");
}

static void stdin_is_a_copy_or_nothing(void **state)
{
	struct run_result r = go((struct run_spec){
		.argv = SH("cat"), .stdin_data = "hello", .stdin_len = 5, .stdout_max = 100});

	(void)state;
	assert_string_equal(r.out, "hello");
	run_result_done(&r);
	r = go((struct run_spec){.argv = SH("cat; echo end"), .stdout_max = 100});
	assert_string_equal(r.out, "end\n");
	run_result_done(&r);
}

static void a_late_child_is_killed_with_its_session(void **state)
{
	uint64_t start = clock_mono_ms();
	struct run_result r = go((struct run_spec){.argv = SH("sleep 60 & echo $!; wait"),
						   .stdout_max = 100,
						   .timeout_ms = 200,
						   .new_session = true});
	struct err err = {0};
	pid_t pid = (pid_t)atoi(r.out);

	(void)state;
	assert_true(r.timed_out);
	assert_int_equal(r.signal, SIGKILL);
	assert_true(clock_mono_ms() - start < 5000);
	assert_int_equal(run_check(&r, "sh", &err), -ERR_timeout);
	assert_true(pid > 1);
	for (int i = 0; i < 100 && kill(pid, 0) == 0; i++) {
		char path[64], line[256] = "";

		/* Whoever inherits it has to reap it; a zombie is dead enough. */
		str_fmt(path, sizeof(path), "/proc/%d/stat", (int)pid);
		file_read_line(AT_FDCWD, path, line, sizeof(line));
		if (strstr(line, ") Z"))
			break;
		poll(NULL, 0, 10);
		assert_int_not_equal(i, 99);
	}
	run_result_done(&r);
}

static void a_grandchild_with_our_pipe_does_not_hold_us(void **state)
{
	uint64_t start = clock_mono_ms();
	struct run_result r = go((struct run_spec){
		.argv = SH("sleep 5 & echo started"), .stdout_max = 100, .new_session = true});

	(void)state;
	assert_string_equal(r.out, "started\n");
	assert_true(clock_mono_ms() - start < 3000);
	kill(-r.pid, SIGKILL);
	run_result_done(&r);
}

static void detached_output_is_files_only(void **state)
{
	struct run_result r = go((struct run_spec){
		.argv = SH(
			"x=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo \"$x\" >&2"),
		.detached_output = true});

	(void)state;
	assert_non_null(strstr(r.err_tail, "/dev/null\n/dev/null\n/memfd:drover-stderr"));
}

static void only_given_descriptors_reach_the_child(void **state)
{
	int fds[2];
	struct run_fd map[2];
	struct run_result r;
	char buf[8] = "";

	(void)state;
	assert_int_equal(pipe(fds), 0); /* not close-on-exec */
	map[0] = (struct run_fd){fds[1], 3};
	map[1] = (struct run_fd){fds[0], 4};
	r = go((struct run_spec){.argv = SH("echo hi >&3; ls /proc/self/fd | tr '\\n' ' '"),
				 .stdout_max = 100,
				 .fds = map,
				 .n_fds = 2});
	/* 5 is ls's own look at the directory. */
	assert_string_equal(r.out, "0 1 2 3 4 5 ");
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "hi\n", 3);
	run_result_done(&r);
	r = go((struct run_spec){.argv = SH("ls /proc/self/fd | tr '\\n' ' '"), .stdout_max = 100});
	assert_string_equal(r.out, "0 1 2 3 ");
	run_result_done(&r);
	close(fds[0]);
	close(fds[1]);
}

static void swapped_descriptors_are_not_lost(void **state)
{
	int a[2], b[2];
	struct run_fd map[2];
	struct run_result r;
	char buf[8] = "";

	(void)state;
	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	map[0] = (struct run_fd){a[1], b[1]};
	map[1] = (struct run_fd){b[1], a[1]};
	if (a[1] > 9 || b[1] > 9)
		skip(); /* sh knows single digits only */
	{
		char *script = str_new("echo A >&%d; echo B >&%d", b[1], a[1]);

		r = go((struct run_spec){.argv = SH(script), .fds = map, .n_fds = 2});
		free(script);
	}
	assert_int_equal(r.exit_code, 0);
	assert_int_equal(read(a[0], buf, sizeof(buf)), 2);
	assert_memory_equal(buf, "A\n", 2);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static void environment_and_signals_are_clean(void **state)
{
	struct run_result r;
	sigset_t set;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = go((struct run_spec){
		.argv = SH("env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort; "
			   "grep -E 'SigBlk|SigIgn' /proc/self/status; pwd"),
		.stdout_max = 1000});
	assert_string_equal(r.out, "LANG=C.UTF-8\nPATH=" RUN_PATH
				   "\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n/\n");
	run_result_done(&r);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void ids_are_dropped(void **state)
{
	struct run_result r;

	(void)state;
	if (geteuid() != 0)
		skip();
	r = go((struct run_spec){
		.argv = SH("id -u; id -g; id -G"), .uid = 65534, .gid = 65534, .stdout_max = 100});
	assert_string_equal(r.out, "65534\n65534\n65534\n");
	run_result_done(&r);
}

static void the_group_of_runtimes_is_not_ours(void **state)
{
	struct run_result r;

	(void)state;
	if (geteuid() != 0 || (access("/sys/fs/cgroup/unified/cgroup.procs", W_OK) < 0 &&
			       access("/sys/fs/cgroup/cgroup.procs", W_OK) < 0))
		skip();
	r = go((struct run_spec){.argv = SH("cat /proc/self/cgroup"),
				 .cgroup = "drover-test-run",
				 .stdout_max = 4000});
	assert_non_null(strstr(r.out, "0::/drover-test-run\n"));
	run_result_done(&r);
	rmdir("/sys/fs/cgroup/unified/drover-test-run");
	rmdir("/sys/fs/cgroup/systemd/drover-test-run");
	rmdir("/sys/fs/cgroup/drover-test-run");
}

static void what_cannot_start_says_so(void **state)
{
	const char *const none[] = {"drover-no-such-program", NULL};
	const char *const not_a_program[] = {"/etc/passwd", NULL};
	struct run_spec spec = {.argv = none};
	struct run *run = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(run_start(&spec, 1, &run, &err), -ERR_nosuch);
	assert_null(run);
	spec.argv = not_a_program;
	assert_int_equal(run_start(&spec, 1, &run, &err), -ERR_nosuch);
	spec.argv = SH("true");
	spec.cwd = "/no/such/dir";
	assert_int_equal(run_start(&spec, 1, &run, &err), -ERR_child);
	spec.cwd = NULL;
	spec.argv = NULL;
	assert_int_equal(run_start(&spec, 1, &run, &err), -ERR_invalid);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing unreaped */
}

static void free_kills_what_runs(void **state)
{
	struct run_spec spec = {.argv = SH("exec sleep 60")};
	struct run *run;
	struct err err;
	pid_t pid;

	(void)state;
	assert_int_equal(run_start(&spec, clock_mono_ms(), &run, &err), 0);
	pid = run_result(run)->pid;
	assert_int_equal(run_step(run, clock_mono_ms()), 0);
	assert_true(run_deadline_ms(run) == UINT64_MAX);
	run_free(&run);
	assert_null(run);
	assert_int_equal(kill(pid, 0), -1);
	run_free(&run);
}

static void a_list_stops_at_the_first_failure_that_counts(void **state)
{
	auto_cmds struct run_cmds cmds = {0};
	struct run_cmd *c;
	struct err err;

	(void)state;
	c = run_cmds_add(&cmds, NULL, true);
	argv_add(&c->argv, "false");
	c = run_cmds_add(&cmds, str_dup("x"), false);
	argv_add(&c->argv, "grep");
	argv_add(&c->argv, "-q");
	argv_addf(&c->argv, "%s", "x");
	assert_int_equal(run_cmds_sync(&cmds, &err), 0);
	c = run_cmds_add(&cmds, NULL, false);
	argv_add(&c->argv, "false");
	assert_int_equal(run_cmds_sync(&cmds, &err), -ERR_child);
}

static void too_long_command_lines_are_refused(void **state)
{
	auto_argv struct run_argv argv = {0};

	(void)state;
	for (int i = 0; i < RUN_ARGV_MAX; i++)
		argv_add(&argv, "x");
	assert_false(argv.bad);
	argv_add(&argv, "y");
	assert_true(argv.bad);
	assert_null(argv.v[RUN_ARGV_MAX]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_and_signals_are_told_apart),
		cmocka_unit_test(output_is_kept_up_to_its_limit_and_never_blocks),
		cmocka_unit_test(the_end_of_stderr_is_kept),
		cmocka_unit_test(runtimes_log_lines_are_reduced_to_their_message),
		cmocka_unit_test(stdin_is_a_copy_or_nothing),
		cmocka_unit_test(a_late_child_is_killed_with_its_session),
		cmocka_unit_test(a_grandchild_with_our_pipe_does_not_hold_us),
		cmocka_unit_test(detached_output_is_files_only),
		cmocka_unit_test(only_given_descriptors_reach_the_child),
		cmocka_unit_test(swapped_descriptors_are_not_lost),
		cmocka_unit_test(environment_and_signals_are_clean),
		cmocka_unit_test(ids_are_dropped),
		cmocka_unit_test(the_group_of_runtimes_is_not_ours),
		cmocka_unit_test(what_cannot_start_says_so),
		cmocka_unit_test(free_kills_what_runs),
		cmocka_unit_test(a_list_stops_at_the_first_failure_that_counts),
		cmocka_unit_test(too_long_command_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
