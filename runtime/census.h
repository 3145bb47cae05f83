/* SPDX-License-Identifier: MPL-2.0
 *
 * Which process of this host is in which namespaces: one pass over /proc that serves the look at
 * every container. */
#ifndef DROVER_RUNTIME_CENSUS_H
#define DROVER_RUNTIME_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* X(name): of /proc/PID/ns, those that CRIU cannot dump while others are in them. */
#define CENSUS_TABLE(X) X(net) X(ipc) X(pid)

enum census_ns {
#define X(name) CENSUS_##name,
	CENSUS_TABLE(X)
#undef X
		CENSUS_NAMESPACES
};

struct census_row {
	pid_t pid;
	uint64_t ns[CENSUS_NAMESPACES]; /* inode numbers, 0 = gone meanwhile */
};

struct census {
	struct census_row *v; /* by pid, rising */
	size_t n, cap;
	uint64_t host[CENSUS_NAMESPACES]; /* of process 1 */
};

void census_take(struct census *ret);
void census_done(struct census *census);
#define auto_census __attribute__((cleanup(census_done)))

/* A process of the census, NULL when it was not there. */
const struct census_row *census_find(const struct census *census, pid_t pid);

/* "net", "ipc", "pid". */
const char *census_name(enum census_ns ns);

#endif
