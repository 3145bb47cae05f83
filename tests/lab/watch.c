/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The witness of "never two": looks at the container cgroups of all hosts of a lab about a thousand
 * times a second, from outside, and knows nothing of drover. Two cgroups of one name on two hosts
 * are copies of one container. It looks for moments at which two of them can execute.
 *
 * A copy can execute when its cgroup has a task that
 *  - has run its own program: it was seen in it since it came up. A task that was restored and
 * waits for the word of CRIU's hook waits in CRIU's restorer, which is no part of its program;
 *  - is not held by its own freezer. That of its host does not count: a host that hangs wakes up;
 *  - is not traced, as it is while CRIU dumps it, and is not dying.
 * Each is looked at again after the other: both could execute at the same moment.
 *
 * It ends with SIGTERM or SIGINT and prints one JSON line; violations also go to stderr at once.
 * "blind" counts pauses between two looks of more than 10 ms, when this machine was too busy.
 * Exit 0: never two. 1: two, at least once. 2: usage.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define COPIES_MAX 256
#define OVERLAPS_MAX 64
#define HOSTS_MAX 32
#define NAME_MAX_LEN 64
#define PERIOD_US 1000
#define BLIND_US 10000
#define SETTLING_LOOKS 3 /* of a freezer that has been told to and has not done so yet */
#define PROGRAM "/srv"
#define PF_EXITING 0x4
#define SIGKILL_BIT (1ULL << (SIGKILL - 1))

struct copy {
	char host[NAME_MAX_LEN], name[NAME_MAX_LEN];
	int dir;       /* the cgroup; -1: no entry */
	pid_t pid;     /* the task that has run its own program, 0: none has yet */
	int settling;  /* looks since its freezer was last at rest */
	bool can;      /* of the last look */
	bool seen_now; /* by the scan that is under way */
};

/* Copies that could execute at the same time, from one look on. */
struct overlap {
	const char *name, *host[2];
	uint64_t at_ms; /* since the epoch */
	uint64_t from_us, length_us, ran_from_ns[2], ran_ns[2];
	bool open, touched;
};

struct watch {
	const char *root;
	struct copy copies[COPIES_MAX];
	char hosts[HOSTS_MAX][NAME_MAX_LEN];
	int n_hosts;
	struct overlap overlaps[OVERLAPS_MAX];
	size_t n_overlaps;
	uint64_t violations, looks, blind, max_gap_us, n_copies;
	int max_running;
};

static volatile sig_atomic_t ended;

static void on_signal(int signal)
{
	(void)signal;
	ended = 1;
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The text of a small file; false when it cannot be read. */
static bool text_of(int dir, const char *path, char *text, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	return true;
}

/* --- tasks --- */

static uint64_t field(const char *text, const char *key, int base)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, base) : 0;
}

/* Whether an address lies in a mapping of the program's file. */
static bool in_program(pid_t pid, uint64_t address)
{
	char path[64], line[512];
	bool found = false;
	FILE *maps;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	while (maps && !found && fgets(line, sizeof line, maps)) {
		unsigned long long from, to;
		size_t len = strcspn(line, "\n");

		line[len] = '\0';
		found = sscanf(line, "%llx-%llx", &from, &to) == 2 && address >= from &&
			address < to && len > strlen(PROGRAM) &&
			!strcmp(line + len - strlen(PROGRAM), PROGRAM);
	}
	if (maps)
		fclose(maps);
	return found;
}

/* Blocked in a system call of its own program, with nobody tracing it. */
static bool runs_program(pid_t pid)
{
	char path[64], text[4096];
	const char *pc;

	snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
	if (!text_of(AT_FDCWD, path, text, sizeof text) || !strncmp(text, "running", 7))
		return false;
	pc = strrchr(text, ' ');
	if (!pc || !in_program(pid, strtoull(pc + 1, NULL, 16)))
		return false;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	return text_of(AT_FDCWD, path, text, sizeof text) && !field(text, "\nTracerPid:\t", 10);
}

/* Nobody traces it, and no SIGKILL has reached it: it goes back to its program when it is let. */
static bool is_free(pid_t pid)
{
	char path[64], text[4096];
	const char *at;
	unsigned flags = 0;
	char state = '?';

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (!text_of(AT_FDCWD, path, text, sizeof text))
		return false;
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return false;
	if (state == 'Z' || state == 'X' || state == 't' || (flags & PF_EXITING))
		return false;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	return text_of(AT_FDCWD, path, text, sizeof text) && !field(text, "\nTracerPid:\t", 10) &&
	       !((field(text, "\nSigPnd:\t", 16) | field(text, "\nShdPnd:\t", 16)) & SIGKILL_BIT);
}

