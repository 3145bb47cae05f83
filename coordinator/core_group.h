/* SPDX-License-Identifier: MPL-2.0
 *
 * A group before the judges: on one host all of its members, or none. */
#ifndef DROVER_COORDINATOR_CORE_GROUP_H
#define DROVER_COORDINATOR_CORE_GROUP_H

#include "coordinator/core_impl.h"
#include "coordinator/group.h"

/* How its members would move. */
struct group_how {
	struct msg_strs skip;
	bool cold;
};

struct group_verdict {
	size_t n;
	struct verdict v[GROUP_MAX]; /* of each member, in the group's order */
	enum verdict_kind kind;      /* the worst of them, */
	size_t worst;                /* … and the first that it is true of */
};

/* Each member on this host, with the room that is left by those before it. The node's bookings are
 * as before then. group_verdict_done frees. */
void core_group_judge(struct core *c, const struct group *group, const struct group_how *how,
		      const struct node *node, struct group_verdict *ret);
void group_verdict_done(struct group_verdict *said);

/* Whether all of them can live there, or (how->cold) be started there. */
bool core_group_fits(struct core *c, const struct group *group, const struct group_how *how,
		     const struct node *node);

/* The host that judges the group: the best for its first member of those that take all live; where
 * there is none, the one that comes nearest. NULL when no host was asked. ret is freed by the
 * caller in any case. */
const struct node *core_group_host(struct core *c, const struct group *group,
				   const struct group_how *how, struct group_verdict *ret);

/* Which hosts are asked; the search ends with one whose verdict is as good as enough. */
struct group_ask {
	bool (*may)(void *arg, const struct node *node); /* NULL: all are asked */
	void *arg;
	enum verdict_kind enough;
};

/* The host with the best verdict for all of them, the first in the query's ranking of equals; what
 * it says in *ret (zeroed or a verdict before), freed by the caller in any case. NULL when no host
 * may be asked. */
const struct node *core_group_nearest(struct core *c, const struct group *group,
				      const struct group_how *how, const struct score_query *query,
				      const struct group_ask *ask, struct group_verdict *ret);

/* What is said of a group as one list for its member `own`, whose reasons come first; those about
 * another say whom they are about. At most VERDICT_REASONS_MAX, until the end of the turn. */
size_t core_group_reasons(struct core *c, const struct group *group,
			  const struct group_verdict *said, size_t own, struct msg_reason **ret);

/* All members against all hosts. places[i] is the reply's row of member i, NULL where it has none.
 * *ret_best is the host that takes all, live or cold, NULL when none does. */
void core_judge_group(struct core *c, const struct group *group, const struct group_how *how,
		      struct msg_place *const places[GROUP_MAX], const struct node **ret_best);

#endif
