/* SPDX-License-Identifier: MPL-2.0
 *
 * Non-blocking libssh2: every call that would block waits in ssh_wait, where a cancel ends it. */
#include "transfer/ssh.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "transfer/sshkey.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETUP_MS 20000        /* connect, handshake and login together */
#define USER_TIMEOUT_MS 20000 /* unacknowledged bytes for so long end the connection */
#define WRITE_CHUNK (256 * 1024)

struct ssh {
	struct wire wire;
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;
	int sock;
	uint64_t deadline_ms;
	char said[512]; /* tail of the peer's standard error */
};

int ssh_init(struct err *err)
{
	const char *version = libssh2_version(0);

	if (str_starts(version, "1.11.0"))
		return fail(err, ERR_refused, "libssh2 1.11.0 is open to the Terrapin attack");
	if (libssh2_init(0))
		return fail(err, ERR_nomem, "libssh2 does not start");
	return 0;
}

/* Waits for what libssh2 wants; timeout_ms -1 = for ever. */
static int ssh_wait(struct ssh *ssh, int timeout_ms, struct err *err)
{
	int directions = libssh2_session_block_directions(ssh->session);
	short events = 0;

	if (directions & LIBSSH2_SESSION_BLOCK_INBOUND)
		events |= POLLIN;
	if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
		events |= POLLOUT;
	return wire_poll(ssh->sock, events ? events : POLLIN, ssh->wire.cancel_fd, timeout_ms, err);
}

static int setup_wait(struct ssh *ssh, struct err *err)
{
	uint64_t now = clock_mono_ms();

	if (now >= ssh->deadline_ms)
		return fail(err, ERR_timeout, "the SSH server did not answer within %d s",
			    SETUP_MS / 1000);
	return ssh_wait(ssh, (int)(ssh->deadline_ms - now), err);
}

static int ssh_fail(struct ssh *ssh, enum err_code code, const char *what, struct err *err)
{
	char *text = NULL;

	libssh2_session_last_error(ssh->session, &text, NULL, 0);
	return fail(err, code, "%s: %s", what, text && *text ? text : "unknown SSH error");
}

static int connect_one(const struct addrinfo *ai, int cancel_fd, int *ret_fd, struct err *err)
{
	auto_close int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int e = 0, r = 0;
	socklen_t len = sizeof(e);

	if (fd < 0)
		return fail_errno(err, ERR_io, "socket");
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) && errno != EINPROGRESS)
		return fail_errno(err, ERR_unreachable, "connect");
	r = wire_poll(fd, POLLOUT, cancel_fd, SETUP_MS / 2, err);
	if (r)
		return r;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
	errno = e;
	if (e)
		return fail_errno(err, ERR_unreachable, "connect");
	*ret_fd = mem_take_fd(&fd);
	return 0;
}

static void tune(int fd)
{
	const struct {
		int level, name, value;
	} set[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},  {SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 5}, {IPPROTO_TCP, TCP_KEEPINTVL, 5},
		{IPPROTO_TCP, TCP_KEEPCNT, 3},  {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS}};

	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		setsockopt(fd, set[i].level, set[i].name, &set[i].value, sizeof(int));
}

static int connect_any(const struct ssh_target *target, int *ret_fd, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *ai;
	char port[8];
	int r;

	str_fmt(port, sizeof(port), "%u", target->port);
	r = getaddrinfo(target->address, port, &hints, &list);
	if (r)
		return fail(err, ERR_unreachable, "%s: %s", target->address, gai_strerror(r));
	r = -ERR_unreachable;
	for (ai = list; ai && r && r != -ERR_canceled; ai = ai->ai_next)
		r = connect_one(ai, target->cancel_fd, ret_fd, err);
	freeaddrinfo(list);
	if (r)
		return err_wrap(err, "%s port %u", target->address, target->port);
	tune(*ret_fd);
	return 0;
}

