/* SPDX-License-Identifier: MPL-2.0
 *
 * Records of a reader become files of the stream and, in the last pass, lines of the manifest. */
#include "transfer/pass_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define XATTRS_MAX 1024
#define SPARSE_MIN (64 * 1024) /* smaller files are read whole */

static int new_id(struct ids *ids, uint32_t flag, uint32_t *ret, struct err *err)
{
	if (ids->n >= (FILE_ID_MAX & ~FILE_BLOB))
		return fail(err, ERR_invalid, "too many files");
	if ((ids->n & (ids->n - 1)) == 0)
		ids->live = mem_grow(ids->live, ids->n ? 2 * (size_t)ids->n : 1, sizeof(bool));
	ids->live[ids->n++] = false;
	*ret = ids->n | flag;
	return 0;
}

static void mark_live(struct passes *p, uint32_t id)
{
	struct ids *ids = id & FILE_BLOB ? &p->blobs : &p->images;

	ids->live[(id & ~FILE_BLOB) - 1] = true;
}

/* Reads up to size bytes at an offset, padded with zeros to whole pages; what has been cut off the
 * file meanwhile reads as zeros. */
static int read_pages(struct passes *p, int fd, uint64_t at, size_t size, unsigned *ret_n,
		      struct err *err)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(fd, p->buf + got, size - got, (off_t)(at + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(err, ERR_io, "reading %s", p->in.name);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*ret_n = (unsigned)page_count(size);
	memset(p->buf + got, 0, (size_t)*ret_n * PAGE_BYTES - got);
	return 0;
}

/* Where data begins at or after an offset, in whole pages; size at the end. */
static uint64_t next_data(int fd, uint64_t at, uint64_t size)
{
	off_t data = size < SPARSE_MIN ? (off_t)at : lseek(fd, (off_t)at, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? size : at;
	if ((uint64_t)data >= size)
		return size;
	return (uint64_t)data / PAGE_BYTES * PAGE_BYTES;
}

static int send_contents(struct passes *p, const char *phase, int fd, uint32_t id, uint64_t size,
			 struct digest *ret, struct err *err)
{
	struct digest digests[PAGE_RUN];
	int r = push_file(p->push, id, size, err);

	page_sum_reset(p->sum);
	for (uint64_t at = 0, len; !r && at < size; at += len) {
		uint64_t data = next_data(fd, at, size);
		unsigned n = 0;

		page_sum_zeros(p->sum, page_count(data - at));
		p->done += data - at;
		at = data;
		len = size - at < PAGE_RUN_BYTES ? size - at : PAGE_RUN_BYTES;
		if (!len)
			break;
		r = read_pages(p, fd, at, len, &n, err);
		if (!r)
			r = push_pages(p->push, at / PAGE_BYTES, p->buf, n, digests, err);
		if (r)
			break;
		page_sum_add(p->sum, digests, n);
		p->done += len;
		r = pass_progress(p, phase, 0, err);
	}
	*ret = page_sum_end(p->sum);
	return r;
}

int pass_image(struct passes *p, struct err *err)
{
	struct manifest_image image = {.name = p->in.name, .size = p->in.head.size};
	int r;

	if (!manifest_image_name_ok(image.name))
		return fail(err, ERR_invalid, "image with an odd name");
	p->total = p->in.head.total_bytes;
	r = new_id(&p->images, 0, &image.id, err);
	if (!r)
		r = send_contents(p, "images", p->in.fds[0], image.id, image.size, &image.digest,
				  err);
	if (r)
		return r;
	push_figures(p->push)->image_bytes += image.size;
	if (p->out) {
		mark_live(p, image.id);
		manifest_put_image(p->out, &image);
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void pass_mapped_sort(struct passes *p)
{
	if (p->n_mapped)
		qsort(p->mapped, p->n_mapped, sizeof(*p->mapped), by_number);
}

static bool mapped(const struct passes *p, uint64_t ino)
{
	return p->n_mapped && bsearch(&ino, p->mapped, p->n_mapped, sizeof(*p->mapped), by_number);
}

void pass_mapped(struct passes *p)
{
	p->mapped = mem_grow(p->mapped, p->n_mapped + 1, sizeof(*p->mapped));
	p->mapped[p->n_mapped++] = p->in.head.ino;
}

/* Sends a regular file's contents unless the target has them already. A file that a process maps
 * writable is always looked at: its times lag behind, but only its changed pages travel. */
static int send_regular(struct passes *p, struct memo *memo, struct err *err)
{
	const struct handoff *h = &p->in.head;
	int r;

	if (memo_same(memo, h) && !mapped(p, h->ino))
		return 0;
	if (p->in.fds[0] < 0)
		return fail(err, ERR_protocol, "regular file without a descriptor");
	memo_set(memo, h);
	r = new_id(&p->blobs, FILE_BLOB, &memo->id, err);
	if (!r)
		r = send_contents(p, "tree", p->in.fds[0], memo->id, h->size, &memo->digest, err);
	if (!r)
		push_figures(p->push)->tree_bytes += h->size;
	return r;
}

static int fill_regular(struct passes *p, struct manifest_entry *e, struct err *err)
{
	const struct handoff *h = &p->in.head;
	struct memo *memo = memos_get(&p->memos, h->root, h->dev, h->ino);
	int r;

	if (memo->pass == p->pass && memo->path) {
		e->type = 'h';
		e->link = memo->path;
		return 0;
	}
	r = send_regular(p, memo, err);
	if (r)
		return r;
	memo->pass = p->pass;
	free(memo->path);
	memo->path = h->nlink > 1 ? str_dup(e->path) : NULL;
	e->id = memo->id;
	e->size = memo->size;
	e->digest = memo->digest;
	if (p->out)
		mark_live(p, e->id);
	return 0;
}

static char entry_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 'f';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFIFO:
		return 'p';
	}
	return 0;
}

int pass_entry(struct passes *p, struct err *err)
{
	const struct handoff *h = &p->in.head;
	struct manifest_xattr xattrs[XATTRS_MAX];
	struct handoff_xattr x;
	struct manifest_entry e = {.type = entry_type(h->mode),
				   .root = h->root,
				   .mode = h->mode & 07777,
				   .uid = h->uid,
				   .gid = h->gid,
				   .mtime_s = h->mtime_s,
				   .mtime_ns = h->mtime_ns,
				   .path = p->in.name,
				   .link = p->in.link,
				   .major = major(h->rdev),
				   .minor = minor(h->rdev),
				   .xattrs = xattrs};
	size_t at = 0;
	int r = e.type ? 0 : fail(err, ERR_protocol, "entry of an unknown type");

	while (handoff_xattr_next(p->in.xattrs, h->xattr_len, &at, &x)) {
		if (e.n_xattrs == XATTRS_MAX)
			return fail(err, ERR_invalid, "%s has too many attributes", e.path);
		xattrs[e.n_xattrs++] = (struct manifest_xattr){x.name, x.value, x.value_len};
	}
	if (!r && e.type == 'f')
		r = fill_regular(p, &e, err);
	if (e.type == 'h')
		e.n_xattrs = 0;
	if (!r && p->out)
		manifest_put_entry(p->out, &e);
	return r;
}
