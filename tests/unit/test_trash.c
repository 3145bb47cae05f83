/* SPDX-License-Identifier: MPL-2.0
 *
 * What is removed is out of the way at once, and emptied by a child; root empties nothing that is
 * not its own. */
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "worker/trash.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[] = "/tmp/drover-trash.XXXXXX";
static char run[64], storage[64], bundle[64], inside[80], bin[80], volume_bin[80], victim[64],
	kept[80];

static void make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(top));
	str_fmt(run, sizeof(run), "%s/run", top);
	str_fmt(storage, sizeof(storage), "%s/ct", top);
	str_fmt(bundle, sizeof(bundle), "%s/web", storage);
	str_fmt(inside, sizeof(inside), "%s/config.json", bundle);
	str_fmt(bin, sizeof(bin), "%s/trash", run);
	str_fmt(volume_bin, sizeof(volume_bin), "%s/.drover/trash", storage);
	str_fmt(victim, sizeof(victim), "%s/victim", top);
	str_fmt(kept, sizeof(kept), "%s/kept", victim);
	return mkdir(run, 0700) | mkdir(storage, 0700) | mkdir(victim, 0700);
}

static int teardown(void **state)
{
	(void)state;
	return file_rmtree(top, NULL);
}

static struct trash *opened(void)
{
	struct options *options = options_new();
	char text[128];
	struct trash *trash;

	str_fmt(text, sizeof(text), "node.run=%s", run);
	assert_int_equal(options_set(options, text, NULL), 0);
	str_fmt(text, sizeof(text), "worker.storage=%s", storage);
	assert_int_equal(options_set(options, text, NULL), 0);
	trash = trash_new(options, "true"); /* a child that leaves all of it where it is */
	options_free(&options);
	return trash;
}

static void a_tree_is_gone_at_once_and_emptied_later(void **state)
{
	char *argv[] = {"remove", bin, volume_bin, NULL};
	struct trash *trash = opened();
	struct err err;

	(void)state;
	assert_int_equal(mkdir(bundle, 0700), 0);
	make(inside);
	assert_int_equal(trash_put(trash, bundle, &err), 0);
	assert_false(there(bundle));
	/* The same name again, and one that is not there. */
	assert_int_equal(mkdir(bundle, 0700), 0);
	assert_int_equal(trash_put(trash, bundle, &err), 0);
	assert_int_equal(trash_put(trash, bundle, &err), 0);
	assert_true(rmdir(volume_bin) < 0);
	assert_int_equal(trash_main(3, argv), 0);
	assert_int_equal(rmdir(volume_bin), 0);
	/* Without a place for it a tree is removed as it is. */
	assert_int_equal(mkdir(bundle, 0700), 0);
	make(inside);
	assert_int_equal(trash_put(trash, bundle, &err), 0);
	assert_false(there(bundle));
	trash_free(&trash);
}

/* node.run belongs to the unprivileged user, who may put anything in the place of the trash. */
static void a_directory_of_others_is_not_emptied(void **state)
{
	char *argv[] = {"remove", bin, NULL};
	struct trash *trash;

	(void)state;
	make(kept);
	rmdir(bin);
	assert_int_equal(symlink(victim, bin), 0);
	trash = opened();
	trash_main(2, argv);
	assert_true(there(kept));
	trash_free(&trash);
	assert_int_equal(unlink(bin), 0);
	if (geteuid() != 0)
		skip();
	assert_int_equal(rename(victim, bin), 0);
	assert_int_equal(chown(bin, 12345, 12345), 0);
	trash_main(2, argv);
	str_fmt(kept, sizeof(kept), "%s/kept", bin);
	assert_true(there(kept));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_is_gone_at_once_and_emptied_later),
		cmocka_unit_test(a_directory_of_others_is_not_emptied),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
