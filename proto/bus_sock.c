/* SPDX-License-Identifier: MPL-2.0
 *
 * Making and closing sockets. A socket is handed out only with every option set and, where it
 * accepts TCP peers, with CURVE, the ZAP domain and its enforcement read back: libzmq lets everyone
 * in when a handler is missing and enforcement is off. */
#include "proto/bus_private.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ZMQ_ZAP_ENFORCE_DOMAIN, which zmq.h declares for draft builds only, although every build has it.
 * With 1, a handshake fails when no ZAP handler answers. czmq's setter for it does nothing where
 * czmq was built without drafts. */
#define OPTION_ZAP_ENFORCE_DOMAIN 93

/* clang-format off */
/* Beats: old ones are worthless, and a subscriber that stalls keeps the oldest of its queue, so
 * queues are tiny. ZMQ_HEARTBEAT_IVL stays unset: with it, one slow reader aborts the process. */
static const struct bus_kind kinds[] = {
	/*  name            type        binds  local  domain             send recv */
	{ "router",       ZMQ_ROUTER, true,  false, ZAP_DOMAIN_COMMANDS, 128,  64 },
	{ "sub",          ZMQ_SUB,    true,  false, ZAP_DOMAIN_BEATS,      2,   4 },
	{ "dealer",       ZMQ_DEALER, false, false, NULL,                 32, 128 },
	{ "pub",          ZMQ_PUB,    false, false, NULL,                  2,   2 },
	{ "local router", ZMQ_ROUTER, true,  true,  NULL,                256,  64 },
	{ "local dealer", ZMQ_DEALER, false, true,  NULL,                 32, 256 },
};
enum { KIND_router, KIND_sub, KIND_dealer, KIND_pub, KIND_local_router, KIND_local_dealer };

static const struct { int option; int value; } common_options[] = {
	{ ZMQ_LINGER,            500 },  /* an exiting command line still gets its request out */
	{ ZMQ_RCVTIMEO,            0 },
	{ ZMQ_SNDTIMEO,            0 },
	{ ZMQ_HANDSHAKE_IVL,   10000 },  /* also how often a refused (300) node knocks again */
	{ ZMQ_RECONNECT_IVL,     200 },
	{ ZMQ_RECONNECT_IVL_MAX, 5000 },
	{ ZMQ_CONNECT_TIMEOUT,  5000 },
	{ ZMQ_IPV6,                1 },
	{ ZMQ_TCP_KEEPALIVE,       1 },  /* a peer without power is noticed within half a minute */
	{ ZMQ_TCP_KEEPALIVE_IDLE, 10 },
	{ ZMQ_TCP_KEEPALIVE_INTVL, 5 },
	{ ZMQ_TCP_KEEPALIVE_CNT,   4 },
	{ ZMQ_TCP_MAXRT,       20000 },  /* the same with data under way */
};
/* After a restart thousands of nodes dial at once, and each handshake takes half a millisecond of one
 * core: those at the end of the queue must not be thrown out for having waited, nor give up. */
static const struct { int option; int value; } server_options[] = {
	{ ZMQ_BACKLOG,          4096 },
	{ ZMQ_HANDSHAKE_IVL,   20000 },
};
static const struct { int option; int value; } router_options[] = {
	{ ZMQ_ROUTER_MANDATORY,    1 },  /* sending to a lost connection is an error, not silence */
	{ ZMQ_ROUTER_HANDOVER,     0 },  /* nobody takes another's route over */
};
/* clang-format on */

static int set_int(struct bus_sock *sock, int option, int value, struct err *err)
{
	if (zmq_setsockopt(zsock_resolve(sock->zsock), option, &value, sizeof(value)) == 0)
		return 0;
	return fail(err, ERR_config, "%s socket: libzmq refuses option %d: %s", sock->kind->name,
		    option, zmq_strerror(errno));
}

static int set_text(struct bus_sock *sock, int option, const char *value, struct err *err)
{
	if (zmq_setsockopt(zsock_resolve(sock->zsock), option, value, strlen(value)) == 0)
		return 0;
	return fail(err, ERR_config, "%s socket: libzmq refuses option %d: %s", sock->kind->name,
		    option, zmq_strerror(errno));
}

