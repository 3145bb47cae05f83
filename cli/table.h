/* SPDX-License-Identifier: MPL-2.0
 *
 * Lists as tables. A noun is one kind of record with its columns; a column is a row: heading, JSON
 * key, how its text is made, how it is laid out, whether it is shown without being asked for. */
#ifndef DROVER_CLI_TABLE_H
#define DROVER_CLI_TABLE_H

#include "base/err.h"
#include "cli/style.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct msg_reply;

#define CELL_MAX 640

/* What an extractor fills; it starts empty and plain. */
struct cell {
	char text[CELL_MAX];
	enum tone tone;
	const struct style *style; /* of the place where it will stand */
};

enum column_flag {
	COLUMN_RIGHT = 1, /* numbers */
	COLUMN_WIDE = 2,  /* with -o wide, or when named */
	COLUMN_CUT = 4,   /* gives way when the terminal is narrow */
	COLUMN_ASKED = 8, /* only when named */
	COLUMN_WRAP = 16, /* sentences: goes on in the next line */
};

struct column {
	const char *heading; /* lower case, this is the name that -c takes */
	const char *key;     /* the schema's field, or the nearest to it */
	void (*text)(struct cell *cell, const void *record);
	unsigned flags;
};

struct noun {
	const char *record; /* of proto/schema.h, for JSON; NULL: printed by its own command */
	size_t stride;
	size_t place;      /* of the list in struct msg_reply */
	const char *empty; /* said on a terminal when there is none */
	const struct column *columns;
	size_t n_columns;
};

extern const struct noun noun_hosts, noun_places, noun_jobs, noun_history, noun_settings,
	noun_roster, noun_candidates, noun_items, noun_rooms, noun_codes, noun_ready,
	noun_simulated;

#define TABLE_COLUMNS_MAX 40

/* The chosen columns of a noun, in order. */
struct column_set {
	const struct column *v[TABLE_COLUMNS_MAX];
	size_t n;
};

/* All that are shown by default (wide: those too), or those that `asked` names, separated by
 * commas; "+name" adds to the defaults. -ERR_usage with the nearest name. */
int columns_choose(const struct noun *noun, bool wide, const char *asked, struct column_set *ret,
		   struct err *err);

struct table_look {
	bool headings;
	bool plain; /* tab separated, no headings, no padding */
};

/* Prints n records that lie stride bytes apart. */
void table_print(FILE *out, const struct style *style, const struct noun *noun,
		 const struct column_set *set, struct table_look look, const void *first, size_t n);

/* snprintf into the cell. */
void cell_set(struct cell *cell, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cell_bytes(struct cell *cell, uint64_t bytes);  /* empty when 0 */
void cell_duration(struct cell *cell, uint64_t ms);  /* "3 ms", "2m05s", "4d02h"; empty when 0 */
void cell_time(struct cell *cell, uint64_t wall_ms); /* local time; empty when 0 */

/* "12 ms", "3.2 s", "5m10s", "3h05m", "4d02h" */
const char *duration_text(char *buf, size_t size, uint64_t ms);
/* The last digits of an id: enough to name it. */
const char *id_tail(const char *ulid);

#endif
