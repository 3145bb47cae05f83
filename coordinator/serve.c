/* SPDX-License-Identifier: MPL-2.0
 *
 * One thread, one loop. Its order is the promise: nothing leaves the process before the record that
 * it rests on is on disk, and a store that fails stops the process. */
#include "coordinator/serve.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "coordinator/core.h"
#include "coordinator/routes.h"
#include "coordinator/store.h"
#include "discovery/discovery.h"
#include "proto/bus.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#define DRAIN_MAX 4096 /* messages of one socket in one turn */
#define HISTORY_REPLAYED 1000

enum item { ITEM_commands, ITEM_beats, ITEM_local, ITEM_signal, ITEM_discovery, ITEM_COUNT };

struct server {
	struct options *options;
	const struct options_loader *loader;
	struct roster *roster;
	struct bus *bus;
	struct bus_sock *commands, *beats, *local;
	struct discovery *discovery;
	struct store *store;
	struct core *core;
	struct effects effects;
	struct routes routes;
	struct log_limit bad_messages;
	bool behind;    /* a socket had more than one turn takes */
	uint64_t *gone; /* clients that a send did not reach */
	size_t n_gone;
	int signals;
	bool stop;
};

static struct moment now(void)
{
	return (struct moment){.mono_ms = clock_mono_ms(), .wall_ms = clock_wall_ms()};
}

static void feed(struct server *s, const struct core_event *event)
{
	core_feed(s->core, event, now(), &s->effects);
}

/* --- roster --- */

static void feed_roster(struct server *s)
{
	const struct roster_node *node;

	for (size_t i = 0; (node = roster_at(s->roster, i)); i++)
		if (node->role == ROLE_worker && !node->revoked)
			feed(s, &(struct core_event){.kind = CORE_roster,
						     .node = node->id,
						     .address = node->address[0],
						     .ssh_port = node->ssh_port});
}

static bool serves(const struct roster *roster, const char *id)
{
	const struct roster_node *node = roster_find(roster, id);

	return node && node->role == ROLE_worker && !node->revoked;
}

static void reload_roster(struct server *s)
{
	const char *path = options_str(s->options, OPT_node_roster);
	const struct roster_node *node;
	struct roster *fresh = NULL;
	struct err err = {0};

	if (roster_load(path, &fresh, &err)) {
		log_error(LOG_LEVEL_ERR, "the roster stays as it was: ", &err);
		return;
	}
	bus_set_roster(s->bus, fresh);
	for (size_t i = 0; (node = roster_at(s->roster, i)); i++)
		if (!serves(fresh, node->id))
			feed(s, &(struct core_event){.kind = CORE_unlist, .node = node->id});
	roster_free(&s->roster);
	s->roster = fresh;
	feed_roster(s);
	log_info("roster read again\tnodes=%zu", roster_len(s->roster));
}

/* --- configuration --- */

static void reload_options(struct server *s)
{
	struct options *fresh = options_new();
	struct err err = {0};
	char restart[512];

	if (s->loader->load(s->loader->arg, fresh, &err)) {
		log_error(LOG_LEVEL_ERR, "the configuration stays as it was: ", &err);
		feed(s, &(struct core_event){.kind = CORE_config, .problem = err.text});
	} else {
		options_take(s->options, fresh, restart, sizeof(restart));
		feed(s, &(struct core_event){.kind = CORE_config});
		log_info("configuration read again");
		if (*restart)
			log_warn("these need a restart: %s", restart);
	}
	options_free(&fresh);
}

/* sd_notify(3): a manager that waits is told when it is done. */
static void reload(struct server *s)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_mono_us());
	reload_options(s);
	reload_roster(s);
	sd_notify(0, "READY=1");
}

/* --- messages in --- */

