/* SPDX-License-Identifier: MPL-2.0
 *
 * Proof that bytes are exactly one msgpack value, without allocating. */
#ifndef DROVER_PROTO_WIRE_H
#define DROVER_PROTO_WIRE_H

#include "base/err.h"

/* 0 when data holds one whole value of at most max_depth levels whose every length and count fits
 * the bytes present, with nothing after it; else -ERR_protocol. msgpack-c reserves what a header
 * promises, so this runs before it (https://github.com/msgpack/msgpack/blob/master/spec.md). */
int wire_check(const void *data, size_t len, unsigned max_depth, struct err *err);

#endif
