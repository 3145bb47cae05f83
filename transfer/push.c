/* SPDX-License-Identifier: MPL-2.0
 *
 * Sessions: the handshake, flushes and the seal. Records and packs are in pack.c. */
#include "transfer/push_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define HANDSHAKE_MS 20000

struct push *push_new(const struct push_config *config)
{
	struct push *push = mem_new_of(struct push);

	push->config = *config;
	push->pack = mem_new(1, FRAME_RAW_MAX);
	push->work = frame_work_new();
	return push;
}

void push_free(struct push **pp)
{
	struct push *push = *pp;

	if (!push)
		return;
	for (unsigned i = 0; i < push->n; i++)
		sendq_free(&push->q[i]);
	if (push->known.slots)
		known_done(&push->known);
	frame_work_free(&push->work);
	free(push->pack);
	explicit_bzero(push->cookie, sizeof(push->cookie));
	free(push);
	*pp = NULL;
}

int push_wait(struct push *push, struct pollfd *fds, nfds_t n, int timeout_ms, struct err *err)
{
	if (push->config.wait)
		return push->config.wait(push->config.arg, fds, n, timeout_ms, err);
	if (poll(fds, n, timeout_ms) < 0 && errno != EINTR)
		return fail_errno(err, ERR_io, "poll");
	return 0;
}

int push_error(const struct push *push, struct err *err)
{
	for (unsigned i = 0; i < push->n; i++) {
		int r = sendq_error(push->q[i], err);

		if (r)
			return r;
	}
	return 0;
}

int push_wait_sessions(struct push *push, struct err *err)
{
	struct pollfd fds[PUSH_SESSIONS_MAX];
	bool any = false;
	int r;

	for (unsigned i = 0; i < push->n; i++)
		fds[i] = (struct pollfd){.fd = sendq_fd(push->q[i]), .events = POLLIN};
	r = push_wait(push, fds, push->n, PUSH_SETTLE_MS, err);
	for (unsigned i = 0; i < push->n; i++) {
		any |= fds[i].revents != 0;
		sendq_clear(push->q[i]);
	}
	if (!r)
		r = push_error(push, err);
	if (!r && !any)
		r = fail(err, ERR_timeout, "the target acknowledged nothing for %d s",
			 PUSH_SETTLE_MS / 1000);
	return r;
}

static int read_frame(struct wire *wire, struct frame_in *in, struct frame *ret, struct err *err)
{
	for (;;) {
		size_t room, got;
		void *space = frame_in_space(in, &room);
		int r = wire_read_all(wire, space, room, HANDSHAKE_MS, &got, err);

		if (r)
			return r;
		if (got < room)
			return fail(err, ERR_unreachable, "the target ended the stream");
		frame_in_added(in, got);
		r = frame_in_next(in, ret, err);
		if (r == 1 && ret->type == FRAME_error)
			r = frame_error_get(ret, err);
		if (r)
			return r < 0 ? r : 0;
	}
}

static int take_have(struct push *push, const struct frame *frame, uint64_t *left, struct err *err)
{
	struct digest digest;
	size_t n = frame->len / sizeof(digest);

	if (frame->type != FRAME_have || frame->len % sizeof(digest) || !n || n > *left)
		return fail(err, ERR_protocol, "malformed list of known pages");
	for (size_t i = 0; i < n; i++) {
		memcpy(&digest, frame->payload + i * sizeof(digest), sizeof(digest));
		known_put(&push->known, digest, KNOWN_STAMP(KNOWN_ALWAYS, 1));
	}
	*left -= n;
	return 0;
}

static int shake(struct push *push, struct wire *wire, struct frame_in *in,
		 struct frame_hello *hello, struct err *err)
{
	uint8_t buf[FRAME_HEAD + sizeof(*hello)];
	struct frame_hello_ok ok;
	struct frame frame;
	size_t len;
	int r;

