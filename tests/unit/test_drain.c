/* SPDX-License-Identifier: MPL-2.0
 *
 * A drain empties its hosts within the limits, and tells what stays and why. */
#include "test_drain_fleet.h"

static void a_host_is_emptied_within_the_limits(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, GUESTS);
	assert_string_equal(evacuate(&f, "alpha", 0)->state, "running");
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_true(f.last->reply->final);
	assert_int_equal(f.last->reply->code, 0);
	assert_string_equal(f.last->reply->plan->note, "alpha is empty");
	assert_int_equal(f.most_out, 2);
	assert_true(f.most_in <= 2);
	for (int i = 1; i < HOSTS; i++)
		assert_true(guests_on(&f, i) >= 3);
	end(&f);
}

static void a_plan_touches_nothing(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 3);
	plan = ask(&f,
		   (struct msg_request){.command = "evacuate", .hosts = {v, 1}, .dry_run = true});
	assert_string_equal(plan->state, "planned");
	assert_int_equal(plan->items.n, 3);
	assert_string_equal(plan->items.v[0].container, "c2"); /* the largest first */
	run(&f, 5000);
	assert_int_equal(guests_on(&f, 0), 3);
	ask(&f, (struct msg_request){.command = "hosts", .host = "alpha"});
	assert_false(f.last->reply->hosts.v[0].cordoned);
	ask(&f, (struct msg_request){.command = "jobs", .all = true});
	assert_int_equal(f.last->reply->jobs.n, 0);
	end(&f);
}

static void what_is_missing_is_told(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 2);
	f.guest[0].rss = 3 * GIB;
	for (int i = 0; i < HOSTS; i++)
		f.available[i] = 4 * GIB;
	f.guest[1].io_uring = true;
	run(&f, 2000);
	plan = ask(&f,
		   (struct msg_request){.command = "evacuate", .hosts = {v, 1}, .dry_run = true});
	assert_string_equal(plan->items.v[0].why, "no host has 6.3 GiB more for c0");
	assert_string_equal(plan->items.v[0].code, "E-MEM");
	assert_string_equal(plan->items.v[1].code, "E-IOURING");
	end(&f);
}

/* What is placed first takes the room of what comes after. */
static void placements_add_up(void **state)
{
	const char *v[] = {"alpha"};
	const struct msg_plan *plan;
	size_t placed = 0;
	struct fleet f;

	(void)state;
	start(&f, 6);
	for (size_t i = 0; i < f.n_guests; i++)
		f.guest[i].rss = 1 * GIB;
	for (int i = 0; i < HOSTS; i++)
		f.available[i] = 4 * GIB; /* less 1.6 reserve: one of 2.1 and no more */
	run(&f, 2000);
	plan = ask(&f,
		   (struct msg_request){.command = "evacuate", .hosts = {v, 1}, .dry_run = true});
	for (size_t i = 0; i < plan->items.n; i++)
		placed += plan->items.v[i].target && *plan->items.v[i].target;
	assert_int_equal(placed, 3);
	end(&f);
}

static void one_that_stays_does_not_stop_the_others(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, 6);
	f.guest[2].io_uring = true;
	run(&f, 2000);
	evacuate(&f, "alpha", 0);
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 1);
	assert_int_equal(f.guest[2].host, 0);
	assert_int_equal(f.last->reply->code, ERR_partly);
	assert_non_null(strstr(f.last->reply->plan->note, "1 left: c2 on alpha (E-IOURING"));
	end(&f);
}

/* What cannot move live is stopped only when that was asked, and alone. */
static void what_is_stuck_moves_cold_when_asked(void **state)
{
	const char *v[] = {"alpha"};
	struct fleet f;

	(void)state;
	start(&f, 6);
	f.guest[2].io_uring = true;
	run(&f, 2000);
	ask(&f, (struct msg_request){.command = "evacuate",
				     .hosts = {v, 1},
				     .yes = true,
				     .follow = true,
				     .mode = "cold"});
	run(&f, 60000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 0);
	for (size_t i = 0; i < f.last->reply->plan->items.n; i++) {
		const struct msg_item *item = &f.last->reply->plan->items.v[i];
		bool stuck = str_eq(item->container, "c2");

		assert_string_equal(item->mode, stuck ? "cold" : "live");
		assert_int_equal(item->mode_reason && str_starts(item->mode_reason, "E-IOURING"),
				 stuck);
	}
	end(&f);
}

/* Two live tries, then the ladder; a cold move that fails as well is the end. */
static void the_ladder_is_walked_once(void **state)
{
	const char *v[] = {"alpha"};
	struct fleet f;

	(void)state;
	start(&f, 1);
	f.refuses = 1;
	f.up[2] = f.up[3] = false; /* beta alone is left to try */
	run(&f, 30000);
	ask(&f, (struct msg_request){.command = "evacuate",
				     .hosts = {v, 1},
				     .yes = true,
				     .follow = true,
				     .mode = "cold"});
	run(&f, 200000);
	assert_int_equal(f.last->reply->code, ERR_partly);
	assert_int_equal(f.guest[0].host, 0);
	assert_string_equal(f.last->reply->plan->items.v[0].mode, "cold");
	assert_string_equal(f.last->reply->plan->items.v[0].state, "stays");
	end(&f);
}

static void a_move_that_fails_is_tried_on_one_other_host(void **state)
{
	struct fleet f;

	(void)state;
	start(&f, 6);
	f.refuses = 1; /* nothing can be restored on beta */
	evacuate(&f, "alpha", 0);
	run(&f, 120000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_int_equal(guests_on(&f, 1), 0);
	end(&f);
}

static void hosts_that_are_emptied_take_nothing(void **state)
{
	const char *v[] = {"alpha", "beta"};
	struct fleet f;

	(void)state;
	start(&f, 8);
	for (size_t i = 0; i < 4; i++)
		f.guest[i].host = 1;
	run(&f, 2000);
	ask(&f, (struct msg_request){
			.command = "evacuate", .hosts = {v, 2}, .yes = true, .follow = true});
	run(&f, 60000);
	assert_string_equal(f.last->reply->plan->note, "alpha, beta are empty");
	assert_int_equal(guests_on(&f, 0) + guests_on(&f, 1), 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_is_emptied_within_the_limits),
		cmocka_unit_test(a_plan_touches_nothing),
		cmocka_unit_test(what_is_missing_is_told),
		cmocka_unit_test(placements_add_up),
		cmocka_unit_test(one_that_stays_does_not_stop_the_others),
		cmocka_unit_test(what_is_stuck_moves_cold_when_asked),
		cmocka_unit_test(the_ladder_is_walked_once),
		cmocka_unit_test(a_move_that_fails_is_tried_on_one_other_host),
		cmocka_unit_test(hosts_that_are_emptied_take_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
