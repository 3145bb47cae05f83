/* SPDX-License-Identifier: MPL-2.0
 *
 * The ZAP thread. Owns a sorted table of raw keys that it never shares; takes a new one as a
 * pointer over the actor's pipe. A request is copied into fixed fields first: what is too long, too
 * many or of another version is answered with 400, and every request gets exactly one reply. */
#include "proto/zap.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <czmq.h>
#include <signal.h>
#include <string.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define FIELD_MAX 255

struct zap_key {
	uint8_t raw[KEY_RAW_SIZE];
	char z85[KEY_Z85_SIZE];
	char id[NAME_SIZE];
	enum role role;
	bool revoked;
};

struct zap_table {
	size_t len;
	struct zap_key keys[];
};

struct zap {
	zactor_t *actor;
};

/* What the thread is started with; lives until it has signalled that it is ready. */
struct zap_start {
	struct zap_table *table;
	int bind_errno;
};

/* RFC 27's request frames, in order. */
enum zap_field {
	ZAP_version,
	ZAP_request,
	ZAP_domain,
	ZAP_address,
	ZAP_identity,
	ZAP_mechanism,
	ZAP_credentials,
	ZAP_FIELDS
};

struct zap_request {
	char field[ZAP_FIELDS][FIELD_MAX + 1];
	size_t len[ZAP_FIELDS];
	bool malformed;
};

struct zap_verdict {
	const char *status;
	const char *text;
	const struct zap_key *key; /* of an accepted peer */
};

/* clang-format off */
static const struct { const char *domain; unsigned roles; } domains[] = {
	{ ZAP_DOMAIN_COMMANDS, ROLE_worker | ROLE_coordinator | ROLE_operator },
	{ ZAP_DOMAIN_BEATS,    ROLE_worker },
};
/* clang-format on */

static int by_raw(const void *a, const void *b)
{
	return memcmp(((const struct zap_key *)a)->raw, ((const struct zap_key *)b)->raw,
		      KEY_RAW_SIZE);
}

static struct zap_table *table_new(const struct roster *roster)
{
	size_t n = roster_len(roster);
	struct zap_table *table = mem_new(1, sizeof(*table) + n * sizeof(table->keys[0]));

	for (size_t i = 0; i < n; i++) {
		const struct roster_node *node = roster_at(roster, i);
		struct zap_key *key = &table->keys[table->len];

		if (!keys_z85_ok(node->curve, key->raw))
			continue;
		str_copy(key->z85, sizeof(key->z85), node->curve);
		str_copy(key->id, sizeof(key->id), node->id);
		key->role = node->role;
		key->revoked = node->revoked;
		table->len++;
	}
	if (table->len)
		qsort(table->keys, table->len, sizeof(table->keys[0]), by_raw);
	return table;
}

/* A peer can make this happen as often as it likes. */
static void log_stranger(const uint8_t raw[KEY_RAW_SIZE], const char *address)
{
	static struct log_limit limit;
	char z85[KEY_Z85_SIZE];

	zmq_z85_encode(z85, raw, KEY_RAW_SIZE);
	if (log_allowed(&limit, 5, 60000))
		log_warn("a node that is not enrolled knocks\tkey=%.8s address=%s", z85, address);
}

static unsigned domain_roles(const char *domain)
{
	for (size_t i = 0; i < ARRAY_LEN(domains); i++)
		if (strcmp(domains[i].domain, domain) == 0)
			return domains[i].roles;
	return ROLE_none;
}

static struct zap_verdict judge(const struct zap_table *table, const struct zap_request *request)
{
	unsigned roles = domain_roles(request->field[ZAP_domain]);
	const struct zap_key *key;
	struct zap_key wanted;

