/* SPDX-License-Identifier: MPL-2.0
 *
 * What a target looks at itself before it takes a container: at check, so that nothing is frozen in
 * vain; again at reserve, when room is booked; and at arm what cannot be believed before it is
 * here. Each refusal is a reason with a code of base/code_table.h. */
#ifndef DROVER_WORKER_ARRIVAL_H
#define DROVER_WORKER_ARRIVAL_H

#include "worker/executor.h"

/* ACT_check_target: the answer gets every reason that applies, skipped ones as warnings. Pending
 * while somebody is asked for the container's addresses on the bridge. */
int arrival_check(struct executor *x, struct mig *m, struct err *err);
int arrival_checked(struct executor *x, struct mig *m, struct err *err);

/* Whether the check of this name is skipped. */
bool arrival_skips(const struct mig *m, const char *name);

/* The start of ACT_reserve: what may have changed since check; then room is booked. */
int arrival_book(struct executor *x, struct mig *m, struct err *err);

/* In ACT_arm: the received config.json and the lower directories ("" = none) of its root against
 * this host's policy. -ERR_refused with E-POLICY. */
int arrival_policy(struct executor *x, struct mig *m, const char *lower, struct err *err);

/* Whether a path of another host's choice lies in the container storage and leads nowhere else. */
bool arrival_in_storage(const struct executor *x, const char *path);

/* drover-worker --role=probe BRIDGE ADDRESS/PREFIX …: a line "ADDRESS/PREFIX MAC" for each that
 * somebody answers for. Returns the exit code. */
int probe_main(int argc, char **argv);

#endif
