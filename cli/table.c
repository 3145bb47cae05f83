/* SPDX-License-Identifier: MPL-2.0
 *
 * Tables through libsmartcols: it knows widths of wide characters, terminals and truncation. The
 * plain form is written here, since it is a promise to scripts and no matter of layout. */
#include "cli/table.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/flags.h"

#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

void cell_set(struct cell *cell, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(cell->text, sizeof(cell->text), fmt, args);
	va_end(args);
}

void cell_bytes(struct cell *cell, uint64_t bytes)
{
	char buf[STR_HUMAN_SIZE];

	if (bytes)
		cell_set(cell, "%s", str_human_bytes(buf, bytes));
}

const char *duration_text(char *buf, size_t size, uint64_t ms)
{
	uint64_t s = ms / 1000, m = s / 60, h = m / 60;

	if (ms < 1000)
		str_fmt(buf, size, "%" PRIu64 " ms", ms);
	else if (s < 10)
		str_fmt(buf, size, "%.2f s", (double)ms / 1000);
	else if (s < 60)
		str_fmt(buf, size, "%.1f s", (double)ms / 1000);
	else if (h == 0)
		str_fmt(buf, size, "%" PRIu64 "m%02" PRIu64 "s", m, s % 60);
	else if (h < 48)
		str_fmt(buf, size, "%" PRIu64 "h%02" PRIu64 "m", h, m % 60);
	else
		str_fmt(buf, size, "%" PRIu64 "d%02" PRIu64 "h", h / 24, h % 24);
	return buf;
}

void cell_duration(struct cell *cell, uint64_t ms)
{
	if (ms)
		duration_text(cell->text, sizeof(cell->text), ms);
}

void cell_time(struct cell *cell, uint64_t wall_ms)
{
	time_t at = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms && localtime_r(&at, &tm))
		strftime(cell->text, sizeof(cell->text), "%F %T", &tm);
}

const char *id_tail(const char *ulid)
{
	size_t len = ulid ? strlen(ulid) : 0;

	return len > 6 ? ulid + len - 6 : ulid ? ulid : "";
}

static const struct column *column_find(const struct noun *noun, const char *name, size_t len)
{
	for (size_t i = 0; i < noun->n_columns; i++) {
		const struct column *column = &noun->columns[i];

		if ((strlen(column->heading) == len && !strncmp(column->heading, name, len)) ||
		    (strlen(column->key) == len && !strncmp(column->key, name, len)))
			return column;
	}
	return NULL;
}

static int fail_column(const struct noun *noun, const char *name, struct err *err)
{
	char words[CELL_MAX] = "", near[64];

	for (size_t i = 0; i < noun->n_columns; i++)
		str_fmt(words + strlen(words), sizeof(words) - strlen(words), "%s%s", i ? " " : "",
			noun->columns[i].heading);
	fail(err, ERR_usage, "there is no column \"%.40s\" here", name);
	if (*words_nearest(words, name, near, sizeof(near)))
		return err_fix(err, "did you mean %s?", near);
	return err_fix(err, "columns: %.220s", words);
}

int columns_choose(const struct noun *noun, bool wide, const char *asked, struct column_set *ret,
		   struct err *err)
{
	*ret = (struct column_set){0};
	if (!asked || *asked == '+') {
		for (size_t i = 0; i < noun->n_columns; i++) {
			unsigned flags = noun->columns[i].flags;

			if (!(flags & COLUMN_ASKED) && (wide || !(flags & COLUMN_WIDE)))
				ret->v[ret->n++] = &noun->columns[i];
		}
	}
	asked = asked && *asked == '+' ? asked + 1 : asked;
	while (asked && *asked) {
		size_t len = strcspn(asked, ",");
		const struct column *column = column_find(noun, asked, len);
		auto_free char *name = str_new("%.*s", (int)len, asked);

		if (!column)
			return fail_column(noun, name, err);
		if (ret->n < TABLE_COLUMNS_MAX)
			ret->v[ret->n++] = column;
		asked += len + (asked[len] == ',');
	}
	return 0;
}

static void print_plain(FILE *out, const struct column_set *set, const char *record)
{
	static const struct style bare = {0};

	for (size_t c = 0; c < set->n; c++) {
		struct cell cell = {.style = &bare};

		set->v[c]->text(&cell, record);
		style_clean(cell.text);
		for (char *at = cell.text; *at; at++)
			*at = *at == '\t' || *at == '\n' ? ' ' : *at;
		fprintf(out, "%s%s", c ? "\t" : "", cell.text);
	}
	fputc('\n', out);
}

static void add_line(struct libscols_table *table, const struct style *style,
		     const struct column_set *set, const char *record)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	for (size_t c = 0; c < set->n; c++) {
		struct cell cell = {.style = style};

		set->v[c]->text(&cell, record);
		scols_line_set_data(line, c, cell.text);
		if (cell.tone != TONE_plain && style->color)
			scols_cell_set_color(scols_line_get_cell(line, c),
					     style_tone(style, cell.tone));
	}
}

static void add_columns(struct libscols_table *table, const struct style *style,
			const struct column_set *set)
{
	for (size_t c = 0; c < set->n; c++) {
		const struct column *column = set->v[c];
		char heading[64];
		struct libscols_column *made;
		int flags = 0;

		str_copy(heading, sizeof(heading), column->heading);
		for (char *at = heading; *at; at++)
			*at = *at >= 'a' && *at <= 'z' ? (char)(*at - 32) : *at;
		flags |= column->flags & COLUMN_RIGHT ? SCOLS_FL_RIGHT : 0;
		flags |= column->flags & COLUMN_CUT ? SCOLS_FL_TRUNC : 0;
		flags |= column->flags & COLUMN_WRAP && style->width ? SCOLS_FL_WRAP : 0;
		made = scols_table_new_column(table, heading, 0, flags);
		if (style->color)
			scols_cell_set_color(scols_column_get_header(made),
					     style_tone(style, TONE_dim));
	}
}

/* libsmartcols pads the last column on terminals; lines that end in blanks help nobody. */
static void print_trimmed(FILE *out, char *text)
{
	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		size_t keep = len;

		while (keep && line[keep - 1] == ' ')
			keep--;
		fprintf(out, "%.*s\n", (int)keep, line);
		line += len + (line[len] == '\n');
	}
}

void table_print(FILE *out, const struct style *style, const struct noun *noun,
		 const struct column_set *set, struct table_look look, const void *first, size_t n)
{
	struct libscols_table *table;
	auto_free char *text = NULL;

	if (look.plain) {
		for (size_t i = 0; i < n; i++)
			print_plain(out, set, (const char *)first + i * noun->stride);
		return;
	}
	if (n == 0) {
		if (style->tty && noun->empty)
			fprintf(out, "%s\n", noun->empty);
		return;
	}
	table = scols_new_table();
	scols_table_enable_noheadings(table, !look.headings);
	scols_table_enable_colors(table, style->color);
	scols_table_set_column_separator(table, "  ");
	scols_table_set_termforce(table,
				  style->width ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
	if (style->width)
		scols_table_set_termwidth(table, style->width);
	add_columns(table, style, set);
	for (size_t i = 0; i < n; i++)
		add_line(table, style, set, (const char *)first + i * noun->stride);
	if (!scols_print_table_to_string(table, &text) && text)
		print_trimmed(out, text);
	scols_unref_table(table);
}
