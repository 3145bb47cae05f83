/* SPDX-License-Identifier: MPL-2.0
 *
 * Ties, and what hangs together by them. */
#include "coordinator/group.h"

#include "base/mem.h"

#include <string.h>

#define LABEL "group="
#define NO_GROUP "none"

/* --- ties --- */

static const char *given_label(const struct msg_container *ct)
{
	for (size_t i = 0; i < ct->labels.n; i++)
		if (str_starts(ct->labels.v[i], LABEL))
			return ct->labels.v[i] + strlen(LABEL);
	return "";
}

/* The label drover.group, "" when there is none. */
static const char *label_of(const struct msg_container *ct)
{
	const char *label = given_label(ct);

	return str_eq(label, NO_GROUP) ? "" : label;
}

/* Its host has found no other that it could be tied to: most are told apart by this alone. */
static bool may_be_tied(const struct msg_container *ct)
{
	return *label_of(ct) || ct->shares_with.n || ct->shared_volumes.n;
}

/* The named namespace that they are both in, "" when there is none. */
static const char *common_netns(const struct msg_container *a, const struct msg_container *b)
{
	bool named =
		a->net && b->net && str_eq(a->net->kind, "named") && str_eq(b->net->kind, "named");

	return named && str_eq(given(a->net->netns), given(b->net->netns)) ? given(a->net->netns)
									   : "";
}

/* 0 absent, 1 read, 2 written; sockets and devices are no data. */
static int use_of(const struct msg_container *ct, const char *source)
{
	int use = 0;

	for (size_t i = 0; i < ct->mounts.n; i++) {
		const struct msg_mount *mount = &ct->mounts.v[i];
		int one = mount->readonly ? 1 : 2;

		if (str_eq(mount->source, source) && one > use &&
		    (str_eq(mount->kind, "dir") || str_eq(mount->kind, "file")))
			use = one;
	}
	return use;
}

/* The first volume that both use and one of them writes to, "" when there is none. */
static const char *common_volume(const struct msg_container *a, const struct msg_container *b)
{
	if (str_eq(given_label(a), NO_GROUP) || str_eq(given_label(b), NO_GROUP))
		return "";
	for (size_t i = 0; i < a->shared_volumes.n; i++) {
		const char *source = a->shared_volumes.v[i];
		int mine = use_of(a, source), theirs = use_of(b, source);

		if (mine && theirs && mine + theirs > 2)
			return source;
	}
	return "";
}

static bool is_tied(const struct msg_container *a, const struct msg_container *b)
{
	return (*label_of(a) && str_eq(label_of(a), label_of(b))) || *common_netns(a, b) ||
	       *common_volume(a, b);
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

/* By its label if one has one, else by what they have in common; of several the first in the
 * alphabet. */
static void name_it(const struct walk *walk, struct group *ret)
{
	const char *label = "", *netns = "", *volume = "";

	for (size_t i = 0; i < walk->n; i++) {
		if (!walk->in[i])
			continue;
		keep_first(&label, label_of(walk->v[i].container));
		for (size_t k = 0; k < walk->n; k++) {
			if (k == i || !walk->in[k])
				continue;
			keep_first(&netns,
				   common_netns(walk->v[i].container, walk->v[k].container));
			keep_first(&volume,
				   common_volume(walk->v[i].container, walk->v[k].container));
		}
	}
	str_fmt(ret->name, sizeof(ret->name), "%.63s", *label ? label : *netns ? netns : volume);
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
