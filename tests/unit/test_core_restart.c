/* SPDX-License-Identifier: MPL-2.0
 *
 * A coordinator that is killed at any record, before or after it is durable, before or after its
 * messages have left or were acted on, and started again, ends every job truly and with one copy.
 */
#include "test_core_client.h"

typedef void script_fn(struct lab *lab);

static void all_goes_well(struct lab *lab)
{
	(void)lab;
}

static void hold_fails(struct lab *lab)
{
	lab_add(lab, "alpha", STEP_hold)->code = ERR_child;
}

static void arm_fails(struct lab *lab)
{
	lab_add(lab, "beta", STEP_arm)->code = ERR_child;
}

static void reserve_fails(struct lab *lab)
{
	lab_add(lab, "beta", STEP_reserve)->code = ERR_nospace;
}

static void thaw(void *arg)
{
	struct lab *lab = arg;

	if (!str_eq(lab->host[0].journal, "held"))
		return;
	str_copy(lab->host[0].journal, 16, "own");
	lab->host[0].frozen = false;
}

static void source_gives_up(struct lab *lab)
{
	lab_add(lab, "alpha", STEP_release)->before = thaw;
}

static void drop(void *arg)
{
	struct lab *lab = arg;

	if (!str_eq(lab->host[1].journal, "prepared"))
		return;
	str_copy(lab->host[1].journal, 16, "refused");
	lab->host[1].has_web = false;
}

static void target_gives_up(struct lab *lab)
{
	lab_add(lab, "beta", STEP_start)->before = drop;
}

static const struct {
	const char *name;
	script_fn *script;
	bool moves;
} scenarios[] = {
	{"all goes well", all_goes_well, true},      {"reserve fails", reserve_fails, false},
	{"hold fails", hold_fails, false},           {"arm fails", arm_fails, false},
	{"source gives up", source_gives_up, false}, {"target gives up", target_gives_up, false},
};

/* False when the job ended before its n-th record. */
static bool killed_at(size_t scenario, enum lab_crash crash, int n)
{
	const struct msg_job *job;
	struct lab lab;
	bool crashed;

	lab_start(&lab);
	scenarios[scenario].script(&lab);
	lab.crash = crash;
	lab.crash_in = n;
	lab_migrate(&lab, "beta");
	if (crash == LAB_CRASH_before && n == 1)
		lab_migrate(&lab, "beta"); /* it was never taken */
	lab_run(&lab, 120000);
	crashed = lab.crashed;
	job = lab_job(&lab);
	if (!str_eq(job->outcome, scenarios[scenario].moves ? "MOVED" : "STAYED"))
		print_error("%s, crash %d at %d: %s\n", scenarios[scenario].name, crash, n,
			    job->outcome);
	assert_string_equal(job->outcome, scenarios[scenario].moves ? "MOVED" : "STAYED");
	assert_string_equal(job->runs_on, scenarios[scenario].moves ? "beta" : "alpha");
	assert_int_equal(lab.host[0].has_web, !scenarios[scenario].moves);
	assert_int_equal(lab.host[1].has_web, scenarios[scenario].moves);
	assert_false(lab.host[0].frozen);
	lab_expect_done(&lab);
	assert_int_equal(lab.term, crashed ? 2 : 1);
	lab_end(&lab);
	return crashed;
}

static void killed_at_every_record_it_ends_truly(void **state)
{
	(void)state;
	for (size_t scenario = 0; scenario < ARRAY_LEN(scenarios); scenario++)
		for (enum lab_crash crash = LAB_CRASH_before; crash <= LAB_CRASH_done; crash++) {
			int n = 1;

			while (killed_at(scenario, crash, n))
				n++;
			assert_true(n > 5);
		}
}

/* The same, killed again and again: once a record. */
static void killed_at_each_record_in_turn_it_still_ends(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_migrate(&lab, "beta");
	for (int i = 0; i < 200 && core_jobs_running(lab.core); i++) {
		lab.crash_in = 1;
		lab.crash = i % 2 ? LAB_CRASH_recorded : LAB_CRASH_done;
		lab_run(&lab, 1500);
	}
	lab.crash_in = 0;
	lab_run(&lab, 5000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_expect_done(&lab);
	lab_end(&lab);
}

static void held_stays_held_over_a_restart(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "beta", STEP_start)->mute = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 40000);
	lab_expect(&lab, "HELD", "", ERR_held);
	lab_restart(&lab);
	lab_expect(&lab, "HELD", "", ERR_held);
	lab_run(&lab, 40000);
	lab_expect(&lab, "HELD", "", ERR_held);
	lab.n_scripts = 0;
	lab_run(&lab, 2000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

static void history_and_lessons_survive(void **state)
{
	uint64_t predicted, first;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	first = lab_job(&lab)->predicted_frozen_ms;
	lab_restart(&lab);
	lab_ask(&lab, &(struct msg_request){.command = "history"});
	assert_int_equal(lab_reply(&lab)->jobs.n, 1);
	assert_string_equal(lab_reply(&lab)->jobs.v[0].outcome, "MOVED");
	lab_caps(&lab, 0);
	lab_caps(&lab, 1);
	lab_migrate(&lab, "alpha");
	lab_run(&lab, 1000);
	lab_expect(&lab, "MOVED", "alpha", 0);
	lab_caps(&lab, 0);
	lab_caps(&lab, 1);
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	predicted = lab_job(&lab)->predicted_frozen_ms;
	assert_true(predicted != first);
	assert_true(lab_job(&lab)->epoch == 3);
	lab_end(&lab);
}

static void a_damaged_record_is_refused(void **state)
{
	struct core_config config = {.id = "ctl", .term = 1, .interval_ms = 1000};
	struct core *core = core_new(&config);
	struct err err = {0};

	(void)state;
	assert_int_equal(core_replay(core, RECORD_job, "01HZ0000000000000000000001", "xx", 2, &err),
			 -ERR_corrupt);
	assert_non_null(strstr(err.text, "01HZ0000000000000000000001"));
	assert_int_equal(core_replay(core, RECORD_job, "../x", "xx", 2, &err), -ERR_corrupt);
	assert_int_equal(core_replay(core, RECORD_value, "epoch", "many", 4, &err), -ERR_corrupt);
	core_free(&core);
}

/* The answer of a source must not meet a coordinator that has not heard of the target yet. */
static void a_host_that_was_not_heard_since_the_start_is_waited_for(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab.stop_before = STEP_check;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	assert_true(lab.stopped);
	lab.stop_before = STEP_none;
	lab.host[1].up = false;
	lab_restart(&lab);
	lab_run(&lab, 5000);
	assert_string_equal(lab_job(&lab)->step, "check");
	assert_true(lab.asks[STEP_check] > 1);
	lab.host[1].up = true;
	lab_hello(&lab, 1);
	lab_run(&lab, 5000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_every_record_it_ends_truly),
		cmocka_unit_test(killed_at_each_record_in_turn_it_still_ends),
		cmocka_unit_test(held_stays_held_over_a_restart),
		cmocka_unit_test(history_and_lessons_survive),
		cmocka_unit_test(a_damaged_record_is_refused),
		cmocka_unit_test(a_host_that_was_not_heard_since_the_start_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
