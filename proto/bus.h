/* SPDX-License-Identifier: MPL-2.0
 *
 * The sockets. Coordinators bind, everybody else dials. TCP sockets are CURVE only; who a peer is
 * comes from the ZAP handler's User-Id on each message, never from routing ids or from what the
 * message says. A message whose sender's role may not send its type is dropped here.
 *
 * One thread owns the bus and all its sockets. There is one bus per process (czmq's context and the
 * ZAP endpoint are the process's); nothing here blocks except bus_poll. Connections come and go
 * unseen: deadlines and beats, not sockets, say whether a peer is there. The one exception is
 * bus_connected, for a peer that has to be greeted anew. */
#ifndef DROVER_PROTO_BUS_H
#define DROVER_PROTO_BUS_H

#include "base/err.h"
#include "proto/keys.h"
#include "proto/msg.h"
#include "proto/roster.h"

#include <stdbool.h>
#include <stdint.h>

#define BUS_ROUTE_MAX 255
#define BUS_ADDRESS_SIZE 64
#define BUS_LOCAL_ID "local" /* the sender's id on the local socket */

struct bus;
struct bus_sock;

/* keys and roster may be NULL where only local sockets are used; both are borrowed and must outlive
 * the bus. No signal handler is installed. NULL with err set on failure. */
struct bus *bus_new(const struct curve_keys *keys, const struct roster *roster, struct err *err);
void bus_free(struct bus **bus); /* closes what is still open */

/* Uses another roster from now on: for handshakes and for messages of connected peers. A node that
 * is gone, revoked or has another key there is not heard any more. The old one may be freed. */
void bus_set_roster(struct bus *bus, const struct roster *roster);

/* Binding sockets, TCP endpoints as "tcp://ADDRESS:PORT" ("*" for all, or for any free port).
 * -ERR_busy when somebody listens there, -ERR_config when CURVE or ZAP cannot be enforced. NULL
 * with err set on failure, like all constructors below. */
struct bus_sock *bus_router(struct bus *bus, const char *endpoint, struct err *err);
struct bus_sock *bus_sub(struct bus *bus, const char *endpoint, struct err *err);

/* Dialling sockets; server is the roster id whose public key the other end must hold. They connect
 * in the background and again after a loss; a dealer queues a few messages meanwhile. */
struct bus_sock *bus_dealer(struct bus *bus, const char *endpoint, const char *server,
			    struct err *err);
struct bus_sock *bus_pub(struct bus *bus, const char *endpoint, const char *server,
			 struct err *err);

/* The local command line's socket, "ipc:///path": no CURVE, the file's mode (0660) is the guard. A
 * stale file is replaced; -ERR_busy while another process listens there. A local peer is the id
 * "local" with ROLE_operator. The dealer answers -ERR_unreachable when the file is absent. */
struct bus_sock *bus_local_router(struct bus *bus, const char *endpoint, struct err *err);
struct bus_sock *bus_local_dealer(struct bus *bus, const char *endpoint, struct err *err);

/* Of a bus_dealer: whether a connection has been made, handshake and all, since this was last
 * asked. The other end of a new one knows nothing of us. bus_poll takes notice of it, and has the
 * socket ready then although bus_recv may have nothing. */
bool bus_connected(struct bus_sock *dealer);

void bus_sock_free(struct bus_sock **sock);

/* The endpoint as bound or dialled, with the port that was chosen for "*". */
const char *bus_sock_endpoint(const struct bus_sock *sock);

/* Where a message came from; copy it to answer later. The route is good only for bus_send on the
 * socket it came from, and only while that connection lasts. */
struct bus_from {
	char id[NAME_SIZE]; /* authenticated */
	enum role role;
	char address[BUS_ADDRESS_SIZE]; /* the peer's IP as the kernel sees it; "" when local */
	uint8_t route_len;              /* 0 for sub and dealer sockets */
	uint8_t route[BUS_ROUTE_MAX];
};

/* Encodes and queues one message, never blocks. `to` is needed on routers only.
 * -ERR_unreachable: that connection is gone. -ERR_busy: its queue is full. -ERR_invalid: the body
 * breaks a limit of its schema row. On pub sockets a message that nobody can take is dropped. */
int bus_send(struct bus_sock *sock, const struct bus_from *to, const struct msg_head *head,
	     const void *body, struct err *err);

/* 1: one message, *ret_msg for msg_free. 0: nothing more now. Negative: one bad message was read
 * and dropped, the socket goes on, call again; -ERR_protocol for malformed, -ERR_denied for a role
 * that may not send this type or a peer the roster no longer admits. *ret_from is set as far as it
 * was known, for the caller's (rate-limited) log line. */
int bus_recv(struct bus_sock *sock, struct bus_from *ret_from, struct msg **ret_msg,
	     struct err *err);

/* Whether a sender in this role may send this type. */
bool bus_may_send(enum role role, enum msg_type type);

/* Waits on sockets and plain descriptors together: sock, or fd where sock is NULL (fd -1: skipped).
 * Edge cases of ZMQ_FD are hidden: an item whose bus_recv has more to give is ready again. */
struct bus_poll_item {
	struct bus_sock *sock;
	int fd;
	bool want_out; /* fd only: also wait until it can be written */
	bool ready;    /* to read, or hung up */
	bool ready_out;
};

/* Number of ready items; 0 at the timeout or on a signal. timeout_ms -1 waits for ever. */
int bus_poll(struct bus_poll_item *items, size_t n, int timeout_ms, struct err *err);

#endif
