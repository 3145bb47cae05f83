/* SPDX-License-Identifier: MPL-2.0
 *
 * The coordinator walks a migration to its end, chooses targets, and answers what clients ask. */
#include "test_core_client.h"

static void moves_to_the_best_host(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_migrate(&lab, NULL);
	lab_run(&lab, 1000);
	assert_non_null(lab_reply(&lab));
	assert_int_equal(lab_reply(&lab)->code, 0);
	assert_true(lab_events(&lab, "job.step") >= 9);
	assert_int_equal(lab_events(&lab, "job.end"), 1);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_expect_done(&lab);
	assert_true(lab_job(&lab)->figures->frozen_us >= 100000);
	assert_false(lab.host[0].has_web);
	assert_string_equal(lab.host[0].journal, "closed");
	assert_string_equal(lab.host[1].journal, "closed");
	for (enum step s = STEP_check; s <= STEP_retire; s++)
		if (s != STEP_precopy)
			assert_int_equal(lab.asks[s], s == STEP_check ? 2 : 1);
	lab_end(&lab);
}

static void moves_to_the_chosen_host(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_migrate(&lab, "gamma");
	lab_run(&lab, 1000);
	lab_expect(&lab, "MOVED", "gamma", 0);
	lab_end(&lab);
}

/* Before the hosts' CAPS say so, the container is known to be where it went. */
static void moves_there_and_back(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	for (int i = 0; i < 6; i++) {
		lab_migrate(&lab, i % 2 ? "alpha" : "beta");
		lab_run(&lab, 1000);
		lab_expect(&lab, "MOVED", i % 2 ? "alpha" : "beta", 0);
		if (i == 3) {
			lab_caps(&lab, 0);
			lab_caps(&lab, 1);
		}
	}
	lab_ask(&lab, &(struct msg_request){.command = "ps"});
	assert_int_equal(lab_reply(&lab)->places.n, 1);
	assert_string_equal(lab_reply(&lab)->places.v[0].host, "alpha");
	lab_ask(&lab, &(struct msg_request){.command = "history"});
	assert_int_equal(lab_reply(&lab)->jobs.n, 6);
	lab_end(&lab);
}

static void double_and_late_answers_change_nothing(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	for (enum step s = STEP_check; s <= STEP_hold && lab.n_scripts < 8; s++)
		lab_add(&lab, NULL, s)->twice = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_say(&lab, 1, MSG_TYPE_answer,
		&(struct msg_answer){.migration = "01HZ0000000000000000000001",
				     .step = STEP_arm,
				     .attempt = 1,
				     .code = ERR_io});
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

/* Answers of others, for other steps, other attempts, other jobs. */
static void foreign_answers_change_nothing(void **state)
{
	struct msg_answer a = {.migration = "01HZ0000000000000000000001",
			       .step = STEP_hold,
			       .attempt = 1,
			       .code = ERR_io};
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab.stop_before = STEP_hold;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	assert_true(lab.stopped);
	lab_say(&lab, 1, MSG_TYPE_answer, &a); /* T was not asked to hold */
	lab_say(&lab, 2, MSG_TYPE_answer, &a); /* gamma has no part in it */
	a.attempt = 9;
	lab_say(&lab, 0, MSG_TYPE_answer, &a);
	a.attempt = 1;
	a.step = STEP_sync;
	lab_say(&lab, 0, MSG_TYPE_answer, &a);
	a.migration = "01HZ0000000000000000000009";
	lab_say(&lab, 0, MSG_TYPE_answer, &a);
	a.migration = NULL;
	lab_say(&lab, 0, MSG_TYPE_answer, &a);
	lab.stop_before = STEP_none;
	lab_run(&lab, 1000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

static void a_lost_ask_is_repeated_under_the_same_attempt(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_hold)->mute = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 2500);
	assert_int_equal(lab.asks[STEP_hold], 3);
	lab.n_scripts = 0;
	lab_run(&lab, 1500);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

static void progress_puts_the_deadline_off(void **state)
{
	struct msg_progress p = {.migration = "01HZ0000000000000000000001",
				 .step = STEP_sync,
				 .attempt = 1,
				 .phase = "tree",
				 .done_bytes = 5,
				 .total_bytes = 10};
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_sync)->mute = true;
	lab_migrate(&lab, "beta");
	for (int i = 0; i < 10; i++) {
		lab_run(&lab, 30000);
		lab_say(&lab, 0, MSG_TYPE_progress, &p);
	}
	assert_string_equal(lab_job(&lab)->phase, "tree");
	assert_string_equal(lab_job(&lab)->step, "sync");
	assert_true(lab_events(&lab, "job.progress") == 10);
	lab_run(&lab, 61000);
	lab_expect(&lab, "STAYED", "alpha", ERR_io);
	lab_end(&lab);
}

static void the_next_candidate_is_tried(void **state)
{
	struct lab_script *s;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	s = lab_add(&lab, "beta", STEP_check);
	s->reason = "E-MOUNT";
	lab_migrate(&lab, NULL);
	lab_run(&lab, 1000);
	lab_expect(&lab, "MOVED", "gamma", 0);
	assert_string_equal(lab.host[1].journal, "none");
	lab_end(&lab);
}

static void the_chosen_host_has_no_second(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "beta", STEP_check)->reason = "E-MOUNT";
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_expect(&lab, "STAYED", "alpha", ERR_refused);
	lab_expect_done(&lab);
	assert_non_null(strstr(lab_job(&lab)->error, "E-MOUNT"));
	assert_int_equal(lab_told(&lab), ERR_refused);
	lab_end(&lab);
}

