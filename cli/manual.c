/* SPDX-License-Identifier: MPL-2.0
 *
 * drover(1) as roff, man(7) macros, from the command table, the option rows and the exit codes. */
#include "cli/help.h"

#include "cli/cli.h"
#include "cli/report.h"

#include "base/str.h"

/* Text with what roff would take for its own escaped: backslashes, dashes, dots in front. */
void manual_text(FILE *out, const char *text)
{
	bool begins = true;

	for (; *text; text++) {
		if (begins && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else if (*text == '\n')
			fputs("\n.PP\n", out);
		else
			fputc(*text, out);
		begins = *text == '\n';
	}
	fputc('\n', out);
}

static void print_flags(FILE *out, flag_set flags)
{
	char text[64];

	for (int id = 0; id < FLAG_COUNT; id++) {
		const char *at;

		if (!(flags & FLAG_BIT(id)))
			continue;
		at = help_flag(&flag_rows[id], text, sizeof(text));
		fputs(".TP\n.B ", out);
		manual_text(out, str_starts(at, "    ") ? at + 4 : at);
		manual_text(out, flag_rows[id].help);
	}
}

static void print_command(FILE *out, const struct command *command)
{
	char usage[160];

	fputs(".SS ", out);
	manual_text(out, help_usage(command, usage, sizeof(usage)));
	manual_text(out, command->more);
	print_flags(out, command->flags);
	if (command->aliases)
		fprintf(out, ".PP\nAlso called: %s.\n", command->aliases);
	fputs(".PP\nExamples:\n", out);
	for (size_t i = 0; i < EXAMPLES_MAX && command->examples[i].line; i++) {
		fputs(".TP\n.B ", out);
		manual_text(out, command->examples[i].line);
		manual_text(out, *command->examples[i].says ? command->examples[i].says : "\\&");
	}
}

static void print_settings(FILE *out)
{
	/* clang-format off */
	static const struct { const char *section, *name, *def, *help; } rows[] = {
#define X(section, name, type, def, min, max, help) { #section, #name, def, help },
		OPTION_TABLE(X)
#undef X
	};
	/* clang-format on */

	fputs(".SH CONFIGURATION\n.B " DROVER_CONFIG "\nis an INI file. Its settings:\n", out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fprintf(out, ".TP\n.B [%s] %s\n", rows[i].section, rows[i].name);
		manual_text(out, rows[i].help);
		if (*rows[i].def) {
			fputs("Default: ", out);
			manual_text(out, rows[i].def);
		}
		if (option_reloads((enum option_id)i))
			fputs("Taken on reload.\n", out);
	}
	fputs(".PP\nOn SIGHUP (systemctl reload drover\\-coordinator, drover\\-worker) a daemon "
	      "reads "
	      "its file again. It takes the settings marked so and the sections below; the others "
	      "need "
	      "a restart, and the log names those that have changed. A file that is wrong changes "
	      "nothing: the log and drover status say why.\n",
	      out);
	fputs(".PP\nSections [policy NAME] say where containers may go and how. The first one that "
	      "matches a container is its policy; a container's annotations drover.KEY set the "
	      "same for it alone.\n",
	      out);
	for (enum policy_key key = 0; key < POLICY_KEY_COUNT; key++) {
		fputs(".TP\n.B [policy NAME] ", out);
		manual_text(out, policy_row(key)->name);
		manual_text(out, policy_row(key)->help);
	}
	fputs(".PP\nSections [window NAME] of the coordinator's file are maintenance windows: at "
	      "their start hosts are evacuated, at their end they get their guests back.\n",
	      out);
	for (enum window_key key = 0; key < WINDOW_KEY_COUNT; key++) {
		fputs(".TP\n.B [window NAME] ", out);
		manual_text(out, window_kind.rows[key].name);
		manual_text(out, window_kind.rows[key].help);
	}
}

static void print_manual(FILE *out)
{
	fputs(".TH DROVER 1 \"\" \"drover " DROVER_VERSION "\" \"User Commands\"\n"
	      ".SH NAME\ndrover \\- moves running containers between Linux hosts\n"
	      ".SH SYNOPSIS\n.B drover\n[OPTION...] COMMAND [ARGUMENT...]\n"
	      ".SH DESCRIPTION\n"
	      "drover asks the coordinator of a cluster. Options and arguments may be mixed; "
	      "\\-\\- ends the options.\n"
	      ".SH OPTIONS\n",
	      out);
	print_flags(out, FLAGS_GLOBAL);
	for (int group = 0; group < GROUP_COUNT; group++) {
		fprintf(out, ".SH COMMANDS: %s\n", command_group_titles[group]);
		for (size_t i = 0; command_at(i); i++) {
			if ((int)command_at(i)->group == group)
				print_command(out, command_at(i));
		}
	}
	fputs(".SH EXIT STATUS\n", out);
	for (const struct help_exit *row = help_exits; row->says; row++)
		fprintf(out, ".TP\n.B %d\n%s\n", row->code, row->says);
	print_settings(out);
	fputs(".SH ENVIRONMENT\n"
	      ".TP\n.B DROVER_COORDINATOR\nthe endpoint to dial, as \\-\\-coordinator\n"
	      ".TP\n.B NO_COLOR\nno colours when it is set to anything\n"
	      ".SH FILES\n.TP\n.B " DROVER_CONFIG "\n.TP\n.B /etc/drover/roster\n"
	      ".SH SEE ALSO\n.BR drover\\-errors (7)\n",
	      out);
}

static int fail_page(struct cli *cli)
{
	struct err err = {0};

	fail(&err, ERR_usage, "there is no manual page \"%.60s\"", cli->in.word);
	err_fix(&err, "drover man, or drover man errors");
	return report_err(cli, NULL, &err);
}

int manual_run(struct cli *cli)
{
	if (!cli->in.word)
		print_manual(cli->out);
	else if (str_eq(cli->in.word, "errors"))
		explain_manual(cli->out);
	else
		return fail_page(cli);
	return 0;
}
