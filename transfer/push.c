/* SPDX-License-Identifier: MPL-2.0
 *
 * A pack is bound to one session when it is begun, because whether a page may be sent as a
 * reference depends on the session that carries it. */
#include "transfer/push.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define HANDSHAKE_MS 20000
#define SETTLE_MS 120000 /* most time between two acknowledgements at a flush */
#define MB 1000000ull
#define RAW_SKIP_MAX 16

struct push {
	struct push_config config;
	struct sendq *q[PUSH_SESSIONS_MAX];
	unsigned n;
	uint8_t cookie[32];
	struct known known;
	struct frame_work *work;
	uint8_t *pack;
	size_t pack_len;
	unsigned session; /* that the pack goes to */
	uint64_t seq;     /* of the frame that the pack becomes */
	struct sendq_slot *slot;
	struct record_file file;
	bool declared; /* the pack names the current file */
	uint64_t new_bytes;
	unsigned raw_skip, raw_run; /* frames that go uncompressed after one that did not shrink */
	uint64_t rate_us;           /* when the rate limit allows the next frame */
	struct push_figures figures;
};

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

static int any_error(const struct push *push, struct err *err)
{
	for (unsigned i = 0; i < push->n; i++) {
		int r = sendq_error(push->q[i], err);

		if (r)
			return r;
	}
	return 0;
}

