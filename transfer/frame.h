/* SPDX-License-Identifier: MPL-2.0
 *
 * The stream's frames. A frame is a fixed head and a payload of at most FRAME_RAW_MAX bytes, raw or
 * compressed, with the digest of the decoded payload; nothing in a payload is looked at before that
 * digest is right. Frames of type data hold records, each complete in itself, so that any frame may
 * travel on any session and in any order.
 *
 *   sender                                  drover-receive
 *   hello{ticket} ------------------------>
 *                 <------------------------ hello_ok{cookie, index size}, have{digests}*
 *   data* ping* -------------------------->
 *                 <------------------------ ack{seq} every ACK_EVERY frames
 *   flush -------------------------------->
 *                 <------------------------ ack{seq}: all before it is in the files
 *   drop, manifest*, seal (first session) ->
 *                 <------------------------ ack{seq}: the manifest file is written
 *                 <------------------------ error{code, text} at any time, then the end */
#ifndef DROVER_TRANSFER_FRAME_H
#define DROVER_TRANSFER_FRAME_H

#include "base/err.h"
#include "transfer/page.h"

#define FRAME_MAGIC 0x31767264u /* "drv1" */
#define FRAME_VERSION 1
#define FRAME_HEAD 48
#define FRAME_RAW_MAX (PAGE_RUN_BYTES + 64 * 1024u)
#define FRAME_ACK_EVERY 16

enum codec { CODEC_none = 0, CODEC_lz4 = 1, CODEC_zstd = 2, CODEC_auto = 255 };

/* clang-format off */
/* X(name, wire number, most payload bytes) */
#define FRAME_TABLE(X) \
	X(hello,     1, 256) \
	X(hello_ok,  2, 64) \
	X(have,      3, 1024 * 1024) \
	X(data,      4, FRAME_RAW_MAX) \
	X(flush,     5, 8) \
	X(ack,       6, 8) \
	X(drop,      7, 1024 * 1024) \
	X(manifest,  8, FRAME_RAW_MAX) \
	X(seal,      9, 64) \
	X(error,    10, 1280) \
	X(ping,     11, 0)
/* clang-format on */

enum frame_type {
#define X(name, number, max) FRAME_##name = number,
	FRAME_TABLE(X)
#undef X
};

struct frame_head {
	uint32_t magic;
	uint8_t version;
	uint8_t type;
	uint8_t codec;
	uint8_t flags;
	uint64_t seq; /* counts a session's frames from 1 */
	uint32_t wire_len;
	uint32_t raw_len;
	uint64_t reserved;
	struct digest digest; /* of the decoded payload */
};
_Static_assert(sizeof(struct frame_head) == FRAME_HEAD, "frame head");

struct frame_hello {
	char migration[32];
	uint64_t epoch;
	uint8_t secret[32];
	uint8_t cookie[32]; /* all zero on the first session */
};

struct frame_hello_ok {
	uint8_t cookie[32];
	uint64_t known_limit; /* page digests that the target can remember */
	uint64_t have;        /* digests that follow in have frames */
};

#define FLUSH_FINAL 1 /* nothing but drop, manifest and seal follows: close all files */

struct frame_error {
	uint32_t code; /* base/err.h */
	char text[1024];
};

/* Records of a data frame. Ids with FILE_BLOB set are contents of a tree, others are images; id 0
 * is the page store. The receiver makes file names from ids, never from anything else it is sent.
 */
#define FILE_BLOB 0x800000u
#define FILE_ID_MAX 0xfffffeu

struct record_file {
	uint8_t type; /* 'F' */
	uint8_t pad[3];
	uint32_t id;
	uint64_t size;
};

/* Then follow the two bitmaps of (n + 7) / 8 bytes each, one digest for each known page, and the
 * bytes of each data page, in page order; the last data page is cut to `tail` bytes. */
struct record_pages {
	uint8_t type; /* 'P' */
	uint8_t pad;
	uint16_t n;    /* 1..PAGE_RUN */
	uint32_t id;   /* 0: remember the pages, put them in no file */
	uint64_t page; /* number of the first page */
	uint16_t tail; /* 1..PAGE_BYTES, 0 without data pages */
	uint16_t pad2[3];
};

/* A decoded record; pointers borrow from the frame's payload. */
struct record {
	bool is_file;
	uint32_t id;
	uint64_t size; /* is_file */
	uint64_t page;
	unsigned n, n_known, n_data, tail;
	const uint8_t *zero, *known; /* bitmaps */
	const uint8_t *digests;      /* unaligned */
	const uint8_t *data;
};

static inline bool bit_get(const uint8_t *map, unsigned i)
{
	return map[i / 8] >> (i % 8) & 1;
}

static inline void bit_set(uint8_t *map, unsigned i)
{
	map[i / 8] |= (uint8_t)(1u << (i % 8));
}

/* Next record of a data payload from *at on; 1 and *at moved, 0 at the end, -ERR_protocol. */
int record_next(const uint8_t *payload, size_t len, size_t *at, struct record *ret,
		struct err *err);

/* Builds a frame in out[FRAME_HEAD + FRAME_RAW_MAX] from raw[len] and returns its length. A payload
 * that does not shrink by 1/16 goes raw whatever codec says; head->codec tells what was done.
 * work is from frame_work_new. */
struct frame_work;
struct frame_work *frame_work_new(void);
void frame_work_free(struct frame_work **work);
size_t frame_build(struct frame_work *work, uint8_t *out, enum frame_type type, uint8_t flags,
		   uint64_t seq, enum codec codec, const void *raw, size_t len);

/* Checks a head alone: magic, version, type, codec and lengths within the type's row. */
int frame_check(const struct frame_head *head, struct err *err);

struct frame {
	enum frame_type type;
	uint8_t flags;
	uint64_t seq;
	const uint8_t *payload; /* valid until the next frame_in_space */
	size_t len;
};

/* Incremental decoder with fixed memory (two buffers of FRAME_RAW_MAX). Put at most *ret_len bytes
 * at frame_in_space's answer, say how many with frame_in_added, then ask frame_in_next:
 * 1 = a frame, 0 = more bytes are needed, -ERR_protocol or -ERR_corrupt (the stream is dead). */
struct frame_in;
struct frame_in *frame_in_new(void);
void frame_in_free(struct frame_in **in);
void frame_in_reset(struct frame_in *in); /* forgets a frame begun: the next byte is a head */
void *frame_in_space(struct frame_in *in, size_t *ret_len);
void frame_in_added(struct frame_in *in, size_t len);
int frame_in_next(struct frame_in *in, struct frame *ret, struct err *err);

/* Fills the error payload and takes it apart again (text made printable). */
void frame_error_set(struct frame_error *error, const struct err *err);
int frame_error_get(const struct frame *frame, struct err *err);

const char *codec_name(enum codec codec);
bool codec_parse(const char *name, enum codec *ret);

#endif
