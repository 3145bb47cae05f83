/* SPDX-License-Identifier: MPL-2.0
 *
 * sendmsg(2) and recvmsg(2) with SCM_RIGHTS around struct handoff. */
#include "transfer/handoff.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union rights {
	struct cmsghdr head;
	char space[CMSG_SPACE(HANDOFF_FDS * sizeof(int))];
};

static void put_fds(struct msghdr *msg, union rights *rights, const int *fds, size_t n)
{
	struct cmsghdr *c;

	if (!n)
		return;
	memset(rights, 0, sizeof(*rights));
	msg->msg_control = rights;
	msg->msg_controllen = CMSG_SPACE(n * sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
}

int handoff_send(int fd, struct handoff *head, const char *name, const char *link,
		 const void *xattrs, size_t xattr_len, const int *fds, size_t n_fds,
		 struct err *err)
{
	name = name ? name : "";
	link = link ? link : "";
	head->name_len = (uint32_t)strlen(name);
	head->link_len = (uint32_t)strlen(link);
	head->xattr_len = (uint32_t)xattr_len;

	struct iovec iov[4] = {{head, sizeof(*head)},
			       {(void *)name, head->name_len + 1},
			       {(void *)link, head->link_len + 1},
			       {(void *)xattrs, xattr_len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = xattr_len ? 4 : 3};
	union rights rights;

	if (head->name_len + head->link_len + xattr_len + 2 > HANDOFF_TAIL_MAX)
		return fail(err, ERR_invalid, "%s has more extended attributes than can travel",
			    name);
	put_fds(&msg, &rights, fds, n_fds);
	while (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return fail_errno(err, ERR_child, "handing %s to the sender", name);
	return 0;
}

static void take_fds(struct msghdr *msg, struct handoff_in *in)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < len / sizeof(int) && n < HANDOFF_FDS; i++)
			memcpy(&in->fds[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

/* Finds the tail's parts and checks that they fill it exactly. */
static int split_tail(struct handoff_in *in, size_t len, struct err *err)
{
	const struct handoff *h = &in->head;
	size_t link = (size_t)h->name_len + 1, xattrs = link + h->link_len + 1;

	if (h->name_len > len || h->link_len > len || xattrs + h->xattr_len != len ||
	    in->tail[h->name_len] || in->tail[link + h->link_len])
		return fail(err, ERR_protocol, "malformed record from the reader");
	in->name = in->tail;
	in->link = in->tail + link;
	in->xattrs = (const uint8_t *)in->tail + xattrs;
	return 0;
}

int handoff_recv(int fd, struct handoff_in *ret, struct err *err)
{
	struct iovec iov[2] = {{&ret->head, sizeof(ret->head)}, {ret->tail, sizeof(ret->tail)}};
	union rights rights;
	struct msghdr msg = {.msg_iov = iov,
			     .msg_iovlen = 2,
			     .msg_control = &rights,
			     .msg_controllen = sizeof(rights)};
	ssize_t n;

	for (size_t i = 0; i < HANDOFF_FDS; i++)
		ret->fds[i] = -1;
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail_errno(err, ERR_child, "reading from the reader");
	take_fds(&msg, ret);
	if (n == 0)
		return fail(err, ERR_child, "the reader ended before its work");
	if ((size_t)n < sizeof(ret->head) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return fail(err, ERR_protocol, "malformed record from the reader");
	return split_tail(ret, (size_t)n - sizeof(ret->head), err);
}

void handoff_close(struct handoff_in *in)
{
	for (size_t i = 0; i < HANDOFF_FDS; i++) {
		if (in->fds[i] >= 0)
			close(in->fds[i]);
		in->fds[i] = -1;
	}
}

int handoff_xattr_next(const uint8_t *xattrs, size_t len, size_t *at, struct handoff_xattr *ret)
{
	const uint8_t *p = xattrs + *at;
	size_t left = len - *at;

	if (left < 8)
		return 0;
	memcpy(&ret->name_len, p, 4);
	memcpy(&ret->value_len, p + 4, 4);
	if (!ret->name_len || ret->name_len > left - 8 ||
	    ret->value_len > left - 8 - ret->name_len || p[8 + ret->name_len - 1])
		return 0;
	ret->name = (const char *)p + 8;
	ret->value = p + 8 + ret->name_len;
	*at += 8 + (size_t)ret->name_len + ret->value_len;
	return 1;
}
