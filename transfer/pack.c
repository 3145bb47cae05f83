/* SPDX-License-Identifier: MPL-2.0
 *
 * A pack is bound to one session when it is begun, because whether a page may be sent as a
 * reference depends on the session that carries it. */
#include "transfer/push_impl.h"

#include "base/clock.h"

#include <string.h>

#define RAW_SKIP_MAX 16

/* The session with the shortest queue that has room; waits for one. */
static int choose(struct push *push, struct err *err)
{
	for (;;) {
		unsigned best = 0;
		int r = push_error(push, err);

		if (r)
			return r;
		for (unsigned i = 1; i < push->n; i++)
			if (sendq_depth(push->q[i]) < sendq_depth(push->q[best]))
				best = i;
		push->slot = sendq_slot(push->q[best], &push->seq);
		push->session = best;
		if (push->slot)
			return 0;
		r = push_wait_sessions(push, err);
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
	push->rate_us = pace_book(push->config.pace ? push->config.pace : &push->alone, bytes,
				  push->config.rate, now);
	return 0;
}

int push_frame(struct push *push, enum frame_type type, uint8_t flags, const void *raw, size_t len,
	       enum codec codec, struct err *err)
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

int push_pack(struct push *push, struct err *err)
{
	size_t len = push->pack_len;

	if (!len)
		return 0;
	push->pack_len = 0;
	push->declared = false;
	return push_frame(push, FRAME_data, 0, push->pack, len, pick_codec(push), err);
}

/* Makes room for need bytes in the pack, beginning a new one if it has to. */
static int reserve(struct push *push, size_t need, struct err *err)
{
	int r = 0;

	if (push->pack_len + need + sizeof(struct record_file) > FRAME_RAW_MAX)
		r = push_pack(push, err);
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