/* Nanoseconds that it has had on a CPU. */
static uint64_t ran_ns(pid_t pid)
{
	char path[64], text[128];

	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
	return text_of(AT_FDCWD, path, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

/* --- copies --- */

static void copy_drop(struct copy *c)
{
	close(c->dir);
	*c = (struct copy){.dir = -1};
}

static void find_task(struct copy *c)
{
	char text[4096];
	char *at = text, *end;

	if (!text_of(c->dir, "cgroup.procs", text, sizeof text))
		return;
	for (pid_t pid; (pid = (pid_t)strtol(at, &end, 10)) > 0; at = end)
		if (runs_program(pid)) {
			c->pid = pid;
			return;
		}
}

/* A freezer that was told to freeze and has not done so is at work for less than a few looks, or
 * has tasks that die. */
static bool is_frozen(struct copy *c, const char *events)
{
	char text[16];

	bool told = text_of(c->dir, "cgroup.freeze", text, sizeof text) && text[0] == '1';

	if (told && !strstr(events, "frozen 1"))
		return c->settling < SETTLING_LOOKS;
	c->settling = 0;
	return told;
}

static bool can_execute(struct copy *c)
{
	char events[128];

	if (!text_of(c->dir, "cgroup.events", events, sizeof events) ||
	    !strstr(events, "populated 1")) {
		c->pid = 0;
		return false;
	}
	if (!c->pid)
		find_task(c);
	return c->pid && !is_frozen(c, events) && is_free(c->pid);
}

static void copy_found(struct watch *w, const char *host, const char *name)
{
	struct copy *free_one = NULL;
	char path[512];

	for (int i = 0; i < COPIES_MAX; i++) {
		struct copy *c = &w->copies[i];

		if (c->dir < 0)
			free_one = c;
		else if (!strcmp(c->name, name) && !strcmp(c->host, host)) {
			c->seen_now = true;
			return;
		}
	}
	snprintf(path, sizeof path, "%s/%s/drover/%s", w->root, host, name);
	if (!free_one)
		return;
	free_one->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (free_one->dir < 0)
		return;
	snprintf(free_one->host, sizeof free_one->host, "%.63s", host);
	snprintf(free_one->name, sizeof free_one->name, "%.63s", name);
	free_one->seen_now = true;
	w->n_copies++;
}

/* Hosts come up and go down rarely; their containers are looked for each time. */
static void scan_hosts(struct watch *w)
{
	DIR *root = opendir(w->root);
	const struct dirent *e;

	w->n_hosts = 0;
	while (root && (e = readdir(root)) && w->n_hosts < HOSTS_MAX)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			snprintf(w->hosts[w->n_hosts++], NAME_MAX_LEN, "%.63s", e->d_name);
	if (root)
		closedir(root);
}

static void scan(struct watch *w)
{
	if (w->looks % 50 == 0)
		scan_hosts(w);
	for (int i = 0; i < COPIES_MAX; i++)
		w->copies[i].seen_now = false;
	for (int i = 0; i < w->n_hosts; i++) {
		const struct dirent *e;
		char path[512];
		DIR *dir;

		snprintf(path, sizeof path, "%s/%s/drover", w->root, w->hosts[i]);
		dir = opendir(path);
		while (dir && (e = readdir(dir)))
			if (!strncmp(e->d_name, "ct-", 3))
				copy_found(w, w->hosts[i], e->d_name);
		if (dir)
			closedir(dir);
	}
	for (int i = 0; i < COPIES_MAX; i++)
		if (w->copies[i].dir >= 0 && !w->copies[i].seen_now)
			copy_drop(&w->copies[i]);
}

/* --- violations --- */

static void violation(struct watch *w, struct copy *a, struct copy *b)
{
	uint64_t now_us = clock_us(CLOCK_MONOTONIC);
	struct overlap *o;

	for (size_t i = 0; i < w->n_overlaps; i++) {
		o = &w->overlaps[i];
		if (!o->open || strcmp(o->name, a->name) || strcmp(o->host[0], a->host) ||
		    strcmp(o->host[1], b->host))
			continue;
		o->touched = true;
		o->length_us = now_us - o->from_us;
		o->ran_ns[0] = ran_ns(a->pid) - o->ran_from_ns[0];
		o->ran_ns[1] = ran_ns(b->pid) - o->ran_from_ns[1];
		return;
	}
	w->violations++;
	fprintf(stderr, "watch: %s can execute on %s and on %s\n", a->name, a->host, b->host);
	if (w->n_overlaps == OVERLAPS_MAX)
		return;
	o = &w->overlaps[w->n_overlaps++];
	*o = (struct overlap){.name = strdup(a->name),
			      .host = {strdup(a->host), strdup(b->host)},
			      .at_ms = clock_us(CLOCK_REALTIME) / 1000,
			      .from_us = now_us,
			      .ran_from_ns = {ran_ns(a->pid), ran_ns(b->pid)},
			      .open = true,
			      .touched = true};
}

static void look(struct watch *w)
{
	scan(w);
	for (size_t i = 0; i < w->n_overlaps; i++)
		w->overlaps[i].touched = false;
	for (int i = 0; i < COPIES_MAX; i++) {
		struct copy *c = &w->copies[i];

		if (c->dir < 0)
			continue;
		c->settling++;
		c->can = can_execute(c);
	}
	for (int i = 0; i < COPIES_MAX; i++) {
		int running = w->copies[i].can;

		for (int k = i + 1; w->copies[i].can && k < COPIES_MAX; k++) {
			struct copy *a = &w->copies[i], *b = &w->copies[k];

			if (!b->can || strcmp(a->name, b->name))
				continue;
			/* In turn: at the second one's moment the first could as well. */
			a->can = can_execute(a);
			b->can = can_execute(b);
			if (!a->can || !b->can || !can_execute(a))
				continue;
			running++;
			violation(w, a, b);
		}
		if (running > w->max_running)
			w->max_running = running;
	}
	for (size_t i = 0; i < w->n_overlaps; i++)
		w->overlaps[i].open &= w->overlaps[i].touched;
	w->looks++;
}

static void report(const struct watch *w, uint64_t lasted_us)
{
	printf("{\"violations\":%llu,\"max_running\":%d,\"copies\":%llu,\"looks\":%llu,"
	       "\"secs\":%.1f,\"hz\":%llu,\"max_gap_ms\":%.1f,\"blind\":%llu,\"overlaps\":[",
	       (unsigned long long)w->violations, w->max_running, (unsigned long long)w->n_copies,
	       (unsigned long long)w->looks, (double)lasted_us / 1e6,
	       (unsigned long long)(lasted_us ? w->looks * 1000000 / lasted_us : 0),
	       (double)w->max_gap_us / 1e3, (unsigned long long)w->blind);
	for (size_t i = 0; i < w->n_overlaps; i++) {
		const struct overlap *o = &w->overlaps[i];

		printf("%s{\"container\":\"%s\",\"hosts\":[\"%s\",\"%s\"],\"at_ms\":%llu,"
		       "\"length_us\":%llu,\"ran_ns\":[%llu,%llu]}",
		       i ? "," : "", o->name + 3, o->host[0], o->host[1],
		       (unsigned long long)o->at_ms, (unsigned long long)o->length_us,
		       (unsigned long long)o->ran_ns[0], (unsigned long long)o->ran_ns[1]);
	}
	puts("]}");
	fflush(stdout);
}

/* Before everything else on this machine, if we may. */
static void come_first(void)
{
	struct sched_param param = {.sched_priority = 10};

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		setpriority(PRIO_PROCESS, 0, -20);
}

int main(int argc, char **argv)
{
	static struct watch w;
	uint64_t began_us = clock_us(CLOCK_MONOTONIC), next_us = began_us, last_us = began_us;

	if (argc != 2) {
		fputs("usage: watch CGROUP-OF-A-LAB\n", stderr);
		return 2;
	}
	w.root = argv[1];
	for (int i = 0; i < COPIES_MAX; i++)
		w.copies[i].dir = -1;
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	come_first();
	while (!ended) {
		uint64_t now_us;
		struct timespec until;

		look(&w);
		now_us = clock_us(CLOCK_MONOTONIC);
		if (now_us - last_us > w.max_gap_us)
			w.max_gap_us = now_us - last_us;
		w.blind += now_us - last_us > BLIND_US;
		last_us = now_us;
		/* What was missed is not made up for. */
		next_us = next_us + PERIOD_US > now_us ? next_us + PERIOD_US : now_us;
		until = (struct timespec){.tv_sec = (time_t)(next_us / 1000000),
					  .tv_nsec = (long)(next_us % 1000000 * 1000)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	report(&w, clock_us(CLOCK_MONOTONIC) - began_us);
	return w.violations ? 1 : 0;
}
