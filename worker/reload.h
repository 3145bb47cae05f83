/* SPDX-License-Identifier: MPL-2.0
 *
 * The executor's configuration, read again on SIGHUP: lists of what may arrive, labels, hooks. What
 * is wrong is told in the log and as a problem of the host (E-CONFIG); the old stays whole then. */
#ifndef DROVER_WORKER_RELOAD_H
#define DROVER_WORKER_RELOAD_H

#include "worker/executor.h"

void reload_options(struct executor *x);

#endif
