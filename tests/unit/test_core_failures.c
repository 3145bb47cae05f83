/* SPDX-License-Identifier: MPL-2.0
 *
 * The rows of docs/protocol.md, "When a step fails", until the source has released: who is asked
 * for what, how it is told, and where the container runs in the end. From there on:
 * test_core_released.c. */
#include "test_core_client.h"

/* --- check, reserve: nothing touched --- */

static void check_without_answer_stays(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_check)->mute = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 17000);
	lab_expect(&lab, "STAYED", "alpha", ERR_timeout);
	assert_int_equal(lab_told(&lab), ERR_timeout);
	assert_int_equal(lab.asks[STEP_refuse], 0);
	assert_true(lab.asks[STEP_clean] > 0);
	lab_expect_done(&lab);
	lab_end(&lab);
}

static void a_refused_reservation_stays_untouched(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	s = lab_add(&lab, "beta", STEP_reserve);
	s->code = ERR_refused;
	s->reason = "E-MEM";
	lab_migrate(&lab, "beta");
	lab_run(&lab, 2000);
	lab_expect(&lab, "STAYED", "alpha", ERR_refused);
	assert_int_equal(lab.asks[STEP_refuse], 1);
	assert_int_equal(lab.asks[STEP_abort], 0);
	assert_true(lab.asks[STEP_clean] >= 2);
	lab_expect_done(&lab);
	assert_string_equal(lab_job(&lab)->reasons.v[0].code, "E-MEM");
	lab_end(&lab);
}

static void a_ticket_is_no_ticket_without_bytes(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "beta", STEP_reserve)->bare = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 2000);
	lab_expect(&lab, "STAYED", "alpha", ERR_protocol);
	lab_end(&lab);
}

/* --- sync --- */

static void a_failed_sync_stays(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_sync)->code = ERR_nospace;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 2000);
	lab_expect(&lab, "STAYED", "alpha", ERR_nospace);
	assert_int_equal(err_exit_code((int)lab_job(&lab)->code), 1);
	assert_int_equal(lab.asks[STEP_refuse], 1);
	assert_int_equal(lab.asks[STEP_abort], 1);
	assert_string_equal(lab_job(&lab)->fix ? lab_job(&lab)->fix : "", "");
	lab_ask(&lab, &(struct msg_request){.command = "job", .job = "web", .mode = "log"});
	assert_non_null(strstr(lab_reply(&lab)->jobs.v[0].log, "criu/x.c"));
	lab_expect_done(&lab);
	lab_end(&lab);
}

/* The code, sentence and fix that a worker gives for CRIU's failure are the job's. */
static void a_dump_that_fails_is_explained(void **state)
{
	struct lab_script *script;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	script = lab_add(&lab, "alpha", STEP_hold);
	script->code = ERR_child;
	script->code_state = "own";
	script->reason = "E-CRIU-IOURING";
	lab_migrate(&lab, "beta");
	lab_run(&lab, 2000);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	assert_int_equal(lab_job(&lab)->reasons.n, 1);
	assert_string_equal(lab_job(&lab)->reasons.v[0].code, "E-CRIU-IOURING");
	assert_string_equal(lab_job(&lab)->reasons.v[0].fix, "mend it");
	lab_end(&lab);
}

/* A host's log is asked of it, piece by piece, also when the job is over; who does not answer or
 * has none is told as such, and never keeps a client waiting. */
