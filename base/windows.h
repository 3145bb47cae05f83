/* SPDX-License-Identifier: MPL-2.0
 *
 * The rows of [window NAME] sections of the coordinator's drover.conf: a maintenance window, at
 * whose start hosts are evacuated and at whose end they get their guests back. */
#ifndef DROVER_BASE_WINDOWS_H
#define DROVER_BASE_WINDOWS_H

#include "base/sections.h"

/* clang-format off */
/* X(identifier, name, type, words, max, help): as base/policies.h */
#define WINDOW_TABLE(X) \
	X(hosts,    "hosts",    names,    "", 1023, "hosts by name, comma separated") \
	X(label,    "label",    labels,   "", 1023, "hosts by label (worker.labels): those that have all of these") \
	X(when,     "when",     calendar, "", 127,  "its start: [weekdays] [date] time zone, as Sat 22:00 Europe/Berlin, Mon..Fri 02:30 UTC, Sun *-*-1..7 03:00 local") \
	X(duration, "duration", ms,       "", 604800000, "how long it is open, at most 7d") \
	X(end,      "end",      time,     "", 8,    "or the time of day when it ends, in the same time zone") \
	X(reason,   "reason",   text,     "", 150,  "told with the cordon and the evacuation") \
	X(on_stuck, "on-stuck", choice,   "stay cold stop", 0, "stay, cold or stop: as of drover evacuate, what becomes of what cannot move live") \
	X(deadline, "deadline", ms,       "", 604800000, "the evacuation begins no more moves after this; at the end of the window it never does") \
	X(parallel, "parallel", u64,      "", 32,   "moves at a time; 0 or none: as of drover evacuate") \
	X(restore,  "restore",  choice,   "no yes", 0, "yes (as without it): at its end the hosts that are live get their guests back; no: they stay cordoned")
/* clang-format on */

enum window_key {
#define X(id, ...) WINDOW_##id,
	WINDOW_TABLE(X)
#undef X
		WINDOW_KEY_COUNT
};

extern const struct section_kind window_kind;

/* Whether what a section says makes a window: -ERR_config says what is missing or too much. */
int window_check(const struct section *section, struct err *err);

#endif
