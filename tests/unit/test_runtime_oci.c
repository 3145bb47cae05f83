/* SPDX-License-Identifier: MPL-2.0
 *
 * Requests become the command lines that runc and crun take; what they print becomes facts. The
 * outputs are those of runc 1.3.6 and crun 1.28 (Debian forky). */
#include "base/mem.h"
#include "base/str.h"
#include "runtime/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char *line_of(const char *name, enum runtime_op op, const struct runtime_request *request)
{
	const struct runtime_driver *d = runtime_find(name);
	auto_argv struct run_argv argv = {0};
	struct err err = {0};
	char *line = str_dup("");

	if (d->argv(d, op, request, &argv, &err) < 0) {
		free(line);
		return str_new("-%s", err_name(err.code));
	}
	for (size_t i = 0; i < argv.n; i++) {
		char *longer = str_new("%s%s%s", line, i ? " " : "", argv.v[i]);

		free(line);
		line = longer;
	}
	return line;
}

#define assert_line(name, op, expected, ...) \
	do { \
		struct runtime_request request = {__VA_ARGS__}; \
		auto_free char *line = line_of(name, op, &request); \
		assert_string_equal(line, expected); \
	} while (0)

static void requests_become_command_lines(void **state)
{
	(void)state;
	assert_line("runc", RUNTIME_VERSION, "runc --version", .id = NULL);
	assert_line("crun", RUNTIME_LIST, "crun --root /run/x list --format json",
		    .root = "/run/x");
	assert_line("runc", RUNTIME_STATE, "runc state ct-1", .id = "ct-1");
	assert_line("runc", RUNTIME_CHECKPOINT,
		    "runc checkpoint --image-path /i/2 --work-path /w --parent-path ../1 "
		    "--leave-running --tcp-established --file-locks --ext-unix-sk ct",
		    .id = "ct", .image_dir = "/i/2", .work_dir = "/w", .parent = "../1",
		    .leave_running = true, .tcp_established = true, .file_locks = true,
		    .ext_unix_sk = true, .bundle = "/b", .detach = true, .force = true);
	assert_line("crun", RUNTIME_CHECKPOINT,
		    "crun checkpoint --image-path /i/1 --work-path /w --pre-dump ct", .id = "ct",
		    .image_dir = "/i/1", .work_dir = "/w", .pre_dump = true);
	assert_line("crun", RUNTIME_RESTORE,
		    "crun --log /l restore --image-path /i --work-path /w --tcp-established "
		    "--bundle /b --pid-file /p --detach ct",
		    .id = "ct", .log = "/l", .image_dir = "/i", .work_dir = "/w", .bundle = "/b",
		    .pid_file = "/p", .tcp_established = true, .detach = true,
		    .leave_running = true);
	assert_line("runc", RUNTIME_CREATE, "runc --log /l create --bundle /b ct", .id = "ct",
		    .log = "/l", .bundle = "/b", .image_dir = "/i", .detach = true);
	assert_line("crun", RUNTIME_START, "crun start ct", .id = "ct", .bundle = "/b");
	assert_line("runc", RUNTIME_PAUSE, "runc pause ct", .id = "ct");
	assert_line("runc", RUNTIME_RESUME, "runc resume ct", .id = "ct");
	assert_line("runc", RUNTIME_KILL, "runc kill ct 9", .id = "ct", .signal = 9);
	assert_line("crun", RUNTIME_DELETE, "crun delete --force ct", .id = "ct", .force = true);
}

static void nothing_unchecked_enters_a_command_line(void **state)
{
	(void)state;
	assert_line("runc", RUNTIME_STATE, "-invalid", .id = "--help");
	assert_line("runc", RUNTIME_STATE, "-invalid", .id = "a/b");
	assert_line("runc", RUNTIME_STATE, "-invalid", .id = NULL);
	assert_line("runc", RUNTIME_CHECKPOINT, "-invalid", .id = "a", .image_dir = "relative");
	assert_line("runc", RUNTIME_CHECKPOINT, "-invalid", .id = "a", .image_dir = "/a/../b");
	assert_line("runc", RUNTIME_CHECKPOINT, "-invalid", .id = "a", .parent = "/i/1");
	assert_line("runc", RUNTIME_CHECKPOINT, "-invalid", .id = "a", .parent = "../../x");
	assert_line("runc", RUNTIME_LIST, "-invalid", .root = "x");
}

