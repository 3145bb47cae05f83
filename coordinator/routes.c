/* SPDX-License-Identifier: MPL-2.0
 *
 * Two small tables of connections. */
#include "coordinator/routes.h"

#include "base/mem.h"

#include <string.h>

void routes_done(struct routes *routes)
{
	free(routes->nodes);
	free(routes->clients);
	*routes = (struct routes){0};
}

static bool same_peer(const struct route *route, const struct bus_sock *sock,
		      const struct bus_from *from)
{
	return route->sock == sock && route->from.route_len == from->route_len &&
	       memcmp(route->from.route, from->route, from->route_len) == 0 &&
	       str_eq(route->from.id, from->id);
}

void routes_hear(struct routes *routes, struct bus_sock *sock, const struct bus_from *from)
{
	struct route *route = (struct route *)routes_node(routes, from->id);

	if (!route) {
		routes->nodes =
			mem_grow(routes->nodes, routes->n_nodes + 1, sizeof(*routes->nodes));
		route = &routes->nodes[routes->n_nodes++];
	}
	*route = (struct route){.sock = sock, .from = *from};
}

const struct route *routes_node(const struct routes *routes, const char *id)
{
	for (size_t i = 0; i < routes->n_nodes; i++)
		if (str_eq(routes->nodes[i].from.id, id))
			return &routes->nodes[i];
	return NULL;
}

uint64_t routes_client(struct routes *routes, struct bus_sock *sock, const struct bus_from *from,
		       uint64_t *ret_gone)
{
	struct route *route;

	*ret_gone = 0;
	for (size_t i = 0; i < routes->n_clients; i++)
		if (same_peer(&routes->clients[i], sock, from))
			return routes->clients[i].handle;
	if (routes->n_clients == ROUTES_CLIENTS_MAX) {
		*ret_gone = routes->clients[0].handle;
		routes_forget(routes, *ret_gone);
	}
	routes->clients =
		mem_grow(routes->clients, routes->n_clients + 1, sizeof(*routes->clients));
	route = &routes->clients[routes->n_clients++];
	*route = (struct route){.sock = sock, .from = *from, .handle = ++routes->last_handle};
	return route->handle;
}

const struct route *routes_find(const struct routes *routes, uint64_t handle)
{
	for (size_t i = 0; i < routes->n_clients; i++)
		if (routes->clients[i].handle == handle)
			return &routes->clients[i];
	return NULL;
}

void routes_forget(struct routes *routes, uint64_t handle)
{
	for (size_t i = 0; i < routes->n_clients; i++) {
		if (routes->clients[i].handle != handle)
			continue;
		memmove(routes->clients + i, routes->clients + i + 1,
			(routes->n_clients - i - 1) * sizeof(*routes->clients));
		routes->n_clients--;
		return;
	}
}
