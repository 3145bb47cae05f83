/* SPDX-License-Identifier: MPL-2.0
 *
 * Completion scripts for three shells from the command table. Names of containers, hosts and jobs
 * are asked of the coordinator at the time, with a short timeout and nothing on failure. */
#include "cli/cli.h"
#include "cli/report.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define ASK "drover --timeout 1s "

/* The shell command that lists what a value may be, or its fixed words in *ret_words. */
static const char *lister(enum value_kind kind)
{
	switch (kind) {
	case VALUE_container:
		return ASK "ps -o plain -c container 2>/dev/null";
	case VALUE_host:
	case VALUE_hosts:
		return ASK "hosts -o plain -c host 2>/dev/null";
	case VALUE_job:
		return ASK "jobs -o plain -c id 2>/dev/null; " ASK
			   "ps -o plain -c container 2>/dev/null";
	default:
		return NULL;
	}
}

static void print_flag_names(FILE *out, flag_set flags, const char *sep)
{
	for (int id = 0; id < FLAG_COUNT; id++) {
		if (flags & FLAG_BIT(id))
			fprintf(out, "--%s%s", flag_rows[id].name, sep);
	}
}

/* The i-th command's first word when it is of two words and none before has the same. */
static const char *family_at(size_t i, char *buf, size_t size)
{
	const char *name = command_at(i)->name;
	size_t len = strcspn(name, " ");

	if (!name[len])
		return NULL;
	for (size_t earlier = 0; earlier < i; earlier++) {
		if (!strncmp(name, command_at(earlier)->name, len + 1))
			return NULL;
	}
	str_fmt(buf, size, "%.*s", (int)len, name);
	return buf;
}

static void print_command_names(FILE *out, const char *sep)
{
	char family[64];

	for (size_t i = 0; command_at(i); i++) {
		const char *name = command_at(i)->name;

		if (!strchr(name, ' '))
			fprintf(out, "%s%s", name, sep);
		else if (family_at(i, family, sizeof(family)))
			fprintf(out, "%s%s", family, sep);
	}
}

static void print_family(FILE *out, const char *word, const char *sep)
{
	size_t len = strlen(word);

	for (size_t i = 0; command_at(i); i++) {
		const char *name = command_at(i)->name;

		if (str_starts(name, word) && name[len] == ' ')
			fprintf(out, "%s%s", name + len + 1, sep);
	}
}

/* "'ps'|'containers'", the pattern of a case statement. */
static void print_pattern(FILE *out, const struct command *command)
{
	fprintf(out, "\t'%s'", command->name);
	for (const char *at = command->aliases; at && *at;) {
		size_t len = strcspn(at, " ");

		fprintf(out, "|'%.*s'", (int)len, at);
		at += len + (at[len] == ' ');
	}
	fputs(")\n", out);
}

static void print_bash_values(FILE *out)
{
	fputs("\tcase $prev in\n", out);
	for (int id = 0; id < FLAG_COUNT; id++) {
		const struct flag *flag = &flag_rows[id];
		char letter[8] = "";

		if (!flag->value || flag->kind == VALUE_period)
			continue;
		if (flag->letter)
			str_fmt(letter, sizeof(letter), "|-%c", flag->letter);
		if (flag->words)
			fprintf(out,
				"\t--%s%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n",
				flag->name, letter, flag->words);
		else if (lister(flag->kind))
			fprintf(out,
				"\t--%s%s) COMPREPLY=($(compgen -W \"$(%s)\" -- \"$cur\")); "
				"return ;;\n",
				flag->name, letter, lister(flag->kind));
		else if (flag->kind == VALUE_file)
			fprintf(out, "\t--%s%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
				flag->name, letter);
		else
			fprintf(out, "\t--%s%s) return ;;\n", flag->name, letter);
	}
	fputs("\tesac\n", out);
}

static void print_bash_command(FILE *out, const struct command *command)
{
	const struct operand *operand = &command->operands[0];
	const char *list = operand->name ? lister(operand->kind) : NULL;

	print_pattern(out, command);
	fputs("\t\tflags='", out);
	print_flag_names(out, command->flags | FLAGS_GLOBAL, " ");
	fputs("'\n", out);
	if (list)
		fprintf(out, "\t\t[[ $cur == -* ]] || words=$(%s)\n", list);
	else if (operand->name && operand->kind == VALUE_file)
		fputs("\t\t[[ $cur == -* ]] || { COMPREPLY=($(compgen -f -- \"$cur\")); return; "
		      "}\n",
		      out);
	else if (str_eq(command->name, "completion"))
		fputs("\t\twords='bash zsh fish'\n", out);
	else if (str_eq(command->name, "help")) {
		fputs("\t\twords='", out);
		print_command_names(out, " ");
		fputs("'\n", out);
	}
	fputs("\t\t;;\n", out);
}

