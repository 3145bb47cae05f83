/* SPDX-License-Identifier: MPL-2.0
 *
 * Maintenance windows: sections [window NAME] (base/windows.h). While one is open its hosts are
 * evacuated as by `drover evacuate`, each once; at its end those that are live are restored. What
 * was begun is remembered by window and host, in the same turn's records as the evacuation, so that
 * a coordinator that was down begins what it has missed of a window that is still open, and nothing
 * twice.
 *
 *   mark:  (none) ──▶ open ──▶ closed     the window's end, after the evacuation's
 *             └────▶ busy                 something else emptied or filled the host at its time
 *
 * People's words win: a host that somebody cordoned, restored or evacuated otherwise keeps that. */
#ifndef DROVER_COORDINATOR_WINDOWS_H
#define DROVER_COORDINATOR_WINDOWS_H

#include "base/calendar.h"
#include "base/options.h"
#include "proto/msg.h"

#include <stdbool.h>
#include <stdint.h>

#define WINDOWS_SHOWN 64     /* in a status */
#define WINDOW_KEY "window/" /* window/NAME/HOST = START END restore|stay STATE DRAIN */

enum mark_state { MARK_open, MARK_busy, MARK_closed };

struct window_mark {
	char window[NAME_SIZE], host[NAME_SIZE];
	uint64_t start_ms, end_ms; /* of the occurrence, wall clock */
	bool restore;              /* at its end */
	enum mark_state state;
	char drain[ULID_SIZE];
};

struct window {
	const struct section *says; /* borrowed from the options */
	struct calendar starts, ends;
	uint64_t duration_ms, deadline_ms; /* 0 = there is an end; 0 = none */
	/* The occurrence that is open, or the next one; true from from_ms until end_ms. */
	uint64_t from_ms, start_ms, end_ms;
	bool never; /* there is none any more */
};

struct windows {
	struct window *v;
	size_t n;
	struct window_mark *marks;
	size_t n_marks;
	uint64_t look_ms; /* next look, monotonic */
};

struct core;

/* Takes the sections of options (NULL: none); marks stay. */
void windows_configure(struct windows *windows, const struct options *options);
void windows_done(struct windows *windows);

/* Whether a drain's user, or a cordon's reason, is a window. */
bool window_is_user(const char *text);

/* The occurrence that is open at this time, or the next. */
void window_find(struct window *window, uint64_t wall_ms);

void windows_tick(struct core *c);

/* A stored mark; one that cannot be read is none. */
void windows_replay(struct windows *windows, const char *key, const char *text);

/* Fills in the reply's list; what it points to lives until the end of the turn. */
void windows_list(struct core *c, struct msg_reply *reply);

#endif
