/* SPDX-License-Identifier: MPL-2.0
 *
 * Frames come out as they went in, and nothing that a peer can send makes the decoder do more than
 * refuse. */
#include "transfer/frame.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MUTATIONS 100000

static volatile uint8_t payload_sum; /* keeps a read from being left out */
static uint64_t rng = 88172645463325252ull;

static uint64_t draw(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* Feeds bytes in small pieces; number of frames that came out, or -ERR. */
static int feed(struct frame_in *in, const uint8_t *data, size_t len, struct frame *last,
		struct err *err)
{
	int n = 0;

	while (len) {
		size_t room;
		void *space = frame_in_space(in, &room);
		int r;

		room = room < len ? room : len;
		memcpy(space, data, room);
		frame_in_added(in, room);
		data += room;
		len -= room;
		r = frame_in_next(in, last, err);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

static void codecs_round_trip(void **state)
{
	auto_free uint8_t *raw = mem_new(1, FRAME_RAW_MAX);
	auto_free uint8_t *out = mem_new(1, FRAME_HEAD + FRAME_RAW_MAX);
	struct frame_work *work = frame_work_new();
	const enum codec codecs[] = {CODEC_none, CODEC_lz4, CODEC_zstd};

	(void)state;
	for (size_t i = 0; i < FRAME_RAW_MAX; i++)
		raw[i] = (uint8_t)(i / 1000);
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		struct frame_in *in = frame_in_new();
		struct frame frame;
		size_t n = frame_build(work, out, FRAME_data, 3, 42, codecs[i], raw, FRAME_RAW_MAX);

		if (codecs[i] != CODEC_none)
			assert_true(n < FRAME_RAW_MAX / 10);
		assert_int_equal(feed(in, out, n, &frame, NULL), 1);
		assert_int_equal(frame.type, FRAME_data);
		assert_int_equal(frame.flags, 3);
		assert_int_equal(frame.seq, 42);
		assert_int_equal(frame.len, FRAME_RAW_MAX);
		assert_memory_equal(frame.payload, raw, FRAME_RAW_MAX);
		frame_in_free(&in);
	}
	frame_work_free(&work);
}

static void what_does_not_shrink_goes_raw(void **state)
{
	uint8_t raw[65536], out[FRAME_HEAD + sizeof(raw)];
	struct frame_work *work = frame_work_new();
	struct frame_head head;

	(void)state;
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)draw();
	assert_int_equal(frame_build(work, out, FRAME_data, 0, 1, CODEC_zstd, raw, sizeof(raw)),
			 FRAME_HEAD + sizeof(raw));
	memcpy(&head, out, sizeof(head));
	assert_int_equal(head.codec, CODEC_none);
	frame_work_free(&work);
}

static int check_with(void (*harm)(struct frame_head *))
{
	uint8_t out[FRAME_HEAD + 16];
	struct frame_head head;

	frame_build(NULL, out, FRAME_data, 0, 1, CODEC_none, "0123456789abcdef", 16);
	memcpy(&head, out, sizeof(head));
	harm(&head);
	return frame_check(&head, NULL);
}

static void harm_nothing(struct frame_head *h)
{
	(void)h;
}

static void harm_magic(struct frame_head *h)
{
	h->magic++;
}

static void harm_version(struct frame_head *h)
{
	h->version++;
}

static void harm_type(struct frame_head *h)
{
	h->type = 200;
}

static void harm_size(struct frame_head *h)
{
	h->raw_len = h->wire_len = FRAME_RAW_MAX + 1;
}

static void harm_huge(struct frame_head *h)
{
	h->raw_len = 0xffffffff;
	h->wire_len = 10;
	h->codec = CODEC_zstd;
}

static void harm_growth(struct frame_head *h)
{
	h->wire_len = 17;
}

static void harm_codec(struct frame_head *h)
{
	h->codec = 9;
}

static void harm_ack(struct frame_head *h)
{
	h->type = FRAME_ack;
}

static void heads_outside_their_limits_are_refused(void **state)
{
	(void)state;
	assert_int_equal(check_with(harm_nothing), 0);
	assert_int_equal(check_with(harm_magic), -ERR_protocol);
	assert_int_equal(check_with(harm_version), -ERR_protocol);
	assert_int_equal(check_with(harm_type), -ERR_protocol);
	assert_int_equal(check_with(harm_size), -ERR_protocol);
	assert_int_equal(check_with(harm_huge), -ERR_protocol);
	assert_int_equal(check_with(harm_growth), -ERR_protocol);
	assert_int_equal(check_with(harm_codec), -ERR_protocol);
	assert_int_equal(check_with(harm_ack), -ERR_protocol);
}

static void damage_is_found(void **state)
{
	uint8_t raw[512], out[FRAME_HEAD + sizeof(raw)];
	struct frame_work *work = frame_work_new();

	(void)state;
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)(i / 20);
	for (int codec = CODEC_none; codec <= CODEC_zstd; codec++) {
		size_t n = frame_build(work, out, FRAME_data, 0, 1, codec, raw, sizeof(raw));

		for (size_t at = FRAME_HEAD; at < n; at++) {
			struct frame_in *in = frame_in_new();
			struct frame frame;
			int r;

			out[at] ^= 0x40;
			r = feed(in, out, n, &frame, NULL);
			out[at] ^= 0x40;
			frame_in_free(&in);
			/* A compressed payload may have bits that mean nothing; then it decodes
			 * to the right bytes. */
			if (r != -ERR_corrupt)
				assert_true(codec != CODEC_none && r == 1);
		}
	}
	frame_work_free(&work);
}

