/* SPDX-License-Identifier: MPL-2.0
 *
 * The sending half of the stream, without SSH and without the control socket: sessions, the pack
 * that collects records until a frame is full, what the target is known to have, the choice of
 * codec, the rate limit, and the figures. */
#ifndef DROVER_TRANSFER_PUSH_H
#define DROVER_TRANSFER_PUSH_H

#include "base/err.h"
#include "transfer/frame.h"
#include "transfer/known.h"
#include "transfer/pace.h"
#include "transfer/sendq.h"
#include "transfer/wire.h"

#include <poll.h>
#include <stdint.h>

#define PUSH_SESSIONS_MAX 8

struct push_figures {
	uint64_t image_bytes, tree_bytes;
	uint64_t sent_bytes; /* on the wire, before SSH's own bytes */
	uint64_t pages, zero_pages, known_pages;
	uint64_t bytes_s; /* of the wire, as measured */
};

struct push_config {
	enum codec codec;
	uint64_t rate;      /* bytes/s, 0 = no limit */
	struct pace *pace;  /* the clock that others obey too; borrowed; NULL: alone */
	uint64_t link_rate; /* bytes/s expected of the wire, 0 = unknown */
	/* Waits on n descriptors (a timeout is no error). Called often; -ERR_canceled ends all.
	 * NULL: poll(2) alone. */
	int (*wait)(void *arg, struct pollfd *fds, nfds_t n, int timeout_ms, struct err *err);
	void *arg;
};

struct push;

struct push *push_new(const struct push_config *config);
void push_free(struct push **push);

/* Shakes hands on a new session (hello->cookie is filled in for all but the first) and takes the
 * wire, also on failure. */
int push_join(struct push *push, struct wire *wire, struct frame_hello *hello, struct err *err);

/* Declares a file of size bytes; its pages follow, then the next file may begin. id 0: pages for
 * the store only. */
int push_file(struct push *push, uint32_t id, uint64_t size, struct err *err);

/* n ≤ PAGE_RUN pages of the current file from page number `page` on; the last page of the file is
 * padded with zeros by the caller. ret_digests[n] (may be NULL) gets every page's digest. */
int push_pages(struct push *push, uint64_t page, const void *pages, unsigned n,
	       struct digest *ret_digests, struct err *err);

/* Sends what is packed and waits until every session has acknowledged everything. final: the
 * receivers close their files; only push_seal follows. */
int push_flush(struct push *push, bool final, struct err *err);

/* Drops superseded files, sends the manifest and its seal; 0 when the target has stored it. */
int push_seal(struct push *push, const uint32_t *drop, size_t n_drop, const void *manifest,
	      size_t len, const uint8_t seal[SEAL_BYTES], struct err *err);

/* Waits on extra descriptors under the same rules as all other waits. */
int push_wait(struct push *push, struct pollfd *fds, nfds_t n, int timeout_ms, struct err *err);

struct push_figures *push_figures(struct push *push); /* counters brought up to date */
uint64_t push_new_bytes(const struct push *push); /* page bytes that were neither zero nor known */

#endif
