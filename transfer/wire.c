/* SPDX-License-Identifier: MPL-2.0
 *
 * Waiting, and the wire over plain descriptors that drover-receive and the tests use. */
#include "transfer/wire.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

int wire_poll(int fd, short events, int cancel_fd, int timeout_ms, struct err *err)
{
	struct pollfd p[2] = {{.fd = fd, .events = events}, {.fd = cancel_fd, .events = POLLIN}};
	int n;

	do
		n = poll(p, 2, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail_errno(err, ERR_io, "poll");
	if (p[1].revents)
		return fail(err, ERR_canceled, "canceled");
	if (!n)
		return fail(err, ERR_timeout, "nothing moved for %d s", timeout_ms / 1000);
	return 0;
}

int wire_wait(struct wire *wire, int extra_fd, int timeout_ms, bool *ret_timeout, struct err *err)
{
	struct pollfd p[3] = {{.fd = wire->poll_fd, .events = POLLIN},
			      {.fd = extra_fd, .events = POLLIN},
			      {.fd = wire->cancel_fd, .events = POLLIN}};
	int n = poll(p, 3, timeout_ms);

	*ret_timeout = n == 0;
	if (n < 0 && errno != EINTR)
		return fail_errno(err, ERR_io, "poll");
	if (n > 0 && p[2].revents)
		return fail(err, ERR_canceled, "canceled");
	return 0;
}

int wire_read_all(struct wire *wire, void *data, size_t len, int idle_ms, size_t *ret_len,
		  struct err *err)
{
	size_t got;

	for (*ret_len = 0; *ret_len < len; *ret_len += got) {
		int r = wire->read(wire, (uint8_t *)data + *ret_len, len - *ret_len, &got, err);

		if (r || wire->eof)
			return r;
		if (!got)
			r = wire_poll(wire->poll_fd, POLLIN, wire->cancel_fd, idle_ms, err);
		if (r)
			return r;
	}
	return 0;
}

void wire_free(struct wire **wire)
{
	if (*wire)
		(*wire)->free(*wire);
	*wire = NULL;
}

struct fd_wire {
	struct wire wire;
	int in, out;
};

static int fd_write(struct wire *wire, const void *data, size_t len, struct err *err)
{
	struct fd_wire *w = (struct fd_wire *)wire;
	const uint8_t *p = data;
	int timeout_ms = wire->stall_ms ? wire->stall_ms : -1;

	while (len) {
		ssize_t n = write(w->out, p, len);
		int r;

		if (n >= 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fail_errno(err, ERR_unreachable, "writing to the peer");
		r = wire_poll(w->out, POLLOUT, wire->cancel_fd, timeout_ms, err);
		if (r)
			return r;
	}
	return 0;
}

static int fd_read(struct wire *wire, void *data, size_t size, size_t *ret_len, struct err *err)
{
	struct fd_wire *w = (struct fd_wire *)wire;
	ssize_t n = read(w->in, data, size);

	*ret_len = 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return fail_errno(err, ERR_unreachable, "reading from the peer");
	if (n <= 0)
		wire->eof = true;
	else
		*ret_len = (size_t)n;
	return 0;
}

static void fd_free(struct wire *wire)
{
	struct fd_wire *w = (struct fd_wire *)wire;

	if (w->out != w->in)
		close(w->out);
	close(w->in);
	free(w);
}

struct wire *wire_fd_new(int in, int out)
{
	struct fd_wire *w = mem_new_of(struct fd_wire);

	w->wire = (struct wire){.write = fd_write,
				.read = fd_read,
				.free = fd_free,
				.poll_fd = in,
				.cancel_fd = -1};
	w->in = in;
	w->out = out;
	fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK);
	fcntl(out, F_SETFL, fcntl(out, F_GETFL) | O_NONBLOCK);
	return &w->wire;
}
