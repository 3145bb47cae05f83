/* SPDX-License-Identifier: MPL-2.0
 *
 * Starting a container from its bundle, as its runtime does it: what is left of an earlier one
 * deleted, created, started. Each is a child of the migration; the executor's loop goes on. Created
 * and not started is the hold of a cold move's target: everything is set up, and no instruction of
 * the container's program has run. */
#ifndef DROVER_WORKER_LAUNCH_H
#define DROVER_WORKER_LAUNCH_H

#include "base/err.h"
#include "base/str.h"
#include "runtime/runtime.h"

struct executor;
struct mig;

enum launch { LAUNCH_none, LAUNCH_delete, LAUNCH_create, LAUNCH_start };

/* Begins with `from`. 1: pending, launch_step follows with the child's events; -ERR. */
int launch_begin(struct executor *x, struct mig *m, enum launch from, struct err *err);

/* 0: `last` is done; 1: pending; -ERR_child with the runtime's own last words. */
int launch_step(struct executor *x, struct mig *m, enum launch last, struct err *err);

/* Whatever the runtime and the kernel have of that container goes: also one whose creation was
 * broken off, which the runtime does not know. */
int launch_wipe(const struct mig *m, struct err *err);

/* Where the runtime of a launch writes its log; its command line has it, which tells a creation
 * that outlived its worker from anybody else's. */
void launch_log(const struct executor *x, const struct mig *m, char ret[PATH_MAX]);
#define LAUNCH_DIR "launch"

#endif
