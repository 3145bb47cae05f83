/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of reason codes is whole, and is found by what people type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codes.h"
#include "base/str.h"

#include <string.h>

static void codes_are_unique_and_told_with_a_fix(void **state)
{
	(void)state;
	for (enum code_id i = 0; i < CODE_COUNT; i++) {
		const struct code_row *row = code_row(i);

		assert_ptr_equal(code_find(row->code), row);
		assert_ptr_equal(code_find(row->code + 2), row);
		assert_true(str_starts(row->code, "E-") && strlen(row->code) <= 31);
		assert_true(*row->says && *row->fix && strlen(row->fix) <= 255);
		assert_true(row->says[strlen(row->says) - 1] != '.');
		assert_true(strlen(row->skip) <= 31);
		if (row->bars == BARS_none)
			assert_string_equal(row->skip, "");
		if (row->origin != ORIGIN_log)
			assert_true(*row->example != 0);
	}
	assert_null(code_find("E-NONE"));
	assert_null(code_find(NULL));
}

static void a_code_is_found_in_any_case(void **state)
{
	(void)state;
	assert_ptr_equal(code_find("e-cpu-xsave"), code_row(CODE_cpu_xsave));
	assert_ptr_equal(code_find("iouring"), code_row(CODE_io_uring));
	assert_string_equal(code_nearest("E-CPU-XSAFE"), "E-CPU-XSAVE");
	assert_string_equal(code_nearest("cpu-xsaev"), "E-CPU-XSAVE");
	assert_string_equal(code_nearest("xsave"), "E-CPU-XSAVE");
	assert_null(code_nearest("E-SOMETHING-QUITE-DIFFERENT"));
}

static void skip_names_are_listed_once(void **state)
{
	const char *name;
	size_t n = 0;

	(void)state;
	assert_string_equal(code_skip_name(0), "all");
	for (; (name = code_skip_name(n)); n++)
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(code_skip_name(i), name);
	assert_true(n > 10);
}

static void relations_go_both_ways(void **state)
{
	bool found = false;

	(void)state;
	for (enum code_id i = 0; i < CODE_COUNT; i++) {
		const struct code_row *row = code_row(i);

		for (size_t k = 0; code_related(row, k); k++) {
			const struct code_row *other = code_find(code_related(row, k));
			bool back = false;

			assert_ptr_not_equal(other, row);
			for (size_t m = 0; code_related(other, m); m++)
				back |= str_eq(code_related(other, m), row->code);
			assert_true(back);
			found |= i == CODE_cpu_xsave && other == code_row(CODE_cpu_features);
		}
	}
	assert_true(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_are_unique_and_told_with_a_fix),
		cmocka_unit_test(a_code_is_found_in_any_case),
		cmocka_unit_test(skip_names_are_listed_once),
		cmocka_unit_test(relations_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
