/* SPDX-License-Identifier: MPL-2.0
 *
 * Once a directory is root's alone, the last way to change a file is a descriptor that was opened
 * before: a read lease (fcntl(2), F_SETLEASE) is only granted while there is none for writing. */
#include "transfer/verify.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "transfer/frame.h"
#include "transfer/receiver.h"
#include "transfer/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS 2
#define BLOCK (64 * PAGE_BYTES) /* stays in a core's cache between the read and the hash */
#define SHARE_MIN (32ull << 20)
#define SHARE_MAX (64ull << 30) /* above, the pages' digests would take too much memory */
#define PART (16ull << 20)

struct check {
	char name[RECEIVER_NAME_SIZE];
	uint64_t size;
	struct digest digest;
};

/* Files are checked in parallel; one above SHARE_MIN is itself shared out in parts. */
struct part {
	const struct check *check;
	uint64_t at, end;
	struct digest *pages; /* of the whole file, when it is shared out */
	bool first;
};

struct job {
	int dirfd;
	struct part *parts;
	size_t n;
	atomic_size_t next;
	atomic_bool failed;
};

struct checker {
	struct job *job;
	pthread_t thread;
	struct page_sum *sum;
	uint8_t *buf;
	struct err err;
};

static int seize(int fd, const struct check *check, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return fail_errno(err, ERR_io, "staging file %s", check->name);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return fail(err, ERR_corrupt, "staging file %s is not a plain file", check->name);
	if ((uint64_t)st.st_size != check->size)
		return fail(err, ERR_corrupt, "staging file %s has %llu bytes, not %llu",
			    check->name, (unsigned long long)st.st_size,
			    (unsigned long long)check->size);
	if (fchown(fd, 0, 0) || fchmod(fd, 0600))
		return fail_errno(err, ERR_io, "taking staging file %s", check->name);
	if (!fcntl(fd, F_SETLEASE, F_RDLCK))
		return fcntl(fd, F_SETLEASE, F_UNLCK) ? fail_errno(err, ERR_io, "lease") : 0;
	if (errno == EAGAIN)
		return fail(err, ERR_busy, "staging file %s is still being written", check->name);
	log_debug("no leases on this file system: %s", strerror(errno));
	return 0;
}

/* Takes digests of n pages, the next in file order of the part. */
static void put(struct checker *c, const struct part *part, uint64_t page,
		const struct digest *digests, size_t n)
{
	if (part->pages)
		memcpy(part->pages + page, digests, n * sizeof(*digests));
	else
		page_sum_add(c->sum, digests, n);
}

static void put_zeros(struct checker *c, const struct part *part, uint64_t page, uint64_t n)
{
	if (!part->pages) {
		page_sum_zeros(c->sum, n);
		return;
	}
	for (uint64_t i = 0; i < n; i++)
		part->pages[page + i] = page_zero_digest();
}

/* Data from `at` on, at most one block; *ret_len bytes of the part are done. */
static int sum_block(struct checker *c, int fd, const struct part *part, uint64_t at,
		     uint64_t *ret_len, struct err *err)
{
	struct digest digests[BLOCK / PAGE_BYTES];
	uint64_t left = part->end - at;
	ssize_t got = pread(fd, c->buf, left < BLOCK ? left : BLOCK, (off_t)at);
	size_t n;

	if (got <= 0 || ((size_t)got % PAGE_BYTES && (uint64_t)got != left))
		return fail_errno(err, ERR_io, "reading staging file %s", part->check->name);
	n = page_count((uint64_t)got);
	memset(c->buf + got, 0, n * PAGE_BYTES - (size_t)got);
	for (size_t i = 0; i < n; i++)
		digests[i] = page_digest(c->buf + i * PAGE_BYTES);
	put(c, part, at / PAGE_BYTES, digests, n);
	*ret_len = (uint64_t)got;
	return 0;
}

static int sum_part(struct checker *c, int fd, const struct part *part, struct err *err)
{
	uint64_t at = part->at, data_end = at, len;

	while (at < part->end) {
		int r;

		if (at >= data_end) {
			off_t data = lseek(fd, (off_t)at, SEEK_DATA);
			off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
			uint64_t to = data < 0 || (uint64_t)data > part->end
					      ? part->end
					      : (uint64_t)data / PAGE_BYTES * PAGE_BYTES;

			put_zeros(c, part, at / PAGE_BYTES, page_count(to - at));
			at = to;
			data_end = hole < 0 ? part->end : (uint64_t)hole;
			continue;
		}
		r = sum_block(c, fd, part, at, &len, err);
		if (r)
			return r;
		at += len;
	}
	return 0;
}

static int damaged(const struct check *check, struct err *err)
{
	return fail(err, ERR_corrupt, "staging file %s is damaged", check->name);
}