	if (request->malformed || strcmp(request->field[ZAP_version], "1.0") != 0)
		return (struct zap_verdict){"400", "malformed request", NULL};
	if (!roles)
		return (struct zap_verdict){"400", "unknown domain", NULL};
	if (strcmp(request->field[ZAP_mechanism], "CURVE") != 0 ||
	    request->len[ZAP_credentials] != KEY_RAW_SIZE)
		return (struct zap_verdict){"400", "CURVE only", NULL};
	memcpy(wanted.raw, request->field[ZAP_credentials], KEY_RAW_SIZE);
	key = bsearch(&wanted, table->keys, table->len, sizeof(*key), by_raw);
	if (!key) {
		log_stranger(wanted.raw, request->field[ZAP_address]);
		return (struct zap_verdict){"300", "not enrolled yet", NULL};
	}
	if (key->revoked)
		return (struct zap_verdict){"400", "revoked", NULL};
	if (!(key->role & roles))
		return (struct zap_verdict){"400", "not in this role", NULL};
	return (struct zap_verdict){"200", "welcome", key};
}

/* Reads one whole request; false when there is none after all. */
static bool read_request(void *handler, struct zap_request *request)
{
	unsigned n = 0;
	zmq_msg_t frame;
	bool more;

	memset(request, 0, sizeof(*request));
	do {
		size_t len;

		zmq_msg_init(&frame);
		if (zmq_msg_recv(&frame, handler, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(&frame);
			return false;
		}
		len = zmq_msg_size(&frame);
		if (n < ZAP_FIELDS && len <= FIELD_MAX) {
			memcpy(request->field[n], zmq_msg_data(&frame), len);
			request->len[n] = len;
		} else {
			request->malformed = true;
		}
		n++;
		more = zmq_msg_more(&frame);
		zmq_msg_close(&frame);
	} while (more);
	request->malformed |= n != ZAP_FIELDS;
	return true;
}

/* ZMTP property: length and name, 32-bit length and value (RFC 23). All here are short. */
static size_t put_property(uint8_t *dst, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);

	dst[0] = (uint8_t)name_len;
	memcpy(dst + 1, name, name_len);
	dst += 1 + name_len;
	memset(dst, 0, 3);
	dst[3] = (uint8_t)value_len;
	memcpy(dst + 4, value, value_len);
	return 1 + name_len + 4 + value_len;
}

static void reply(void *handler, const struct zap_request *request,
		  const struct zap_verdict *verdict)
{
	const char *id = verdict->key ? verdict->key->id : "";
	uint8_t metadata[128];
	size_t len = 0;

	if (verdict->key)
		len = put_property(metadata, ZAP_PROPERTY_KEY, verdict->key->z85);
	zmq_send(handler, "1.0", 3, ZMQ_SNDMORE);
	zmq_send(handler, request->field[ZAP_request], request->len[ZAP_request], ZMQ_SNDMORE);
	zmq_send(handler, verdict->status, strlen(verdict->status), ZMQ_SNDMORE);
	zmq_send(handler, verdict->text, strlen(verdict->text), ZMQ_SNDMORE);
	zmq_send(handler, id, strlen(id), ZMQ_SNDMORE);
	zmq_send(handler, metadata, len, 0);
}

/* A frame of a pointer's size is a new table; anything else is czmq's "$TERM". */
static bool take_command(zsock_t *pipe, struct zap_table **table)
{
	zframe_t *frame = zframe_recv(pipe);
	bool go_on = frame && zframe_size(frame) == sizeof(*table);

	if (go_on) {
		free(*table);
		memcpy(table, zframe_data(frame), sizeof(*table));
	}
	zframe_destroy(&frame);
	return go_on;
}

/* --- handlers --- */

/* libzmq keeps a connection's pipes to the handler that answered for it as long as the connection
 * lives (session_base.cpp, zap_connect): 32 KiB of queues for one question. They go with the
 * handler's socket. So a handler that has answered some is replaced by a new one under the same
 * name, and closed when those that asked it have their answers. A handshake that finds no handler
 * in between fails (ZMQ_ZAP_ENFORCE_DOMAIN, bus_sock.c), and its node knocks again. */
#define ANSWERS_MAX 256 /* of one handler, */
#define QUIET_MS 1000   /* … or as long without a question after the last answer */
#define GRACE_MS 1000   /* from the replacement of a handler to its end */

struct handlers {
	zsock_t *now, *old; /* old may be NULL */
	unsigned answers;   /* of now */
	uint64_t answered_ms, replaced_ms;
};

