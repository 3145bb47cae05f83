/* SPDX-License-Identifier: MPL-2.0
 *
 * Two small tables of connections. */
#include "coordinator/routes.h"

#include "base/mem.h"

#include <string.h>

void routes_done(struct routes *routes)
{
	for (size_t i = 0; i < routes->n_nodes; i++)
		free(routes->nodes[i]);
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

/* The index of id, or of where it belongs. */
static size_t slot_of(const struct routes *routes, const char *id, bool *ret_found)
{
	size_t low = 0, high = routes->n_nodes;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(id, routes->nodes[middle]->from.id);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void routes_hear(struct routes *routes, struct bus_sock *sock, const struct bus_from *from)
{
	bool found;
	size_t at = slot_of(routes, from->id, &found);

	if (!found) {
		routes->nodes =
			mem_grow(routes->nodes, routes->n_nodes + 1, sizeof(*routes->nodes));
		memmove(routes->nodes + at + 1, routes->nodes + at,
			(routes->n_nodes - at) * sizeof(*routes->nodes));
		routes->nodes[at] = mem_new_of(struct route);
		routes->n_nodes++;
	}
	*routes->nodes[at] = (struct route){.sock = sock, .from = *from};
}

const struct route *routes_node(const struct routes *routes, const char *id)
{
	bool found;
	size_t at = slot_of(routes, id, &found);

	return found ? routes->nodes[at] : NULL;
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
