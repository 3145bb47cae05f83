/* SPDX-License-Identifier: MPL-2.0
 *
 * A container's network: a named network namespace with one veth on a bridge of the host, with the
 * same addresses on every host. Reading it, making it on a target, and the gate: the veth's place
 * on the bridge, which is what keeps a copy that must not speak silent.
 *
 * The state is a plain value of fixed size: it goes through sockets and journals as it is.
 * Everything in the frozen window is a few netlink messages (microseconds); making, destroying and
 * nft rules are lists of commands that the caller runs through run.h without blocking. */
#ifndef DROVER_RUNTIME_NET_H
#define DROVER_RUNTIME_NET_H

#include "base/err.h"
#include "runtime/run.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_ADDRS 8
#define NET_ROUTES 8
#define NET_NEIGH 64
#define NET_TEXT 128 /* any of the text forms below fits */

enum net_kind {
	NET_NONE,    /* only a loopback */
	NET_HOST,    /* the host's own */
	NET_PRIVATE, /* made by the runtime, CRIU restores it */
	NET_NAMED,   /* the kind that drover moves with its connections */
	NET_KINDS
};

struct net_addr {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefix;
	uint8_t addr[16]; /* network order, first 4 bytes for AF_INET */
};

struct net_route {
	struct net_addr to; /* prefix 0 and all zero = default */
	bool has_via;
	uint8_t via[16];
	uint32_t metric;
};

struct net_neigh {
	uint8_t family;
	uint8_t addr[16];
	uint8_t mac[6];
};

struct net_state {
	enum net_kind kind;
	char netns[256]; /* path, /run/netns/NAME for NAMED */
	char ifname[IFNAMSIZ];
	char host_ifname[IFNAMSIZ];
	char bridge[IFNAMSIZ]; /* "" while it is unplugged */
	uint8_t mac[6];
	uint32_t mtu;
	uint32_t n_links; /* interfaces besides lo; more than one cannot be moved */
	uint32_t n_addrs;
	uint32_t n_routes;
	uint32_t n_neigh;
	struct net_addr addrs[NET_ADDRS];
	struct net_route routes[NET_ROUTES];
	struct net_neigh neigh[NET_NEIGH];
};

/* Text forms, those of the net record of proto/schema.h: "10.0.0.2/24", "default via 10.0.0.1",
 * "10.1.0.0/16 via 10.0.0.1 metric 5", "10.0.0.1 02:00:00:00:00:01", "02:00:00:00:00:01", "named".
 * Formatting cannot fail and returns buf; parsing answers -ERR_invalid for anything else than what
 * formatting writes (host bits in a route and surplus blanks are refused). */
const char *net_kind_text(enum net_kind kind);
const char *net_addr_text(const struct net_addr *addr, char buf[NET_TEXT]);
const char *net_route_text(const struct net_route *route, char buf[NET_TEXT]);
const char *net_neigh_text(const struct net_neigh *neigh, char buf[NET_TEXT]);
const char *net_mac_text(const uint8_t mac[6], char buf[NET_TEXT]);
int net_kind_parse(const char *text, enum net_kind *ret, struct err *err);
int net_addr_parse(const char *text, struct net_addr *ret, struct err *err);
int net_route_parse(const char *text, struct net_route *ret, struct err *err);
int net_neigh_parse(const char *text, struct net_neigh *ret, struct err *err);
int net_mac_parse(const char *text, uint8_t ret_mac[6], struct err *err);

/* A state that came from another host: kind NAMED has a netns path /run/netns/NAME with name_ok, an
 * interface and bridge name that a kernel takes, a unicast MAC, a sane mtu, counts within limits.
 */
int net_state_check(const struct net_state *state, struct err *err);

/* Host end of the veth for a container: "v" and the first 14 characters of its id (lower layers
 * allow 15); attempt > 0 gives other names for the same id, for a clash. */
void net_host_ifname(const char *id, unsigned attempt, char ret_ifname[IFNAMSIZ]);

/* Reads the state of a network namespace (path as in config.json, or /proc/PID/ns/net), including
 * neighbours. netns NULL: kind HOST. -ERR_nosuch when there is none. */
int net_read(const char *netns, struct net_state *ret, struct err *err);

