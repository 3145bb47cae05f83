/* SPDX-License-Identifier: MPL-2.0
 *
 * Which containers of a host move as one: those that are tied to each other, directly or by way of
 * others. Ties are
 *
 *      label     the same drover.group
 *      network   the same named network namespace
 *      volume    the same directory or file of the host, which one of them may write to;
 *                drover.group = none: its volumes tie it to nobody
 *
 * Pure. */
#ifndef DROVER_COORDINATOR_GROUP_H
#define DROVER_COORDINATOR_GROUP_H

#include "coordinator/nodes.h"

#define GROUP_MAX 8 /* that move as one; worker/group.h */

/* Borrows what its places borrow. */
struct group {
	size_t n; /* running containers, the asked one among them; 1: it moves alone */
	struct place
		v[GROUP_MAX]; /* the first of them: the asked one, then in their host's order */
	char name[NAME_SIZE]; /* the same for each member; "" when it moves alone */
};

void group_of(const struct place *place, struct group *ret);

/* How many of v there are. */
static inline size_t group_listed(const struct group *group)
{
	return group->n < GROUP_MAX ? group->n : GROUP_MAX;
}

/* Whether this container of that host is one of v. */
bool group_has(const struct group *group, const char *id, const char *host);

#endif
