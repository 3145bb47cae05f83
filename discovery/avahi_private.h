/* SPDX-License-Identifier: MPL-2.0
 *
 * What the parts of the Avahi implementation share. */
#ifndef DROVER_DISCOVERY_AVAHI_PRIVATE_H
#define DROVER_DISCOVERY_AVAHI_PRIVATE_H

#include "discovery/peers.h"
#include "discovery/private.h"

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>

struct mdns {
	struct discovery base;
	struct avahi_poll *poll;
	AvahiTimeout *restart;
	AvahiTimeout *stale;
	unsigned backoff_ms;
	bool restarting; /* the restart timer runs; the client is not to be used */
	bool complained; /* one line for one absence */

	AvahiClient *client;
	AvahiEntryGroup *group;
	AvahiServiceBrowser *browser;
	unsigned resolvers; /* running */

	bool announces;
	struct discovery_self self;
	char name[RECORD_NAME_SIZE]; /* of the service: the id, or an alternative after a collision
				      */
	struct peers peers;
};

/* The client itself, whose calls may block; discovery_avahi keeps it in a thread. */
struct discovery *mdns_new(const struct discovery_self *self, enum discovery_role browse,
			   discovery_fn *fn, void *arg, struct err *err);

void avahi_restart(struct mdns *mdns, const char *what, int error);
const char *avahi_browsed_type(const struct mdns *mdns);
const char *avahi_announced_type(const struct mdns *mdns);

/* Publishes self; no more than once for a client, again after the host's name changed. */
void avahi_announce(struct mdns *mdns, AvahiClient *client);

/* Starts resolving a record, now or when a resolver is free. */
void avahi_resolve(struct mdns *mdns, struct record *record);
void avahi_forget(struct mdns *mdns, struct record *record);
void avahi_refresh(struct discovery *discovery, const char *id);

#endif