/* Only the neighbours, again: the frozen window's part of net_read. */
int net_read_neigh(struct net_state *state, struct err *err);

/* ---- on the target ---- */

/* Makes the namespace and the veth, with addresses, MAC, mtu and routes, up but not on the bridge.
 * Made already and not in use: fine. -ERR_busy when processes are in the namespace, or the host
 * interface name belongs to somebody else. *ret_state is state with host_ifname filled in. Waits
 * for its children (about 20 ms): the reserve step, not the frozen window. */
int net_create(const char *id, const struct net_state *state, struct net_state *ret_state,
	       struct err *err);

/* Who on the bridge's network has an IPv4 address: how many have answered within limit_ms, and
 * their MACs, different ones (the bridge's own stands for this host); at most max. When one has
 * answered, others have 40 ms more. Waits: for a child. */
int net_probe(const char *bridge, const struct net_addr *addr, uint64_t limit_ms,
	      uint8_t (*ret_macs)[6], size_t max, struct err *err);

/* Whether addr lies in the network of subnet, an address with its prefix length. Pure; addresses of
 * another family do not. */
bool net_addr_within(const struct net_addr *addr, const struct net_addr *subnet);

/* Whether processes are in the namespace of a NAMED state. */
bool net_in_use(const struct net_state *state);

/* Containers that share a namespace also speak over its loopback, which no gate closes: while one
 * of them is dumped or restored and the other is not, a kernel would acknowledge or reset what the
 * other has to see. Locked, nothing comes in over lo; a lock is removed by its opposite, by
 * net_heal, and with the namespace. Locked or unlocked already: fine. Needs nft; waits for it. */
int net_local_lock(const struct net_state *state, struct err *err);
int net_local_unlock(const struct net_state *state, struct err *err);

/* Puts the neighbours in as stale, so that the first packet needs no resolution. */
int net_set_neigh(const struct net_state *state, struct err *err);

/* ---- the gate ---- */

/* Takes the host end off its bridge (state->bridge says which bridge it must be on when opened
 * again). Closed already: fine. */
int net_gate_close(const struct net_state *state, struct err *err);

/* Plugs it into state->bridge, up. Open already: fine. net_announce should follow. */
int net_gate_open(const struct net_state *state, struct err *err);

/* Whether it is on a bridge: 1, 0, or -ERR. */
int net_gate_is_open(const struct net_state *state, struct err *err);

/* Gratuitous ARP (RFC 5227 announcement) and unsolicited NA (RFC 4861 7.2.6) for each address, sent
 * from inside the namespace, so that bridges and neighbours learn where the MAC is now. */
int net_announce(const struct net_state *state, struct err *err);

/* While the container is away its peers' segments are answered with ICMP host-unreachable instead
 * of silence: their TCP then retries at its base interval instead of backing off (RFC 6069). SYN
 * passes. One table netdev drover-ID a container, at the ingress of the bridge's other ports. The
 * command may fail without harm (no nft, no such kernel support), and there is none when the bridge
 * has no other ports. Call it while state->bridge is the bridge. */
void net_reject_cmds(const char *id, const struct net_state *state, struct run_cmds *ret_cmds);

/* Removes that container's table; absent is fine. */
void net_unreject_cmds(const char *id, struct run_cmds *ret_cmds);

/* ---- the end ---- */

/* Deletes the namespace and the veth. Absent is fine; -ERR_busy when processes are in it. */
int net_destroy(const struct net_state *state, struct err *err);

/* Removes what a dump or restore that died left in a container's namespace: CRIU's lock tables
 * (inet CRIU*, the CRIU chains of iptables) that drop every packet. Part of a rollback. */
int net_heal(const struct net_state *state, struct err *err);

/* Gateway addresses, mtu and speed of a bridge of this host. */
struct net_bridge {
	char name[IFNAMSIZ];
	struct net_addr subnet; /* its first address */
	uint32_t mtu;
	uint64_t speed_mbit; /* of its fastest port out of the host that knows, 0 = unknown */
};

/* Names of the interfaces on a bridge; writes at most max, returns how many were written. */
#define NET_PORTS 64
size_t net_bridge_ports(const char *bridge, char ret_ports[][IFNAMSIZ], size_t max);

int net_bridge_read(const char *name, struct net_bridge *ret, struct err *err);

#endif