static void feed_request(struct server *s, struct bus_sock *sock, const struct bus_from *from,
			 const struct msg *msg)
{
	char id[ULID_SIZE];
	uint64_t gone, client = routes_client(&s->routes, sock, from, &gone);

	if (gone)
		feed(s, &(struct core_event){.kind = CORE_gone, .client = gone});
	ulid_new(id, clock_wall_ms());
	log_debug("request %s\tclient=%s container=%s", msg->request->command, from->id,
		  msg->request->container ? msg->request->container : "");
	feed(s, &(struct core_event){.kind = CORE_request, .client = client, .msg = msg, .id = id});
}

static void feed_message(struct server *s, struct bus_sock *sock, const struct bus_from *from,
			 const struct msg *msg)
{
	if (msg->head.type == MSG_TYPE_request) {
		feed_request(s, sock, from, msg);
		return;
	}
	if (from->role != ROLE_worker)
		return;
	if (sock == s->commands)
		routes_hear(&s->routes, sock, from);
	feed(s,
	     &(struct core_event){
		     .kind = CORE_message, .node = from->id, .address = from->address, .msg = msg});
}

static void drain(struct server *s, struct bus_sock *sock)
{
	for (int i = 0; i < DRAIN_MAX; i++) {
		auto_msg struct msg *msg = NULL;
		struct bus_from from = {0};
		struct err err = {0};
		int got = bus_recv(sock, &from, &msg, &err);

		if (got == 0)
			return;
		if (got > 0)
			feed_message(s, sock, &from, msg);
		else if (log_allowed(&s->bad_messages, 5, 60000))
			log_warn("message dropped: %s\tnode=%s address=%s", err.text, from.id,
				 from.address);
	}
	s->behind = true;
}

/* --- effects out --- */

static void at_point(const char *point, const char *moment)
{
	char name[64];

	if (!*point)
		return;
	str_fmt(name, sizeof(name), "coord.%s.%s", point, moment);
	crash_point(name);
}

static int commit(struct server *s, struct err *err)
{
	const struct effects *effects = &s->effects;
	int rc;

	for (size_t i = 0; i < effects->n_records; i++)
		at_point(effects->records[i].point, "record");
	rc = store_append(s->store, effects->records, effects->n_records, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < effects->n_records; i++)
		at_point(effects->records[i].point, "recorded");
	return 0;
}

static void send_one(struct server *s, const struct effect_send *send)
{
	const struct route *route = send->node[0] ? routes_node(&s->routes, send->node)
						  : routes_find(&s->routes, send->client);
	struct err err = {0};
	int rc;

	if (!route)
		return; /* asks are repeated, clients have gone */
	rc = bus_send(route->sock, &route->from, &send->msg->head, send->msg->body, &err);
	if (!rc)
		return;
	if (!send->node[0] && rc == -ERR_unreachable) {
		routes_forget(&s->routes, send->client);
		s->gone = mem_grow(s->gone, s->n_gone + 1, sizeof(*s->gone));
		s->gone[s->n_gone++] = send->client;
	} else if (rc != -ERR_unreachable && log_allowed(&s->bad_messages, 5, 60000)) {
		log_warn("message not sent: %s\tnode=%s type=%s", err.text, send->node,
			 msg_type_name(send->msg->head.type));
	}
}

static void send_all(struct server *s)
{
	for (size_t i = 0; i < s->effects.n_sends; i++) {
		const struct effect_send *send = &s->effects.sends[i];

		at_point(send->point, "send");
		send_one(s, send);
		at_point(send->point, "sent");
	}
}

static void log_steps(const struct effects *effects)
{
	for (size_t i = 0; i < effects->n_records; i++) {
		const struct effect_record *record = &effects->records[i];
		auto_msg struct msg *msg = NULL;

		if (record->kind != RECORD_job || !record->point[0] ||
		    msg_decode_body(MSG_TYPE_event, record->data, record->len, &msg, NULL))
			continue;
		if (record->closes)
			log_info("migration ends %s%s%s\tmigration=%s step=done node=%s "
				 "container=%s",
				 msg->event->job->outcome ? msg->event->job->outcome : "",
				 msg->event->job->error ? ": " : "",
				 msg->event->job->error ? msg->event->job->error : "", record->key,
				 msg->event->job->runs_on ? msg->event->job->runs_on : "",
				 msg->event->job->container);
		else
			log_info("migration goes on\tmigration=%s step=%s node=%s container=%s",
				 record->key, record->point, msg->event->job->source,
				 msg->event->job->container);
	}
}

