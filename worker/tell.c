/* SPDX-License-Identifier: MPL-2.0
 *
 * Both ends of the direct path within the bus side: children that tell, clients that are told. */
#include "worker/tell.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/run.h"
#include "transfer/ssh.h"
#include "worker/bus_side.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define TELL_LIMIT_MS 70000

struct child {
	char migration[ULID_SIZE]; /* "" = free */
	int fd;
	struct run *run;
};

struct client {
	char request[ULID_SIZE]; /* of the ask that is with the executor */
	int fd;                  /* -1 = free */
};

struct tells {
	const struct options *options;
	const struct roster *roster;
	int executor, listener;
	struct child children[TELLS_MAX];
	struct client clients[TELLS_MAX];
};

int tells_new(const struct options *options, const struct roster *roster, int executor,
	      struct tells **ret, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct tells *t = mem_new_of(struct tells);

	*ret = t;
	t->options = options;
	t->roster = roster;
	t->executor = executor;
	for (size_t i = 0; i < TELLS_MAX; i++)
		t->children[i].fd = t->clients[i].fd = -1;
	t->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!str_fmt(address.sun_path, sizeof(address.sun_path), "%s/relay/%s",
		     options_str(options, OPT_node_run), TELL_SOCKET))
		return fail(err, ERR_config, "node.run is too long for a socket");
	unlink(address.sun_path);
	if (t->listener < 0 ||
	    bind(t->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(address.sun_path, 0600) < 0 || listen(t->listener, TELLS_MAX) < 0)
		return fail_errno(err, ERR_io, "socket %s", address.sun_path);
	return 0;
}

static void child_end(struct child *child)
{
	if (child->fd >= 0)
		close(child->fd);
	run_free(&child->run);
	*child = (struct child){.fd = -1};
}

static void client_end(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	*client = (struct client){.fd = -1};
}

void tells_free(struct tells **tells)
{
	if (!*tells)
		return;
	for (size_t i = 0; i < TELLS_MAX; i++) {
		child_end(&(*tells)->children[i]);
		client_end(&(*tells)->clients[i]);
	}
	if ((*tells)->listener >= 0)
		close((*tells)->listener);
	free(*tells);
	*tells = NULL;
}

/* --- source --- */

static int child_start(struct tells *t, struct child *child, const struct wire_out *out,
		       const void *body, struct err *err)
{
	const char *argv[] = {"/proc/self/exe", "--role=tell", NULL};
	const struct roster_node *node = roster_find(t->roster, out->peer);
	struct tell_job job = {0};
	auto_close int theirs = -1;
	struct run_fd fds[] = {{-1, 3}};
	struct run_spec spec = {.argv = argv, .fds = fds, .n_fds = 1, .timeout_ms = TELL_LIMIT_MS};
	int pair[2], rc;

	if (!node || node->revoked || !node->ssh_host_key[0])
		return fail(err, ERR_refused, "the roster has no SSH host key of %s", out->peer);
	str_copy(job.connect.address, sizeof(job.connect.address), node->address[0]);
	job.connect.port = node->ssh_port;
	str_copy(job.connect.host_key, sizeof(job.connect.host_key), node->ssh_host_key);
	str_copy(job.connect.user, sizeof(job.connect.user),
		 options_str(t->options, OPT_node_user));
	str_copy(job.connect.key_path, sizeof(job.connect.key_path),
		 options_str(t->options, OPT_transfer_key));
	memcpy(&job.tell, body, sizeof(job.tell));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail_errno(err, ERR_io, "socketpair");
	child->fd = pair[0];
	theirs = fds[0].parent = pair[1];
	rc = run_start(&spec, clock_mono_ms(), &child->run, err);
	if (!rc && send(child->fd, &job, sizeof(job), MSG_NOSIGNAL) != sizeof(job))
		rc = fail_errno(err, ERR_io, "telling");
	return rc;
}

void tells_start(struct tells *t, const struct wire_out *out, const void *body)
{
	struct child *free_one = NULL;
	struct err err;

	if (out->body_len != sizeof(struct tell))
		return;
	for (size_t i = 0; i < TELLS_MAX; i++) {
		if (str_eq(t->children[i].migration, out->migration))
			return;
		if (!t->children[i].migration[0])
			free_one = &t->children[i];
	}
	if (!free_one)
		return; /* the executor asks again */
	str_copy(free_one->migration, sizeof(free_one->migration), out->migration);
	if (child_start(t, free_one, out, body, &err)) {
		log_warn("the grant cannot be told: %s\tmigration=%s", err.text, out->migration);
		child_end(free_one);
	}
}

static void on_child(struct tells *t, struct child *child)
{
	struct wire_told in = {.head = {WIRE_MAGIC, WIRE_TOLD}};
	ssize_t n = recv(child->fd, &in.told, sizeof(in.told), MSG_DONTWAIT);

	if (n == sizeof(in.told) && in.told.magic == TELL_MAGIC) {
		str_copy(in.told.migration, sizeof(in.told.migration), child->migration);
		if (send(t->executor, &in, sizeof(in), MSG_NOSIGNAL) < 0)
			log_warn("executor not told\tmigration=%s", child->migration);
	} else {
		log_info("no answer by the direct path\tmigration=%s", child->migration);
	}
	child_end(child);
}

