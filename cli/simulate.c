/* SPDX-License-Identifier: MPL-2.0
 *
 * drover simulate: the loads and policies that were asked for, each with each, as one table. */
#include "simulate/simulate.h"
#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/report.h"
#include "simulate/recording.h"

#include <jansson.h>
#include <string.h>

#define RUN_MS (2ull * 3600 * 1000)
#define HOSTS 8
#define EACH 8 /* containers a host */
#define SEEDS 10

/* A line of the table: means over the seeds. */
struct simulated {
	const char *load;
	char policy[64];
	uint64_t runs;
	struct sim_result sum;
	double nothing; /* hot ticks when nobody moves anything; negative: not known */
};

static double mean(const struct simulated *r, double sum)
{
	return sum / (double)r->runs;
}

/* Of all that a move has avoided, on average. */
static double saved(const struct simulated *r)
{
	return r->sum.moves > 0 && r->nothing >= 0 ? (r->nothing - r->sum.hot_ticks) / r->sum.moves
						   : 0;
}

#define SIM_TEXT(what, statement) \
	TEXT(what) \
	{ \
		const struct simulated *r = record; \
		statement; \
	}

SIM_TEXT(sim_load, cell_set(cell, "%s", r->load))
SIM_TEXT(sim_policy, cell_set(cell, "%s", r->policy))
SIM_TEXT(sim_moves, cell_set(cell, "%.1f", mean(r, r->sum.moves)))
SIM_TEXT(sim_back, cell_set(cell, "%.1f", mean(r, r->sum.back)))
SIM_TEXT(sim_failed, cell_set(cell, "%.1f", mean(r, r->sum.failed)))
SIM_TEXT(sim_hot, cell_set(cell, "%.1f", mean(r, r->sum.hot_ticks)))
SIM_TEXT(sim_saved, if (r->sum.moves > 0 && r->nothing >= 0) cell_set(cell, "%.1f", saved(r)))
SIM_TEXT(sim_imbalance, cell_set(cell, "%.3f", mean(r, r->sum.imbalance)))
SIM_TEXT(sim_quiet, cell_duration(cell, (uint64_t)mean(r, r->sum.quiet_ms)))
SIM_TEXT(sim_runs, cell_set(cell, "%" PRIu64, r->runs))

/* clang-format off */
static const struct column simulated_columns[] = {
	{ "load",      "load",           sim_load,      0 },
	{ "policy",    "policy",         sim_policy,    0 },
	{ "moves",     "moves",          sim_moves,     COLUMN_RIGHT },
	{ "back",      "moves_back",     sim_back,      COLUMN_RIGHT },
	{ "hot-ticks", "hot_ticks",      sim_hot,       COLUMN_RIGHT },
	{ "avoided",   "avoided_a_move", sim_saved,     COLUMN_RIGHT },
	{ "imbalance", "imbalance",      sim_imbalance, COLUMN_RIGHT },
	{ "failed",    "moves_failed",   sim_failed,    COLUMN_RIGHT | COLUMN_WIDE },
	{ "quiet",     "quiet_ms",       sim_quiet,     COLUMN_RIGHT | COLUMN_WIDE },
	{ "runs",      "runs",           sim_runs,      COLUMN_RIGHT | COLUMN_WIDE },
};

const struct noun noun_simulated = {
	.stride = sizeof(struct simulated),
	.columns = simulated_columns, .n_columns = ARRAY_LEN(simulated_columns),
};
/* clang-format on */

static void print_json(struct cli *cli, const struct simulated *rows, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct simulated *r = &rows[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "load",
				  r->load, "policy", r->policy, "runs", (json_int_t)r->runs,
				  "moves", mean(r, r->sum.moves), "moves_back",
				  mean(r, r->sum.back), "moves_failed", mean(r, r->sum.failed),
				  "hot_ticks", mean(r, r->sum.hot_ticks), "avoided_a_move",
				  saved(r), "imbalance", mean(r, r->sum.imbalance), "quiet_ms",
				  mean(r, r->sum.quiet_ms)));
	}
	json_object_print(cli->out, list);
}

