/* SPDX-License-Identifier: MPL-2.0
 *
 * Which container is where. A source copy that was released and a target copy that only waits to be
 * started are listed by their hosts too; they are marked secondary and never chosen by name while
 * the container itself is listed anywhere. */
#include "coordinator/nodes.h"

#include "base/mem.h"

#include <string.h>

bool strs_have(const struct msg_strs *strs, const char *text)
{
	for (size_t i = 0; i < strs->n; i++)
		if (str_eq(strs->v[i], text))
			return true;
	return false;
}

bool container_is_copy(const struct msg_container *container)
{
	static const char *const copies[] = {"released", "prepared", "done", "refused", "lost"};

	if (!container->migration || !*container->migration)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(copies); i++)
		if (str_eq(container->authority, copies[i]))
			return true;
	return false;
}

static const struct shift *shift_of(const struct node *node, const char *id)
{
	for (const struct shift *s = node->shifts; s; s = s->next)
		if (str_eq(s->id, id))
			return s;
	return NULL;
}

static void each_place_of(const struct node *node, place_fn *fn, void *arg)
{
	const struct msg_caps *caps = node->caps ? node->caps->caps : NULL;

	for (size_t i = 0; caps && i < caps->containers.n; i++) {
		struct place place = {.node = node, .container = &caps->containers.v[i]};

		if (!place.container->id || shift_of(node, place.container->id))
			continue;
		place.secondary = container_is_copy(place.container);
		fn(arg, &place);
	}
	for (const struct shift *s = node->shifts; s; s = s->next)
		if (s->here && s->facts)
			fn(arg,
			   &(struct place){.node = node, .container = s->facts->answer->facts});
}

void nodes_each_place(const struct nodes *nodes, place_fn *fn, void *arg)
{
	for (size_t i = 0; i < nodes->n; i++)
		each_place_of(nodes->v[i], fn, arg);
}

static struct shift *shift_new(struct node *node, const char *id, bool here, uint64_t now_ms)
{
	struct shift **at = &node->shifts;
	struct shift *s;

	while (*at && !str_eq((*at)->id, id))
		at = &(*at)->next;
	if (!*at)
		*at = mem_new_of(struct shift);
	s = *at;
	str_copy(s->id, sizeof(s->id), id);
	s->here = here;
	s->made_ms = now_ms;
	msg_free(&s->facts);
	return s;
}

void nodes_moved(struct nodes *nodes, const char *id, const char *from, const char *to,
		 const struct msg_container *facts, uint64_t now_ms)
{
	struct node *source = nodes_find(nodes, from), *target = nodes_find(nodes, to);

	if (source && node_container(source, id))
		shift_new(source, id, false, now_ms);
	if (target && facts) {
		struct msg_container arrived = *facts;

		arrived.migration = arrived.authority = NULL;
		shift_new(target, id, true, now_ms)->facts =
			msg_copy(MSG_TYPE_answer, &(struct msg_answer){.facts = &arrived});
	}
}

struct search {
	const char *id, *host;
	struct place primary, secondary;
	size_t primaries;
	char hosts[256]; /* those that have it */
};

static void search_one(void *arg, const struct place *place)
{
	struct search *search = arg;
	size_t used = strlen(search->hosts);

	if (search->host && !str_eq(search->host, place->node->id))
		return;
	if (!str_eq(search->id, place->container->id))
		return;
	if (place->secondary) {
		search->secondary = *place;
		return;
	}
	search->primary = *place;
	str_fmt(search->hosts + used, sizeof(search->hosts) - used, "%s%s",
		search->primaries ? ", " : "", place->node->id);
	search->primaries++;
}

struct name_list {
	const char *host;
	const char **v;
	size_t n;
};

static void list_name(void *arg, const struct place *place)
{
	struct name_list *list = arg;

	if (list->host && !str_eq(list->host, place->node->id))
		return;
	list->v = mem_grow(list->v, list->n + 1, sizeof(char *));
	list->v[list->n++] = place->container->id;
}

static int not_found(const struct nodes *nodes, const struct search *search, struct err *err)
{
	const char *on = search->host ? " on " : "", *host = given(search->host), *near;
	struct name_list list = {.host = search->host};

	nodes_each_place(nodes, list_name, &list);
	near = str_nearest(search->id, list.v, list.n);
	free(list.v);
	if (near)
		fail(err, ERR_nosuch, "no container %s%s%s, did you mean %s?", search->id, on, host,
		     near);
	else
		fail(err, ERR_nosuch, "no container %s%s%s", search->id, on, host);
	return err_fix(err, "drover ps lists the containers that the hosts report");
}

static int choose(const struct nodes *nodes, const struct search *search, struct place *ret,
		  struct err *err)
{
	if (search->primaries > 1) {
		fail(err, ERR_refused, "%s is on several hosts (%s)", search->id, search->hosts);
		return err_fix(err, "name one: HOST/%s, or --from HOST", search->id);
	}
	if (!search->primaries && !search->secondary.node)
		return not_found(nodes, search, err);
	*ret = search->primaries ? search->primary : search->secondary;
	return 0;
}

int nodes_find_container(const struct nodes *nodes, const char *name, const char *from,
			 struct place *ret, struct err *err)
{
	const char *slash = strchr(given(name), '/');
	struct search search = {.id = slash ? slash + 1 : given(name)};
	char host[NAME_SIZE] = "";
	struct node *node;
	uint64_t hash;
	int rc;

	if (slash && (size_t)(slash - name) < sizeof(host))
		memcpy(host, name, (size_t)(slash - name));
	else
		str_copy(host, sizeof(host), from);
	if (!name_ok(search.id))
		return fail(err, ERR_usage, "\"%s\" is no container name", given(name));
	if (host[0]) {
		rc = nodes_find_host(nodes, host, &node, err);
		if (rc)
			return rc;
		search.host = host;
	}
	hash = hash_text(search.id);
	for (size_t i = 0; i < nodes->n; i++)
		if (nodes->v[i]->shifts || bloom_has(&nodes->v[i]->digest.containers, hash))
			each_place_of(nodes->v[i], search_one, &search);
	return choose(nodes, &search, ret, err);
}

int nodes_find_host(const struct nodes *nodes, const char *id, struct node **ret, struct err *err)
{
	auto_free const char **names = mem_new(nodes->n + 1, sizeof(char *));
	const char *near;

	*ret = nodes_find(nodes, id);
	if (*ret)
		return 0;
	for (size_t i = 0; i < nodes->n; i++)
		names[i] = nodes->v[i]->id;
	near = str_nearest(given(id), names, nodes->n);
	if (near)
		fail(err, ERR_nosuch, "no host %s, did you mean %s?", given(id), near);
	else
		fail(err, ERR_nosuch, "no host %s in the roster", given(id));
	return err_fix(err, "drover hosts lists them");
}

struct pick {
	const char *id;
	const struct msg_container *found;
};

static void pick_one(void *arg, const struct place *place)
{
	struct pick *pick = arg;

	if (str_eq(pick->id, place->container->id))
		pick->found = place->container;
}

const struct msg_container *node_container(const struct node *node, const char *id)
{
	struct pick pick = {.id = id};

	each_place_of(node, pick_one, &pick);
	return pick.found;
}

const struct msg_usage *node_usage(const struct node *node, const char *id)
{
	const struct msg_beat *beat = node->beat ? node->beat->beat : NULL;

	for (size_t i = 0; beat && i < beat->usage.n; i++)
		if (str_eq(beat->usage.v[i].id, id))
			return &beat->usage.v[i];
	return NULL;
}
