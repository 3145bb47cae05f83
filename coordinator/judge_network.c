/* SPDX-License-Identifier: MPL-2.0
 *
 * Whether a container's interface finds its place: bridge, subnet, packet size. */
#include "coordinator/judge.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Whether an IPv4 or IPv6 address (a prefix length after it is ignored) lies in "net/len". */
static bool in_subnet(const char *address, const char *subnet)
{
	uint8_t a[16], s[16];
	char host[64], net[64];
	unsigned bits = 0, family;

	if (!str_copy(host, sizeof(host), address) ||
	    sscanf(subnet, "%63[0-9a-fA-F.:]/%u", net, &bits) != 2)
		return false;
	host[strcspn(host, "/")] = '\0';
	family = strchr(net, ':') ? AF_INET6 : AF_INET;
	if (bits > (family == AF_INET6 ? 128u : 32u) || inet_pton((int)family, host, a) != 1 ||
	    inet_pton((int)family, net, s) != 1)
		return false;
	if (bits / 8 && memcmp(a, s, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a[bits / 8] ^ s[bits / 8]) >> (8 - bits % 8) == 0;
}

static void check_addresses(const struct judge *j, const struct msg_network *network)
{
	const struct msg_net *net = j->ct->net;
	bool v6 = given(network->subnet)[0] && strchr(network->subnet, ':');

	if (!given(network->subnet)[0])
		return; /* a bridge without an address of its own: any subnet may live on it */
	for (size_t i = 0; i < net->addrs.n; i++) {
		const char *address = net->addrs.v[i];

		if (!!strchr(address, ':') != v6 || in_subnet(address, network->subnet))
			continue;
		refuse(j, net_subnet, "its address %s is outside of %s on bridge %s of %s", address,
		       network->subnet, given(network->bridge), j->target->id);
	}
}

void check_network(const struct judge *j)
{
	const struct msg_net *net = j->ct->net;

	if (!net || !str_eq(net->kind, "named") || !given(net->bridge)[0])
		return;
	for (size_t i = 0; i < j->to->networks.n; i++) {
		const struct msg_network *network = &j->to->networks.v[i];

		if (!str_eq(network->bridge, net->bridge))
			continue;
		check_addresses(j, network);
		if (network->mtu && network->mtu < net->mtu)
			refuse(j, net_mtu,
			       "%s of %s has MTU %" PRIu64 ", the container's interface %" PRIu64,
			       net->bridge, j->target->id, network->mtu, net->mtu);
		return;
	}
	refuse(j, net_bridge, "%s has no bridge %s", j->target->id, net->bridge);
}
