/* SPDX-License-Identifier: MPL-2.0
 *
 * Bounded strings, names, ids and the units that people write. */
#include "base/str.h"

#include "base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t len = src ? strlen(src) : 0;
	bool fits = len < size;

	if (!size)
		return false;
	if (!fits)
		len = size - 1;
	if (len)
		memcpy(dst, src, len);
	dst[len] = '\0';
	return fits;
}

bool str_fmt(char *dst, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(dst, size, fmt, args);
	va_end(args);
	return n >= 0 && (size_t)n < size;
}

char *str_new(const char *fmt, ...)
{
	va_list args;
	char *s = NULL;

	va_start(args, fmt);
	if (vasprintf(&s, fmt, args) < 0)
		abort();
	va_end(args);
	return s;
}

char *str_dup(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		abort();
	return copy;
}

bool str_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_ok(const char *s)
{
	size_t len = s ? strlen(s) : 0;

	if (len < 1 || len > NAME_MAX_LEN || !name_char(s[0]) || strstr(s, ".."))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!name_char(s[i]) && !strchr("_.-", s[i]))
			return false;
	return true;
}

bool path_ok(const char *s)
{
	size_t len = s ? strlen(s) : 0;

	if (len < 1 || len >= PATH_MAX || s[0] != '/' || strstr(s, "//"))
		return false;
	for (const char *p = s; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
		if (p[0] == '/' && p[1] == '.' && p[2] == '.' && (!p[3] || p[3] == '/'))
			return false;
	}
	return true;
}

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void ulid_new(char ret_ulid[ULID_SIZE], uint64_t now_ms)
{
	uint8_t random[16] = {0};

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		abort();
	for (int i = 9; i >= 0; i--, now_ms >>= 5)
		ret_ulid[i] = crockford[now_ms & 31];
	for (int i = 0; i < 16; i++)
		ret_ulid[10 + i] = crockford[random[i] & 31];
	ret_ulid[ULID_LEN] = '\0';
}

void ulid_nth(char ret_ulid[ULID_SIZE], const char *base, uint64_t n, uint64_t now_ms)
{
	str_copy(ret_ulid, ULID_SIZE, base);
	for (int i = 9; i >= 0; i--, now_ms >>= 5)
		ret_ulid[i] = crockford[now_ms & 31];
	for (int i = ULID_LEN - 1; i >= 10 && n; i--) {
		uint64_t sum = (uint64_t)(strchr(crockford, ret_ulid[i]) - crockford) + n;

		ret_ulid[i] = crockford[sum & 31];
		n = sum >> 5;
	}
}

bool ulid_ok(const char *s)
{
	if (!s || strlen(s) != ULID_LEN || s[0] > '7')
		return false;
	return strspn(s, crockford) == ULID_LEN;
}

static size_t min_of(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment distance over at most 63 characters. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strnlen(a, 63), m = strnlen(b, 63);
	size_t d[64][64];

	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			size_t cost = tolower((unsigned char)a[i - 1]) !=
				      tolower((unsigned char)b[j - 1]);

			d[i][j] = min_of(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	return d[n][m];
}

const char *str_nearest(const char *s, const char *const *list, size_t n)
{
	size_t best = 1 + strlen(s) / 4 + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = list[i] ? distance(s, list[i]) : best;

		if (d < best) {
			best = d;
			nearest = list[i];
		}
	}
	return nearest;
}

/* Digits at s; *ret_end past them. */
static bool digits(const char *s, uint64_t *ret, const char **ret_end)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*s))
		return false;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return false;
	*ret = n;
	*ret_end = s;
	return true;
}

bool str_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *end;
	uint64_t n;

	if (!s || !digits(s, &n, &end) || *end || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

bool str_bytes(const char *s, uint64_t *ret_bytes)
{
	const char *end;
	const char *unit;
	uint64_t n;

	if (!s || !digits(s, &n, &end))
		return false;
	if (!*end) {
		*ret_bytes = n;
		return true;
	}
	unit = strchr("kKmMgGtT", *end);
	if (!unit || (end[1] && !str_eq(end + 1, "iB") && !str_eq(end + 1, "B")))
		return false;
	for (long i = (unit - "kKmMgGtT") / 2; i >= 0; i--)
		if (__builtin_mul_overflow(n, 1024, &n))
			return false;
	*ret_bytes = n;
	return true;
}

bool str_duration(const char *s, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	const char *end;
	uint64_t n;

	if (!s || !digits(s, &n, &end))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_eq(end, units[i].unit))
			return !__builtin_mul_overflow(n, units[i].ms, ret_ms);
	return false;
}

const char *str_human_bytes(char buf[STR_HUMAN_SIZE], uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double n = (double)bytes;
	size_t i = 0;

	for (; n >= 1024 && i + 1 < ARRAY_LEN(units); i++)
		n /= 1024;
	snprintf(buf, STR_HUMAN_SIZE, n >= 100 || !i ? "%.0f %s" : "%.1f %s", n, units[i]);
	return buf;
}

const char *str_human_ms(char buf[STR_HUMAN_SIZE], uint64_t ms)
{
	if (ms < 1000)
		snprintf(buf, STR_HUMAN_SIZE, "%" PRIu64 " ms", ms);
	else if (ms < 60000)
		snprintf(buf, STR_HUMAN_SIZE, "%.2f s", (double)ms / 1000);
	else if (ms < 3600000)
		snprintf(buf, STR_HUMAN_SIZE, "%" PRIu64 "m%02" PRIu64 "s", ms / 60000,
			 ms / 1000 % 60);
	else
		snprintf(buf, STR_HUMAN_SIZE, "%" PRIu64 "h%02" PRIu64 "m", ms / 3600000,
			 ms / 60000 % 60);
	return buf;
}

void str_hex(char *dst, const void *src, size_t n)
{
	const uint8_t *p = src;

	for (size_t i = 0; i < n; i++) {
		*dst++ = "0123456789abcdef"[p[i] >> 4];
		*dst++ = "0123456789abcdef"[p[i] & 15];
	}
	*dst = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool str_unhex(void *dst, size_t n, const char *hex)
{
	uint8_t *p = dst;

	if (!hex || strlen(hex) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		p[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