static void print_bash_families(FILE *out)
{
	char family[64];

	for (size_t i = 0; command_at(i); i++) {
		if (!family_at(i, family, sizeof(family)))
			continue;
		fprintf(out, "\t'%s'|'%s ') words='", family, family);
		print_family(out, family, " ");
		fputs("' ;;\n", out);
	}
}

static void print_bash(FILE *out)
{
	char family[64];

	fputs("# bash completion for drover\n"
	      "_drover() {\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal i cmd= flags= words=\n"
	      "\tCOMPREPLY=()\n",
	      out);
	print_bash_values(out);
	fputs("\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase ${COMP_WORDS[i]} in\n"
	      "\t\t--config|--coordinator|--server|--timeout|--color) ((i++)) ;;\n"
	      "\t\t-*) ;;\n"
	      "\t\t*) cmd=${COMP_WORDS[i]}; break ;;\n"
	      "\t\tesac\n"
	      "\tdone\n"
	      "\tcase $cmd in\n",
	      out);
	for (size_t i = 0; command_at(i); i++) {
		if (family_at(i, family, sizeof(family)))
			fprintf(out,
				"\t%s) ((i + 1 < COMP_CWORD)) && cmd+=\" ${COMP_WORDS[i+1]}\" ;;\n",
				family);
	}
	fputs("\tesac\n\tcase $cmd in\n\t'')\n\t\tflags='", out);
	print_flag_names(out, FLAGS_GLOBAL, " ");
	fputs("'\n\t\twords='", out);
	print_command_names(out, " ");
	fputs("'\n\t\t;;\n", out);
	print_bash_families(out);
	for (size_t i = 0; command_at(i); i++)
		print_bash_command(out, command_at(i));
	fputs("\tesac\n"
	      "\t[[ $cur == -* ]] && words=$flags\n"
	      "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	      "}\n"
	      "complete -F _drover drover\n",
	      out);
}

/* Single quotes closed, escaped and opened again: both zsh and fish read it so. */
static void print_quoted(FILE *out, const char *text)
{
	for (; *text; text++)
		fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, out);
}

static void print_zsh_flags(FILE *out, flag_set flags)
{
	for (int id = 0; id < FLAG_COUNT; id++) {
		const struct flag *flag = &flag_rows[id];

		if (!(flags & FLAG_BIT(id)))
			continue;
		fprintf(out, " \\\n\t\t\t'--%s%s[", flag->name,
			flag->kind == VALUE_period ? "=-"
			: flag->value              ? "="
						   : "");
		for (const char *at = flag->help; *at; at++)
			fputs(*at == '[' || *at == ']' || *at == ':' ? ""
			      : *at == '\''                          ? "'\\''"
								     : (char[]){*at, '\0'},
			      out);
		fputc(']', out);
		if (flag->words)
			fprintf(out, ":%s:(%s)", flag->name, flag->words);
		else if (flag->value && lister(flag->kind))
			fprintf(out, ":%s:(${(f)\"$(%s)\"})", flag->name, lister(flag->kind));
		else if (flag->value && flag->kind == VALUE_file)
			fprintf(out, ":%s:_files", flag->name);
		else if (flag->value)
			fprintf(out, ":%s: ", flag->name);
		fputc('\'', out);
	}
}

static void print_zsh_command(FILE *out, const struct command *command)
{
	const struct operand *operand = &command->operands[0];

	print_pattern(out, command);
	fputs("\t\t_arguments", out);
	print_zsh_flags(out, command->flags | FLAGS_GLOBAL);
	if (operand->name && lister(operand->kind))
		fprintf(out, " \\\n\t\t\t'1:%s:(${(f)\"$(%s)\"})'", operand->name,
			lister(operand->kind));
	else if (operand->name && operand->kind == VALUE_file)
		fprintf(out, " \\\n\t\t\t'1:%s:_files'", operand->name);
	else if (str_eq(command->name, "completion"))
		fputs(" \\\n\t\t\t'1:shell:(bash zsh fish)'", out);
	fputs("\n\t\t;;\n", out);
}

