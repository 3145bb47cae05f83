/* SPDX-License-Identifier: MPL-2.0
 *
 * Reading the network of a namespace, and a bridge, by netlink: no children, some ten microseconds
 * a question, so that it can be asked while a container is frozen. */
#include "runtime/net.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* What the callbacks of one net_read gather. */
struct reading {
	struct net_state *state;
	int ifindex;   /* of the interface inside */
	uint32_t peer; /* its host end's index, 0 = it is no veth */
	bool overflow;
};

static size_t addr_len(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static bool family_known(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static uint32_t u32_of(const void *attrs, size_t len, uint16_t type)
{
	const struct nlattr *a = nl_find(attrs, len, type, 4);
	uint32_t v = 0;

	if (a)
		memcpy(&v, nl_data(a), 4);
	return v;
}

static void text_of(const void *attrs, size_t len, uint16_t type, char *ret, size_t size)
{
	const struct nlattr *a = nl_find(attrs, len, type, 1);

	str_fmt(ret, size, "%.*s", a ? (int)nl_len(a) : 0, a ? (const char *)nl_data(a) : "");
}

/* The first interface that is not the loopback; the others are only counted. */
static void each_link(void *arg, const struct nlmsghdr *m)
{
	const struct ifinfomsg *info = NLMSG_DATA(m);
	struct reading *r = arg;
	const struct nlattr *a;
	size_t len;
	const void *attrs = nl_attrs(m, sizeof(*info), &len);

	if (m->nlmsg_type != RTM_NEWLINK || (info->ifi_flags & IFF_LOOPBACK))
		return;
	if (r->state->n_links++)
		return;
	r->ifindex = info->ifi_index;
	text_of(attrs, len, IFLA_IFNAME, r->state->ifname, sizeof(r->state->ifname));
	r->state->mtu = u32_of(attrs, len, IFLA_MTU);
	a = nl_find(attrs, len, IFLA_ADDRESS, 6);
	if (a)
		memcpy(r->state->mac, nl_data(a), 6);
	/* A peer in another namespace: its index there. Without IFLA_LINK_NETNSID it is a parent in
	 * the same namespace (a vlan). */
	if (nl_find(attrs, len, IFLA_LINK_NETNSID, 4))
		r->peer = u32_of(attrs, len, IFLA_LINK);
}

static void each_addr(void *arg, const struct nlmsghdr *m)
{
	const struct ifaddrmsg *info = NLMSG_DATA(m);
	struct reading *r = arg;
	size_t len;
	const void *attrs = nl_attrs(m, sizeof(*info), &len);
	const struct nlattr *a;
	struct net_addr *to;

	/* Link-local addresses follow from the MAC: the kernel makes them again. */
	if (m->nlmsg_type != RTM_NEWADDR || (int)info->ifa_index != r->ifindex ||
	    !family_known(info->ifa_family) || info->ifa_scope == RT_SCOPE_LINK)
		return;
	a = nl_find(attrs, len, IFA_LOCAL, addr_len(info->ifa_family));
	if (!a)
		a = nl_find(attrs, len, IFA_ADDRESS, addr_len(info->ifa_family));
	if (!a)
		return;
	if (r->state->n_addrs == NET_ADDRS) {
		r->overflow = true;
		return;
	}
	to = &r->state->addrs[r->state->n_addrs++];
	to->family = info->ifa_family;
	to->prefix = info->ifa_prefixlen;
	memcpy(to->addr, nl_data(a), addr_len(info->ifa_family));
}

static void each_route(void *arg, const struct nlmsghdr *m)
{
	const struct rtmsg *info = NLMSG_DATA(m);
	struct reading *r = arg;
	size_t len, n = addr_len(info->rtm_family);
	const void *attrs = nl_attrs(m, sizeof(*info), &len);
	const struct nlattr *dst, *via;
	struct net_route *to;

	/* The kernel's own routes come with the addresses. */
	if (m->nlmsg_type != RTM_NEWROUTE || !family_known(info->rtm_family) ||
	    info->rtm_table != RT_TABLE_MAIN || info->rtm_type != RTN_UNICAST ||
	    info->rtm_protocol == RTPROT_KERNEL || (info->rtm_flags & RTM_F_CLONED) ||
	    u32_of(attrs, len, RTA_OIF) != (uint32_t)r->ifindex)
		return;
	if (r->state->n_routes == NET_ROUTES) {
		r->overflow = true;
		return;
	}
	dst = nl_find(attrs, len, RTA_DST, n);
	via = nl_find(attrs, len, RTA_GATEWAY, n);
	to = &r->state->routes[r->state->n_routes++];
	to->to.family = info->rtm_family;
	to->to.prefix = info->rtm_dst_len;
	if (dst)
		memcpy(to->to.addr, nl_data(dst), n);
	if (via) {
		to->has_via = true;
		memcpy(to->via, nl_data(via), n);
	}
	/* 1024 is what the kernel gives every IPv6 route without a metric. */
	to->metric = u32_of(attrs, len, RTA_PRIORITY);
	if (info->rtm_family == AF_INET6 && to->metric == 1024)
		to->metric = 0;
}

static void each_neigh(void *arg, const struct nlmsghdr *m)
{
	const struct ndmsg *info = NLMSG_DATA(m);
	struct reading *r = arg;
	size_t len, n = addr_len(info->ndm_family);
	const void *attrs = nl_attrs(m, sizeof(*info), &len);
	const struct nlattr *dst, *mac;
	struct net_neigh *to;

	if (m->nlmsg_type != RTM_NEWNEIGH || info->ndm_ifindex != r->ifindex ||
	    !family_known(info->ndm_family) || r->state->n_neigh == NET_NEIGH ||
	    (info->ndm_state & (NUD_INCOMPLETE | NUD_FAILED | NUD_NOARP | NUD_NONE)) ||
	    !info->ndm_state)
		return;
	dst = nl_find(attrs, len, NDA_DST, n);
	mac = nl_find(attrs, len, NDA_LLADDR, 6);
	if (!dst || !mac)
		return;
	to = &r->state->neigh[r->state->n_neigh++];
	to->family = info->ndm_family;
	memcpy(to->addr, nl_data(dst), n);
	memcpy(to->mac, nl_data(mac), 6);
}

static int dump_links(struct nl *nl, nl_each *each, void *arg)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct nl_request q;

	nl_begin(&q, RTM_GETLINK, NLM_F_DUMP, &head, sizeof(head));
	return nl_dump(nl, &q, each, arg);
}

static int dump_addrs(struct nl *nl, nl_each *each, void *arg)
{
	struct ifaddrmsg head = {.ifa_family = AF_UNSPEC};
	struct nl_request q;

	nl_begin(&q, RTM_GETADDR, NLM_F_DUMP, &head, sizeof(head));
	return nl_dump(nl, &q, each, arg);
}

static int dump_routes(struct nl *nl, nl_each *each, void *arg)
{
	struct rtmsg head = {.rtm_family = AF_UNSPEC};
	struct nl_request q;

	nl_begin(&q, RTM_GETROUTE, NLM_F_DUMP, &head, sizeof(head));
	return nl_dump(nl, &q, each, arg);
}

static int dump_neigh(struct nl *nl, nl_each *each, void *arg)
{
	struct ndmsg head = {.ndm_family = AF_UNSPEC};
	struct nl_request q;

	nl_begin(&q, RTM_GETNEIGH, NLM_F_DUMP, &head, sizeof(head));
	return nl_dump(nl, &q, each, arg);
}

/* The host end of the veth and the bridge that it is on. */
struct host_end {
	char ifname[IFNAMSIZ];
	uint32_t master;
};

static void each_host_end(void *arg, const struct nlmsghdr *m)
{
	struct host_end *end = arg;
	size_t len;
	const void *attrs = nl_attrs(m, sizeof(struct ifinfomsg), &len);

	if (m->nlmsg_type != RTM_NEWLINK)
		return;
	text_of(attrs, len, IFLA_IFNAME, end->ifname, sizeof(end->ifname));
	end->master = u32_of(attrs, len, IFLA_MASTER);
}

static int get_link(struct nl *nl, uint32_t ifindex, struct host_end *ret)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
	struct nl_request q;

	memset(ret, 0, sizeof(*ret));
	nl_begin(&q, RTM_GETLINK, 0, &head, sizeof(head));
	return nl_dump(nl, &q, each_host_end, ret);
}

