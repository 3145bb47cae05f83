/* SPDX-License-Identifier: MPL-2.0
 *
 * From a decoded ask to the fixed-size struct that the executor takes. */
#include "base/mem.h"
#include "worker/bus_side.h"

#include <string.h>

static int text(char *to, size_t size, const char *from, const char *name, struct err *err)
{
	if (!str_copy(to, size, from))
		return fail(err, ERR_protocol, "ask.%s is longer than %zu", name, size - 1);
	return 0;
}

static int bytes(uint8_t *to, size_t size, uint32_t *len, struct msg_bin from, const char *name,
		 struct err *err)
{
	if (from.len > size)
		return fail(err, ERR_protocol, "ask.%s is longer than %zu", name, size);
	if (from.len)
		memcpy(to, from.data, from.len);
	*len = (uint32_t)from.len;
	return 0;
}

static int net_lists(const struct msg_net *from, struct net_state *to, struct err *err)
{
	int rc = 0;

	if (from->addrs.n > NET_ADDRS || from->routes.n > NET_ROUTES || from->neigh.n > NET_NEIGH)
		return fail(err, ERR_protocol, "ask.net has too many entries");
	for (; !rc && to->n_addrs < from->addrs.n; to->n_addrs++)
		rc = net_addr_parse(from->addrs.v[to->n_addrs], &to->addrs[to->n_addrs], err);
	for (; !rc && to->n_routes < from->routes.n; to->n_routes++)
		rc = net_route_parse(from->routes.v[to->n_routes], &to->routes[to->n_routes], err);
	for (; !rc && to->n_neigh < from->neigh.n; to->n_neigh++)
		rc = net_neigh_parse(from->neigh.v[to->n_neigh], &to->neigh[to->n_neigh], err);
	return rc;
}

static int net(const struct msg_net *from, struct net_state *to, struct err *err)
{
	int rc = net_kind_parse(from->kind ? from->kind : "none", &to->kind, err);

	if (rc || to->kind != NET_NAMED)
		return rc;
	rc = text(to->netns, sizeof(to->netns), from->netns, "net.netns", err);
	if (!rc)
		rc = text(to->ifname, sizeof(to->ifname), from->ifname, "net.ifname", err);
	if (!rc)
		rc = text(to->host_ifname, sizeof(to->host_ifname), from->host_ifname,
			  "net.host_ifname", err);
	if (!rc)
		rc = text(to->bridge, sizeof(to->bridge), from->bridge, "net.bridge", err);
	if (!rc)
		rc = net_mac_parse(from->mac ? from->mac : "", to->mac, err);
	to->mtu = (uint32_t)from->mtu;
	to->n_links = 1;
	return rc ? rc : net_lists(from, to, err);
}

static int texts_of(const struct msg_strs *from, char *to, size_t max, size_t size, uint32_t *n,
		    const char *name, struct err *err)
{
	int rc = 0;

	if (from->n > max)
		return fail(err, ERR_protocol, "ask has more than %zu %s", max, name);
	for (*n = 0; !rc && *n < from->n; ++*n)
		rc = text(to + *n * size, size, from->v[*n], name, err);
	return rc;
}

static int mounts(const struct msg_container *from, struct wire_uses *to, struct err *err)
{
	int rc = 0;

	if (from->mounts.n > WIRE_MOUNTS)
		return fail(err, ERR_protocol, "more than %d mounts", WIRE_MOUNTS);
	for (size_t i = 0; !rc && i < from->mounts.n; i++) {
		const struct msg_mount *mount = &from->mounts.v[i];
		struct wire_mount *out = &to->mounts[to->n_mounts++];

		rc = text(out->source, sizeof(out->source), mount->source, "mounts", err);
		if (!rc)
			rc = text(out->kind, sizeof(out->kind), mount->kind, "mounts.kind", err);
		if (!rc)
			rc = text(out->rdev, sizeof(out->rdev), mount->rdev, "mounts.rdev", err);
	}
	return rc;
}

static int devices(const struct msg_container *from, struct wire_uses *to, struct err *err)
{
	int rc = 0;

	if (from->devices.n > WIRE_DEVICES)
		return fail(err, ERR_protocol, "more than %d devices", WIRE_DEVICES);
	for (size_t i = 0; !rc && i < from->devices.n; i++) {
		const struct msg_device *device = &from->devices.v[i];
		struct wire_device *out = &to->devices[to->n_devices++];

		out->major = (uint32_t)device->major;
		out->minor = (uint32_t)device->minor;
		rc = text(out->path, sizeof(out->path), device->path, "devices", err);
		if (!rc)
			rc = text(out->kind, sizeof(out->kind), device->kind, "devices.kind", err);
	}
	return rc;
}

