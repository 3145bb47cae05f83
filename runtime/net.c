/* SPDX-License-Identifier: MPL-2.0
 *
 * Making, plugging, announcing and destroying a container's network. The gate is the place of the
 * veth's host end on the bridge: off it, nothing of the container is heard and nothing reaches it,
 * whatever CRIU, the runtime or a thaw do inside. */
#include "runtime/net.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/netlink.h"
#include "runtime/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

#define NAME_ATTEMPTS 8

static size_t addr_len(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static int nl_failed(int rc, struct err *err, const char *what, const char *name)
{
	errno = -rc;
	return rc < 0 ? fail_errno(err, ERR_io, "%s %s", what, name) : 0;
}

/* Index of an interface in the namespace of the socket: > 0, 0 = absent. */
static void each_index(void *arg, const struct nlmsghdr *m)
{
	const struct ifinfomsg *info = NLMSG_DATA(m);

	if (m->nlmsg_type == RTM_NEWLINK)
		*(int *)arg = info->ifi_index;
}

/* 0: there is none of that name; -errno: it cannot be told. */
static int link_look(struct nl *nl, const char *ifname)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct nl_request q;
	int index = 0, rc;

	nl_begin(&q, RTM_GETLINK, 0, &head, sizeof(head));
	nl_put_text(&q, IFLA_IFNAME, ifname);
	rc = nl_dump(nl, &q, each_index, &index);
	return rc == -ENODEV ? 0 : rc ? rc : index;
}

static int link_index(struct nl *nl, const char *ifname)
{
	int index = link_look(nl, ifname);

	return index > 0 ? index : 0;
}

/* It may be gone already, with the namespace of its other end for instance. */
static int link_delete(struct nl *nl, const char *ifname)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct nl_request q;
	int rc = link_look(nl, ifname);

	if (rc <= 0)
		return rc;
	head.ifi_index = rc;
	nl_begin(&q, RTM_DELLINK, 0, &head, sizeof(head));
	rc = nl_ask(nl, &q);
	return rc == -ENODEV ? 0 : rc;
}

static int link_up(struct nl *nl, int index)
{
	struct ifinfomsg head = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = index,
		.ifi_flags = IFF_UP,
		.ifi_change = IFF_UP,
	};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof(head));
	return nl_ask(nl, &q);
}

static int link_master(struct nl *nl, int index, int master)
{
	struct ifinfomsg head = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = index,
		.ifi_flags = master ? IFF_UP : 0,
		.ifi_change = master ? IFF_UP : 0,
	};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof(head));
	nl_put_u32(&q, IFLA_MASTER, (uint32_t)master);
	return nl_ask(nl, &q);
}

/* One end here, the other in the namespace behind netns_fd. The host end's MAC begins with fe: a
 * bridge takes the lowest MAC of its ports for its own, and must not change it with ours. */
static int make_veth(struct nl *nl, const struct net_state *s, int netns_fd)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC}, peer = {.ifi_family = AF_UNSPEC};
	struct nlattr *info, *data, *inside;
	struct nl_request q;
	uint8_t host_mac[6];

	memcpy(host_mac, s->mac, 6);
	host_mac[0] = 0xfe;
	nl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	nl_put_text(&q, IFLA_IFNAME, s->host_ifname);
	nl_put(&q, IFLA_ADDRESS, host_mac, 6);
	if (s->mtu)
		nl_put_u32(&q, IFLA_MTU, s->mtu);
	info = nl_nest(&q, IFLA_LINKINFO, NULL, 0);
	nl_put(&q, IFLA_INFO_KIND, "veth", 4);
	data = nl_nest(&q, IFLA_INFO_DATA, NULL, 0);
	inside = nl_nest(&q, VETH_INFO_PEER, &peer, sizeof(peer));
	nl_put_text(&q, IFLA_IFNAME, s->ifname);
	nl_put(&q, IFLA_ADDRESS, s->mac, 6);
	if (s->mtu)
		nl_put_u32(&q, IFLA_MTU, s->mtu);
	nl_put_u32(&q, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	nl_unnest(&q, inside);
	nl_unnest(&q, data);
	nl_unnest(&q, info);
	return nl_ask(nl, &q);
}

