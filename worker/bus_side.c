/* SPDX-License-Identifier: MPL-2.0
 *
 * Owns one dealer and one publisher for each coordinator, and passes messages between them and the
 * executor. It keeps no state of any migration: answers go back to whoever asked last, beats to
 * everybody. A crash here cannot touch a held container. */
#include "worker/bus_side.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "discovery/discovery.h"
#include "proto/bus.h"
#include "worker/probes.h"
#include "worker/senders.h"
#include "worker/tell.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINKS_MAX 8
#define HELLO_EVERY_MS 2000
#define HELLO_WELCOMED_MS 10000
#define REDIAL_MS 30000 /* a handshake may take its time */
#define INTERVAL_LEAST_MS 100
#define INTERVAL_MOST_MS 60000
#define COMMANDS_PORT 7400

/* A coordinator that was found. */
struct link {
	char id[NAME_SIZE];
	char address[DISCOVERY_ADDRESS_SIZE];
	uint16_t port, beats_port;
	struct bus_sock *dealer, *pub;
	bool welcomed;
	uint64_t interval_ms; /* of beats, as it asked */
	uint64_t next_hello_ms, last_ms, dialled_ms;
};

struct side {
	const struct options *options;
	int executor;
	struct curve_keys keys;
	struct roster *roster;
	struct bus *bus;
	struct discovery *discovery; /* where coordinators come from */
	struct discovery *announcer; /* with a fixed list: mDNS for being found only; else NULL */
	char boot_id[37];
	struct link links[LINKS_MAX];
	size_t n_links;
	struct link *asker; /* who is answered: the one that asked last */
	struct senders *senders;
	struct tells *tells;
	struct probes *probes;
	uint64_t interval_ms; /* that the executor beats at; 0 = its own */
	bool said_bye;
	char instance[ULID_SIZE];
	struct msg *caps; /* the last capability record, for coordinators that come later */
	bool stopping;
};

/* --- links --- */

static void endpoint(char *to, size_t size, const char *address, uint16_t port)
{
	str_fmt(to, size, strchr(address, ':') ? "tcp://[%s]:%u" : "tcp://%s:%u", address, port);
}

static void connect_link(struct side *s, struct link *l)
{
	char commands[128];
	struct err err;

	endpoint(commands, sizeof(commands), l->address, l->port);
	l->welcomed = false;
	l->dialled_ms = clock_mono_ms();
	bus_sock_free(&l->dealer);
	bus_sock_free(&l->pub);
	l->dealer = bus_dealer(s->bus, commands, l->id, &err);
	if (!l->dealer) {
		log_warn("coordinator %s at %s: %s", l->id, commands, err.text);
		return;
	}
	l->next_hello_ms = 0;
	l->last_ms = clock_mono_ms();
	log_info("dialling coordinator\tcoordinator=%s endpoint=%s", l->id, commands);
}

/* Beats are dialled once there is a welcome: a coordinator that thousands dial at once has half as
 * many handshakes to do before it can talk to all of them. */
static void connect_beats(struct side *s, struct link *l)
{
	char beats[128];
	struct err err;

	endpoint(beats, sizeof(beats), l->address, l->beats_port);
	l->pub = bus_pub(s->bus, beats, l->id, &err);
	if (!l->pub)
		log_warn("coordinator %s at %s: %s", l->id, beats, err.text);
}

/* A list entry names no id: the roster's only coordinator at that address, or the only one. */
static const char *coordinator_at(const struct side *s, const char *address)
{
	const char *only = NULL;

	for (size_t i = 0; i < roster_len(s->roster); i++) {
		const struct roster_node *node = roster_at(s->roster, i);

		if (node->role != ROLE_coordinator || node->revoked)
			continue;
		only = only ? "" : node->id;
		for (size_t k = 0; k < node->addresses; k++)
			if (str_eq(node->address[k], address))
				return node->id;
	}
	return only && *only ? only : NULL;
}

