/* SPDX-License-Identifier: MPL-2.0
 *
 * drover_sim --seeds N [--seed S] [--trace] [--quick]: runs N seeds from S on. The first broken
 * invariant ends it: exit 1, the end of its trace, the seed. --quick prints only "SEED INVARIANT".
 */
#include "tests/sim/sim.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define AGAIN_EVERY 64 /* one seed of so many is run twice */
#define TRACE_END 70

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int report(uint64_t seed, bool quick)
{
	char name[sizeof(sim.broken)], why[sizeof(sim.why)];

	str_copy(name, sizeof(name), sim.broken);
	str_copy(why, sizeof(why), sim.why);
	if (quick) {
		printf("%" PRIu64 " %s %s\n", seed, name, why);
		return 1;
	}
	sim_run(seed, true);
	printf("the last of its trace:\n");
	trace_print(TRACE_END);
	printf("seed %" PRIu64 ": %s does not hold: %s\n", seed, name, why);
	printf("again: tests/sim/run --seed %" PRIu64 " --trace\n", seed);
	return 1;
}

static int one(uint64_t seed)
{
	bool good = sim_run(seed, true);

	trace_print(SIZE_MAX);
	printf("seed %" PRIu64 ": %s %s, %" PRIu64 " events, %.1f s, digest %016" PRIx64 "\n", seed,
	       good ? "good" : sim.broken, sim.why, sim.events,
	       (double)(sim.now_ms - START_MS) / 1000, sim.digest);
	return !good;
}

static void print_tally(void)
{
	const struct tally *t = &tally;

	printf("in them: %" PRIu64 " migrations (%" PRIu64 " MOVED, %" PRIu64 " STAYED, %" PRIu64
	       " told HELD, %" PRIu64 " LOST), %" PRIu64 " acts (%" PRIu64 " failed), %" PRIu64
	       " failed journal writes, %" PRIu64 " workers and %" PRIu64
	       " coordinators killed, %" PRIu64 " power cuts, %" PRIu64 " other faults, %" PRIu64
	       " asks of a rogue, %" PRIu64 " direct grants\n",
	       t->migrations, t->moved, t->stayed, t->held, t->lost, t->acts, t->acts_failed,
	       t->journal_failures, t->deaths, t->coord_deaths, t->power_cuts, t->faults,
	       t->rogue_asks, t->direct);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seeds", 1, NULL, 'n'},
						{"seed", 1, NULL, 's'},
						{"trace", 0, NULL, 't'},
						{"quick", 0, NULL, 'q'},
						{0}};
	uint64_t n = 1000, first = 1, events = 0, virtual_ms = 0, again = 0;
	bool tracing = false, quick = false;
	double began = seconds(), took;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			n = strtoull(optarg, NULL, 10);
		else if (option == 's')
			first = strtoull(optarg, NULL, 10);
		else if (option == 't')
			tracing = true;
		else if (option == 'q')
			quick = true;
		else
			return 2;
	}
	if (tracing)
		return one(first);
	for (uint64_t seed = first; seed < first + n; seed++) {
		uint64_t digest;

		if (!sim_run(seed, false))
			return report(seed, quick);
		events += sim.events;
		virtual_ms += sim.now_ms - START_MS;
		digest = sim.digest;
		if (seed % AGAIN_EVERY || quick)
			continue;
		again++;
		sim_run(seed, false);
		if (sim.digest != digest) {
			printf("seed %" PRIu64 ": run twice, two digests\n", seed);
			return 1;
		}
	}
	took = seconds() - began;
	if (!quick)
		printf("%" PRIu64 " seeds held all invariants: %.0f seeds/s, %" PRIu64
		       " events, virtual:real %.0f:1, %" PRIu64 " run twice with the same digest\n",
		       n, (double)(n + again) / took, events, (double)virtual_ms / 1000 / took,
		       again);
	if (!quick)
		print_tally();
	trace_free();
	return 0;
}
