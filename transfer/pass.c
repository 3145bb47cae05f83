/* SPDX-License-Identifier: MPL-2.0
 *
 * Records of a reader become files of the stream and, in the last pass, lines of the manifest. */
#include "transfer/pass.h"

#include "base/mem.h"
#include "base/str.h"
#include "transfer/handoff.h"
#include "transfer/manifest.h"
#include "transfer/memo.h"
#include "transfer/seed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define XATTRS_MAX 1024
#define SPARSE_MIN (64 * 1024) /* smaller files are read whole */

/* Ids of one kind, 1.., and which of them the manifest names. */
struct ids {
	uint32_t n;
	bool *live;
};

struct passes {
	struct push *push;
	const struct pass_options *options;
	char migration[NAME_SIZE];
	uint64_t epoch;
	unsigned pass;
	struct memos memos;
	struct ids images, blobs;
	struct seed seed;
	uint64_t *mapped; /* inodes, sorted once trees begin */
	size_t n_mapped;
	FILE *out; /* the manifest, in the last pass */
	char *text;
	size_t text_len;
	uint64_t done, total;
	struct page_sum *sum;
	uint8_t *buf;
	struct handoff_in in;
};

struct passes *passes_new(struct push *push, const char *migration, uint64_t epoch)
{
	struct passes *p = mem_new_of(struct passes);

	p->push = push;
	str_copy(p->migration, sizeof(p->migration), migration);
	p->epoch = epoch;
	p->sum = page_sum_new();
	p->buf = mem_new(1, PAGE_RUN_BYTES);
	for (size_t i = 0; i < HANDOFF_FDS; i++)
		p->in.fds[i] = -1;
	return p;
}

void passes_free(struct passes **pp)
{
	struct passes *p = *pp;

	if (!p)
		return;
	if (p->out)
		fclose(p->out);
	free(p->text);
	memos_done(&p->memos);
	seed_done(&p->seed);
	free(p->images.live);
	free(p->blobs.live);
	free(p->mapped);
	page_sum_free(&p->sum);
	free(p->buf);
	free(p);
	*pp = NULL;
}

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

static int progress(struct passes *p, const char *phase, unsigned round, struct err *err)
{
	if (p->options->progress)
		p->options->progress(p->options->arg, phase, p->done, p->total, round);
	return push_wait(p->push, NULL, 0, 0, err);
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
		r = progress(p, phase, 0, err);
	}
	*ret = page_sum_end(p->sum);
	return r;
}

static int on_image(struct passes *p, struct err *err)
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

static bool mapped(const struct passes *p, uint64_t ino)
{
	return p->n_mapped && bsearch(&ino, p->mapped, p->n_mapped, sizeof(*p->mapped), by_number);
}

static void on_mapped(struct passes *p)
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

static int on_entry(struct passes *p, struct err *err)
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

static int on_record(struct passes *p, struct err *err)
{
	const struct handoff *h = &p->in.head;

	switch (h->kind) {
	case HANDOFF_meta:
		if (p->out)
			manifest_put_meta(p->out, p->in.name, p->in.link);
		return 0;
	case HANDOFF_root:
		if (p->n_mapped)
			qsort(p->mapped, p->n_mapped, sizeof(*p->mapped), by_number);
		if (p->out)
			manifest_put_root(p->out, h->root, p->in.name);
		return 0;
	case HANDOFF_skip:
		if (p->out)
			manifest_put_skip(p->out, h->root, p->in.name);
		return 0;
	case HANDOFF_mapped:
		on_mapped(p);
		return 0;
	case HANDOFF_image:
		return on_image(p, err);
	case HANDOFF_entry:
		return on_entry(p, err);
	case HANDOFF_memory:
		seed_add(&p->seed, p->in.fds[0], p->in.fds[1], p->in.fds[2]);
		p->in.fds[0] = p->in.fds[1] = p->in.fds[2] = -1;
		return 0;
	case HANDOFF_end:
		return h->code ? fail(err, h->code, "%s", p->in.name) : 0;
	}
	return fail(err, ERR_protocol, "unknown record from the reader");
}

static int take_records(struct passes *p, int fd, struct err *err)
{
	int r;

	do {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

		r = push_wait(p->push, &poll_fd, 1, -1, err);
		if (!r)
			r = handoff_recv(fd, &p->in, err);
		if (!r)
			r = on_record(p, err);
		handoff_close(&p->in);
	} while (!r && p->in.head.kind != HANDOFF_end);
	return r;
}

static int send_memory(struct passes *p, struct pass_result *ret, struct err *err)
{
	const struct pass_options *o = p->options;
	uint64_t before = 0;
	int r;

	if (!p->seed.n)
		return 0;
	do {
		before = ret->round_bytes;
		r = seed_round(&p->seed, p->push, &ret->round_bytes, err);
		/* Acknowledged pages count as known on every session. */
		if (!r)
			r = push_flush(p->push, false, err);
		p->done = p->seed.read_bytes;
		if (!r)
			r = progress(p, "memory", ++ret->rounds, err);
	} while (!r && seed_again(ret->rounds, o->rounds ? o->rounds : 1, before, ret->round_bytes,
				  o->budget_bytes));
	return r;
}

static uint32_t *superseded(const struct passes *p, size_t *ret_n)
{
	uint32_t *list = mem_new((size_t)p->images.n + p->blobs.n + 1, sizeof(*list));

	*ret_n = 0;
	for (uint32_t i = 0; i < p->images.n; i++)
		if (!p->images.live[i])
			list[(*ret_n)++] = i + 1;
	for (uint32_t i = 0; i < p->blobs.n; i++)
		if (!p->blobs.live[i])
			list[(*ret_n)++] = (i + 1) | FILE_BLOB;
	return list;
}

static int seal(struct passes *p, struct pass_result *ret, struct err *err)
{
	auto_free uint32_t *drop = NULL;
	size_t n;
	int closed = fclose(p->out);

	p->out = NULL;
	if (closed || p->text_len > MANIFEST_SIZE_MAX)
		return fail(err, ERR_invalid, "the manifest is too long");
	drop = superseded(p, &n);
	seal_of(p->text, p->text_len, ret->seal);
	return push_seal(p->push, drop, n, p->text, p->text_len, ret->seal, err);
}

int pass_run(struct passes *p, int fd, const struct pass_options *options, struct pass_result *ret,
	     struct err *err)
{
	int r;

	*ret = (struct pass_result){0};
	p->options = options;
	p->pass++;
	p->done = p->total = 0;
	p->n_mapped = 0;
	if (options->final) {
		p->out = open_memstream(&p->text, &p->text_len);
		if (!p->out)
			abort();
		manifest_put_head(p->out, p->migration, p->epoch);
	}
	r = take_records(p, fd, err);
	if (!r)
		r = send_memory(p, ret, err);
	if (!r)
		r = push_flush(p->push, options->final, err);
	seed_done(&p->seed);
	if (!r && options->final)
		r = seal(p, ret, err);
	return r;
}