/* What a target tests for itself. */
static int facts(const struct msg_container *from, struct wire_uses *to, struct err *err)
{
	int rc;

	if (!from)
		return 0;
	to->hooks = from->hooks;
	to->criu_config = from->criu_config;
	rc = mounts(from, to, err);
	if (!rc)
		rc = devices(from, to, err);
	if (!rc)
		rc = texts_of(&from->security, to->security[0], WIRE_DEVICES,
			      sizeof(to->security[0]), &to->n_security, "security", err);
	if (!rc)
		rc = texts_of(&from->listening, to->listening[0], WIRE_LISTENING,
			      sizeof(to->listening[0]), &to->n_listening, "listening", err);
	return rc ? rc : text(to->image, sizeof(to->image), from->image, "image", err);
}

static int texts(const struct msg_ask *ask, struct wire_ask *to, struct err *err)
{
	const struct {
		char *to;
		size_t size;
		const char *from, *name;
	} rows[] = {{to->migration, sizeof(to->migration), ask->migration, "migration"},
		    {to->container, sizeof(to->container), ask->container, "container"},
		    {to->source, sizeof(to->source), ask->source, "source"},
		    {to->target, sizeof(to->target), ask->target, "target"},
		    {to->runtime, sizeof(to->runtime), ask->runtime, "runtime"},
		    {to->bundle, sizeof(to->bundle), ask->bundle, "bundle"},
		    {to->peer_address, sizeof(to->peer_address), ask->peer_address, "peer_address"},
		    {to->reason, sizeof(to->reason), ask->reason, "reason"},
		    {to->group, sizeof(to->group), ask->group, "group"},
		    {to->event, sizeof(to->event), ask->event, "event"},
		    {to->outcome, sizeof(to->outcome), ask->outcome, "outcome"},
		    {
			    to->operator,
			    sizeof(to->operator),
			    ask->operator,
			    "operator" },
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_LEN(rows); i++)
		rc = text(rows[i].to, rows[i].size, rows[i].from, rows[i].name, err);
	return rc;
}

int bus_ask(const struct msg_ask *ask, const char *request, struct wire_ask *to, struct err *err)
{
	uint32_t skips;
	int rc;

	memset(to, 0, sizeof(*to));
	to->head = (struct wire_in_head){WIRE_MAGIC, WIRE_ASK};
	str_copy(to->request, sizeof(to->request), request);
	to->step = ask->step < STEP_COUNT ? (uint32_t)ask->step : 0;
	to->attempt = ask->attempt;
	to->epoch = ask->epoch;
	to->term = ask->term;
	to->deadline_ms = ask->deadline_ms;
	to->rss_bytes = ask->rss_bytes;
	to->tree_bytes = ask->tree_bytes;
	to->rounds = ask->rounds;
	to->offset = ask->offset;
	to->moved = ask->moved;
	to->left = ask->left;
	to->group_size = ask->group_size < UINT32_MAX ? (uint32_t)ask->group_size : UINT32_MAX;
	to->peer_port = (uint32_t)ask->peer_port;
	to->cold = str_eq(ask->mode, "cold");
	rc = texts(ask, to, err);
	if (!rc)
		rc = texts_of(&ask->skip, to->skip[0], WIRE_SKIPS, sizeof(to->skip[0]), &skips,
			      "skip", err);
	if (!rc)
		rc = bytes(to->ticket, sizeof(to->ticket), &to->ticket_len, ask->ticket, "ticket",
			   err);
	if (!rc)
		rc = bytes(to->digest, sizeof(to->digest), &to->digest_len, ask->digest, "digest",
			   err);
	if (!rc)
		rc = bytes(to->proof, sizeof(to->proof), &to->proof_len, ask->proof, "proof", err);
	if (!rc)
		rc = bytes(to->cpuinfo, sizeof(to->cpuinfo), &to->cpuinfo_len, ask->cpuinfo,
			   "cpuinfo", err);
	if (!rc && ask->net) {
		to->has_net = true;
		rc = net(ask->net, &to->net, err);
	}
	return rc ? rc : facts(ask->container_facts, &to->uses, err);
}
