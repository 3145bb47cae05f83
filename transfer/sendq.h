/* SPDX-License-Identifier: MPL-2.0
 *
 * One session's writer: a thread that owns a wire and a ring of ready frames. The filling side
 * hashes and compresses while the thread encrypts and writes; they share nothing but the ring, a
 * few atomic counters and two eventfds. The thread also reads acknowledgements and errors, and
 * sends a ping when nothing else does, so that the receiver can tell idle from dead. */
#ifndef DROVER_TRANSFER_SENDQ_H
#define DROVER_TRANSFER_SENDQ_H

#include "base/err.h"
#include "transfer/frame.h"
#include "transfer/wire.h"

#include <stdint.h>

#define SENDQ_FRAME_SIZE (FRAME_HEAD + FRAME_RAW_MAX)
#define SENDQ_PING_MS 5000

struct sendq;

struct sendq_slot {
	uint8_t *data; /* SENDQ_FRAME_SIZE */
	size_t len;
};

/* Starts the thread; takes the wire and in (whose next frame is the first one after the
 * handshake). first_seq is the number of the next frame. */
struct sendq *sendq_new(struct wire *wire, struct frame_in *in, uint64_t first_seq);

/* Stops the thread wherever it is, closes the wire. */
void sendq_free(struct sendq **q);

/* The slot to fill and the number its frame has to carry, or NULL while the ring is full. */
struct sendq_slot *sendq_slot(struct sendq *q, uint64_t *ret_seq);
void sendq_push(struct sendq *q);

/* Readable after anything changed: room, acknowledgement, failure. sendq_clear re-arms it. */
int sendq_fd(const struct sendq *q);
void sendq_clear(struct sendq *q);

unsigned sendq_depth(const struct sendq *q); /* frames not yet written */
uint64_t sendq_acked(const struct sendq *q); /* last frame the receiver has dealt with */
uint64_t sendq_bytes(const struct sendq *q); /* written so far */
uint64_t sendq_rate(const struct sendq *q); /* bytes/s while it had something to write; 0 unknown */
int sendq_error(const struct sendq *q, struct err *err); /* 0, or why the session is dead */

#endif
