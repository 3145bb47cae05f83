/* SPDX-License-Identifier: MPL-2.0
 *
 * What the configuration and a container's own labels say about where it may go and how: sections
 * [policy NAME] of drover.conf (base/options.h) and annotations drover.KEY. The first policy that
 * matches a container is its policy; its labels override single settings. Pure. */
#ifndef DROVER_COORDINATOR_POLICY_H
#define DROVER_COORDINATOR_POLICY_H

#include "base/options.h"
#include "coordinator/nodes.h"

enum policy_move { MOVE_live, MOVE_cold, MOVE_never };

#define PRIORITY_DEFAULT 50

/* One container's rules. Texts are borrowed from the options and from the container, never NULL. */
struct rules {
	enum policy_move move;
	const char *prefer, *avoid, *require; /* host labels "key=value", separated by commas */
	const char *spread, *together;        /* group names, "" = none */
	unsigned priority;                    /* 0..100; the higher goes first */
	uint64_t max_downtime_ms;             /* 0 = no limit */
	const char *name;                     /* of the policy, "" = none matched */
	bool labeled;                         /* a label had a say */
	bool asked;                           /* max_downtime_ms is the user's, for this move */
	char problem[160];                    /* a label that cannot be read, "" = none */
};

/* options may be NULL: there are no policies then. */
void policy_rules(const struct options *options, const struct msg_container *container,
		  struct rules *ret);

/* "policy db" or "its labels": where the rules come from. */
const char *rules_source(const struct rules *rules, char *buf, size_t size);

/* The i-th word of a comma separated list without the blanks around it, cut to buf; NULL past the
 * last. And whether it has this word. */
#define WORD_MAX 256
const char *list_word(const char *list, size_t i, char buf[WORD_MAX]);
bool list_names(const char *list, const char *wanted);

/* The first label of a comma separated list that the host has (or lacks), copied to buf; NULL when
 * there is none. */
const char *labels_had(const char *list, const struct msg_strs *labels, char *buf, size_t size);
const char *labels_lacked(const char *list, const struct msg_strs *labels, char *buf, size_t size);

/* Notes on the node which groups its containers belong to (node->groups). */
void policy_mark(const struct options *options, struct node *node);

/* How a group is noted: the hash of its kind and name. */
uint64_t spread_hash(const char *group);
uint64_t together_hash(const char *group);

#endif
