/* SPDX-License-Identifier: MPL-2.0
 *
 * A byte stream to the other host, behind which SSH and plain descriptors look the same. One thread
 * uses a wire at a time. Every wait ends at once when cancel_fd becomes readable. */
#ifndef DROVER_TRANSFER_WIRE_H
#define DROVER_TRANSFER_WIRE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct wire {
	/* Writes all of data. -ERR_unreachable when the stream broke, -ERR_canceled. */
	int (*write)(struct wire *wire, const void *data, size_t len, struct err *err);
	/* Reads what is there without waiting; *ret_len 0: nothing now. eof is set at the end. */
	int (*read)(struct wire *wire, void *data, size_t size, size_t *ret_len, struct err *err);
	void (*free)(struct wire *wire);
	int poll_fd;   /* readable when read may have something */
	int cancel_fd; /* -1 or a descriptor borrowed from the owner */
	int stall_ms;  /* a write that moves nothing for so long is given up; 0 = never */
	bool eof;
};

/* A wire over descriptors that it takes (in and out may be the same); never NULL. */
struct wire *wire_fd_new(int in, int out);

/* Reads len bytes, waiting at most idle_ms (-1: for ever) for each piece. *ret_len is less than len
 * only at the end of the stream. */
int wire_read_all(struct wire *wire, void *data, size_t len, int idle_ms, size_t *ret_len,
		  struct err *err);

/* Waits until the wire or extra_fd (-1: none) is readable or timeout_ms passed; *ret_timeout says
 * which. -ERR_canceled. */
int wire_wait(struct wire *wire, int extra_fd, int timeout_ms, bool *ret_timeout, struct err *err);

/* Waits for events on fd or for cancel; -ERR_timeout after timeout_ms. */
int wire_poll(int fd, short events, int cancel_fd, int timeout_ms, struct err *err);

void wire_free(struct wire **wire);

#endif
