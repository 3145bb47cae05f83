/* SPDX-License-Identifier: MPL-2.0
 *
 * The foot of the mode ladder: what no host takes is stopped where it is, only when that was asked
 * for, and started there again by a restore. */
#include "test_drain_fleet.h"

static const char *const alpha[] = {"alpha"};

static const struct msg_plan *drain(struct fleet *f, const char *command, const char *on_stuck,
				    bool dry_run)
{
	return ask(f, (struct msg_request){.command = command,
					   .hosts = {(const char **)alpha, 1},
					   .yes = !dry_run,
					   .dry_run = dry_run,
					   .follow = !dry_run,
					   .mode = on_stuck});
}

static const struct msg_item *item_of(const struct msg_plan *plan, const char *container)
{
	for (size_t i = 0; i < plan->items.n; i++)
		if (str_eq(plan->items.v[i].container, container))
			return &plan->items.v[i];
	fprintf(stderr, "no item %s\n", container);
	assert_true(false);
	return NULL;
}

/* c0, which no host has room for, among two that move. */
static void start_full(struct fleet *f, size_t guests)
{
	start(f, guests);
	f->guest[0].rss = 20 * GIB;
	run(f, 2000);
}

static void only_a_persons_word_stops(void **state)
{
	static const char *const words[] = {NULL, "cold"};
	struct fleet f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		start_full(&f, 3);
		drain(&f, "evacuate", words[i], false);
		run(&f, 120000);
		assert_int_equal(f.last->reply->code, ERR_partly);
		assert_true(f.guest[0].running);
		assert_int_equal(f.guest[0].stops, 0);
		end(&f);
	}
}

static void the_plan_says_what_is_stopped_and_why(void **state)
{
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start_full(&f, 3);
	plan = drain(&f, "evacuate", "stop", true);
	assert_string_equal(plan->on_stuck, "stop");
	assert_string_equal(item_of(plan, "c0")->mode, "stop");
	assert_string_equal(item_of(plan, "c0")->verdict, "stop");
	assert_non_null(strstr(item_of(plan, "c0")->mode_reason, "E-MEM"));
	assert_string_equal(item_of(plan, "c1")->mode, "live");
	run(&f, 5000);
	assert_int_equal(f.guest[0].stops, 0);
	end(&f);
}

/* Whatever the coordinator goes through, the restore finds it. */
static void what_is_stopped_is_started_by_the_restore(void **state)
{
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	for (unsigned when = 0; when < 4; when++) {
		start_full(&f, 3);
		drain(&f, "evacuate", "stop", false);
		if (when == 1) {
			run(&f, 700);
			restart(&f, 2);
		}
		run(&f, 60000);
		if (when != 1) /* who follows is told once more by asking */
			assert_int_equal(f.last->reply->code, 0);
		assert_int_equal(guests_on(&f, 0), 0);
		assert_int_equal(f.guest[0].stops, 1);
		if (when == 2)
			restart(&f, 2);
		run(&f, 2000);
		plan = ask(&f, (struct msg_request){.command = "job", .job = "0001AB"});
		assert_non_null(strstr(plan->note, "alpha is empty; stopped there: c0 (drover "
						   "restore alpha starts it)"));
		assert_string_equal(item_of(plan, "c0")->state, "stopped");
		ask(&f, (struct msg_request){.command = "job", .job = "c0"});
		assert_string_equal(f.last->reply->jobs.v[0].kind, "stop");
		assert_string_equal(f.last->reply->jobs.v[0].outcome, "STOPPED");
		assert_string_equal(f.last->reply->jobs.v[0].state, "stopped");
		ask(&f, (struct msg_request){.command = "ps"});
		for (size_t i = 0; i < f.last->reply->places.n; i++)
			if (str_eq(f.last->reply->places.v[i].container->id, "c0"))
				assert_non_null(strstr(f.last->reply->places.v[i].note,
						       "stopped by drover"));
		ask(&f, (struct msg_request){.command = "migrate", .container = "c0"});
		assert_int_equal(f.last->reply->code, ERR_busy);
		plan = drain(&f, "restore", NULL, false);
		assert_string_equal(item_of(plan, "c0")->verdict, "start");
		if (when == 3) {
			run(&f, 100);
			restart(&f, 2);
		}
		run(&f, 60000);
		assert_int_equal(guests_on(&f, 0), 3);
		assert_true(f.guest[0].running && f.guest[0].moves == 0);
		ask(&f, (struct msg_request){.command = "job", .job = "c0"});
		assert_string_equal(f.last->reply->jobs.v[0].outcome, "STAYED");
		assert_string_equal(f.last->reply->jobs.v[0].runs_on, "alpha");
		assert_string_equal(f.last->reply->jobs.v[0].state, "done");
		plan = drain(&f, "restore", NULL, true);
		assert_int_equal(plan->items.n, 0);
		end(&f);
	}
}

