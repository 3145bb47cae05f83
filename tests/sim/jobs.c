/* SPDX-License-Identifier: MPL-2.0
 *
 * Seeds spread over processes: each takes the next few from a common counter, so that all are busy
 * to the end; the first failure in the order of seeds is the one that is told. A process that dies
 * of its seed (an assertion, a loop without end) is a failure of that seed. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define JOBS_MAX 64
#define TAKE 16        /* seeds at a time */
#define AGAIN_EVERY 64 /* one seed of so many is run twice */
#define ENDLESS_S 120  /* processor time of TAKE seeds: it does not come to an end */

struct part {
	_Atomic uint64_t seed; /* that runs now */
	struct batch_result result;
};

struct common {
	_Atomic uint64_t next, done;
	_Atomic uint64_t failed; /* the lowest seed that fails */
	struct part part[JOBS_MAX];
};

void *share_new(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- in a process --- */

static void fails(struct common *common, uint64_t seed)
{
	uint64_t lowest = atomic_load(&common->failed);

	while (seed < lowest && !atomic_compare_exchange_weak(&common->failed, &lowest, seed))
		;
}

static bool note_failure(struct batch_result *r, uint64_t seed, const char *name, const char *why)
{
	r->bad = true;
	r->seed = seed;
	str_copy(r->broken, sizeof(r->broken), name);
	str_copy(r->why, sizeof(r->why), why);
	return false;
}

static bool one_seed(const struct batch *batch, uint64_t seed, struct batch_result *r)
{
	uint64_t digest;

	if (!sim_run(seed, false, false))
		return note_failure(r, seed, sim.broken, sim.why);
	digest = sim.digest;
	r->seeds++;
	r->events += sim.events;
	r->virtual_ms += sim.now_ms - START_MS;
	r->digest += digest * (2 * seed + 1);
	if (!batch->twice || seed % AGAIN_EVERY)
		return true;
	r->again++;
	sim_run(seed, false, true);
	return sim.digest == digest || note_failure(r, seed, "SIM", "run twice, two digests");
}

static void some_seeds(const struct batch *batch, struct common *common, struct part *part,
		       uint64_t first)
{
	const struct itimerval limit = {.it_value = {ENDLESS_S, 0}};
	uint64_t end = batch->first + batch->n;

	setitimer(ITIMER_VIRTUAL, &limit, NULL);
	for (uint64_t seed = first; seed < first + TAKE && seed < end; seed++) {
		if (seed > atomic_load(&common->failed))
			return;
		atomic_store(&part->seed, seed);
		if (!one_seed(batch, seed, &part->result)) {
			fails(common, seed);
			return;
		}
	}
}

static void progress(const struct batch *batch, struct common *common, double began)
{
	uint64_t done = atomic_fetch_add(&common->done, TAKE) + TAKE;
	time_t now = time(NULL);
	char at[32];

	if (!batch->progress || done / batch->progress == (done - TAKE) / batch->progress)
		return;
	strftime(at, sizeof(at), "%FT%TZ", gmtime(&now));
	fprintf(stderr, "%s %" PRIu64 " seeds, %s, %.0f seeds/s\n", at, done,
		atomic_load(&common->failed) == UINT64_MAX ? "none failed" : "one FAILED",
		(double)done / (seconds() - began));
}

static void work(const struct batch *batch, struct common *common, struct part *part, double began)
{
	uint64_t first;

	while (!part->result.bad) {
		first = atomic_fetch_add(&common->next, TAKE);
		if (first >= batch->first + batch->n || first > atomic_load(&common->failed))
			break;
		some_seeds(batch, common, part, first);
		progress(batch, common, began);
	}
	part->result.tally = tally;
}

/* --- the parent --- */

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		abort();
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int apart(void (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid)
		return wait_for(pid);
	fn(arg);
	fflush(NULL);
	_exit(0);
}

/* Any child: its part, and the signal that killed it, or 0. */
static struct part *wait_any(struct common *common, const pid_t *pid, unsigned n, int *ret_signal)
{
	int status;
	pid_t ended = waitpid(-1, &status, 0);

	for (unsigned i = 0; i < n; i++)
		if (pid[i] == ended) {
			*ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
			return &common->part[i];
		}
	abort();
}

static void died(struct common *common, struct part *part, int signal)
{
	uint64_t seed = atomic_load(&part->seed);
	char why[64];

	str_fmt(why, sizeof(why), "%s",
		signal == SIGVTALRM ? "it does not come to an end" : strsignal(signal));
	note_failure(&part->result, seed, "SIM", why);
	fails(common, seed);
}

static void add(struct batch_result *sum, const struct batch_result *r)
{
	const uint64_t *from = (const uint64_t *)&r->tally;
	uint64_t *to = (uint64_t *)&sum->tally;

	sum->seeds += r->seeds;
	sum->events += r->events;
	sum->virtual_ms += r->virtual_ms;
	sum->again += r->again;
	sum->digest += r->digest;
	for (size_t i = 0; i < sizeof(struct tally) / sizeof(uint64_t); i++)
		to[i] += from[i];
	if (r->bad && (!sum->bad || r->seed < sum->seed))
		note_failure(sum, r->seed, r->broken, r->why);
}

void batch_run(const struct batch *batch, struct batch_result *ret)
{
	struct common *common = share_new(sizeof(*common));
	unsigned jobs = batch->jobs < JOBS_MAX ? batch->jobs : JOBS_MAX;
	double began = seconds();
	pid_t pid[JOBS_MAX];

	*ret = (struct batch_result){0};
	atomic_store(&common->next, batch->first);
	atomic_store(&common->failed, UINT64_MAX);
	fflush(NULL);
	for (unsigned i = 0; i < jobs; i++) {
		pid[i] = fork();
		if (pid[i] < 0)
			abort();
		if (!pid[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			work(batch, common, &common->part[i], began);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < jobs; i++) {
		int signal;
		struct part *part = wait_any(common, pid, jobs, &signal);

		if (signal)
			died(common, part, signal);
	}
	for (unsigned i = 0; i < jobs; i++)
		add(ret, &common->part[i].result);
	ret->took_s = seconds() - began;
	munmap(common, sizeof(*common));
}
