/* SPDX-License-Identifier: MPL-2.0
 *
 * What bus.c (messages) and bus_sock.c (making sockets) share. */
#ifndef DROVER_PROTO_BUS_PRIVATE_H
#define DROVER_PROTO_BUS_PRIVATE_H

#include "proto/bus.h"
#include "proto/zap.h"

#include <czmq.h>

#define BUS_ENDPOINT_SIZE 256

struct bus {
	const struct curve_keys *keys;
	const struct roster *roster;
	struct zap *zap; /* started with the first socket that binds TCP */
	struct bus_sock *socks;
};

/* One row of the table in bus_sock.c. */
struct bus_kind {
	const char *name;
	int type; /* ZMQ_ROUTER … */
	bool binds;
	bool local;
	const char *domain; /* ZAP's, for sockets that bind TCP */
	int send_hwm;       /* per peer, messages */
	int recv_hwm;
};

struct bus_sock {
	struct bus *bus;
	struct bus_sock *next;
	const struct bus_kind *kind;
	zsock_t *zsock;
	zsock_t *monitor; /* dealers over TCP: tells of finished handshakes, else NULL */
	bool connected;   /* since bus_connected was last asked */
	int lock_fd;      /* local router: the lock file, held while it listens */
	char endpoint[BUS_ENDPOINT_SIZE];
	char server[NAME_SIZE]; /* dialling sockets: who the other end is */
};

#endif
