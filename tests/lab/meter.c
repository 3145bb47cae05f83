/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A true view of load for each host of a lab. They share this machine's CPUs and kernel, so that
 * its /proc/stat says the same to all of them; with `lab up --own-load` each host has one CPU, and
 * reads in its place what is kept up to date here, ten times a second, from its own control group:
 *
 *  - stat: busy are the nanoseconds that its tasks ran (cpu.stat), and those that the tasks of its
 *    containers wanted to run and had to wait (schedstat), as a hypervisor's guest counts steal; a
 *    host of a lab is as loaded on a busy machine as on an idle one.
 *  - loadavg: the same as a mean over a minute.
 *  - meminfo: what its memory group is charged with, of MEM_TOTAL; this machine's where it has
 * none.
 *
 * Its pressure files are the kernel's own of its group; init.sh mounts them. Each file keeps its
 * length, a reader sees one state or the next. It ends with the lab.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX 16
#define TASKS_MAX 4096 /* by thread id; two of one slot only miss a wait */
#define PERIOD_NS 100000000
#define NS_A_JIFFY 10000000 /* USER_HZ is 100 everywhere */
#define MEM_TOTAL (4ull << 30)

struct task {
	long id;
	uint64_t waited_ns;
};

struct host {
	char name[64];
	uint64_t ran_ns, boot; /* the group's count, and its identity: it is made anew at a boot */
	uint64_t busy_ns, stolen_ns, total_ns;
	double load1;
	struct task tasks[TASKS_MAX];
};

static const char *lab_cgroup, *lab_hosts;
static struct host hosts[HOSTS_MAX];
static size_t n_hosts;

