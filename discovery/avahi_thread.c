/* SPDX-License-Identifier: MPL-2.0
 *
 * Avahi's client library waits for the daemon's answer to every call, up to 25 s when the daemon
 * hangs. An owner's loop has timers to run and beats to send, so the client (avahi_backend.c) lives
 * in a thread that shares nothing with it: reports come over a SEQPACKET pair, orders go back, and
 * the end of the pair ends the thread, whenever it notices. */
#include "base/log.h"
#include "base/mem.h"
#include "discovery/avahi_private.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#define REPORTS_PER_DISPATCH 64

struct report {
	enum discovery_event event;
	struct discovery_peer peer;
};

struct order {
	char refresh[NAME_SIZE];
};

/* What the thread owns; it frees itself. */
struct helper {
	int owner; /* its end of the pair */
	struct discovery *mdns;
	bool orphan; /* the owner is gone */
};

/* An owner that is slow makes this wait, which costs nobody anything. */
static void report(void *arg, enum discovery_event event, const struct discovery_peer *peer)
{
	struct helper *helper = arg;
	struct report report = {event, *peer};
	ssize_t n;

	do
		n = send(helper->owner, &report, sizeof(report), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	helper->orphan |= n < 0;
}

static void take_order(struct helper *helper)
{
	struct order order;
	ssize_t n = recv(helper->owner, &order, sizeof(order), MSG_DONTWAIT);

	if (n == sizeof(order))
		discovery_refresh(helper->mdns, order.refresh);
	else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		helper->orphan = true;
}

static void helper_free(struct helper *helper)
{
	discovery_free(&helper->mdns);
	close(helper->owner);
	free(helper);
}

static void *helper_main(void *arg)
{
	struct helper *helper = arg;
	struct pollfd fds[] = {{.fd = helper->owner, .events = POLLIN},
			       {.fd = discovery_fd(helper->mdns), .events = POLLIN}};

	while (!helper->orphan && (poll(fds, ARRAY_LEN(fds), -1) >= 0 || errno == EINTR)) {
		if (fds[1].revents)
			discovery_dispatch(helper->mdns);
		if (fds[0].revents)
			take_order(helper);
	}
	helper_free(helper);
	return NULL;
}

static void outer_dispatch(struct discovery *discovery)
{
	struct report report;

	for (int i = 0; i < REPORTS_PER_DISPATCH; i++) {
		if (recv(discovery->fd, &report, sizeof(report), MSG_DONTWAIT) != sizeof(report))
			return;
		discovery->fn(discovery->arg, report.event, &report.peer);
	}
}

/* A thread that hangs with its daemon misses nothing by missing this: it is dropped when full. */
static void outer_refresh(struct discovery *discovery, const char *id)
{
	struct order order = {0};

	str_copy(order.refresh, sizeof(order.refresh), id);
	send(discovery->fd, &order, sizeof(order), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void outer_free(struct discovery *discovery)
{
	close(discovery->fd);
	free(discovery);
}

static int start_thread(struct helper *helper, struct err *err)
{
	sigset_t all, before;
	pthread_t thread;
	int r;

	/* Signals belong to the owner's loop; the thread inherits this mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, helper_main, helper);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return fail(err, ERR_nomem, "starting the mDNS thread");
	pthread_detach(thread);
	return 0;
}

struct discovery *discovery_avahi(const struct discovery_self *self, enum discovery_role browse,
				  discovery_fn *fn, void *arg, struct err *err)
{
	static const struct discovery_ops ops = {outer_dispatch, outer_refresh, outer_free};
	struct discovery *outer;
	struct helper *helper;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		fail_errno(err, ERR_io, "making descriptors for mDNS");
		return NULL;
	}
	helper = mem_new_of(struct helper);
	helper->owner = pair[1];
	helper->mdns = mdns_new(self, browse, report, helper, err);
	if (!helper->mdns || start_thread(helper, err) < 0) {
		helper_free(helper);
		close(pair[0]);
		return NULL;
	}
	outer = mem_new_of(struct discovery);
	*outer = (struct discovery){&ops, pair[0], browse, fn, arg};
	return outer;
}
