/* SPDX-License-Identifier: MPL-2.0
 *
 * The command table: one row is all there is to say about a command. Help, manual page, shell
 * completion, argument checks, the request and the printing of the reply follow from it. */
#ifndef DROVER_CLI_COMMANDS_H
#define DROVER_CLI_COMMANDS_H

#include "cli/flags.h"

struct cli;
struct msg_reply;
struct noun;

enum command_group { GROUP_look, GROUP_move, GROUP_hosts, GROUP_setup, GROUP_help, GROUP_COUNT };
extern const char *const command_group_titles[GROUP_COUNT];

#define TIMEOUT_MS 10000
#define OPERANDS_MAX 2
#define EXAMPLES_MAX 5

struct operand {
	const char *name; /* NULL: no more */
	enum value_kind kind;
	size_t place;
	bool optional;
	bool many; /* takes all that follow */
};

struct example {
	const char *line;
	const char *says;
};

struct command {
	const char *name;    /* may be two words, "roster check" */
	const char *aliases; /* space separated, or NULL */
	enum command_group group;
	const char *help; /* one line, no full stop */
	const char *more; /* paragraphs */
	struct example examples[EXAMPLES_MAX];
	struct operand operands[OPERANDS_MAX];
	flag_set flags; /* besides FLAGS_GLOBAL */
	const struct noun *noun;
	uint64_t timeout_ms; /* for an answer, unless --timeout says; 0 = TIMEOUT_MS */
	/* Runs the command, returns the process exit code. ask_run and follow_run send the request
	 * and hand the final reply to print. */
	int (*run)(struct cli *cli);
	int (*print)(struct cli *cli, const struct msg_reply *reply);
};

/* Commands in the order in which help lists them; NULL past the last. */
const struct command *command_at(size_t i);

/* The command that argv[0] (and argv[1]) name; *ret_used is 1 or 2. -ERR_usage with the nearest
 * name, or with the second words that are possible. */
int command_find(int argc, char *const *argv, const struct command **ret, int *ret_used,
		 struct err *err);

/* True when some rows have this first word ("roster"). */
bool command_is_family(const char *word);

#endif
