/* SPDX-License-Identifier: MPL-2.0
 *
 * The unpack role's command line. */
#include "transfer/unpack.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <getopt.h>
#include <string.h>

static int add_root(struct unpack_plan *plan, char *arg, struct err *err)
{
	char *eq = strchr(arg, '=');

	if (!eq || plan->n_roots == UNPACK_ROOTS_MAX)
		return fail(err, ERR_usage, "--root %s: not NAME=PATH, or too many", arg);
	*eq = '\0';
	if (!name_ok(arg) || !path_ok(eq + 1))
		return fail(err, ERR_usage, "--root %s: malformed", arg);
	plan->roots[plan->n_roots++] = (struct unpack_root){arg, eq + 1};
	return 0;
}

static int take(struct unpack_plan *plan, int option, char *arg, struct err *err)
{
	switch (option) {
	case 'i':
		plan->images = arg;
		return 0;
	case 't':
		plan->tree = arg;
		return 0;
	case 'm':
		plan->migration = arg;
		return 0;
	case 'e':
		if (str_u64(arg, 0, UINT64_MAX, &plan->epoch))
			return 0;
		return fail(err, ERR_usage, "--epoch %s", arg);
	case 'd':
		if (str_unhex(plan->digest, sizeof(plan->digest), arg))
			return 0;
		return fail(err, ERR_usage, "--digest: not %d hex digits", 2 * SEAL_BYTES);
	case 'r':
		return add_root(plan, arg, err);
	case 'H':
		plan->allow_hooks = true;
		return 0;
	case 'p':
		plan->print_meta = true;
		return 0;
	}
	return fail(err, ERR_usage, "unknown argument");
}

static int parse(int argc, char **argv, struct unpack_plan *plan, struct err *err)
{
	static const struct option options[] = {
		{"images", 1, 0, 'i'},      {"tree", 1, 0, 't'},       {"migration", 1, 0, 'm'},
		{"epoch", 1, 0, 'e'},       {"digest", 1, 0, 'd'},     {"root", 1, 0, 'r'},
		{"allow-hooks", 0, 0, 'H'}, {"print-meta", 0, 0, 'p'}, {0}};
	unsigned seen = 0;
	int c, r = 0;

	optind = 1;
	while (!r && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		r = take(plan, c, optarg, err);
		seen |= c == 'i'   ? 1
			: c == 't' ? 2
			: c == 'm' ? 4
			: c == 'e' ? 8
			: c == 'd' ? 16
				   : 0;
	}
	if (!r && (optind < argc || seen != 31))
		r = fail(err, ERR_usage,
			 "usage: --role=unpack --images DIR --tree DIR --migration ID --epoch N "
			 "--digest HEX [--root NAME=PATH]... [--allow-hooks] [--print-meta]");
	return r;
}

int unpack_main(int argc, char **argv)
{
	auto_free struct unpack_plan *plan = mem_new_of(struct unpack_plan);
	struct err err = {0};
	int r = parse(argc, argv, plan, &err);

	if (!r)
		r = unpack_run(plan, &err);
	if (r)
		log_err("%s\tcode=%s", err.text, err_name(err.code));
	return r ? err_exit_code(err.code) : 0;
}
