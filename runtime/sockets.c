/* SPDX-License-Identifier: MPL-2.0
 *
 * Socket lines of /proc/net and the peers of unix sockets. */
#include "runtime/sockets.h"

#include "base/mem.h"
#include "base/str.h"
#include "runtime/netlink.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>

void id_set_add(struct id_set *set, uint64_t id)
{
	if (set->n == set->cap) {
		set->cap = set->cap ? 2 * set->cap : 64;
		set->v = mem_grow(set->v, set->cap, sizeof(*set->v));
	}
	set->v[set->n++] = id;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void id_set_sort(struct id_set *set)
{
	if (set->n)
		qsort(set->v, set->n, sizeof(*set->v), compare);
}

bool id_set_has(const struct id_set *set, uint64_t id)
{
	return set->n && bsearch(&id, set->v, set->n, sizeof(*set->v), compare);
}

void id_set_done(struct id_set *set)
{
	free(set->v);
	memset(set, 0, sizeof(*set));
}

/* The kernel prints each 32-bit word of an address in host order. */
static bool address_text(const char *hex, unsigned port, char *ret, size_t size)
{
	char host[INET6_ADDRSTRLEN];
	uint32_t word[4];

	if (strlen(hex) == 8 && sscanf(hex, "%8x", &word[0]) == 1)
		return inet_ntop(AF_INET, word, host, sizeof(host)) &&
		       str_fmt(ret, size, "%s:%u", host, port);
	if (strlen(hex) == 32 &&
	    sscanf(hex, "%8x%8x%8x%8x", &word[0], &word[1], &word[2], &word[3]) == 4)
		return inet_ntop(AF_INET6, word, host, sizeof(host)) &&
		       str_fmt(ret, size, "[%s]:%u", host, port);
	return false;
}

bool socket_parse(const char *line, struct inet_socket *ret)
{
	unsigned long long inode;
	char hex[40];
	unsigned port;

	memset(ret, 0, sizeof(*ret));
	if (sscanf(line, " %*u: %39[0-9A-F]:%4x %*[0-9A-F]:%*4x %x %*s %*s %*s %*u %*u %llu", hex,
		   &port, &ret->state, &inode) != 4)
		return false;
	ret->inode = inode;
	return address_text(hex, port, ret->local, sizeof(ret->local));
}

struct tcp_walk {
	socket_each *each;
	void *arg;
};

static void each_tcp(void *arg, const struct nlmsghdr *m)
{
	const struct inet_diag_msg *d = NLMSG_DATA(m);
	const struct tcp_walk *walk = arg;
	struct inet_socket sock = {0};
	char host[INET6_ADDRSTRLEN];
	bool v6;

	if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*d)))
		return;
	v6 = d->idiag_family == AF_INET6;
	if (!inet_ntop(d->idiag_family, d->id.idiag_src, host, sizeof(host)))
		return;
	str_fmt(sock.local, sizeof(sock.local), v6 ? "[%s]:%u" : "%s:%u", host,
		ntohs(d->id.idiag_sport));
	sock.state = d->idiag_state;
	sock.inode = d->idiag_inode;
	walk->each(walk->arg, &sock);
}

/* The request of TCPDIAG_GETSOCK is the older one; it alone takes both families in one walk. */
int tcp_each(const char *netns, socket_each *each, void *arg)
{
	struct inet_diag_req head = {.idiag_states = ~(1u << SOCKET_TIME_WAIT)};
	struct tcp_walk walk = {each, arg};
	auto_nl struct nl nl = {.fd = -1};
	struct nl_request q;

	if (nl_open(NETLINK_SOCK_DIAG, netns, &nl, NULL) < 0)
		return -ERR_io;
	nl_begin(&q, TCPDIAG_GETSOCK, NLM_F_DUMP, &head, sizeof(head));
	return nl_dump(&nl, &q, each_tcp, &walk) < 0 ? -ERR_io : 0;
}

