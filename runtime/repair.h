/* SPDX-License-Identifier: MPL-2.0
 *
 * What a CRIU that was killed in the middle of a dump leaves in a container's sockets. While it
 * reads a TCP connection it has it in repair mode (TCP_REPAIR, tcp(7) does not tell of it): reads
 * fail with EPERM and closing it sends no FIN. Nobody but CRIU ends that. */
#ifndef DROVER_RUNTIME_REPAIR_H
#define DROVER_RUNTIME_REPAIR_H

#include "runtime/cgroup.h"

/* Ends the repair mode of all TCP sockets that tasks of the group have open. The group is frozen,
 * so that no task meets such a socket before. Returns how many there were, or -ERR_io when some
 * could not be reached; tasks that end meanwhile are passed over. */
int repair_end(const struct cgroup *cgroup, struct err *err);

#endif
