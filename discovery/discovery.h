/* SPDX-License-Identifier: MPL-2.0
 *
 * Finding coordinators and workers: over mDNS (Avahi) or from a fixed list, behind one interface.
 * It yields addresses and nothing else: a peer here is a claim that anybody on the link can make,
 * its key comes from the roster by id, and "gone" says nothing about whether a host lives.
 *
 * One thread: the owner waits until discovery_fd is readable, then calls discovery_dispatch, from
 * which the callback is called. */
#ifndef DROVER_DISCOVERY_DISCOVERY_H
#define DROVER_DISCOVERY_DISCOVERY_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define DISCOVERY_ADDRESS_SIZE 64
#define DISCOVERY_FINGERPRINT_SIZE 17
#define DISCOVERY_PEERS_MAX 16384

enum discovery_role {
	DISCOVERY_worker,      /* _drover-worker._tcp */
	DISCOVERY_coordinator, /* _drover-coord._tcp */
};

/* What a node says of itself: TXT v, id, role, key, ssh, and beats for coordinators. */
struct discovery_self {
	enum discovery_role role;
	char id[NAME_SIZE];
	char fingerprint[DISCOVERY_FINGERPRINT_SIZE]; /* keys_fingerprint of proto/keys.h */
	uint16_t ssh_port;
	uint16_t commands_port; /* coordinator: the service's port */
	uint16_t beats_port;    /* coordinator */
};

/* One peer, with its best address: global IPv4, then global IPv6, then fe80::…%interface. */
struct discovery_peer {
	enum discovery_role role;
	char id[NAME_SIZE]; /* "" for list entries that name none */
	char address[DISCOVERY_ADDRESS_SIZE];
	uint16_t port;       /* coordinator: commands; worker: ssh */
	uint16_t beats_port; /* coordinator; list entries: port + 1 */
	uint16_t ssh_port;   /* 0 where it is not known */
	int interface;       /* index, 0 where it is not known */
	char fingerprint[DISCOVERY_FINGERPRINT_SIZE];
};

enum discovery_event {
	DISCOVERY_found, /* new, or its address or ports changed */
	DISCOVERY_gone,
};

/* peer is borrowed for the call. It may call discovery_refresh but not discovery_free. */
typedef void discovery_fn(void *arg, enum discovery_event event, const struct discovery_peer *peer);

struct discovery;

/* Announces self (NULL: stays silent) and browses for peers of the role `browse`. The daemon may be
 * absent, come later or restart: a new client is made with back-off from 0.2 to 5 s, peers seen
 * before it went are kept until it is back and knows better. Its client runs in a thread of its
 * own, so that no call here waits for the daemon. NULL with err set when descriptors or the thread
 * cannot be had. */
struct discovery *discovery_avahi(const struct discovery_self *self, enum discovery_role browse,
				  discovery_fn *fn, void *arg, struct err *err);

/* A comma separated list of "host", "host:port", "[v6]:port", each with "id@" before it where the
 * node's id is known. All are found at the first dispatch and never go. -ERR_invalid names the
 * wrong item. port is the default. */
struct discovery *discovery_list(const char *list, enum discovery_role browse, uint16_t port,
				 discovery_fn *fn, void *arg, struct err *err);

void discovery_free(struct discovery **discovery);

int discovery_fd(const struct discovery *discovery); /* wait for readable; owned by discovery */
void discovery_dispatch(struct discovery *discovery);

/* Asks for a peer's address again, after dialling it failed; the answer comes as an event. */
void discovery_refresh(struct discovery *discovery, const char *id);

#endif