static int set_methods(struct ssh *ssh, const struct host_key *key, struct err *err)
{
	bool gcm = libssh2_version(0x010b01) != NULL;
	const char *ciphers = gcm ? "aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,"
				    "aes256-ctr"
				  : "aes128-ctr,aes256-ctr";
	const char *macs = "hmac-sha2-256-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
	const struct {
		int method;
		const char *list;
	} set[] = {{LIBSSH2_METHOD_HOSTKEY, key->methods},
		   {LIBSSH2_METHOD_CRYPT_CS, ciphers},
		   {LIBSSH2_METHOD_CRYPT_SC, ciphers},
		   {LIBSSH2_METHOD_MAC_CS, macs},
		   {LIBSSH2_METHOD_MAC_SC, macs}};

	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		if (libssh2_session_method_pref(ssh->session, set[i].method, set[i].list))
			return ssh_fail(ssh, ERR_config, "SSH method", err);
	return 0;
}

static int handshake(struct ssh *ssh, const struct host_key *key, struct err *err)
{
	size_t len;
	int type, r;
	const char *blob;

	while ((r = libssh2_session_handshake(ssh->session, ssh->sock)) == LIBSSH2_ERROR_EAGAIN) {
		int w = setup_wait(ssh, err);

		if (w)
			return w;
	}
	if (r)
		return ssh_fail(ssh, ERR_unreachable, "SSH handshake", err);
	blob = libssh2_session_hostkey(ssh->session, &len, &type);
	if (blob && len == key->len && !memcmp(blob, key->blob, len))
		return 0;
	fail(err, ERR_denied, "the SSH server's host key is not the pinned one");
	return err_fix(err, "if the host was reinstalled, enrol it again");
}

static int login_key(struct ssh *ssh, const struct ssh_target *t, struct err *err)
{
	int r;

	while ((r = libssh2_userauth_publickey_fromfile(ssh->session, t->user, NULL, t->key_path,
							NULL)) == LIBSSH2_ERROR_EAGAIN) {
		int w = setup_wait(ssh, err);

		if (w)
			return w;
	}
	return r ? ssh_fail(ssh, ERR_denied, "SSH login", err) : 0;
}

static int login_identity(struct ssh *ssh, const char *user, LIBSSH2_AGENT *agent,
			  struct libssh2_agent_publickey *identity, struct err *err)
{
	int r;

	while ((r = libssh2_agent_userauth(agent, user, identity)) == LIBSSH2_ERROR_EAGAIN) {
		int w = setup_wait(ssh, err);

		if (w)
			return w;
	}
	return r ? ssh_fail(ssh, ERR_denied, "SSH login by agent", err) : 0;
}

static int login_agent(struct ssh *ssh, const struct ssh_target *t, struct err *err)
{
	LIBSSH2_AGENT *agent = libssh2_agent_init(ssh->session);
	struct libssh2_agent_publickey *identity = NULL;
	int r = fail(err, ERR_denied, "ssh-agent has no key that is let in");

	if (!agent || libssh2_agent_connect(agent) || libssh2_agent_list_identities(agent))
		r = fail(err, ERR_denied, "no transfer key and no ssh-agent");
	else
		while (r == -ERR_denied && !libssh2_agent_get_identity(agent, &identity, identity))
			r = login_identity(ssh, t->user, agent, identity, err);
	if (agent) {
		libssh2_agent_disconnect(agent);
		libssh2_agent_free(agent);
	}
	return r;
}

static int setup(struct ssh *ssh, const struct ssh_target *target, const struct host_key *key,
		 struct err *err)
{
	int r = connect_any(target, &ssh->sock, err);

	if (r)
		return r;
	ssh->session = libssh2_session_init();
	if (!ssh->session)
		return fail(err, ERR_nomem, "libssh2 session");
	libssh2_session_set_blocking(ssh->session, 0);
	r = set_methods(ssh, key, err);
	if (!r)
		r = handshake(ssh, key, err);
	if (!r)
		r = target->key_path && *target->key_path ? login_key(ssh, target, err)
							  : login_agent(ssh, target, err);
	return r;
}

int ssh_connect(const struct ssh_target *target, struct ssh **ret, struct err *err)
{
	struct host_key key;
	struct ssh *ssh;
	int r = host_key_parse(target->host_key, &key, err);

	if (r)
		return r;
	ssh = mem_new_of(struct ssh);
	ssh->sock = -1;
	ssh->wire.cancel_fd = target->cancel_fd;
	ssh->deadline_ms = clock_mono_ms() + SETUP_MS;
	r = setup(ssh, target, &key, err);
	if (r)
		ssh_free(&ssh);
	else
		*ret = ssh;
	return r;
}

