/* SPDX-License-Identifier: MPL-2.0
 *
 * Who answers for an address on a bridge: an ARP probe (RFC 5227 2.1.1), which changes nobody's
 * tables because it names no sender address. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/net.h"
#include "runtime/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ASK_EVERY_MS 50
#define OTHERS_MS 40 /* after one has answered */

struct probe_frame {
	struct ether_header eth;
	struct ether_arp arp;
	uint8_t pad[18];
} __attribute__((packed));

/* The host itself does not answer its own probes. */
static bool is_own(const struct net_addr *addr)
{
	struct ifaddrs *list, *i;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (i = list; i && !found; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET)
			found = !memcmp(&((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr,
					addr->addr, 4);
	freeifaddrs(list);
	return found;
}

static int open_on(const char *bridge, struct sockaddr_ll *to, uint8_t ret_mac[6], struct err *err)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETHERTYPE_ARP));

	if (fd < 0)
		return fail_errno(err, ERR_io, "a packet socket");
	str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), bridge);
	*to = (struct sockaddr_ll){
		.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_ARP), .sll_halen = 6};
	memset(to->sll_addr, 0xff, 6);
	if (ioctl(fd, SIOCGIFINDEX, &ifr) == 0) {
		to->sll_ifindex = ifr.ifr_ifindex;
		if (ioctl(fd, SIOCGIFHWADDR, &ifr) == 0 &&
		    bind(fd, (struct sockaddr *)to, sizeof(*to)) == 0) {
			memcpy(ret_mac, ifr.ifr_hwaddr.sa_data, 6);
			return fd;
		}
	}
	close(fd);
	return fail_errno(err, ERR_nosuch, "bridge %s", bridge);
}

static void build(struct probe_frame *f, const uint8_t mac[6], const struct net_addr *addr)
{
	memset(f, 0, sizeof(*f));
	memset(f->eth.ether_dhost, 0xff, 6);
	memcpy(f->eth.ether_shost, mac, 6);
	f->eth.ether_type = htons(ETHERTYPE_ARP);
	f->arp.arp_hrd = htons(ARPHRD_ETHER);
	f->arp.arp_pro = htons(ETHERTYPE_IP);
	f->arp.arp_hln = 6;
	f->arp.arp_pln = 4;
	f->arp.arp_op = htons(ARPOP_REQUEST);
	memcpy(f->arp.arp_sha, mac, 6);
	memcpy(f->arp.arp_tpa, addr->addr, 4);
}

static bool is_answer(const struct probe_frame *f, ssize_t n, const struct net_addr *addr)
{
	return n >= (ssize_t)(sizeof(f->eth) + sizeof(f->arp)) &&
	       f->arp.arp_op == htons(ARPOP_REPLY) && !memcmp(f->arp.arp_spa, addr->addr, 4);
}

/* Whether a MAC is there already; a full list has every one. */
static bool known(const uint8_t (*macs)[6], size_t n, size_t max, const uint8_t mac[6])
{
	for (size_t i = 0; i < n; i++)
		if (!memcmp(macs[i], mac, 6))
			return true;
	return n == max;
}

int net_probe(const char *bridge, const struct net_addr *addr, uint64_t limit_ms,
	      uint8_t (*ret_macs)[6], size_t max, struct err *err)
{
	uint64_t now_ms = clock_mono_ms(), end_ms = now_ms + limit_ms, ask_ms = now_ms;
	struct sockaddr_ll to;
	struct probe_frame f;
	uint8_t own[6];
	size_t n = 0;
	auto_close int fd = open_on(bridge, &to, own, err);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		return fd;
	if (is_own(addr))
		memcpy(ret_macs[n++], own, 6);
	for (; now_ms < end_ms; now_ms = clock_mono_ms()) {
		if (now_ms >= ask_ms) {
			build(&f, own, addr);
			if (sendto(fd, &f, sizeof(f), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
				return fail_errno(err, ERR_io, "asking on %s", bridge);
			ask_ms = now_ms + ASK_EVERY_MS;
		}
		if (poll(&p, 1, (int)(ask_ms - now_ms)) <= 0 ||
		    !is_answer(&f, recv(fd, &f, sizeof(f), MSG_DONTWAIT), addr) ||
		    known((const uint8_t(*)[6])ret_macs, n, max, f.arp.arp_sha))
			continue;
		memcpy(ret_macs[n++], f.arp.arp_sha, 6);
		if (end_ms > now_ms + OTHERS_MS)
			end_ms = now_ms + OTHERS_MS;
	}
	return (int)n;
}
