/* SPDX-License-Identifier: MPL-2.0
 *
 * A verdict: every reason that speaks against one container on one host, and what is left possible.
 *
 *      no reason            live   it can move while it runs
 *      warnings only        warn   it can, and something is to be known
 *      bars live moves      cold   it can be stopped, moved and started
 *      bars any move        no
 *
 * Pure. Reasons carry sentences only where somebody will read them: a ranking of thousands of hosts
 * collects what is possible and nothing else. */
#ifndef DROVER_COORDINATOR_VERDICT_H
#define DROVER_COORDINATOR_VERDICT_H

#include "base/codes.h"
#include "proto/msg.h"

#include <stdbool.h>
#include <stddef.h>

enum verdict_kind { VERDICT_live, VERDICT_warn, VERDICT_cold, VERDICT_no };

struct reason {
	const struct code_row *row;
	char *why; /* owned; NULL in a brief verdict */
	bool warning;
};

#define VERDICT_REASONS_MAX 32

/* What reasons add up to. */
struct flags {
	bool warns, bars_live, bars_move;
};

struct verdict {
	struct flags flags;
	bool brief; /* no reasons are kept */
	size_t n;
	struct reason v[VERDICT_REASONS_MAX]; /* the first n */
};

/* A verdict that keeps the flags only; there is nothing to free. */
static inline void verdict_init_brief(struct verdict *verdict)
{
	verdict->flags = (struct flags){0};
	verdict->brief = true;
	verdict->n = 0;
}

/* Frees the sentences. */
void verdict_done(struct verdict *verdict);

enum verdict_kind flags_kind(struct flags flags);
enum verdict_kind verdict_kind(const struct verdict *verdict);

/* "live", "warn", "cold" or "no", and back (VERDICT_no for any other word). */
const char *verdict_word(enum verdict_kind kind);
enum verdict_kind verdict_parse(const char *word);

/* It can move while it runs. */
static inline bool verdict_feasible(const struct verdict *verdict)
{
	return !verdict->flags.bars_live && !verdict->flags.bars_move;
}

/* Adds one reason, as a warning or not; true when its sentence is wanted (verdict_say). `skip` are
 * the skip names that the user chose; a skipped reason stays as a warning. */
bool verdict_note(struct verdict *verdict, enum code_id id, bool warning,
		  const struct msg_strs *skip);

/* The sentence of the reason noted last. */
void verdict_say(struct verdict *verdict, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static inline struct flags flags_both(struct flags a, struct flags b)
{
	return (struct flags){a.warns || b.warns, a.bars_live || b.bars_live,
			      a.bars_move || b.bars_move};
}

/* Whether a reason with this skip name is skipped by the list: by name, or by "all". */
bool verdict_skips(const struct msg_strs *skip, const char *name);

/* 0, or -ERR_usage with the nearest name when the list has a name that no code has. */
int verdict_check_skips(const struct msg_strs *skip, struct err *err);

/* The same reasons as message records; they borrow from verdict. Returns their number. */
size_t verdict_reasons(const struct verdict *verdict, struct msg_reason ret[VERDICT_REASONS_MAX]);

/* One line: "E-MEM: needs …; E-ARCH: …" of what refuses. */
void verdict_print(const struct verdict *verdict, char *ret_text, size_t size);

/* The first reason that refuses, NULL when none does. */
const struct reason *verdict_first(const struct verdict *verdict);

/* What to do about it, "" when none refuses. */
const char *verdict_fix(const struct verdict *verdict);

/* The verdict with a reason added that somebody else found (a worker's answer). */
enum verdict_kind verdict_with(enum verdict_kind kind, const struct msg_reason *reason);

#endif
