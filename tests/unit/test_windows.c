/* SPDX-License-Identifier: MPL-2.0
 *
 * Maintenance windows: at its time a window's hosts are emptied, each once, whatever becomes of the
 * coordinator and of its clock; at its end they get their guests back, unless a person has said
 * otherwise. In virtual time; the fleet's clock begins on Tue 2023-11-14 22:13:20 UTC. */
#include "tests/unit/test_drain_fleet.h"
#include "tests/unit/test_options_text.h"

#include "base/calendar.h"

#define MINUTE 60000ull
#define HOUR (60 * MINUTE)

/* 22:15:00 is 100 s after the fleet's start. */
static const char two_hosts[] = "[window patch]\n"
				"hosts = alpha\n"
				"when = Tue 22:15 UTC\n"
				"duration = 10m\n"
				"reason = new kernel\n";

static const struct msg_window *window(struct fleet *f, size_t i)
{
	ask(f, (struct msg_request){.command = "status"});
	assert_true(f->last->reply->windows.n > i);
	return &f->last->reply->windows.v[i];
}

static const struct msg_host *host(struct fleet *f, const char *name)
{
	ask(f, (struct msg_request){.command = "hosts", .host = name});
	return &f->last->reply->hosts.v[0];
}

static size_t moves(const struct fleet *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_guests; i++)
		n += f->guest[i].moves;
	return n;
}

/* Nobody speaks meanwhile: a day is a step. */
static void pass(struct fleet *f, uint64_t ms)
{
	f->now.mono_ms += ms;
	f->now.wall_ms += ms;
	for (int i = 0; i < HOSTS; i++) {
		tell_caps(f, i);
		beat(f, i);
	}
}

static void it_opens_and_closes(void **state)
{
	const struct msg_window *w;
	struct fleet f;

	(void)state;
	start_with(&f, 4, configured(two_hosts));
	w = window(&f, 0);
	assert_string_equal(w->name, "patch");
	assert_false(w->open);
	assert_string_equal(w->starts, "Tue 2023-11-14 22:15:00 UTC");
	assert_string_equal(w->ends, "Tue 2023-11-14 22:25:00 UTC");
	assert_string_equal(w->hosts.v[0].host, "alpha");
	assert_string_equal(w->hosts.v[0].state, "waits");
	run(&f, 98000);
	assert_int_equal(guests_on(&f, 0), 4);
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_true(host(&f, "alpha")->cordoned);
	assert_string_equal(f.last->reply->hosts.v[0].note, "window patch: new kernel");
	w = window(&f, 0);
	assert_true(w->open);
	assert_string_equal(w->hosts.v[0].state, "open");
	run(&f, 8 * MINUTE);
	assert_int_equal(guests_on(&f, 0), 0);
	run(&f, 2 * MINUTE);
	assert_int_equal(guests_on(&f, 0), 4);
	assert_false(host(&f, "alpha")->cordoned);
	assert_int_equal(moves(&f), 8);
	assert_string_equal(window(&f, 0)->starts, "Tue 2023-11-21 22:15:00 UTC");
	end(&f);
}

static void a_restart_in_it_begins_nothing_twice(void **state)
{
	struct fleet f;

	(void)state;
	start_with(&f, 4, configured(two_hosts));
	run(&f, 102000);
	assert_true(host(&f, "alpha")->cordoned);
	restart(&f, 2);
	run(&f, 60000);
	assert_int_equal(moves(&f), 4);
	restart(&f, 3);
	run(&f, 60000);
	assert_int_equal(moves(&f), 4);
	/* It is down at the end: what was promised is done when it is back. */
	pass(&f, 20 * MINUTE);
	restart(&f, 4);
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 4);
	assert_int_equal(moves(&f), 8);
	end(&f);
}

static void one_that_began_while_it_was_down_begins_if_it_is_still_open(void **state)
{
	struct fleet f;

	(void)state;
	start_with(&f, 4, configured(two_hosts));
	pass(&f, 5 * MINUTE);
	restart(&f, 2);
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 0);
	run(&f, 6 * MINUTE); /* its end is the window's, not ten minutes from then */
	assert_int_equal(guests_on(&f, 0), 4);
	end(&f);

	start_with(&f, 4, configured(two_hosts));
	pass(&f, 12 * MINUTE);
	restart(&f, 2);
	run(&f, 60000);
	assert_int_equal(moves(&f), 0);
	end(&f);
}

