/* SPDX-License-Identifier: MPL-2.0
 *
 * From a record to an address. Avahi allows a client 1024 objects, and a resolver goes on for ever,
 * so only a few run and each is freed with its first answer. What they answer was written by
 * anybody on the link: every value is checked before it is kept. */
#include "base/log.h"
#include "base/mem.h"
#include "discovery/avahi_private.h"

#include <avahi-common/address.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <net/if.h>
#include <string.h>

#define RESOLVERS_MAX 64
#define TRIES_MAX 4

/* Text value of a TXT key into dst[size]; false when it is absent, binary or too long. */
static bool txt_get(AvahiStringList *txt, const char *key, char *dst, size_t size)
{
	AvahiStringList *entry = avahi_string_list_find(txt, key);
	char *name = NULL, *value = NULL;
	size_t len = 0;
	bool ok = false;

	if (entry && avahi_string_list_get_pair(entry, &name, &value, &len) == 0 && value)
		ok = strlen(value) == len && str_copy(dst, size, value);
	avahi_free(name);
	avahi_free(value);
	return ok;
}

static bool txt_port(AvahiStringList *txt, const char *key, uint16_t *ret)
{
	char text[8];
	uint64_t port;

	if (!txt_get(txt, key, text, sizeof(text)) || !str_u64(text, 1, UINT16_MAX, &port))
		return false;
	*ret = (uint16_t)port;
	return true;
}

static bool parse_txt(const struct mdns *mdns, AvahiStringList *txt, struct discovery_peer *peer)
{
	bool coordinator = mdns->base.browse == DISCOVERY_coordinator;
	char text[16];

	if (!txt_get(txt, "v", text, sizeof(text)) || strcmp(text, "1") != 0 ||
	    !txt_get(txt, "role", text, sizeof(text)) ||
	    strcmp(text, coordinator ? "coordinator" : "worker") != 0)
		return false;
	if (!txt_get(txt, "id", peer->id, sizeof(peer->id)) || !name_ok(peer->id))
		return false;
	if (!txt_get(txt, "key", peer->fingerprint, sizeof(peer->fingerprint)) ||
	    strspn(peer->fingerprint, "0123456789abcdef") != DISCOVERY_FINGERPRINT_SIZE - 1)
		return false;
	if (!txt_port(txt, "ssh", &peer->ssh_port) && !coordinator)
		return false;
	return !coordinator || txt_port(txt, "beats", &peer->beats_port);
}

/* A link-local address means something on its interface only. */
static bool address_text(const AvahiAddress *address, int interface, char *dst, size_t size)
{
	char text[AVAHI_ADDRESS_STR_MAX], name[IF_NAMESIZE];

	if (!avahi_address_snprint(text, sizeof(text), address))
		return false;
	if (address->proto != AVAHI_PROTO_INET6 || strncmp(text, "fe80:", 5) != 0)
		return str_copy(dst, size, text);
	return if_indextoname((unsigned)interface, name) &&
	       str_fmt(dst, size, "%s%%%s", text, name);
}

static struct record *record_of(const struct mdns *mdns, const void *resolver)
{
	for (size_t i = 0; i < mdns->peers.len; i++)
		if (mdns->peers.records[i]->resolver == resolver)
			return mdns->peers.records[i];
	return NULL;
}

static void start_waiting(struct mdns *mdns)
{
	for (size_t i = 0; i < mdns->peers.len && mdns->resolvers < RESOLVERS_MAX; i++) {
		struct record *r = mdns->peers.records[i];

		if (r->wanted && !r->resolver)
			avahi_resolve(mdns, r);
	}
}

static void end_resolver(struct mdns *mdns, struct record *record)
{
	if (!record->resolver)
		return;
	avahi_service_resolver_free(record->resolver);
	record->resolver = NULL;
	mdns->resolvers--;
}

static void on_resolved(AvahiServiceResolver *resolver, AvahiIfIndex interface,
			AvahiProtocol protocol, AvahiResolverEvent event, const char *name,
			const char *type, const char *domain, const char *host,
			const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
			AvahiLookupResultFlags flags, void *arg)
{
	struct mdns *mdns = arg;
	struct record *record = record_of(mdns, resolver);
	struct discovery_peer peer = {
		.role = mdns->base.browse, .port = port, .interface = interface};

	(void)protocol, (void)type, (void)domain, (void)host, (void)flags;
	if (!record)
		return;
	end_resolver(mdns, record);
	if (event == AVAHI_RESOLVER_FAILURE) {
		record->wanted = ++record->tries < TRIES_MAX;
	} else if (port == 0 || !parse_txt(mdns, txt, &peer) ||
		   !address_text(address, interface, peer.address, sizeof(peer.address))) {
		log_debug("mDNS record makes no sense\tname=\"%s\"", name);
	} else {
		if (peer.ssh_port == 0 && peer.role == DISCOVERY_worker)
			peer.ssh_port = port;
		peers_resolved(&mdns->peers, record, &peer);
	}
	start_waiting(mdns);
}

void avahi_resolve(struct mdns *mdns, struct record *record)
{
	record->wanted = true;
	if (record->resolver || mdns->restarting || !mdns->client ||
	    mdns->resolvers >= RESOLVERS_MAX)
		return;
	/* The address family of the record itself: a v6 record is to yield a v6 address. */
	record->resolver = avahi_service_resolver_new(
		mdns->client, record->interface, record->protocol, record->name,
		avahi_browsed_type(mdns), record->domain, record->protocol, 0, on_resolved, mdns);
	if (record->resolver) {
		record->wanted = false;
		mdns->resolvers++;
	} else {
		avahi_restart(mdns, "resolving", avahi_client_errno(mdns->client));
	}
}

void avahi_forget(struct mdns *mdns, struct record *record)
{
	end_resolver(mdns, record);
	peers_remove(&mdns->peers, record);
	if (!mdns->restarting && mdns->client)
		start_waiting(mdns);
}

void avahi_refresh(struct discovery *discovery, const char *id)
{
	struct mdns *mdns = (struct mdns *)discovery;

	for (size_t i = 0; i < mdns->peers.len; i++) {
		struct record *r = mdns->peers.records[i];

		if (r->resolved && strcmp(r->peer.id, id) != 0)
			continue;
		r->tries = 0;
		avahi_resolve(mdns, r);
	}
}