/* Waits for something to change on any session; -ERR_timeout after timeout_ms of nothing. */
static int wait_sessions(struct push *push, int timeout_ms, struct err *err)
{
	struct pollfd fds[PUSH_SESSIONS_MAX];
	bool any = false;
	int r;

	for (unsigned i = 0; i < push->n; i++)
		fds[i] = (struct pollfd){.fd = sendq_fd(push->q[i]), .events = POLLIN};
	r = push_wait(push, fds, push->n, timeout_ms, err);
	for (unsigned i = 0; i < push->n; i++) {
		any |= fds[i].revents != 0;
		sendq_clear(push->q[i]);
	}
	if (!r)
		r = any_error(push, err);
	if (!r && !any)
		r = fail(err, ERR_timeout, "the target acknowledged nothing for %d s",
			 timeout_ms / 1000);
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

/* The session with the shortest queue that has room; waits for one. */
static int choose(struct push *push, struct err *err)
{
	for (;;) {
		unsigned best = 0;
		int r = any_error(push, err);

		if (r)
			return r;
		for (unsigned i = 1; i < push->n; i++)
			if (sendq_depth(push->q[i]) < sendq_depth(push->q[best]))
				best = i;
		push->slot = sendq_slot(push->q[best], &push->seq);
		push->session = best;
		if (push->slot)
			return 0;
		r = wait_sessions(push, SETTLE_MS, err);
		if (r)
			return r;
	}
}

static enum codec pick_codec(struct push *push)
{
	uint64_t rate = sendq_rate(push->q[push->session]) * push->n;

	if (push->raw_skip) {
		push->raw_skip--;
		return CODEC_none;
	}
	if (push->config.codec != CODEC_auto)
		return push->config.codec;
	if (push->config.rate && (!rate || push->config.rate < rate))
		rate = push->config.rate;
	if (!rate)
		rate = push->config.link_rate;
	if (!rate)
		return CODEC_lz4;
	return rate > 400 * MB ? CODEC_none : rate > 200 * MB ? CODEC_lz4 : CODEC_zstd;
}

/* After payloads that did not shrink, ever more frames go by without an attempt. */
static void learn(struct push *push, enum codec asked, const uint8_t *built)
{
	struct frame_head head;

	memcpy(&head, built, sizeof(head));
	if (asked == CODEC_none)
		return;
	if (head.codec != CODEC_none) {
		push->raw_run = 0;
		return;
	}
	push->raw_run = push->raw_run ? push->raw_run * 2 : 1;
	if (push->raw_run > RAW_SKIP_MAX)
		push->raw_run = RAW_SKIP_MAX;
	push->raw_skip = push->raw_run;
}

static int obey_rate(struct push *push, size_t bytes, struct err *err)
{
	uint64_t now = clock_mono_us();

	if (!push->config.rate)
		return push_wait(push, NULL, 0, 0, err);
	while (push->rate_us > now) {
		int r = push_wait(push, NULL, 0, (int)((push->rate_us - now) / 1000 + 1), err);

		if (r)
			return r;
		now = clock_mono_us();
	}
	push->rate_us = now + bytes * MB / push->config.rate;
	return 0;
}

static int send_raw(struct push *push, enum frame_type type, uint8_t flags, const void *raw,
		    size_t len, enum codec codec, struct err *err)
{
	push->slot->len =
		frame_build(push->work, push->slot->data, type, flags, push->seq, codec, raw, len);
	if (type == FRAME_data)
		learn(push, codec, push->slot->data);
	push->figures.sent_bytes += push->slot->len;
	len = push->slot->len;
	push->slot = NULL;
	sendq_push(push->q[push->session]);
	return obey_rate(push, len, err);
}

static int send_pack(struct push *push, struct err *err)
{
	size_t len = push->pack_len;

	if (!len)
		return 0;
	push->pack_len = 0;
	push->declared = false;
	return send_raw(push, FRAME_data, 0, push->pack, len, pick_codec(push), err);
}

/* Makes room for need bytes in the pack, beginning a new one if it has to. */
static int reserve(struct push *push, size_t need, struct err *err)
{
	int r = 0;

	if (push->pack_len + need + sizeof(struct record_file) > FRAME_RAW_MAX)
		r = send_pack(push, err);
	if (!r && !push->slot)
		r = choose(push, err);
	if (!r && !push->declared && push->file.id) {
		memcpy(push->pack + push->pack_len, &push->file, sizeof(push->file));
		push->pack_len += sizeof(push->file);
		push->declared = true;
	}
	return r;
}

int push_file(struct push *push, uint32_t id, uint64_t size, struct err *err)
{
	push->file = (struct record_file){.type = 'F', .id = id, .size = size};
	push->declared = false;
	return reserve(push, 0, err);
}

static bool usable(const struct push *push, uint64_t stamp)
{
	unsigned session = KNOWN_SESSION(stamp);

	return stamp && (session == push->session || session == KNOWN_ALWAYS ||
			 sendq_acked(push->q[session]) >= KNOWN_SEQ(stamp));
}

/* One record under construction. */
struct run {
	struct record_pages head;
	uint8_t zero[PAGE_RUN / 8], known[PAGE_RUN / 8];
	struct digest digests[PAGE_RUN];
	unsigned n_known, n_data, last;
};

static void sort_pages(struct push *push, const uint8_t *pages, struct run *run,
		       struct digest *ret_digests)
{
	for (unsigned i = 0; i < run->head.n; i++) {
		const uint8_t *page = pages + (size_t)i * PAGE_BYTES;
		struct digest digest;

		if (page_is_zero(page)) {
			bit_set(run->zero, i);
			if (ret_digests)
				ret_digests[i] = page_zero_digest();
			continue;
		}
		digest = page_digest(page);
		if (ret_digests)
			ret_digests[i] = digest;
		if (usable(push, known_find(&push->known, digest))) {
			bit_set(run->known, i);
			run->digests[run->n_known++] = digest;
			continue;
		}
		known_put(&push->known, digest, KNOWN_STAMP(push->session, push->seq));
		run->n_data++;
		run->last = i;
	}
	push->figures.pages += run->head.n;
	push->figures.known_pages += run->n_known;
	push->figures.zero_pages += run->head.n - run->n_known - run->n_data;
}

static void append(struct push *push, const void *data, size_t len)
{
	memcpy(push->pack + push->pack_len, data, len);
	push->pack_len += len;
}

/* Bytes of the last data page that the file has; all of it in the middle and in the store. */
static unsigned tail_of(const struct push *push, uint64_t page)
{
	uint64_t at = page * PAGE_BYTES, left = push->file.size - at;

	if (!push->file.id || left >= PAGE_BYTES)
		return PAGE_BYTES;
	return (unsigned)left;
}

static void write_run(struct push *push, const uint8_t *pages, struct run *run)
{
	size_t map = (run->head.n + 7u) / 8;

	run->head.tail = (uint16_t)(run->n_data ? tail_of(push, run->head.page + run->last) : 0);
	append(push, &run->head, sizeof(run->head));
	append(push, run->zero, map);
	append(push, run->known, map);
	append(push, run->digests, run->n_known * sizeof(struct digest));
	for (unsigned i = 0; i < run->head.n; i++) {
		size_t len = i == run->last ? run->head.tail : PAGE_BYTES;

		if (bit_get(run->zero, i) || bit_get(run->known, i))
			continue;
		append(push, pages + (size_t)i * PAGE_BYTES, len);
		push->new_bytes += len;
	}
}

/* Pages for the store: only what is new goes in, close together. */
static void write_seed(struct push *push, const uint8_t *pages, struct run *run)
{
	struct record_pages head = run->head;

	head.n = (uint16_t)run->n_data;
	head.tail = PAGE_BYTES;
	append(push, &head, sizeof(head));
	memset(push->pack + push->pack_len, 0, 2 * ((head.n + 7u) / 8));
	push->pack_len += 2 * ((head.n + 7u) / 8);
	for (unsigned i = 0; i < run->head.n; i++)
		if (!bit_get(run->zero, i) && !bit_get(run->known, i))
			append(push, pages + (size_t)i * PAGE_BYTES, PAGE_BYTES);
	push->new_bytes += (uint64_t)run->n_data * PAGE_BYTES;
}

int push_pages(struct push *push, uint64_t page, const void *pages, unsigned n,
	       struct digest *ret_digests, struct err *err)
{
	struct run run = {
		.head = {.type = 'P', .n = (uint16_t)n, .id = push->file.id, .page = page}};
	int r = reserve(push, sizeof(run) + (size_t)n * PAGE_BYTES, err);

	if (r)
		return r;
	sort_pages(push, pages, &run, ret_digests);
	if (!push->file.id && run.n_data)
		write_seed(push, pages, &run);
	else if (push->file.id && run.n_data + run.n_known)
		write_run(push, pages, &run);
	return 0;
}

/* A frame that is not data, on one session. */
static int send_plain(struct push *push, unsigned session, enum frame_type type, uint8_t flags,
		      const void *raw, size_t len, struct err *err)
{
	push->session = session;
	while (!(push->slot = sendq_slot(push->q[session], &push->seq))) {
		int r = wait_sessions(push, SETTLE_MS, err);

		if (r)
			return r;
	}
	return send_raw(push, type, flags, raw, len,
			type == FRAME_manifest ? CODEC_lz4 : CODEC_none, err);
}

static int wait_ack(struct push *push, unsigned session, uint64_t seq, struct err *err)
{
	while (sendq_acked(push->q[session]) < seq) {
		int r = any_error(push, err);

		if (!r)
			r = wait_sessions(push, SETTLE_MS, err);
		if (r)
			return r;
	}
	return 0;
}

int push_flush(struct push *push, bool final, struct err *err)
{
	uint64_t seq[PUSH_SESSIONS_MAX];
	int r = send_pack(push, err);

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
