/* SPDX-License-Identifier: MPL-2.0
 *
 * Derivation and use of the signing key; nothing of it is stored. */
#include "proto/sign.h"

#include "base/str.h"

#include <sodium.h>
#include <string.h>

static const char context[] = "drover signing key 1";

int sign_derive(const struct curve_keys *keys, struct sign_keys *ret, struct err *err)
{
	uint8_t secret[KEY_RAW_SIZE], seed[crypto_sign_SEEDBYTES],
		public[crypto_sign_PUBLICKEYBYTES];

	if (sodium_init() < 0)
		return fail(err, ERR_config, "libsodium cannot start");
	if (!keys_z85_ok(keys->secret, secret))
		return fail(err, ERR_config,
			    "there is no CURVE secret to derive a signing key from");
	crypto_generichash(seed, sizeof(seed), (const uint8_t *)context, sizeof(context) - 1,
			   secret, sizeof(secret));
	crypto_sign_seed_keypair(public, ret->secret, seed);
	str_hex(ret->public, public, sizeof(public));
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(seed, sizeof(seed));
	return 0;
}

void sign_wipe(struct sign_keys *keys)
{
	sodium_memzero(keys, sizeof(*keys));
}

void sign_make(const struct sign_keys *keys, const void *data, size_t len, uint8_t ret[SIGN_BYTES])
{
	crypto_sign_detached(ret, NULL, data, len, keys->secret);
}

bool sign_check(const char *public, const void *data, size_t len, const uint8_t *sig,
		size_t sig_len)
{
	uint8_t raw[crypto_sign_PUBLICKEYBYTES];

	return sig_len == SIGN_BYTES && str_unhex(raw, sizeof(raw), public) && sodium_init() >= 0 &&
	       crypto_sign_verify_detached(sig, data, len, raw) == 0;
}

void sign_digest(const void *data, size_t len, uint8_t ret[SIGN_DIGEST_BYTES])
{
	crypto_generichash(ret, SIGN_DIGEST_BYTES, data, len, NULL, 0);
}

bool sign_public_ok(const char *text)
{
	uint8_t raw[crypto_sign_PUBLICKEYBYTES];

	return str_unhex(raw, sizeof(raw), text);
}
