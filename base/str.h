/* SPDX-License-Identifier: MPL-2.0
 *
 * Bounded strings, names and ids. Everything that crosses a trust boundary as a name passes
 * name_ok or ulid_ok; nothing else may become part of a path or an argv. */
#ifndef DROVER_BASE_STR_H
#define DROVER_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_LEN 63              /* node ids, container ids, bridge names … */
#define NAME_SIZE (NAME_MAX_LEN + 1) /* with the NUL */
#define ULID_LEN 26
#define ULID_SIZE (ULID_LEN + 1)

/* Copies src into dst[size], always terminated. Returns false when it was cut. NULL src is "". */
bool str_copy(char *dst, size_t size, const char *src);

/* snprintf that answers whether all fitted. */
bool str_fmt(char *dst, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Formatted heap string, never NULL; the caller frees. */
char *str_new(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *str_dup(const char *s);

bool str_eq(const char *a, const char *b); /* NULL equals NULL only */
bool str_starts(const char *s, const char *prefix);

/* ^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$ and no ".." : the only form of id allowed past the root
 * boundary. */
bool name_ok(const char *s);

/* Absolute, no "..", no "//", no control character, at most PATH_MAX - 1. */
bool path_ok(const char *s);

/* A new ULID (https://github.com/ulid/spec): 48 bits of now_ms (wall clock) and 80 random bits in
 * Crockford base 32. */
void ulid_new(char ret_ulid[ULID_SIZE], uint64_t now_ms);
bool ulid_ok(const char *s);

/* The n-th ULID after `base`, with now_ms as its time: as unique as base for every n < 2^35, and
 * made without chance. The spec's monotonic form adds to the random part likewise. */
void ulid_nth(char ret_ulid[ULID_SIZE], const char *base, uint64_t n, uint64_t now_ms);

/* Nearest of n candidates by Damerau-Levenshtein distance, for "did you mean"; NULL when none is
 * within 1 + len/4. Borrows from list. */
const char *str_nearest(const char *s, const char *const *list, size_t n);

/* Decimal without sign, space or overflow, in [min, max]. */
bool str_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/* "512", "64k", "10M", "2G" (powers of 1024) → bytes. */
bool str_bytes(const char *s, uint64_t *ret_bytes);

/* "250ms", "10s", "15m", "1h", "2d" → milliseconds; a bare number is refused. */
bool str_duration(const char *s, uint64_t *ret_ms);

/* "512 B", "1.5 MiB", "20 GiB" in buf; returns buf. */
#define STR_HUMAN_SIZE 24
const char *str_human_bytes(char buf[STR_HUMAN_SIZE], uint64_t bytes);
/* "37 ms", "4.20 s", "3m12s". */
const char *str_human_ms(char buf[STR_HUMAN_SIZE], uint64_t ms);

/* Lower-case hex; dst holds 2 × n + 1. str_unhex wants exactly 2 × n digits. */
void str_hex(char *dst, const void *src, size_t n);
bool str_unhex(void *dst, size_t n, const char *hex);

#endif