static void skipped_reasons_do_not_refuse(void **state)
{
	const char *skip = "mounts";
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "beta", STEP_check)->reason = "E-MOUNT";
	lab_add(&lab, "gamma", STEP_check)->reason = "E-MOUNT";
	lab_ask(&lab, &(struct msg_request){.command = "migrate",
					    .container = "web",
					    .host = "beta",
					    .skip = {&skip, 1}});
	lab_run(&lab, 1000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

static void no_target_refuses_with_every_reason(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab.host[1].mem_available = lab.host[2].mem_available = 50 * LAB_MIB;
	lab_run(&lab, 1100);
	lab_migrate(&lab, NULL);
	assert_int_equal(lab_reply(&lab)->code, ERR_refused);
	assert_non_null(strstr(lab_reply(&lab)->error, "beta: E-MEM"));
	assert_non_null(strstr(lab_reply(&lab)->error, "gamma: E-MEM"));
	assert_int_equal(lab_reply(&lab)->candidates.n, 2);
	assert_string_equal(lab_reply(&lab)->candidates.v[0].verdict, "no");
	assert_int_equal(core_jobs_running(lab.core), 0);
	assert_int_equal(lab.asks[STEP_check], 0);
	lab_end(&lab);
}

static void bad_requests_are_told_what_is_wrong(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_ask(&lab, &(struct msg_request){.command = "migrate", .container = "wbe"});
	assert_int_equal(lab_reply(&lab)->code, ERR_nosuch);
	assert_non_null(strstr(lab_reply(&lab)->error, "did you mean web"));
	lab_migrate(&lab, "betta");
	assert_int_equal(lab_reply(&lab)->code, ERR_nosuch);
	assert_non_null(strstr(lab_reply(&lab)->error, "did you mean beta"));
	lab_migrate(&lab, "alpha");
	assert_int_equal(lab_reply(&lab)->code, ERR_refused);
	assert_non_null(strstr(lab_reply(&lab)->error, "E-SAME-HOST"));
	lab_ask(&lab, &(struct msg_request){.command = "dance"});
	assert_int_equal(lab_reply(&lab)->code, ERR_usage);
	lab_ask(&lab, &(struct msg_request){.command = "job", .job = "none-such"});
	assert_int_equal(lab_reply(&lab)->code, ERR_nosuch);
	lab.host[2].up = false;
	lab_run(&lab, 12000);
	lab_migrate(&lab, "gamma");
	assert_int_equal(lab_reply(&lab)->code, ERR_unreachable);
	lab.host[0].io_uring = true;
	lab_caps(&lab, 0);
	lab_migrate(&lab, "beta");
	assert_int_equal(lab_reply(&lab)->code, ERR_refused);
	assert_non_null(strstr(lab_reply(&lab)->error, "E-IOURING"));
	assert_int_equal(core_jobs_running(lab.core), 0);
	lab_end(&lab);
}

static void two_hosts_with_one_name_must_be_told_apart(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab.host[2].has_web = true;
	lab_caps(&lab, 2);
	lab_migrate(&lab, "beta");
	assert_int_equal(lab_reply(&lab)->code, ERR_refused);
	assert_non_null(strstr(lab_reply(&lab)->error, "alpha, gamma"));
	lab_ask(&lab, &(struct msg_request){
			      .command = "migrate", .container = "gamma/web", .host = "alpha"});
	assert_non_null(strstr(lab_reply(&lab)->error, "E-NAME-TAKEN"));
	lab_end(&lab);
}

static void one_container_moves_once_at_a_time(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab.stop_before = STEP_hold;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 1000);
	lab_migrate(&lab, "gamma");
	assert_int_equal(lab_reply(&lab)->code, ERR_busy);
	assert_int_equal(core_jobs_running(lab.core), 1);
	lab.stop_before = STEP_none;
	lab_run(&lab, 1000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

static void check_asks_live_and_moves_nothing(void **state)
{
	const struct msg_reply *reply;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "gamma", STEP_check)->reason = "E-MOUNT";
	lab_ask(&lab,
		&(struct msg_request){.command = "check", .container = "web", .host = "gamma"});
	assert_null(lab_reply(&lab));
	lab_run(&lab, 500);
	reply = lab_reply(&lab);
	assert_int_equal(reply->code, ERR_refused);
	assert_int_equal(reply->candidates.n, 1);
	assert_string_equal(reply->candidates.v[0].reasons.v[0].code, "E-MOUNT");
	assert_int_equal(reply->candidates.v[0].terms.n, 6);
	lab_ask(&lab, &(struct msg_request){.command = "check", .container = "web"});
	lab_run(&lab, 500);
	reply = lab_reply(&lab);
	assert_int_equal(reply->code, 0);
	assert_int_equal(reply->candidates.n, 2);
	assert_string_equal(reply->candidates.v[0].host, "beta");
	assert_int_equal(lab.asks[STEP_reserve], 0);
	assert_int_equal(core_jobs_running(lab.core), 0);
	lab_ask(&lab,
		&(struct msg_request){.command = "check", .container = "web", .host = "alpha"});
	lab_run(&lab, 500);
	assert_string_equal(lab_reply(&lab)->candidates.v[0].reasons.v[0].code, "E-SAME-HOST");
	lab_end(&lab);
}

/* The source tells what its container is now after gamma was cordoned: the answer shows the cordon
 * only where the hosts were ranked once more. */
static bool is_judged_anew(uint64_t rss_bytes, bool io_uring)
{
	const char *address = "10.9.0.5/24";
	struct msg_net net = {.kind = "named", .bridge = "br0", .addrs = {&address, 1}};
	struct msg_container facts = {.id = "web",
				      .runtime = "runc",
				      .status = "running",
				      .bundle = "/var/lib/ct/web",
				      .rss_bytes = rss_bytes,
				      .tree_bytes = LAB_MIB,
				      .tasks = 7,
				      .io_uring = io_uring,
				      .net = &net};
	const struct msg_reply *reply;
	struct lab lab;
	bool anew;

	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_check)->facts = &facts;
	lab_ask(&lab, &(struct msg_request){.command = "check", .container = "web"});
	lab_ask(&lab, &(struct msg_request){.command = "cordon", .host = "gamma"});
	lab_run(&lab, 500);
	reply = lab_reply(&lab);
	assert_int_equal(reply->candidates.n, 2);
	anew = !str_eq(reply->candidates.v[1].verdict, "live");
	assert_int_equal(reply->code, io_uring ? ERR_refused : 0);
	lab_end(&lab);
	return anew;
}

