/* SPDX-License-Identifier: MPL-2.0
 *
 * Help, made from the command table. */
#ifndef DROVER_CLI_HELP_H
#define DROVER_CLI_HELP_H

#include "cli/commands.h"
#include "cli/style.h"

/* All commands by group, and the global options. */
void help_print_all(FILE *out, const struct style *style);

/* The commands of a family ("roster"). */
void help_print_family(FILE *out, const struct style *style, const char *family);

/* One command in full. */
void help_print_command(FILE *out, const struct style *style, const struct command *command);

/* "drover migrate [OPTION…] CTR" in buf. */
const char *help_usage(const struct command *command, char *buf, size_t size);

/* "-o, --output=FORM" in buf. */
const char *help_flag(const struct flag *flag, char *buf, size_t size);

/* Text in lines of at most `width` columns, each indented; `taken` columns of the first one are
 * written already. The texts of the tables are counted as ASCII. */
void help_print_filled(FILE *out, const char *text, unsigned width, unsigned indent,
		       unsigned taken);

/* Text with what roff would take for its own escaped, ended by a newline. */
void manual_text(FILE *out, const char *text);

/* drover-errors(7), cli/explain.c. */
void explain_manual(FILE *out);

/* What the exit codes say, a line each: number, meaning; NULL meaning past the last. */
struct help_exit {
	int code;
	const char *says;
};
extern const struct help_exit help_exits[];

#endif
