/* SPDX-License-Identifier: MPL-2.0
 *
 * Help on the terminal. Lines are filled to the terminal's width, at most 100 columns. */
#include "cli/help.h"

#include "cli/cli.h"
#include "cli/report.h"
#include "cli/table.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define WIDTH_MAX 100
#define NAME_COLUMNS 24
#define FLAG_COLUMNS 30

/* clang-format off */
const struct help_exit help_exits[] = {
	{ 0, "done" },
	{ 1, "failed, the state is as before" },
	{ 2, "usage or configuration error" },
	{ 3, "refused, nothing was touched" },
	{ 4, "partly done" },
	{ 5, "the coordinator cannot be reached" },
	{ 6, "the deadline passed" },
	{ 7, "no such container, host or job" },
	{ 8, "failed and rolled back" },
	{ 9, "a person has to decide" },
	{ 130, "detached by Ctrl-C, the job goes on" },
	{ 0, NULL },
};
/* clang-format on */

void help_print_filled(FILE *out, const char *text, unsigned width, unsigned indent, unsigned taken)
{
	unsigned at = taken;
	bool begins = true;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (!begins && at + 1 + len > width) {
			fputc('\n', out);
			begins = true;
			at = 0;
		}
		at += (unsigned)fprintf(out, "%*s%.*s",
					!begins ? 1
					: at    ? 0
						: (int)indent,
					"", (int)len, text);
		begins = false;
		text += len;
		if (*text == '\n') {
			fputc('\n', out);
			begins = true;
			at = 0;
		}
		text += *text != '\0';
	}
	fputc('\n', out);
}

static void print_filled(FILE *out, const struct style *style, const char *text, unsigned indent)
{
	help_print_filled(out, text,
			  style->width && style->width < WIDTH_MAX ? style->width : WIDTH_MAX,
			  indent, 0);
}

static void print_title(FILE *out, const struct style *style, const char *title)
{
	fprintf(out, "\n%s%s%s\n", style_tone(style, TONE_bold), title, style_end(style));
}

const char *help_usage(const struct command *command, char *buf, size_t size)
{
	str_fmt(buf, size, "drover %s%s", command->name, command->flags ? " [OPTION...]" : "");
	for (size_t i = 0; i < OPERANDS_MAX && command->operands[i].name; i++) {
		const struct operand *operand = &command->operands[i];
		size_t used = strlen(buf);

		str_fmt(buf + used, size - used, operand->optional ? " [%s]%s" : " %s%s",
			operand->name, operand->many ? "..." : "");
	}
	return buf;
}

const char *help_flag(const struct flag *flag, char *buf, size_t size)
{
	char letter[8] = "    ";

	if (flag->letter)
		str_fmt(letter, sizeof(letter), "-%c, ", flag->letter);
	if (flag->kind == VALUE_period)
		str_fmt(buf, size, "%s--%s[=%s]", letter, flag->name, flag->value);
	else
		str_fmt(buf, size, "%s--%s%s%s", letter, flag->name, flag->value ? " " : "",
			flag->value ? flag->value : "");
	return buf;
}

static void print_flags(FILE *out, const struct style *style, flag_set flags)
{
	char text[64];

	for (int id = 0; id < FLAG_COUNT; id++) {
		if (flags & FLAG_BIT(id))
			fprintf(out, "  %s%-*s%s %s\n", style_tone(style, TONE_live), FLAG_COLUMNS,
				help_flag(&flag_rows[id], text, sizeof(text)), style_end(style),
				flag_rows[id].help);
	}
}

void help_print_all(FILE *out, const struct style *style)
{
	fputs("Moves running containers between Linux hosts.\n\n"
	      "Usage: drover [OPTION...] COMMAND [ARGUMENT...]\n",
	      out);
	for (int group = 0; group < GROUP_COUNT; group++) {
		print_title(out, style, command_group_titles[group]);
		for (size_t i = 0; command_at(i); i++) {
			const struct command *command = command_at(i);

			if ((int)command->group == group)
				fprintf(out, "  %s%-*s%s %s\n", style_tone(style, TONE_live),
					NAME_COLUMNS, command->name, style_end(style),
					command->help);
		}
	}
	print_title(out, style, "Options of every command");
	print_flags(out, style, FLAGS_GLOBAL);
	fputs("\nOne command in full, with examples: drover help COMMAND\n", out);
}

void help_print_family(FILE *out, const struct style *style, const char *family)
{
	size_t len = strlen(family);

	for (size_t i = 0; command_at(i); i++) {
		const struct command *command = command_at(i);

		if (str_starts(command->name, family) && command->name[len] == ' ')
			fprintf(out, "  %s%-*s%s %s\n", style_tone(style, TONE_live), NAME_COLUMNS,
				command->name, style_end(style), command->help);
	}
	fprintf(out, "\nOne command in full, with examples: drover help %s COMMAND\n", family);
}

static void print_columns(FILE *out, const struct style *style, const struct noun *noun)
{
	char text[CELL_MAX] = "";

	for (size_t i = 0; i < noun->n_columns; i++) {
		size_t used = strlen(text);

		str_fmt(text + used, sizeof(text) - used, "%s%s", i ? ", " : "",
			noun->columns[i].heading);
	}
	print_title(out, style, "Columns");
	print_filled(out, style, text, 2);
}

void help_print_command(FILE *out, const struct style *style, const struct command *command)
{
	char usage[160];

	fprintf(out, "%sdrover %s%s: %s\n\nUsage: %s\n", style_tone(style, TONE_bold),
		command->name, style_end(style), command->help,
		help_usage(command, usage, sizeof(usage)));
	if (command->aliases)
		fprintf(out, "Also:  %s\n", command->aliases);
	fputc('\n', out);
	print_filled(out, style, command->more, 0);
	if (command->flags) {
		print_title(out, style, "Options");
		print_flags(out, style, command->flags);
	}
	if (command->noun && command->flags & FLAG(columns))
		print_columns(out, style, command->noun);
	print_title(out, style, "Examples");
	for (size_t i = 0; i < EXAMPLES_MAX && command->examples[i].line; i++) {
		const struct example *example = &command->examples[i];

		fprintf(out, "  %-44s%s%s%s%s\n", example->line, *example->says ? " " : "",
			style_tone(style, TONE_dim), example->says, style_end(style));
	}
	fputs("\nOptions of every command: drover --help\n", out);
}

int help_run(struct cli *cli)
{
	char *words[] = {(char *)cli->in.word, (char *)cli->in.second_word};
	const struct command *command;
	struct err err = {0};
	int used;

	if (!cli->in.word) {
		help_print_all(cli->out, &cli->style);
		return 0;
	}
	if (command_find(cli->in.second_word ? 2 : 1, words, &command, &used, &err))
		return report_err(cli, NULL, &err);
	help_print_command(cli->out, &cli->style, command);
	return 0;
}
