/* SPDX-License-Identifier: MPL-2.0
 *
 * Times that come again: the notation, each zone's clocks with their two jumps a year, and what is
 * refused. Zones as POSIX rules: no package need be there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/calendar.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"

static uint64_t utc(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (uint64_t)timegm(&tm) * 1000;
}

/* What comes after a time, as UTC shows it. */
static const char *next(const char *notation, const char *zone, const char *after)
{
	static char buf[CALENDAR_TEXT_SIZE];
	char text[128];
	struct calendar c;
	struct err err = {0};
	uint64_t ms;

	str_fmt(text, sizeof(text), "%s UTC", notation);
	if (calendar_parse(text, &c, &err))
		print_error("%s\n", err.text);
	assert_string_equal(err.text, "");
	str_copy(c.zone, sizeof(c.zone), zone);
	if (!calendar_next(&c, utc(after), &ms))
		return "never";
	assert_true(ms > utc(after));
	calendar_text(buf, "UTC", ms);
	return buf;
}

static void each_form_has_its_days(void **state)
{
	(void)state;
	assert_string_equal(next("22:00", "UTC", "2026-11-24 21:59:59"),
			    "Tue 2026-11-24 22:00:00 UTC");
	assert_string_equal(next("22:00", "UTC", "2026-11-24 22:00:00"),
			    "Wed 2026-11-25 22:00:00 UTC");
	assert_string_equal(next("Sat 22:00", "UTC", "2026-11-24 00:00:00"),
			    "Sat 2026-11-28 22:00:00 UTC");
	assert_string_equal(next("mon..Fri 02:30:15", "UTC", "2026-11-27 03:00:00"),
			    "Mon 2026-11-30 02:30:15 UTC");
	assert_string_equal(next("Fri..Mon 02:30", "UTC", "2026-11-24 03:00:00"),
			    "Fri 2026-11-27 02:30:00 UTC");
	assert_string_equal(next("Sunday *-*-1..7 03:00", "UTC", "2026-11-24 00:00:00"),
			    "Sun 2026-12-06 03:00:00 UTC");
	assert_string_equal(next("*-3,9-1,15 00:00", "UTC", "2026-11-24 00:00:00"),
			    "Mon 2027-03-01 00:00:00 UTC");
	assert_string_equal(next("*-02-29 12:00", "UTC", "2026-11-24 00:00:00"),
			    "Tue 2028-02-29 12:00:00 UTC");
	assert_string_equal(next("2027-01-15 21:00", "UTC", "2026-11-24 00:00:00"),
			    "Fri 2027-01-15 21:00:00 UTC");
	assert_string_equal(next("2027-01-15 21:00", "UTC", "2027-01-15 21:00:00"), "never");
	assert_string_equal(next("Sat,Sun 01:00", "UTC", "2026-11-28 02:00:00"),
			    "Sun 2026-11-29 01:00:00 UTC");
}

static void clocks_of_a_zone_jump(void **state)
{
	(void)state;
	/* Summer and winter have the same local time. */
	assert_string_equal(next("Sat 22:00", BERLIN, "2026-07-01 00:00:00"),
			    "Sat 2026-07-04 20:00:00 UTC");
	assert_string_equal(next("Sat 22:00", BERLIN, "2026-11-24 00:00:00"),
			    "Sat 2026-11-28 21:00:00 UTC");
	/* 2026-03-29: 02:30 is not there, it is 03:30; the day after is as ever. */
	assert_string_equal(next("02:30", BERLIN, "2026-03-29 00:00:00"),
			    "Sun 2026-03-29 01:30:00 UTC");
	assert_string_equal(next("02:30", BERLIN, "2026-03-29 01:30:00"),
			    "Mon 2026-03-30 00:30:00 UTC");
	/* 2026-10-25: 02:30 is there twice: the first, and once only. */
	assert_string_equal(next("02:30", BERLIN, "2026-10-24 12:00:00"),
			    "Sun 2026-10-25 00:30:00 UTC");
	assert_string_equal(next("02:30", BERLIN, "2026-10-25 00:30:00"),
			    "Mon 2026-10-26 01:30:00 UTC");
	/* Midnight of a zone is not UTC's day. */
	assert_string_equal(next("Sat 23:30", NEW_YORK, "2026-11-24 00:00:00"),
			    "Sun 2026-11-29 04:30:00 UTC");
	assert_string_equal(next("Sat 00:30", BERLIN, "2026-07-01 00:00:00"),
			    "Fri 2026-07-03 22:30:00 UTC");
	assert_string_equal(next("01:30", NEW_YORK, "2026-11-01 05:30:00"),
			    "Mon 2026-11-02 06:30:00 UTC");
}