static void a_hosts_log_is_read_in_pieces(void **state)
{
	struct msg_request request = {
		.command = "job", .job = "web", .mode = "log", .host = "alpha"};
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_migrate(&lab, "beta");
	lab_run(&lab, 2000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_ask(&lab, &request);
	lab_run(&lab, 100);
	assert_string_equal(lab_reply(&lab)->jobs.v[0].log_host, "alpha");
	assert_int_equal(strlen(lab_reply(&lab)->jobs.v[0].log), 16383);
	assert_int_equal(lab_reply(&lab)->jobs.v[0].log_total, 20000);
	request.offset = 16383;
	lab_ask(&lab, &request);
	lab_run(&lab, 100);
	assert_int_equal(strlen(lab_reply(&lab)->jobs.v[0].log), 20000 - 16383);
	assert_int_equal(lab_reply(&lab)->jobs.v[0].log_offset, 16383);
	request.host = "gamma";
	lab_ask(&lab, &request);
	assert_int_equal(lab_reply(&lab)->code, ERR_usage);
	lab_add(&lab, "beta", STEP_log)->code = ERR_nosuch;
	request.host = "beta";
	lab_ask(&lab, &request);
	lab_run(&lab, 100);
	assert_int_equal(lab_reply(&lab)->code, ERR_nosuch);
	lab_add(&lab, "alpha", STEP_log)->mute = true;
	request.host = "alpha";
	lab_ask(&lab, &request);
	lab_run(&lab, 6000);
	assert_int_equal(lab_reply(&lab)->code, ERR_timeout);
	lab.host[0].up = false;
	lab_run(&lab, 20000);
	lab_ask(&lab, &request);
	assert_int_equal(lab_reply(&lab)->code, ERR_unreachable);
	lab_end(&lab);
}

/* A budget for the frozen time is kept twice: by what is foretold before anything is asked, and by
 * what pre-copy has measured, before the freeze. */
static void over_budget_nothing_is_frozen(void **state)
{
	struct msg_figures busy = {.rounds = 4, .dirty_bytes_s = 10ull << 30};
	struct msg_request request = {.command = "migrate",
				      .container = "web",
				      .host = "beta",
				      .follow = true,
				      .max_downtime_ms = 100};
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_ask(&lab, &request);
	assert_int_equal(lab_reply(&lab)->code, ERR_refused);
	assert_non_null(strstr(lab_reply(&lab)->error, "E-DOWNTIME"));
	assert_int_equal(lab.asks[STEP_check], 0);
	request.max_downtime_ms = 1000;
	lab_add(&lab, "alpha", STEP_sync)->figures = &busy;
	lab_ask(&lab, &request);
	lab_run(&lab, 2000);
	lab_expect(&lab, "STAYED", "alpha", ERR_io);
	assert_non_null(strstr(lab_job(&lab)->error, "E-DOWNTIME: memory changes at 10"));
	assert_int_equal(lab.asks[STEP_hold], 0);
	lab_end(&lab);
}

/* Where the user has allowed a cold move, the job becomes one instead, and says why; not where that
 * would take too long as well. */
static void over_budget_it_steps_down_when_allowed(void **state)
{
	struct msg_figures busy = {.rounds = 4,
				   .dirty_bytes_s = 10ull << 30,
				   .bytes_s = 4 << 20,
				   .sent_bytes = 64 << 20};
	static const uint64_t budgets[] = {3000, 900};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct lab lab;

		lab_start(&lab);
		lab_add(&lab, "alpha", STEP_sync)->figures = &busy;
		lab_ask(&lab, &(struct msg_request){.command = "migrate",
						    .container = "web",
						    .host = "beta",
						    .follow = true,
						    .mode = "ladder",
						    .max_downtime_ms = budgets[i]});
		lab_run(&lab, 4000);
		if (i == 0) {
			lab_expect(&lab, "MOVED", "beta", 0);
			assert_string_equal(lab_job(&lab)->mode, "cold");
			assert_non_null(strstr(lab_job(&lab)->mode_reason, "E-DOWNTIME: memory"));
			assert_non_null(strstr(lab_job(&lab)->mode_reason, "3.00 s is allowed"));
		} else {
			lab_expect(&lab, "STAYED", "alpha", ERR_io);
			assert_string_equal(lab_job(&lab)->mode, "live");
			assert_non_null(
				strstr(lab_job(&lab)->error, "a cold move would take about"));
			assert_string_equal(lab_job(&lab)->reasons.v[0].code, "E-DOWNTIME");
			assert_int_equal(lab.asks[STEP_hold], 0);
		}
		lab_end(&lab);
	}
}