static uint64_t mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool text_of(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

static uint64_t keyed(const char *path, const char *key)
{
	char text[8192], *at;

	at = text_of(path, text, sizeof(text)) ? strstr(text, key) : NULL;
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* In place, so that what is mounted stays the same file. */
static void write_file(const struct host *h, const char *name, const char *text)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/load/%s", lab_hosts, h->name, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (pwrite(fd, text, strlen(text), 0) < 0)
		perror(path);
	close(fd);
}

/* --- what it does --- */

/* What a task has waited since the last look; a new one has waited as long as it lives. */
static uint64_t waited(struct host *h, long id)
{
	struct task *task = &h->tasks[(size_t)id % TASKS_MAX];
	unsigned long long waited_ns = 0;
	char path[64], text[128];
	uint64_t since;

	snprintf(path, sizeof(path), "/proc/%ld/schedstat", id);
	if (!text_of(path, text, sizeof(text)) || sscanf(text, "%*u %llu", &waited_ns) != 1)
		return 0;
	since = task->id == id ? waited_ns - task->waited_ns : 0;
	*task = (struct task){id, waited_ns};
	return since;
}

/* Containers have a group each below drover/, maybe with groups of their own. */
static uint64_t waited_below(struct host *h, const char *dir, unsigned depth)
{
	char path[1024], text[16384], *at = text, *end;
	const struct dirent *e;
	uint64_t sum = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/cgroup.threads", dir);
	if (depth && text_of(path, text, sizeof(text)))
		for (long id; (id = strtol(at, &end, 10)) > 0; at = end)
			sum += waited(h, id);
	d = depth < 4 ? opendir(dir) : NULL;
	while (d && (e = readdir(d)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int)sizeof(path))
			sum += waited_below(h, path, depth + 1);
	if (d)
		closedir(d);
	return sum;
}

static void measure_cpu(struct host *h, uint64_t dt_ns)
{
	char path[512];
	struct stat st;
	uint64_t ran, past = 0, wait, busy;

	snprintf(path, sizeof(path), "%s/%s", lab_cgroup, h->name);
	if (stat(path, &st) < 0)
		return; /* it is down */
	snprintf(path, sizeof(path), "%s/%s/cpu.stat", lab_cgroup, h->name);
	ran = keyed(path, "usage_usec ") * 1000;
	if (h->boot == st.st_ino && ran > h->ran_ns)
		past = ran - h->ran_ns;
	h->boot = st.st_ino;
	h->ran_ns = ran;
	snprintf(path, sizeof(path), "%s/%s/drover", lab_cgroup, h->name);
	wait = waited_below(h, path, 0);
	busy = past + wait < dt_ns ? past + wait : dt_ns;
	h->busy_ns += busy;
	h->stolen_ns += busy > past ? busy - past : 0;
	h->total_ns += dt_ns;
	h->load1 += ((double)(past + wait) / (double)dt_ns - h->load1) * (double)dt_ns / 60e9;
}

static void write_cpu(const struct host *h)
{
	unsigned long long user = (h->busy_ns - h->stolen_ns) / NS_A_JIFFY,
			   steal = h->stolen_ns / NS_A_JIFFY,
			   idle = (h->total_ns - h->busy_ns) / NS_A_JIFFY;
	char text[512];

	snprintf(text, sizeof(text),
		 "cpu  %012llu 0 0 %012llu 0 0 0 %012llu 0 0\n"
		 "cpu0 %012llu 0 0 %012llu 0 0 0 %012llu 0 0\n",
		 user, idle, steal, user, idle, steal);
	write_file(h, "stat", text);
	snprintf(text, sizeof(text), "%07.2f %07.2f %07.2f 1/100 1\n", h->load1, h->load1,
		 h->load1);
	write_file(h, "loadavg", text);
}

/* The list of its groups, one a line; of version 1 the one that counts memory is among them. */
static uint64_t charged(const struct host *h)
{
	char path[512], text[4096], *save = NULL;

	snprintf(path, sizeof(path), "%s/%s/cgroups", lab_hosts, h->name);
	if (!text_of(path, text, sizeof(text)))
		return 0;
	for (char *dir = strtok_r(text, "\n", &save); dir; dir = strtok_r(NULL, "\n", &save)) {
		uint64_t all, file;

		snprintf(path, sizeof(path), "%.400s/memory.usage_in_bytes", dir);
		all = keyed(path, "");
		snprintf(path, sizeof(path), "%.400s/memory.stat", dir);
		file = keyed(path, "total_inactive_file ");
		if (!all) {
			snprintf(path, sizeof(path), "%.400s/memory.current", dir);
			all = keyed(path, "");
			snprintf(path, sizeof(path), "%.400s/memory.stat", dir);
			file = keyed(path, "inactive_file ");
		}
		if (all)
			return all > file ? all - file : 0;
	}
	return 0;
}

static void write_memory(const struct host *h)
{
	uint64_t total = MEM_TOTAL, used = charged(h), available;
	char text[512];

	if (!used) {
		total = keyed("/proc/meminfo", "MemTotal:") * 1024;
		available = keyed("/proc/meminfo", "MemAvailable:") * 1024;
	} else {
		available = used < total ? total - used : 0;
	}
	snprintf(text, sizeof(text),
		 "MemTotal:       %012llu kB\nMemFree:        %012llu kB\n"
		 "MemAvailable:   %012llu kB\n",
		 (unsigned long long)total / 1024, (unsigned long long)available / 1024,
		 (unsigned long long)available / 1024);
	write_file(h, "meminfo", text);
}

/* --- all of them --- */

static void find_hosts(void)
{
	DIR *dir = opendir(lab_hosts);
	const struct dirent *e;

	while (dir && (e = readdir(dir)) && n_hosts < HOSTS_MAX)
		if (e->d_name[0] != '.')
			snprintf(hosts[n_hosts++].name, sizeof(hosts[0].name), "%.63s", e->d_name);
	if (dir)
		closedir(dir);
}

int main(int argc, char **argv)
{
	uint64_t last_ns = mono_ns();
	unsigned turn = 0;

	if (argc != 3) {
		fputs("usage: meter CGROUP-OF-A-LAB HOSTS-OF-A-LAB\n", stderr);
		return 2;
	}
	lab_cgroup = argv[1];
	lab_hosts = argv[2];
	find_hosts();
	for (;;) {
		uint64_t now_ns;

		nanosleep(&(struct timespec){.tv_nsec = PERIOD_NS}, NULL);
		now_ns = mono_ns();
		for (size_t i = 0; i < n_hosts; i++) {
			measure_cpu(&hosts[i], now_ns - last_ns);
			write_cpu(&hosts[i]);
			if (turn % 10 == 0)
				write_memory(&hosts[i]);
		}
		last_ns = now_ns;
		turn++;
	}
}
