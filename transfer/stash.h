/* SPDX-License-Identifier: MPL-2.0
 *
 * What the target has, shared by all drover-receive processes of one migration: an index from page
 * digest to the place that holds the page, and a store file for memory pages that belong to no
 * file yet. Both are files in the images directory. The index is an open-addressing table in a
 * shared mapping; a slot is claimed and published by atomic operations on its place, never freed
 * and never moved, so that readers need no lock. A place is a hint: whoever reads a page from it
 * compares the digest. */
#ifndef DROVER_TRANSFER_STASH_H
#define DROVER_TRANSFER_STASH_H

#include "base/err.h"
#include "transfer/page.h"

#define STASH_INDEX "pages.index"
#define STASH_STORE "pages.store"

/* A place: file id (0 = the store file) and page number. 0 is no place. */
#define PLACE(id, page) (2 + ((uint64_t)(id) << 38 | (uint64_t)(page)))
#define PLACE_ID(place) ((uint32_t)(((place)-2) >> 38))
#define PLACE_PAGE(place) (((place)-2) & ((1ull << 38) - 1))

struct stash;

/* Opens the stash in the directory, making it when create is set and there is none. quota_bytes
 * bounds all that stash_charge adds up, and the index's size. */
int stash_open(int dirfd, uint64_t quota_bytes, bool create, struct stash **ret, struct err *err);
void stash_close(struct stash **stash);

/* Counts bytes and files against the migration's quota; -ERR_nospace when it is used up. */
int stash_charge(struct stash *stash, uint64_t bytes, uint64_t files, struct err *err);
void stash_refund(struct stash *stash, uint64_t bytes);

/* Number of digests the index can hold for sure; later ones are forgotten. */
uint64_t stash_limit(const struct stash *stash);

/* Place of a page, 0 when it is not known. */
uint64_t stash_find(const struct stash *stash, struct digest digest);

/* Remembers or moves a page's place. */
void stash_put(struct stash *stash, struct digest digest, uint64_t place);

/* Appends n pages to the store file; *ret_page is the first one's number in it. */
int stash_append(struct stash *stash, const void *pages, size_t n, uint64_t *ret_page,
		 struct err *err);

int stash_fd(const struct stash *stash); /* the store file, borrowed */

/* Gives the memory of pages of the store back that now lie in a file. */
void stash_punch(struct stash *stash, uint64_t page, size_t n);

/* Calls each with the digests of pages in the store file (what an earlier attempt left), at most
 * max; returns how many. */
size_t stash_list(const struct stash *stash, struct digest *ret_digests, size_t max);

#endif
