/* SPDX-License-Identifier: MPL-2.0
 *
 * Pages that the sender does not send because they are here: in the page store or in another
 * staging file. Another session's process may move a page while this one looks at it, so every page
 * read is compared with its digest, and looked up again when it is not the one. */
#include "transfer/intake_impl.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define RETRIES 3 /* a page may move once while it is looked at; more is damage */

/* A descriptor to read a place from: the cache is not disturbed for the file being written. */
static int place_fd(struct intake *in, uint64_t place, const struct intake_file *current,
		    bool *ret_close, struct err *err)
{
	uint32_t id = PLACE_ID(place);
	const struct intake_file *cached = &in->files[id % INTAKE_FILES];

	*ret_close = false;
	if (!id)
		return stash_fd(in->stash);
	if (id == current->id)
		return current->fd;
	if (cached->fd >= 0 && cached->id == id)
		return cached->fd;
	*ret_close = true;
	return intake_open(in, id, false, err);
}

/* Reads n pages that lie one after another at a place, each to where its iov says; what a short
 * file lacks reads as zeros. */
static int read_place(struct intake *in, uint64_t place, const struct intake_file *current,
		      const struct iovec *iov, unsigned n, struct err *err)
{
	bool closing;
	int fd = place_fd(in, place, current, &closing, err);
	ssize_t got;

	if (fd < 0)
		return fd;
	got = preadv(fd, iov, (int)n, (off_t)(PLACE_PAGE(place) * PAGE_BYTES));
	if (closing)
		close(fd);
	if (got < 0)
		return fail_errno(err, ERR_io, "reading staged pages");
	for (unsigned i = (unsigned)((size_t)got / PAGE_BYTES); i < n; i++) {
		size_t has = (size_t)got > i * (size_t)PAGE_BYTES
				     ? (size_t)got - i * (size_t)PAGE_BYTES
				     : 0;

		memset((uint8_t *)iov[i].iov_base + has, 0, PAGE_BYTES - has);
	}
	return 0;
}

/* One page by its digest, looked up anew: for a page that moved away under a longer read. */
static int read_page(struct intake *in, struct digest want, const struct intake_file *current,
		     uint8_t *out, struct err *err)
{
	struct iovec iov = {out, PAGE_BYTES};

	for (int i = 0; i < RETRIES; i++) {
		uint64_t place = stash_find(in->stash, want);

		if (place && !read_place(in, place, current, &iov, 1, err) &&
		    digest_eq(page_digest(out), want))
			return 0;
	}
	return fail(err, ERR_corrupt, "a page that was sent before is not in the staging area");
}

struct reference {
	unsigned page; /* in the record */
	struct digest digest;
	uint64_t place;
};

/* Reads a run of references whose places follow each other, and checks every page. */
static int read_run(struct intake *in, const struct intake_file *current,
		    const struct reference *refs, unsigned n, struct err *err)
{
	struct iovec iov[PAGE_RUN];
	int r = -1;

	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){in->buf + (size_t)refs[i].page * PAGE_BYTES, PAGE_BYTES};
	if (refs[0].place)
		r = read_place(in, refs[0].place, current, iov, n, NULL);
	for (unsigned i = 0; i < n; i++)
		if (r || !digest_eq(page_digest(iov[i].iov_base), refs[i].digest)) {
			int again = read_page(in, refs[i].digest, current, iov[i].iov_base, err);

			if (again)
				return again;
		}
	return 0;
}

static bool follows(const struct reference *a, const struct reference *b)
{
	return a->place && b->place == a->place + 1 && PLACE_ID(a->place) == PLACE_ID(b->place);
}

/* The pages now lie in the file: their places move there, the store's copies are given back. */
static void settle(struct intake *in, const struct record *record, const struct reference *refs,
		   unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		stash_put(in->stash, refs[i].digest,
			  PLACE(record->id, record->page + refs[i].page));
	if (refs[0].place && PLACE_ID(refs[0].place) == 0)
		stash_punch(in->stash, PLACE_PAGE(refs[0].place), n);
}

int intake_references(struct intake *in, const struct intake_file *file,
		      const struct record *record, struct err *err)
{
	struct reference refs[PAGE_RUN];
	unsigned n = 0, end;
	int r = 0;

	for (unsigned i = 0; i < record->n; i++) {
		if (!bit_get(record->known, i))
			continue;
		memcpy(&refs[n].digest, record->digests + n * sizeof(struct digest),
		       sizeof(struct digest));
		refs[n].page = i;
		refs[n].place = stash_find(in->stash, refs[n].digest);
		n++;
	}
	for (unsigned i = 0; !r && i < n; i = end) {
		for (end = i + 1; end < n && follows(&refs[end - 1], &refs[end]); end++)
			;
		r = read_run(in, file, refs + i, end - i, err);
	}
	if (!r)
		r = intake_write(in, file, record, true, err);
	for (unsigned i = 0; !r && i < n; i = end) {
		for (end = i + 1; end < n && follows(&refs[end - 1], &refs[end]); end++)
			;
		settle(in, record, refs + i, end - i);
	}
	return r;
}
