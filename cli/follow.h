/* SPDX-License-Identifier: MPL-2.0
 *
 * Following one job: where its progress is shown, and what is left to do when it ends. */
#ifndef DROVER_CLI_FOLLOW_H
#define DROVER_CLI_FOLLOW_H

#include "cli/progress.h"
#include "cli/session.h"

/* Fills what the command table leaves to every request: command, user, defaults. */
void request_fill(struct cli *cli);

/* Follows the drain whose request `id` was sent (or is taken up anew) until its final reply, which
 * *ret gets. `first`: its plan as known. -ERR_canceled when interrupted. */
int drain_follow(struct cli *cli, struct session *session, char id[ULID_SIZE],
		 const struct msg_plan *first, struct msg **ret, struct err *err);

/* What is printed when a followed drain is left. Returns EXIT_DETACHED. */
int drain_detach(struct cli *cli, const struct msg_plan *plan);

/* Prints a final reply through the command's row, or reports its error. Returns the exit code. */
int reply_present(struct cli *cli, const struct msg_reply *reply);

#endif
