/* SPDX-License-Identifier: MPL-2.0
 *
 * The conversation with the coordinator: requests out, replies and events in. Every message of one
 * request carries its id; what belongs to no request of ours is dropped. */
#ifndef DROVER_CLI_SESSION_H
#define DROVER_CLI_SESSION_H

#include "cli/cli.h"

struct session;

/* Dials cli->endpoint. -ERR_unreachable when nobody can be there, -ERR_config for a tcp endpoint
 * without server, key or roster. */
int session_open(struct cli *cli, struct session **ret, struct err *err);
void session_close(struct session **session);

/* Sends a request under a new id, which ret_id gets; with an id in it, under that one again. */
int session_ask(struct session *session, const struct msg_request *request, char ret_id[ULID_SIZE],
		struct err *err);

enum heard { HEARD_timeout, HEARD_message, HEARD_interrupt };

/* Waits for the next message of any request of this session. HEARD_message sets *ret. Negative on
 * failure; a malformed message is skipped. */
int session_next(struct session *session, int timeout_ms, struct msg **ret, struct err *err);

/* The final reply to the request `id`. -ERR_unreachable after timeout_ms, -ERR_canceled on an
 * interrupt; other messages that come meanwhile are dropped. */
int session_answer(struct session *session, const char *id, uint64_t timeout_ms, struct msg **ret,
		   struct err *err);

/* The error of a coordinator that says nothing. */
int session_fail_silent(const struct session *session, uint64_t waited_ms, struct err *err);

#endif
