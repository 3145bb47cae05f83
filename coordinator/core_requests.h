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

/* A job for this container, in the core's list; whoever does not begin it drops it. */
struct job *core_job_make(struct core *c, const char *id, const struct place *place,
			  struct msg_strs skip, const char *user);

/* Under an epoch of its own, on its way. -ERR_refused when there is no target for it. */
int core_job_begin(struct core *c, struct job *job, struct err *err);

/* Marks a host, durably, and tells. */
void core_set_cordon(struct core *c, struct node *node, bool cordoned, const char *reason);

/* -ERR_usage, with the nearest name, when one of these is no check that can be skipped. */
int core_check_skips(const struct msg_strs *skip, struct err *err);

/* --- core_drain.c --- */

int core_ask_evacuate(struct asked *a, struct err *err);
int core_ask_restore(struct asked *a, struct err *err);
int core_ask_rebalance(struct asked *a, struct err *err); /* balance.c */
int core_ask_apply(struct asked *a, struct err *err);
int core_ask_pause(struct asked *a, struct err *err);
int core_ask_resume(struct asked *a, struct err *err);

/* Shows a drain that has its items; with `yes` it begins. */
int core_plan_and_begin(struct asked *a, struct drain *drain);

/* For job, watch and cancel: *ret_drain NULL when the request names no drain. */
struct drain *core_drain_asked(struct asked *a);
int core_ask_drain(struct asked *a, struct drain *drain, struct err *err);
int core_cancel_drain(struct asked *a, struct drain *drain, struct err *err);

/* --- core_check.c --- */

int core_ask_check(struct asked *a, struct err *err);

/* core_log.c: asks the worker body->host for a piece of its log of this job, whose answer goes to
 * the client. */
int core_log_ask(struct asked *a, const struct job *job, struct err *err);

/* --- core_pages.c --- */

/* The page of a request that is paged. */
void core_page_hosts(struct core *c, const struct msg_request *request, struct msg_reply *reply);
void core_page_places(struct core *c, const struct msg_request *request, struct msg_reply *reply);

/* Leaves to the next page what does not fit into this one. */
void core_page_fit(struct core *c, struct msg_reply *reply);

/* --- core_ready.c --- */

/* check without a container: what an evacuation of request.from would meet. */
int core_ask_ready(struct asked *a, struct err *err);

/* Adds verdicts to the places of a reply, and keeps those that request.mode names ("movable" or
 * "stuck"). -ERR_refused when that would take too long. */
int core_judge_places(struct asked *a, struct err *err);

#endif
