/* SPDX-License-Identifier: MPL-2.0
 *
 * Items that move as one: one target for all of them, or the same reason for each. */
#include "coordinator/drain_impl.h"

#include "base/mem.h"

#include <string.h>

static struct group_how how_of(const struct drain *drain, const struct drain_item *item,
			       const char *skip[16])
{
	for (size_t i = 0; i < drain->n_skip; i++)
		skip[i] = drain->skip[i];
	return (struct group_how){.skip = {skip, drain->n_skip}, .cold = item->cold};
}

bool drain_takes_group(struct core *c, const struct drain *drain, const struct drain_item *item,
		       const struct group *group, const struct node *node)
{
	const char *skip[16];
	struct group_how how = how_of(drain, item, skip);

	return core_group_fits(c, group, &how, node);
}

/* The member's waiting item, NULL when this drain does not have one. */
static struct drain_item *item_of(struct drain *drain, const struct place *member)
{
	for (size_t i = 0; i < drain->n_items; i++)
		if (drain->items[i].state == ITEM_waiting &&
		    str_eq(drain->items[i].container, member->container->id) &&
		    str_eq(drain->items[i].source, member->node->id))
			return &drain->items[i];
	return NULL;
}

#define EACH_ITEM(drain, group, item) \
	for (size_t at_ = 0; at_ < group_listed(group); at_++) \
		for (struct drain_item *item = item_of(drain, &(group)->v[at_]); item; item = NULL)

/* --- why not --- */

struct asker {
	const struct drain *drain;
	const struct drain_item *item;
};

static bool may_ask(void *arg, const struct node *node)
{
	const struct asker *asker = arg;

	return drain_may_ask(asker->drain, asker->item, node);
}

/* What all of them say of the host that comes nearest; NULL when none may be asked. */
static const struct node *nearest(struct core *c, const struct drain *drain,
				  const struct drain_item *item, const struct group *group,
				  struct group_verdict *ret)
{
	const char *skip[16];
	struct group_how how = how_of(drain, item, skip);
	struct score_query query = drain_query(c, drain, item, &group->v[0], skip);
	struct asker asker = {drain, item};

	*ret = (struct group_verdict){0};
	return core_group_nearest(c, group, &how, &query,
				  &(struct group_ask){may_ask, &asker, VERDICT_live}, ret);
}

static void say_reason(struct drain_item *item, const char *bars, const struct reason *reason,
		       const char *host)
{
	bool theirs = reason->row->about == ABOUT_ct || reason->row->about == ABOUT_src;

	str_copy(item->code, sizeof(item->code), reason->row->code);
	str_fmt(item->why, sizeof(item->why), "%s%s%s%s%.300s",
		str_eq(item->container, bars) ? "" : bars,
		str_eq(item->container, bars) ? "" : " moves with it: ", theirs ? "" : host,
		theirs ? "" : ": ", given(reason->why));
}

void drain_group_say_why(struct core *c, struct drain *drain, const struct drain_item *lead,
			 const struct group *group)
{
	struct group_verdict said;
	const struct node *host = nearest(c, drain, lead, group, &said);
	const struct reason *reason = host ? verdict_first(&said.v[said.worst]) : NULL;

	EACH_ITEM(drain, group, item)
	{
		item->code[0] = item->why[0] = '\0';
		if (reason)
			say_reason(item, group->v[said.worst].container->id, reason, host->id);
		else if (!host)
			str_copy(item->why, sizeof(item->why),
				 "there is no other host that may be moved onto");
	}
	group_verdict_done(&said);
}

/* --- placing --- */

struct filter {
	struct core *c;
	const struct drain *drain;
	const struct drain_item *item;
	const struct group *group;
};

static bool is_out(void *arg, const struct node *node)
{
	const struct filter *f = arg;

	return !drain_may_use(f->drain, f->item, node) ||
	       !drain_takes_group(f->c, f->drain, f->item, f->group, node);
}

/* The target for all; false: there is none, and each item says why. */
static bool place_so(struct core *c, struct drain *drain, const struct drain_item *lead,
		     const struct group *group)
{
	struct filter filter = {c, drain, lead, group};
	const char *skip[16];
	struct score_query query = drain_query(c, drain, lead, &group->v[0], skip);
	struct candidate best;

	if (!score_best(&query, &c->nodes, is_out, &filter, &best)) {
		EACH_ITEM(drain, group, item)
		{
			item->target[0] = '\0';
			str_copy(item->verdict, sizeof(item->verdict), "no");
		}
		drain_group_say_why(c, drain, lead, group);
		return false;
	}
	for (size_t i = 0; i < group_listed(group); i++) {
		struct drain_item *item = item_of(drain, &group->v[i]);
		struct candidate own;

		if (item) {
			query = drain_query(c, drain, lead, &group->v[i], skip);
			score_one(&query, best.node, &own);
			drain_use(item, &own);
			candidate_done(&own);
		}
		core_book_one(c, (struct node *)best.node, group->v[i].container);
	}
	candidate_done(&best);
	return true;
}

static void forget_why(struct drain *drain, const struct group *group, bool cold)
{
	EACH_ITEM(drain, group, item)
	{
		if (cold) {
			item->code[0] = item->why[0] = '\0'; /* it is the mode's reason now */
			continue;
		}
		item->cold = false;
		item->mode_reason[0] = '\0';
	}
}

void drain_place_group(struct core *c, struct drain *drain, struct drain_item *lead,
		       const struct group *group)
{
	bool stepped = false;

	if (place_so(c, drain, lead, group))
		return;
	EACH_ITEM(drain, group, item)
	stepped |= drain_step_down(drain, item, item->code, item->why);
	if (stepped && place_so(c, drain, lead, group)) {
		forget_why(drain, group, true);
		return;
	}
	if (stepped)
		forget_why(drain, group, false);
	EACH_ITEM(drain, group, item)
	drain_step_to_stop(c, drain, item);
}