/* --- what is run --- */

struct wish {
	enum sim_policy policy[SIM_POLICY_COUNT + 1];
	bool as_set[SIM_POLICY_COUNT + 1]; /* drover with --set */
	size_t n_policies;
	struct options *set; /* the configuration with --set over it, NULL: none */
	struct recording recording;
	uint64_t run_ms;
	struct simulated *rows;
	size_t n_rows;
};

static void add_policy(struct wish *wish, enum sim_policy policy)
{
	wish->policy[wish->n_policies++] = policy;
	if (policy != SIM_drover || !wish->set || wish->n_policies > SIM_POLICY_COUNT)
		return;
	wish->as_set[wish->n_policies] = true;
	wish->policy[wish->n_policies++] = policy;
}

static int choose_policies(const struct invocation *in, struct wish *wish, struct err *err)
{
	bool asked[SIM_POLICY_COUNT] = {0};

	for (size_t i = 0; i < in->policies.n; i++) {
		enum sim_policy policy = sim_policy_find(in->policies.v[i]);

		if (policy == SIM_POLICY_COUNT)
			return fail(err, ERR_usage, "there is no policy %s", in->policies.v[i]);
		asked[policy] = true;
	}
	for (enum sim_policy policy = 0; policy < SIM_POLICY_COUNT; policy++)
		if (asked[policy] || !in->policies.n)
			add_policy(wish, policy);
	return 0;
}

static int take_settings(struct cli *cli, struct wish *wish, struct err *err)
{
	const struct msg_strs *settings = &cli->in.settings;

	if (settings->n)
		wish->set = options_copy(cli->options);
	for (size_t i = 0; i < settings->n; i++)
		if (options_set(wish->set, settings->v[i], err))
			return -err->code;
	return 0;
}

static void name_row(const struct cli *cli, const struct wish *wish, size_t i, char *buf,
		     size_t size)
{
	str_copy(buf, size, sim_policy_name(wish->policy[i]));
	for (size_t s = 0; wish->as_set[i] && s < cli->in.settings.n; s++) {
		size_t used = strlen(buf);

		str_fmt(buf + used, size - used, "%s%s", s ? "," : ", ", cli->in.settings.v[s]);
	}
}

static void add_result(struct sim_result *sum, const struct sim_result *one)
{
	sum->moves += one->moves;
	sum->back += one->back;
	sum->failed += one->failed;
	sum->hot_ticks += one->hot_ticks;
	sum->imbalance += one->imbalance;
	sum->quiet_ms += one->quiet_ms;
}

static struct load *make_load(const struct cli *cli, const struct wish *wish, enum shape shape,
			      uint64_t seed)
{
	const struct invocation *in = &cli->in;
	uint32_t hosts = (uint32_t)(in->sim_hosts ? in->sim_hosts : HOSTS);
	uint32_t containers = (uint32_t)(in->sim_containers ? in->sim_containers : EACH * hosts);

	return wish->recording.n ? load_replay(&wish->recording)
				 : load_generate(shape, hosts, containers, wish->run_ms, seed);
}

/* One load under each policy: rows that follow each other. */
static int run_load(struct cli *cli, struct wish *wish, const char *name, enum shape shape,
		    uint64_t seeds)
{
	double nothing = -1;

	for (size_t i = 0; i < wish->n_policies; i++) {
		struct simulated *row = &wish->rows[wish->n_rows++];

		*row = (struct simulated){.load = name, .runs = seeds};
		name_row(cli, wish, i, row->policy, sizeof(row->policy));
		for (uint64_t s = 0; s < seeds; s++) {
			uint64_t seed = (cli->in.sim_seed ? cli->in.sim_seed : 1) + s;
			struct load *load = make_load(cli, wish, shape, seed);
			struct sim_result one;

			sim_run(load, wish->run_ms, wish->policy[i],
				wish->as_set[i] ? wish->set : cli->options, &one);
			load_free(&load);
			add_result(&row->sum, &one);
			if (cli_interrupted())
				return EXIT_DETACHED;
		}
		if (wish->policy[i] == SIM_nothing)
			nothing = row->sum.hot_ticks;
		row->nothing = nothing;
	}
	return 0;
}

