/* SPDX-License-Identifier: MPL-2.0
 *
 * Pages and their digests. Everything that travels is cut into pages of 4 KiB; a page is named by
 * its XXH3-128 digest, a file by the digest of its pages' digests, so that nothing is hashed twice.
 * The digests find equal pages and damage; they do not stop a forger. Forgery is the business of
 * SSH (peer, wire) and of root-only directories (staging); a container that crafts colliding pages
 * harms no memory but its own. Numbers and digests are little-endian on both ends: CRIU images do
 * not cross architectures. */
#ifndef DROVER_TRANSFER_PAGE_H
#define DROVER_TRANSFER_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096u
#define PAGE_RUN 256u /* most pages in one record of the stream */
#define PAGE_RUN_BYTES (PAGE_RUN * PAGE_BYTES)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the stream is little-endian");

struct digest {
	uint64_t lo, hi;
};

static inline bool digest_eq(struct digest a, struct digest b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static inline uint64_t page_count(uint64_t bytes)
{
	return bytes / PAGE_BYTES + (bytes % PAGE_BYTES != 0);
}

struct digest digest_of(const void *data, size_t len);
struct digest page_digest(const void *page);
struct digest page_zero_digest(void);
bool page_is_zero(const void *page);

/* 32 hex digits. digest_parse wants exactly that. */
#define DIGEST_TEXT_SIZE 33
void digest_text(char ret_text[DIGEST_TEXT_SIZE], struct digest digest);
bool digest_parse(const char *text, struct digest *ret);

/* The seal of a manifest: two independent XXH3-128 values side by side. */
#define SEAL_BYTES 32
void seal_of(const void *data, size_t len, uint8_t ret_seal[SEAL_BYTES]);

/* Running digest of a file's pages in file order (the last one padded with zeros). */
struct page_sum;
struct page_sum *page_sum_new(void);
void page_sum_reset(struct page_sum *sum);
void page_sum_add(struct page_sum *sum, const struct digest *digests, size_t n);
void page_sum_zeros(struct page_sum *sum, uint64_t n);
struct digest page_sum_end(struct page_sum *sum);
void page_sum_free(struct page_sum **sum);

#endif