static int set_options(struct bus_sock *sock, struct err *err)
{
	int64_t max = MSG_SIZE_MAX;
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(common_options) && r == 0; i++)
		r = set_int(sock, common_options[i].option, common_options[i].value, err);
	for (size_t i = 0; sock->kind->domain && i < ARRAY_LEN(server_options) && r == 0; i++)
		r = set_int(sock, server_options[i].option, server_options[i].value, err);
	if (sock->kind->type == ZMQ_ROUTER)
		for (size_t i = 0; i < ARRAY_LEN(router_options) && r == 0; i++)
			r = set_int(sock, router_options[i].option, router_options[i].value, err);
	if (r == 0)
		r = set_int(sock, ZMQ_SNDHWM, sock->kind->send_hwm, err);
	if (r == 0)
		r = set_int(sock, ZMQ_RCVHWM, sock->kind->recv_hwm, err);
	if (r == 0 && sock->kind->type == ZMQ_SUB)
		r = set_int(sock, ZMQ_CONFLATE, 1, err); /* of each publisher the last one only */
	if (r == 0 && sock->kind->type == ZMQ_SUB)
		r = set_text(sock, ZMQ_SUBSCRIBE, "", err);
	if (r == 0 && zmq_setsockopt(zsock_resolve(sock->zsock), ZMQ_MAXMSGSIZE, &max, sizeof(max)))
		r = fail(err, ERR_config, "%s socket: libzmq refuses a size limit",
			 sock->kind->name);
	return r;
}

/* Whether what was asked for is what libzmq will do. */
static int verify_server(struct bus_sock *sock, struct err *err)
{
	void *handle = zsock_resolve(sock->zsock);
	int enforce = 0, mechanism = 0;
	char domain[64] = "";
	size_t len;

	len = sizeof(mechanism);
	if (zmq_getsockopt(handle, ZMQ_MECHANISM, &mechanism, &len) < 0 || mechanism != ZMQ_CURVE)
		return fail(err, ERR_config, "libzmq does not encrypt: it was built without CURVE");
	len = sizeof(domain);
	if (zmq_getsockopt(handle, ZMQ_ZAP_DOMAIN, domain, &len) < 0 ||
	    strcmp(domain, sock->kind->domain) != 0)
		return fail(err, ERR_config, "libzmq does not keep the ZAP domain");
	len = sizeof(enforce);
	if (zmq_getsockopt(handle, OPTION_ZAP_ENFORCE_DOMAIN, &enforce, &len) < 0 || enforce != 1)
		return fail(err, ERR_config,
			    "libzmq does not enforce authentication (ZMQ_ZAP_ENFORCE_DOMAIN)");
	return 0;
}

static int secure_server(struct bus_sock *sock, struct err *err)
{
	struct bus *bus = sock->bus;
	int r = 0;

	if (!bus->keys || !bus->roster)
		return fail(err, ERR_config, "a %s socket needs a node key and a roster",
			    sock->kind->name);
	if (!bus->zap)
		r = zap_start(bus->roster, &bus->zap, err);
	if (r == 0)
		r = set_int(sock, ZMQ_CURVE_SERVER, 1, err);
	if (r == 0)
		r = set_text(sock, ZMQ_CURVE_SECRETKEY, bus->keys->secret, err);
	if (r == 0)
		r = set_text(sock, ZMQ_ZAP_DOMAIN, sock->kind->domain, err);
	if (r == 0)
		r = set_int(sock, OPTION_ZAP_ENFORCE_DOMAIN, 1, err);
	return r < 0 ? r : verify_server(sock, err);
}

static int secure_client(struct bus_sock *sock, const char *server, struct err *err)
{
	const struct roster_node *node = roster_find(sock->bus->roster, server);
	int r;

	if (!sock->bus->keys)
		return fail(err, ERR_config, "a %s socket needs a node key", sock->kind->name);
	if (!node || node->revoked || node->role != ROLE_coordinator)
		return fail(err, ERR_config, "the roster has no coordinator \"%.64s\"%s", server,
			    node && node->revoked ? ": it was revoked" : "");
	str_copy(sock->server, sizeof(sock->server), node->id);
	r = set_text(sock, ZMQ_CURVE_SERVERKEY, node->curve, err);
	if (r == 0)
		r = set_text(sock, ZMQ_CURVE_PUBLICKEY, sock->bus->keys->public, err);
	if (r == 0)
		r = set_text(sock, ZMQ_CURVE_SECRETKEY, sock->bus->keys->secret, err);
	return r;
}

