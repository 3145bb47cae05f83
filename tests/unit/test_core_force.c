/* SPDX-License-Identifier: MPL-2.0
 *
 * A person decides a job that is held: only when the other host is gone, only by an operator's word
 * that the owner accepts, and never without a trace. */
#include "test_core_client.h"

static const struct msg_request beta_is_off = {.command = "force",
					       .job = "web",
					       .owner = "source",
					       .host = "beta",
					       .reason = "beta has burnt out",
					       .user = "jo",
					       .operator= "ops",
					       .statement = {(const uint8_t *)"signed", 6}};

static const struct msg_request alpha_is_off = {.command = "force",
						.job = "web",
						.owner = "target",
						.host = "alpha",
						.reason = "alpha is in repair",
						.user = "jo",
						.operator= "ops",
						.statement = {(const uint8_t *)"signed", 6}};

static bool is_forced(struct lab *lab)
{
	const char *forced = lab_job(lab)->forced;

	return forced && *forced;
}

/* HELD: this host dies before its answer to this step. */
static void held(struct lab *lab, const char *host, enum step step)
{
	lab_start(lab);
	lab->stop_before = step;
	lab_migrate(lab, "beta");
	lab_run(lab, 2000);
	assert_true(lab->stopped);
	lab->stop_before = STEP_none;
	if (step == STEP_release) /* it had recorded it, and died with its answer */
		str_copy(lab_host(lab, host)->journal, 16, "released");
	lab_host(lab, host)->up = false;
	lab_run(lab, 70000);
	lab_expect(lab, "HELD", "", ERR_held);
	lab_ask(lab, &(struct msg_request){.command = "watch"});
}

static int forced(struct lab *lab, const struct msg_request *request)
{
	lab_ask(lab, request);
	lab_run(lab, 2000);
	return (int)lab_reply(lab)->code;
}

static void the_source_gets_it_back_when_the_target_is_gone(void **state)
{
	struct lab lab;

	(void)state;
	held(&lab, "beta", STEP_start);
	/* While nobody runs it, its frozen original is what ps shows. */
	lab_caps(&lab, 0);
	lab_ask(&lab, &(struct msg_request){.command = "ps"});
	assert_int_equal(lab_reply(&lab)->places.n, 1);
	assert_string_equal(lab_reply(&lab)->places.v[0].host, "alpha");
	assert_string_equal(lab_reply(&lab)->places.v[0].container->authority, "released");
	lab_ask(&lab, &beta_is_off);
	lab_run(&lab,
		8000); /* its target cannot be told yet: after 5 s the client has its answer */
	assert_int_equal(lab_reply(&lab)->code, 0);
	lab_expect(&lab, "STAYED", "alpha", 0);
	assert_non_null(strstr(lab_job(&lab)->forced, "jo"));
	assert_non_null(strstr(lab_job(&lab)->forced, "ops"));
	assert_non_null(strstr(lab_job(&lab)->forced, "burnt out"));
	assert_true(lab_job(&lab)->forced_ms > 0);
	assert_int_equal(lab_events(&lab, "job.forced"), 1);
	/* It comes back, and its copy goes. */
	lab.host[1].up = true;
	lab_hello(&lab, 1);
	lab_run(&lab, 3000);
	assert_false(lab.host[1].has_web);
	lab_expect(&lab, "STAYED", "alpha", 0);
	lab_expect_done(&lab);
	lab_restart(&lab);
	assert_non_null(strstr(lab_job(&lab)->forced, "burnt out"));
	lab_end(&lab);
}

static void the_target_starts_it_when_the_source_is_gone(void **state)
{
	struct lab lab;

	(void)state;
	held(&lab, "alpha", STEP_release);
	assert_int_equal(lab.asks[STEP_start], 0);
	lab_ask(&lab, &alpha_is_off);
	lab_run(&lab, 8000);
	assert_int_equal(lab_reply(&lab)->code, 0);
	lab_expect(&lab, "MOVED", "beta", 0);
	assert_int_equal(lab.asks[STEP_start], 0);
	assert_non_null(strstr(lab_job(&lab)->forced, "alpha is in repair"));
	/* Its frozen copy is retired, not thawed. */
	lab.host[0].up = true;
	lab_hello(&lab, 0);
	lab_run(&lab, 3000);
	assert_false(lab.host[0].has_web);
	lab_expect_done(&lab);
	lab_end(&lab);
}

static void refused(struct lab *lab, struct msg_request request, int code, const char *says)
{
	unsigned before = lab->asks[STEP_force];

	assert_int_equal(forced(lab, &request), code);
	if (!strstr(lab_reply(lab)->error, says))
		print_error("\"%s\" is not in: %s\n", says, lab_reply(lab)->error);
	assert_non_null(strstr(lab_reply(lab)->error, says));
	assert_int_equal(lab->asks[STEP_force], before);
	lab_expect(lab, "HELD", "", ERR_held);
	assert_false(is_forced(lab));
}