static void versions_are_read(void **state)
{
	const struct runtime_driver *runc = runtime_find("runc"), *crun = runtime_find("crun");
	struct runtime_version v;
	struct err err;

	(void)state;
	assert_int_equal(runc->parse_version("runc version 1.3.6+ds1\ncommit: 1.3.6+ds1-1\n"
					     "spec: 1.2.1\ngo: go1.26.5\nlibseccomp: 2.6.1\n",
					     &v, &err),
			 0);
	assert_string_equal(v.version, "1.3.6+ds1");
	assert_int_equal(v.number, 10306);
	assert_true(v.criu);
	assert_int_equal(
		crun->parse_version("crun version 1.28\ncommit: "
				    "54f16ffbefcd022bf032af768b5c5ce075c18bfc\nrundir: /run/crun\n"
				    "spec: 1.0.0\n+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF "
				    "+CRIU +JSON_C\n",
				    &v, &err),
		0);
	assert_string_equal(v.version, "1.28");
	assert_int_equal(v.number, 12800);
	assert_true(v.criu);
	assert_int_equal(crun->parse_version("crun version 1.8.1\n+SYSTEMD +YAJL\n", &v, &err), 0);
	assert_false(v.criu);
	assert_int_equal(runc->parse_version("bash: runc: not found\n", &v, &err), -ERR_child);
}

static void lists_are_read(void **state)
{
	const struct runtime_driver *runc = runtime_find("runc"), *crun = runtime_find("crun");
	struct runtime_list l;
	struct err err;

	(void)state;
	assert_int_equal(
		runc->parse_list("[{\"ociVersion\":\"1.2.1\",\"id\":\"r1\",\"pid\":176,\"status\":"
				 "\"running\",\"bundle\":\"/var/lib/ct/r1\",\"rootfs\":"
				 "\"/var/lib/ct/r1/rootfs\",\"created\":"
				 "\"2026-11-24T10:37:24.015385769Z\",\"annotations\":{"
				 "\"drover.image\":\"base\"},\"owner\":\"root\"}]\n",
				 &l, &err),
		0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0].id, "r1");
	assert_string_equal(l.v[0].status, "running");
	assert_string_equal(l.v[0].bundle, "/var/lib/ct/r1");
	assert_string_equal(l.v[0].rootfs, "/var/lib/ct/r1/rootfs");
	assert_string_equal(l.v[0].created, "2026-11-24T10:37:24.015385769Z");
	assert_int_equal(l.v[0].pid, 176);
	runtime_list_done(&l);
	assert_int_equal(crun->parse_list("[\n  {\n    \"id\": \"c1\",\n    \"pid\": 202,\n    "
					  "\"status\": \"running\",\n    \"bundle\": "
					  "\"\\/var\\/lib\\/ct\\/c1\",\n    \"created\": "
					  "\"2026-11-24T10:37:24.046034Z\",\n    \"owner\": "
					  "\"root\"\n  }\n]",
					  &l, &err),
			 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0].bundle, "/var/lib/ct/c1");
	assert_string_equal(l.v[0].rootfs, "");
	runtime_list_done(&l);
	assert_int_equal(runc->parse_list("null", &l, &err), 0);
	assert_int_equal(l.n, 0);
	assert_int_equal(crun->parse_list("[]", &l, &err), 0);
	runtime_list_done(&l);
}