static int add_addr(struct nl *nl, int index, const struct net_addr *a)
{
	struct ifaddrmsg head = {
		.ifa_family = a->family,
		.ifa_prefixlen = a->prefix,
		.ifa_index = (uint32_t)index,
	};
	struct nl_request q;
	int rc;

	nl_begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	nl_put(&q, IFA_LOCAL, a->addr, addr_len(a->family));
	nl_put(&q, IFA_ADDRESS, a->addr, addr_len(a->family));
	/* The address is in use elsewhere until the move is over: duplicate detection would refuse
	 * it. */
	if (a->family == AF_INET6)
		nl_put_u32(&q, IFA_FLAGS, IFA_F_NODAD);
	rc = nl_ask(nl, &q);
	return rc == -EEXIST ? 0 : rc;
}

static int add_route(struct nl *nl, int index, const struct net_route *r)
{
	struct rtmsg head = {
		.rtm_family = r->to.family,
		.rtm_dst_len = r->to.prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = r->has_via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
	};
	struct nl_request q;
	int rc;

	nl_begin(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	if (r->to.prefix)
		nl_put(&q, RTA_DST, r->to.addr, addr_len(r->to.family));
	if (r->has_via)
		nl_put(&q, RTA_GATEWAY, r->via, addr_len(r->to.family));
	if (r->metric)
		nl_put_u32(&q, RTA_PRIORITY, r->metric);
	nl_put_u32(&q, RTA_OIF, (uint32_t)index);
	rc = nl_ask(nl, &q);
	return rc == -EEXIST ? 0 : rc;
}

/* Addresses and routes; only links that are up take routes. */
static int configure(const struct net_state *s, struct err *err)
{
	auto_nl struct nl nl = {.fd = -1};
	int rc = nl_open(NETLINK_ROUTE, s->netns, &nl, err), index, lo;
	char text[NET_TEXT];

	if (rc < 0)
		return rc;
	lo = link_index(&nl, "lo");
	index = link_index(&nl, s->ifname);
	if ((rc = link_up(&nl, lo)) < 0 || (rc = link_up(&nl, index)) < 0)
		return nl_failed(rc, err, "setting up", s->ifname);
	for (uint32_t i = 0; i < s->n_addrs; i++)
		if ((rc = add_addr(&nl, index, &s->addrs[i])) < 0)
			return nl_failed(rc, err, "adding address",
					 net_addr_text(&s->addrs[i], text));
	/* A gateway may itself be reached by a route without one. */
	for (int via = 0; via < 2; via++)
		for (uint32_t i = 0; i < s->n_routes; i++)
			if (s->routes[i].has_via == via &&
			    (rc = add_route(&nl, index, &s->routes[i])) < 0)
				return nl_failed(rc, err, "adding route",
						 net_route_text(&s->routes[i], text));
	return 0;
}

/* A veth of ours from an earlier attempt goes; anything else in the namespace is somebody's. */
static int clear_namespace(struct nl *host, const struct net_state *s, struct err *err)
{
	struct net_state found;
	int rc = net_read(s->netns, &found, err);

	if (rc < 0 || !found.n_links)
		return rc;
	if (found.n_links > 1 || !str_eq(found.ifname, s->ifname) || !found.host_ifname[0])
		return fail(err, ERR_busy, "%s already has an interface %s", s->netns,
			    found.ifname);
	return nl_failed(link_delete(host, found.host_ifname), err, "removing", found.host_ifname);
}

int net_create(const char *id, const struct net_state *state, struct net_state *ret_state,
	       struct err *err)
{
	auto_nl struct nl host = {.fd = -1};
	auto_close int netns = -1;
	unsigned attempt = 0;
	int rc = net_state_check(state, err);

	*ret_state = *state;
	if (rc < 0 || state->kind != NET_NAMED)
		return rc;
	if ((rc = netns_make(state->netns, err)) < 0 ||
	    (rc = nl_open(NETLINK_ROUTE, NULL, &host, err)) < 0 ||
	    (rc = clear_namespace(&host, state, err)) < 0)
		return rc;
	netns = open(state->netns, O_RDONLY | O_CLOEXEC);
	do {
		net_host_ifname(id, attempt++, ret_state->host_ifname);
		rc = make_veth(&host, ret_state, netns);
	} while (rc == -EEXIST && attempt < NAME_ATTEMPTS);
	if (rc == -EEXIST)
		return fail(err, ERR_busy, "interface %s exists already", ret_state->host_ifname);
	if (rc < 0)
		return nl_failed(rc, err, "making interface", ret_state->host_ifname);
	if ((rc = link_up(&host, link_index(&host, ret_state->host_ifname))) < 0)
		return nl_failed(rc, err, "setting up", ret_state->host_ifname);
	return configure(ret_state, err);
}

int net_set_neigh(const struct net_state *s, struct err *err)
{
	auto_nl struct nl nl = {.fd = -1};
	int rc, index;

	if (s->kind != NET_NAMED || !s->n_neigh)
		return 0;
	if ((rc = nl_open(NETLINK_ROUTE, s->netns, &nl, err)) < 0)
		return rc;
	index = link_index(&nl, s->ifname);
	for (uint32_t i = 0; i < s->n_neigh && rc == 0; i++) {
		struct ndmsg head = {
			.ndm_family = s->neigh[i].family,
			.ndm_ifindex = index,
			.ndm_state = NUD_STALE,
		};
		struct nl_request q;

		nl_begin(&q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
		nl_put(&q, NDA_DST, s->neigh[i].addr, addr_len(head.ndm_family));
		nl_put(&q, NDA_LLADDR, s->neigh[i].mac, 6);
		rc = nl_ask(&nl, &q);
	}
	return nl_failed(rc, err, "setting neighbours in", s->netns);
}

/* Opens a socket and finds the host end: its index, or -ERR. */
static int open_host_end(const struct net_state *s, struct nl *nl, struct err *err)
{
	int rc = nl_open(NETLINK_ROUTE, NULL, nl, err), index;

	if (rc < 0)
		return rc;
	index = s->host_ifname[0] ? link_index(nl, s->host_ifname) : 0;
	return index ? index
		     : fail(err, ERR_nosuch, "no interface %s on this host", s->host_ifname);
}

int net_gate_close(const struct net_state *s, struct err *err)
{
	auto_nl struct nl nl = {.fd = -1};
	int index;

	if (s->kind != NET_NAMED)
		return 0;
	index = open_host_end(s, &nl, err);
	if (index < 0)
		return index;
	return nl_failed(link_master(&nl, index, 0), err, "unplugging", s->host_ifname);
}

int net_gate_open(const struct net_state *s, struct err *err)
{
	auto_nl struct nl nl = {.fd = -1};
	int index, bridge;

	if (s->kind != NET_NAMED)
		return 0;
	index = open_host_end(s, &nl, err);
	if (index < 0)
		return index;
	bridge = s->bridge[0] ? link_index(&nl, s->bridge) : 0;
	if (!bridge)
		return fail(err, ERR_nosuch, "no bridge %s on this host", s->bridge);
	return nl_failed(link_master(&nl, index, bridge), err, "plugging in", s->host_ifname);
}

int net_gate_is_open(const struct net_state *s, struct err *err)
{
	struct net_state now;
	int rc = s->kind == NET_NAMED ? net_read(s->netns, &now, err) : 0;

	if (rc < 0 || s->kind != NET_NAMED)
		return rc < 0 ? rc : 1;
	return now.bridge[0] != 0;
}

bool net_in_use(const struct net_state *s)
{
	return s->kind == NET_NAMED && netns_user(s->netns) != 0;
}

int net_destroy(const struct net_state *s, struct err *err)
{
	auto_nl struct nl nl = {.fd = -1};
	const char *ifname;
	struct net_state now;
	int rc;

	if (s->kind != NET_NAMED)
		return 0;
	if (net_state_check(s, err) < 0)
		return -ERR_invalid;
	rc = net_read(s->netns, &now, err);
	if (rc)
		return rc == -ERR_nosuch ? 0 : rc;
	/* That it has a host end is not always read; the hold has written it down. */
	ifname = now.n_links && !now.host_ifname[0] ? s->host_ifname : now.host_ifname;
	/* The namespace goes asynchronously, sockets that still close keep it: the name of the host
	 * end must be free at once. It goes first, so that who fails here can try again. */
	if (*ifname) {
		rc = nl_open(NETLINK_ROUTE, NULL, &nl, err);
		if (!rc)
			rc = nl_failed(link_delete(&nl, ifname), err, "removing", ifname);
		if (rc)
			return rc;
	}
	return netns_remove(s->netns, err);
}