/* One job: connect, ask, pass the answer on. */
int tell_main(void)
{
	static struct tell_job job;
	struct ssh_target target = {.cancel_fd = -1};
	struct ssh *ssh = NULL;
	struct wire *wire = NULL;
	struct told told = {0};
	struct err err = {0};
	bool connected;
	size_t got = 0;
	int rc;

	log_init("drover-worker", LOG_LEVEL_INFO);
	if (recv(3, &job, sizeof(job), 0) != sizeof(job))
		return err_exit_code(ERR_protocol);
	target.address = job.connect.address;
	target.port = job.connect.port;
	target.host_key = job.connect.host_key;
	target.user = job.connect.user;
	target.key_path = job.connect.key_path;
	rc = ssh_init(&err);
	if (!rc)
		rc = ssh_connect(&target, &ssh, &err);
	connected = !rc;
	if (!rc)
		rc = ssh_exec(&ssh, "tell", &wire, &err);
	if (!rc)
		rc = wire->write(wire, &job.tell, sizeof(job.tell), &err);
	if (!rc)
		rc = wire_read_all(wire, &told, sizeof(told), TELL_LIMIT_MS, &got, &err);
	if (!rc && got != sizeof(told))
		rc = fail(&err, ERR_unreachable, "the target gave no answer");
	/* Its sshd has proved to be there, so the host is not off. */
	if (rc && connected)
		told = (struct told){.magic = TELL_MAGIC, .code = (uint32_t)err.code};
	if ((!rc || connected) && send(3, &told, sizeof(told), MSG_NOSIGNAL) != sizeof(told))
		rc = fail_errno(&err, ERR_io, "passing the answer on");
	if (rc)
		log_warn("direct path: %s", err.text);
	wire_free(&wire);
	ssh_free(&ssh);
	return rc ? err_exit_code(err.code) : 0;
}

/* --- target --- */

static bool terminated(const struct tell *tell)
{
	return memchr(tell->migration, 0, ULID_SIZE) && memchr(tell->container, 0, NAME_SIZE) &&
	       memchr(tell->source, 0, NAME_SIZE) && memchr(tell->target, 0, NAME_SIZE);
}

static void on_listener(struct tells *t)
{
	int fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < TELLS_MAX; i++)
		if (t->clients[i].fd < 0) {
			t->clients[i].fd = fd;
			return;
		}
	if (fd >= 0)
		close(fd);
}

static void on_client(struct tells *t, struct client *client)
{
	static struct wire_ask ask;
	struct tell tell;
	ssize_t n = recv(client->fd, &tell, sizeof(tell), MSG_DONTWAIT);

	if (n != sizeof(tell) || tell.magic != TELL_MAGIC || !terminated(&tell) ||
	    client->request[0]) {
		client_end(client);
		return;
	}
	memset(&ask, 0, sizeof(ask));
	ask.head = (struct wire_in_head){WIRE_MAGIC, WIRE_ASK};
	ask.step = STEP_start;
	ask.direct = true;
	ask.epoch = tell.epoch;
	ulid_new(client->request, clock_wall_ms());
	str_copy(ask.request, sizeof(ask.request), client->request);
	str_copy(ask.migration, sizeof(ask.migration), tell.migration);
	str_copy(ask.container, sizeof(ask.container), tell.container);
	str_copy(ask.source, sizeof(ask.source), tell.source);
	str_copy(ask.target, sizeof(ask.target), tell.target);
	memcpy(ask.proof, tell.grant, sizeof(tell.grant));
	ask.proof_len = sizeof(tell.grant);
	if (send(t->executor, &ask, sizeof(ask), MSG_NOSIGNAL) < 0)
		client_end(client);
}

bool tells_answer(struct tells *t, const char *request, const struct msg_answer *answer)
{
	struct told told = {.magic = TELL_MAGIC, .code = (uint32_t)answer->code};
	struct client *client = t->clients;

	while (client < t->clients + TELLS_MAX &&
	       (client->fd < 0 || !str_eq(client->request, request)))
		client++;
	if (!*request || client == t->clients + TELLS_MAX)
		return false;
	str_copy(told.migration, sizeof(told.migration), answer->migration);
	str_copy(told.state, sizeof(told.state), answer->state);
	if (answer->proof.len <= sizeof(told.proof)) {
		told.proof_len = (uint32_t)answer->proof.len;
		if (told.proof_len)
			memcpy(told.proof, answer->proof.data, told.proof_len);
	}
	send(client->fd, &told, sizeof(told), MSG_NOSIGNAL);
	client_end(client);
	return true;
}

/* --- the loop's view --- */

int tells_fd(const struct tells *t, size_t i)
{
	if (i == 0)
		return t->listener;
	return i <= TELLS_MAX ? t->children[i - 1].fd : t->clients[i - 1 - TELLS_MAX].fd;
}

void tells_dispatch(struct tells *t, size_t i)
{
	if (i == 0)
		on_listener(t);
	else if (i <= TELLS_MAX)
		on_child(t, &t->children[i - 1]);
	else
		on_client(t, &t->clients[i - 1 - TELLS_MAX]);
}
