/* SPDX-License-Identifier: MPL-2.0
 *
 * Passes one question and one answer; looks at sizes only. */
#include "transfer/tell.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static int read_exactly(int fd, void *data, size_t len, struct err *err)
{
	char *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(err, ERR_protocol, "the question ended early");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int tell_relay(const char *dir, int in, int out, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 60};
	auto_close int fd = -1;
	struct tell tell;
	struct told told;
	int rc = read_exactly(in, &tell, sizeof(tell), err);

	if (rc)
		return rc;
	if (!str_fmt(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, TELL_SOCKET))
		return fail(err, ERR_config, "path too long for a socket: %s", dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    send(fd, &tell, sizeof(tell), MSG_NOSIGNAL) != sizeof(tell))
		return fail_errno(err, ERR_unreachable, "the worker's socket %s", address.sun_path);
	if (recv(fd, &told, sizeof(told), 0) != sizeof(told))
		return fail(err, ERR_unreachable, "the worker gave no answer");
	return file_write_all(out, &told, sizeof(told), err);
}