/* Predicted and measured stand side by side in the job. */
static void a_job_tells_how_far_off_it_was(void **state)
{
	const struct msg_job *job;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_migrate(&lab, "beta");
	lab_run(&lab, 2000);
	lab_expect(&lab, "MOVED", "beta", 0);
	job = lab_job(&lab);
	assert_true(job->predicted_frozen_ms > 0 && job->figures->frozen_us > 0);
	assert_true(job->predicted_total_ms > job->predicted_frozen_ms);
	assert_int_equal(job->frozen_error_percent,
			 (int64_t)(((double)job->figures->frozen_us / 1000 /
					    (double)job->predicted_frozen_ms -
				    1) *
				   100));
	assert_true(job->frozen_error_percent < 0); /* 64 MiB in 100 ms */
	lab_end(&lab);
}

static void t_dies(void *arg)
{
	((struct lab *)arg)->host[1].up = false;
}

/* T is lost while the payload travels: S is told to stop, the client hears of it, and the job waits
 * for T's clean-up without holding the container. */
static void a_target_lost_in_sync_stays(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	s = lab_add(&lab, "alpha", STEP_sync);
	s->mute = true;
	s->before = t_dies;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 20000);
	lab_expect(&lab, "STAYED", "alpha", ERR_io);
	assert_int_equal(err_exit_code(ERR_io), 1);
	assert_string_equal(lab_job(&lab)->state, "waiting");
	assert_non_null(strstr(lab_job(&lab)->waiting_for, "beta to answer refuse"));
	lab.n_scripts = 0;
	lab_migrate(&lab, "gamma");
	lab_run(&lab, 1000);
	lab_expect(&lab, "MOVED", "gamma", 0);
	lab.host[1].up = true;
	lab_hello(&lab, 1);
	lab_run(&lab, 3000);
	assert_int_equal(core_jobs_running(lab.core), 0);
	lab_end(&lab);
}

/* --- hold --- */

static void a_failed_hold_is_rolled_back(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_hold)->code = ERR_child;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	assert_int_equal(lab_told(&lab), ERR_rolledback);
	assert_int_equal(lab.asks[STEP_refuse], 1);
	assert_int_equal(lab.asks[STEP_abort], 1);
	lab_expect_done(&lab);
	lab_end(&lab);
}

static void a_hold_without_digest_is_rolled_back(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_hold)->bare = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	assert_false(lab.host[0].frozen);
	lab_end(&lab);
}

/* --- arm --- */

static void a_failed_arm_is_rolled_back_within_a_second(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "beta", STEP_arm)->code = ERR_child;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 900);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	assert_int_equal(lab.asks[STEP_release], 0);
	assert_non_null(strstr(lab_job(&lab)->error, "beta: scripted error"));
	lab_expect_done(&lab);
	lab_end(&lab);
}

static void an_arm_without_proof_is_rolled_back(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "beta", STEP_arm)->bare = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	assert_int_equal(lab.asks[STEP_release], 0);
	lab_end(&lab);
}

/* S does not wait for a T that has died. */
static void a_target_lost_in_arm_is_rolled_back(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	s = lab_add(&lab, "beta", STEP_arm);
	s->mute = true;
	s->before = t_dies;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 5000);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	lab_run(&lab, 5000);
	assert_int_equal(lab_told(&lab), ERR_rolledback);
	assert_string_equal(lab_job(&lab)->state, "waiting");
	lab.host[1].up = true;
	lab.n_scripts = 0;
	lab_hello(&lab, 1);
	lab_run(&lab, 2000);
	lab_expect_done(&lab);
	assert_string_equal(lab.host[1].journal, "closed");
	lab_end(&lab);
}

