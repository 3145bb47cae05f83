/* SPDX-License-Identifier: MPL-2.0
 *
 * Freezes and thaws a container by its cgroup: the hold of the source. It survives the death of
 * this program, of the runtime and of CRIU, which a stop by signals or ptrace does not. */
#ifndef DROVER_RUNTIME_FREEZER_H
#define DROVER_RUNTIME_FREEZER_H

#include "runtime/cgroup.h"

/* Freezes and waits until the kernel says that all tasks are frozen. -ERR_timeout leaves it
 * freezing: the caller thaws. Usual duration below 1 ms; a task in uninterruptible sleep delays it.
 */
int freezer_freeze(const struct cgroup *cgroup, uint64_t limit_ms, struct err *err);

/* Thaws and waits until it runs. A group that is gone is fine. */
int freezer_thaw(const struct cgroup *cgroup, uint64_t limit_ms, struct err *err);

/* Thaws whatever hierarchy a task is frozen in. For a restored container: where the host has a
 * version 1 freezer beside version 2, CRIU under crun restores the source's hold into it
 * (freezer.state = FROZEN), after the restore hook and without a word. */
int freezer_thaw_task(pid_t pid, const char *cgroups_path, uint64_t limit_ms, struct err *err);

/* 1 frozen, 0 not (also while freezing), -ERR_nosuch when the group is gone. */
int freezer_is_frozen(const struct cgroup *cgroup);

#endif
