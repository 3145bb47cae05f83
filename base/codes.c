/* SPDX-License-Identifier: MPL-2.0
 *
 * Lookups in the table of reason codes. */
#include "base/codes.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

static const struct code_row rows[CODE_COUNT] = {
#define X(id, code_, origin_, about_, bars_, skip_, says_, fix_, example_, more_) \
	[CODE_##id] = {.code = code_, \
		       .origin = ORIGIN_##origin_, \
		       .about = ABOUT_##about_, \
		       .bars = BARS_##bars_, \
		       .skip = skip_, \
		       .says = says_, \
		       .fix = fix_, \
		       .example = example_, \
		       .more = more_},
	CODE_TABLE(X)
#undef X
};

const struct code_row *code_row(enum code_id id)
{
	return &rows[id];
}

const struct code_row *code_find(const char *code)
{
	for (size_t i = 0; code && i < CODE_COUNT; i++)
		if (!strcasecmp(rows[i].code, code) || !strcasecmp(rows[i].code + 2, code))
			return &rows[i];
	return NULL;
}

/* Compared in capitals and with the "E-" that all have; a part of a code is near to it. */
const char *code_nearest(const char *code)
{
	const char *list[CODE_COUNT], *near;
	char text[64];

	str_fmt(text, sizeof(text), "%s%s", strncasecmp(code, "E-", 2) ? "E-" : "", code);
	for (char *at = text; *at; at++)
		if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
	for (size_t i = 0; i < CODE_COUNT; i++)
		list[i] = rows[i].code;
	near = str_nearest(text, list, CODE_COUNT);
	for (size_t i = 0; !near && strlen(text) > 4 && i < CODE_COUNT; i++)
		near = strstr(list[i], text + 2) ? list[i] : NULL;
	return near;
}

static bool is_first_with_skip(size_t row)
{
	for (size_t i = 0; i < row; i++)
		if (str_eq(rows[i].skip, rows[row].skip))
			return false;
	return rows[row].skip[0] != '\0';
}

const char *code_skip_name(size_t i)
{
	if (i-- == 0)
		return "all";
	for (size_t row = 0; row < CODE_COUNT; row++)
		if (is_first_with_skip(row) && i-- == 0)
			return rows[row].skip;
	return NULL;
}

/* "E-CPU" of "E-CPU-XSAVE"; a code of one word has that word. */
static size_t first_word(const char *code)
{
	return 2 + strcspn(code + 2, "-");
}

static bool are_related(const struct code_row *a, const struct code_row *b)
{
	size_t len = first_word(a->code);

	if (a == b || a->origin == ORIGIN_log || b->origin == ORIGIN_log)
		return false;
	if (*a->skip && str_eq(a->skip, b->skip))
		return true;
	return len == first_word(b->code) && !strncmp(a->code, b->code, len);
}

const char *code_related(const struct code_row *row, size_t i)
{
	for (size_t other = 0; other < CODE_COUNT; other++)
		if (are_related(row, &rows[other]) && i-- == 0)
			return rows[other].code;
	return NULL;
}

const char *code_about_text(enum code_about about)
{
	static const char *const texts[] = {
		[ABOUT_ct] = "the container",
		[ABOUT_src] = "the host it is on",
		[ABOUT_dst] = "the target",
		[ABOUT_path] = "the way between the hosts",
	};

	return texts[about];
}

const char *code_bars_text(enum code_bars bars)
{
	static const char *const texts[] = {
		[BARS_none] = "nothing, it is a warning",
		[BARS_live] = "a live move; stop, move and start again would work",
		[BARS_move] = "any move",
	};

	return texts[bars];
}

const char *code_origin_text(enum code_origin origin)
{
	static const char *const texts[] = {
		[ORIGIN_check] = "what the hosts report, before anything is touched",
		[ORIGIN_host] = "a worker's own look, before anything is touched",
		[ORIGIN_policy] = "a policy, before anything is touched",
		[ORIGIN_log] = "CRIU's log of a dump or restore that failed",
	};

	return texts[origin];
}
