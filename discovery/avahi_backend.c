/* SPDX-License-Identifier: MPL-2.0
 *
 * The Avahi client: one at a time, owned here with its browser, its entry group (avahi_announce.c)
 * and a few resolvers (avahi_resolve.c). Records outlive it.
 *
 *	           make_client                    daemon there
 *	  WAITING ------------> CONNECTING ------------------> RUNNING (browser, group)
 *	     ^  ^                   |                             |
 *	     |  '--- bus absent ----'      daemon or bus went     |
 *	     '----------- restart: free it all, back-off ---------'
 *
 * Nothing is freed from within Avahi's callbacks: they only arm the restart timer. */
#include "discovery/avahi_private.h"

#include "base/log.h"
#include "base/mem.h"

#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/timeval.h>
#include <string.h>

#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 5000
#define STALE_MS \
	10000 /* after the daemon is back, until peers that it does not see are dropped \
	       */

static const char *service_type(enum discovery_role role)
{
	return role == DISCOVERY_worker ? "_drover-worker._tcp" : "_drover-coord._tcp";
}

const char *avahi_browsed_type(const struct mdns *mdns)
{
	return service_type(mdns->base.browse);
}

const char *avahi_announced_type(const struct mdns *mdns)
{
	return service_type(mdns->self.role);
}

static void arm(struct mdns *mdns, AvahiTimeout *timeout, unsigned ms)
{
	struct timeval at;

	avahi_poll_api(mdns->poll)->timeout_update(timeout, avahi_elapse_time(&at, ms, 0));
}

/* Takes the client down at the next turn and makes another one; peers stay as they are. */
void avahi_restart(struct mdns *mdns, const char *what, int error)
{
	if (mdns->restarting)
		return;
	mdns->restarting = true;
	if (!mdns->complained)
		log_warn("mDNS is not there, waiting for it\tdoing=\"%s\" error=\"%s\"", what,
			 avahi_strerror(error));
	mdns->complained = true;
	arm(mdns, mdns->restart, mdns->backoff_ms);
	mdns->backoff_ms =
		mdns->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : mdns->backoff_ms * 2;
}

static void drop_client(struct mdns *mdns)
{
	for (size_t i = 0; i < mdns->peers.len; i++) {
		mdns->peers.records[i]->stale = true;
		mdns->peers.records[i]->resolver = NULL;
	}
	mdns->resolvers = 0;
	mdns->browser = NULL;
	mdns->group = NULL;
	if (mdns->client)
		avahi_client_free(mdns->client); /* with everything that was made from it */
	mdns->client = NULL;
}

/* The daemon sends what it has at once and what others answer within seconds. */
static void stale_due(AvahiTimeout *timeout, void *arg)
{
	struct mdns *mdns = arg;

	(void)timeout;
	for (size_t i = mdns->peers.len; i-- > 0;)
		if (i < mdns->peers.len && mdns->peers.records[i]->stale)
			avahi_forget(mdns, mdns->peers.records[i]);
}

static void on_browse(AvahiServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
		      AvahiBrowserEvent event, const char *name, const char *type,
		      const char *domain, AvahiLookupResultFlags flags, void *arg)
{
	struct mdns *mdns = arg;
	struct record *record;

	(void)browser, (void)type, (void)flags;
	if (event == AVAHI_BROWSER_FAILURE) {
		avahi_restart(mdns, "browsing", avahi_client_errno(mdns->client));
		return;
	}
	if (event != AVAHI_BROWSER_NEW && event != AVAHI_BROWSER_REMOVE)
		return;
	record = peers_find(&mdns->peers, interface, protocol, name, domain);
	if (event == AVAHI_BROWSER_REMOVE) {
		if (record)
			avahi_forget(mdns, record);
		return;
	}
	if (!record)
		record = peers_add(&mdns->peers, interface, protocol, name, domain);
	if (!record)
		return;
	record->stale = false;
	record->tries = 0;
	avahi_resolve(mdns, record);
}

static void start_browsing(struct mdns *mdns, AvahiClient *client)
{
	if (mdns->browser)
		return;
	mdns->browser = avahi_service_browser_new(client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
						  service_type(mdns->base.browse), NULL, 0,
						  on_browse, mdns);
	if (!mdns->browser)
		avahi_restart(mdns, "browsing", avahi_client_errno(client));
}

/* May be called before avahi_client_new has returned. */
static void on_client(AvahiClient *client, AvahiClientState state, void *arg)
{
	struct mdns *mdns = arg;

	mdns->client = client;
	switch (state) {
	case AVAHI_CLIENT_S_RUNNING:
		if (mdns->complained)
			log_info("mDNS is there");
		mdns->complained = false;
		mdns->backoff_ms = BACKOFF_MIN_MS;
		start_browsing(mdns, client);
		avahi_announce(mdns, client);
		arm(mdns, mdns->stale, STALE_MS);
		break;
	case AVAHI_CLIENT_S_COLLISION:
	case AVAHI_CLIENT_S_REGISTERING:
		/* The host's own name is in doubt; records that point to it are made again after.
		 */
		if (mdns->group)
			avahi_entry_group_reset(mdns->group);
		break;
	case AVAHI_CLIENT_FAILURE:
		avahi_restart(mdns, "talking to avahi-daemon", avahi_client_errno(client));
		break;
	case AVAHI_CLIENT_CONNECTING:
		if (!mdns->complained)
			log_info("mDNS is not there: waiting for avahi-daemon");
		mdns->complained = true;
		break;
	}
}

static void make_client(AvahiTimeout *timeout, void *arg)
{
	struct mdns *mdns = arg;
	AvahiClient *client;
	int error = 0;

	(void)timeout;
	drop_client(mdns);
	mdns->restarting = false;
	/* NO_FAIL waits for the daemon on the bus; without a bus there is still an error. */
	client = avahi_client_new(avahi_poll_api(mdns->poll), AVAHI_CLIENT_NO_FAIL, on_client, mdns,
				  &error);
	mdns->client = client;
	if (!client)
		avahi_restart(mdns, "connecting to the system bus", error);
}

static void mdns_dispatch(struct discovery *discovery)
{
	avahi_poll_dispatch(((struct mdns *)discovery)->poll);
}

static void mdns_free(struct discovery *discovery)
{
	struct mdns *mdns = (struct mdns *)discovery;

	drop_client(mdns);
	peers_done(&mdns->peers);
	avahi_poll_free(&mdns->poll);
	free(mdns);
}

struct discovery *mdns_new(const struct discovery_self *self, enum discovery_role browse,
			   discovery_fn *fn, void *arg, struct err *err)
{
	static const struct discovery_ops ops = {mdns_dispatch, avahi_refresh, mdns_free};
	struct mdns *mdns = mem_new_of(struct mdns);
	const AvahiPoll *api;

	mdns->base = (struct discovery){&ops, -1, browse, fn, arg};
	mdns->peers.fn = fn;
	mdns->peers.arg = arg;
	mdns->backoff_ms = BACKOFF_MIN_MS;
	if (self) {
		mdns->announces = true;
		mdns->self = *self;
		str_copy(mdns->name, sizeof(mdns->name), self->id);
	}
	mdns->poll = avahi_poll_new(err);
	if (!mdns->poll) {
		free(mdns);
		return NULL;
	}
	mdns->base.fd = avahi_poll_fd(mdns->poll);
	api = avahi_poll_api(mdns->poll);
	mdns->restart = api->timeout_new(api, NULL, make_client, mdns);
	mdns->stale = api->timeout_new(api, NULL, stale_due, mdns);
	arm(mdns, mdns->restart, 0);
	return &mdns->base;
}