static void read_host_end(uint32_t peer, struct net_state *state)
{
	auto_nl struct nl nl = {.fd = -1};
	struct host_end end, bridge;

	if (!peer || nl_open(NETLINK_ROUTE, NULL, &nl, NULL) < 0 || get_link(&nl, peer, &end) < 0)
		return;
	str_copy(state->host_ifname, sizeof(state->host_ifname), end.ifname);
	if (end.master && get_link(&nl, end.master, &bridge) == 0)
		str_copy(state->bridge, sizeof(state->bridge), bridge.ifname);
}

/* "/var/run/netns/x" is the same place as "/run/netns/x". */
static void set_netns(struct net_state *state, const char *netns)
{
	const char *path = str_starts(netns, "/var/run/netns/") ? netns + strlen("/var") : netns;

	str_copy(state->netns, sizeof(state->netns), path);
	state->kind = str_starts(path, "/run/netns/") ? NET_NAMED : NET_PRIVATE;
}

int net_read(const char *netns, struct net_state *ret, struct err *err)
{
	struct reading r = {.state = ret};
	auto_nl struct nl nl = {.fd = -1};
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (!netns) {
		ret->kind = NET_HOST;
		return 0;
	}
	set_netns(ret, netns);
	if ((rc = nl_open(NETLINK_ROUTE, netns, &nl, err)) < 0)
		return rc;
	rc = dump_links(&nl, each_link, &r);
	if (rc == 0 && r.ifindex) {
		rc = dump_addrs(&nl, each_addr, &r);
		rc = rc ? rc : dump_routes(&nl, each_route, &r);
		rc = rc ? rc : dump_neigh(&nl, each_neigh, &r);
	}
	errno = -rc;
	if (rc < 0)
		return fail_errno(err, ERR_io, "reading the network of %s", netns);
	if (r.overflow)
		return fail(err, ERR_refused, "%s: more than %d addresses or %d routes", netns,
			    NET_ADDRS, NET_ROUTES);
	if (!r.ifindex && ret->kind == NET_PRIVATE)
		ret->kind = NET_NONE;
	read_host_end(r.peer, ret);
	return 0;
}

