/* SPDX-License-Identifier: MPL-2.0
 *
 * One session of the receiver.
 *
 *   hello --(ticket admits)--> open --(flush final)--> closing --(seal)--> sealed
 *
 * open: data, flush, ping. closing: drop, manifest, seal (first session only), ping. Every other
 * frame is refused. */
#include "transfer/receiver.h"

#include "base/file.h"
#include "base/mem.h"
#include "transfer/frame.h"
#include "transfer/intake.h"
#include "transfer/ticket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define HAVE_MAX (256u * 1024) /* digests told to the sender, 1 GiB of pages */
#define HAVE_FRAME (16u * 1024)
#define MANIFEST_MAX (256u * 1024 * 1024)

enum receiver_state { RECEIVER_HELLO, RECEIVER_OPEN, RECEIVER_CLOSING, RECEIVER_SEALED };

struct receiver {
	struct wire *wire;
	const struct receiver_config *config;
	enum receiver_state state;
	bool first;
	struct frame_in *in;
	struct intake intake;
	uint64_t done_seq, acked_seq;
	uint8_t *manifest;
	size_t manifest_len;
};

static int reply(struct receiver *rx, enum frame_type type, const void *payload, size_t len,
		 struct err *err)
{
	auto_free uint8_t *buf = mem_new(1, FRAME_HEAD + len);
	size_t n = frame_build(NULL, buf, type, 0, 0, CODEC_none, payload, len);

	return rx->wire->write(rx->wire, buf, n, err);
}

static int send_ack(struct receiver *rx, struct err *err)
{
	rx->acked_seq = rx->done_seq;
	return reply(rx, FRAME_ack, &rx->done_seq, sizeof(rx->done_seq), err);
}

static int send_have(struct receiver *rx, const struct digest *have, size_t n, struct err *err)
{
	for (size_t at = 0, k; at < n; at += k) {
		int r;

		k = n - at < HAVE_FRAME ? n - at : HAVE_FRAME;
		r = reply(rx, FRAME_have, have + at, k * sizeof(*have), err);
		if (r)
			return r;
	}
	return 0;
}

static int welcome(struct receiver *rx, const uint8_t *cookie, struct err *err)
{
	struct frame_hello_ok ok = {.known_limit = stash_limit(rx->intake.stash)};
	auto_free struct digest *have = NULL;
	int r;

	memcpy(ok.cookie, cookie, sizeof(ok.cookie));
	if (rx->first) {
		have = mem_new(HAVE_MAX, sizeof(*have));
		ok.have = stash_list(rx->intake.stash, have, HAVE_MAX);
	}
	r = reply(rx, FRAME_hello_ok, &ok, sizeof(ok), err);
	return r ? r : send_have(rx, have, ok.have, err);
}

static int on_hello(struct receiver *rx, const struct frame *frame, struct err *err)
{
	static const uint8_t none[TICKET_SECRET];
	const char *dir = rx->config->tickets;
	struct frame_hello hello;
	struct ticket ticket;
	uint8_t cookie[TICKET_SECRET];
	int r;

	if (frame->type != FRAME_hello || frame->len != sizeof(hello))
		return fail(err, ERR_protocol, "the stream does not begin with a ticket");
	memcpy(&hello, frame->payload, sizeof(hello));
	hello.migration[sizeof(hello.migration) - 1] = '\0';
	rx->first = secret_eq(hello.cookie, none);
	memcpy(cookie, hello.cookie, sizeof(cookie));
	if (rx->first)
		r = ticket_claim(dir, hello.migration, hello.epoch, hello.secret,
				 rx->config->now_boot_ms, &ticket, cookie, err);
	else
		r = ticket_join(dir, hello.migration, hello.epoch, hello.secret, cookie, &ticket,
				err);
	if (!r)
		r = intake_init(&rx->intake, ticket.images, ticket.tree, ticket.quota_bytes,
				rx->first, err);
	if (!r)
		r = welcome(rx, cookie, err);
	explicit_bzero(&hello, sizeof(hello));
	explicit_bzero(&ticket, sizeof(ticket));
	rx->state = RECEIVER_OPEN;
	return r;
}

static int on_data(struct receiver *rx, const struct frame *frame, struct err *err)
{
	struct record record;
	size_t at = 0;
	int r;

	while ((r = record_next(frame->payload, frame->len, &at, &record, err)) == 1) {
		r = intake_record(&rx->intake, &record, err);
		if (r)
			return r;
	}
	if (!r && rx->done_seq - rx->acked_seq >= FRAME_ACK_EVERY)
		r = send_ack(rx, err);
	return r;
}