static void answer(struct handlers *h, zsock_t *handler, const struct zap_table *table)
{
	struct zap_request request;
	struct zap_verdict verdict;

	if (!read_request(zsock_resolve(handler), &request))
		return;
	verdict = judge(table, &request);
	reply(zsock_resolve(handler), &request, &verdict);
	h->answers += handler == h->now;
	h->answered_ms = clock_mono_ms();
}

static void replace(struct handlers *h, uint64_t now_ms)
{
	zsock_t *fresh = zsock_new(ZMQ_REP);

	h->answers = 0;
	if (!fresh)
		return; /* the one that there is serves on */
	zmq_unbind(zsock_resolve(h->now), ZAP_ENDPOINT);
	if (zmq_bind(zsock_resolve(fresh), ZAP_ENDPOINT)) {
		zsock_destroy(&fresh);
		zmq_bind(zsock_resolve(h->now), ZAP_ENDPOINT);
		return;
	}
	h->old = h->now;
	h->now = fresh;
	h->replaced_ms = now_ms;
}

/* How long the next wait may be, in ms; -1: for ever. */
static int look_after(struct handlers *h)
{
	uint64_t now_ms = clock_mono_ms();

	if (h->old && now_ms - h->replaced_ms >= GRACE_MS)
		zsock_destroy(&h->old);
	if (!h->old && h->answers &&
	    (h->answers >= ANSWERS_MAX || now_ms - h->answered_ms >= QUIET_MS))
		replace(h, now_ms);
	return h->old || h->answers ? GRACE_MS / 4 : -1;
}

static void serve(zsock_t *pipe, struct handlers *h, struct zap_table **table)
{
	for (;;) {
		int wait_ms = look_after(h);
		zmq_pollitem_t items[] = {
			{zsock_resolve(pipe), 0, ZMQ_POLLIN, 0},
			{zsock_resolve(h->now), 0, ZMQ_POLLIN, 0},
			{h->old ? zsock_resolve(h->old) : NULL, 0, ZMQ_POLLIN, 0},
		};

		if (zmq_poll(items, h->old ? 3 : 2, wait_ms) < 0 && errno != EINTR)
			return;
		if (items[0].revents && !take_command(pipe, table))
			return;
		if (items[1].revents)
			answer(h, h->now, *table);
		if (h->old && items[2].revents)
			answer(h, h->old, *table);
	}
}

static void zap_thread(zsock_t *pipe, void *arg)
{
	struct zap_start *start = arg;
	struct zap_table *table = start->table;
	struct handlers handlers = {.now = zsock_new(ZMQ_REP)};
	bool bound = handlers.now && zmq_bind(zsock_resolve(handlers.now), ZAP_ENDPOINT) == 0;

	start->bind_errno = bound ? 0 : errno;
	zsock_signal(pipe, 0); /* start is not ours after this */
	if (bound)
		serve(pipe, &handlers, &table);
	zsock_destroy(&handlers.old);
	zsock_destroy(&handlers.now);
	free(table);
}

int zap_start(const struct roster *roster, struct zap **ret, struct err *err)
{
	struct zap_start start = {.table = table_new(roster)};
	sigset_t all, before;
	struct zap *zap;

	/* Signals belong to the owner's loop; the thread inherits this mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	zap = mem_new_of(struct zap);
	zap->actor = zactor_new(zap_thread, &start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!zap->actor) {
		free(start.table);
		free(zap);
		return fail(err, ERR_nomem, "starting the authentication thread");
	}
	if (start.bind_errno) {
		zap_stop(&zap);
		return fail(err, ERR_busy, "binding %s: %s", ZAP_ENDPOINT,
			    zmq_strerror(start.bind_errno));
	}
	*ret = zap;
	return 0;
}

void zap_update(struct zap *zap, const struct roster *roster)
{
	struct zap_table *table = table_new(roster);

	if (zmq_send(zsock_resolve(zap->actor), &table, sizeof(table), 0) < 0)
		free(table);
}

void zap_stop(struct zap **zap)
{
	if (!*zap)
		return;
	zactor_destroy(&(*zap)->actor);
	free(*zap);
	*zap = NULL;
}