static void unusable_lists_are_errors_and_unusable_items_left_out(void **state)
{
	const struct runtime_driver *d = runtime_find("runc");
	struct runtime_list l;
	struct err err;

	(void)state;
	assert_int_equal(d->parse_list("", &l, &err), -ERR_child);
	assert_int_equal(d->parse_list("{}", &l, &err), -ERR_child);
	assert_int_equal(
		d->parse_list("[1, {\"id\": 5}, {\"id\": \"../x\", \"status\": \"running\"},"
			      "{\"id\": \"ok\", \"status\": \"paused\", \"pid\": -3}]",
			      &l, &err),
		0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0].id, "ok");
	assert_int_equal(l.v[0].pid, 0);
	runtime_list_done(&l);
}

static void states_are_read(void **state)
{
	struct runtime_container c;
	struct err err;

	(void)state;
	assert_int_equal(
		runtime_find("crun")->parse_state(
			"{\n  \"ociVersion\": \"1.0.0\",\n  \"id\": \"c1\",\n  \"pid\": 202,\n  "
			"\"status\": \"running\",\n  \"bundle\": \"\\/var\\/lib\\/ct\\/c1\",\n  "
			"\"rootfs\": \"rootfs\",\n  \"created\": "
			"\"2026-11-24T10:37:24.046034Z\",\n  \"systemd-scope\": \"\",\n  "
			"\"owner\": \"root\",\n  \"annotations\": {\n    \"drover.prio\": "
			"\"high\"\n  }\n}",
			&c, &err),
		0);
	assert_string_equal(c.rootfs, "/var/lib/ct/c1/rootfs");
	assert_int_equal(c.pid, 202);
	assert_int_equal(runtime_find("runc")->parse_state("null", &c, &err), -ERR_child);
	assert_int_equal(runtime_find("runc")->parse_state("{\"id\":\"x\"}", &c, &err), -ERR_child);
}

static void drivers_are_found_by_name_and_number(void **state)
{
	(void)state;
	assert_ptr_equal(runtime_at(0), runtime_find("runc"));
	assert_ptr_equal(runtime_at(1), runtime_find("crun"));
	assert_null(runtime_at(2));
	assert_null(runtime_find("docker"));
}

static void a_restore_leaves_nothing_of_ours_in_the_container(void **state)
{
	auto_argv struct run_argv argv = {0};
	struct run_spec spec;

	(void)state;
	argv_add(&argv, "runc");
	spec = runtime_spec(RUNTIME_RESTORE, &argv, 5);
	assert_true(spec.detached_output && spec.new_session && !spec.stdout_max);
	assert_string_equal(spec.cgroup, RUN_CGROUP);
	spec = runtime_spec(RUNTIME_STATE, &argv, 5);
	assert_true(!spec.detached_output && !spec.cgroup && spec.stdout_max);
}

/* A runtime that fails has not said that there is no container: what it keeps of one stays. */
static void a_runtime_that_fails_forgets_nothing(void **state)
{
	struct runtime_driver broken = *runtime_find("runc");
	char root[] = "/tmp/drover-forget.XXXXXX", folder[64], file[80];
	struct stat st;
	struct err err;
	FILE *out;

	(void)state;
	broken.program = "false";
	assert_non_null(mkdtemp(root));
	str_fmt(folder, sizeof(folder), "%s/web", root);
	str_fmt(file, sizeof(file), "%s/state.json", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	out = fopen(file, "we");
	assert_non_null(out);
	fclose(out);
	assert_true(runtime_forget(&broken, root, "web", &err) < 0);
	assert_int_equal(stat(file, &st), 0);
	/* What never came to be has no state. */
	assert_int_equal(unlink(file), 0);
	assert_int_equal(runtime_forget(&broken, root, "web", &err), 0);
	assert_true(stat(folder, &st) < 0);
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_become_command_lines),
		cmocka_unit_test(nothing_unchecked_enters_a_command_line),
		cmocka_unit_test(versions_are_read),
		cmocka_unit_test(lists_are_read),
		cmocka_unit_test(unusable_lists_are_errors_and_unusable_items_left_out),
		cmocka_unit_test(states_are_read),
		cmocka_unit_test(drivers_are_found_by_name_and_number),
		cmocka_unit_test(a_restore_leaves_nothing_of_ours_in_the_container),
		cmocka_unit_test(a_runtime_that_fails_forgets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