	memcpy(hello->cookie, push->cookie, sizeof(hello->cookie));
	len = frame_build(NULL, buf, FRAME_hello, 0, 1, CODEC_none, hello, sizeof(*hello));
	r = wire->write(wire, buf, len, err);
	explicit_bzero(buf, sizeof(buf));
	if (!r || r == -ERR_unreachable)
		r = read_frame(wire, in, &frame, err);
	if (r)
		return r;
	if (frame.type != FRAME_hello_ok || frame.len != sizeof(ok))
		return fail(err, ERR_protocol, "the target does not speak this protocol");
	memcpy(&ok, frame.payload, sizeof(ok));
	memcpy(push->cookie, ok.cookie, sizeof(ok.cookie));
	if (!push->known.slots)
		known_init(&push->known, ok.known_limit);
	while (ok.have) {
		r = read_frame(wire, in, &frame, err);
		if (!r)
			r = take_have(push, &frame, &ok.have, err);
		if (r)
			return r;
	}
	return 0;
}

int push_join(struct push *push, struct wire *wire, struct frame_hello *hello, struct err *err)
{
	struct frame_in *in = frame_in_new();
	int r = push->n < PUSH_SESSIONS_MAX ? shake(push, wire, in, hello, err)
					    : fail(err, ERR_invalid, "too many sessions");

	if (r) {
		frame_in_free(&in);
		wire_free(&wire);
		return r;
	}
	push->q[push->n++] = sendq_new(wire, in, 2);
	return 0;
}

/* A frame that is not data, on one session. */
static int send_plain(struct push *push, unsigned session, enum frame_type type, uint8_t flags,
		      const void *raw, size_t len, struct err *err)
{
	push->session = session;
	while (!(push->slot = sendq_slot(push->q[session], &push->seq))) {
		int r = push_wait_sessions(push, err);

		if (r)
			return r;
	}
	return push_frame(push, type, flags, raw, len,
			  type == FRAME_manifest ? CODEC_lz4 : CODEC_none, err);
}

static int wait_ack(struct push *push, unsigned session, uint64_t seq, struct err *err)
{
	while (sendq_acked(push->q[session]) < seq) {
		int r = push_error(push, err);

		if (!r)
			r = push_wait_sessions(push, err);
		if (r)
			return r;
	}
	return 0;
}

int push_flush(struct push *push, bool final, struct err *err)
{
	uint64_t seq[PUSH_SESSIONS_MAX];
	int r = push_pack(push, err);

	push->slot = NULL;
	for (unsigned i = 0; !r && i < push->n; i++) {
		r = send_plain(push, i, FRAME_flush, final ? FLUSH_FINAL : 0, NULL, 0, err);
		seq[i] = push->seq;
	}
	for (unsigned i = 0; !r && i < push->n; i++)
		r = wait_ack(push, i, seq[i], err);
	return r;
}

int push_seal(struct push *push, const uint32_t *drop, size_t n_drop, const void *manifest,
	      size_t len, const uint8_t seal[SEAL_BYTES], struct err *err)
{
	const size_t drop_max = 1024 * 1024 / sizeof(*drop);
	int r = 0;

	for (size_t n; !r && n_drop; drop += n, n_drop -= n) {
		n = n_drop < drop_max ? n_drop : drop_max;
		r = send_plain(push, 0, FRAME_drop, 0, drop, n * sizeof(*drop), err);
	}
	for (size_t n, at = 0; !r && at < len; at += n) {
		n = len - at < PAGE_RUN_BYTES ? len - at : PAGE_RUN_BYTES;
		r = send_plain(push, 0, FRAME_manifest, 0, (const uint8_t *)manifest + at, n, err);
	}
	if (!r)
		r = send_plain(push, 0, FRAME_seal, 0, seal, SEAL_BYTES, err);
	if (!r)
		r = wait_ack(push, 0, push->seq, err);
	return r;
}

struct push_figures *push_figures(struct push *push)
{
	push->figures.bytes_s = 0;
	for (unsigned i = 0; i < push->n; i++)
		push->figures.bytes_s += sendq_rate(push->q[i]);
	return &push->figures;
}

uint64_t push_new_bytes(const struct push *push)
{
	return push->new_bytes;
}
