/* SPDX-License-Identifier: MPL-2.0
 *
 * What the implementations of discovery.h share, and the AvahiPoll (avahi_poll.c) that hides any
 * number of descriptors and timeouts behind one epoll descriptor. */
#ifndef DROVER_DISCOVERY_PRIVATE_H
#define DROVER_DISCOVERY_PRIVATE_H

#include "discovery/discovery.h"

#include <avahi-common/watch.h>

struct discovery_ops {
	void (*dispatch)(struct discovery *discovery);
	void (*refresh)(struct discovery *discovery, const char *id);
	void (*free)(struct discovery *discovery);
};

/* First member of each implementation's struct. */
struct discovery {
	const struct discovery_ops *ops;
	int fd; /* the implementation closes it */
	enum discovery_role browse;
	discovery_fn *fn;
	void *arg;
};

struct avahi_poll;

struct avahi_poll *avahi_poll_new(struct err *err);
void avahi_poll_free(struct avahi_poll **poll); /* after everything that uses it is gone */
const AvahiPoll *avahi_poll_api(struct avahi_poll *poll);
int avahi_poll_fd(const struct avahi_poll *poll);

/* Runs what is due, once. Never waits. */
void avahi_poll_dispatch(struct avahi_poll *poll);

#endif
