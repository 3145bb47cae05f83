/* SPDX-License-Identifier: MPL-2.0
 *
 * Messages between the worker's bus side and its senders. */
#include "transfer/sender.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

union right {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

int sender_ctl_send(int fd, const struct sender_msg *msg, int pass_fd, struct err *err)
{
	struct iovec iov = {(void *)msg, sizeof(*msg)};
	union right right = {.space = {0}};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (pass_fd >= 0) {
		m.msg_control = &right;
		m.msg_controllen = sizeof(right);
		right.head.cmsg_level = SOL_SOCKET;
		right.head.cmsg_type = SCM_RIGHTS;
		right.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&right.head), &pass_fd, sizeof(int));
	}
	while (sendmsg(fd, &m, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return fail_errno(err, ERR_unreachable, "sender's control socket");
	return 0;
}

static bool terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

#define TERMINATED(field) terminated((field), sizeof(field))

static bool valid(const struct sender_msg *m)
{
	switch (m->kind) {
	case SENDER_connect:
		return TERMINATED(m->connect.address) && TERMINATED(m->connect.host_key) &&
		       TERMINATED(m->connect.user) && TERMINATED(m->connect.key_path);
	case SENDER_open:
		return TERMINATED(m->open.migration) && name_ok(m->open.migration) &&
		       m->open.sessions >= 1 && m->open.sessions <= 8;
	case SENDER_progress:
		return TERMINATED(m->progress.phase);
	case SENDER_passed:
		return TERMINATED(m->passed.text);
	case SENDER_error:
		return TERMINATED(m->error.text) && TERMINATED(m->error.fix);
	case SENDER_pass:
	case SENDER_close:
	case SENDER_connected:
	case SENDER_opened:
		return true;
	}
	return false;
}

int sender_ctl_recv(int fd, struct sender_msg *ret, int *ret_fd, struct err *err)
{
	struct iovec iov = {ret, sizeof(*ret)};
	union right right;
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &right,
			   .msg_controllen = sizeof(right)};
	auto_close int got = -1;
	ssize_t n;

	*ret_fd = -1;
	do
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return fail(err, ERR_busy, "no message");
	if (n <= 0)
		return fail(err, ERR_unreachable, "the other side of the sender has ended");
	if (m.msg_controllen >= CMSG_LEN(sizeof(int)) && right.head.cmsg_type == SCM_RIGHTS)
		memcpy(&got, CMSG_DATA(&right.head), sizeof(int));
	if ((size_t)n != sizeof(*ret) || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !valid(ret))
		return fail(err, ERR_protocol, "malformed message on the sender's control socket");
	*ret_fd = mem_take_fd(&got);
	return 0;
}
