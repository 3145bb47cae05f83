/* SPDX-License-Identifier: MPL-2.0
 *
 * The coordinator's part of a move of two that move as one: whatever fails, whoever is killed and
 * whoever cancels, both are moved or both stayed. */
#include "test_core_client.h"

static void start_pair(struct lab *lab)
{
	lab_start(lab);
	for (int i = 0; i < LAB_HOSTS; i++) {
		lab->host[i].label = lab->twin[i].label = "group=shop";
		lab->twin[i].is_api = true;
		str_copy(lab->twin[i].journal, 16, "none");
	}
	lab->twin[0].has_web = true;
	lab_caps(lab, 0);
}

static const struct msg_job *job_of(struct lab *lab, const char *container)
{
	lab_ask(lab, &(struct msg_request){.command = "job", .job = container});
	if (!lab_reply(lab)->jobs.n)
		print_error("%s\n", lab_reply(lab)->error);
	assert_int_equal(lab_reply(lab)->jobs.n, 2); /* and the other's */
	assert_string_equal(lab_reply(lab)->jobs.v[0].container, container);
	return &lab_reply(lab)->jobs.v[0];
}

static void is_on(const struct lab_host v[LAB_HOSTS], int host)
{
	for (int i = 0; i < LAB_HOSTS; i++)
		assert_int_equal(v[i].has_web, i == host);
	assert_false(v[host].frozen);
}

static void expect_both(struct lab *lab, const char *outcome, int host)
{
	static const char *const members[] = {"web", "api"};

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const struct msg_job *job = job_of(lab, members[i]);

		assert_string_equal(job->outcome, outcome);
		assert_string_equal(job->runs_on, lab_names[host]);
		assert_string_equal(job->state, "done");
	}
	is_on(lab->host, host);
	is_on(lab->twin, host);
	assert_int_equal(core_jobs_running(lab->core), 0);
}

static void two_move_as_one(void **state)
{
	const struct msg_job *job;
	struct lab lab;

	(void)state;
	start_pair(&lab);
	lab_migrate(&lab, "beta");
	lab_run(&lab, 2000);
	expect_both(&lab, "MOVED", 1);
	assert_int_equal(lab_told(&lab), 0);
	job = job_of(&lab, "api");
	assert_string_equal(job->group_name, "shop");
	assert_int_equal(job->group_size, 2);
	assert_int_equal(lab.asks[STEP_hold], 2);
	lab_end(&lab);
}

/* --- one fails --- */

static struct lab_script *script_of(struct lab *lab, const char *host, enum step step,
				    const char *container)
{
	struct lab_script *s = lab_add(lab, host, step);

	s->container = container;
	return s;
}

static void one_that_fails_keeps_both(void **state)
{
	static const struct {
		const char *host;
		enum step step;
		bool frozen; /* by then one of them may be */
	} cases[] = {
		{"alpha", STEP_check, false},  {"beta", STEP_check, false},
		{"beta", STEP_reserve, false}, {"alpha", STEP_sync, false},
		{"alpha", STEP_hold, true},    {"beta", STEP_arm, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (int api = 0; api < 2; api++) {
			const char *who = api ? "api" : "web";
			const struct msg_job *job;
			struct lab lab;

			start_pair(&lab);
			script_of(&lab, cases[i].host, cases[i].step, who)->code = ERR_nospace;
			lab_migrate(&lab, "beta");
			lab_run(&lab, 5000);
			expect_both(&lab, "STAYED", 0);
			assert_int_not_equal(lab_told(&lab), 0);
			assert_int_equal(lab.asks[STEP_hold] > 0, cases[i].frozen);
			assert_int_equal(lab.asks[STEP_release], 0);
			assert_int_equal(lab.asks[STEP_start], 0);
			job = job_of(&lab, api ? "web" : "api");
			assert_true(str_starts(job->error, who)); /* whose fault it is */
			assert_non_null(strstr(job->error, "scripted error"));
			lab_end(&lab);
		}
}

/* Nothing is asked of anybody before it is known that both have room. */
static void no_host_has_room_for_both(void **state)
{
	struct lab lab;

	(void)state;
	start_pair(&lab);
	lab.host[1].mem_available = lab.host[2].mem_available = 300ull * LAB_MIB;
	lab_run(&lab, 1500);
	lab_migrate(&lab, NULL);
	assert_int_equal(lab_told(&lab), ERR_refused);
	assert_int_equal(lab.asks[STEP_check], 0);
	assert_int_equal(core_jobs_running(lab.core), 0);
	lab.host[2].mem_available = 500ull * LAB_MIB;
	lab_run(&lab, 1500);
	lab_migrate(&lab, NULL);
	lab_run(&lab, 2000);
	expect_both(&lab, "MOVED", 2);
	lab_end(&lab);
}

static void what_one_is_refused_both_try_elsewhere(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	start_pair(&lab);
	s = script_of(&lab, "beta", STEP_check, "api");
	s->code = ERR_refused;
	s->reason = "E-MOUNT";
	lab_migrate(&lab, NULL);
	lab_run(&lab, 3000);
	expect_both(&lab, "MOVED", 2);
	lab_end(&lab);
}

/* --- from the release on --- */

static void thaw_api(void *arg)
{
	struct lab *lab = arg;

	if (!str_eq(lab->twin[0].journal, "held"))
		return;
	str_copy(lab->twin[0].journal, 16, "own");
	lab->twin[0].frozen = false;
}

static void a_source_that_has_given_one_up_releases_none(void **state)
{
	struct lab lab;

	(void)state;
	start_pair(&lab);
	lab_add(&lab, "alpha", STEP_release)->before = thaw_api;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 120000);
	expect_both(&lab, "STAYED", 0);
	assert_int_equal(lab.asks[STEP_start], 0);
	lab_end(&lab);
}

/* It keeps both frozen until it is told to take them back. */
static void a_source_that_does_not_release_one_takes_both_back(void **state)
{
	struct lab lab;

	(void)state;
	start_pair(&lab);
	script_of(&lab, "alpha", STEP_release, "api")->code = ERR_refused;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 120000);
	expect_both(&lab, "STAYED", 0);
	assert_int_equal(lab.asks[STEP_start], 0);
	lab_end(&lab);
}

