/* SPDX-License-Identifier: MPL-2.0
 *
 * From service records to peers. mDNS shows one node once per interface and address family; here
 * these become one peer with its best address, and the callback is told only what changed for it.
 * Pure: no socket, no Avahi. */
#ifndef DROVER_DISCOVERY_PEERS_H
#define DROVER_DISCOVERY_PEERS_H

#include "discovery/discovery.h"

#include <stdbool.h>
#include <stddef.h>

#define RECORD_NAME_SIZE 256

/* One record as the browser sees it. What it resolves to is a claim of whoever sent it. */
struct record {
	int interface;
	int protocol;
	char name[RECORD_NAME_SIZE];
	char domain[RECORD_NAME_SIZE];
	bool resolved;
	bool stale;                 /* seen by a client that is gone; dropped unless seen again */
	unsigned tries;             /* resolving failed this often */
	bool wanted;                /* to be resolved when a resolver is free */
	void *resolver;             /* while it runs; the owner's */
	struct discovery_peer peer; /* when resolved */
};

struct peers {
	struct record **records;
	size_t len;
	struct discovery_peer *told; /* what the callback believes */
	size_t told_len;
	discovery_fn *fn;
	void *arg;
};

void peers_done(struct peers *peers);

struct record *peers_find(const struct peers *peers, int interface, int protocol, const char *name,
			  const char *domain);

/* A new record; NULL when a name is too long or there are too many. */
struct record *peers_add(struct peers *peers, int interface, int protocol, const char *name,
			 const char *domain);

/* What a record resolved to; tells the callback what that changes. */
void peers_resolved(struct peers *peers, struct record *record, const struct discovery_peer *peer);

/* Frees a record; tells the callback of another address, or that the peer is gone. */
void peers_remove(struct peers *peers, struct record *record);

/* Less is better: global IPv4, global IPv6, link-local IPv4, link-local IPv6, loopback (a node on
 * this host that has no other address). */
int peers_rank(const char *address);

#endif