static void hosts_are_ranked_again_only_when_the_container_is_another_than_it_was(void **state)
{
	(void)state;
	assert_false(is_judged_anew(64 * LAB_MIB, false));
	assert_false(is_judged_anew(66 * LAB_MIB, false));
	assert_true(is_judged_anew(128 * LAB_MIB, false));
	assert_true(is_judged_anew(64 * LAB_MIB, true));
}

static void a_cordoned_host_is_no_target_also_after_a_restart(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_ask(&lab,
		&(struct msg_request){.command = "cordon", .host = "beta", .reason = "disk swap"});
	assert_true(lab_reply(&lab)->hosts.v[0].cordoned);
	lab_restart(&lab);
	lab_migrate(&lab, "beta");
	assert_non_null(strstr(lab_reply(&lab)->error, "E-HOST-CORDONED"));
	assert_non_null(strstr(lab_reply(&lab)->error, "disk swap"));
	lab_migrate(&lab, NULL);
	lab_run(&lab, 1000);
	lab_expect(&lab, "MOVED", "gamma", 0);
	lab_ask(&lab, &(struct msg_request){.command = "uncordon", .host = "beta"});
	lab_restart(&lab);
	lab_caps(&lab, 0);
	lab_ask(&lab, &(struct msg_request){.command = "hosts"});
	assert_int_equal(lab_reply(&lab)->hosts.n, 3);
	assert_false(lab_reply(&lab)->hosts.v[1].cordoned);
	assert_string_equal(lab_reply(&lab)->hosts.v[1].note, "");
	lab_end(&lab);
}

