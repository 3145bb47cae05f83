/* SPDX-License-Identifier: MPL-2.0
 *
 * The moment between fork and exec. Only for run.c: everybody else starts programs through run.h.
 */
#ifndef DROVER_RUNTIME_SPAWN_H
#define DROVER_RUNTIME_SPAWN_H

#include "runtime/run.h"

/* What the child needs to know between fork and exec; everything else is done before. All
 * borrowed. */
struct spawn_plan {
	const char *path;
	char *const *argv;
	char *const *env;
	const char *cwd;
	int stdio[3];
	const struct run_spec *spec;
	int status;       /* spawn's own: the pipe that tells errno of what failed */
	int cgroup_procs; /* spawn's own: version 1 group to enter, or -1 */
};

/* Forks, with a pidfd and in the wanted cgroup, and waits for the exec. 0, or the errno of what
 * failed; the child is reaped then. */
int spawn(struct spawn_plan *plan, pid_t *ret_pid, int *ret_pidfd);

#endif