static void what_may_not_be_stopped_runs_on(void **state)
{
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	start_full(&f, 3);
	f.guest[0].label = "move=never";
	f.guest[1].shares_netns = true;
	run(&f, 2000);
	ask(&f, (struct msg_request){.command = "evacuate",
				     .hosts = {(const char **)alpha, 1},
				     .yes = true,
				     .follow = true,
				     .skip = {(const char *[]){"policy"}, 1},
				     .mode = "stop"});
	run(&f, 60000);
	plan = f.last->reply->plan;
	assert_int_equal(f.last->reply->code, ERR_partly);
	assert_int_equal(guests_on(&f, 0), 2);
	assert_non_null(strstr(item_of(plan, "c0")->why, "not stopped: E-POLICY-NEVER"));
	assert_non_null(strstr(item_of(plan, "c1")->why, "not stopped: E-SHARED-NETNS"));
	assert_int_equal(f.guest[0].stops + f.guest[1].stops, 0);
	end(&f);
}

static void the_deadline_stops_nothing(void **state)
{
	struct fleet f;

	(void)state;
	start_full(&f, 3);
	ask(&f, (struct msg_request){.command = "evacuate",
				     .hosts = {(const char **)alpha, 1},
				     .yes = true,
				     .follow = true,
				     .deadline_ms = 500,
				     .mode = "stop"});
	run(&f, 60000);
	assert_int_equal(f.last->reply->code, ERR_partly);
	assert_true(f.guest[0].running);
	assert_int_equal(f.guest[0].stops, 0);
	end(&f);
}

/* All of a group or none: one that cannot be stopped leaves the others running, or starts them. */
static void a_group_is_stopped_whole_or_not_at_all(void **state)
{
	struct fleet f;

	(void)state;
	for (unsigned kind = 0; kind < 3; kind++) {
		start_full(&f, 3);
		f.guest[0].label = f.guest[1].label = "group=shop";
		f.guest[1].shares_netns = kind == 1;
		f.guest[1].stays_up = kind == 2;
		run(&f, 2000);
		drain(&f, "evacuate", "stop", false);
		run(&f, 90000);
		assert_int_equal(guests_on(&f, 0), kind ? 2 : 0);
		assert_int_equal(f.guest[0].stops, kind == 1 ? 0 : 1);
		if (kind)
			assert_int_equal(f.last->reply->code, ERR_partly);
		else
			assert_string_equal(item_of(f.last->reply->plan, "c1")->state, "stopped");
		end(&f);
	}
}

/* Its host says that it is not as it was left: the job is over, and a restore lets it be. */
static void who_has_started_or_removed_it_is_believed(void **state)
{
	static const char *const words[] = {"somebody has started", "somebody has removed"};
	const struct msg_plan *plan;
	struct fleet f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		start_full(&f, 3);
		drain(&f, "evacuate", "stop", false);
		run(&f, 60000);
		if (i == 0) {
			f.guest[0].said = "started";
			f.guest[0].running = true;
		} else {
			f.guest[0].removed = true;
		}
		run(&f, 3000);
		plan = drain(&f, "restore", NULL, true);
		assert_string_equal(item_of(plan, "c0")->state, "gone");
		ask(&f, (struct msg_request){.command = "job", .job = "c0"});
		assert_non_null(strstr(f.last->reply->jobs.v[0].error, words[i]));
		if (i == 0)
			assert_string_equal(f.last->reply->jobs.v[0].outcome, "STAYED");
		end(&f);
	}
}

static void a_person_may_take_it_over_as_it_is(void **state)
{
	struct fleet f;

	(void)state;
	start_full(&f, 3);
	drain(&f, "evacuate", "stop", false);
	run(&f, 60000);
	ask(&f, (struct msg_request){.command = "cancel", .job = "c0", .reason = "is retired"});
	assert_int_equal(f.last->reply->code, 0);
	run(&f, 5000);
	assert_false(f.guest[0].running);
	drain(&f, "restore", NULL, false);
	run(&f, 60000);
	assert_false(f.guest[0].running);
	assert_int_equal(f.last->reply->code, 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_persons_word_stops),
		cmocka_unit_test(the_plan_says_what_is_stopped_and_why),
		cmocka_unit_test(what_is_stopped_is_started_by_the_restore),
		cmocka_unit_test(what_may_not_be_stopped_runs_on),
		cmocka_unit_test(the_deadline_stops_nothing),
		cmocka_unit_test(a_group_is_stopped_whole_or_not_at_all),
		cmocka_unit_test(who_has_started_or_removed_it_is_believed),
		cmocka_unit_test(a_person_may_take_it_over_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
