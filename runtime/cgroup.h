/* SPDX-License-Identifier: MPL-2.0
 *
 * The control group of a container: where it is, who is in it, what it uses, and its end. Found
 * through a task of it (/proc/PID/cgroup), because the runtime decides where it is. Always below
 * the mount of its hierarchy, never the root of one and never one that we are in ourselves. */
#ifndef DROVER_RUNTIME_CGROUP_H
#define DROVER_RUNTIME_CGROUP_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_PIDS_MAX 8192 /* processes that are looked at one by one */

struct cgroup {
	int version;         /* 1: the freezer hierarchy; 2 */
	int dir;             /* descriptor of the directory, owned, -1 = none */
	char path[PATH_MAX]; /* absolute; "freezer:/…" where that hierarchy is not mounted */
};

/* The group of a container's init process. Where cgroups_path (config.json, may be NULL) names a
 * parent of it, that parent: a container may have made groups of its own. A hybrid host answers
 * with the hierarchy that the task is not at the root of, version 2 first. -ERR_nosuch when the
 * task is gone, -ERR_refused when it shares our own group or has none of its own. */
int cgroup_open(pid_t pid, const char *cgroups_path, struct cgroup *ret, struct err *err);

/* The same in one hierarchy only: version 2, or 1 for the freezer's. */
int cgroup_open_version(pid_t pid, int version, const char *cgroups_path, struct cgroup *ret,
			struct err *err);

/* The same by absolute path of the directory, for a journal that remembers it. */
int cgroup_open_path(const char *path, struct cgroup *ret, struct err *err);
void cgroup_done(struct cgroup *cgroup);
#define auto_cgroup __attribute__((cleanup(cgroup_done)))

/* Version of the tree that containers use on this host (2 when there is a cgroup2 mount at
 * /sys/fs/cgroup itself, else 1), and its controllers, comma separated. */
int cgroup_host_version(char *ret_controllers, size_t size);

/* Processes of the group and all groups below it. Writes at most max, returns how many there are,
 * or -ERR_io. A group that is gone has none. */
ssize_t cgroup_pids(const struct cgroup *cgroup, pid_t *ret_pids, size_t max);

struct cgroup_usage {
	uint64_t
		rss_bytes; /* memory.current less inactive file pages, else the sum of tasks' RSS */
	uint64_t cpu_us;   /* consumed since it began */
	uint64_t processes;
	uint64_t limit_bytes; /* 0 = none */
};

int cgroup_usage(const struct cgroup *cgroup, struct cgroup_usage *ret, struct err *err);

/* CPU time that the group has had: its own count on version 2, else what the tasks have had that
 * are in it now, which can become less. False when it is gone. */
bool cgroup_cpu(const struct cgroup *cgroup, uint64_t *ret_us);

/* Whether a process of this host is in the group that a config.json names by an absolute path, or
 * below it; *ret_pid is one. False for other forms of that name, and where there is no such group.
 */
bool cgroup_populated(const char *cgroups_path, pid_t *ret_pid);

/* Kills all that is in it (cgroup.kill, else SIGKILL to each; frozen ones are thawed by the kernel
 * on version 2 and by us on version 1) and waits at most limit_ms until it is empty. 0 also when it
 * was gone already; -ERR_timeout when some task survives. */
int cgroup_kill(const struct cgroup *cgroup, uint64_t limit_ms, struct err *err);

/* rmdir of an empty group and the groups below it; absent is fine. */
int cgroup_remove(const char *path, struct err *err);

#endif
