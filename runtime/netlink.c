/* SPDX-License-Identifier: MPL-2.0
 *
 * netlink(7): one request at a time on a blocking socket; the kernel answers at once. Lengths
 * inside an answer are checked against the bytes received although they come from the kernel. */
#include "runtime/netlink.h"

#include "base/mem.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_MAX 65536

int netns_socket(const char *netns, int domain, int type, int protocol)
{
	auto_close int home = -1, there = -1;
	int fd, saved;

	type |= SOCK_CLOEXEC;
	if (!netns)
		return socket(domain, type, protocol);
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open(netns, O_RDONLY | O_CLOEXEC);
	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		return -1;
	fd = socket(domain, type, protocol);
	saved = errno;
	if (setns(home, CLONE_NEWNET) < 0)
		abort(); /* the thread would go on in a container's network */
	errno = saved;
	return fd;
}

int nl_open(int protocol, const char *netns, struct nl *ret, struct err *err)
{
	struct timeval limit = {.tv_sec = 5};

	ret->seq = 0;
	ret->fd = netns_socket(netns, AF_NETLINK, SOCK_RAW, protocol);
	if (ret->fd < 0)
		return fail_errno(err, errno == ENOENT ? ERR_nosuch : ERR_io, "netlink in %s",
				  netns ? netns : "our own namespace");
	setsockopt(ret->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	nl->fd = -1;
}

static void *extend(struct nl_request *request, size_t len)
{
	struct nlmsghdr *h = (struct nlmsghdr *)request->buf;
	size_t at = NLMSG_ALIGN(h->nlmsg_len);

	assert(at + NLMSG_ALIGN(len) <= sizeof(request->buf));
	h->nlmsg_len = (uint32_t)(at + len);
	return request->buf + at;
}

struct nlmsghdr *nl_begin(struct nl_request *request, uint16_t type, uint16_t flags,
			  const void *head, size_t len)
{
	struct nlmsghdr *h = (struct nlmsghdr *)request->buf;

	memset(request, 0, sizeof(*request));
	h->nlmsg_len = NLMSG_HDRLEN;
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(extend(request, len), head, len);
	return h;
}

void nl_put(struct nl_request *request, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a = extend(request, NLA_HDRLEN + len);

	a->nla_type = type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len)
		memcpy((char *)a + NLA_HDRLEN, data, len);
}

void nl_put_u32(struct nl_request *request, uint16_t type, uint32_t value)
{
	nl_put(request, type, &value, sizeof(value));
}

void nl_put_text(struct nl_request *request, uint16_t type, const char *text)
{
	nl_put(request, type, text, strlen(text) + 1);
}

struct nlattr *nl_nest(struct nl_request *request, uint16_t type, const void *head, size_t len)
{
	struct nlattr *a = extend(request, NLA_HDRLEN + len);

	a->nla_type = type;
	if (len)
		memcpy((char *)a + NLA_HDRLEN, head, len);
	return a;
}

void nl_unnest(struct nl_request *request, struct nlattr *nest)
{
	struct nlmsghdr *h = (struct nlmsghdr *)request->buf;

	nest->nla_len = (uint16_t)(request->buf + h->nlmsg_len - (char *)nest);
}

/* What one message of an answer means: 1 = the answer is complete, 0 = go on, -errno. */
static int take(struct nl *nl, const struct nlmsghdr *m, nl_each *each, void *arg)
{
	if (m->nlmsg_seq != nl->seq)
		return 0;
	if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE) {
		int code = 0;

		if (m->nlmsg_len >= NLMSG_LENGTH(sizeof(code)))
			memcpy(&code, NLMSG_DATA(m), sizeof(code));
		return code < 0 ? code : 1;
	}
	if (each)
		each(arg, m);
	return 0;
}

int nl_dump(struct nl *nl, struct nl_request *request, nl_each *each, void *arg)
{
	auto_free char *buf = mem_new(1, ANSWER_MAX);
	struct nlmsghdr *h = (struct nlmsghdr *)request->buf;

	h->nlmsg_seq = ++nl->seq;
	/* The two bits of DUMP mean other things in requests that change something. */
	if ((h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		h->nlmsg_flags |= NLM_F_ACK;
	if (send(nl->fd, h, h->nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(nl->fd, buf, ANSWER_MAX, 0);
		const struct nlmsghdr *m = (const struct nlmsghdr *)buf;
		size_t left = n < 0 ? 0 : (size_t)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			int rc = take(nl, m, each, arg);

			if (rc)
				return rc < 0 ? rc : 0;
		}
	}
}

int nl_ask(struct nl *nl, struct nl_request *request)
{
	return nl_dump(nl, request, NULL, NULL);
}

const struct nlattr *nl_find(const void *attrs, size_t len, uint16_t type, size_t min)
{
	const char *p = attrs;

	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = (const struct nlattr *)p;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return nl_len(a) >= min ? a : NULL;
		if (step >= len)
			return NULL;
		p += step;
		len -= step;
	}
	return NULL;
}

const void *nl_attrs(const struct nlmsghdr *message, size_t head, size_t *ret_len)
{
	size_t skip = NLMSG_SPACE(head);

	*ret_len = message->nlmsg_len > skip ? message->nlmsg_len - skip : 0;
	return (const char *)message + skip;
}
