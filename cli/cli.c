/* SPDX-License-Identifier: MPL-2.0
 *
 * From the command line to a command's run: settings, endpoint, user, style, help. */
#include "cli/cli.h"

#include "cli/help.h"
#include "cli/report.h"
#include "cli/table.h"

#include "base/mem.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* What asking a coordinator needs. */
static bool is_mine(const char *section, const char *name)
{
	return str_eq(section, "cli") || str_eq(section, "node") ||
	       (str_eq(section, "coordinator") && str_eq(name, "local"));
}

/* All of the file is what these are about. */
static bool is_strict(const struct command *command)
{
	return command->run == config_run || command->run == simulate_run;
}

/* A daemon's line that is wrong shall not keep people from asking how the daemon is: it is told,
 * and passed over. */
static int load_mine(struct cli *cli, const char *path, struct err *err)
{
	struct err wrong = {0};
	int code = options_load(cli->options, path, &wrong);

	if (!code || code == -ERR_nosuch || is_strict(cli->in.command) ||
	    options_load_part(cli->options, path, is_mine, err)) {
		*err = wrong;
		return code;
	}
	fprintf(cli->err, "drover: passed over: %s\n", wrong.text);
	return 0;
}

/* An absent default file is fine; one that was named has to be there. */
static int load_options(struct cli *cli, struct err *err)
{
	const char *path = cli->in.config ? cli->in.config : DROVER_CONFIG;
	int code = load_mine(cli, path, err);

	if (code == -ERR_nosuch && !cli->in.config) {
		*err = (struct err){0};
		return 0;
	}
	if (code == -ERR_nosuch)
		return fail(err, ERR_config, "there is no file %s", path);
	cli->config = code ? NULL : path;
	return code;
}

static void choose_endpoint(struct cli *cli)
{
	const char *asked = cli->in.coordinator;

	if (!asked || !*asked)
		asked = getenv("DROVER_COORDINATOR");
	if (!asked || !*asked)
		asked = options_str(cli->options, OPT_cli_coordinator);
	if (!asked || !*asked)
		asked = options_str(cli->options, OPT_coordinator_local);
	str_copy(cli->endpoint, sizeof(cli->endpoint), asked);
}

/* For the audit: the person behind sudo, else the user of this process. */
static void find_user(struct cli *cli)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *entry = getpwuid(getuid());

	if (!getuid() && sudo && *sudo)
		str_copy(cli->user, sizeof(cli->user), sudo);
	else if (entry)
		str_copy(cli->user, sizeof(cli->user), entry->pw_name);
	else
		str_fmt(cli->user, sizeof(cli->user), "%u", (unsigned)getuid());
}

/* Before the coordinator is asked: columns that do not exist are the reader's mistake. */
static int check_columns(const struct cli *cli, struct err *err)
{
	const struct noun *noun = cli->in.command->noun;
	struct column_set set;

	return noun && cli->in.columns ? columns_choose(noun, false, cli->in.columns, &set, err)
				       : 0;
}

/* A configuration that is broken must not keep people from asking what is wrong with it. */
static bool needs_config(const struct command *command)
{
	return command->run != help_run && command->run != version_run &&
	       command->run != completion_run && command->run != manual_run;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct err err = {0};

	if (invocation_parse(&cli->in, argc, argv, &err)) {
		cli->err_style = style_of(cli->err, cli->in.color);
		return report_err(cli, NULL, &err);
	}
	cli->style = style_of(cli->out, cli->in.color);
	cli->err_style = style_of(cli->err, cli->in.color);
	if (cli->in.version)
		return version_run(cli);
	if (!cli->in.command && cli->in.family) {
		help_print_family(cli->out, &cli->style, cli->in.family);
		return 0;
	}
	if (!cli->in.command) {
		help_print_all(cli->in.help ? cli->out : cli->err,
			       cli->in.help ? &cli->style : &cli->err_style);
		return cli->in.help ? 0 : err_exit_code(ERR_usage);
	}
	if (cli->in.help) {
		help_print_command(cli->out, &cli->style, cli->in.command);
		return 0;
	}
	if (check_columns(cli, &err))
		return report_err(cli, NULL, &err);
	if (needs_config(cli->in.command) && !cli->in.check_file && load_options(cli, &err))
		return report_err(cli, NULL, &err);
	choose_endpoint(cli);
	find_user(cli);
	return cli->in.command->run(cli);
}

int cli_main(int argc, char **argv, FILE *out, FILE *err)
{
	struct cli cli = {.out = out, .err = err, .options = options_new()};
	int exit_code;

	cli_interrupt_reset();
	exit_code = run(&cli, argc, argv);
	invocation_done(&cli.in);
	options_free(&cli.options);
	fflush(out);
	fflush(err);
	return exit_code;
}
