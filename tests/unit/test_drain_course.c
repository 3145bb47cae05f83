/* SPDX-License-Identifier: MPL-2.0
 *
 * What a drain meets in its course: a coordinator that is started again, pause, cancel, a deadline,
 * a beginning later on, a second one, the way home, and a plan that was saved. */
#include "test_drain_fleet.h"

static void the_coordinator_goes_on_where_it_was(void **state)
{
	struct fleet f;

	(void)state;
	for (unsigned ms = 300; ms < 6000; ms += 700) {
		start(&f, 8);
		evacuate(&f, "alpha", 0);
		run(&f, ms);
		restart(&f, 2);
		run(&f, 60000);
		assert_int_equal(guests_on(&f, 0), 0);
		ask(&f, (struct msg_request){.command = "job", .job = "0001AB"});
		assert_string_equal(f.last->reply->plan->state, "done");
		assert_string_equal(f.last->reply->plan->note, "alpha is empty");
		for (size_t i = 0; i < f.last->reply->plan->items.n; i++)
			assert_true(f.last->reply->plan->items.v[i].attempts <= 2);
		end(&f);
	}
}

static void pause_resume_cancel(void **state)
{
	struct fleet f;
	size_t left;

	(void)state;
	start(&f, 10);
	evacuate(&f, "alpha", 0);
	run(&f, 1500);
	assert_string_equal(
		ask(&f, (struct msg_request){.command = "pause", .job = "alpha"})->state, "paused");
	run(&f, 5000);
	left = guests_on(&f, 0);
	assert_true(left > 2);
	run(&f, 20000);
	assert_int_equal(guests_on(&f, 0), left);
	ask(&f, (struct msg_request){.command = "resume", .job = "alpha"});
	run(&f, 1000);
	ask(&f, (struct msg_request){.command = "cancel", .job = "alpha"});
	run(&f, 20000);
	assert_true(guests_on(&f, 0) > 0);
	ask(&f, (struct msg_request){.command = "job", .job = "0001AB"});
	assert_string_equal(f.last->reply->plan->state, "done");
	assert_string_equal(f.last->reply->plan->ended, "cancel");
	assert_int_equal(
		ask(&f, (struct msg_request){.command = "resume", .job = "0001AB"}) != NULL, 0);
	assert_int_equal(f.last->reply->code, ERR_refused);
	end(&f);
}

static void the_deadline_stops_the_queue_and_no_container(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, 10);
	evacuate(&f, "alpha", 2000);
	run(&f, 30000);
	assert_int_equal(f.last->reply->code, ERR_partly);
	assert_string_equal(f.last->reply->plan->ended, "deadline");
	assert_true(guests_on(&f, 0) > 0 && guests_on(&f, 0) < 10);
	end(&f);
}

static void one_at_a_time_on_a_host(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, 6);
	evacuate(&f, "alpha", 0);
	run(&f, 500);
	assert_null(evacuate(&f, "alpha", 0));
	assert_int_equal(f.last->reply->code, ERR_busy);
	end(&f);
}

static void one_begins_at_its_time(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 3);
	plan = ask(&f, (struct msg_request){.command = "evacuate",
					    .hosts = {v, 1},
					    .yes = true,
					    .at_ms = f.now.wall_ms + 60000});
	assert_string_equal(plan->state, "planned");
	run(&f, 30000);
	restart(&f, 2);
	run(&f, 25000);
	assert_int_equal(guests_on(&f, 0), 3);
	f.n_guests = 4; /* started since */
	f.guest[3] = (struct guest){.id = "c9", .rss = MIB, .running = true};
	run(&f, 30000);
	assert_int_equal(guests_on(&f, 0), 0);
	plan = ask(&f, (struct msg_request){.command = "evacuate",
					    .hosts = {v, 1},
					    .yes = true,
					    .at_ms = f.now.wall_ms + 5000});
	ask(&f, (struct msg_request){.command = "cancel", .job = "0002AB"});
	run(&f, 10000);
	ask(&f, (struct msg_request){.command = "job", .job = "0002AB"});
	assert_string_equal(f.last->reply->plan->note, "canceled before its time");
	end(&f);
}

