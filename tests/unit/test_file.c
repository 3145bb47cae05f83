/* SPDX-License-Identifier: MPL-2.0
 *
 * A tree that is removed ends at its own mount. */
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* A volume of the same file system, mounted into a bundle that is removed: its files are not ours.
 */
static void what_is_mounted_into_a_tree_is_not_removed(void **state)
{
	char top[] = "/tmp/drover-file.XXXXXX", volume[64], bundle[64], inside[64], kept[80],
	     one[80];
	struct stat st;
	struct err err;

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		skip();
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_non_null(mkdtemp(top));
	str_fmt(volume, sizeof(volume), "%s/volume", top);
	str_fmt(bundle, sizeof(bundle), "%s/bundle", top);
	str_fmt(inside, sizeof(inside), "%s/bundle/data", top);
	str_fmt(kept, sizeof(kept), "%s/volume/kept", top);
	str_fmt(one, sizeof(one), "%s/bundle/config.json", top);
	assert_int_equal(mkdir(volume, 0700) | mkdir(bundle, 0700) | mkdir(inside, 0700), 0);
	make(kept);
	make(one);
	assert_int_equal(mount(volume, inside, NULL, MS_BIND, NULL), 0);
	assert_true(file_rmtree(bundle, &err) < 0);
	assert_int_equal(stat(kept, &st), 0);
	assert_true(stat(one, &st) < 0);
	assert_int_equal(umount(inside), 0);
	assert_int_equal(file_rmtree(bundle, &err), 0);
	assert_int_equal(stat(kept, &st), 0);
	assert_int_equal(file_rmtree(top, &err), 0);
	assert_true(stat(top, &st) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_mounted_into_a_tree_is_not_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