static void on_peer(void *arg, enum discovery_event event, const struct discovery_peer *peer)
{
	struct side *s = arg;
	const char *id = peer->id[0] ? peer->id : coordinator_at(s, peer->address);
	const struct roster_node *node = id ? roster_find(s->roster, id) : NULL;
	struct link *l = s->links;

	if (event == DISCOVERY_gone)
		return; /* a lost advertisement says nothing of the coordinator */
	if (!node || node->role != ROLE_coordinator || node->revoked) {
		log_debug("%s at %s is no coordinator of the roster", id ? id : "?", peer->address);
		return;
	}
	while (l < s->links + s->n_links && !str_eq(l->id, id))
		l++;
	if (l == s->links + LINKS_MAX)
		return;
	if (l < s->links + s->n_links && str_eq(l->address, peer->address) && l->port == peer->port)
		return;
	s->n_links += l == s->links + s->n_links;
	str_copy(l->id, sizeof(l->id), id);
	str_copy(l->address, sizeof(l->address), peer->address);
	l->port = peer->port;
	l->beats_port = peer->beats_port;
	connect_link(s, l);
}

/* With a fixed list mDNS is for being found, not for finding. */
static void on_stranger(void *arg, enum discovery_event event, const struct discovery_peer *peer)
{
	(void)arg;
	(void)event;
	(void)peer;
}

/* More hosts say hello less often: it grows with the interval of beats. */
static uint64_t hello_every_ms(const struct link *l)
{
	uint64_t every_ms = 5 * l->interval_ms;

	if (!l->welcomed)
		return HELLO_EVERY_MS;
	return every_ms < HELLO_WELCOMED_MS ? HELLO_WELCOMED_MS : every_ms;
}

/* Welcomes answer hellos: a coordinator that answers none may have moved, or the connection carries
 * nothing any more and does not end. */
static void keep_dialled(struct side *s, struct link *l, uint64_t now_ms)
{
	if (now_ms <= l->last_ms + hello_every_ms(l) * 5 / 2)
		return; /* it may have spoken since the turn began */
	l->last_ms = now_ms;
	if (!l->dealer || l->welcomed || now_ms > l->dialled_ms + REDIAL_MS)
		connect_link(s, l);
	discovery_refresh(s->discovery, l->id);
}

static void say_hello(struct side *s, struct link *l, uint64_t now_ms)
{
	struct msg_hello hello = {.node = options_str(s->options, OPT_node_id),
				  .version = DROVER_VERSION,
				  .boot_id = s->boot_id,
				  .instance = s->instance,
				  .wall_ms = clock_wall_ms()};
	struct msg_head head = msg_head_new(MSG_TYPE_hello, 0, NULL);

	keep_dialled(s, l, now_ms);
	/* A coordinator that was started again knows no way to us before it has heard us. */
	if (l->dealer && bus_connected(l->dealer))
		l->next_hello_ms = 0;
	if (l->dealer && now_ms >= l->next_hello_ms) {
		bus_send(l->dealer, NULL, &head, &hello, NULL);
		l->next_hello_ms = now_ms + hello_every_ms(l);
	}
}

static void send_caps(struct side *s, struct link *l)
{
	struct msg_head head = msg_head_new(MSG_TYPE_caps, 0, NULL);

	if (s->caps && l->dealer)
		bus_send(l->dealer, NULL, &head, s->caps->body, NULL);
}

/* --- from a coordinator --- */

static void refuse_ask(struct link *l, const struct msg *m, const struct err *why)
{
	struct msg_head head = msg_head_new(MSG_TYPE_answer, 0, m->head.request);
	struct msg_answer answer = {.migration = m->ask->migration,
				    .step = m->ask->step,
				    .attempt = m->ask->attempt,
				    .epoch = m->ask->epoch,
				    .code = (uint64_t)why->code,
				    .error = why->text};

	bus_send(l->dealer, NULL, &head, &answer, NULL);
}

