/* SPDX-License-Identifier: MPL-2.0
 *
 * Text forms of addresses, routes and neighbours, and the check of a state that another host sent.
 * Parsing accepts exactly what formatting writes: a text is parsed, formatted again and compared,
 * so two spellings of one value cannot exist. Pure. */
#include "runtime/net.h"

#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const kind_words[NET_KINDS] = {
	[NET_NONE] = "none",
	[NET_HOST] = "host",
	[NET_PRIVATE] = "private",
	[NET_NAMED] = "named",
};

const char *net_kind_text(enum net_kind kind)
{
	return (unsigned)kind < NET_KINDS ? kind_words[kind] : "none";
}

int net_kind_parse(const char *text, enum net_kind *ret, struct err *err)
{
	for (unsigned i = 0; i < NET_KINDS; i++)
		if (str_eq(text, kind_words[i])) {
			*ret = (enum net_kind)i;
			return 0;
		}
	return fail(err, ERR_invalid, "not a kind of network: %.40s", text);
}

static unsigned family_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

static bool family_ok(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static const char *host_text(uint8_t family, const uint8_t *addr, char buf[INET6_ADDRSTRLEN])
{
	if (!family_ok(family) || !inet_ntop(family, addr, buf, INET6_ADDRSTRLEN))
		str_copy(buf, INET6_ADDRSTRLEN, "?");
	return buf;
}

static bool host_parse(const char *text, uint8_t *ret_family, uint8_t ret_addr[16])
{
	memset(ret_addr, 0, 16);
	*ret_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(*ret_family, text, ret_addr) == 1;
}

const char *net_addr_text(const struct net_addr *addr, char buf[NET_TEXT])
{
	char host[INET6_ADDRSTRLEN];

	str_fmt(buf, NET_TEXT, "%s/%u", host_text(addr->family, addr->addr, host), addr->prefix);
	return buf;
}

bool net_addr_within(const struct net_addr *addr, const struct net_addr *subnet)
{
	unsigned bits = subnet->prefix, whole = bits / 8;

	if (addr->family != subnet->family || bits > family_bits(subnet->family) ||
	    memcmp(addr->addr, subnet->addr, whole) != 0)
		return false;
	return bits % 8 == 0 || (addr->addr[whole] ^ subnet->addr[whole]) >> (8 - bits % 8) == 0;
}

static int bad(struct err *err, const char *what, const char *text)
{
	return fail(err, ERR_invalid, "not %s: %.100s", what, text ? text : "(none)");
}

static bool addr_parse(const char *text, struct net_addr *ret)
{
	char host[NET_TEXT], again[NET_TEXT], *slash;
	uint64_t prefix;

	memset(ret, 0, sizeof(*ret));
	if (!text || !str_copy(host, sizeof(host), text) || !(slash = strchr(host, '/')))
		return false;
	*slash = 0;
	if (!host_parse(host, &ret->family, ret->addr) ||
	    !str_u64(slash + 1, 0, family_bits(ret->family), &prefix))
		return false;
	ret->prefix = (uint8_t)prefix;
	return str_eq(net_addr_text(ret, again), text);
}

int net_addr_parse(const char *text, struct net_addr *ret, struct err *err)
{
	return addr_parse(text, ret) ? 0 : bad(err, "an address", text);
}

static bool is_default(const struct net_addr *to)
{
	static const uint8_t zero[16];

	return to->prefix == 0 && memcmp(to->addr, zero, 16) == 0;
}

/* A default route by family, where the gateway does not say it. */
const char *net_route_text(const struct net_route *route, char buf[NET_TEXT])
{
	char to[NET_TEXT], via[INET6_ADDRSTRLEN];
	size_t n;

	if (is_default(&route->to) && route->has_via)
		str_copy(to, sizeof(to), "default");
	else
		net_addr_text(&route->to, to);
	str_fmt(buf, NET_TEXT, "%s%s%s", to, route->has_via ? " via " : "",
		route->has_via ? host_text(route->to.family, route->via, via) : "");
	n = strlen(buf);
	if (route->metric)
		str_fmt(buf + n, NET_TEXT - n, " metric %u", route->metric);
	return buf;
}

static bool host_bits_clear(const struct net_addr *to)
{
	for (unsigned bit = to->prefix; bit < family_bits(to->family); bit++)
		if (to->addr[bit / 8] & (0x80 >> (bit % 8)))
			return false;
	return true;
}

static bool route_parse(const char *text, struct net_route *ret)
{
	char copy[NET_TEXT], again[NET_TEXT], *save = NULL, *word, *value;
	uint8_t family;
	uint64_t metric;
	bool any;

	memset(ret, 0, sizeof(*ret));
	if (!text || !str_copy(copy, sizeof(copy), text) || !(word = strtok_r(copy, " ", &save)))
		return false;
	any = str_eq(word, "default");
	if (!any && !addr_parse(word, &ret->to))
		return false;
	while ((word = strtok_r(NULL, " ", &save)) && (value = strtok_r(NULL, " ", &save))) {
		if (str_eq(word, "via") && host_parse(value, &family, ret->via) &&
		    (any || family == ret->to.family)) {
			ret->has_via = true;
			ret->to.family = family;
		} else if (str_eq(word, "metric") && str_u64(value, 1, UINT32_MAX, &metric)) {
			ret->metric = (uint32_t)metric;
		} else {
			return false;
		}
	}
	return (!any || ret->has_via) && host_bits_clear(&ret->to) &&
	       str_eq(net_route_text(ret, again), text);
}

int net_route_parse(const char *text, struct net_route *ret, struct err *err)
{
	return route_parse(text, ret) ? 0 : bad(err, "a route", text);
}

const char *net_mac_text(const uint8_t mac[6], char buf[NET_TEXT])
{
	str_fmt(buf, NET_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		mac[4], mac[5]);
	return buf;
}

static bool mac_parse(const char *text, uint8_t ret_mac[6])
{
	char again[NET_TEXT];
	unsigned m[6];

	if (!text ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		ret_mac[i] = (uint8_t)m[i];
	return str_eq(net_mac_text(ret_mac, again), text);
}

int net_mac_parse(const char *text, uint8_t ret_mac[6], struct err *err)
{
	return mac_parse(text, ret_mac) ? 0 : bad(err, "a MAC address", text);
}

const char *net_neigh_text(const struct net_neigh *neigh, char buf[NET_TEXT])
{
	char host[INET6_ADDRSTRLEN], mac[NET_TEXT];

	str_fmt(buf, NET_TEXT, "%s %s", host_text(neigh->family, neigh->addr, host),
		net_mac_text(neigh->mac, mac));
	return buf;
}

int net_neigh_parse(const char *text, struct net_neigh *ret, struct err *err)
{
	char host[NET_TEXT], again[NET_TEXT], *blank;

	memset(ret, 0, sizeof(*ret));
	if (!text || !str_copy(host, sizeof(host), text) || !(blank = strchr(host, ' ')))
		return bad(err, "a neighbour", text);
	*blank = 0;
	if (!host_parse(host, &ret->family, ret->addr) || !mac_parse(blank + 1, ret->mac) ||
	    !str_eq(net_neigh_text(ret, again), text))
		return bad(err, "a neighbour", text);
	return 0;
}

/* dev_valid_name of the kernel, and nothing that a command line could take for something else. */
static bool ifname_ok(const char name[IFNAMSIZ])
{
	return memchr(name, 0, IFNAMSIZ) && name_ok(name);
}

static bool netns_ok(const char *path)
{
	return str_starts(path, "/run/netns/") && name_ok(path + strlen("/run/netns/"));
}

static int check_lists(const struct net_state *s, struct err *err)
{
	if (s->n_addrs > NET_ADDRS || s->n_routes > NET_ROUTES || s->n_neigh > NET_NEIGH)
		return fail(err, ERR_invalid, "network: a list is too long");
	for (uint32_t i = 0; i < s->n_addrs; i++)
		if (!family_ok(s->addrs[i].family) ||
		    s->addrs[i].prefix > family_bits(s->addrs[i].family))
			return fail(err, ERR_invalid, "network: address %u is damaged", i);
	for (uint32_t i = 0; i < s->n_routes; i++)
		if (!family_ok(s->routes[i].to.family) ||
		    s->routes[i].to.prefix > family_bits(s->routes[i].to.family))
			return fail(err, ERR_invalid, "network: route %u is damaged", i);
	for (uint32_t i = 0; i < s->n_neigh; i++)
		if (!family_ok(s->neigh[i].family))
			return fail(err, ERR_invalid, "network: neighbour %u is damaged", i);
	return 0;
}

int net_state_check(const struct net_state *s, struct err *err)
{
	static const uint8_t zero[6];

	if ((unsigned)s->kind >= NET_KINDS)
		return fail(err, ERR_invalid, "network: unknown kind");
	if (s->kind != NET_NAMED)
		return 0;
	if (!memchr(s->netns, 0, sizeof(s->netns)) || !netns_ok(s->netns))
		return fail(err, ERR_invalid, "network: namespace is not /run/netns/NAME");
	if (!ifname_ok(s->ifname) || (s->bridge[0] && !ifname_ok(s->bridge)) ||
	    (s->host_ifname[0] && !ifname_ok(s->host_ifname)))
		return fail(err, ERR_invalid, "network: not an interface name");
	if ((s->mac[0] & 1) || memcmp(s->mac, zero, 6) == 0)
		return fail(err, ERR_invalid, "network: not a unicast MAC address");
	if (s->mtu && (s->mtu < 68 || s->mtu > 65535))
		return fail(err, ERR_invalid, "network: mtu %u", s->mtu);
	return check_lists(s, err);
}

/* The kernel's limit is 15 characters; a clash is told apart by a hash of the whole id (FNV-1a). */
void net_host_ifname(const char *id, unsigned attempt, char ret_ifname[IFNAMSIZ])
{
	uint32_t hash = 2166136261u;

	if (!attempt) {
		str_fmt(ret_ifname, IFNAMSIZ, "v%.14s", id);
		return;
	}
	for (const char *p = id; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	hash += attempt - 1;
	str_fmt(ret_ifname, IFNAMSIZ, "v%.8s%06x", id, hash & 0xffffff);
}