static void a_client_that_goes_does_not_stop_its_job(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab.stop_before = STEP_sync;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 500);
	lab_feed(&lab, &(struct core_event){.kind = CORE_gone, .client = LAB_CLIENT});
	lab.stop_before = STEP_none;
	lab_run(&lab, 1000);
	assert_null(lab_reply(&lab));
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

static void watch_hears_of_hosts_and_jobs(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_ask(&lab, &(struct msg_request){.command = "watch", .follow = true});
	lab_ask(&lab, &(struct msg_request){.command = "watch", .follow = true});
	lab.host[2].up = false;
	lab_run(&lab, 12000);
	assert_int_equal(lab_events(&lab, "host.suspect"), 1);
	assert_int_equal(lab_events(&lab, "host.dead"), 1);
	lab_ask(&lab, &(struct msg_request){.command = "status"});
	assert_int_equal(lab_reply(&lab)->cluster->hosts_up, 2);
	assert_int_equal(lab_reply(&lab)->cluster->hosts_total, 3);
	assert_int_equal(lab_reply(&lab)->cluster->containers, 1);
	lab_end(&lab);
}

/* A worker that comes back as another process is asked again at once. */
static void a_restarted_worker_is_asked_again(void **state)
{
	struct lab lab;
	unsigned before;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "alpha", STEP_sync)->mute = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 300);
	before = lab.asks[STEP_sync];
	lab.n_scripts = 0;
	lab.host[0].instance++;
	lab_hello(&lab, 0);
	lab_run(&lab, 100);
	assert_true(lab.asks[STEP_sync] > before);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_to_the_best_host),
		cmocka_unit_test(moves_to_the_chosen_host),
		cmocka_unit_test(moves_there_and_back),
		cmocka_unit_test(double_and_late_answers_change_nothing),
		cmocka_unit_test(foreign_answers_change_nothing),
		cmocka_unit_test(a_lost_ask_is_repeated_under_the_same_attempt),
		cmocka_unit_test(progress_puts_the_deadline_off),
		cmocka_unit_test(the_next_candidate_is_tried),
		cmocka_unit_test(the_chosen_host_has_no_second),
		cmocka_unit_test(skipped_reasons_do_not_refuse),
		cmocka_unit_test(no_target_refuses_with_every_reason),
		cmocka_unit_test(bad_requests_are_told_what_is_wrong),
		cmocka_unit_test(two_hosts_with_one_name_must_be_told_apart),
		cmocka_unit_test(one_container_moves_once_at_a_time),
		cmocka_unit_test(check_asks_live_and_moves_nothing),
		cmocka_unit_test(
			hosts_are_ranked_again_only_when_the_container_is_another_than_it_was),
		cmocka_unit_test(a_cordoned_host_is_no_target_also_after_a_restart),
		cmocka_unit_test(a_client_that_goes_does_not_stop_its_job),
		cmocka_unit_test(watch_hears_of_hosts_and_jobs),
		cmocka_unit_test(a_restarted_worker_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
