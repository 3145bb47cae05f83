/* SPDX-License-Identifier: MPL-2.0
 *
 * Hosts and containers in pages: of a large cluster they do not fit into one message, and the loop
 * must not stand still for all of them at once. A page begins at a key (a host; a container as
 * "host/id/runtime") and names the key of the next one. Keys have an order that does not change, so
 * that what stays where it is is listed once, whatever comes and goes between two pages. Nothing is
 * kept here from page to page: each shows what is known at its own moment. */
#include "coordinator/core_requests.h"

#include "base/mem.h"

#include <string.h>

#define PAGE_ITEMS 512
#define PAGE_BYTES (512 * 1024) /* half of what a message may have */
#define PAGE_JUDGED 100000      /* containers times hosts: the loop stands still for 20 ms */
#define KEY_SIZE (2 * NAME_SIZE + 32)

struct key {
	char host[NAME_SIZE];
	const char *id, *runtime; /* "" = from the host's first on */
};

static struct key key_parse(const char *page)
{
	size_t len = strcspn(page, "/");
	const char *id = page[len] ? page + len + 1 : "";
	const char *runtime = strchr(id, '/');
	struct key key = {.id = "", .runtime = runtime ? runtime + 1 : ""};

	if (len < sizeof(key.host))
		memcpy(key.host, page, len);
	key.id = id;
	return key;
}

/* As strcmp of the text before the next slash. */
static int compare_id(const char *id, const char *key)
{
	size_t len = strcspn(key, "/");
	int order = strncmp(id, key, len);

	return order ? order : id[len] != '\0';
}

static bool is_before(const struct msg_container *ct, const struct key *key)
{
	int order = compare_id(given(ct->id), key->id);

	return order < 0 || (order == 0 && strcmp(given(ct->runtime), key->runtime) < 0);
}

static const char *place_key(struct core *c, const char *host, const struct msg_container *ct)
{
	char *key = core_scratch(c, 1, KEY_SIZE);

	str_fmt(key, KEY_SIZE, "%s/%s/%s", host, given(ct->id), given(ct->runtime));
	return key;
}

/* --- hosts --- */

void core_page_hosts(struct core *c, const struct msg_request *request, struct msg_reply *reply)
{
	size_t at = nodes_seek(&c->nodes, given(request->page));

	reply->hosts.v = core_scratch(c, PAGE_ITEMS, sizeof(*reply->hosts.v));
	for (; at < c->nodes.n; at++) {
		const struct node *node = c->nodes.v[at];

		if (!node->enrolled || !core_host_wanted(request, node->id))
			continue;
		if (reply->hosts.n == PAGE_ITEMS) {
			reply->next = node->id;
			return;
		}
		core_show_host(c, node, &reply->hosts.v[reply->hosts.n++]);
	}
}

/* --- containers --- */

struct gathered {
	struct place *v;
	size_t n;
};

static void gather_one(void *arg, const struct place *place)
{
	struct gathered *all = arg;

	if (all->v)
		all->v[all->n] = *place;
	all->n++;
}

static int by_key(const void *a, const void *b)
{
	const struct msg_container *x = ((const struct place *)a)->container;
	const struct msg_container *y = ((const struct place *)b)->container;
	int order = strcmp(given(x->id), given(y->id));

	return order ? order : strcmp(given(x->runtime), given(y->runtime));
}

/* All of a host, in order of their keys. */
static struct gathered gather(struct core *c, struct node *node)
{
	struct nodes one = {.v = &node, .n = 1};
	struct gathered all = {0};

	nodes_each_place(&one, gather_one, &all);
	all.v = core_scratch(c, all.n + 1, sizeof(*all.v));
	all.n = 0;
	nodes_each_place(&one, gather_one, &all);
	qsort(all.v, all.n, sizeof(*all.v), by_key);
	return all;
}

/* False when the page is full. */
static bool page_host(struct core *c, const struct msg_request *request, struct node *node,
		      const struct key *from, size_t limit, struct msg_reply *reply)
{
	struct gathered all = gather(c, node);

	for (size_t i = 0; i < all.n; i++) {
		const struct place *place = &all.v[i];

		if ((str_eq(node->id, from->host) && is_before(place->container, from)) ||
		    !core_place_wanted(c, request, place))
			continue;
		if (reply->places.n == limit) {
			reply->next = place_key(c, node->id, place->container);
			return false;
		}
		core_show_place(c, place, &reply->places.v[reply->places.n++]);
	}
	return true;
}

void core_page_places(struct core *c, const struct msg_request *request, struct msg_reply *reply)
{
	struct key from = key_parse(given(request->page));
	size_t limit = PAGE_ITEMS, judged = PAGE_JUDGED / (c->nodes.n + 1) + 1;

	if (given(request->mode)[0] && judged < limit)
		limit = judged;
	reply->places.v = core_scratch(c, limit, sizeof(*reply->places.v));
	for (size_t i = nodes_seek(&c->nodes, from.host); i < c->nodes.n; i++)
		if (core_host_wanted(request, c->nodes.v[i]->id) &&
		    !page_host(c, request, c->nodes.v[i], &from, limit, reply))
			return;
}

/* --- what fits --- */

static bool is_too_large(const struct msg_reply *reply)
{
	auto_free void *data = NULL;
	size_t len;

	return msg_encode_body(MSG_TYPE_reply, reply, &data, &len, NULL) || len > PAGE_BYTES;
}

void core_page_fit(struct core *c, struct msg_reply *reply)
{
	while (reply->hosts.n > 1 && is_too_large(reply)) {
		reply->hosts.n /= 2;
		reply->next = reply->hosts.v[reply->hosts.n].id;
	}
	while (reply->places.n > 1 && is_too_large(reply)) {
		const struct msg_place *first = &reply->places.v[reply->places.n /= 2];

		reply->next = place_key(c, first->host, first->container);
	}
}
