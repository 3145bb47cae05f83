/* SPDX-License-Identifier: MPL-2.0
 *
 * Named sections, of which drover.conf may have any number: [policy NAME], [window NAME]. What rows
 * such a section may have and what their values may be is a table of its own (base/policies.h,
 * base/windows.h); here is what is common to them. */
#ifndef DROVER_BASE_SECTIONS_H
#define DROVER_BASE_SECTIONS_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

#define SECTION_KEYS_MAX 16

/* types: text, name, names (comma separated), u64, ms, labels (key=value, comma separated), choice
 * (of words), calendar (base/calendar.h), time (HH:MM) */
struct section_row {
	const char *name, *type, *words;
	uint64_t max;
	const char *help;
};

/* A kind of section: "policy" and its rows. */
struct section_kind {
	const char *word;
	const struct section_row *rows;
	size_t n;
};

struct section {
	char name[NAME_SIZE];
	char *text[SECTION_KEYS_MAX]; /* NULL: not said */
	int line;                     /* of the first that it says, 0 = from no file */
};

struct sections {
	struct section *v; /* in the order of the file */
	size_t n;
};

/* The index of the row of this name, kind->n when there is none. */
size_t section_key(const struct section_kind *kind, const char *name);

/* Whether text is a value of this row; *ret (may be NULL) gets a number, a duration in ms, or the
 * index of a choice. -ERR_config says what it should be. */
int section_value(const struct section_row *row, const char *text, uint64_t *ret, struct err *err);

/* "key = value" of the section of this name, which is made when it is new. */
int sections_set(struct sections *sections, const struct section_kind *kind, const char *name,
		 const char *key, const char *value, int line, struct err *err);

/* to must be empty. */
void sections_copy(struct sections *to, const struct sections *from);
void sections_done(struct sections *sections);

#endif
