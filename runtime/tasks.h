/* SPDX-License-Identifier: MPL-2.0
 *
 * What a container's tasks hold that decides whether and how they can be checkpointed. All read
 * from /proc, by a root process; a task that ends meanwhile is simply not counted. */
#ifndef DROVER_RUNTIME_TASKS_H
#define DROVER_RUNTIME_TASKS_H

#include "runtime/cgroup.h"

#define TASKS_LISTENING 64

struct tasks_facts {
	uint64_t processes;
	uint64_t threads;
	uint64_t rss_bytes;
	uint64_t io_uring; /* rings open */
	uint64_t ttys;     /* descriptors on terminals */
	uint64_t inotify;
	uint64_t file_locks;
	uint64_t inet_sockets; /* TCP and UDP sockets in its network namespace */
	uint64_t tcp_established;
	uint64_t external_unix;    /* unix sockets connected to a peer outside (best effort) */
	uint64_t foreign_in_netns; /* processes outside the container in its network namespace */
	bool own_netns;            /* not the network namespace of PID 1 */
	char listening[TASKS_LISTENING][64]; /* "tcp 0.0.0.0:80" */
	size_t n_listening;
};

/* Looks at every process of the group. init is the container's first process (its network namespace
 * is the one that is looked at). Bounded: at most 4096 processes, 65536 descriptors. */
int tasks_read(const struct cgroup *cgroup, pid_t init, struct tasks_facts *ret, struct err *err);

#endif
