/* SPDX-License-Identifier: MPL-2.0
 *
 * What a container's tasks hold that decides whether and how they can be checkpointed. All read
 * from /proc, by a root process; a task that ends meanwhile is simply not counted. */
#ifndef DROVER_RUNTIME_TASKS_H
#define DROVER_RUNTIME_TASKS_H

#include "runtime/census.h"
#include "runtime/cgroup.h"

#define TASKS_LISTENING 64
#define TASKS_SOCKETS 8
#define TASKS_SHARERS 8

struct net_sharers {
	uint64_t pidns[TASKS_SHARERS];
	size_t n;
};

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
	uint64_t external_unix; /* unix sockets connected to a peer outside (best effort) */
	char external_names[TASKS_SOCKETS][108]; /* of those peers: a path, "@name", "?" */
	size_t n_external_names;
	uint64_t foreign[CENSUS_NAMESPACES]; /* processes outside the container in its namespaces */
	bool own[CENSUS_NAMESPACES];         /* not the namespace of PID 1 */
	/* The PID namespaces of those others that are in its network namespace, each once; 0 stands
	 * for the host's, and for more than there is room for. */
	struct net_sharers net_sharers;
	char listening[TASKS_LISTENING][64]; /* "tcp 0.0.0.0:80" */
	size_t n_listening;
};

/* Looks at every process of the group. init is the container's first process (its namespaces are
 * those that are looked at); census NULL: takes one. Bounded: at most 4096 processes, 65536
 * descriptors. */
int tasks_read(const struct cgroup *cgroup, pid_t init, const struct census *census,
	       struct tasks_facts *ret, struct err *err);

/* Whether a process waits in the code that CRIU maps into it while it restores it, and has run no
 * instruction of its own yet. A CRIU that was killed leaves it so for ever, and its runtime calls
 * it "running". Told by where it blocks: in futex(2), called from private memory that is writable
 * and executable and no file's. False when it cannot be read. */
bool task_is_parked(pid_t pid);

#endif
