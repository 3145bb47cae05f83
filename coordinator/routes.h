/* SPDX-License-Identifier: MPL-2.0
 *
 * Where to send: the last connection of each worker, and a handle for each client's connection, so
 * that the core knows neither sockets nor routes. */
#ifndef DROVER_COORDINATOR_ROUTES_H
#define DROVER_COORDINATOR_ROUTES_H

#include "proto/bus.h"

#include <stddef.h>
#include <stdint.h>

struct route {
	struct bus_sock *sock;
	struct bus_from from;
	uint64_t handle; /* clients */
};

struct routes {
	struct route **nodes; /* sorted by id */
	size_t n_nodes;
	struct route *clients; /* oldest first */
	size_t n_clients;
	uint64_t last_handle;
};

#define ROUTES_CLIENTS_MAX 2048

void routes_done(struct routes *routes);

/* Notes the connection that a worker speaks over. */
void routes_hear(struct routes *routes, struct bus_sock *sock, const struct bus_from *from);

/* Borrowed until the next routes_ call; NULL when it was never heard on the commands socket. */
const struct route *routes_node(const struct routes *routes, const char *id);

/* The handle of a client's connection, the same for as long as it lasts. When the table is full the
 * oldest is forgotten: *ret_gone is its handle, else 0. */
uint64_t routes_client(struct routes *routes, struct bus_sock *sock, const struct bus_from *from,
		       uint64_t *ret_gone);
const struct route *routes_find(const struct routes *routes, uint64_t handle);
void routes_forget(struct routes *routes, uint64_t handle);

#endif
