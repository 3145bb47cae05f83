/* SPDX-License-Identifier: MPL-2.0
 *
 * Avahi's main loop interface over one epoll descriptor, which also holds a timerfd for the
 * nearest timeout. libdbus watches one descriptor twice, for reading and for writing, so a
 * descriptor's interest is the union of its watches. Watches and timeouts may be freed from any
 * callback: they are only marked then, and swept after the turn. */
#include "base/mem.h"
#include "discovery/private.h"

#include <avahi-common/timeval.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#define EVENTS_PER_TURN 16

struct AvahiWatch {
	struct avahi_poll *poll;
	struct AvahiWatch *next;
	int fd;
	AvahiWatchEvent wanted;
	AvahiWatchEvent got; /* during its callback */
	AvahiWatchCallback callback;
	void *userdata;
	bool dead;
};

struct AvahiTimeout {
	struct avahi_poll *poll;
	struct AvahiTimeout *next;
	bool armed;
	struct timeval at; /* wall clock, as Avahi counts */
	AvahiTimeoutCallback callback;
	void *userdata;
	bool dead;
};

struct avahi_poll {
	AvahiPoll api;
	int epoll_fd;
	int timer_fd;
	struct AvahiWatch *watches;
	struct AvahiTimeout *timeouts;
};

/* AVAHI_WATCH_* are poll(2)'s bits, and epoll's are the same. */
static void update_interest(struct avahi_poll *poll, int fd)
{
	struct epoll_event event = {.data.fd = fd};

	for (struct AvahiWatch *w = poll->watches; w; w = w->next)
		if (w->fd == fd && !w->dead)
			event.events |= (uint32_t)w->wanted & (EPOLLIN | EPOLLOUT);
	if (!event.events)
		epoll_ctl(poll->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(poll->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0)
		epoll_ctl(poll->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static AvahiWatch *watch_new(const AvahiPoll *api, int fd, AvahiWatchEvent event,
			     AvahiWatchCallback callback, void *userdata)
{
	struct AvahiWatch *watch = mem_new_of(struct AvahiWatch);
	struct avahi_poll *poll = api->userdata;

	watch->poll = poll;
	watch->fd = fd;
	watch->wanted = event;
	watch->callback = callback;
	watch->userdata = userdata;
	watch->next = poll->watches;
	poll->watches = watch;
	update_interest(poll, fd);
	return watch;
}

static void watch_update(AvahiWatch *watch, AvahiWatchEvent event)
{
	watch->wanted = event;
	update_interest(watch->poll, watch->fd);
}

static AvahiWatchEvent watch_get_events(AvahiWatch *watch)
{
	return watch->got;
}

static void watch_free(AvahiWatch *watch)
{
	watch->dead = true;
	update_interest(watch->poll, watch->fd);
}

/* The timer goes off at the nearest timeout; none is a timer that rests. */
static void rearm(struct avahi_poll *poll)
{
	struct itimerspec spec = {0};
	struct timeval now, left;
	struct AvahiTimeout *nearest = NULL;

	for (struct AvahiTimeout *t = poll->timeouts; t; t = t->next)
		if (t->armed && !t->dead &&
		    (!nearest || avahi_timeval_compare(&t->at, &nearest->at) < 0))
			nearest = t;
	if (nearest) {
		gettimeofday(&now, NULL);
		spec.it_value.tv_nsec = 1;
		if (timercmp(&nearest->at, &now, >)) {
			timersub(&nearest->at, &now, &left);
			spec.it_value.tv_sec = left.tv_sec;
			spec.it_value.tv_nsec = left.tv_usec * 1000 + 1;
		}
	}
	timerfd_settime(poll->timer_fd, 0, &spec, NULL);
}

static void timeout_update(AvahiTimeout *timeout, const struct timeval *at)
{
	timeout->armed = at != NULL;
	if (at)
		timeout->at = *at;
	rearm(timeout->poll);
}

static AvahiTimeout *timeout_new(const AvahiPoll *api, const struct timeval *at,
				 AvahiTimeoutCallback callback, void *userdata)
{
	struct AvahiTimeout *timeout = mem_new_of(struct AvahiTimeout);
	struct avahi_poll *poll = api->userdata;

	timeout->poll = poll;
	timeout->callback = callback;
	timeout->userdata = userdata;
	timeout->next = poll->timeouts;
	poll->timeouts = timeout;
	timeout_update(timeout, at);
	return timeout;
}

static void timeout_free(AvahiTimeout *timeout)
{
	timeout->dead = true;
	rearm(timeout->poll);
}

static void run_watches(struct avahi_poll *poll, int fd, uint32_t events)
{
	/* New watches go to the front of the list and wait for the next turn. */
	for (struct AvahiWatch *w = poll->watches; w; w = w->next) {
		uint32_t mine = events & ((uint32_t)w->wanted | EPOLLERR | EPOLLHUP);

		if (w->dead || w->fd != fd || !mine)
			continue;
		w->got = (AvahiWatchEvent)mine;
		w->callback(w, fd, w->got, w->userdata);
		w->got = 0;
	}
}

static void run_timeouts(struct avahi_poll *poll)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	for (struct AvahiTimeout *t = poll->timeouts; t; t = t->next) {
		if (t->dead || !t->armed || avahi_timeval_compare(&t->at, &now) > 0)
			continue;
		t->armed = false;
		t->callback(t, t->userdata);
	}
	rearm(poll);
}

static void sweep(struct avahi_poll *poll)
{
	struct AvahiWatch **w = &poll->watches, *dead_watch;
	struct AvahiTimeout **t = &poll->timeouts, *dead_timeout;

	while ((dead_watch = *w)) {
		if (!dead_watch->dead) {
			w = &dead_watch->next;
			continue;
		}
		*w = dead_watch->next;
		free(dead_watch);
	}
	while ((dead_timeout = *t)) {
		if (!dead_timeout->dead) {
			t = &dead_timeout->next;
			continue;
		}
		*t = dead_timeout->next;
		free(dead_timeout);
	}
}

void avahi_poll_dispatch(struct avahi_poll *poll)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int n = epoll_wait(poll->epoll_fd, events, EVENTS_PER_TURN, 0);
	uint64_t expirations;

	for (int i = 0; i < n; i++) {
		if (events[i].data.fd != poll->timer_fd)
			run_watches(poll, events[i].data.fd, events[i].events);
		else if (read(poll->timer_fd, &expirations, sizeof(expirations)) > 0)
			run_timeouts(poll);
	}
	sweep(poll);
}

const AvahiPoll *avahi_poll_api(struct avahi_poll *poll)
{
	return &poll->api;
}

int avahi_poll_fd(const struct avahi_poll *poll)
{
	return poll->epoll_fd;
}

void avahi_poll_free(struct avahi_poll **ret)
{
	struct avahi_poll *poll = *ret;

	if (!poll)
		return;
	for (struct AvahiWatch *w = poll->watches; w; w = w->next)
		w->dead = true;
	for (struct AvahiTimeout *t = poll->timeouts; t; t = t->next)
		t->dead = true;
	sweep(poll);
	if (poll->epoll_fd >= 0)
		close(poll->epoll_fd);
	if (poll->timer_fd >= 0)
		close(poll->timer_fd);
	free(poll);
	*ret = NULL;
}

struct avahi_poll *avahi_poll_new(struct err *err)
{
	struct avahi_poll *poll = mem_new_of(struct avahi_poll);
	struct epoll_event event = {.events = EPOLLIN};

	poll->api = (AvahiPoll){poll,       watch_new,   watch_update,   watch_get_events,
				watch_free, timeout_new, timeout_update, timeout_free};
	poll->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	poll->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	event.data.fd = poll->timer_fd;
	if (poll->epoll_fd >= 0 && poll->timer_fd >= 0 &&
	    epoll_ctl(poll->epoll_fd, EPOLL_CTL_ADD, poll->timer_fd, &event) == 0)
		return poll;
	fail_errno(err, ERR_io, "making descriptors for mDNS");
	avahi_poll_free(&poll);
	return NULL;
}