void ssh_free(struct ssh **sp)
{
	struct ssh *ssh = *sp;

	if (!ssh)
		return;
	/* Without a socket libssh2 frees at once instead of asking to be called again. */
	if (ssh->sock >= 0)
		shutdown(ssh->sock, SHUT_RDWR);
	if (ssh->channel)
		libssh2_channel_free(ssh->channel);
	if (ssh->session)
		libssh2_session_free(ssh->session);
	if (ssh->sock >= 0)
		close(ssh->sock);
	free(ssh);
	*sp = NULL;
}

/* All of it: while some is left unread, libssh2 does not tell the end of the stream. */
static void hear(struct ssh *ssh)
{
	size_t used = strlen(ssh->said);
	char buf[256];
	ssize_t n;

	while ((n = libssh2_channel_read_stderr(ssh->channel, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n && used < sizeof(ssh->said) - 1; i++)
			if ((unsigned char)buf[i] >= ' ' && buf[i] != 0x7f)
				ssh->said[used++] = buf[i];
	ssh->said[used] = '\0';
}

static int broken(struct ssh *ssh, const char *what, struct err *err)
{
	hear(ssh);
	if (*ssh->said)
		return fail(err, ERR_unreachable, "%s; the target said: %s", what, ssh->said);
	return ssh_fail(ssh, ERR_unreachable, what, err);
}

static int ssh_write(struct wire *wire, const void *data, size_t len, struct err *err)
{
	struct ssh *ssh = (struct ssh *)wire;
	const char *p = data;

	while (len) {
		ssize_t n = libssh2_channel_write(ssh->channel, p,
						  len < WRITE_CHUNK ? len : WRITE_CHUNK);
		int r = 0;

		if (n == LIBSSH2_ERROR_EAGAIN)
			r = ssh_wait(ssh, wire->stall_ms ? wire->stall_ms : -1, err);
		else if (n < 0)
			return broken(ssh, "writing to the target", err);
		if (r)
			return r;
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int ssh_read(struct wire *wire, void *data, size_t size, size_t *ret_len, struct err *err)
{
	struct ssh *ssh = (struct ssh *)wire;
	ssize_t n = libssh2_channel_read(ssh->channel, data, size);

	*ret_len = 0;
	if (n <= 0)
		hear(ssh);
	if (n > 0)
		*ret_len = (size_t)n;
	else if (n == 0 && libssh2_channel_eof(ssh->channel))
		wire->eof = true;
	else if (n < 0 && n != LIBSSH2_ERROR_EAGAIN)
		return broken(ssh, "reading from the target", err);
	if (wire->eof)
		return broken(ssh, "the target ended the stream", err);
	return 0;
}

static void ssh_wire_free(struct wire *wire)
{
	struct ssh *ssh = (struct ssh *)wire;

	ssh_free(&ssh);
}

static int open_channel(struct ssh *ssh, const char *command, struct err *err)
{
	int r;

	ssh->deadline_ms = clock_mono_ms() + SETUP_MS;
	while (!(ssh->channel = libssh2_channel_open_session(ssh->session))) {
		if (libssh2_session_last_errno(ssh->session) != LIBSSH2_ERROR_EAGAIN)
			return ssh_fail(ssh, ERR_unreachable, "SSH channel", err);
		r = setup_wait(ssh, err);
		if (r)
			return r;
	}
	while ((r = libssh2_channel_exec(ssh->channel, command)) == LIBSSH2_ERROR_EAGAIN) {
		r = setup_wait(ssh, err);
		if (r)
			return r;
	}
	return r ? ssh_fail(ssh, ERR_unreachable, "SSH exec", err) : 0;
}

int ssh_exec(struct ssh **sp, const char *command, struct wire **ret, struct err *err)
{
	struct ssh *ssh = *sp;
	int r = open_channel(ssh, command, err);

	if (r) {
		ssh_free(sp);
		return r;
	}
	*sp = NULL;
	ssh->wire.write = ssh_write;
	ssh->wire.read = ssh_read;
	ssh->wire.free = ssh_wire_free;
	ssh->wire.poll_fd = ssh->sock;
	*ret = &ssh->wire;
	return 0;
}
