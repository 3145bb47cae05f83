/* SPDX-License-Identifier: MPL-2.0
 *
 * Publishing this node. The service is named after the node's id; when somebody else on the link
 * has that name, an alternative is taken and the id stays in the TXT record. */
#include "base/log.h"
#include "discovery/avahi_private.h"

#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <string.h>

static void publish(struct mdns *mdns);

static void take_another_name(struct mdns *mdns)
{
	char *name = avahi_alternative_service_name(mdns->name);

	if (!name)
		return;
	log_warn("another node on this link advertises this one's name\tname=\"%s\" now=\"%s\" "
		 "id=%s",
		 mdns->name, name, mdns->self.id);
	str_copy(mdns->name, sizeof(mdns->name), name);
	avahi_free(name);
}

static void on_group(AvahiEntryGroup *group, AvahiEntryGroupState state, void *arg)
{
	struct mdns *mdns = arg;

	mdns->group = group;
	if (state == AVAHI_ENTRY_GROUP_COLLISION) {
		take_another_name(mdns);
		publish(mdns);
	} else if (state == AVAHI_ENTRY_GROUP_FAILURE) {
		avahi_restart(mdns, "advertising",
			      avahi_client_errno(avahi_entry_group_get_client(group)));
	}
}

static AvahiStringList *make_txt(const struct discovery_self *self)
{
	AvahiStringList *txt = avahi_string_list_new("v=1", NULL);
	bool coordinator = self->role == DISCOVERY_coordinator;

	txt = avahi_string_list_add_printf(txt, "id=%s", self->id);
	txt = avahi_string_list_add_printf(txt, "role=%s", coordinator ? "coordinator" : "worker");
	txt = avahi_string_list_add_printf(txt, "key=%s", self->fingerprint);
	txt = avahi_string_list_add_printf(txt, "ssh=%u", self->ssh_port);
	if (coordinator)
		txt = avahi_string_list_add_printf(txt, "beats=%u", self->beats_port);
	return txt;
}

static int add_service(struct mdns *mdns)
{
	const struct discovery_self *self = &mdns->self;
	AvahiStringList *txt = make_txt(self);
	uint16_t port = self->role == DISCOVERY_coordinator ? self->commands_port : self->ssh_port;
	int r = avahi_entry_group_add_service_strlst(
		mdns->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0, mdns->name,
		avahi_announced_type(mdns), NULL, NULL, port, txt);

	avahi_string_list_free(txt);
	return r;
}

static void publish(struct mdns *mdns)
{
	int r = AVAHI_ERR_COLLISION;

	/* A collision with a service of this same host is known at once, so it is tried again here;
	 * one with another host comes back through on_group. */
	for (int tries = 0; tries < 8 && r == AVAHI_ERR_COLLISION; tries++) {
		r = add_service(mdns);
		if (r == AVAHI_ERR_COLLISION)
			take_another_name(mdns);
	}
	if (r == 0)
		r = avahi_entry_group_commit(mdns->group);
	if (r < 0)
		avahi_restart(mdns, "advertising", r);
}

void avahi_announce(struct mdns *mdns, AvahiClient *client)
{
	if (!mdns->announces)
		return;
	if (!mdns->group)
		mdns->group = avahi_entry_group_new(client, on_group, mdns);
	if (!mdns->group)
		avahi_restart(mdns, "advertising", avahi_client_errno(client));
	else if (avahi_entry_group_is_empty(mdns->group))
		publish(mdns);
}
