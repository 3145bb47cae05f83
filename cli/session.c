/* SPDX-License-Identifier: MPL-2.0
 *
 * One dealer socket, and the descriptor that a signal handler makes readable. */
#include "cli/session.h"

#include "base/clock.h"
#include "base/mem.h"
#include "proto/bus.h"
#include "proto/keys.h"
#include "proto/roster.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

static int interrupt_fd = -1;

/* Runs in signal handlers too. */
void cli_interrupt(void)
{
	uint64_t one = 1;
	int saved = errno;
	ssize_t n = interrupt_fd >= 0 ? write(interrupt_fd, &one, sizeof(one)) : 0;

	(void)n;
	errno = saved;
}

void cli_interrupt_reset(void)
{
	uint64_t count;
	ssize_t n;

	if (interrupt_fd < 0)
		interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	n = read(interrupt_fd, &count, sizeof(count));
	(void)n;
}

bool cli_interrupted(void)
{
	struct pollfd item = {.fd = interrupt_fd, .events = POLLIN};

	return interrupt_fd >= 0 && poll(&item, 1, 0) > 0;
}

struct session {
	struct curve_keys keys;
	struct roster *roster;
	struct bus *bus;
	struct bus_sock *sock;
	char endpoint[256];
	bool verbose;
	FILE *log;
};

static int open_local(struct session *session, struct err *err)
{
	session->bus = bus_new(NULL, NULL, err);
	if (session->bus)
		session->sock = bus_local_dealer(session->bus, session->endpoint, err);
	if (session->sock)
		return 0;
	if (err->code == ERR_unreachable)
		err_fix(err, "is drover-coordinator running here? "
			     "systemctl status drover-coordinator; or name another with "
			     "--coordinator tcp://HOST:7400 --server ID");
	return -err->code;
}

/* The server's name may be left out when the roster has one coordinator. */
static int find_server(const struct session *session, const char *said, const char **ret,
		       struct err *err)
{
	size_t found = 0;

	*ret = said;
	if (said && *said)
		return 0;
	for (size_t i = 0; i < roster_len(session->roster); i++) {
		const struct roster_node *node = roster_at(session->roster, i);

		if (node->role & ROLE_coordinator && !node->revoked) {
			*ret = node->id;
			found++;
		}
	}
	if (found == 1)
		return 0;
	fail(err, ERR_config, "which coordinator is at %s? The roster has %d", session->endpoint,
	     (int)found);
	return err_fix(err, "add --server ID, or set server in [cli]");
}

static int open_remote(struct cli *cli, struct session *session, struct err *err)
{
	const char *key = options_str(cli->options, OPT_node_key);
	const char *server = cli->in.server;
	int code = keys_load(key, &session->keys, err);

	if (!server || !*server)
		server = options_str(cli->options, OPT_cli_server);
	if (code == -ERR_nosuch) {
		code = fail(err, ERR_config, "there is no key file %s, and tcp needs one", key);
		err_fix(err, "make one with drover keygen, or name it: key in [node] of --config");
	}
	if (!code)
		code = roster_load(options_str(cli->options, OPT_node_roster), &session->roster,
				   err);
	if (code == -ERR_nosuch)
		code = err->code = ERR_config;
	else if (!code)
		code = find_server(session, server, &server, err);
	if (code)
		return -err->code;
	session->bus = bus_new(&session->keys, session->roster, err);
	if (session->bus)
		session->sock = bus_dealer(session->bus, session->endpoint, server, err);
	return session->sock ? 0 : -err->code;
}

int session_open(struct cli *cli, struct session **ret, struct err *err)
{
	struct session *session = mem_new_of(struct session);
	int code;

	str_copy(session->endpoint, sizeof(session->endpoint), cli->endpoint);
	session->verbose = cli->in.verbose;
	session->log = cli->err;
	if (str_starts(session->endpoint, "ipc://")) {
		code = open_local(session, err);
	} else if (str_starts(session->endpoint, "tcp://")) {
		code = open_remote(cli, session, err);
	} else {
		code = fail(err, ERR_usage, "\"%s\" is no endpoint", session->endpoint);
		err_fix(err, "write ipc:///path or tcp://host:port");
	}
	if (code)
		session_close(&session);
	*ret = session;
	return code;
}

void session_close(struct session **session)
{
	struct session *s = *session;

	if (!s)
		return;
	bus_sock_free(&s->sock);
	bus_free(&s->bus);
	roster_free(&s->roster);
	keys_wipe(&s->keys);
	free(s);
	*session = NULL;
}

int session_ask(struct session *session, const struct msg_request *request, char ret_id[ULID_SIZE],
		struct err *err)
{
	struct msg_head head;

	if (!*ret_id)
		ulid_new(ret_id, clock_wall_ms());
	head = msg_head_new(MSG_TYPE_request, 0, ret_id);
	if (session->verbose)
		fprintf(session->log, "drover: asks %s for %s, request %s\n", session->endpoint,
			request->command, ret_id);
	return bus_send(session->sock, NULL, &head, request, err);
}

int session_next(struct session *session, int timeout_ms, struct msg **ret, struct err *err)
{
	uint64_t end_ms = clock_mono_ms() + (uint64_t)timeout_ms;

	for (;;) {
		struct bus_poll_item items[] = {{.sock = session->sock}, {.fd = interrupt_fd}};
		struct bus_from from;
		uint64_t now_ms = clock_mono_ms();
		int code = bus_recv(session->sock, &from, ret, err);

		if (code == 1)
			return HEARD_message;
		if (code < 0) {
			if (session->verbose)
				fprintf(session->log, "drover: skipped a message: %s\n", err->text);
			continue;
		}
		code = bus_poll(items, ARRAY_LEN(items),
				now_ms < end_ms ? (int)(end_ms - now_ms) : 0, err);
		if (code < 0)
			return code;
		if (items[1].ready)
			return HEARD_interrupt;
		if (!items[0].ready && clock_mono_ms() >= end_ms)
			return HEARD_timeout;
	}
}

int session_fail_silent(const struct session *session, uint64_t waited_ms, struct err *err)
{
	char human[STR_HUMAN_SIZE];

	fail(err, ERR_unreachable, "no answer from %s within %s", session->endpoint,
	     str_human_ms(human, waited_ms));
	if (str_starts(session->endpoint, "ipc://"))
		return err_fix(err, "is drover-coordinator running here? "
				    "systemctl status drover-coordinator");
	return err_fix(err, "is drover-coordinator running there, is the port open, and is this "
			    "node's key in its roster? Or wait longer: --timeout");
}

int session_answer(struct session *session, const char *id, uint64_t timeout_ms, struct msg **ret,
		   struct err *err)
{
	uint64_t end_ms = clock_mono_ms() + timeout_ms;

	for (;;) {
		uint64_t now_ms = clock_mono_ms();
		int heard = session_next(session, now_ms < end_ms ? (int)(end_ms - now_ms) : 0, ret,
					 err);

		if (heard < 0)
			return heard;
		if (heard == HEARD_timeout)
			return session_fail_silent(session, timeout_ms, err);
		if (heard == HEARD_interrupt)
			return fail(err, ERR_canceled, "interrupted");
		if ((*ret)->head.type == MSG_TYPE_reply && (*ret)->reply->final &&
		    str_eq((*ret)->head.request, id))
			return 0;
		msg_free(ret);
	}
}