static void print_zsh(FILE *out)
{
	char family[64];

	fputs("#compdef drover\n_drover() {\n"
	      "\tlocal -a commands\n\tcommands=(\n",
	      out);
	for (size_t i = 0; command_at(i); i++) {
		if (strchr(command_at(i)->name, ' ') && !family_at(i, family, sizeof(family)))
			continue;
		fprintf(out, "\t\t'%.*s:", (int)strcspn(command_at(i)->name, " "),
			command_at(i)->name);
		print_quoted(out, command_at(i)->help);
		fputs("'\n", out);
	}
	fputs("\t)\n"
	      "\tif ((CURRENT == 2)); then\n"
	      "\t\t_describe command commands\n\t\treturn\n\tfi\n"
	      "\tlocal cmd=$words[2]\n"
	      "\tshift words; ((CURRENT--))\n"
	      "\tcase $cmd in\n",
	      out);
	for (size_t i = 0; command_at(i); i++) {
		if (!family_at(i, family, sizeof(family)))
			continue;
		fprintf(out, "\t%s)\n\t\tif ((CURRENT == 2)); then compadd ", family);
		print_family(out, family, " ");
		fputs("; return; fi\n"
		      "\t\tcmd+=\" $words[2]\"; shift words; ((CURRENT--)) ;;\n",
		      out);
	}
	fputs("\tesac\n\tcase $cmd in\n", out);
	for (size_t i = 0; command_at(i); i++)
		print_zsh_command(out, command_at(i));
	fputs("\tesac\n}\n"
	      "if [[ $funcstack[1] == _drover ]]; then _drover \"$@\"; else compdef _drover "
	      "drover; fi\n",
	      out);
}

static void print_fish_flag(FILE *out, const struct flag *flag, const char *condition)
{
	fprintf(out, "complete -c drover %s -l %s", condition, flag->name);
	if (flag->letter)
		fprintf(out, " -s %c", flag->letter);
	if (flag->value && flag->kind != VALUE_period)
		fputs(flag->kind == VALUE_file ? " -r -F" : " -x", out);
	if (flag->words)
		fprintf(out, " -a '%s'", flag->words);
	else if (flag->value && lister(flag->kind))
		fprintf(out, " -a '(%s)'", lister(flag->kind));
	fputs(" -d '", out);
	print_quoted(out, flag->help);
	fputs("'\n", out);
}

static void print_fish_command(FILE *out, const struct command *command)
{
	const struct operand *operand = &command->operands[0];
	const char *space = strchr(command->name, ' ');
	int first = (int)strcspn(command->name, " ");
	char condition[160];

	if (space)
		str_fmt(condition, sizeof(condition),
			"-n '__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s'",
			first, command->name, space + 1);
	else
		str_fmt(condition, sizeof(condition), "-n '__fish_seen_subcommand_from %s'",
			command->name);
	if (space)
		fprintf(out,
			"complete -c drover -n '__fish_seen_subcommand_from %.*s' -f -a %s -d '",
			first, command->name, space + 1);
	else
		fprintf(out, "complete -c drover -n __fish_use_subcommand -f -a %s -d '",
			command->name);
	print_quoted(out, command->help);
	fputs("'\n", out);
	if (operand->name && lister(operand->kind))
		fprintf(out, "complete -c drover %s -f -a '(%s)'\n", condition,
			lister(operand->kind));
	for (int id = 0; id < FLAG_COUNT; id++) {
		if (command->flags & FLAG_BIT(id))
			print_fish_flag(out, &flag_rows[id], condition);
	}
}

static void print_fish(FILE *out)
{
	char family[64];

	for (int id = 0; id < FLAG_COUNT; id++) {
		if (FLAGS_GLOBAL & FLAG_BIT(id))
			print_fish_flag(out, &flag_rows[id], "");
	}
	for (size_t i = 0; command_at(i); i++) {
		if (family_at(i, family, sizeof(family)))
			fprintf(out, "complete -c drover -n __fish_use_subcommand -f -a %s\n",
				family);
		print_fish_command(out, command_at(i));
	}
	fputs("complete -c drover -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh "
	      "fish'\n",
	      out);
}

int completion_run(struct cli *cli)
{
	/* clang-format off */
	static const struct { const char *name; void (*print)(FILE *out); } shells[] = {
		{ "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish },
	};
	/* clang-format on */
	char near[16];
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (str_eq(cli->in.word, shells[i].name)) {
			shells[i].print(cli->out);
			return 0;
		}
	}
	fail(&err, ERR_usage, "completion is made for bash, zsh and fish, not \"%s\"",
	     cli->in.word);
	if (*words_nearest("bash zsh fish", cli->in.word, near, sizeof(near)))
		err_fix(&err, "did you mean: drover completion %s", near);
	return report_err(cli, NULL, &err);
}
