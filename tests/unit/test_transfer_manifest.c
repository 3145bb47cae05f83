/* SPDX-License-Identifier: MPL-2.0
 *
 * A manifest says the same after parsing; paths and names that could lead elsewhere are refused. */
#include "transfer/manifest.h"

#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define HEAD "drover-manifest 1\nmigration M1\nepoch 3\n"
#define D "00112233445566778899aabbccddeeff"

static char *sample(size_t *ret_len)
{
	const struct manifest_xattr xattrs[] = {{"user.a b", "x\0y=", 4}, {"security.e", "", 0}};
	const struct manifest_image image = {7, 4097, {1, 2}, "pages-1.img"};
	const struct manifest_entry dir = {.type = 'd', .mode = 0755, .path = "."};
	const struct manifest_entry file = {.type = 'f',
					    .mode = 04755,
					    .uid = 10,
					    .gid = 4294967294u,
					    .mtime_s = -5,
					    .mtime_ns = 999999999,
					    .path = "a name\n=%",
					    .id = 0x800001,
					    .size = 12,
					    .digest = {3, 4},
					    .xattrs = xattrs,
					    .n_xattrs = 2};
	const struct manifest_entry link = {.type = 'l', .path = "l", .link = "../to there"};
	const struct manifest_entry node = {.type = 'c', .path = "w", .major = 1, .minor = 9};
	char *text;
	FILE *out = open_memstream(&text, ret_len);

	manifest_put_head(out, "M1", 3);
	manifest_put_meta(out, "lower", "/var/lib/ct/a b:c");
	manifest_put_meta(out, "empty", "");
	manifest_put_image(out, &image);
	manifest_put_root(out, 0, "bundle");
	manifest_put_skip(out, 0, "work/x");
	manifest_put_entry(out, &dir);
	manifest_put_entry(out, &file);
	manifest_put_entry(out, &link);
	manifest_put_entry(out, &node);
	fclose(out);
	return text;
}

static void it_says_the_same_after_parsing(void **state)
{
	struct manifest m;
	size_t len;
	char *text = sample(&len);
	const struct manifest_entry *f;

	(void)state;
	assert_int_equal(manifest_parse(text, len, &m, NULL), 0);
	assert_string_equal(m.migration, "M1");
	assert_int_equal(m.epoch, 3);
	assert_int_equal(m.n_metas, 2);
	assert_string_equal(m.metas[0].value, "/var/lib/ct/a b:c");
	assert_string_equal(m.metas[1].value, "");
	assert_int_equal(m.images[0].size, 4097);
	assert_string_equal(m.skips[0].name, "work/x");
	assert_int_equal(m.n_entries, 4);
	f = &m.entries[1];
	assert_string_equal(f->path, "a name\n=%");
	assert_int_equal(f->mode, 04755);
	assert_true(f->gid == 4294967294u);
	assert_int_equal(f->mtime_s, -5);
	assert_int_equal(f->id, 0x800001);
	assert_true(digest_eq(f->digest, (struct digest){3, 4}));
	assert_int_equal(f->n_xattrs, 2);
	assert_string_equal(f->xattrs[0].name, "user.a b");
	assert_int_equal(f->xattrs[0].len, 4);
	assert_memory_equal(f->xattrs[0].value, "x\0y=", 4);
	assert_int_equal(f->xattrs[1].len, 0);
	assert_string_equal(m.entries[2].link, "../to there");
	assert_int_equal(m.entries[3].minor, 9);
	manifest_done(&m);
}

static int parse(const char *text)
{
	struct manifest m;
	int r = manifest_parse(str_dup(text), strlen(text), &m, NULL);

	if (!r)
		manifest_done(&m);
	return r;
}

static void ways_out_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"drover-manifest 1\n",
		"drover-manifest 2\nmigration M\nepoch 1\n",
		HEAD "image 1 5 " D " ../x\n",
		HEAD "image 1 5 " D " a/b\n",
		HEAD "image 1 5 " D " .hidden\n",
		HEAD "image 1 5 " D " \n",
		HEAD "image 1 5 00 a.img\n",
		HEAD "d 0 755 0 0 0 0 a\n",
		HEAD "root 1 bundle\n",
		HEAD "root 0 ../x\n",
		HEAD "root 0 b\nd 0 755 0 0 0 0 ../a\n",
		HEAD "root 0 b\nd 0 755 0 0 0 0 a/../../b\n",
		HEAD "root 0 b\nd 0 755 0 0 0 0 /etc\n",
		HEAD "root 0 b\nd 0 755 0 0 0 0 a//b\n",
		HEAD "root 0 b\nd 0 755 0 0 0 0 a/.\n",
		HEAD "root 0 b\nd 0 755 0 0 0 0 a%00b\n",
		HEAD "root 0 b\nd 0 755 0 0 0 0 %2e%2e\n",
		HEAD "root 0 b\nd 0 755 0 0 0 0 a%2\n",
		HEAD "root 0 b\nd 0 99999 0 0 0 0 a\n",
		HEAD "root 0 b\nd 0 755 0 0 0 1000000000 a\n",
		HEAD "root 0 b\nd 1 755 0 0 0 0 a\n",
		HEAD "root 0 b\nl 0 755 0 0 0 0 .\n",
		HEAD "root 0 b\nf 0 755 0 0 0 0 . 1 0 " D "\n",
		HEAD "root 0 b\nh 0 755 0 0 0 0 a ../../etc/shadow\n",
		HEAD "root 0 b\nd 0 755 0 0 0 0 a noequals\n",
		HEAD "root 0 b\nskip 0 ../a\n",
		HEAD "meta K a%0Ab\n",
		HEAD "what is this\n",
		HEAD "root 0 b",
	};

	(void)state;
	assert_int_equal(parse(HEAD), 0);
	assert_int_equal(parse(HEAD "root 0 b\nd 0 755 0 0 0 0 a..b/...\n"), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(bad[i]) != -ERR_corrupt)
			fail_msg("taken: %s", bad[i]);
}

static void mutations_are_survived(void **state)
{
	uint64_t rng = 1234567;
	size_t len;
	auto_free char *text = sample(&len);

	(void)state;
	for (int i = 0; i < 100000; i++) {
		char *copy = mem_new(1, len + 1);
		struct manifest m;

		memcpy(copy, text, len);
		for (int k = 0; k < 3; k++) {
			rng = rng * 6364136223846793005ull + 1442695040888963407ull;
			copy[(rng >> 33) % len] = "\n %=.a/0"[(rng >> 20) % 8];
		}
		if (!manifest_parse(copy, len, &m, NULL))
			manifest_done(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_the_same_after_parsing),
		cmocka_unit_test(ways_out_are_refused),
		cmocka_unit_test(mutations_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