static void mutated_streams_are_survived(void **state)
{
	uint8_t raw[4096], out[3 * (FRAME_HEAD + sizeof(raw))], copy[sizeof(out)];
	struct frame_work *work = frame_work_new();
	struct frame_in *in = NULL;
	size_t len = 0;
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)(i / 50);
	for (int codec = CODEC_none; codec <= CODEC_zstd; codec++)
		len += frame_build(work, out + len, FRAME_data, 0, 1, codec, raw, sizeof(raw));
	for (unsigned i = 0; i < MUTATIONS; i++) {
		struct frame frame;
		unsigned hits = 1 + draw() % 4;

		memcpy(copy, out, len);
		for (unsigned k = 0; k < hits; k++)
			copy[draw() % (draw() % 2 ? len : FRAME_HEAD)] = (uint8_t)draw();
		if (!in)
			in = frame_in_new();
		if (feed(in, copy, draw() % (len + 1), &frame, NULL) < 0)
			refused++;
		/* The decoder is 2 MiB: it is only renewed when its stream is dead or cut. */
		frame_in_reset(in);
	}
	assert_true(refused > MUTATIONS / 2);
	frame_in_free(&in);
	frame_work_free(&work);
}

/* A payload with a file and its pages: 4 pages of which one zero, one known, the last cut short. */
static size_t sample_payload(uint8_t *p)
{
	struct record_file file = {.type = 'F', .id = 5, .size = 3 * PAGE_BYTES + 100};
	struct record_pages pages = {.type = 'P', .n = 4, .id = 5, .tail = 100};
	size_t n = 0;

	memcpy(p + n, &file, sizeof(file));
	n += sizeof(file);
	memcpy(p + n, &pages, sizeof(pages));
	n += sizeof(pages);
	p[n++] = 1; /* zero: page 0 */
	p[n++] = 2; /* known: page 1 */
	memset(p + n, 0xd1, sizeof(struct digest));
	n += sizeof(struct digest);
	memset(p + n, 0x55, PAGE_BYTES + 100);
	return n + PAGE_BYTES + 100;
}

static void records_are_taken_apart(void **state)
{
	uint8_t payload[2 * PAGE_BYTES];
	size_t len = sample_payload(payload), at = 0;
	struct record record;

	(void)state;
	assert_int_equal(record_next(payload, len, &at, &record, NULL), 1);
	assert_true(record.is_file);
	assert_int_equal(record.size, 3 * PAGE_BYTES + 100);
	assert_int_equal(record_next(payload, len, &at, &record, NULL), 1);
	assert_int_equal(record.n, 4);
	assert_int_equal(record.n_known, 1);
	assert_int_equal(record.n_data, 2);
	assert_int_equal(record.tail, 100);
	assert_int_equal(record.digests[15], 0xd1);
	assert_int_equal(record.data[0], 0x55);
	assert_int_equal(record_next(payload, len, &at, &record, NULL), 0);
}

static void cut_and_mutated_records_are_survived(void **state)
{
	uint8_t payload[2 * PAGE_BYTES];
	size_t len = sample_payload(payload);
	struct record record;

	(void)state;
	for (unsigned i = 0; i < MUTATIONS; i++) {
		size_t cut = draw() % (len + 1), at = 0;
		/* Exactly as long as what is there, so that a read behind it is seen. */
		uint8_t *copy = mem_new(1, cut + 1);

		memcpy(copy, payload, cut);
		for (unsigned k = draw() % 4; cut && k > 0; k--)
			copy[draw() % (cut < 60 ? cut : 60)] = (uint8_t)draw();
		copy = mem_grow(copy, cut ? cut : 1, 1);
		while (record_next(copy, cut, &at, &record, NULL) == 1) {
			if (record.is_file)
				continue;
			assert_in_range(record.n, 1, PAGE_RUN);
			assert_int_equal(record.data - copy +
						 (record.n_data ? record.n_data - 1 : 0) *
							 (size_t)PAGE_BYTES +
						 record.tail,
					 at);
			if (record.n_data)
				payload_sum += copy[at - 1];
		}
		assert_true(at <= cut);
		free(copy);
	}
}

static void a_page_both_zero_and_known_is_refused(void **state)
{
	uint8_t payload[2 * PAGE_BYTES];
	size_t len = sample_payload(payload), at = sizeof(struct record_file);
	struct record record;

	(void)state;
	payload[at + sizeof(struct record_pages)] = 3;
	assert_int_equal(record_next(payload, len, &at, &record, NULL), -ERR_protocol);
}

static void errors_travel(void **state)
{
	struct err said = {.code = ERR_nospace}, heard = {0};
	struct frame_error error;
	struct frame frame = {
		.type = FRAME_error, .payload = (uint8_t *)&error, .len = sizeof(error)};

	(void)state;
	strcpy(said.text, "staging is\nfull");
	frame_error_set(&error, &said);
	memset(error.text + 16, 'x', sizeof(error.text) - 16);
	assert_int_equal(frame_error_get(&frame, &heard), -ERR_nospace);
	assert_memory_equal(heard.text, "staging is?full", 16);
	error.code = 12345;
	assert_int_equal(frame_error_get(&frame, &heard), -ERR_protocol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codecs_round_trip),
		cmocka_unit_test(what_does_not_shrink_goes_raw),
		cmocka_unit_test(heads_outside_their_limits_are_refused),
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(mutated_streams_are_survived),
		cmocka_unit_test(records_are_taken_apart),
		cmocka_unit_test(cut_and_mutated_records_are_survived),
		cmocka_unit_test(a_page_both_zero_and_known_is_refused),
		cmocka_unit_test(errors_travel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
