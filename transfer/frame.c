/* SPDX-License-Identifier: MPL-2.0
 *
 * Encoding and bounded decoding of frames. The decoder's memory is fixed; no length that a peer
 * sends leads to an allocation. */
#include "transfer/frame.h"

#include "base/mem.h"
#include "base/str.h"

#include <lz4.h>
#include <string.h>
#include <zstd.h>

struct frame_work {
	ZSTD_CCtx *zstd;
};

struct frame_work *frame_work_new(void)
{
	struct frame_work *work = mem_new_of(struct frame_work);

	work->zstd = ZSTD_createCCtx();
	if (!work->zstd)
		abort();
	return work;
}

void frame_work_free(struct frame_work **work)
{
	if (!*work)
		return;
	ZSTD_freeCCtx((*work)->zstd);
	free(*work);
	*work = NULL;
}

/* Bytes written to out[room], 0 when the result would not fit. */
static size_t compress(struct frame_work *work, enum codec codec, uint8_t *out, size_t room,
		       const void *raw, size_t len)
{
	size_t n;

	if (codec == CODEC_lz4)
		return (size_t)LZ4_compress_default(raw, (char *)out, (int)len, (int)room);
	n = ZSTD_compressCCtx(work->zstd, out, room, raw, len, 1);
	return ZSTD_isError(n) ? 0 : n;
}

size_t frame_build(struct frame_work *work, uint8_t *out, enum frame_type type, uint8_t flags,
		   uint64_t seq, enum codec codec, const void *raw, size_t len)
{
	struct frame_head head = {.magic = FRAME_MAGIC,
				  .version = FRAME_VERSION,
				  .type = (uint8_t)type,
				  .flags = flags,
				  .seq = seq,
				  .raw_len = (uint32_t)len,
				  .digest = digest_of(raw, len)};
	size_t n = 0;

	if (work && len > 64 && (codec == CODEC_lz4 || codec == CODEC_zstd))
		n = compress(work, codec, out + FRAME_HEAD, len - len / 16, raw, len);
	if (n) {
		head.codec = (uint8_t)codec;
	} else {
		n = len;
		if (len)
			memcpy(out + FRAME_HEAD, raw, len);
	}
	head.wire_len = (uint32_t)n;
	memcpy(out, &head, sizeof(head));
	return FRAME_HEAD + n;
}

static size_t type_max(unsigned type)
{
	switch (type) {
#define X(name, number, max) \
	case number: \
		return max;
		FRAME_TABLE(X)
#undef X
	}
	return SIZE_MAX;
}

int frame_check(const struct frame_head *head, struct err *err)
{
	size_t max = type_max(head->type);

	if (head->magic != FRAME_MAGIC)
		return fail(err, ERR_protocol, "not a drover stream");
	if (head->version != FRAME_VERSION)
		return fail(err, ERR_protocol, "stream version %u, this is %u", head->version,
			    FRAME_VERSION);
	if (max == SIZE_MAX || head->reserved)
		return fail(err, ERR_protocol, "unknown frame type %u", head->type);
	if (head->raw_len > max || head->wire_len > head->raw_len)
		return fail(err, ERR_protocol, "frame of %u bytes is too long", head->raw_len);
	if (head->codec > CODEC_zstd || (!head->codec && head->wire_len != head->raw_len))
		return fail(err, ERR_protocol, "frame with a wrong codec");
	return 0;
}

struct frame_in {
	struct frame_head head;
	size_t have; /* bytes of head and payload so far */
	bool checked;
	bool taken; /* the frame was handed out */
	ZSTD_DCtx *zstd;
	uint8_t wire[FRAME_RAW_MAX];
	uint8_t raw[FRAME_RAW_MAX];
};

struct frame_in *frame_in_new(void)
{
	struct frame_in *in = mem_new_of(struct frame_in);

	in->zstd = ZSTD_createDCtx();
	if (!in->zstd)
		abort();
	return in;
}

void frame_in_free(struct frame_in **in)
{
	if (!*in)
		return;
	ZSTD_freeDCtx((*in)->zstd);
	free(*in);
	*in = NULL;
}

void frame_in_reset(struct frame_in *in)
{
	in->taken = in->checked = false;
	in->have = 0;
}

void *frame_in_space(struct frame_in *in, size_t *ret_len)
{
	if (in->taken)
		frame_in_reset(in);
	if (in->have < FRAME_HEAD) {
		*ret_len = FRAME_HEAD - in->have;
		return (uint8_t *)&in->head + in->have;
	}
	/* Before frame_in_next has passed the head, its lengths are not to be believed. */
	*ret_len = in->checked ? FRAME_HEAD + in->head.wire_len - in->have : 0;
	return in->wire + (in->have - FRAME_HEAD);
}

void frame_in_added(struct frame_in *in, size_t len)
{
	in->have += len;
}

/* Decoded payload, NULL when it cannot be decoded to exactly raw_len bytes. */
static const uint8_t *decode(struct frame_in *in)
{
	const struct frame_head *h = &in->head;
	size_t n;

	if (h->codec == CODEC_none)
		return in->wire;
	if (h->codec == CODEC_lz4)
		n = (size_t)LZ4_decompress_safe((char *)in->wire, (char *)in->raw, (int)h->wire_len,
						(int)h->raw_len);
	else
		n = ZSTD_decompressDCtx(in->zstd, in->raw, h->raw_len, in->wire, h->wire_len);
	return n == h->raw_len ? in->raw : NULL;
}

int frame_in_next(struct frame_in *in, struct frame *ret, struct err *err)
{
	const struct frame_head *h = &in->head;

	if (in->taken || in->have < FRAME_HEAD)
		return 0;
	if (!in->checked) {
		int r = frame_check(h, err);

		if (r)
			return r;
		in->checked = true;
	}
	if (in->have < FRAME_HEAD + h->wire_len)
		return 0;
	*ret = (struct frame){h->type, h->flags, h->seq, decode(in), h->raw_len};
	if (!ret->payload || !digest_eq(digest_of(ret->payload, ret->len), h->digest))
		return fail(err, ERR_corrupt, "frame %llu arrived damaged",
			    (unsigned long long)h->seq);
	in->taken = true;
	return 1;
}

void frame_error_set(struct frame_error *error, const struct err *err)
{
	*error = (struct frame_error){.code = (uint32_t)err->code};
	str_copy(error->text, sizeof(error->text), err->text);
}

int frame_error_get(const struct frame *frame, struct err *err)
{
	struct frame_error error;

	if (frame->len != sizeof(error))
		return fail(err, ERR_protocol, "malformed error frame");
	memcpy(&error, frame->payload, sizeof(error));
	error.text[sizeof(error.text) - 1] = '\0';
	for (char *p = error.text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (str_eq(err_name((int)error.code), "protocol"))
		error.code = ERR_protocol;
	return fail(err, error.code, "%s", error.text);
}

const char *codec_name(enum codec codec)
{
	return codec == CODEC_none   ? "none"
	       : codec == CODEC_lz4  ? "lz4"
	       : codec == CODEC_zstd ? "zstd"
				     : "auto";
}

bool codec_parse(const char *name, enum codec *ret)
{
	static const enum codec all[] = {CODEC_none, CODEC_lz4, CODEC_zstd, CODEC_auto};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (str_eq(name, codec_name(all[i]))) {
			*ret = all[i];
			return true;
		}
	return false;
}