static int on_flush(struct receiver *rx, const struct frame *frame, struct err *err)
{
	if (frame->flags & FLUSH_FINAL) {
		intake_close_files(&rx->intake);
		rx->state = RECEIVER_CLOSING;
	}
	return send_ack(rx, err);
}

static int on_manifest(struct receiver *rx, const struct frame *frame, struct err *err)
{
	if (rx->manifest_len + frame->len > MANIFEST_MAX)
		return fail(err, ERR_protocol, "the manifest is too long");
	rx->manifest = mem_grow(rx->manifest, rx->manifest_len + frame->len + 1, 1);
	memcpy(rx->manifest + rx->manifest_len, frame->payload, frame->len);
	rx->manifest_len += frame->len;
	return 0;
}

static int on_seal(struct receiver *rx, const struct frame *frame, struct err *err)
{
	uint8_t seal[SEAL_BYTES];
	auto_close int fd = -1;
	int r;

	seal_of(rx->manifest, rx->manifest_len, seal);
	if (frame->len != sizeof(seal) || memcmp(seal, frame->payload, sizeof(seal)))
		return fail(err, ERR_corrupt, "the manifest does not fit its seal");
	fd = file_open_beneath(rx->intake.images, RECEIVER_MANIFEST,
			       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		errno = -fd;
		return fail_errno(err, ERR_io, "creating the manifest");
	}
	r = file_write_all(fd, rx->manifest, rx->manifest_len, err);
	if (r)
		return r;
	close(mem_take_fd(&fd));
	rx->state = RECEIVER_SEALED;
	return send_ack(rx, err);
}

static int refuse(const struct frame *frame, struct err *err)
{
	return fail(err, ERR_protocol, "frame %d is out of place", frame->type);
}

static int on_frame(struct receiver *rx, const struct frame *frame, struct err *err)
{
	if (rx->state == RECEIVER_HELLO) {
		rx->done_seq = frame->seq;
		return on_hello(rx, frame, err);
	}
	if (frame->type == FRAME_ping)
		return 0;
	if (frame->seq != rx->done_seq + 1)
		return fail(err, ERR_protocol, "frame %llu after frame %llu",
			    (unsigned long long)frame->seq, (unsigned long long)rx->done_seq);
	rx->done_seq = frame->seq;
	if (frame->type == FRAME_data && rx->state == RECEIVER_OPEN)
		return on_data(rx, frame, err);
	if (frame->type == FRAME_flush && rx->state == RECEIVER_OPEN)
		return on_flush(rx, frame, err);
	if (rx->state != RECEIVER_CLOSING || !rx->first)
		return refuse(frame, err);
	if (frame->type == FRAME_drop && frame->len % sizeof(uint32_t) == 0)
		return intake_drop(&rx->intake, frame->payload, frame->len / sizeof(uint32_t), err);
	if (frame->type == FRAME_manifest)
		return on_manifest(rx, frame, err);
	return frame->type == FRAME_seal ? on_seal(rx, frame, err) : refuse(frame, err);
}

static int serve(struct receiver *rx, struct err *err)
{
	int idle_ms = rx->config->idle_ms ? rx->config->idle_ms : RECEIVER_IDLE_MS;

	for (;;) {
		struct frame frame;
		size_t room, got = 0;
		void *space = frame_in_space(rx->in, &room);
		int r = wire_read_all(rx->wire, space, room, idle_ms, &got, err);

		if (r)
			return r;
		if (got < room)
			return 0;
		frame_in_added(rx->in, got);
		r = frame_in_next(rx->in, &frame, err);
		if (r == 1)
			r = on_frame(rx, &frame, err);
		if (r < 0)
			return r;
	}
}

static void tell(struct receiver *rx, const struct err *err)
{
	struct frame_error error;

	frame_error_set(&error, err);
	reply(rx, FRAME_error, &error, sizeof(error), NULL);
}

int receiver_run(struct wire *wire, const struct receiver_config *config, struct err *err)
{
	struct receiver rx = {.wire = wire, .config = config};
	struct err local = {0};
	int r;

	rx.intake.images = rx.intake.tree = -1;
	for (size_t i = 0; i < INTAKE_FILES; i++)
		rx.intake.files[i].fd = -1;
	rx.in = frame_in_new();
	wire->stall_ms = RECEIVER_IDLE_MS;
	r = serve(&rx, &local);
	if (r)
		tell(&rx, &local);
	if (r && err)
		*err = local;
	intake_done(&rx.intake);
	frame_in_free(&rx.in);
	free(rx.manifest);
	return r;
}
