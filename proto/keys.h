/* SPDX-License-Identifier: MPL-2.0
 *
 * The node key file: one CURVE secret (RFC 26) as Z85 (RFC 32) in the line
 * "curve-secret = <40 characters>". The public half is derived on load and only repeated in a
 * comment. A file that group or others can read is refused. */
#ifndef DROVER_PROTO_KEYS_H
#define DROVER_PROTO_KEYS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define KEY_Z85_LEN 40
#define KEY_Z85_SIZE (KEY_Z85_LEN + 1)
#define KEY_RAW_SIZE 32
#define KEY_FINGERPRINT_SIZE 17

struct curve_keys {
	char public[KEY_Z85_SIZE];
	char secret[KEY_Z85_SIZE];
};

/* Makes a key pair and writes it to path, mode 0600. An existing file is -ERR_busy unless force is
 * set, which replaces it durably. ret_keys may be NULL. */
int keys_generate(const char *path, bool force, struct curve_keys *ret_keys, struct err *err);

/* Reads a key file. -ERR_nosuch when absent, -ERR_config with "file:line: what" (and what to do)
 * for wrong modes, unknown names and text that is no Z85 key. */
int keys_load(const char *path, struct curve_keys *ret_keys, struct err *err);

/* Overwrites the secret in a way that the compiler keeps. */
void keys_wipe(struct curve_keys *keys);

/* Whether s is a 32-byte key in Z85; ret_raw (may be NULL) gets the bytes. */
bool keys_z85_ok(const char *s, uint8_t ret_raw[KEY_RAW_SIZE]);

/* The first 16 hex digits of a public key, for people and mDNS; "" when it is no key. */
void keys_fingerprint(const char *z85, char ret_hex[KEY_FINGERPRINT_SIZE]);

#endif
