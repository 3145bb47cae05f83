/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line, by argp. Apart from the option table, whose enum option_id and getopt's struct
 * option cannot live in one file. */
#include "worker/args.h"

#include "base/err.h"

#include <argp.h>

const char *argp_program_version = "drover-worker " DROVER_VERSION;

static const struct argp_option flags[] = {
	{"config", 'c', "FILE", 0, "Configuration (default /etc/drover/drover.conf)", 0},
	{"may-start", 'm', "ID", 0,
	 "Say whether container ID may start on this host (exit 0) or is another's (exit 3)", 0},
	{"new-name", 'n', "ID", 0,
	 "Container ID was made anew here and is not the one that moved away (no worker may run)",
	 0},
	{"set", 's', "SECTION.NAME=VALUE", 0, "Set one option over the file", 0},
	{0},
};

static error_t on_flag(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 'c':
		args->config = arg;
		return 0;
	case 'm':
		args->may_start = arg;
		return 0;
	case 'n':
		args->new_name = arg;
		return 0;
	case 's':
		if (args->n_sets == ARGS_SETS_MAX)
			argp_error(state, "more than %d settings", ARGS_SETS_MAX);
		args->sets[args->n_sets++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void args_parse(struct args *ret, int argc, char **argv)
{
	const struct argp argp = {
		.options = flags,
		.parser = on_flag,
		.doc = "Runs on every host of the cluster: checkpoints and restores its containers "
		       "as coordinators ask.",
	};

	argp_err_exit_status = err_exit_code(ERR_usage);
	*ret = (struct args){0};
	argp_parse(&argp, argc, argv, 0, NULL, ret);
}
