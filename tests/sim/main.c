/* SPDX-License-Identifier: MPL-2.0
 *
 * drover_sim --seeds N [--seed S] [--jobs J] [--progress P] [--trace] [--quick]: runs N seeds from
 * S on. The first broken invariant ends it: exit 1, the end of its trace, the seed. --quick prints
 * only "SEED INVARIANT WHY". */
#include "tests/sim/sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TRACE_END 70

static void traced(void *seed)
{
	sim_run(*(uint64_t *)seed, true, false);
}

static int report(struct batch_result *r, bool quick)
{
	if (quick) {
		printf("%" PRIu64 " %s %s\n", r->seed, r->broken, r->why);
		return 1;
	}
	apart(traced, &r->seed); /* it may die of it */
	printf("the last of its trace:\n");
	trace_print(TRACE_END);
	printf("seed %" PRIu64 ": %s does not hold: %s\n", r->seed, r->broken, r->why);
	printf("again: tests/sim/run --seed %" PRIu64 " --trace\n", r->seed);
	return 1;
}

static void one(void *arg)
{
	uint64_t seed = *(uint64_t *)arg;
	bool good = sim_run(seed, true, false);

	trace_print(SIZE_MAX);
	printf("seed %" PRIu64 ": %s %s, %" PRIu64 " events, %.1f s, digest %016" PRIx64 "\n", seed,
	       good ? "good" : sim.broken, sim.why, sim.events,
	       (double)(sim.now_ms - START_MS) / 1000, sim.digest);
	fflush(stdout);
	_exit(!good);
}

/* A seed that kills the process has a trace, too. */
static int trace_one(uint64_t seed)
{
	int status = apart(one, &seed);

	if (status >= 0)
		return status;
	trace_print(SIZE_MAX);
	printf("seed %" PRIu64 ": %s\n", seed, strsignal(-status));
	return 1;
}

static void print_tally(const struct tally *t)
{
	printf("in them: %" PRIu64 " migrations (%" PRIu64 " MOVED, %" PRIu64 " STAYED, %" PRIu64
	       " told HELD, %" PRIu64 " LOST), %" PRIu64 " acts (%" PRIu64 " failed), %" PRIu64
	       " failed journal writes, %" PRIu64 " workers and %" PRIu64
	       " coordinators killed, %" PRIu64 " power cuts, %" PRIu64 " other faults, %" PRIu64
	       " asks of a rogue, %" PRIu64 " direct grants\n",
	       t->migrations, t->moved, t->stayed, t->held, t->lost, t->acts, t->acts_failed,
	       t->journal_failures, t->deaths, t->coord_deaths, t->power_cuts, t->faults,
	       t->rogue_asks, t->direct);
}

static int many(const struct batch *batch, bool quick)
{
	struct batch_result r;

	batch_run(batch, &r);
	if (r.bad)
		return report(&r, quick);
	if (quick)
		return 0;
	printf("%" PRIu64 " seeds held all invariants: %.0f seeds/s, %" PRIu64
	       " events, virtual:real %.0f:1, %" PRIu64
	       " run twice with the same digest, digest of all %016" PRIx64 "\n",
	       r.seeds, (double)(r.seeds + r.again) / r.took_s, r.events,
	       (double)r.virtual_ms / 1000 / r.took_s, r.again, r.digest);
	print_tally(&r.tally);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seeds", 1, NULL, 'n'},
		{"seed", 1, NULL, 's'},
		{"jobs", 1, NULL, 'j'},
		{"trace", 0, NULL, 't'},
		{"progress", 1, NULL, 'p'},
		{"quick", 0, NULL, 'q'},
		{0},
	};
	struct batch batch = {.first = 1, .n = 1000, .twice = true};
	bool tracing = false, quick = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			batch.n = strtoull(optarg, NULL, 10);
		else if (option == 's')
			batch.first = strtoull(optarg, NULL, 10);
		else if (option == 'j')
			batch.jobs = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'p')
			batch.progress = strtoull(optarg, NULL, 10);
		else if (option == 't')
			tracing = true;
		else if (option == 'q')
			quick = true;
		else
			return 2;
	}
	if (!batch.jobs)
		batch.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	batch.twice = !quick;
	trace_share();
	return tracing ? trace_one(batch.first) : many(&batch, quick);
}
