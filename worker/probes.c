/* SPDX-License-Identifier: MPL-2.0
 *
 * A small table of connections, each with a deadline. */
#include "worker/probes.h"

#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct probe {
	int fd; /* -1 = free */
	bool connected;
	size_t tag;
	char host[NAME_SIZE];
	uint64_t end_ms;
};

struct probes {
	const struct roster *roster;
	probes_fn *fn;
	void *arg;
	struct probe v[PROBES_MAX];
};

struct probes *probes_new(const struct roster *roster, probes_fn *fn, void *arg)
{
	struct probes *p = mem_new_of(struct probes);

	p->roster = roster;
	p->fn = fn;
	p->arg = arg;
	for (size_t i = 0; i < PROBES_MAX; i++)
		p->v[i].fd = -1;
	return p;
}

void probes_free(struct probes **probes)
{
	for (size_t i = 0; *probes && i < PROBES_MAX; i++)
		if ((*probes)->v[i].fd >= 0)
			close((*probes)->v[i].fd);
	free(*probes);
	*probes = NULL;
}

static void answer(struct probes *p, size_t tag, const char *host, bool tried, bool reached,
		   const char *error)
{
	p->fn(p->arg, tag,
	      &(struct msg_sight){
		      .host = host, .tried = tried, .reached = reached, .error = error});
}

static void end(struct probes *p, struct probe *probe, bool tried, bool reached, const char *error)
{
	close(probe->fd);
	probe->fd = -1;
	answer(p, probe->tag, probe->host, tried, reached, error);
}

/* A number only: looking a name up would block. */
static struct addrinfo *resolve(const char *address, uint64_t port)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char service[16];

	str_fmt(service, sizeof(service), "%u", (unsigned)(port && port <= UINT16_MAX ? port : 22));
	if (!address || !*address || getaddrinfo(address, service, &hints, &found))
		return NULL;
	return found;
}

static struct addrinfo *address_of(const struct roster_node *node, const struct msg_probe *probe)
{
	struct addrinfo *found = NULL;

	for (size_t i = 0; i < node->addresses && !found; i++)
		found = resolve(node->address[i], node->ssh_port);
	return found ? found : resolve(probe->address, probe->port);
}

/* What an error of a connection says of the host. */
static void judge(struct probes *p, struct probe *probe, int error)
{
	bool answers = error == ECONNREFUSED || error == ECONNRESET || error == EPIPE;
	bool silent = error == EHOSTUNREACH || error == ENETUNREACH || error == ETIMEDOUT ||
		      error == EHOSTDOWN;

	end(p, probe, answers || silent, answers, strerror(error));
}

static struct probe *free_one(struct probes *p)
{
	for (size_t i = 0; i < PROBES_MAX; i++)
		if (p->v[i].fd < 0)
			return &p->v[i];
	return NULL;
}

void probes_start(struct probes *p, size_t tag, const struct msg_probe *ask, uint64_t now_ms)
{
	const struct roster_node *node = roster_find(p->roster, ask->host);
	struct addrinfo *to = node && !node->revoked ? address_of(node, ask) : NULL;
	uint64_t limit_ms = ask->deadline_ms < PROBE_DEADLINE_MOST_MS ? ask->deadline_ms
								      : PROBE_DEADLINE_MOST_MS;
	struct probe *probe = free_one(p);
	int fd;

	if (!to || !probe) {
		answer(p, tag, ask->host, false, false,
		       to ? "too many probes at once" : "no numeric address of it is known here");
		if (to)
			freeaddrinfo(to);
		return;
	}
	fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		answer(p, tag, ask->host, false, false, strerror(errno));
		freeaddrinfo(to);
		return;
	}
	*probe = (struct probe){.fd = fd, .tag = tag, .end_ms = now_ms + limit_ms};
	str_copy(probe->host, sizeof(probe->host), ask->host);
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)
		judge(p, probe, errno);
	freeaddrinfo(to);
}

struct bus_poll_item probes_item(const struct probes *p, size_t i)
{
	return (struct bus_poll_item){.fd = p->v[i].fd,
				      .want_out = p->v[i].fd >= 0 && !p->v[i].connected};
}

static void ready(struct probes *p, struct probe *probe)
{
	int error = 0;
	socklen_t len = sizeof(error);
	char byte;

	if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error) {
		judge(p, probe, error);
		return;
	}
	probe->connected = true;
	if (recv(probe->fd, &byte, 1, MSG_DONTWAIT) >= 0) /* a greeting, or an end */
		end(p, probe, true, true, NULL);
	else if (errno != EAGAIN && errno != EINTR)
		judge(p, probe, errno);
}

void probes_dispatch(struct probes *p, size_t i, const struct bus_poll_item *item, uint64_t now_ms)
{
	struct probe *probe = &p->v[i];

	if (probe->fd >= 0 && item->fd == probe->fd && (item->ready || item->ready_out))
		ready(p, probe);
	if (probe->fd >= 0 && now_ms >= probe->end_ms)
		end(p, probe, true, false, "no answer in time");
}

int probes_timeout_ms(const struct probes *p, uint64_t now_ms, int most_ms)
{
	int ms = most_ms;

	for (size_t i = 0; i < PROBES_MAX; i++) {
		const struct probe *probe = &p->v[i];

		if (probe->fd < 0)
			continue;
		if (probe->end_ms <= now_ms)
			return 0;
		if (probe->end_ms - now_ms < (uint64_t)ms)
			ms = (int)(probe->end_ms - now_ms);
	}
	return ms;
}
