/* SPDX-License-Identifier: MPL-2.0
 *
 * Reason codes, looked up: by id, by name, by what --skip calls them. The rows are in
 * base/code_table.h. */
#ifndef DROVER_BASE_CODES_H
#define DROVER_BASE_CODES_H

#include "base/code_table.h"

#include <stddef.h>
#include <stdio.h>

enum code_id {
#define X(id, ...) CODE_##id,
	CODE_TABLE(X)
#undef X
		CODE_COUNT
};

enum code_origin { ORIGIN_check, ORIGIN_host, ORIGIN_policy, ORIGIN_log };
enum code_about { ABOUT_ct, ABOUT_src, ABOUT_dst, ABOUT_path };
enum code_bars { BARS_none, BARS_live, BARS_move };

/* All texts are static and never NULL. */
struct code_row {
	const char *code;
	enum code_origin origin;
	enum code_about about;
	enum code_bars bars;
	const char *skip;
	const char *says;
	const char *fix;
	const char *example;
	const char *more;
};

const struct code_row *code_row(enum code_id id);

/* The row of a code as somebody wrote it, in any case, with or without "E-"; NULL when it is not in
 * the table (NULL is answered so too). */
const struct code_row *code_find(const char *code);

/* The nearest code to one that is not in the table, NULL when none is near. */
const char *code_nearest(const char *code);

/* The i-th of the names that --skip takes, each once, "all" first; NULL past the last. */
const char *code_skip_name(size_t i);

/* The i-th code that is related to a row (same skip name, or same first word), NULL past the last.
 */
const char *code_related(const struct code_row *row, size_t i);

/* What a row's columns mean, in words: "the target", "a live move", "what the hosts report". */
const char *code_about_text(enum code_about about);
const char *code_bars_text(enum code_bars bars);
const char *code_origin_text(enum code_origin origin);

#endif
