/* SPDX-License-Identifier: MPL-2.0
 *
 * The daemon's command line. */
#ifndef DROVER_WORKER_ARGS_H
#define DROVER_WORKER_ARGS_H

#include <stddef.h>

#define ARGS_SETS_MAX 32

struct args {
	const char *config;              /* NULL: the default file, which may be absent */
	const char *sets[ARGS_SETS_MAX]; /* "section.name=value" */
	size_t n_sets;
	const char *may_start, *new_name; /* guard.h; NULL: be the worker */
};

/* Ends the process with the usage error's exit code, or 0 for --help and --version. */
void args_parse(struct args *ret, int argc, char **argv);

#endif