/* Whoever wants beats most often gets them; the others hear more than they need. */
static void set_pace(struct side *s)
{
	struct wire_pace pace = {.head = {WIRE_MAGIC, WIRE_PACE}, .interval_ms = INTERVAL_MOST_MS};

	for (size_t i = 0; i < s->n_links; i++)
		if (s->links[i].interval_ms && s->links[i].interval_ms < pace.interval_ms)
			pace.interval_ms = s->links[i].interval_ms;
	if (pace.interval_ms == s->interval_ms)
		return;
	s->interval_ms = pace.interval_ms;
	if (send(s->executor, &pace, sizeof(pace), MSG_NOSIGNAL) < 0)
		s->stopping = true;
}

static void on_welcome(struct side *s, struct link *l, const struct msg_welcome *welcome)
{
	uint64_t ms = welcome->interval_ms;

	if (!l->welcomed)
		log_info("welcomed\tcoordinator=%s term=%llu interval_ms=%llu", l->id,
			 (unsigned long long)welcome->epoch, (unsigned long long)ms);
	l->interval_ms = ms < INTERVAL_LEAST_MS  ? INTERVAL_LEAST_MS
			 : ms > INTERVAL_MOST_MS ? INTERVAL_MOST_MS
						 : ms;
	set_pace(s);
	l->welcomed = true;
	if (!l->pub)
		connect_beats(s, l);
}

static void on_sight(void *arg, size_t tag, const struct msg_sight *sight)
{
	struct side *s = arg;
	struct msg_head head = msg_head_new(MSG_TYPE_sight, 0, NULL);

	if (s->links[tag].dealer)
		bus_send(s->links[tag].dealer, NULL, &head, sight, NULL);
}

static void on_message(struct side *s, struct link *l, const struct msg *m)
{
	static struct wire_ask ask;
	struct err err;

	l->last_ms = clock_mono_ms();
	if (m->head.type == MSG_TYPE_welcome) {
		on_welcome(s, l, m->welcome);
		send_caps(s, l);
	}
	if (m->head.type == MSG_TYPE_probe)
		probes_start(s->probes, (size_t)(l - s->links), m->probe, l->last_ms);
	if (m->head.type != MSG_TYPE_ask)
		return;
	if (bus_ask(m->ask, m->head.request, &ask, &err)) {
		refuse_ask(l, m, &err);
		return;
	}
	s->asker = l;
	if (send(s->executor, &ask, sizeof(ask), MSG_NOSIGNAL) < 0)
		s->stopping = true;
}

static void drain(struct side *s, struct link *l)
{
	static struct log_limit limit;
	struct bus_from from;
	struct msg *m = NULL;
	struct err err;
	int rc;

	for (int i = 0; i < 256 && (rc = bus_recv(l->dealer, &from, &m, &err)); i++) {
		if (rc < 0 && log_allowed(&limit, 5, 10000))
			log_warn("message dropped: %s\tcoordinator=%s", err.text, l->id);
		if (rc == 1)
			on_message(s, l, m);
		msg_free(&m);
	}
}

/* --- from the executor --- */

static void say_bye(struct side *s, const struct msg_bye *bye)
{
	struct msg_head head = msg_head_new(MSG_TYPE_bye, 0, NULL);

	for (size_t i = 0; !s->said_bye && i < s->n_links; i++)
		if (s->links[i].dealer)
			bus_send(s->links[i].dealer, NULL, &head, bye, NULL);
	s->said_bye = true;
}

static void forward(struct side *s, const struct wire_out *out, const void *body)
{
	auto_msg struct msg *m = NULL;
	struct msg_head head =
		msg_head_new((enum msg_type)out->type, 0, out->request[0] ? out->request : NULL);
	struct err err;

	if (msg_decode_body((enum msg_type)out->type, body, out->body_len, &m, &err)) {
		log_err("the executor's message cannot be read: %s", err.text);
		return;
	}
	if (out->type == MSG_TYPE_answer && tells_answer(s->tells, out->request, m->answer))
		return;
	if (out->type == MSG_TYPE_answer || out->type == MSG_TYPE_ack ||
	    out->type == MSG_TYPE_progress) {
		if (s->asker && s->asker->dealer &&
		    bus_send(s->asker->dealer, NULL, &head, m->body, &err))
			log_debug("to %s: %s", s->asker->id, err.text);
		return;
	}
	if (out->type == MSG_TYPE_bye) {
		say_bye(s, m->bye);
		return;
	}
	for (size_t i = 0; i < s->n_links && out->type != MSG_TYPE_caps; i++)
		if (s->links[i].pub)
			bus_send(s->links[i].pub, NULL, &head, m->body, NULL);
	if (out->type == MSG_TYPE_caps) {
		msg_free(&s->caps);
		s->caps = mem_take(m);
		for (size_t i = 0; i < s->n_links; i++)
			if (s->links[i].dealer)
				send_caps(s, &s->links[i]);
	}
}