struct unix_walk {
	const struct id_set *ours;
	struct id_set peers; /* inodes */
	uint64_t n;
	char (*names)[UNIX_NAME_SIZE];
	size_t max, n_names, named;
};

static void each_ours(void *arg, const struct nlmsghdr *m)
{
	const struct unix_diag_msg *head = NLMSG_DATA(m);
	struct unix_walk *walk = arg;
	const struct nlattr *peer;
	uint32_t inode;
	size_t len;
	const void *attrs = nl_attrs(m, sizeof(*head), &len);

	if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*head)) || !id_set_has(walk->ours, head->udiag_ino))
		return;
	peer = nl_find(attrs, len, UNIX_DIAG_PEER, sizeof(inode));
	if (!peer)
		return;
	memcpy(&inode, nl_data(peer), sizeof(inode));
	/* 0: a connection that its listener has not accepted yet. */
	if (inode && !id_set_has(walk->ours, inode)) {
		walk->n++;
		id_set_add(&walk->peers, inode);
	}
}

static void add_name(struct unix_walk *walk, const char *name)
{
	for (size_t i = 0; i < walk->n_names; i++)
		if (str_eq(walk->names[i], name))
			return;
	if (walk->n_names < walk->max)
		str_copy(walk->names[walk->n_names++], UNIX_NAME_SIZE, name);
}

/* An abstract name begins with a NUL; what no terminal should see is replaced. */
static void each_peer(void *arg, const struct nlmsghdr *m)
{
	const struct unix_diag_msg *head = NLMSG_DATA(m);
	struct unix_walk *walk = arg;
	char text[UNIX_NAME_SIZE] = "?";
	const struct nlattr *name;
	size_t len;
	const void *attrs = nl_attrs(m, sizeof(*head), &len);

	if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*head)) ||
	    !id_set_has(&walk->peers, head->udiag_ino))
		return;
	walk->named++;
	name = nl_find(attrs, len, UNIX_DIAG_NAME, 1);
	if (name) {
		size_t n = nl_len(name) < sizeof(text) ? nl_len(name) : sizeof(text) - 1;

		memcpy(text, nl_data(name), n);
		text[n] = '\0';
		if (!text[0])
			text[0] = '@';
		for (char *p = text; *p; p++)
			if (*p < ' ' || *p == 0x7f)
				*p = '?';
	}
	add_name(walk, text);
}

static bool dump_unix(const char *netns, uint32_t show, nl_each *each, struct unix_walk *walk)
{
	struct unix_diag_req head = {
		.sdiag_family = AF_UNIX, .udiag_states = ~0u, .udiag_show = show};
	auto_nl struct nl nl = {.fd = -1};
	struct nl_request q;

	if (nl_open(NETLINK_SOCK_DIAG, netns, &nl, NULL) < 0)
		return false;
	nl_begin(&q, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &head, sizeof(head));
	return nl_dump(&nl, &q, each, walk) == 0;
}

uint64_t unix_external(const char *netns, const struct id_set *ours,
		       char (*ret_names)[UNIX_NAME_SIZE], size_t max, size_t *ret_n)
{
	struct unix_walk walk = {.ours = ours, .names = ret_names, .max = max};

	*ret_n = 0;
	if (!ours->n)
		return 0;
	dump_unix(netns, UDIAG_SHOW_PEER, each_ours, &walk);
	if (!walk.n)
		return 0;
	id_set_sort(&walk.peers);
	/* A socket on a path is reached from any network namespace. */
	dump_unix(netns, UDIAG_SHOW_NAME, each_peer, &walk);
	if (walk.named < walk.peers.n)
		dump_unix(NULL, UDIAG_SHOW_NAME, each_peer, &walk);
	if (!walk.n_names)
		add_name(&walk, "?");
	*ret_n = walk.n_names;
	id_set_done(&walk.peers);
	return walk.n;
}
