/* SPDX-License-Identifier: MPL-2.0
 *
 * TCP by sock_diag(7) where the kernel has it, UDP and the rest from /proc/self/net. */
#include "runtime/ports.h"

#include "base/mem.h"
#include "base/str.h"
#include "runtime/sockets.h"

#include <stdio.h>
#include <string.h>

struct place {
	char proto[4], host[64], port[8];
};

static bool split(const char *text, struct place *ret)
{
	const char *colon = strrchr(text, ':');
	size_t head = strcspn(text, " ");

	if (!colon || !text[head] || text + head > colon)
		return false;
	return str_fmt(ret->proto, sizeof(ret->proto), "%.*s", (int)head, text) &&
	       str_fmt(ret->host, sizeof(ret->host), "%.*s", (int)(colon - text - (int)head - 1),
		       text + head + 1) &&
	       str_copy(ret->port, sizeof(ret->port), colon + 1);
}

/* An IPv6 socket on any address takes the IPv4 ones along. */
static bool is_any(const char *host)
{
	return str_eq(host, "0.0.0.0") || str_eq(host, "[::]");
}

bool port_clash(const char *a, const char *b)
{
	struct place x, y;

	return split(a, &x) && split(b, &y) && str_eq(x.proto, y.proto) && str_eq(x.port, y.port) &&
	       (str_eq(x.host, y.host) || is_any(x.host) || is_any(y.host));
}

struct search {
	const char *wanted, *proto;
	unsigned state;
	bool found;
};

static void look_at(void *arg, const struct inet_socket *sock)
{
	struct search *s = arg;
	char text[80];

	str_fmt(text, sizeof(text), "%s %s", s->proto, sock->local);
	s->found |= sock->state == s->state && port_clash(text, s->wanted);
}

static void look_in(struct search *s, const char *table)
{
	char path[64], line[512];
	struct inet_socket sock;
	auto_fclose FILE *f = NULL;

	str_fmt(path, sizeof(path), "/proc/self/net/%s", table);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (socket_parse(line, &sock))
			look_at(s, &sock);
}

bool port_taken(const char *wanted)
{
	struct search s = {.wanted = wanted, .proto = "tcp", .state = SOCKET_LISTEN};

	if (str_starts(wanted, "udp")) {
		s.proto = "udp";
		s.state = SOCKET_CLOSE;
		look_in(&s, "udp");
		look_in(&s, "udp6");
	} else if (tcp_each("/proc/self/ns/net", look_at, &s) < 0) {
		look_in(&s, "tcp");
		look_in(&s, "tcp6");
	}
	return s.found;
}
