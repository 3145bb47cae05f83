/* SPDX-License-Identifier: MPL-2.0
 *
 * The dirty rates of this host's containers: one container is looked at each second, one after
 * another, and what was found is kept for the facts that a coordinator gets. */
#ifndef DROVER_WORKER_DIRTY_H
#define DROVER_WORKER_DIRTY_H

#include "runtime/runtime.h"

#include <stdbool.h>
#include <stdint.h>

struct dirty_watch;

struct dirty_watch *dirty_new(void);
void dirty_free(struct dirty_watch **watch);

/* A container that runs here, by its init process; said at every look at the runtimes. One that is
 * not said for a while is forgotten. */
void dirty_say(struct dirty_watch *watch, const char *id, pid_t pid, uint64_t now_ms);

/* Once a second. Reads a few hundred pages. */
void dirty_turn(struct dirty_watch *watch, uint64_t now_ms);

/* True when it was measured; *ret in bytes/s. */
bool dirty_find(const struct dirty_watch *watch, const char *id, uint64_t *ret);

#endif
