/* SPDX-License-Identifier: MPL-2.0
 *
 * Days are counted in a calendar without zones; only a day that fits is given its zone's time. The
 * C library has one zone at a time, that of the environment: it is put there for each question
 * and its own back after it (whoever asks runs in one thread). */
#include "base/calendar.h"

#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400
#define DAYS_MAX (40 * 366)
#define ZONE_DIR "/usr/share/zoneinfo"
#define ZONE_LOCAL "local"

/* --- zones --- */

static void use_zone(const char *zone)
{
	static char own[CALENDAR_ZONE_SIZE]; /* TZ as this process was given it */
	static bool known, has_own;

	if (!known) {
		has_own = getenv("TZ") && str_copy(own, sizeof(own), getenv("TZ"));
		known = true;
	}
	if (!str_eq(zone, ZONE_LOCAL))
		setenv("TZ", zone, 1);
	else if (has_own)
		setenv("TZ", own, 1);
	else
		unsetenv("TZ");
	tzset();
}

/* What the clocks there are ahead of UTC at this moment. */
static int64_t offset_s(int64_t at_s)
{
	time_t at = (time_t)at_s;
	struct tm tm;

	return localtime_r(&at, &tm) ? tm.tm_gmtoff : 0;
}

static int check_zone(const char *zone, struct err *err)
{
	char path[sizeof(ZONE_DIR) + 1 + CALENDAR_ZONE_SIZE];

	if (str_eq(zone, ZONE_LOCAL) || str_eq(zone, "UTC"))
		return 0;
	str_fmt(path, sizeof(path), "/%s", zone);
	if (strlen(zone) < CALENDAR_ZONE_SIZE && isalpha((unsigned char)*zone) && path_ok(path)) {
		str_fmt(path, sizeof(path), ZONE_DIR "/%s", zone);
		if (access(path, R_OK) == 0)
			return 0;
	}
	return fail(err, ERR_config,
		    "\"%.60s\" is no time zone that is known here: UTC, local, or as Europe/Berlin "
		    "(" ZONE_DIR ", package tzdata)",
		    zone);
}

/* The moment at which clocks there show this (seconds as if they were UTC). */
static int64_t moment_of(int64_t local_s)
{
	int64_t before = offset_s(local_s - DAY_S), after = offset_s(local_s + DAY_S);
	int64_t first = local_s - before, second = local_s - after;

	if (offset_s(first) == before || offset_s(second) != after)
		return first;
	return second;
}

/* --- notation --- */

static bool number(const char **at, unsigned min, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)**at))
		return false;
	n = strtoul(*at, &end, 10);
	*at = end;
	*ret = (unsigned)n;
	return n >= min && n <= max;
}

/* "*", "5", "1..7", "1,15": bits. */
static bool numbers(const char **at, unsigned min, unsigned max, uint32_t *ret)
{
	unsigned from, to;

	*ret = 0;
	if (**at == '*') {
		++*at;
		*ret = UINT32_MAX;
		return true;
	}
	for (;; ++*at) {
		if (!number(at, min, max, &from))
			return false;
		to = from;
		if (str_starts(*at, "..")) {
			*at += 2;
			if (!number(at, from, max, &to))
				return false;
		}
		for (unsigned i = from; i <= to; i++)
			*ret |= 1u << i;
		if (**at != ',')
			return true;
	}
}

static bool weekday(const char **at, unsigned *ret)
{
	static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
					    "Thursday", "Friday", "Saturday"};
	size_t len = 0;

	while (isalpha((unsigned char)(*at)[len]))
		len++;
	for (unsigned i = 0; i < 7; i++)
		if ((len == 3 || len == strlen(names[i])) && !strncasecmp(*at, names[i], len)) {
			*at += len;
			*ret = i;
			return true;
		}
	return false;
}

/* "Sat", "Mon..Fri", "Sat,Sun": bits. */
static bool weekdays(const char *text, uint8_t *ret)
{
	unsigned from, to;

	*ret = 0;
	for (;; text++) {
		if (!weekday(&text, &from))
			return false;
		to = from;
		if (str_starts(text, "..")) {
			text += 2;
			if (!weekday(&text, &to))
				return false;
		}
		for (unsigned i = from;; i = (i + 1) % 7) {
			*ret |= (uint8_t)(1u << i);
			if (i == to)
				break;
		}
		if (*text != ',')
			return !*text;
	}
}

/* "*-*-1..7", "2027-01-15". */
static bool date(const char *text, struct calendar *ret)
{
	uint32_t months;

	if (*text == '*')
		text++;
	else if (!number(&text, 2000, 2999, &ret->year))
		return false;
	if (*text++ != '-' || !numbers(&text, 1, 12, &months) || *text++ != '-' ||
	    !numbers(&text, 1, 31, &ret->days) || *text)
		return false;
	ret->months = (uint16_t)months;
	return true;
}

