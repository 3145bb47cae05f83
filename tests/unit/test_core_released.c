/* SPDX-License-Identifier: MPL-2.0
 *
 * The rows of docs/protocol.md, "When a step fails", from the release on: who is asked for what,
 * how it is told, and where the container runs in the end. Silence is held until it ends. */
#include "test_core_client.h"

/* --- release --- */

static void s_thaws(void *arg)
{
	struct lab *lab = arg;

	str_copy(lab->host[0].journal, 16, "own");
	lab->host[0].frozen = false;
}

static void a_source_that_thawed_keeps_its_container(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_release)->before = s_thaws;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	assert_int_equal(lab.asks[STEP_start], 0);
	assert_int_equal(lab.asks[STEP_abort], 0);
	assert_int_equal(lab.asks[STEP_refuse], 1);
	lab_expect_done(&lab);
	lab_end(&lab);
}

static void a_source_that_still_holds_is_told_to_abort(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	s = lab_add(&lab, "alpha", STEP_release);
	s->code = ERR_refused;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	assert_int_equal(lab.asks[STEP_abort], 1);
	lab_end(&lab);
}

static void silence_after_release_is_held_until_it_ends(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_release)->mute = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 20000);
	assert_int_equal(lab_told(&lab), ERR_held);
	lab_expect(&lab, "HELD", "", ERR_held);
	assert_int_equal(lab.asks[STEP_start] + lab.asks[STEP_abort] + lab.asks[STEP_refuse], 0);
	lab_ask(&lab, &(struct msg_request){.command = "status"});
	assert_int_equal(lab_reply(&lab)->cluster->held, 1);
	lab_run(&lab, 3600000);
	lab_expect(&lab, "HELD", "", ERR_held);
	assert_true(lab.asks[STEP_release] > 3600);
	lab.script[0] = (struct lab_script){.host = 1, .step = STEP_start, .mute = true};
	lab_run(&lab, 3000);
	assert_string_equal(lab_job(&lab)->outcome ? lab_job(&lab)->outcome : "", "");
	assert_string_equal(lab_job(&lab)->state, "running");
	lab.n_scripts = 0;
	lab_run(&lab, 3000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_expect_done(&lab);
	lab_end(&lab);
}

/* A grant without its proof starts nothing. */
static void a_bare_grant_starts_nothing(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_release)->bare = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 5000);
	assert_int_equal(lab.asks[STEP_start], 0);
	lab.n_scripts = 0;
	lab_run(&lab, 3000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

/* --- start --- */

static void t_refuses(void *arg)
{
	struct lab *lab = arg;

	str_copy(lab->host[1].journal, 16, "refused");
	lab->host[1].has_web = false;
}

/* The answer to start carries no proof here: T is asked for it before S may thaw. */
static void a_target_that_refused_gives_authority_back(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "beta", STEP_start)->before = t_refuses;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	assert_int_equal(lab.asks[STEP_abort], 1);
	assert_int_equal(lab.asks[STEP_refuse], 1);
	lab_expect_done(&lab);
	lab_end(&lab);
}

static void silence_of_start_is_held_until_it_ends(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "beta", STEP_start)->mute = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 60000);
	lab_expect(&lab, "HELD", "", ERR_held);
	assert_int_equal(lab.asks[STEP_abort], 0);
	assert_non_null(strstr(lab_job(&lab)->error, "alpha"));
	assert_non_null(strstr(lab_job(&lab)->error, "beta"));
	lab.n_scripts = 0;
	lab_run(&lab, 3000);
	lab_expect(&lab, "MOVED", "beta", 0);
	assert_string_equal(lab_job(&lab)->error ? lab_job(&lab)->error : "", "");
	lab_end(&lab);
}

static void a_container_that_died_at_its_start_is_lost(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	s = lab_add(&lab, "beta", STEP_start);
	s->code = ERR_lost;
	s->code_state = "lost";
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_expect(&lab, "LOST", "", ERR_lost);
	assert_int_equal(lab_told(&lab), ERR_lost);
	assert_int_equal(lab.asks[STEP_abort], 0);
	assert_true(lab.host[0].frozen);
	lab_end(&lab);
}

/* --- retire, clean --- */

static void a_clean_up_that_waits_does_not_hide_the_outcome(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_retire)->mute = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 4000);
	assert_null(lab_reply(&lab));
	lab_run(&lab, 3000);
	assert_int_equal(lab_reply(&lab)->code, 0);
	assert_string_equal(lab_reply(&lab)->jobs.v[0].outcome, "MOVED");
	assert_string_equal(lab_reply(&lab)->jobs.v[0].state, "waiting");
	lab_run(&lab, 100000);
	lab.n_scripts = 0;
	lab_run(&lab, 3000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_expect_done(&lab);
	lab_end(&lab);
}

static void a_failed_clean_up_is_tried_again(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	s = lab_add(&lab, NULL, STEP_clean);
	s->code = ERR_io;
	s->times = 3;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 6000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_expect_done(&lab);
	lab_end(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_that_thawed_keeps_its_container),
		cmocka_unit_test(a_source_that_still_holds_is_told_to_abort),
		cmocka_unit_test(silence_after_release_is_held_until_it_ends),
		cmocka_unit_test(a_bare_grant_starts_nothing),
		cmocka_unit_test(a_target_that_refused_gives_authority_back),
		cmocka_unit_test(silence_of_start_is_held_until_it_ends),
		cmocka_unit_test(a_container_that_died_at_its_start_is_lost),
		cmocka_unit_test(a_clean_up_that_waits_does_not_hide_the_outcome),
		cmocka_unit_test(a_failed_clean_up_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
