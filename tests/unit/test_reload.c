/* SPDX-License-Identifier: MPL-2.0
 *
 * A configuration that is read again: what a running coordinator takes is in force at once, what
 * needs a restart is named and left, a file that is wrong changes nothing and is told. */
#include "tests/unit/test_drain_fleet.h"
#include "tests/unit/test_options_text.h"

/* As the daemon does it. */
static void reload(struct fleet *f, const char *text)
{
	struct options *fresh = configured(text);
	char restart[512];

	options_take(f->options, fresh, restart, sizeof(restart));
	assert_string_equal(restart, "");
	options_free(&fresh);
	feed(f, &(struct core_event){.kind = CORE_config});
}

static void what_may_be_taken_is_and_the_rest_is_named(void **state)
{
	struct options *now =
		configured("[coordinator]\nheadroom = 10\ncommands = tcp://*:1\n"
			   "[policy old]\nmatch = x\n"
			   "[window w]\nhosts = a\nwhen = 22:00 UTC\nduration = 1h\n");
	struct options *fresh = configured("[coordinator]\nheadroom = 30\ncommands = tcp://*:2\n"
					   "[worker]\nlabels = a=b\nstorage = /x\n"
					   "[policy new]\nmatch = y\n");
	char restart[512];

	(void)state;
	options_take(now, fresh, restart, sizeof(restart));
	options_free(&fresh);
	assert_string_equal(restart, "coordinator.commands, worker.storage");
	assert_int_equal(options_u64(now, OPT_coordinator_headroom), 30);
	assert_string_equal(options_str(now, OPT_coordinator_commands), "tcp://*:1");
	assert_string_equal(options_str(now, OPT_worker_storage), "/var/lib/ct");
	assert_string_equal(options_str(now, OPT_worker_labels), "a=b");
	assert_string_equal(options_policy_name(now, 0), "new");
	assert_null(options_policy_name(now, 1));
	assert_null(options_window(now, 0));
	options_free(&now);
}

static const struct msg_reply *check(struct fleet *f)
{
	struct msg *msg = msg_copy(MSG_TYPE_request,
				   &(struct msg_request){.command = "check", .container = "c0"});
	char id[ULID_SIZE];

	str_fmt(id, sizeof(id), "01HZ%020uAB", ++f->ids);
	str_copy(msg->head.request, ULID_SIZE, id);
	msg_free(&f->last);
	feed(f, &(struct core_event){.kind = CORE_request, .client = 7, .msg = msg, .id = id});
	msg_free(&msg);
	run(f, 2000); /* the workers are asked */
	assert_non_null(f->last);
	return f->last->reply;
}

static void policies_and_balance_are_in_force_at_once(void **state)
{
	struct fleet f;

	(void)state;
	start_with(&f, 2, configured("[policy p]\nmatch = c*\nspread = s\n"));
	assert_string_equal(check(&f)->rules->policy, "p");
	assert_string_equal(f.last->reply->rules->spread, "s");
	reload(&f, "[policy q]\nmatch = c0\nmove = never\n[coordinator]\nheadroom = 90\n");
	assert_string_equal(check(&f)->rules->policy, "q");
	assert_null(f.last->reply->rules->spread);
	assert_int_equal(f.last->reply->tally->live + f.last->reply->tally->warn, 0);
	reload(&f, "[coordinator]\nheadroom = 90\n");
	assert_null(check(&f)->rules);
	assert_int_equal(f.last->reply->tally->no, f.last->reply->tally->judged); /* no room */
	reload(&f, "[balance]\noverload = 50\n");
	assert_int_equal(check(&f)->tally->live, HOSTS - 1);
	end(&f);
}

static void a_window_that_is_taken_away_still_ends(void **state)
{
	/* 22:15 is 100 s after the fleet's start. */
	static const char text[] =
		"[window w]\nhosts = alpha\nwhen = Tue 22:15 UTC\nduration = 5m\n";
	struct fleet f;

	(void)state;
	start_with(&f, 3, configured(""));
	run(&f, 30000);
	reload(&f, text);
	ask(&f, (struct msg_request){.command = "status"});
	assert_int_equal(f.last->reply->windows.n, 1);
	run(&f, 120000);
	assert_int_equal(guests_on(&f, 0), 0);
	reload(&f, "");
	ask(&f, (struct msg_request){.command = "status"});
	assert_int_equal(f.last->reply->windows.n, 0);
	run(&f, 100000);
	assert_int_equal(guests_on(&f, 0), 0);
	run(&f, 200000);
	assert_int_equal(guests_on(&f, 0), 3);
	end(&f);
}

static void a_file_that_is_wrong_is_told_and_changes_nothing(void **state)
{
	struct fleet f;

	(void)state;
	start_with(&f, 2, configured("[policy p]\nmatch = c*\n"));
	feed(&f, &(struct core_event){.kind = CORE_config, .problem = "drover.conf:3: no"});
	ask(&f, (struct msg_request){.command = "status"});
	assert_string_equal(f.last->reply->cluster->config_problem, "drover.conf:3: no");
	assert_string_equal(check(&f)->rules->policy, "p");
	reload(&f, "");
	ask(&f, (struct msg_request){.command = "status"});
	assert_null(f.last->reply->cluster->config_problem);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_be_taken_is_and_the_rest_is_named),
		cmocka_unit_test(policies_and_balance_are_in_force_at_once),
		cmocka_unit_test(a_window_that_is_taken_away_still_ends),
		cmocka_unit_test(a_file_that_is_wrong_is_told_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