static void it_is_refused_while_the_other_host_may_live(void **state)
{
	struct msg_request request = beta_is_off;
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_add(&lab, "beta", STEP_start)->mute = true;
	lab_migrate(&lab, "beta");
	lab_run(&lab, 40000);
	lab_expect(&lab, "HELD", "", ERR_held);
	refused(&lab, request, ERR_refused, "beta is up");
	lab.host[1].up = false;
	lab_run(&lab, 5000);
	refused(&lab, request, ERR_refused, "beta is suspect");
	lab_run(&lab, 7000);
	refused(&lab, request, ERR_refused, "was not heard for");
	/* A coordinator that was started again knows of nobody; it has to wait as well. */
	lab_restart(&lab);
	refused(&lab, request, ERR_refused, "was not heard for");
	lab_run(&lab, 60000);
	request.host = "gamma";
	refused(&lab, request, ERR_refused, "the other host is beta, not gamma");
	request.host = "beta";
	request.owner = "target";
	refused(&lab, request, ERR_refused, "waits for beta");
	request.owner = "source";
	request.reason = NULL;
	refused(&lab, request, ERR_usage, "reason");
	request = beta_is_off;
	request.statement.len = 0;
	refused(&lab, request, ERR_denied, "operator");
	lab.host[0].up = false;
	lab_run(&lab, 11000);
	refused(&lab, beta_is_off, ERR_unreachable, "alpha");
	lab_end(&lab);
}

/* The worker is the judge of the signature: the job waits on as it did, and can still end. */
static void a_word_that_the_owner_does_not_believe_changes_nothing(void **state)
{
	struct msg_request request = beta_is_off;
	struct lab lab;

	(void)state;
	held(&lab, "beta", STEP_start);
	request.operator= "eve";
	assert_int_equal(forced(&lab, &request), ERR_denied);
	assert_int_equal(lab.asks[STEP_force], 1);
	assert_string_equal(lab_job(&lab)->outcome, "HELD");
	assert_false(is_forced(&lab));
	assert_true(lab.host[0].frozen);
	assert_true(lab_events(&lab, "job.unforced") > 0);
	lab.host[1].up = true;
	lab_hello(&lab, 1);
	lab_run(&lab, 3000);
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

static void a_job_that_nobody_waits_for_is_not_forced(void **state)
{
	struct lab lab;

	(void)state;
	lab_start(&lab);
	lab_migrate(&lab, "beta");
	lab_run(&lab, 3000);
	lab_expect(&lab, "MOVED", "beta", 0);
	assert_int_equal(forced(&lab, &beta_is_off), ERR_refused);
	assert_non_null(strstr(lab_reply(&lab)->error, "not held"));
	lab_expect(&lab, "MOVED", "beta", 0);
	lab_end(&lab);
}

/* The host was not off at all: both ran, and that is said as it is. */
static void two_that_run_are_told_loudly(void **state)
{
	struct lab lab;

	(void)state;
	held(&lab, "beta", STEP_start);
	lab_ask(&lab, &beta_is_off);
	lab_run(&lab, 8000);
	lab_expect(&lab, "STAYED", "alpha", 0);
	lab_add(&lab, "beta", STEP_refuse)->code = ERR_refused;
	lab.script[lab.n_scripts - 1].code_state = "running";
	lab.host[1].up = true;
	lab_hello(&lab, 1);
	lab_run(&lab, 3000);
	assert_int_equal(lab_events(&lab, "job.split"), 1);
	assert_non_null(strstr(lab_job(&lab)->error, "BOTH alpha and beta"));
	assert_int_equal(lab_job(&lab)->code, ERR_held);
	lab_end(&lab);
}

/* T has said itself that it lost the container: nothing more is needed of it. */
static void what_was_lost_is_given_back(void **state)
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
	s = lab_add(&lab, "beta", STEP_refuse);
	s->code = ERR_refused;
	s->code_state = "lost";
	lab_restart(&lab);
	lab_run(&lab, 1000);
	str_copy(lab.host[1].journal, 16, "lost");
	lab.host[1].has_web = false;
	assert_int_equal(forced(&lab, &beta_is_off), 0);
	lab_expect(&lab, "STAYED", "alpha", 0);
	lab_expect_done(&lab);
	lab_restart(&lab);
	lab_expect(&lab, "STAYED", "alpha", 0);
	lab_end(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_source_gets_it_back_when_the_target_is_gone),
		cmocka_unit_test(the_target_starts_it_when_the_source_is_gone),
		cmocka_unit_test(it_is_refused_while_the_other_host_may_live),
		cmocka_unit_test(a_word_that_the_owner_does_not_believe_changes_nothing),
		cmocka_unit_test(a_job_that_nobody_waits_for_is_not_forced),
		cmocka_unit_test(two_that_run_are_told_loudly),
		cmocka_unit_test(what_was_lost_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