static void one_whose_time_comes_while_nobody_leads_begins_late(void **state)
{
	const char *v[] = {"alpha"};
	struct fleet f;

	(void)state;
	start(&f, 3);
	ask(&f, (struct msg_request){.command = "evacuate",
				     .hosts = {v, 1},
				     .yes = true,
				     .at_ms = f.now.wall_ms + 60000});
	f.now.wall_ms += 100000;
	f.now.mono_ms += 100000;
	restart(&f, 2);
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 0);
	ask(&f, (struct msg_request){.command = "job", .job = "0001AB"});
	assert_string_equal(f.last->reply->plan->note, "alpha is empty");
	assert_int_equal(f.last->reply->plan->items.n, 3);
	end(&f);
}

static void guests_come_home_unless_they_moved_on(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	struct fleet f;
	const char *first;
	int other;

	(void)state;
	start(&f, 6);
	evacuate(&f, "alpha", 0);
	run(&f, 60000);
	ask(&f, (struct msg_request){.command = "hosts", .host = "alpha"});
	assert_true(f.last->reply->hosts.v[0].maintenance);
	other = f.guest[3].host == 1 ? 2 : 1;
	first = hosts[f.guest[0].host];
	ask(&f,
	    (struct msg_request){.command = "migrate", .container = "c3", .host = hosts[other]});
	run(&f, 10000);
	restart(&f, 2); /* where they were put outlives the coordinator */
	run(&f, 2000);
	plan = ask(&f,
		   (struct msg_request){.command = "restore", .hosts = {v, 1}, .dry_run = true});
	for (size_t i = 0; i < plan->items.n; i++)
		if (!str_eq(plan->items.v[i].container, "c3"))
			assert_string_equal(plan->items.v[i].verdict, "live");
	plan = ask(&f, (struct msg_request){
			       .command = "restore", .hosts = {v, 1}, .yes = true, .follow = true});
	assert_int_equal(plan->items.n, 6);
	run(&f, 60000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 5);
	assert_int_equal(f.guest[3].host, other);
	ask(&f, (struct msg_request){.command = "hosts", .host = "alpha"});
	assert_false(f.last->reply->hosts.v[0].maintenance);
	assert_false(f.last->reply->hosts.v[0].cordoned);
	/* What goes to the same place later is not the evacuation's any more. */
	ask(&f, (struct msg_request){.command = "migrate", .container = "c0", .host = first});
	run(&f, 10000);
	plan = ask(&f,
		   (struct msg_request){.command = "restore", .hosts = {v, 1}, .dry_run = true});
	assert_int_equal(plan->items.n, 0);
	end(&f);
}

static void a_saved_plan_is_applied_while_it_holds(void **state)
{
	const char *v[] = {"alpha"};
	struct msg *saved;
	struct fleet f;

	(void)state;
	start(&f, 4);
	ask(&f, (struct msg_request){.command = "evacuate", .hosts = {v, 1}, .dry_run = true});
	saved = mem_take(f.last);
	ask(&f, (struct msg_request){.command = "migrate", .container = "c1", .host = "beta"});
	run(&f, 10000);
	ask(&f,
	    (struct msg_request){
		    .command = "apply", .saved = saved->reply->plan, .yes = true, .follow = true});
	assert_int_equal(f.last->reply->code, ERR_refused);
	assert_string_equal(f.last->reply->error, "c1 does not run on alpha any more");
	ask(&f, (struct msg_request){.command = "migrate", .container = "c1", .host = "alpha"});
	run(&f, 10000);
	ask(&f,
	    (struct msg_request){
		    .command = "apply", .saved = saved->reply->plan, .yes = true, .follow = true});
	run(&f, 60000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 0);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(
			hosts[guest_of(&f, saved->reply->plan->items.v[i].container)->host],
			saved->reply->plan->items.v[i].target);
	msg_free(&saved);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_coordinator_goes_on_where_it_was),
		cmocka_unit_test(pause_resume_cancel),
		cmocka_unit_test(the_deadline_stops_the_queue_and_no_container),
		cmocka_unit_test(one_whose_time_comes_while_nobody_leads_begins_late),
		cmocka_unit_test(guests_come_home_unless_they_moved_on),
		cmocka_unit_test(a_saved_plan_is_applied_while_it_holds),
		cmocka_unit_test(one_begins_at_its_time),
		cmocka_unit_test(one_at_a_time_on_a_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
