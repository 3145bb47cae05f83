/* SPDX-License-Identifier: MPL-2.0
 *
 * The unprivileged half of a worker: sockets, messages, discovery and the senders. */
#ifndef DROVER_WORKER_BUS_SIDE_H
#define DROVER_WORKER_BUS_SIDE_H

#include "base/options.h"
#include "proto/schema.h"
#include "worker/wire.h"

/* Reads keys and roster, drops to the unprivileged user, and serves until the executor's socket
 * closes or SIGTERM comes. instance, a ULID, names this run of the worker. Returns the process's
 * exit code. */
int bus_side_main(int executor_fd, const struct options *options, const char *instance);

/* msg_ask → wire_ask. -ERR_protocol names the first field that does not fit. Pure. */
int bus_ask(const struct msg_ask *ask, const char *request, struct wire_ask *ret, struct err *err);

#endif
