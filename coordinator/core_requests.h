/* SPDX-License-Identifier: MPL-2.0
 *
 * What the files that serve clients' requests share. */
#ifndef DROVER_COORDINATOR_CORE_REQUESTS_H
#define DROVER_COORDINATOR_CORE_REQUESTS_H

#include "coordinator/core_impl.h"

struct asked {
	struct core *c;
	uint64_t client;
	const char *request; /* its id */
	const char *id;      /* fresh ULID */
	const struct msg_request *body;
	struct msg_reply reply; /* sent when the handler returns 0 and final is set */
};

/* 0, or -ERR with err set: the reply is the error then. */
typedef int request_fn(struct asked *a, struct err *err);

/* A job in the making: its container, where it is, and what the user wants. *ret is in the core's
 * list; whoever does not start it drops it. */
int core_prepare(struct asked *a, bool probe, struct job **ret, struct err *err);

/* --- core_check.c --- */

int core_ask_check(struct asked *a, struct err *err);

#endif