/* One turn: whatever the sockets hold, the timers, the records, the messages. */
static int turn(struct server *s, struct err *err)
{
	uint64_t timer_ms;
	int rc;

	while (s->n_gone)
		feed(s, &(struct core_event){.kind = CORE_gone, .client = s->gone[--s->n_gone]});
	feed(s, &(struct core_event){.kind = CORE_tick, .behind = s->behind});
	s->behind = false;
	rc = commit(s, err);
	if (rc)
		return rc;
	log_steps(&s->effects);
	timer_ms = s->effects.timer_ms;
	send_all(s);
	effects_reset(&s->effects);
	s->effects.timer_ms = timer_ms;
	return 0;
}

/* --- signals --- */

static void take_signal(struct server *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(s);
		else
			s->stop = true;
	}
}

static int open_signals(struct server *s, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* Before the bus: its threads inherit the mask. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return fail_errno(err, ERR_io, "sigprocmask");
	signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? fail_errno(err, ERR_io, "signalfd") : 0;
}

/* --- setting up --- */

static int open_bus(struct server *s, const struct curve_keys *keys, struct err *err)
{
	const struct options *o = s->options;

	s->bus = bus_new(keys, s->roster, err);
	if (!s->bus)
		return -err->code;
	s->commands = bus_router(s->bus, options_str(o, OPT_coordinator_commands), err);
	if (!s->commands)
		return -err->code;
	s->beats = bus_sub(s->bus, options_str(o, OPT_coordinator_beats), err);
	if (!s->beats)
		return -err->code;
	s->local = bus_local_router(s->bus, options_str(o, OPT_coordinator_local), err);
	return s->local ? 0 : -err->code;
}

static int replay_row(void *arg, enum record_kind kind, const char *key, const void *data,
		      size_t len, struct err *err)
{
	return core_replay(arg, kind, key, data, len, err);
}

static int open_store(struct server *s, struct err *err)
{
	struct core_config config = {
		.interval_ms = options_u64(s->options, OPT_coordinator_interval),
		.headroom_percent = (unsigned)options_u64(s->options, OPT_coordinator_headroom),
		.options = s->options,
	};
	char path[4096];
	int rc;

	file_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", config.boot_id,
		       sizeof(config.boot_id));
	str_fmt(path, sizeof(path), "%s/coordinator", options_str(s->options, OPT_node_state));
	rc = file_mkdirs(path, 0700, err);
	if (rc)
		return rc;
	str_fmt(path, sizeof(path), "%s/coordinator/store.db",
		options_str(s->options, OPT_node_state));
	rc = store_open_sqlite(path, &s->store, err);
	if (!rc)
		rc = store_lead(s->store, &config.term, err);
	if (rc)
		return rc;
	str_copy(config.id, sizeof(config.id), options_str(s->options, OPT_node_id));
	s->core = core_new(&config);
	rc = store_replay(s->store, HISTORY_REPLAYED, replay_row, s->core, err);
	if (rc)
		return err_wrap(err, "%s", path);
	core_resume(s->core, now(), &s->effects);
	log_info("leads\tterm=%" PRIu64 " jobs=%zu", config.term, core_jobs_running(s->core));
	return 0;
}

static uint16_t port_of(const struct bus_sock *sock)
{
	const char *endpoint = bus_sock_endpoint(sock), *colon = strrchr(endpoint, ':');
	uint64_t port = 0;

	return colon && str_u64(colon + 1, 1, UINT16_MAX, &port) ? (uint16_t)port : 0;
}

