/* SPDX-License-Identifier: MPL-2.0
 *
 * Signatures of a node: Ed25519 (RFC 8032, libsodium). The signing key is derived from the node's
 * CURVE secret by keyed BLAKE2b, so a node has one secret to keep and to lose; the public half is
 * the roster's `sign`, 64 hex digits. */
#ifndef DROVER_PROTO_SIGN_H
#define DROVER_PROTO_SIGN_H

#include "base/err.h"
#include "proto/keys.h"

#include <stdbool.h>
#include <stdint.h>

#define SIGN_PUBLIC_LEN 64 /* hex digits */
#define SIGN_PUBLIC_SIZE (SIGN_PUBLIC_LEN + 1)
#define SIGN_BYTES 64

struct sign_keys {
	char public[SIGN_PUBLIC_SIZE];
	uint8_t secret[64];
};

/* -ERR_config when the keys hold no secret, or libsodium cannot start. */
int sign_derive(const struct curve_keys *keys, struct sign_keys *ret, struct err *err);
void sign_wipe(struct sign_keys *keys);

void sign_make(const struct sign_keys *keys, const void *data, size_t len, uint8_t ret[SIGN_BYTES]);

/* False for anything but a good signature by that public key. */
bool sign_check(const char *public, const void *data, size_t len, const uint8_t *sig,
		size_t sig_len);

#define SIGN_DIGEST_BYTES 32

/* BLAKE2b (RFC 7693) of 256 bits, to name a text within a signed one. */
void sign_digest(const void *data, size_t len, uint8_t ret[SIGN_DIGEST_BYTES]);

bool sign_public_ok(const char *text);

#endif
