/* SPDX-License-Identifier: MPL-2.0
 *
 * The inside of struct push, shared by push.c (sessions, frames in order) and pack.c (records,
 * codec, rate). */
#ifndef DROVER_TRANSFER_PUSH_IMPL_H
#define DROVER_TRANSFER_PUSH_IMPL_H

#include "transfer/push.h"

#define PUSH_SETTLE_MS 120000 /* most time between two signs of life of the target */
#define MB 1000000ull

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
	struct pace alone;
	uint64_t rate_us; /* when the rate limit allows the next frame */
	struct push_figures figures;
};

/* The first session that is dead, 0 when there is none. */
int push_error(const struct push *push, struct err *err);

/* Waits for something to change on any session; -ERR_timeout after PUSH_SETTLE_MS of nothing. */
int push_wait_sessions(struct push *push, struct err *err);

/* Builds a frame in push->slot and hands it to its session, at the pace that is allowed. */
int push_frame(struct push *push, enum frame_type type, uint8_t flags, const void *raw, size_t len,
	       enum codec codec, struct err *err);

/* Sends the pack, if there is anything in it. */
int push_pack(struct push *push, struct err *err);

#endif