static bool time_of_day(const char *text, struct calendar *ret)
{
	ret->second = 0;
	if (!number(&text, 0, 23, &ret->hour) || *text++ != ':' ||
	    !number(&text, 0, 59, &ret->minute))
		return false;
	if (*text == ':') {
		text++;
		if (!number(&text, 0, 59, &ret->second))
			return false;
	}
	return !*text;
}

static void each_day(struct calendar *ret)
{
	*ret = (struct calendar){.weekdays = 0x7f, .months = UINT16_MAX, .days = UINT32_MAX};
}

int calendar_parse_time(const char *text, const char *zone, struct calendar *ret, struct err *err)
{
	each_day(ret);
	str_copy(ret->zone, sizeof(ret->zone), zone);
	if (!time_of_day(text, ret))
		return fail(err, ERR_config, "\"%.60s\" is no time as 22:00 or 22:00:00", text);
	return 0;
}

/* The next word in buf; false at the end, or where one is too long. */
static bool word(const char **at, char *buf, size_t size)
{
	size_t len;

	*at += strspn(*at, " \t");
	len = strcspn(*at, " \t");
	if (!len || !str_fmt(buf, size, "%.*s", (int)len, *at))
		return false;
	*at += len;
	return true;
}

int calendar_parse(const char *text, struct calendar *ret, struct err *err)
{
	char buf[CALENDAR_ZONE_SIZE] = "";
	const char *at = text;
	uint64_t any;
	bool more;

	each_day(ret);
	more = word(&at, buf, sizeof(buf));
	if (more && weekdays(buf, &ret->weekdays))
		more = word(&at, buf, sizeof(buf));
	else
		ret->weekdays = 0x7f;
	if (more && !strchr(buf, ':')) {
		if (!date(buf, ret))
			return fail(err, ERR_config,
				    "\"%.60s\" is neither weekdays (Mon..Fri), nor a date "
				    "(*-*-1..7), nor a time (22:00)",
				    buf);
		more = word(&at, buf, sizeof(buf));
	}
	if (!more || !time_of_day(buf, ret))
		return fail(err, ERR_config, "\"%.60s\" says no time as 22:00", text);
	if (!word(&at, ret->zone, sizeof(ret->zone)))
		return fail(err, ERR_config,
			    "\"%.60s\" says no time zone: add UTC, local, or as Europe/Berlin",
			    text);
	if (word(&at, buf, sizeof(buf)))
		return fail(err, ERR_config, "\"%.60s\": nothing may follow the time zone", text);
	if (check_zone(ret->zone, err))
		return -err->code;
	if (!calendar_next(ret, ret->year ? (uint64_t)(ret->year - 1971) * 365 * DAY_S * 1000 : 0,
			   &any))
		return fail(err, ERR_config, "\"%.60s\": there is no such day", text);
	return 0;
}

/* --- when --- */

static bool is_day(const struct calendar *c, const struct tm *tm)
{
	return (c->weekdays >> tm->tm_wday & 1) && (c->months >> (tm->tm_mon + 1) & 1) &&
	       (c->days >> tm->tm_mday & 1) &&
	       (!c->year || c->year == (unsigned)(tm->tm_year + 1900));
}

static bool next_day(const struct calendar *c, uint64_t after_ms, uint64_t *ret_ms)
{
	int64_t time_s = c->hour * 3600 + c->minute * 60 + c->second, day, at_s;

	day = ((int64_t)(after_ms / 1000) + offset_s((int64_t)(after_ms / 1000))) / DAY_S - 2;
	for (int64_t last = day + DAYS_MAX; day < last; day++) {
		time_t midnight = (time_t)(day * DAY_S);
		struct tm tm;

		if (!gmtime_r(&midnight, &tm) || !is_day(c, &tm))
			continue;
		at_s = moment_of(day * DAY_S + time_s);
		if (at_s > 0 && (uint64_t)at_s * 1000 > after_ms) {
			*ret_ms = (uint64_t)at_s * 1000;
			return true;
		}
	}
	return false;
}

bool calendar_next(const struct calendar *c, uint64_t after_ms, uint64_t *ret_ms)
{
	bool found;

	use_zone(c->zone);
	found = next_day(c, after_ms, ret_ms);
	use_zone(ZONE_LOCAL);
	return found;
}

const char *calendar_text(char buf[CALENDAR_TEXT_SIZE], const char *zone, uint64_t ms)
{
	time_t at = (time_t)(ms / 1000);
	struct tm tm;

	use_zone(zone);
	buf[0] = '\0';
	if (localtime_r(&at, &tm))
		strftime(buf, CALENDAR_TEXT_SIZE, "%a %F %T %Z", &tm);
	use_zone(ZONE_LOCAL);
	return buf;
}
