/* SPDX-License-Identifier: MPL-2.0
 *
 * The directories that both halves of the worker expect, made while it is one process and root. */
#ifndef DROVER_WORKER_DIRS_H
#define DROVER_WORKER_DIRS_H

#include "base/err.h"
#include "base/options.h"

#include <sys/types.h>

/* The numbers of node.user. -ERR_config when there is no such user. */
int dirs_user(const struct options *options, uid_t *ret_uid, gid_t *ret_gid, struct err *err);

/* Makes what is missing below node.run, node.state and worker.storage; tickets belong to node.user,
 * who makes its socket there. */
int dirs_make(const struct options *options, struct err *err);

#endif
