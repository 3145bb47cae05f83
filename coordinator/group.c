/* SPDX-License-Identifier: MPL-2.0
 *
 * Ties, and what hangs together by them. */
#include "coordinator/group.h"

#include "base/mem.h"

#include <string.h>

#define LABEL "group="

/* The label drover.group, "" when there is none. */
static const char *label_of(const struct msg_container *ct)
{
	for (size_t i = 0; i < ct->labels.n; i++)
		if (str_starts(ct->labels.v[i], LABEL))
			return ct->labels.v[i] + strlen(LABEL);
	return "";
}

static bool may_be_tied(const struct msg_container *ct)
{
	return *label_of(ct);
}

static bool is_tied(const struct msg_container *a, const struct msg_container *b)
{
	return *label_of(a) && str_eq(label_of(a), label_of(b));
}

/* --- what hangs together --- */

#define TIED_MAX 512 /* containers of CAPS */

struct walk {
	struct place v[TIED_MAX];
	bool in[TIED_MAX];
	size_t n;
};

static void take_one(void *arg, const struct place *place)
{
	struct walk *walk = arg;

	if (place->secondary || !str_eq(place->container->status, "running") ||
	    !may_be_tied(place->container) || walk->n == TIED_MAX)
		return;
	walk->v[walk->n++] = *place;
}

/* Marks all that hang together with the one at `from`. */
static size_t spread_from(struct walk *walk, size_t from)
{
	size_t queue[TIED_MAX], n = 0;

	walk->in[from] = true;
	queue[n++] = from;
	for (size_t head = 0; head < n; head++)
		for (size_t k = 0; k < walk->n; k++) {
			if (walk->in[k] ||
			    !is_tied(walk->v[queue[head]].container, walk->v[k].container))
				continue;
			walk->in[k] = true;
			queue[n++] = k;
		}
	return n;
}

/* --- their name --- */

static void keep_first(const char **name, const char *one)
{
	if (*one && (!**name || strcmp(one, *name) < 0))
		*name = one;
}

static void name_it(const struct walk *walk, struct group *ret)
{
	const char *label = "";

	for (size_t i = 0; i < walk->n; i++)
		if (walk->in[i])
			keep_first(&label, label_of(walk->v[i].container));
	str_fmt(ret->name, sizeof(ret->name), "%.63s", label);
}

void group_of(const struct place *place, struct group *ret)
{
	struct node *node = (struct node *)place->node;
	struct nodes one = {.v = &node, .n = 1};
	auto_free struct walk *walk = NULL;
	size_t self = 0;

	*ret = (struct group){.n = 1, .v = {*place}};
	if (!may_be_tied(place->container))
		return;
	walk = mem_new_of(struct walk);
	nodes_each_place(&one, take_one, walk);
	while (self < walk->n && !str_eq(walk->v[self].container->id, place->container->id))
		self++;
	if (self == walk->n)
		return;
	ret->n = spread_from(walk, self);
	if (ret->n == 1)
		return;
	for (size_t i = 0, at = 1; i < walk->n && at < GROUP_MAX; i++)
		if (walk->in[i] && i != self)
			ret->v[at++] = walk->v[i];
	name_it(walk, ret);
}

bool group_has(const struct group *group, const char *id, const char *host)
{
	for (size_t i = 0; i < group_listed(group); i++)
		if (str_eq(group->v[i].container->id, id) && str_eq(group->v[i].node->id, host))
			return true;
	return false;
}
