/* SPDX-License-Identifier: MPL-2.0
 *
 * The only file that knows which hash is in use. */
#include "transfer/page.h"

#include "base/mem.h"
#include "base/str.h"

#include <pthread.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SEAL_SEED 0x64726f7665723031ull /* "drover01" */

static const uint8_t zero_page[PAGE_BYTES];

static struct digest from_xxh(XXH128_hash_t h)
{
	return (struct digest){h.low64, h.high64};
}

struct digest digest_of(const void *data, size_t len)
{
	return from_xxh(XXH3_128bits(data, len));
}

struct digest page_digest(const void *page)
{
	return from_xxh(XXH3_128bits(page, PAGE_BYTES));
}

static struct digest zero_digest;
static pthread_once_t zero_once = PTHREAD_ONCE_INIT;

static void zero_init(void)
{
	zero_digest = page_digest(zero_page);
}

struct digest page_zero_digest(void)
{
	pthread_once(&zero_once, zero_init);
	return zero_digest;
}

bool page_is_zero(const void *page)
{
	uint64_t first;

	memcpy(&first, page, sizeof(first));
	return !first && !memcmp(page, zero_page, PAGE_BYTES);
}

void digest_text(char ret_text[DIGEST_TEXT_SIZE], struct digest digest)
{
	str_hex(ret_text, &digest, sizeof(digest));
}

bool digest_parse(const char *text, struct digest *ret)
{
	return str_unhex(ret, sizeof(*ret), text);
}

void seal_of(const void *data, size_t len, uint8_t ret_seal[SEAL_BYTES])
{
	struct digest a = from_xxh(XXH3_128bits(data, len));
	struct digest b = from_xxh(XXH3_128bits_withSeed(data, len, SEAL_SEED));

	memcpy(ret_seal, &a, sizeof(a));
	memcpy(ret_seal + sizeof(a), &b, sizeof(b));
}

struct page_sum {
	XXH3_state_t *state;
};

struct page_sum *page_sum_new(void)
{
	struct page_sum *sum = mem_new_of(struct page_sum);

	sum->state = XXH3_createState();
	if (!sum->state)
		abort();
	XXH3_128bits_reset(sum->state);
	return sum;
}

void page_sum_reset(struct page_sum *sum)
{
	XXH3_128bits_reset(sum->state);
}

void page_sum_add(struct page_sum *sum, const struct digest *digests, size_t n)
{
	XXH3_128bits_update(sum->state, digests, n * sizeof(*digests));
}

void page_sum_zeros(struct page_sum *sum, uint64_t n)
{
	struct digest zeros[PAGE_RUN];

	for (size_t i = 0; i < PAGE_RUN; i++)
		zeros[i] = page_zero_digest();
	for (; n > PAGE_RUN; n -= PAGE_RUN)
		page_sum_add(sum, zeros, PAGE_RUN);
	page_sum_add(sum, zeros, n);
}

struct digest page_sum_end(struct page_sum *sum)
{
	return from_xxh(XXH3_128bits_digest(sum->state));
}

void page_sum_free(struct page_sum **sum)
{
	if (!*sum)
		return;
	XXH3_freeState((*sum)->state);
	free(*sum);
	*sum = NULL;
}