static void clocks_that_are_set_bring_none_again(void **state)
{
	struct fleet f;

	(void)state;
	start_with(&f, 4, configured(two_hosts));
	run(&f, 160000);
	assert_int_equal(moves(&f), 4);
	f.now.wall_ms -= 2 * MINUTE; /* before its start: it is open there still */
	run(&f, 3 * MINUTE);
	assert_int_equal(moves(&f), 4);
	assert_int_equal(guests_on(&f, 0), 0);
	f.now.wall_ms += 10 * MINUTE; /* beyond its end */
	run(&f, MINUTE);
	assert_int_equal(guests_on(&f, 0), 4);
	f.now.wall_ms -= 10 * MINUTE; /* into it, after it has ended */
	run(&f, 3 * MINUTE);
	assert_int_equal(moves(&f), 8);
	f.now.wall_ms -= 6 * 24 * HOUR; /* into the week before: what is older has had its turn */
	run(&f, MINUTE);
	assert_int_equal(moves(&f), 8);
	end(&f);

	/* A clock that was a year ahead has opened one: the right year's come all the same. */
	start_with(&f, 4, configured(two_hosts));
	f.now.wall_ms += 52 * 7 * 24 * HOUR;
	run(&f, 160000);
	assert_int_equal(moves(&f), 4);
	f.now.wall_ms -= 52 * 7 * 24 * HOUR;
	run(&f, MINUTE);
	assert_int_equal(moves(&f), 12); /* that one ends, and this one is open */
	run(&f, 10 * MINUTE);
	assert_int_equal(guests_on(&f, 0), 4);
	end(&f);
}

/* A year of nights: each is had once, the one whose 02:30 is left out and the one that has it twice
 * too. */
static void months_of_nights(void **state)
{
	static const char nightly[] = "[window night]\n"
				      "hosts = alpha\n"
				      "when = 02:30 Europe/Berlin\n"
				      "end = 03:15\n";
	struct fleet f;
	struct options *options = configured(nightly);
	uint64_t at_ms, length_ms;
	unsigned longer = 0;

	(void)state;
	start_with(&f, 1, options);
	for (unsigned day = 0; day < 360; day++) {
		const struct msg_window *w = window(&f, 0);

		at_ms = w->start_ms;
		assert_true(at_ms > f.now.wall_ms && at_ms <= f.now.wall_ms + 26 * HOUR);
		length_ms = w->end_ms - at_ms;
		assert_true(length_ms == 45 * MINUTE || length_ms == 105 * MINUTE);
		longer += length_ms > 45 * MINUTE;
		pass(&f, at_ms - f.now.wall_ms - 1000);
		run(&f, 500);
		assert_int_equal(moves(&f), 2 * day);
		run(&f, 20000);
		assert_int_equal(moves(&f), 2 * day + 1);
		if (day % 30 == 7)
			restart(&f, 2 + day);
		pass(&f, length_ms - 10000);
		run(&f, 30000);
		assert_int_equal(moves(&f), 2 * day + 2);
	}
	assert_int_equal(longer, 1);
	end(&f);
}

static void a_persons_words_win(void **state)
{
	const char *v[] = {"alpha"};
	struct fleet f;

	(void)state;
	/* Cordoned before: it is emptied, and stays as the person has left it. */
	start_with(&f, 4, configured(two_hosts));
	ask(&f, (struct msg_request){.command = "cordon", .host = "alpha", .reason = "noise"});
	run(&f, 160000);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_string_equal(host(&f, "alpha")->note, "noise");
	run(&f, 12 * MINUTE);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_true(host(&f, "alpha")->cordoned);
	end(&f);

	/* Cordoned in it. */
	start_with(&f, 4, configured(two_hosts));
	run(&f, 160000);
	ask(&f, (struct msg_request){.command = "cordon", .host = "alpha", .reason = "noise"});
	run(&f, 12 * MINUTE);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_string_equal(host(&f, "alpha")->note, "noise");
	end(&f);

	/* Restored in it: it is not emptied again. */
	start_with(&f, 4, configured(two_hosts));
	run(&f, 160000);
	ask(&f, (struct msg_request){.command = "restore", .hosts = {v, 1}, .yes = true});
	run(&f, 60000);
	assert_int_equal(guests_on(&f, 0), 4);
	run(&f, 12 * MINUTE);
	assert_int_equal(moves(&f), 8);
	end(&f);

	/* Evacuated in it: at its end it is the person's to restore. */
	start_with(&f, 4, configured(two_hosts));
	run(&f, 160000);
	evacuate(&f, "alpha", 0);
	run(&f, 12 * MINUTE);
	assert_int_equal(guests_on(&f, 0), 0);
	assert_true(host(&f, "alpha")->cordoned);
	end(&f);

	/* A person's evacuation goes on at its start. */
	start_with(&f, 4, configured(two_hosts));
	evacuate(&f, "alpha", 0);
	ask(&f, (struct msg_request){.command = "pause", .job = "alpha"});
	run(&f, 160000);
	assert_string_equal(window(&f, 0)->hosts.v[0].state, "busy");
	run(&f, 12 * MINUTE);
	assert_true(host(&f, "alpha")->cordoned);
	end(&f);
}

