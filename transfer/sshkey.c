/* SPDX-License-Identifier: MPL-2.0
 *
 * The blob inside a key line begins with its own type, which has to be the one before it (RFC 4253
 * 6.6). */
#include "transfer/sshkey.h"

#include "base/mem.h"
#include "transfer/ssh.h"

#include <string.h>

static const struct {
	const char *type, *methods;
} types[] = {
	{"ssh-ed25519", "ssh-ed25519"},
	{"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
	{"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
	{"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
	{"ssh-rsa", "rsa-sha2-512,rsa-sha2-256"},
};

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

long base64_decode(const char *text, size_t len, uint8_t *out, size_t size)
{
	uint32_t bits = 0;
	size_t n = 0, used = len;

	if (len % 4)
		return -1;
	while (used && len - used < 2 && text[used - 1] == '=')
		used--;
	for (size_t i = 0; i < used; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return -1;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 == 0)
			continue;
		if (n == size)
			return -1;
		out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	return (long)n;
}

int host_key_parse(const char *line, struct host_key *ret, struct err *err)
{
	size_t type_len = strcspn(line, " "), len;
	const char *text = line + type_len + (line[type_len] == ' ');
	uint32_t inner;
	long n;

	*ret = (struct host_key){0};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strlen(types[i].type) == type_len && !memcmp(types[i].type, line, type_len))
			ret->methods = types[i].methods;
	if (!ret->methods)
		return fail(err, ERR_config, "host key of an unknown type");
	len = strcspn(text, " \r\n");
	n = base64_decode(text, len, ret->blob, sizeof(ret->blob));
	if (n < 4 + (long)type_len)
		return fail(err, ERR_config, "malformed host key");
	memcpy(&inner, ret->blob, sizeof(inner));
	if (__builtin_bswap32(inner) != type_len || memcmp(ret->blob + 4, line, type_len))
		return fail(err, ERR_config, "malformed host key");
	ret->len = (size_t)n;
	return 0;
}
