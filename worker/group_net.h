/* SPDX-License-Identifier: MPL-2.0
 *
 * A network namespace that several of a group are in: made once at the target, its loopback locked
 * while some of them are frozen, opened by the first, removed by the last. Namespaces of one
 * container alone are none of this. */
#ifndef DROVER_WORKER_GROUP_NET_H
#define DROVER_WORKER_GROUP_NET_H

#include "worker/executor.h"

/* In ACT_reserve, instead of net_create: the first of them makes it, the others have it, too. */
int group_net_make(struct executor *x, struct mig *m, struct err *err);

/* In ACT_gate_close, before anything is frozen or told to stop: -ERR_refused when processes that do
 * not move with m are in its namespace, unless that is skipped (netns); then the lock. */
int group_net_lock(struct executor *x, struct mig *m, struct err *err);

/* Once all of them run. */
int group_net_unlock(struct executor *x, struct mig *m, struct err *err);

/* Removes the network of m, unless others still are in it or count on it. */
int group_net_destroy(struct executor *x, const struct mig *m, struct err *err);

#endif