int net_read_neigh(struct net_state *state, struct err *err)
{
	struct reading r = {.state = state};
	auto_nl struct nl nl = {.fd = -1};
	uint32_t n_links = state->n_links;
	int rc;

	if (state->kind != NET_NAMED && state->kind != NET_PRIVATE)
		return 0;
	if ((rc = nl_open(NETLINK_ROUTE, state->netns, &nl, err)) < 0)
		return rc;
	state->n_links = 0;
	state->n_neigh = 0;
	rc = dump_links(&nl, each_link, &r);
	state->n_links = n_links;
	if (rc == 0 && r.ifindex)
		rc = dump_neigh(&nl, each_neigh, &r);
	errno = -rc;
	return rc < 0 ? fail_errno(err, ERR_io, "reading the neighbours of %s", state->netns) : 0;
}

struct port_walk {
	uint32_t bridge;
	char (*ports)[IFNAMSIZ];
	size_t n, max;
};

static void each_port(void *arg, const struct nlmsghdr *m)
{
	struct port_walk *w = arg;
	size_t len;
	const void *attrs = nl_attrs(m, sizeof(struct ifinfomsg), &len);

	if (m->nlmsg_type == RTM_NEWLINK && u32_of(attrs, len, IFLA_MASTER) == w->bridge &&
	    w->n < w->max)
		text_of(attrs, len, IFLA_IFNAME, w->ports[w->n++], IFNAMSIZ);
}

size_t net_bridge_ports(const char *bridge, char ret_ports[][IFNAMSIZ], size_t max)
{
	struct port_walk w = {.bridge = if_nametoindex(bridge), .ports = ret_ports, .max = max};
	auto_nl struct nl nl = {.fd = -1};

	if (!w.bridge || nl_open(NETLINK_ROUTE, NULL, &nl, NULL) < 0)
		return 0;
	dump_links(&nl, each_port, &w);
	return w.n;
}

/* A port that leads out of the host: a container's veth would say 10 Gbit/s. */
static bool is_uplink(const char *port)
{
	char path[64 + IFNAMSIZ];

	str_fmt(path, sizeof(path), "/sys/class/net/%s/device", port);
	return access(path, F_OK) == 0 || str_starts(port, "eth") || str_starts(port, "en") ||
	       str_starts(port, "bond");
}

/* Speed of the fastest port out of the host in Mbit/s; some do not know theirs. */
static uint64_t port_speed(const char *bridge)
{
	char ports[NET_PORTS][IFNAMSIZ], path[64 + IFNAMSIZ], line[32];
	size_t n = net_bridge_ports(bridge, ports, NET_PORTS);
	uint64_t best = 0, speed;

	for (size_t i = 0; i < n; i++) {
		str_fmt(path, sizeof(path), "/sys/class/net/%s/speed", ports[i]);
		if (is_uplink(ports[i]) && file_read_line(AT_FDCWD, path, line, sizeof(line)) > 0 &&
		    str_u64(line, 1, 10000000, &speed) && speed > best)
			best = speed;
	}
	return best;
}

static void each_mtu(void *arg, const struct nlmsghdr *m)
{
	size_t len;
	const void *attrs = nl_attrs(m, sizeof(struct ifinfomsg), &len);

	if (m->nlmsg_type == RTM_NEWLINK)
		((struct net_bridge *)arg)->mtu = u32_of(attrs, len, IFLA_MTU);
}

int net_bridge_read(const char *name, struct net_bridge *ret, struct err *err)
{
	struct ifinfomsg head = {.ifi_family = AF_UNSPEC};
	struct net_state state = {0};
	struct reading r = {.state = &state};
	auto_nl struct nl nl = {.fd = -1};
	struct nl_request q;
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (!name_ok(name) || !str_copy(ret->name, sizeof(ret->name), name))
		return fail(err, ERR_invalid, "not a bridge name: %.40s", name);
	head.ifi_index = r.ifindex = (int)if_nametoindex(name);
	if (!r.ifindex)
		return fail(err, ERR_nosuch, "no bridge %s on this host", name);
	if ((rc = nl_open(NETLINK_ROUTE, NULL, &nl, err)) < 0)
		return rc;
	nl_begin(&q, RTM_GETLINK, 0, &head, sizeof(head));
	nl_dump(&nl, &q, each_mtu, ret);
	ret->speed_mbit = port_speed(name);
	if (dump_addrs(&nl, each_addr, &r) == 0 && state.n_addrs)
		ret->subnet = state.addrs[0];
	return 0;
}
