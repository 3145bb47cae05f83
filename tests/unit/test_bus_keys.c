/* SPDX-License-Identifier: MPL-2.0
 *
 * A node key is made once, readable by its owner only, and a damaged or exposed one is refused with
 * words that help. */
#include "base/file.h"
#include "base/str.h"
#include "proto/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static char path[96];

static int enter(void **state)
{
	(void)state;
	str_copy(dir, sizeof(dir), "/tmp/drover-keys-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	str_fmt(path, sizeof(path), "%s/node.key", dir);
	return 0;
}

static int leave(void **state)
{
	struct err err;

	(void)state;
	return file_rmtree(dir, &err);
}

static void write_text(const char *text, mode_t mode)
{
	struct err err;

	assert_int_equal(file_write_atomic(path, text, strlen(text), mode, &err), 0);
}

static void made_keys_load_again(void **state)
{
	struct curve_keys made, loaded;
	char fingerprint[KEY_FINGERPRINT_SIZE];
	struct err err = {0};
	struct stat st;

	(void)state;
	assert_int_equal(keys_generate(path, false, &made, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(keys_load(path, &loaded, &err), 0);
	assert_memory_equal(&made, &loaded, sizeof(made));
	keys_fingerprint(made.public, fingerprint);
	assert_int_equal(strlen(fingerprint), 16);
}

static void a_key_is_not_replaced_by_mistake(void **state)
{
	struct curve_keys first, second;
	struct err err = {0};

	(void)state;
	assert_int_equal(keys_generate(path, false, &first, &err), 0);
	assert_int_equal(keys_generate(path, false, &second, &err), -ERR_busy);
	assert_non_null(strstr(err.fix, "--force"));
	assert_int_equal(keys_load(path, &second, &err), 0);
	assert_string_equal(first.public, second.public);
	assert_int_equal(keys_generate(path, true, &second, &err), 0);
	assert_string_not_equal(first.public, second.public);
}

static void a_readable_key_is_refused(void **state)
{
	struct curve_keys keys;
	struct err err = {0};

	(void)state;
	assert_int_equal(keys_generate(path, false, NULL, &err), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(keys_load(path, &keys, &err), -ERR_config);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.fix, "chmod 600"));
}

static void damage_is_told_with_its_line(void **state)
{
	/* clang-format off */
	static const struct { const char *text, *want; } rows[] = {
		{ "# none\n",                                   "has no line" },
		{ "\ncurve-secret = tooshort\n",                ":2: the key is not 40" },
		{ "curve-secret = ########################################\n", ":1: the key is not 40" },
		{ "curve-secret = Jt>UfFJ<r!uE[Z\"JlVa)PJK0M&+rVb8iNR2Xe]Dq\n", ":1: the key is not 40" },
		{ "#\n#\ncurve-public = 1\n",                   ":3: only" },
		{ "curve-secret\n",                             ":1: only" },
		{ "curve-secret = JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n"
		  "curve-secret = JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n", ":2: a second" },
	};
	/* clang-format on */
	struct curve_keys keys;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = {0};

		write_text(rows[i].text, 0600);
		assert_int_equal(keys_load(path, &keys, &err), -ERR_config);
		if (!strstr(err.text, rows[i].want))
			fail_msg("\"%s\" lacks \"%s\"", err.text, rows[i].want);
		assert_true(err.fix[0]);
	}
}

static void the_specification_s_pair_belongs_together(void **state)
{
	struct curve_keys keys;
	struct err err = {0};

	(void)state;
	/* The server pair of libzmq's curve tests. */
	write_text("curve-secret = JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\r\n", 0600);
	assert_int_equal(keys_load(path, &keys, &err), 0);
	assert_string_equal(keys.public, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_keys_load_again, enter, leave),
		cmocka_unit_test_setup_teardown(a_key_is_not_replaced_by_mistake, enter, leave),
		cmocka_unit_test_setup_teardown(a_readable_key_is_refused, enter, leave),
		cmocka_unit_test_setup_teardown(damage_is_told_with_its_line, enter, leave),
		cmocka_unit_test_setup_teardown(the_specification_s_pair_belongs_together, enter,
						leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
