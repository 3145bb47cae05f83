/* SPDX-License-Identifier: MPL-2.0
 *
 * Telling the LAN where an address is now, from inside its namespace: a gratuitous ARP for each
 * IPv4 address, an unsolicited neighbour advertisement for each IPv6 one. A bridge learns the MAC's
 * new port from any of them. */
#include "runtime/net.h"

#include "base/mem.h"
#include "runtime/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct arp_frame {
	struct ether_header eth;
	struct ether_arp arp;
	uint8_t pad[18]; /* to the least length of an Ethernet frame */
} __attribute__((packed));

/* The ICMPv6 part with its option, as the checksum sees it. */
struct na_body {
	struct nd_neighbor_advert na;
	uint8_t option[2]; /* target link-layer address, one unit of 8 bytes */
	uint8_t mac[6];
} __attribute__((packed));

struct na_frame {
	struct ether_header eth;
	struct ip6_hdr ip;
	struct na_body body;
} __attribute__((packed));

static void build_arp(const struct net_state *s, const struct net_addr *a, struct arp_frame *f)
{
	memset(f, 0, sizeof(*f));
	memset(f->eth.ether_dhost, 0xff, 6);
	memcpy(f->eth.ether_shost, s->mac, 6);
	f->eth.ether_type = htons(ETHERTYPE_ARP);
	f->arp.arp_hrd = htons(ARPHRD_ETHER);
	f->arp.arp_pro = htons(ETHERTYPE_IP);
	f->arp.arp_hln = 6;
	f->arp.arp_pln = 4;
	f->arp.arp_op = htons(ARPOP_REQUEST);
	memcpy(f->arp.arp_sha, s->mac, 6);
	memcpy(f->arp.arp_spa, a->addr, 4);
	memcpy(f->arp.arp_tpa, a->addr, 4);
}

static uint32_t sum16(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static uint16_t checksum(const struct na_frame *f)
{
	uint32_t sum = IPPROTO_ICMPV6 + sizeof(f->body);

	sum = sum16(sum, &f->ip.ip6_src, 32);
	sum = sum16(sum, &f->body, sizeof(f->body));
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void build_na(const struct net_state *s, const struct net_addr *a, struct na_frame *f)
{
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

	memset(f, 0, sizeof(*f));
	memcpy(f->eth.ether_dhost, all_nodes_mac, 6);
	memcpy(f->eth.ether_shost, s->mac, 6);
	f->eth.ether_type = htons(ETHERTYPE_IPV6);
	f->ip.ip6_flow = htonl(6u << 28);
	f->ip.ip6_plen = htons(sizeof(f->body));
	f->ip.ip6_nxt = IPPROTO_ICMPV6;
	f->ip.ip6_hlim = 255;
	memcpy(&f->ip.ip6_src, a->addr, 16);
	memcpy(&f->ip.ip6_dst, all_nodes, 16);
	f->body.na.nd_na_type = ND_NEIGHBOR_ADVERT;
	f->body.na.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
	memcpy(&f->body.na.nd_na_target, a->addr, 16);
	f->body.option[0] = ND_OPT_TARGET_LINKADDR;
	f->body.option[1] = 1;
	memcpy(f->body.mac, s->mac, 6);
	f->body.na.nd_na_cksum = checksum(f);
}

int net_announce(const struct net_state *s, struct err *err)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};
	auto_close int fd = -1;
	struct ifreq ifr = {0};
	union {
		struct arp_frame arp;
		struct na_frame na;
	} f;

	if (s->kind != NET_NAMED)
		return 0;
	fd = netns_socket(s->netns, AF_PACKET, SOCK_RAW, 0);
	if (fd < 0)
		return fail_errno(err, errno == ENOENT ? ERR_nosuch : ERR_io, "a socket in %s",
				  s->netns);
	memcpy(ifr.ifr_name, s->ifname, IFNAMSIZ);
	if (ioctl(fd, SIOCGIFINDEX, &ifr) < 0)
		return fail_errno(err, ERR_nosuch, "%s in %s", s->ifname, s->netns);
	to.sll_ifindex = ifr.ifr_ifindex;
	for (uint32_t i = 0; i < s->n_addrs; i++) {
		bool v4 = s->addrs[i].family == AF_INET;

		if (v4)
			build_arp(s, &s->addrs[i], &f.arp);
		else
			build_na(s, &s->addrs[i], &f.na);
		to.sll_protocol = v4 ? f.arp.eth.ether_type : f.na.eth.ether_type;
		if (sendto(fd, &f, v4 ? sizeof(f.arp) : sizeof(f.na), 0,
			   (const struct sockaddr *)&to, sizeof(to)) < 0)
			return fail_errno(err, ERR_io, "announcing on %s", s->ifname);
	}
	return 0;
}