/* One datagram with at most one descriptor. Returns its length, 0 at the end, -1 for none now. */
static ssize_t receive(struct side *s, void *buf, size_t size, int *ret_fd)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {buf, size};
	struct msghdr h = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(s->executor, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;

	*ret_fd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return n;
}

static void on_executor(struct side *s)
{
	static char buf[WIRE_OUT_MAX];
	const struct wire_out *out = (const struct wire_out *)buf;
	ssize_t n;

	for (int i = 0; i < 64; i++) {
		auto_close int fd = -1;

		n = receive(s, buf, sizeof(buf), &fd);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			s->stopping = true;
			return;
		}
		if (n < 0)
			return;
		if ((size_t)n < sizeof(*out) || out->magic != WIRE_MAGIC ||
		    (size_t)n != sizeof(*out) + out->body_len)
			continue;
		if (out->kind == WIRE_MESSAGE)
			forward(s, out, buf + sizeof(*out));
		else if (out->kind == WIRE_TELL)
			tells_start(s->tells, out, buf + sizeof(*out));
		else
			senders_command(s->senders, out, mem_take_fd(&fd));
	}
}

/* --- start --- */

static int drop(const struct options *options, struct err *err)
{
	const char *user = options_str(options, OPT_node_user);
	struct passwd *pw = getpwnam(user);

	if (!pw)
		return fail(err, ERR_config, "there is no user \"%s\"", user);
	if (initgroups(user, pw->pw_gid) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return fail_errno(err, ERR_denied, "becoming user %s", user);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

static int find_coordinators(struct side *s, struct err *err)
{
	const char *list = options_str(s->options, OPT_worker_coordinators);
	bool mdns = options_flag(s->options, OPT_discovery_mdns);
	struct discovery_self self = {.role = DISCOVERY_worker};
	const struct roster_node *node =
		roster_find(s->roster, options_str(s->options, OPT_node_id));
	struct discovery *avahi = NULL;

	str_copy(self.id, sizeof(self.id), options_str(s->options, OPT_node_id));
	keys_fingerprint(s->keys.public, self.fingerprint);
	self.ssh_port = node ? node->ssh_port : 22;
	if (!*list && !mdns) {
		fail(err, ERR_config, "no way to a coordinator: mDNS is off and no list is given");
		return err_fix(err, "set worker.coordinators, or discovery.mdns = yes");
	}
	if (mdns && !(avahi = discovery_avahi(&self, DISCOVERY_coordinator,
					      *list ? on_stranger : on_peer, s, err)))
		return -err->code;
	if (!*list) {
		s->discovery = avahi;
		return 0;
	}
	s->announcer = avahi;
	s->discovery = discovery_list(list, DISCOVERY_coordinator, COMMANDS_PORT, on_peer, s, err);
	return s->discovery ? 0 : -err->code;
}

static int open_all(struct side *s, struct err *err)
{
	int rc = keys_load(options_str(s->options, OPT_node_key), &s->keys, err);

	if (!rc)
		rc = roster_load(options_str(s->options, OPT_node_roster), &s->roster, err);
	if (!rc && !roster_find(s->roster, options_str(s->options, OPT_node_id)))
		rc = fail(err, ERR_config, "%s: this node, %s, is not in it",
			  options_str(s->options, OPT_node_roster),
			  options_str(s->options, OPT_node_id));
	if (!rc)
		rc = drop(s->options, err);
	if (!rc && !(s->bus = bus_new(&s->keys, s->roster, err)))
		rc = -err->code;
	if (rc)
		return rc;
	s->probes = probes_new(s->roster, on_sight, s);
	s->senders = senders_new(s->options, s->roster, s->executor);
	rc = tells_new(s->options, s->roster, s->executor, &s->tells, err);
	return rc ? rc : find_coordinators(s, err);
}

static void turn(struct side *s, int signals)
{
	struct bus_poll_item items[4 + LINKS_MAX + SENDERS_MAX + 2 * TELLS_MAX + 1 + PROBES_MAX] = {
		{.fd = s->executor},
		{.fd = discovery_fd(s->discovery)},
		{.fd = signals},
		{.fd = s->announcer ? discovery_fd(s->announcer) : -1}};
	size_t n = 4, senders_at = n + s->n_links, tells_at = senders_at + SENDERS_MAX;
	size_t probes_at = tells_at + 2 * TELLS_MAX + 1;
	uint64_t now_ms = clock_mono_ms();
	struct err err;

	for (size_t i = 0; i < s->n_links; i++, n++)
		items[n] = (struct bus_poll_item){.sock = s->links[i].dealer, .fd = -1};
	for (size_t i = 0; i < SENDERS_MAX; i++, n++)
		items[n] = (struct bus_poll_item){.fd = senders_fd(s->senders, i)};
	for (size_t i = 0; i < 2 * TELLS_MAX + 1; i++, n++)
		items[n] = (struct bus_poll_item){.fd = tells_fd(s->tells, i)};
	for (size_t i = 0; i < PROBES_MAX; i++, n++)
		items[n] = probes_item(s->probes, i);
	if (bus_poll(items, n, probes_timeout_ms(s->probes, now_ms, 500), &err) < 0)
		log_warn("poll: %s", err.text);
	now_ms = clock_mono_ms();
	if (items[2].ready) {
		say_bye(s, &(struct msg_bye){.reason = "told to stop"});
		s->stopping = true;
	}
	if (items[0].ready)
		on_executor(s);
	for (size_t i = 4; i < senders_at; i++)
		if (items[i].ready && s->links[i - 4].dealer)
			drain(s, &s->links[i - 4]);
	for (size_t i = tells_at; i < probes_at; i++)
		if (items[i].ready)
			tells_dispatch(s->tells, i - tells_at);
	for (size_t i = senders_at; i < tells_at; i++)
		if (items[i].ready)
			senders_dispatch(s->senders, i - senders_at);
	for (size_t i = probes_at; i < n; i++)
		probes_dispatch(s->probes, i - probes_at, &items[i], now_ms);
	if (items[1].ready)
		discovery_dispatch(s->discovery);
	if (items[3].ready)
		discovery_dispatch(s->announcer);
	for (size_t i = 0; i < s->n_links; i++)
		say_hello(s, &s->links[i], now_ms);
}

static void close_all(struct side *s)
{
	for (size_t i = 0; i < s->n_links; i++) {
		bus_sock_free(&s->links[i].dealer);
		bus_sock_free(&s->links[i].pub);
	}
	probes_free(&s->probes);
	senders_free(&s->senders);
	tells_free(&s->tells);
	discovery_free(&s->discovery);
	discovery_free(&s->announcer);
	bus_free(&s->bus);
	msg_free(&s->caps);
	roster_free(&s->roster);
	keys_wipe(&s->keys);
}

int bus_side_main(int executor_fd, const struct options *options, const char *instance)
{
	struct side *s = mem_new_of(struct side);
	struct err err = {0};
	sigset_t mask;
	int signals, rc;

	s->options = options;
	s->executor = executor_fd;
	str_copy(s->instance, sizeof(s->instance), instance);
	file_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", s->boot_id, sizeof(s->boot_id));
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	rc = open_all(s, &err);
	if (rc)
		log_error(LOG_LEVEL_ERR, "", &err);
	while (!rc && !s->stopping)
		turn(s, signals);
	close_all(s);
	free(s);
	return rc ? err_exit_code(err.code) : 0;
}