static int check_part(struct checker *c, const struct part *part, struct err *err)
{
	const struct check *check = part->check;
	auto_close int fd =
		openat(c->job->dirfd, check->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return fail_errno(err, ERR_corrupt, "staging file %s", check->name);
	/* Every part: what another thread is still about to find open is not to be read yet. */
	r = seize(fd, check, err);
	page_sum_reset(c->sum);
	if (!r)
		r = sum_part(c, fd, part, err);
	if (!r && !part->pages && !digest_eq(page_sum_end(c->sum), check->digest))
		r = damaged(check, err);
	return r;
}

static void *check_loop(void *arg)
{
	struct checker *c = arg;
	struct job *job = c->job;
	size_t i;

	while (!atomic_load(&job->failed) && (i = atomic_fetch_add(&job->next, 1)) < job->n)
		if (check_part(c, &job->parts[i], &c->err))
			atomic_store(&job->failed, true);
	return NULL;
}

static size_t parts_of(const struct check *check)
{
	if (check->size < SHARE_MIN || check->size > SHARE_MAX)
		return 1;
	return (check->size + PART - 1) / PART;
}

static void share_out(struct job *job, const struct check *checks, size_t n)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += parts_of(&checks[i]);
	job->parts = mem_new(total + 1, sizeof(*job->parts));
	for (size_t i = 0; i < n; i++) {
		size_t parts = parts_of(&checks[i]);
		struct digest *pages = NULL;

		if (parts > 1)
			pages = mem_new(page_count(checks[i].size), sizeof(*pages));
		for (size_t k = 0; k < parts; k++)
			job->parts[job->n++] = (struct part){.check = &checks[i],
							     .at = k * PART,
							     .end = k + 1 == parts ? checks[i].size
										   : (k + 1) * PART,
							     .pages = pages,
							     .first = k == 0};
	}
}

/* What the parts of a file add up to; frees their digests. */
static int join_parts(struct job *job, int r, struct err *err)
{
	struct page_sum *sum = page_sum_new();

	for (size_t i = 0; i < job->n; i++) {
		const struct part *part = &job->parts[i];

		if (!part->pages || !part->first)
			continue;
		page_sum_reset(sum);
		if (!r)
			page_sum_add(sum, part->pages, page_count(part->check->size));
		if (!r && !digest_eq(page_sum_end(sum), part->check->digest))
			r = damaged(part->check, err);
		free(part->pages);
	}
	page_sum_free(&sum);
	free(job->parts);
	return r;
}

static int check_all(int dirfd, const struct check *checks, size_t n, struct err *err)
{
	struct job job = {.dirfd = dirfd};
	struct checker c[THREADS] = {0};
	int r = 0;

	share_out(&job, checks, n);
	for (int i = 0; i < THREADS; i++) {
		c[i].job = &job;
		c[i].sum = page_sum_new();
		c[i].buf = mem_new(1, BLOCK);
	}
	for (int i = 1; i < THREADS; i++)
		if (pthread_create(&c[i].thread, NULL, check_loop, &c[i]))
			abort();
	check_loop(&c[0]);
	for (int i = 0; i < THREADS; i++) {
		if (i)
			pthread_join(c[i].thread, NULL);
		if (!r && c[i].err.code) {
			*err = c[i].err;
			r = -err->code;
		}
		page_sum_free(&c[i].sum);
		free(c[i].buf);
	}
	return join_parts(&job, r, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct check *)a)->name, ((const struct check *)b)->name);
}

static int no_extra(int dirfd, const struct check *checks, size_t n, const char *const *also,
		    struct err *err)
{
	struct name_list names = {0};
	int r = name_list_read(&names, dirfd, err);

	for (size_t i = 0; !r && i < names.n; i++) {
		struct check key = {0};
		const char *const *a = also;

		while (*a && !str_eq(*a, names.v[i]))
			a++;
		if (!*a && (!str_copy(key.name, sizeof(key.name), names.v[i]) || !n ||
			    !bsearch(&key, checks, n, sizeof(key), by_name)))
			r = fail(err, ERR_corrupt, "%.100s is not in the manifest", names.v[i]);
	}
	name_list_done(&names);
	return r;
}

static int verify_dir(int dirfd, struct check *checks, size_t n, const char *const *also,
		      struct err *err)
{
	int r;

	if (n)
		qsort(checks, n, sizeof(*checks), by_name);
	for (size_t i = 1; i < n; i++)
		if (str_eq(checks[i].name, checks[i - 1].name))
			return fail(err, ERR_corrupt, "%s is in the manifest twice",
				    checks[i].name);
	r = no_extra(dirfd, checks, n, also, err);
	return r ? r : check_all(dirfd, checks, n, err);
}

int verify_images(int dirfd, const struct manifest *m, const char *const *also, struct err *err)
{
	auto_free struct check *checks = mem_new(m->n_images + 1, sizeof(*checks));

	for (size_t i = 0; i < m->n_images; i++) {
		const struct manifest_image *image = &m->images[i];

		if (!image->id || image->id & FILE_BLOB || image->id > FILE_ID_MAX)
			return fail(err, ERR_corrupt, "image %s has a wrong number", image->name);
		receiver_name(checks[i].name, image->id);
		checks[i].size = image->size;
		checks[i].digest = image->digest;
	}
	return verify_dir(dirfd, checks, m->n_images, also, err);
}

int verify_blobs(int dirfd, const struct manifest *m, struct err *err)
{
	static const char *const none[] = {NULL};
	auto_free struct check *checks = mem_new(m->n_entries + 1, sizeof(*checks));
	size_t n = 0;

	for (size_t i = 0; i < m->n_entries; i++) {
		const struct manifest_entry *e = &m->entries[i];

		if (e->type != 'f')
			continue;
		if (!(e->id & FILE_BLOB) || e->id > FILE_ID_MAX)
			return fail(err, ERR_corrupt, "%s has a wrong number", e->path);
		receiver_name(checks[n].name, e->id);
		checks[n].size = e->size;
		checks[n++].digest = e->digest;
	}
	return verify_dir(dirfd, checks, n, none, err);
}
