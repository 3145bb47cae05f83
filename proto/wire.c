/* SPDX-License-Identifier: MPL-2.0
 *
 * A cursor over msgpack bytes that only ever looks at what is there. */
#include "proto/wire.h"

#include <stdint.h>

struct cursor {
	const uint8_t *p;
	size_t left;
};

static int skip(struct cursor *c, uint64_t n)
{
	if (n > c->left)
		return -1;
	c->p += n;
	c->left -= (size_t)n;
	return 0;
}

static int number(struct cursor *c, unsigned bytes, uint64_t *ret)
{
	if (bytes > c->left)
		return -1;
	for (*ret = 0; bytes; bytes--, c->left--)
		*ret = *ret << 8 | *c->p++;
	return 0;
}

static int value(struct cursor *c, unsigned depth);

static int values(struct cursor *c, uint64_t n, unsigned depth)
{
	if (n > c->left || !depth) /* each value takes a byte at least */
		return -1;
	while (n--)
		if (value(c, depth - 1))
			return -1;
	return 0;
}

static int sized(struct cursor *c, unsigned bytes, unsigned extra)
{
	uint64_t n;

	return number(c, bytes, &n) || skip(c, n + extra) ? -1 : 0;
}

static int counted(struct cursor *c, unsigned bytes, unsigned per, unsigned depth)
{
	uint64_t n;

	return number(c, bytes, &n) || values(c, n * per, depth) ? -1 : 0;
}

static int value(struct cursor *c, unsigned depth)
{
	uint64_t tag;

	if (number(c, 1, &tag))
		return -1;
	if (tag <= 0x7f || tag >= 0xe0)
		return 0;
	if (tag <= 0x8f)
		return values(c, 2 * (tag & 15), depth);
	if (tag <= 0x9f)
		return values(c, tag & 15, depth);
	if (tag <= 0xbf)
		return skip(c, tag & 31);
	switch (tag) {
	case 0xc0:
	case 0xc2:
	case 0xc3:
		return 0;
	case 0xc4:
	case 0xc5:
	case 0xc6: /* bin */
		return sized(c, 1U << (tag - 0xc4), 0);
	case 0xca:
	case 0xcb:
		return skip(c, 4U << (tag - 0xca));
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf:
		return skip(c, 1U << (tag - 0xcc));
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return skip(c, 1U << (tag - 0xd0));
	case 0xd9:
	case 0xda:
	case 0xdb: /* str */
		return sized(c, 1U << (tag - 0xd9), 0);
	case 0xdc:
	case 0xdd:
		return counted(c, tag == 0xdc ? 2 : 4, 1, depth);
	case 0xde:
	case 0xdf:
		return counted(c, tag == 0xde ? 2 : 4, 2, depth);
	default: /* 0xc1 is unused; extensions have no place in our messages */
		return -1;
	}
}

int wire_check(const void *data, size_t len, unsigned max_depth, struct err *err)
{
	struct cursor c = {data, len};

	if (value(&c, max_depth))
		return fail(err, ERR_protocol, "damaged or truncated %zu bytes before the end",
			    c.left);
	if (c.left)
		return fail(err, ERR_protocol, "%zu bytes after the message", c.left);
	return 0;
}
