/* SPDX-License-Identifier: MPL-2.0
 *
 * The stage table keeps the protocol's promises, whatever row is added to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/str.h"
#include "coordinator/steps.h"

#include <string.h>

static void every_course_ends(void **state)
{
	(void)state;
	for (enum stage start = STAGE_check; start < STAGE_done; start++) {
		enum stage stage = start;
		int hops = 0;

		while (stage != STAGE_done && hops++ < STAGE_COUNT)
			stage = stage_row(stage)->next;
		assert_int_equal(stage, STAGE_done);
		stage = stage_row(start)->undo;
		for (hops = 0; stage && stage != STAGE_done && hops < STAGE_COUNT; hops++)
			stage = stage_row(stage)->next;
		assert_true(stage == STAGE_none || stage == STAGE_done);
	}
}

/* Up to arm S alone may go back by itself; from release on silence only waits; after start nothing
 * is undone. */
static void what_undoes_what(void **state)
{
	(void)state;
	for (enum stage s = STAGE_check; s < STAGE_done; s++) {
		const struct stage_row *row = stage_row(s);

		if (stage_before_release(s)) {
			assert_true(row->undo != STAGE_none && row->wait_ms);
			assert_true(row->patience != PATIENCE_endless);
		} else if (s == STAGE_release || s == STAGE_start) {
			assert_int_equal(row->patience, PATIENCE_endless);
			assert_true(row->undo == STAGE_withdraw || row->undo == STAGE_giveback);
		} else if (s == STAGE_stop || s == STAGE_stopped) {
			assert_int_equal(row->undo, STAGE_rollback); /* it is started again */
		} else if (s != STAGE_forget) {
			assert_int_equal(row->undo, STAGE_none);
			assert_int_equal(row->wait_ms, 0);
		}
		if (stage_undoes(s))
			assert_true(s >= STAGE_forget);
	}
	assert_int_equal(stage_row(STAGE_retire)->cap_ms, 0);
	assert_int_equal(stage_row(STAGE_rollback)->cap_ms, 0);
	assert_int_equal(stage_row(STAGE_giveback)->cap_ms, 0);
}

/* Who may be asked for what is declared in proto/schema.h. */
static void steps_go_to_those_who_do_them(void **state)
{
	static const char *const who[STEP_COUNT] = {
#define X(name, number, who_) [STEP_##name] = who_,
		STEP_TABLE(X)
#undef X
	};

	(void)state;
	for (enum stage s = STAGE_check; s < STAGE_done; s++) {
		const struct stage_row *row = stage_row(s);

		assert_true(row->ask[PARTY_source] || row->ask[PARTY_target] || s == STAGE_stopped);
		if (row->ask[PARTY_source])
			assert_non_null(strchr(who[row->ask[PARTY_source]], 'S'));
		if (row->ask[PARTY_target])
			assert_non_null(strchr(who[row->ask[PARTY_target]], 'T'));
	}
}

static void names_go_there_and_back(void **state)
{
	(void)state;
	for (enum stage s = STAGE_check; s < STAGE_COUNT; s++)
		assert_int_equal(stage_find(stage_name(s)), s);
	assert_int_equal(stage_find("dance"), STAGE_none);
	assert_int_equal(stage_find(NULL), STAGE_none);
	assert_string_equal(stage_step(STAGE_admit), "check");
	assert_string_equal(stage_step(STAGE_rollback), "abort");
	assert_string_equal(stage_step(STAGE_done), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_course_ends),
		cmocka_unit_test(what_undoes_what),
		cmocka_unit_test(steps_go_to_those_who_do_them),
		cmocka_unit_test(names_go_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