static int bind_endpoint(struct bus_sock *sock, const char *endpoint, struct err *err)
{
	size_t len = sizeof(sock->endpoint);

	if (zmq_bind(zsock_resolve(sock->zsock), endpoint) == 0) {
		if (zmq_getsockopt(zsock_resolve(sock->zsock), ZMQ_LAST_ENDPOINT, sock->endpoint,
				   &len))
			str_copy(sock->endpoint, sizeof(sock->endpoint), endpoint);
		return 0;
	}
	if (errno == EADDRINUSE)
		return fail(err, ERR_busy, "another coordinator listens on %s", endpoint);
	if (errno == EACCES)
		return fail(err, ERR_denied, "no right to listen on %s", endpoint);
	return fail(err, ERR_config, "cannot listen on %s: %s", endpoint, zmq_strerror(errno));
}

/* A socket with its options, in the bus's list; NULL with err set. */
static struct bus_sock *sock_new(struct bus *bus, int kind, struct err *err)
{
	struct bus_sock *sock = mem_new_of(struct bus_sock);

	sock->bus = bus;
	sock->kind = &kinds[kind];
	sock->lock_fd = -1;
	sock->next = bus->socks;
	bus->socks = sock;
	sock->zsock = zsock_new(sock->kind->type);
	if (!sock->zsock)
		fail(err, ERR_nomem, "%s socket: %s", sock->kind->name, zmq_strerror(errno));
	else if (set_options(sock, err) == 0)
		return sock;
	bus_sock_free(&sock);
	return NULL;
}

void bus_sock_free(struct bus_sock **sock)
{
	struct bus_sock *s = *sock, **link;

	if (!s)
		return;
	*sock = NULL;
	for (link = &s->bus->socks; *link; link = &(*link)->next) {
		if (*link != s)
			continue;
		*link = s->next;
		break;
	}
	if (s->monitor)
		zmq_socket_monitor(zsock_resolve(s->zsock), NULL, 0);
	zsock_destroy(&s->monitor);
	zsock_destroy(&s->zsock);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}

const char *bus_sock_endpoint(const struct bus_sock *sock)
{
	return sock->endpoint;
}

static struct bus_sock *server_new(struct bus *bus, int kind, const char *endpoint, struct err *err)
{
	struct bus_sock *sock = sock_new(bus, kind, err);

	if (!sock)
		return NULL;
	if (!str_starts(endpoint, "tcp://"))
		fail(err, ERR_config, "\"%s\" is no tcp://ADDRESS:PORT", endpoint);
	else if (secure_server(sock, err) == 0 && bind_endpoint(sock, endpoint, err) == 0)
		return sock;
	bus_sock_free(&sock);
	return NULL;
}

struct bus_sock *bus_router(struct bus *bus, const char *endpoint, struct err *err)
{
	return server_new(bus, KIND_router, endpoint, err);
}

struct bus_sock *bus_sub(struct bus *bus, const char *endpoint, struct err *err)
{
	return server_new(bus, KIND_sub, endpoint, err);
}

static int connect_endpoint(struct bus_sock *sock, const char *endpoint, struct err *err)
{
	str_copy(sock->endpoint, sizeof(sock->endpoint), endpoint);
	if (zmq_connect(zsock_resolve(sock->zsock), endpoint) == 0)
		return 0;
	return fail(err, ERR_config, "cannot dial %s: %s", endpoint, zmq_strerror(errno));
}

/* libzmq tells of events on an inproc pair whose name is ours to choose. A name is never used
 * twice: libzmq gives it free some time after the socket was closed. */
static int watch_connections(struct bus_sock *sock, struct err *err)
{
	static atomic_uint made;
	char name[64];

	str_fmt(name, sizeof(name), "inproc://drover-connections-%u", atomic_fetch_add(&made, 1));
	if (zmq_socket_monitor(zsock_resolve(sock->zsock), name, ZMQ_EVENT_HANDSHAKE_SUCCEEDED) < 0)
		return fail(err, ERR_nomem, "watching connections: %s", zmq_strerror(errno));
	sock->monitor = zsock_new(ZMQ_PAIR);
	if (!sock->monitor || zmq_connect(zsock_resolve(sock->monitor), name) < 0)
		return fail(err, ERR_nomem, "watching connections: %s", zmq_strerror(errno));
	return 0;
}

