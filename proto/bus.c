/* SPDX-License-Identifier: MPL-2.0
 *
 * Messages on the sockets of bus_sock.c. Every received message is judged in this order: shape of
 * the frames, who sent it (ZAP's word, checked against the roster of now), the codec, and the table
 * of who may say what. What fails is dropped whole; the socket always goes on. */
#include "proto/bus.h"

#include "base/mem.h"
#include "proto/bus_private.h"

#include <errno.h>
#include <string.h>

#define FRAMES_MAX 2

/* clang-format off */
static const struct { enum msg_type type; unsigned roles; } senders[] = {
	{ MSG_TYPE_hello,    ROLE_worker },
	{ MSG_TYPE_welcome,  ROLE_coordinator },
	{ MSG_TYPE_beat,     ROLE_worker },
	{ MSG_TYPE_caps,     ROLE_worker },
	{ MSG_TYPE_ask,      ROLE_coordinator },
	{ MSG_TYPE_ack,      ROLE_worker },
	{ MSG_TYPE_progress, ROLE_worker },
	{ MSG_TYPE_answer,   ROLE_worker },
	{ MSG_TYPE_cancel,   ROLE_coordinator },
	{ MSG_TYPE_bye,      ROLE_worker | ROLE_coordinator },
	{ MSG_TYPE_request,  ROLE_operator },
	{ MSG_TYPE_reply,    ROLE_coordinator },
	{ MSG_TYPE_event,    ROLE_coordinator },
	{ MSG_TYPE_probe,    ROLE_coordinator },
	{ MSG_TYPE_sight,    ROLE_worker },
};
/* clang-format on */

bool bus_may_send(enum role role, enum msg_type type)
{
	for (size_t i = 0; i < ARRAY_LEN(senders); i++)
		if (senders[i].type == type)
			return senders[i].roles & role;
	return false;
}

static unsigned buses; /* in this process; the last one ends czmq's context */

struct bus *bus_new(const struct curve_keys *keys, const struct roster *roster, struct err *err)
{
	struct bus *bus;

	zsys_handler_set(NULL); /* before zsys_init, which would take SIGINT and SIGTERM */
	if (!zsys_init()) {
		fail(err, ERR_nomem, "libzmq does not start: %s", zmq_strerror(errno));
		return NULL;
	}
	bus = mem_new_of(struct bus);
	bus->keys = keys;
	bus->roster = roster;
	buses++;
	return bus;
}

void bus_free(struct bus **bus)
{
	if (!*bus)
		return;
	while ((*bus)->socks) {
		struct bus_sock *sock = (*bus)->socks;

		bus_sock_free(&sock);
	}
	zap_stop(&(*bus)->zap);
	free(*bus);
	*bus = NULL;
	/* Waits, as long as LINGER says, until what was sent is out and ports are free again. */
	if (--buses == 0)
		zsys_shutdown();
}

void bus_set_roster(struct bus *bus, const struct roster *roster)
{
	bus->roster = roster;
	if (bus->zap)
		zap_update(bus->zap, roster);
}

static int send_failed(const struct bus_sock *sock, const struct bus_from *to, struct err *err)
{
	const char *id = to ? to->id : sock->server;

	if (errno == EHOSTUNREACH)
		return fail(err, ERR_unreachable, "%s is not connected", id);
	if (errno == EAGAIN || errno == EINTR)
		return fail(err, ERR_busy, "%s does not take messages: its queue is full", id);
	return fail(err, ERR_io, "sending to %s: %s", id, zmq_strerror(errno));
}