/* Two years of days: each local day once, in order, at most an hour from a day apart. */
static void none_is_left_out_or_repeated(void **state)
{
	static const char *const zones[] = {"UTC", BERLIN, NEW_YORK, "<+1245>-12:45"};

	(void)state;
	for (size_t z = 0; z < ARRAY_LEN(zones); z++)
		for (unsigned half = 0; half < 48; half++) {
			uint64_t at = utc("2026-01-01 12:00:00"), next_ms;
			struct calendar c;
			char text[16];

			str_fmt(text, sizeof(text), "%02u:%02u", half / 2, half % 2 * 30);
			assert_int_equal(calendar_parse_time(text, zones[z], &c, NULL), 0);
			assert_true(calendar_next(&c, at, &at));
			for (int day = 0; day < 730; day++, at = next_ms) {
				assert_true(calendar_next(&c, at, &next_ms));
				assert_true(next_ms >= at + 23 * 3600000);
				assert_true(next_ms <= at + 25 * 3600000);
			}
		}
}

static void the_process_keeps_its_zone(void **state)
{
	char buf[CALENDAR_TEXT_SIZE];
	time_t at = 1800000000;
	struct tm before, after;

	(void)state;
	localtime_r(&at, &before);
	next("02:30", NEW_YORK, "2026-03-29 00:00:00");
	calendar_text(buf, NEW_YORK, 1700000000000);
	localtime_r(&at, &after);
	assert_int_equal(before.tm_gmtoff, after.tm_gmtoff);
	assert_string_equal(calendar_text(buf, BERLIN, 1700000000000),
			    "Tue 2023-11-14 23:13:20 CET");
}

static void each_mistake_is_told(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "no time as 22:00"},
		{"Sat", "no time as 22:00"},
		{"Sat 22:00", "no time zone"},
		{"Sat 24:00 UTC", "no time as 22:00"},
		{"Sat 22:60 UTC", "no time as 22:00"},
		{"Sat 2200 UTC", "neither weekdays"},
		{"Sad 22:00 UTC", "neither weekdays"},
		{"Sat *-13-* 22:00 UTC", "neither weekdays"},
		{"*-*-7..1 22:00 UTC", "neither weekdays"},
		{"*-02-30 22:00 UTC", "there is no such day"},
		{"2027-02-29 22:00 UTC", "there is no such day"},
		{"Sat 22:00 Mars/Olympus", "no time zone that is known here"},
		{"Sat 22:00 ../../etc/passwd", "no time zone that is known here"},
		{"Sat 22:00 UTC now", "nothing may follow"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct calendar c;

		assert_int_equal(calendar_parse(cases[i].text, &c, &err), -ERR_config);
		if (!strstr(err.text, cases[i].says))
			print_error("%s: %s\n", cases[i].text, err.text);
		assert_non_null(strstr(err.text, cases[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_has_its_days),
		cmocka_unit_test(clocks_of_a_zone_jump),
		cmocka_unit_test(none_is_left_out_or_repeated),
		cmocka_unit_test(the_process_keeps_its_zone),
		cmocka_unit_test(each_mistake_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
