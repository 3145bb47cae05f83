/* SPDX-License-Identifier: MPL-2.0
 *
 * What moves as one is one to evacuations and to rebalancing: one host for all, the sum of them, a
 * reason for all, a rest for all. */
#include "test_drain_fleet.h"

static void make_group(struct fleet *f, size_t from, size_t n)
{
	for (size_t i = from; i < from + n; i++)
		f->guest[i].label = "group=shop";
}

static const struct msg_item *item(const struct msg_plan *plan, const char *id)
{
	for (size_t i = 0; i < plan->items.n; i++)
		if (str_eq(plan->items.v[i].container, id))
			return &plan->items.v[i];
	assert_true(false);
	return NULL;
}

static const struct msg_plan *plan_of(struct fleet *f, const char *host)
{
	const char *v[] = {host};

	return ask(f,
		   (struct msg_request){.command = "evacuate", .hosts = {v, 1}, .dry_run = true});
}

/* Each host but delta has room for one of them only. */
static void the_plan_wants_room_for_the_sum(void **state)
{
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 3);
	make_group(&f, 0, 2);
	for (size_t i = 0; i < 2; i++)
		f.guest[i].rss = 2 * GIB;
	for (int i = 0; i < HOSTS; i++)
		f.available[i] = i == 3 ? 11 * GIB : 9 * GIB;
	run(&f, 2000);
	plan = plan_of(&f, "alpha");
	assert_string_equal(item(plan, "c0")->target, "delta");
	assert_string_equal(item(plan, "c1")->target, "delta");
	f.available[3] = 9 * GIB;
	run(&f, 2000);
	plan = plan_of(&f, "alpha");
	assert_string_equal(item(plan, "c0")->verdict, "no");
	assert_string_equal(item(plan, "c1")->verdict, "no");
	assert_string_equal(item(plan, "c0")->code, "E-MEM");
	assert_string_not_equal(item(plan, "c2")->target, "");
	end(&f);
}

static void one_that_cannot_move_keeps_the_others(void **state)
{
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start(&f, 4);
	make_group(&f, 0, 3);
	f.guest[1].io_uring = true;
	run(&f, 2000);
	plan = plan_of(&f, "alpha");
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(item(plan, f.guest[i].id)->code, "E-IOURING");
	assert_true(str_starts(item(plan, "c0")->why, "c1 moves with it: "));
	assert_true(str_starts(item(plan, "c2")->why, "c1 moves with it: "));
	assert_false(str_starts(item(plan, "c1")->why, "c1 moves with it: "));
	evacuate(&f, "alpha", 0);
	run(&f, 90000);
	assert_int_equal(f.last->reply->code, ERR_partly);
	assert_int_equal(guests_on(&f, 0), 3);
	end(&f);
}

/* Stopped they can: all of them, though two could have moved live. */
static void a_group_steps_down_as_one(void **state)
{
	const char *v[] = {"alpha"};
	struct msg_request request = {.command = "evacuate",
				      .hosts = {v, 1},
				      .yes = true,
				      .follow = true,
				      .mode = "cold"};
	struct fleet f;

	(void)state;
	start(&f, 3);
	make_group(&f, 0, 3);
	f.guest[1].io_uring = true;
	run(&f, 2000);
	ask(&f, request);
	run(&f, 60000);
	assert_int_equal(f.last->reply->code, 0);
	assert_int_equal(guests_on(&f, 0), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(item(f.last->reply->plan, f.guest[i].id)->mode, "cold");
		assert_int_equal(f.guest[i].host, f.guest[0].host);
	}
	end(&f);
}

static struct options *automatic(void)
{
	struct options *options = options_new();
	struct err err;

	assert_int_equal(options_set(options, "coordinator.rebalance=auto", &err), 0);
	return options;
}

/* Three that are hot only together, one that idles. */
static void start_hot(struct fleet *f, struct options *options)
{
	start_with(f, 4, options);
	make_group(f, 0, 2);
	for (size_t i = 0; i < 3; i++)
		f->guest[i].cpu = i < 2 ? 600 : 2200;
	f->guest[2].rss = 9 * GIB; /* dear to move, and no host has room for it */
	run(f, 10000);
}

static void a_rebalance_moves_all_or_none(void **state)
{
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start_hot(&f, NULL);
	plan = ask(&f, (struct msg_request){.command = "rebalance", .dry_run = true, .limit = 1});
	assert_int_equal(plan->items.n, 2);
	assert_string_equal(item(plan, "c0")->target, item(plan, "c1")->target);
	f.guest[1].io_uring = true; /* what one cannot, the other does not */
	run(&f, 2000);
	plan = ask(&f, (struct msg_request){.command = "rebalance", .dry_run = true});
	for (size_t i = 0; i < plan->items.n; i++)
		assert_string_not_equal(plan->items.v[i].container, "c0");
	end(&f);
}

static void by_itself_it_moves_them_once(void **state)
{
	struct fleet f;

	(void)state;
	start_hot(&f, automatic());
	run(&f, 180000);
	assert_int_not_equal(f.guest[0].host, 0);
	assert_int_equal(f.guest[1].host, f.guest[0].host);
	assert_int_equal(f.guest[0].moves, 1);
	assert_int_equal(f.guest[1].moves, 1);
	/* Where they are now it is too hot, and another host would do: but they rest. */
	f.guest[0].cpu = f.guest[1].cpu = 1400;
	f.guest[3] = (struct guest){.id = "c3",
				    .host = f.guest[0].host,
				    .rss = 64 * MIB,
				    .cpu = 800,
				    .running = true,
				    .io_uring = true};
	restart(&f, 2);
	run(&f, 120000);
	assert_int_equal(f.guest[0].moves, 1);
	assert_int_equal(f.guest[1].moves, 1);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_plan_wants_room_for_the_sum),
		cmocka_unit_test(one_that_cannot_move_keeps_the_others),
		cmocka_unit_test(a_group_steps_down_as_one),
		cmocka_unit_test(a_rebalance_moves_all_or_none),
		cmocka_unit_test(by_itself_it_moves_them_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
