/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of reason codes (base/codes.h) for people: one code in full, all of them in a list, and
 * drover-errors(7). No coordinator is asked. */
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/help.h"
#include "cli/report.h"

#include "base/codes.h"

#include <jansson.h>
#include <string.h>

#define CODE_OF(what, statement) \
	TEXT(what) \
	{ \
		const struct code_row *r = record; \
		statement; \
	}

static const char *const bars_words[] = {
	[BARS_none] = "nothing", [BARS_live] = "live", [BARS_move] = "any"};

CODE_OF(code_code, cell_set(cell, "%s", r->code))
CODE_OF(code_bars, cell_set(cell, "%s", bars_words[r->bars]))
CODE_OF(code_about, cell_set(cell, "%s", code_about_text(r->about)))
CODE_OF(code_skip, cell_set(cell, "%s", r->skip))
CODE_OF(code_says, cell_set(cell, "%s", r->says))
CODE_OF(code_fix, cell_set(cell, "%s", r->fix))
CODE_OF(code_found, cell_set(cell, "%s", code_origin_text(r->origin)))
CODE_OF(code_example, cell_set(cell, "%s", r->example))

/* clang-format off */
static const struct column code_columns[] = {
	{ "code",    "code",    code_code,    0 },
	{ "bars",    "bars",    code_bars,    0 },
	{ "skip",    "skip",    code_skip,    0 },
	{ "about",   "about",   code_about,   COLUMN_WIDE },
	{ "meaning", "says",    code_says,    COLUMN_WRAP },
	{ "fix",     "fix",     code_fix,     COLUMN_WIDE | COLUMN_WRAP },
	{ "found",   "found",   code_found,   COLUMN_ASKED },
	{ "example", "example", code_example, COLUMN_ASKED | COLUMN_WRAP },
};

const struct noun noun_codes = {
	.stride = sizeof(struct code_row),
	.columns = code_columns, .n_columns = ARRAY_LEN(code_columns),
};
/* clang-format on */

static json_t *related_json(const struct code_row *row)
{
	json_t *list = json_array();

	for (size_t i = 0; code_related(row, i); i++)
		json_array_append_new(list, json_string(code_related(row, i)));
	return list;
}

static json_t *row_json(const struct code_row *row)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "code", row->code,
			 "says", row->says, "about", code_about_text(row->about), "bars",
			 bars_words[row->bars], "found", code_origin_text(row->origin), "skip",
			 row->skip, "fix", row->fix, "example", row->example, "more", row->more,
			 "related", related_json(row));
}

static const char *skip_text(const struct code_row *row, char *buf, size_t size)
{
	str_fmt(buf, size, "%s%s",
		*row->skip               ? "--skip "
		: row->bars == BARS_none ? "nothing to skip"
					 : "cannot be skipped",
		row->skip);
	return buf;
}

static const char *related_text(const struct code_row *row, char *buf, size_t size)
{
	buf[0] = '\0';
	for (size_t i = 0; code_related(row, i); i++) {
		size_t used = strlen(buf);

		str_fmt(buf + used, size - used, "%s%s", i ? ", " : "", code_related(row, i));
	}
	return buf;
}

static void print_part(struct cli *cli, const char *name, const char *text)
{
	unsigned width = cli->style.width > 40 && cli->style.width < 100 ? cli->style.width : 100;

	if (!*text)
		return;
	fprintf(cli->out, "  %s%-10s%s", style_tone(&cli->style, TONE_dim), name,
		style_end(&cli->style));
	help_print_filled(cli->out, text, width, 12, 12);
}

static void print_code(struct cli *cli, const struct code_row *row)
{
	char skip[64], related[1024];

	fprintf(cli->out, "%s%s%s: %s\n", style_tone(&cli->style, TONE_bold), row->code,
		style_end(&cli->style), row->says);
	print_part(cli, "about", code_about_text(row->about));
	print_part(cli, "bars", code_bars_text(row->bars));
	print_part(cli, "found in", code_origin_text(row->origin));
	print_part(cli, "example", row->example);
	print_part(cli, "fix", row->fix);
	print_part(cli, "skip", skip_text(row, skip, sizeof(skip)));
	print_part(cli, "more", row->more);
	print_part(cli, "related", related_text(row, related, sizeof(related)));
}

static int fail_code(struct cli *cli, const char *word)
{
	const char *near = code_nearest(word);
	struct err err = {0};

	fail(&err, ERR_nosuch, "there is no reason code \"%.60s\"", word);
	if (near)
		err_fix(&err, "did you mean: drover explain %s", near);
	else
		err_fix(&err, "drover explain lists them");
	return report_err(cli, NULL, &err);
}

int explain_run(struct cli *cli)
{
	const struct code_row *row = code_find(cli->in.word);

	if (!cli->in.word)
		return local_print(cli, &noun_codes, code_row(0), CODE_COUNT);
	if (!row)
		return fail_code(cli, cli->in.word);
	if (cli->in.format == FORMAT_json)
		json_object_print(cli->out, row_json(row));
	else
		print_code(cli, row);
	return 0;
}

/* --- drover-errors(7) --- */

static void manual_part(FILE *out, const char *name, const char *text)
{
	if (!*text)
		return;
	fprintf(out, ".br\n.I %s:\n", name);
	manual_text(out, text);
}

static void manual_code(FILE *out, const struct code_row *row)
{
	char skip[64], related[1024];

	fputs(".TP\n.B ", out);
	manual_text(out, row->code);
	manual_text(out, row->says);
	manual_part(out, "About", code_about_text(row->about));
	manual_part(out, "Bars", code_bars_text(row->bars));
	manual_part(out, "Example", row->example);
	manual_part(out, "Fix", row->fix);
	manual_part(out, "Skip", skip_text(row, skip, sizeof(skip)));
	manual_part(out, "More", row->more);
	manual_part(out, "Related", related_text(row, related, sizeof(related)));
}

void explain_manual(FILE *out)
{
	static const char *const titles[] = {
		[ORIGIN_check] = "FOUND BEFORE A MOVE, FROM WHAT THE HOSTS REPORT",
		[ORIGIN_host] = "FOUND BEFORE A MOVE, BY THE WORKERS",
		[ORIGIN_policy] = "SAID BY A POLICY",
		[ORIGIN_log] = "TOLD BY CRIU",
	};

	fputs(".TH DROVER\\-ERRORS 7 \"\" \"drover " DROVER_VERSION "\" \"drover\"\n"
	      ".SH NAME\ndrover\\-errors \\- reason codes of drover\n"
	      ".SH DESCRIPTION\n"
	      "Reasons against moving a container have a code that does not change. They come "
	      "from\n"
	      ".BR \"drover check\" ,\n.B drover ps \\-\\-stuck\n"
	      "and jobs that were refused or failed;\n.B drover explain\nprints one of them.\n"
	      ".PP\nWhat bars a live move leaves the way of stopping the container, moving it and "
	      "starting it again. A check that has a skip name can be left out by\n"
	      ".BR \\-\\-skip ,\nall of those by\n.BR \\-\\-force ;\n"
	      "what would lose data, or could not work, has none.\n",
	      out);
	for (size_t origin = 0; origin < ARRAY_LEN(titles); origin++) {
		fprintf(out, ".SH %s\n", titles[origin]);
		for (enum code_id id = 0; id < CODE_COUNT; id++)
			if (code_row(id)->origin == (enum code_origin)origin)
				manual_code(out, code_row(id));
	}
	fputs(".SH SEE ALSO\n.BR drover (1)\n", out);
}