static struct bus_sock *client_new(struct bus *bus, int kind, const char *endpoint,
				   const char *server, struct err *err)
{
	struct bus_sock *sock = sock_new(bus, kind, err);

	if (!sock)
		return NULL;
	if (!str_starts(endpoint, "tcp://"))
		fail(err, ERR_config, "\"%s\" is no tcp://ADDRESS:PORT", endpoint);
	else if (secure_client(sock, server, err) == 0 &&
		 (kind != KIND_dealer || watch_connections(sock, err) == 0) &&
		 connect_endpoint(sock, endpoint, err) == 0)
		return sock;
	bus_sock_free(&sock);
	return NULL;
}

struct bus_sock *bus_dealer(struct bus *bus, const char *endpoint, const char *server,
			    struct err *err)
{
	return client_new(bus, KIND_dealer, endpoint, server, err);
}

bool bus_connected(struct bus_sock *dealer)
{
	bool connected = dealer->connected;

	dealer->connected = false;
	return connected;
}

struct bus_sock *bus_pub(struct bus *bus, const char *endpoint, const char *server, struct err *err)
{
	return client_new(bus, KIND_pub, endpoint, server, err);
}

static int ipc_path(const char *endpoint, struct sockaddr_un *ret, struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	if (str_starts(endpoint, "ipc://") && path_ok(endpoint + 6) &&
	    str_copy(ret->sun_path, sizeof(ret->sun_path), endpoint + 6))
		return 0;
	return fail(err, ERR_config, "\"%s\" is no ipc:///PATH of at most %zu characters", endpoint,
		    sizeof(ret->sun_path) - 1);
}

/* libzmq unlinks whatever is at the path before it binds, a living coordinator's socket too: the
 * lock beside it is what keeps a second one out, and the kernel drops it with the process. */
static int lock_path(struct bus_sock *sock, const struct sockaddr_un *address, struct err *err)
{
	char path[sizeof(address->sun_path) + 8];

	str_fmt(path, sizeof(path), "%s.lock", address->sun_path);
	sock->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (sock->lock_fd < 0 && errno == EACCES)
		return fail(err, ERR_denied, "no right to write %s", path);
	if (sock->lock_fd < 0)
		return fail_errno(err, ERR_config, "opening %s", path);
	if (flock(sock->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return fail(err, ERR_busy, "another coordinator listens on ipc://%s",
			    address->sun_path);
	return fail_errno(err, ERR_config, "locking %s", path);
}

struct bus_sock *bus_local_router(struct bus *bus, const char *endpoint, struct err *err)
{
	struct bus_sock *sock = sock_new(bus, KIND_local_router, err);
	struct sockaddr_un address;
	mode_t mask;
	int r;

	if (!sock)
		return NULL;
	r = ipc_path(endpoint, &address, err);
	if (r == 0)
		r = lock_path(sock, &address, err);
	if (r == 0) {
		/* zmq_bind makes the file in this thread; it never has a wider mode. */
		mask = umask(0117);
		r = bind_endpoint(sock, endpoint, err);
		umask(mask);
	}
	if (r < 0)
		bus_sock_free(&sock);
	return sock;
}

/* libzmq would go on trying in silence; a person at a terminal wants to know at once. */
static int probe_local(const struct sockaddr_un *address, struct err *err)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fail_errno(err, ERR_io, "making a socket");
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return 0;
	if (errno == EACCES || errno == EPERM) {
		fail(err, ERR_denied, "no right to talk to the coordinator at %s",
		     address->sun_path);
		return err_fix(err, "run it as root or as a member of the socket's group");
	}
	fail(err, ERR_unreachable, "no coordinator listens on %s", address->sun_path);
	return err_fix(err, "start drover-coordinator here, or name one with --coordinator");
}

struct bus_sock *bus_local_dealer(struct bus *bus, const char *endpoint, struct err *err)
{
	struct bus_sock *sock = sock_new(bus, KIND_local_dealer, err);
	struct sockaddr_un address;

	if (!sock)
		return NULL;
	str_copy(sock->server, sizeof(sock->server), BUS_LOCAL_ID);
	if (ipc_path(endpoint, &address, err) == 0 && probe_local(&address, err) == 0 &&
	    connect_endpoint(sock, endpoint, err) == 0)
		return sock;
	bus_sock_free(&sock);
	return NULL;
}
