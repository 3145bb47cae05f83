/* SPDX-License-Identifier: MPL-2.0
 *
 * Hooks of an evacuation: nothing is cordoned or moved before every host's pre-evacuate has said
 * yes; one that says no is the end of it; after the end every host is told how it went. */
#include "tests/unit/test_drain_fleet.h"

static void start_hooked(struct fleet *f, size_t guests)
{
	start(f, guests);
	for (int i = 0; i < 2; i++) {
		f->hooks[i] = true;
		tell_caps(f, i);
	}
}

static const struct msg_plan *state(struct fleet *f)
{
	return ask(f, (struct msg_request){.command = "job", .job = "0001AB"});
}

static bool cordoned(struct fleet *f, const char *name)
{
	ask(f, (struct msg_request){.command = "hosts", .host = name});
	return f->last->reply->hosts.v[0].cordoned;
}

static const struct msg_plan *evacuate_both(struct fleet *f, uint64_t deadline_ms)
{
	static const char *v[] = {"alpha", "beta"};

	return ask(f, (struct msg_request){.command = "evacuate",
					   .hosts = {v, 2},
					   .yes = true,
					   .follow = true,
					   .reason = "disk",
					   .deadline_ms = deadline_ms});
}

static void both_are_asked_before_and_after(void **s)
{
	struct fleet f;

	(void)s;
	start_hooked(&f, 3);
	f.mute = true;
	assert_string_equal(evacuate_both(&f, 0)->state, "preparing");
	run(&f, 10000);
	assert_string_equal(state(&f)->state, "preparing");
	assert_int_equal(guests_on(&f, 0), 3);
	assert_false(cordoned(&f, "alpha"));
	assert_in_range(f.pre[0], 4, 6); /* until it answers, and no more often */
	f.mute = false;
	run(&f, 60000);
	assert_string_equal(state(&f)->state, "done");
	assert_string_equal(f.last->reply->plan->log, "alpha: pre-evacuate\n--- hook said\n"
						      "beta: pre-evacuate\n--- hook said\n"
						      "alpha: post-evacuate\n--- hook said\n"
						      "beta: post-evacuate\n--- hook said\n");
	assert_int_equal(guests_on(&f, 0), 0);
	assert_true(cordoned(&f, "alpha"));
	assert_int_equal(f.post[0], 1);
	assert_int_equal(f.post[1], 1);
	assert_string_equal(f.outcome, "EMPTY");
	assert_int_equal(f.pre[2] + f.post[2], 0);
	end(&f);
}

static void one_that_says_no_is_the_end_of_it(void **s)
{
	struct fleet f;

	(void)s;
	start_hooked(&f, 3);
	f.fails = 1;
	evacuate_both(&f, 0);
	run(&f, 5000);
	assert_true(f.last->reply->final); /* its follower was told */
	assert_int_equal(f.last->reply->code, ERR_refused);
	assert_string_equal(f.last->reply->error,
			    "not begun: beta: the pre-evacuate hook 10-lb: exit 7: scripted");
	assert_int_equal(guests_on(&f, 0), 3);
	assert_false(cordoned(&f, "alpha"));
	assert_false(cordoned(&f, "beta"));
	assert_int_equal(f.post[0], 1);
	assert_string_equal(f.outcome, "NOT_BEGUN");
	f.fails = -1; /* nothing keeps a later one */
	evacuate(&f, "alpha", 0);
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 0);
	end(&f);
}

static void what_is_left_is_told(void **s)
{
	struct fleet f;

	(void)s;
	start_hooked(&f, 3);
	f.guest[1].io_uring = true;
	tell_caps(&f, 0);
	evacuate(&f, "alpha", 0);
	run(&f, 60000);
	assert_string_equal(state(&f)->state, "done");
	assert_string_equal(f.outcome, "PARTLY");
	end(&f);
}

static void cancel_and_deadline_before_it_begins(void **s)
{
	struct fleet f;

	(void)s;
	start_hooked(&f, 3);
	f.mute = true;
	evacuate_both(&f, 5000);
	run(&f, 3000);
	ask(&f, (struct msg_request){.command = "pause", .job = "alpha"});
	assert_int_equal(f.last->reply->code, ERR_refused);
	run(&f, 3000);
	assert_string_equal(state(&f)->state, "telling");
	assert_non_null(strstr(f.last->reply->plan->note, "its deadline came"));
	f.mute = false;
	run(&f, 3000);
	assert_string_equal(state(&f)->state, "done");
	end(&f);

	start_hooked(&f, 3);
	f.mute = true;
	evacuate_both(&f, 0);
	ask(&f, (struct msg_request){.command = "cancel", .job = "alpha"});
	assert_string_equal(f.last->reply->plan->note, "not begun: canceled");
	ask(&f,
	    (struct msg_request){.command = "cancel", .job = "alpha"}); /* nor waits for hooks */
	assert_string_equal(state(&f)->state, "done");
	run(&f, 5000);
	assert_int_equal(guests_on(&f, 0), 3);
	end(&f);
}

static void a_restarted_coordinator_asks_again(void **s)
{
	struct fleet f;

	(void)s;
	start_hooked(&f, 3);
	f.mute = true;
	evacuate_both(&f, 0);
	run(&f, 1000);
	restart(&f, 2);
	assert_string_equal(state(&f)->state, "preparing");
	f.mute = false;
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_string_equal(state(&f)->state, "done");
	end(&f);
}

/* A dead host keeps nobody waiting for what is over. */
static void a_host_that_is_dead(void **s)
{
	struct fleet f;

	(void)s;
	start_hooked(&f, 0);
	evacuate_both(&f, 0);
	f.up[1] = false;
	run(&f, 3000);
	assert_string_equal(state(&f)->state, "preparing");
	f.up[1] = true;
	run(&f, 500);
	f.up[1] = false;
	run(&f, 60000);
	f.up[1] = true;
	run(&f, 5000);
	assert_string_equal(state(&f)->state, "done");
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_are_asked_before_and_after),
		cmocka_unit_test(one_that_says_no_is_the_end_of_it),
		cmocka_unit_test(what_is_left_is_told),
		cmocka_unit_test(cancel_and_deadline_before_it_begins),
		cmocka_unit_test(a_restarted_coordinator_asks_again),
		cmocka_unit_test(a_host_that_is_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
