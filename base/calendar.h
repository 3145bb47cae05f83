/* SPDX-License-Identifier: MPL-2.0
 *
 * Days and times that come again, in the part of systemd.time(7)'s notation that people use for
 * maintenance, with the time zone always said:
 *
 *   Sat 22:00 Europe/Berlin            each Saturday
 *   Mon..Fri 02:30 UTC
 *   Sun *-*-1..7 03:00 local           each first Sunday of a month
 *   2027-01-15 21:00:00 UTC            once
 *
 * A local time that is there twice (clocks go back) is the first of the two; one that is not there
 * (clocks go forward) is as much later as the clocks are moved. The only file that knows zones. */
#ifndef DROVER_BASE_CALENDAR_H
#define DROVER_BASE_CALENDAR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define CALENDAR_ZONE_SIZE 64
#define CALENDAR_TEXT_SIZE 48

struct calendar {
	uint8_t weekdays; /* bit 0: Sunday */
	uint16_t months;  /* bits 1..12 */
	uint32_t days;    /* bits 1..31 */
	unsigned year;    /* 0: each */
	unsigned hour, minute, second;
	char zone[CALENDAR_ZONE_SIZE];
};

/* "HH:MM" or "HH:MM:SS" each day in this zone; and the whole notation. -ERR_config says what is
 * wrong, an unknown zone and a day that never comes too. */
int calendar_parse_time(const char *text, const char *zone, struct calendar *ret, struct err *err);
int calendar_parse(const char *text, struct calendar *ret, struct err *err);

/* The first time after this one (wall clock, ms); false when there is none in the next 40 years. */
bool calendar_next(const struct calendar *calendar, uint64_t after_ms, uint64_t *ret_ms);

/* "Sat 2026-11-28 22:00:00 CET" in buf; returns buf. */
const char *calendar_text(char buf[CALENDAR_TEXT_SIZE], const char *zone, uint64_t ms);

#endif