static bool wants_shape(const struct invocation *in, enum shape shape)
{
	bool asked = !in->shapes.n;

	for (size_t i = 0; i < in->shapes.n; i++)
		asked |= str_eq(in->shapes.v[i], shape_name(shape));
	return asked;
}

static int run_all(struct cli *cli, struct wish *wish)
{
	uint64_t seeds = cli->in.sim_seeds ? cli->in.sim_seeds : SEEDS;
	int rc = 0;

	wish->rows = mem_new((SHAPE_COUNT + 1) * wish->n_policies, sizeof(*wish->rows));
	if (wish->recording.n)
		return run_load(cli, wish, "recorded", 0, 1);
	for (enum shape shape = 0; !rc && shape < SHAPE_COUNT; shape++)
		if (wants_shape(&cli->in, shape))
			rc = run_load(cli, wish, shape_name(shape), shape, seeds);
	return rc;
}

/* --- the command --- */

static int check_shapes(const struct invocation *in, struct err *err)
{
	for (size_t i = 0; i < in->shapes.n; i++)
		if (shape_find(in->shapes.v[i]) == SHAPE_COUNT)
			return fail(err, ERR_usage, "there is no shape %s", in->shapes.v[i]);
	if (in->shapes.n && in->file)
		return fail(err, ERR_usage, "either --shape or a recording");
	if (in->sim_hosts == 1)
		return fail(err, ERR_usage, "a cluster has two hosts at least");
	return 0;
}

static int prepare(struct cli *cli, struct wish *wish, struct err *err)
{
	const struct invocation *in = &cli->in;

	if (check_shapes(in, err) || take_settings(cli, wish, err) ||
	    choose_policies(in, wish, err) ||
	    (in->file && recording_read(in->file, &wish->recording, err)))
		return -err->code;
	wish->run_ms = in->for_ms          ? in->for_ms
		       : wish->recording.n ? recording_length_ms(&wish->recording)
					   : RUN_MS;
	if (wish->run_ms < TICK_MS || wish->run_ms > 31ull * 86400 * 1000)
		return fail(err, ERR_usage, "--for takes 10 s to 31 days");
	return 0;
}

/* One generated load, of the first shape and seed, without any move. */
static int record_generated(struct cli *cli, struct wish *wish)
{
	auto_fclose FILE *out = fopen(cli->in.record_file, "we");
	struct load *load = make_load(cli, wish, shape_find(cli->in.shapes.v[0]),
				      cli->in.sim_seed ? cli->in.sim_seed : 1);
	struct err err = {0};

	if (out)
		load_record(load, wish->run_ms, out);
	else
		fail_errno(&err, ERR_io, "%s", cli->in.record_file);
	load_free(&load);
	return err.code ? report_err(cli, NULL, &err) : 0;
}

int simulate_run(struct cli *cli)
{
	struct wish wish = {0};
	struct err err = {0};
	int rc;

	if (cli->in.record_file && !cli->in.shapes.n)
		return record_run(cli);
	if (prepare(cli, &wish, &err))
		rc = report_err(cli, NULL, &err);
	else if (cli->in.record_file)
		rc = record_generated(cli, &wish);
	else
		rc = run_all(cli, &wish);
	if (!rc && wish.n_rows && cli->in.format == FORMAT_json)
		print_json(cli, wish.rows, wish.n_rows);
	else if (!rc && wish.n_rows)
		rc = local_print(cli, &noun_simulated, wish.rows, wish.n_rows);
	recording_free(&wish.recording);
	options_free(&wish.set);
	free(wish.rows);
	return rc;
}