/* Workers dial us: their announcements are news for the log, no more. */
static void on_peer(void *arg, enum discovery_event event, const struct discovery_peer *peer)
{
	(void)arg;
	log_debug("worker %s\tnode=%s address=%s",
		  event == DISCOVERY_found ? "announced" : "not announced any more", peer->id,
		  peer->address);
}

static int open_discovery(struct server *s, const struct curve_keys *keys, struct err *err)
{
	struct discovery_self self = {.role = DISCOVERY_coordinator,
				      .commands_port = port_of(s->commands),
				      .beats_port = port_of(s->beats)};

	if (!options_flag(s->options, OPT_discovery_mdns))
		return 0;
	str_copy(self.id, sizeof(self.id), options_str(s->options, OPT_node_id));
	keys_fingerprint(keys->public, self.fingerprint);
	s->discovery = discovery_avahi(&self, DISCOVERY_worker, on_peer, s, err);
	return s->discovery ? 0 : -err->code;
}

static int set_up(struct server *s, const struct curve_keys *keys, struct err *err)
{
	int rc = open_signals(s, err);

	if (!rc)
		rc = open_bus(s, keys, err);
	if (!rc)
		rc = open_store(s, err);
	if (!rc)
		rc = open_discovery(s, keys, err);
	if (!rc)
		feed_roster(s);
	return rc;
}

static void tear_down(struct server *s)
{
	discovery_free(&s->discovery);
	bus_sock_free(&s->local);
	bus_sock_free(&s->beats);
	bus_sock_free(&s->commands);
	bus_free(&s->bus);
	core_free(&s->core);
	store_close(&s->store);
	effects_reset(&s->effects);
	routes_done(&s->routes);
	free(s->gone);
	roster_free(&s->roster);
	if (s->signals >= 0)
		close(s->signals);
}

/* --- the loop --- */

static int timeout_of(const struct server *s)
{
	uint64_t now_ms = clock_mono_ms(), at_ms = s->effects.timer_ms;

	if (at_ms <= now_ms)
		return 0;
	return at_ms - now_ms > 10000 ? 10000 : (int)(at_ms - now_ms);
}

static int loop(struct server *s, struct err *err)
{
	struct bus_poll_item items[ITEM_COUNT] = {
		[ITEM_commands] = {.sock = s->commands, .fd = -1},
		[ITEM_beats] = {.sock = s->beats, .fd = -1},
		[ITEM_local] = {.sock = s->local, .fd = -1},
		[ITEM_signal] = {.fd = s->signals},
		[ITEM_discovery] = {.fd = s->discovery ? discovery_fd(s->discovery) : -1},
	};
	int rc = 0;

	while (!rc && !s->stop) {
		rc = bus_poll(items, ITEM_COUNT, timeout_of(s), err);
		if (rc < 0)
			return rc;
		/* All of them, ready or not: silence is judged only after the last word is read. */
		drain(s, s->commands);
		drain(s, s->beats);
		drain(s, s->local);
		if (items[ITEM_discovery].ready)
			discovery_dispatch(s->discovery);
		take_signal(s);
		rc = turn(s, err);
	}
	return rc;
}

int serve(struct options *options, const struct options_loader *loader,
	  const struct curve_keys *keys, struct roster **roster, struct err *err)
{
	struct server s = {
		.options = options, .loader = loader, .signals = -1, .roster = mem_take(*roster)};
	int rc = set_up(&s, keys, err);

	if (!rc)
		rc = turn(&s, err);
	if (!rc) {
		sd_notify(0, "READY=1");
		log_info("serves\tcommands=%s beats=%s local=%s", bus_sock_endpoint(s.commands),
			 bus_sock_endpoint(s.beats), bus_sock_endpoint(s.local));
		rc = loop(&s, err);
	}
	sd_notify(0, "STOPPING=1");
	if (!rc)
		log_info("ends\tjobs=%zu", core_jobs_running(s.core));
	tear_down(&s);
	return rc;
}
