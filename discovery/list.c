/* SPDX-License-Identifier: MPL-2.0
 *
 * Peers from a fixed list. The descriptor is an eventfd that is readable until the first dispatch
 * and again after a refresh, so that the owner needs no special case. */
#include "base/mem.h"
#include "discovery/private.h"

#include <string.h>
#include <sys/eventfd.h>

#define ITEM_SIZE 256

struct list {
	struct discovery base;
	struct discovery_peer *peers;
	size_t len;
};

static void list_dispatch(struct discovery *discovery)
{
	struct list *list = (struct list *)discovery;
	eventfd_t count;

	if (eventfd_read(discovery->fd, &count) < 0)
		return;
	for (size_t i = 0; i < list->len; i++)
		discovery->fn(discovery->arg, DISCOVERY_found, &list->peers[i]);
}

/* An entry does not change, but the address of its name may: told of it again, the owner dials, and
 * so resolves, anew. */
static void list_refresh(struct discovery *discovery, const char *id)
{
	(void)id;
	eventfd_write(discovery->fd, 1);
}

static void list_free(struct discovery *discovery)
{
	struct list *list = (struct list *)discovery;

	if (discovery->fd >= 0)
		close(discovery->fd);
	free(list->peers);
	free(list);
}

static bool host_ok(const char *host)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789.:%_-";

	return *host && !strchr("-.%_", *host) && strspn(host, allowed) == strlen(host);
}

static bool port_parse(const char *s, uint16_t *ret)
{
	uint64_t port;

	/* The port after it has to exist as well: beats. */
	if (!str_u64(s, 1, UINT16_MAX - 1, &port))
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* [id@]host[:port], where host is a name, an IPv4 address or [an IPv6 address]. Cuts item. */
static bool item_parse(char *item, struct discovery_peer *peer)
{
	char *host = item, *at = strchr(item, '@'), *colon = NULL;

	if (at) {
		*at = '\0';
		host = at + 1;
		if (!name_ok(item))
			return false;
		str_copy(peer->id, sizeof(peer->id), item);
	}
	if (*host == '[') {
		char *end = strchr(++host, ']');

		if (!end || (end[1] != '\0' && end[1] != ':') || !strchr(host, ':'))
			return false;
		*end = '\0';
		colon = end[1] ? end + 1 : NULL;
	} else {
		colon = strchr(host, ':');
		/* Two colons without brackets: is the last number a port? Nobody can tell. */
		if (colon && strchr(colon + 1, ':'))
			return false;
	}
	if (colon) {
		*colon = '\0';
		if (!port_parse(colon + 1, &peer->port))
			return false;
	}
	return host_ok(host) && str_copy(peer->address, sizeof(peer->address), host);
}

static int list_add(struct list *list, const char *start, size_t len, uint16_t port,
		    struct err *err)
{
	char item[ITEM_SIZE];
	struct discovery_peer peer = {.role = list->base.browse, .port = port};

	if (!str_fmt(item, sizeof(item), "%.*s", (int)len, start) || !item_parse(item, &peer))
		return fail(err, ERR_invalid,
			    "\"%.*s\" is none of host, host:port, [v6]:port or id@ before these",
			    (int)(len < 80 ? len : 80), start);
	peer.beats_port = (uint16_t)(peer.port + 1);
	if (list->len == DISCOVERY_PEERS_MAX)
		return fail(err, ERR_invalid, "more than %d addresses", DISCOVERY_PEERS_MAX);
	list->peers = mem_grow(list->peers, list->len + 1, sizeof(*list->peers));
	list->peers[list->len++] = peer;
	return 0;
}

static int list_parse(struct list *list, const char *text, uint16_t port, struct err *err)
{
	static const char blank[] = " \t,";

	for (;;) {
		size_t len;

		text += strspn(text, blank);
		if (!*text)
			return 0;
		len = strcspn(text, blank);
		if (list_add(list, text, len, port, err) < 0)
			return -ERR_invalid;
		text += len;
	}
}

struct discovery *discovery_list(const char *text, enum discovery_role browse, uint16_t port,
				 discovery_fn *fn, void *arg, struct err *err)
{
	static const struct discovery_ops ops = {list_dispatch, list_refresh, list_free};
	struct list *list = mem_new_of(struct list);

	list->base = (struct discovery){&ops, -1, browse, fn, arg};
	list->base.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (list->base.fd < 0)
		fail_errno(err, ERR_io, "making an eventfd");
	else if (list_parse(list, text, port, err) == 0)
		return &list->base;
	list_free(&list->base);
	return NULL;
}