static void hosts_that_are_not_live_are_left(void **state)
{
	struct fleet f;

	(void)state;
	start_with(&f, 4, configured(two_hosts));
	run(&f, 160000);
	f.up[0] = false;
	run(&f, 12 * MINUTE);
	assert_true(host(&f, "alpha")->cordoned);
	f.up[0] = true;
	run(&f, 5 * MINUTE);
	assert_true(host(&f, "alpha")->cordoned);
	assert_int_equal(moves(&f), 4);
	end(&f);

	/* It comes late, but in time. */
	start_with(&f, 4, configured(two_hosts));
	f.up[0] = false;
	run(&f, 3 * MINUTE);
	assert_int_equal(moves(&f), 0);
	assert_string_equal(window(&f, 0)->hosts.v[0].note, "dead");
	f.up[0] = true;
	run(&f, MINUTE);
	assert_int_equal(guests_on(&f, 0), 0);
	end(&f);
}

static void several_hosts_and_windows(void **state)
{
	static const char text[] = "[window a]\n"
				   "hosts = alpha, beta, nobody\n"
				   "when = Tue 22:15 UTC\n"
				   "duration = 10m\n"
				   "[window b]\n"
				   "hosts = alpha\n"
				   "when = Tue 22:20 UTC\n"
				   "end = 22:40\n"
				   "[window c]\n"
				   "label = rack=z\n"
				   "when = Tue 22:15 UTC\n"
				   "duration = 1h\n"
				   "restore = no\n";
	const struct msg_window *w;
	struct fleet f;

	(void)state;
	start_with(&f, 6, configured(text));
	f.guest[5].host = 1;
	w = window(&f, 0);
	assert_int_equal(w->hosts.n, 3);
	assert_string_equal(w->hosts.v[2].host, "nobody");
	assert_string_equal(w->hosts.v[2].note, "not in the roster");
	assert_int_equal(window(&f, 2)->hosts.n, 0);
	run(&f, 3 * MINUTE);
	/* Both at once: neither is the other's target. */
	assert_int_equal(guests_on(&f, 0) + guests_on(&f, 1), 0);
	assert_int_equal(moves(&f), 6);
	run(&f, 12 * MINUTE); /* a has ended, b is open at alpha */
	assert_int_equal(guests_on(&f, 1), 1);
	assert_int_equal(guests_on(&f, 0), 0);
	run(&f, 15 * MINUTE);
	assert_int_equal(guests_on(&f, 0), 5);
	assert_false(host(&f, "alpha")->cordoned);
	end(&f);
}

static void each_mistake_has_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"[node]\nid = x\n[window a]\nhosts = x\nduration = 1h\n",
		 ":4: [window a] does not say when"},
		{"[window a]\nwhen = 22:00 UTC\nduration = 1h\n", ":2: [window a] names no host"},
		{"[window a]\nhosts = x\nwhen = 22:00 UTC\n", ":2: [window a] needs a duration"},
		{"[window a]\nhosts = x\nwhen = 22:00 UTC\nduration = 1h\nend = 23:00\n",
		 "not both"},
		{"[window a]\nhosts = x\nwhen = 22:00\n",
		 ":3: [window a]: when: \"22:00\" says no"},
		{"[window a]\nhosts = x, ../y\n", ":2: [window a]: hosts: "},
		{"[window a]\nhosts = x,\n", ":2: [window a]: hosts: "},
		{"[window a]\nlabel = rack\n", ":2: [window a]: label: "},
		{"[window a]\nend = 25:00\n", ":2: [window a]: end: \"25:00\" is no time"},
		{"[window a]\nduration = 8d\n", ":2: [window a]: duration: "},
		{"[window a]\nhosts = x\nwhen = 22:00 UTC\nduration = 0s\n", "has no duration"},
		{"[window a]\nhosts = x\nwhen = 22:00 UTC\nduration = 1h\ndeadline = 2h\n",
		 "ends (1h) before its deadline (2h)"},
		{"[window a]\non-stuck = kill\n", ":2: [window a]: on-stuck: "},
		{"[window a]\nhost = x\n", "did you mean \"hosts\"?"},
		{"[window a/b]\nhosts = x\n", "is not a name for a window"},
		{"[windows a]\nhosts = x\n", "no section [windows a]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct options *options = read_text(cases[i].text, &err);

		assert_null(options);
		if (!strstr(err.text, cases[i].says))
			print_error("%s\n", err.text);
		assert_non_null(strstr(err.text, cases[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_opens_and_closes),
		cmocka_unit_test(a_restart_in_it_begins_nothing_twice),
		cmocka_unit_test(one_that_began_while_it_was_down_begins_if_it_is_still_open),
		cmocka_unit_test(clocks_that_are_set_bring_none_again),
		cmocka_unit_test(months_of_nights),
		cmocka_unit_test(a_persons_words_win),
		cmocka_unit_test(hosts_that_are_not_live_are_left),
		cmocka_unit_test(several_hosts_and_windows),
		cmocka_unit_test(each_mistake_has_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
