/* SPDX-License-Identifier: MPL-2.0
 *
 * A verdict in the making, for the files of checks. Each check adds at most a few reasons, and
 * makes its sentence only where one is wanted. The groups differ in what they may read:
 *
 *      judge_container   the query alone: the same for every target
 *      judge_profile     what digest->profile covers: the same for every target of a profile
 *      judge_now         the target's state, digest and last beat */
#ifndef DROVER_COORDINATOR_JUDGE_H
#define DROVER_COORDINATOR_JUDGE_H

#include "coordinator/score.h"

#define IMAGE_LAYERS 8

struct judge {
	const struct score_query *query;
	const struct msg_container *ct;
	const struct node *source, *target;
	const struct msg_caps *from, *to; /* never NULL within the checks */
	struct prediction prediction;     /* on the way to target; for judge_now */
	struct verdict *verdict;
	uint64_t id, spread, together; /* hashes, of the query alone */
	struct {
		uint64_t path, dir;
	} layer[IMAGE_LAYERS]; /* of the image: hashes */
	size_t n_layers;
};

/* What bars only live moves says nothing of a cold one, but that there is nothing to stop, and that
 * it takes too long. */
static inline bool judge_applies(const struct judge *j, enum code_id id)
{
	return !j->query->cold || code_row(id)->bars != BARS_live || id == CODE_stopped ||
	       id == CODE_downtime;
}

#define judge_add(j, id, warning, ...) \
	do { \
		if (judge_applies(j, CODE_##id) && \
		    verdict_note((j)->verdict, CODE_##id, warning, &(j)->query->skip)) \
			verdict_say((j)->verdict, __VA_ARGS__); \
	} while (0)
#define refuse(j, id, ...) judge_add(j, id, false, __VA_ARGS__)
#define warn(j, id, ...) judge_add(j, id, true, __VA_ARGS__)

/* With the source alone; judge_target says who is judged and where reasons go. */
struct judge judge_of(const struct score_query *query, struct verdict *verdict);
void judge_target(struct judge *j, const struct node *target, struct prediction prediction,
		  struct verdict *verdict);

/* Takes the target's CAPS up, which judge_profile, judge_tier and sentences read. */
static inline void judge_look(struct judge *j)
{
	j->to = j->target->caps ? j->target->caps->caps : j->to;
}

void judge_container(const struct judge *j);
void judge_profile(const struct judge *j);
void judge_now(const struct judge *j);

/* Whether the target can be judged at all: it is another host, up, and has told what it is. */
bool judge_host(const struct judge *j);

/* 1 preferred, 0, -1 avoided, for its labels; reads what a profile covers. */
int judge_tier(const struct judge *j);

/* Whether the node has, or is about to have, one of a group (a hash). */
bool judge_has_group(const struct node *node, uint64_t group);

/* --- shared by the files of checks --- */

/* "4.2.1" of 40201 */
const char *version_text(char buf[24], uint64_t version);
const struct msg_runtime *runtime_of(const struct msg_caps *caps, const char *name);
void check_criu(const struct judge *j);
void check_kernel(const struct judge *j, const struct msg_caps *caps, bool dumps);
void check_network(const struct judge *j);
void check_policy(const struct judge *j);

#endif