/* The source is lost while it holds: nothing is known of the container until it speaks. */
static void s_dies(void *arg)
{
	((struct lab *)arg)->host[0].up = false;
}

static void a_source_lost_in_hold_is_told_as_unknown(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	s = lab_add(&lab, "alpha", STEP_hold);
	s->mute = true;
	s->before = s_dies;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 12000);
	assert_string_equal(lab_job(&lab)->outcome ? lab_job(&lab)->outcome : "", "");
	assert_int_equal(lab_reply(&lab)->jobs.v[0].code, ERR_rolledback);
	assert_int_equal(lab_told(&lab), ERR_timeout);
	lab.host[0].up = true;
	lab.n_scripts = 0;
	lab_hello(&lab, 0);
	lab_run(&lab, 3000);
	lab_expect(&lab, "STAYED", "alpha", ERR_rolledback);
	lab_expect_done(&lab);
	lab_end(&lab);
}

/* --- busy workers, cancel, deadline --- */

static void a_busy_worker_is_asked_again(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	s = lab_add(&lab, "alpha", STEP_hold);
	s->code = ERR_busy;
	s->times = 2;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 4000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

static void cancel_at_each_step(void **state)
{
	(void)state;
	for (enum step step = STEP_check; step <= STEP_clean; step++) {
		bool can = step < STEP_release;
		struct lab lab;

		if (step == STEP_precopy)
			continue;
		lab_start(&lab);
		lab.stop_before = step;
		lab_migrate(&lab, "beta");
		lab_run(&lab, 1000);
		assert_true(lab.stopped);
		lab_ask(&lab, &(struct msg_request){
				      .command = "cancel", .job = "web", .reason = "wrong host"});
		assert_int_equal(lab_reply(&lab)->code, can ? 0 : ERR_refused);
		lab.stop_before = STEP_none;
		lab_run(&lab, 3000);
		lab_expect(&lab, can ? "STAYED" : "MOVED", can ? "alpha" : "beta",
			   can ? ERR_canceled : 0);
		lab_expect_done(&lab);
		if (can)
			assert_non_null(strstr(lab_job(&lab)->error, "wrong host"));
		lab_end(&lab);
	}
}

static void the_users_deadline_rolls_back(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_hold)->mute = true;
	lab_ask(&lab, &(struct msg_request){.command = "migrate",
					    .container = "web",
					    .host = "beta",
					    .follow = true,
					    .deadline_ms = 5000});
	lab_run(&lab, 6000);
	assert_int_equal(lab_told(&lab), ERR_timeout);
	lab_expect(&lab, "STAYED", "alpha", ERR_timeout);
	lab_end(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_without_answer_stays),
		cmocka_unit_test(a_refused_reservation_stays_untouched),
		cmocka_unit_test(a_ticket_is_no_ticket_without_bytes),
		cmocka_unit_test(a_failed_sync_stays),
		cmocka_unit_test(a_dump_that_fails_is_explained),
		cmocka_unit_test(a_hosts_log_is_read_in_pieces),
		cmocka_unit_test(over_budget_nothing_is_frozen),
		cmocka_unit_test(over_budget_it_steps_down_when_allowed),
		cmocka_unit_test(a_job_tells_how_far_off_it_was),
		cmocka_unit_test(a_target_lost_in_sync_stays),
		cmocka_unit_test(a_failed_hold_is_rolled_back),
		cmocka_unit_test(a_hold_without_digest_is_rolled_back),
		cmocka_unit_test(a_failed_arm_is_rolled_back_within_a_second),
		cmocka_unit_test(an_arm_without_proof_is_rolled_back),
		cmocka_unit_test(a_target_lost_in_arm_is_rolled_back),
		cmocka_unit_test(a_source_lost_in_hold_is_told_as_unknown),
		cmocka_unit_test(a_busy_worker_is_asked_again),
		cmocka_unit_test(cancel_at_each_step),
		cmocka_unit_test(the_users_deadline_rolls_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