static void drop_web(void *arg)
{
	struct lab *lab = arg;

	if (!str_eq(lab->host[1].journal, "prepared"))
		return;
	str_copy(lab->host[1].journal, 16, "refused");
	str_copy(lab->twin[1].journal, 16, "refused"); /* with it, in one batch */
	lab->host[1].has_web = lab->twin[1].has_web = false;
}

static void a_target_that_has_lost_one_starts_none(void **state)
{
	struct lab lab;

	(void)state;
	start_pair(&lab);
	lab_add(&lab, "beta", STEP_start)->before = drop_web;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 120000);
	expect_both(&lab, "STAYED", 0);
	lab_end(&lab);
}

/* Both were started by the first ask; the second's answer is lost for a while. */
static void a_lost_answer_splits_nothing(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	start_pair(&lab);
	s = script_of(&lab, "beta", STEP_start, "api");
	s->mute = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 30000);
	assert_true(lab.host[1].has_web && lab.twin[1].has_web);
	s->step = STEP_COUNT;
	lab_run(&lab, 60000);
	expect_both(&lab, "MOVED", 1);
	lab_end(&lab);
}

/* --- canceled --- */

static void canceled_at_any_step_both_stay(void **state)
{
	static const enum step steps[] = {STEP_check, STEP_reserve, STEP_sync, STEP_hold, STEP_arm};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		for (int api = 0; api < 2; api++) {
			struct lab lab;

			start_pair(&lab);
			lab.stop_before = steps[i];
			lab_migrate(&lab, "beta");
			lab_run(&lab, 5000);
			assert_true(lab.stopped);
			lab_ask(&lab, &(struct msg_request){.command = "cancel",
							    .job = api ? "api" : "web"});
			assert_int_equal(lab_reply(&lab)->code, 0);
			lab.stop_before = STEP_none;
			lab_run(&lab, 60000);
			expect_both(&lab, "STAYED", 0);
			assert_int_equal(lab_told(&lab), ERR_canceled);
			lab_end(&lab);
		}
}

static void past_the_release_nothing_is_canceled(void **state)
{
	struct lab lab;

	(void)state;
	start_pair(&lab);
	lab.stop_before = STEP_start;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 5000);
	assert_true(lab.stopped);
	lab_ask(&lab, &(struct msg_request){.command = "cancel", .job = "api"});
	assert_int_equal(lab_reply(&lab)->code, ERR_refused);
	lab.stop_before = STEP_none;
	lab_run(&lab, 5000);
	expect_both(&lab, "MOVED", 1);
	lab_end(&lab);
}

/* --- the coordinator is killed --- */

static void all_goes_well(struct lab *lab)
{
	(void)lab;
}

static void hold_of_api_fails(struct lab *lab)
{
	script_of(lab, "alpha", STEP_hold, "api")->code = ERR_child;
}

static void arm_of_web_fails(struct lab *lab)
{
	script_of(lab, "beta", STEP_arm, "web")->code = ERR_child;
}

static void target_gives_up(struct lab *lab)
{
	lab_add(lab, "beta", STEP_start)->before = drop_web;
}

static const struct {
	void (*script)(struct lab *lab);
	bool moves;
} scenarios[] = {
	{all_goes_well, true},
	{hold_of_api_fails, false},
	{arm_of_web_fails, false},
	{target_gives_up, false},
};

/* False when the jobs ended before their n-th record. */
static bool killed_at(size_t scenario, enum lab_crash crash, int n)
{
	struct lab lab;
	bool crashed, moved;

	start_pair(&lab);
	scenarios[scenario].script(&lab);
	lab.crash = crash;
	lab.crash_in = n;
	lab_migrate(&lab, "beta");
	if (crash == LAB_CRASH_before && n == 1)
		lab_migrate(&lab, "beta"); /* it was never taken */
	lab_run(&lab, 180000);
	crashed = lab.crashed;
	moved = lab.host[1].has_web;
	if (moved != scenarios[scenario].moves)
		print_error("scenario %zu, crash %d at %d\n", scenario, crash, n);
	assert_int_equal(moved, scenarios[scenario].moves);
	expect_both(&lab, moved ? "MOVED" : "STAYED", moved ? 1 : 0);
	lab_end(&lab);
	return crashed;
}

static void killed_at_every_record_both_end_alike(void **state)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_move_as_one),
		cmocka_unit_test(one_that_fails_keeps_both),
		cmocka_unit_test(no_host_has_room_for_both),
		cmocka_unit_test(what_one_is_refused_both_try_elsewhere),
		cmocka_unit_test(a_source_that_has_given_one_up_releases_none),
		cmocka_unit_test(a_source_that_does_not_release_one_takes_both_back),
		cmocka_unit_test(a_target_that_has_lost_one_starts_none),
		cmocka_unit_test(a_lost_answer_splits_nothing),
		cmocka_unit_test(canceled_at_any_step_both_stay),
		cmocka_unit_test(past_the_release_nothing_is_canceled),
		cmocka_unit_test(killed_at_every_record_both_end_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
