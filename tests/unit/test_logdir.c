/* SPDX-License-Identifier: MPL-2.0
 *
 * Logs are kept whole up to their bound, read in pieces, root's alone, and pruned by age and by
 * size, the oldest first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/file.h"
#include "base/mem.h"
#include "worker/logdir.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONE "01HZ0000000000000000000001"
#define TWO "01HZ0000000000000000000002"
#define THREE "01HZ0000000000000000000003"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	str_copy(dir, sizeof(dir), "/tmp/drover-test-logdir-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return file_rmtree(dir, NULL);
}

static int text_fd(const char *text, size_t len)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	return fd;
}

static void keep(const char *migration, const char *text, const char *extra)
{
	auto_close int fd = text_fd(text, strlen(text));

	assert_int_equal(logdir_keep(dir, migration, "dump.log", fd, extra, NULL), 0);
}

static void age(const char *migration, time_t at)
{
	const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};
	char path[PATH_MAX];

	str_fmt(path, sizeof(path), "%s/%s/dump.log", dir, migration);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool there(const char *migration)
{
	char path[PATH_MAX];

	str_fmt(path, sizeof(path), "%s/%s", dir, migration);
	return access(path, F_OK) == 0;
}

static void test_read_in_pieces(void **state)
{
	char buf[8], whole[64] = "", path[PATH_MAX];
	uint64_t total, at = 0;
	struct stat st;
	ssize_t n;

	(void)state;
	keep(ONE, "an older one", NULL);
	keep(ONE, "first line\nsecond line\n", "--- said\n");
	while ((n = logdir_read(dir, ONE, "dump.log", at, buf, sizeof(buf), &total, NULL)) > 0) {
		assert_true(n <= 7);
		strcat(whole, buf);
		at += (uint64_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(total, strlen(whole));
	assert_string_equal(whole, "first line\nsecond line\n--- said\n");
	str_fmt(path, sizeof(path), "%s/" ONE "/dump.log", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	str_fmt(path, sizeof(path), "%s/" ONE, dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_none(void **state)
{
	struct err err;
	uint64_t total;
	char buf[8];

	(void)state;
	assert_int_equal(logdir_read(dir, TWO, "dump.log", 0, buf, 8, &total, &err), -ERR_nosuch);
	keep(ONE, "x", NULL);
	assert_int_equal(logdir_read(dir, ONE, "restore.log", 0, buf, 8, &total, &err),
			 -ERR_nosuch);
	assert_int_equal(logdir_read(dir, "../" ONE, "dump.log", 0, buf, 8, &total, &err),
			 -ERR_invalid);
}

/* Whoever may write beside it must not lead a reader of root's elsewhere. */
static void test_no_symlink_is_followed(void **state)
{
	char path[PATH_MAX], buf[8];
	struct err err;
	uint64_t total;

	(void)state;
	keep(ONE, "x", NULL);
	str_fmt(path, sizeof(path), "%s/" TWO, dir);
	assert_int_equal(symlink(ONE, path), 0);
	assert_true(logdir_read(dir, TWO, "dump.log", 0, buf, 8, &total, &err) < 0);
	str_fmt(path, sizeof(path), "%s/" ONE "/restore.log", dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_true(logdir_read(dir, ONE, "restore.log", 0, buf, 8, &total, &err) < 0);
}

/* NULs do not cut a piece, and of an endless log the end is kept. */
static void test_bounds(void **state)
{
	auto_free char *large = mem_new(1, LOGDIR_FILE_MAX + 100);
	char buf[16];
	uint64_t total;

	(void)state;
	memset(large, 'x', LOGDIR_FILE_MAX + 100);
	memcpy(large + LOGDIR_FILE_MAX + 92, "a\0b\0 end", 8);
	{
		auto_close int fd = text_fd(large, LOGDIR_FILE_MAX + 100);

		assert_int_equal(logdir_keep(dir, ONE, "dump.log", fd, NULL, NULL), 0);
	}
	assert_int_equal(
		logdir_read(dir, ONE, "dump.log", LOGDIR_FILE_MAX - 8, buf, 16, &total, NULL), 8);
	assert_int_equal(total, LOGDIR_FILE_MAX);
	assert_string_equal(buf, "a b  end");
}

static void test_prune(void **state)
{
	(void)state;
	keep(ONE, "0123456789", NULL);
	keep(TWO, "0123456789", NULL);
	keep(THREE, "0123456789", NULL);
	age(ONE, 1000);
	age(TWO, 2000);
	age(THREE, 3000);
	assert_int_equal(logdir_prune(dir, 3000, 2000, 100), 0);
	assert_int_equal(logdir_prune(dir, 3001, 2000, 100), 1); /* by age */
	assert_true(!there(ONE) && there(TWO) && there(THREE));
	assert_int_equal(logdir_prune(dir, 3001, 2000, 20), 0);
	assert_int_equal(logdir_prune(dir, 3001, 2000, 19), 1); /* by size */
	assert_true(!there(TWO) && there(THREE));
	assert_int_equal(logdir_prune("/nowhere", 3001, 2000, 20), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_symlink_is_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prune, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
