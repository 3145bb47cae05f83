/* SPDX-License-Identifier: MPL-2.0
 *
 * Containers that move as one. Each member has a row, an epoch, an image and proofs of its own;
 * what gives authority away, takes it or turns it down is one append of the journal for all of
 * them:
 *
 *   S  RELEASED  all are HELD here for the same target, and each has been asked with T's PREPARED
 *   T  RUNNING   any member's GRANT, and all are armed here: each then goes by its own hook
 *   T  REFUSED   for whatever reason one of them has: all that are not running
 *
 * Up to RELEASED each may leave by itself, and then none is released. A GRANT names the members
 * that were released with it (row.group_sum), so that no coordinator can put together a group on T
 * that is another one than on S. What a person forces is one member's, and its row keeps that. */
#ifndef DROVER_WORKER_GROUP_H
#define DROVER_WORKER_GROUP_H

#include "worker/executor.h"

#define GROUP_MAX JOURNAL_BATCH_MAX

/* Whether two migrations are of one group, at one side. */
bool group_same(const struct mig *a, const struct mig *b);

/* Takes the group from an ask, as long as nothing of the handover is journalled. */
void group_take(struct mig *m, const struct wire_ask *ask);

/* -ERR_invalid when an ask's group is malformed or larger than GROUP_MAX. */
int group_check(const struct wire_ask *ask, struct err *err);

/* Who a record of this state is for: m first; alone, or with its group. -ERR_canceled when it may
 * only be made for all and one is missing. */
int group_set(struct executor *x, struct mig *m, uint8_t state, struct mig *ret_set[GROUP_MAX],
	      size_t *ret_n, struct err *err);

/* After a record of m: the others for whom it was made, too, go on from there. And when m has left
 * before its release: those that wait for it leave as well. */
void group_go_on(struct executor *x, struct mig *m);

/* Sets the sum of the members that this side has, for a GRANT that is to be given or checked. */
void group_seal(struct executor *x, struct mig *m);

/* An armed member that is asked to start while not all are armed: none will. err says which. */
bool group_broken(struct executor *x, struct mig *m, const struct wire_ask *ask, struct err *err);

/* ACT_gather, begun and tried again: 1 while members are missing. -ERR_canceled when one has left.
 */
int group_gather(struct executor *x, struct mig *m, struct err *err);

#endif