int bus_send(struct bus_sock *sock, const struct bus_from *to, const struct msg_head *head,
	     const void *body, struct err *err)
{
	void *handle = zsock_resolve(sock->zsock);
	auto_free void *data = NULL;
	size_t len;
	int r = msg_encode(head, body, &data, &len, err);

	if (r < 0)
		return r;
	if (sock->kind->type == ZMQ_ROUTER) {
		assert(to);
		if (to->route_len == 0)
			return fail(err, ERR_unreachable, "%s has no route here", to->id);
		if (zmq_send(handle, to->route, to->route_len, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
			return send_failed(sock, to, err);
	}
	if (zmq_send(handle, data, len, ZMQ_DONTWAIT) < 0)
		return send_failed(sock, to, err);
	return 0;
}

/* Reads one message's frames, all of them; keeps the first FRAMES_MAX. Returns how many there
 * were, 0 when there is no message. */
static unsigned read_frames(struct bus_sock *sock, zframe_t *frames[FRAMES_MAX])
{
	unsigned n = 0;
	bool more;

	do {
		zframe_t *frame = zframe_recv(sock->zsock);

		if (!frame)
			return n;
		more = zframe_more(frame);
		if (n < FRAMES_MAX)
			frames[n] = frame;
		else
			zframe_destroy(&frame);
		if (n <= FRAMES_MAX)
			n++;
	} while (more);
	return n;
}

/* Listening sockets are dual-stack: the kernel shows IPv4 peers as ::ffff:a.b.c.d. */
static void set_address(struct bus_from *from, const char *address)
{
	if (address && str_starts(address, "::ffff:") && strchr(address, '.'))
		address += strlen("::ffff:");
	str_copy(from->address, sizeof(from->address), address);
}

/* The key is compared as well as the id: after a change of roster, a connection made with a node's
 * former key still carries its id. */
static int identify(const struct bus_sock *sock, zframe_t *body, struct bus_from *from,
		    struct err *err)
{
	const char *id, *key;
	const struct roster_node *node;

	if (sock->kind->local || !sock->kind->binds) {
		str_copy(from->id, sizeof(from->id),
			 sock->kind->local ? BUS_LOCAL_ID : sock->server);
		from->role = sock->kind->binds ? ROLE_operator : ROLE_coordinator;
		return 0;
	}
	set_address(from, zframe_meta(body, "Peer-Address"));
	id = zframe_meta(body, "User-Id");
	key = zframe_meta(body, ZAP_PROPERTY_KEY);
	node = roster_find(sock->bus->roster, id);
	if (!node || node->revoked || !key || strcmp(node->curve, key) != 0)
		return fail(err, ERR_denied, "the roster does not admit %.64s any more",
			    id ? id : "this peer");
	str_copy(from->id, sizeof(from->id), node->id);
	from->role = node->role;
	return 0;
}

static int judge(const struct bus_from *from, const struct msg *msg, struct err *err)
{
	if (!bus_may_send(from->role, msg->head.type))
		return fail(err, ERR_denied, "%s %s may not send %s", role_name(from->role),
			    from->id, msg_type_name(msg->head.type));
	if (msg->head.type == MSG_TYPE_hello && !str_eq(msg->hello->node, from->id))
		return fail(err, ERR_denied, "%s says hello as %s", from->id,
			    msg->hello->node ? msg->hello->node : "nobody");
	return 0;
}

static int take(struct bus_sock *sock, zframe_t *frames[FRAMES_MAX], unsigned n,
		struct bus_from *from, struct msg **ret_msg, struct err *err)
{
	unsigned expected = sock->kind->type == ZMQ_ROUTER ? 2 : 1;
	zframe_t *body = frames[n < expected ? n - 1 : expected - 1];
	auto_msg struct msg *msg = NULL;
	int r;

	r = identify(sock, body, from, err);
	if (r < 0)
		return r;
	if (n != expected)
		return fail(err, ERR_protocol, "%s sends messages of %s frames", from->id,
			    n < expected ? "too few" : "too many");
	if (expected == 2) {
		/* ZMTP gives the Identity property 32 bits of length; no honest peer uses them. */
		if (zframe_size(frames[0]) > BUS_ROUTE_MAX)
			return fail(err, ERR_protocol, "%s has an oversized route", from->id);
		from->route_len = (uint8_t)zframe_size(frames[0]);
		memcpy(from->route, zframe_data(frames[0]), from->route_len);
	}
	r = msg_decode(zframe_data(body), zframe_size(body), &msg, err);
	if (r == 0)
		r = judge(from, msg, err);
	if (r < 0)
		return r;
	*ret_msg = mem_take(msg);
	return 1;
}

int bus_recv(struct bus_sock *sock, struct bus_from *ret_from, struct msg **ret_msg,
	     struct err *err)
{
	zframe_t *frames[FRAMES_MAX] = {NULL};
	unsigned n = read_frames(sock, frames);
	int r = 0;

	memset(ret_from, 0, sizeof(*ret_from));
	*ret_msg = NULL;
	if (n)
		r = take(sock, frames, n, ret_from, ret_msg, err);
	for (size_t i = 0; i < FRAMES_MAX; i++)
		zframe_destroy(&frames[i]);
	return r;
}

#define POLL_ON_STACK 32

/* Takes all events of the monitor; each is two frames. */
static bool take_connections(struct bus_sock *sock)
{
	void *monitor = zsock_resolve(sock->monitor);
	char frame[256];
	bool any = false;

	while (zmq_recv(monitor, frame, sizeof(frame), ZMQ_DONTWAIT) >= 0)
		any = true;
	sock->connected |= any;
	return any;
}

static void poll_item(const struct bus_poll_item *item, zmq_pollitem_t *ret_poll,
		      zmq_pollitem_t *ret_monitor)
{
	zsock_t *monitor = item->sock ? item->sock->monitor : NULL;

	*ret_poll = (zmq_pollitem_t){
		.socket = item->sock ? zsock_resolve(item->sock->zsock) : NULL,
		.fd = item->fd,
		.events = (short)(ZMQ_POLLIN | (item->want_out ? ZMQ_POLLOUT : 0)),
	};
	if (ret_poll->socket)
		ret_poll->events = ZMQ_POLLIN;
	*ret_monitor = (zmq_pollitem_t){
		.socket = monitor ? zsock_resolve(monitor) : NULL, .fd = -1, .events = ZMQ_POLLIN};
}

int bus_poll(struct bus_poll_item *items, size_t n, int timeout_ms, struct err *err)
{
	zmq_pollitem_t few[2 * POLL_ON_STACK], *poll = few;
	auto_free zmq_pollitem_t *many = NULL;
	int ready;

	if (n > POLL_ON_STACK)
		poll = many = mem_new(2 * n, sizeof(*many));
	for (size_t i = 0; i < n; i++)
		poll_item(&items[i], &poll[i], &poll[n + i]);
	ready = zmq_poll(poll, (int)(2 * n), timeout_ms);
	if (ready < 0 && errno == EINTR)
		ready = 0;
	else if (ready < 0)
		return fail(err, ERR_io, "polling: %s", zmq_strerror(errno));
	for (size_t i = 0; i < n; i++) {
		short got = ready ? poll[i].revents : 0;

		items[i].ready = got & (ZMQ_POLLIN | ZMQ_POLLERR);
		items[i].ready_out = got & ZMQ_POLLOUT;
		if (ready && poll[n + i].revents && take_connections(items[i].sock))
			items[i].ready = true;
	}
	return ready;
}
