/* SPDX-License-Identifier: MPL-2.0
 *
 * Data pages of a record are written and published first, then its references are resolved
 * (reference.c): a record may refer to a page that it carries itself. */
#include "transfer/intake_impl.h"

#include "base/file.h"
#include "base/mem.h"
#include "transfer/receiver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void receiver_name(char ret_name[RECEIVER_NAME_SIZE], uint32_t id)
{
	snprintf(ret_name, RECEIVER_NAME_SIZE, "%c%08x", id & FILE_BLOB ? 'b' : 'i',
		 id & ~FILE_BLOB);
}

static int open_staging(const char *path, struct err *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fail_errno(err, ERR_io, "opening %s", path);
	if (!fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 077))
		return fd;
	close(fd);
	return fail(err, ERR_denied, "%s is not a private directory of this user", path);
}

static int wipe(int dirfd, struct err *err)
{
	auto_closedir DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;

	if (!dir)
		return fail_errno(err, ERR_io, "reading the staging directory");
	while ((e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    !strcmp(e->d_name, STASH_INDEX) || !strcmp(e->d_name, STASH_STORE))
			continue;
		if (unlinkat(dirfd, e->d_name, 0))
			return fail_errno(err, ERR_io, "emptying the staging directory");
	}
	return 0;
}

int intake_init(struct intake *in, const char *images, const char *tree, uint64_t quota_bytes,
		bool fresh, struct err *err)
{
	int r;

	*in = (struct intake){.images = -1, .tree = -1};
	for (size_t i = 0; i < INTAKE_FILES; i++)
		in->files[i].fd = -1;
	in->buf = mem_new(1, PAGE_RUN_BYTES);
	in->images = r = open_staging(images, err);
	if (r >= 0)
		in->tree = r = open_staging(tree, err);
	if (r >= 0)
		r = fresh ? wipe(in->images, err) : 0;
	if (!r)
		r = fresh ? wipe(in->tree, err) : 0;
	if (!r)
		r = stash_open(in->images, quota_bytes, fresh, &in->stash, err);
	return r < 0 ? r : 0;
}

void intake_close_files(struct intake *in)
{
	for (size_t i = 0; i < INTAKE_FILES; i++) {
		if (in->files[i].fd >= 0)
			close(in->files[i].fd);
		in->files[i] = (struct intake_file){.fd = -1};
	}
}

void intake_done(struct intake *in)
{
	intake_close_files(in);
	stash_close(&in->stash);
	if (in->images >= 0)
		close(in->images);
	if (in->tree >= 0)
		close(in->tree);
	free(in->buf);
}

/* The file of another session, or one that left the cache. */
static int open_again(int dirfd, const char *name, struct err *err)
{
	struct stat st;
	int fd = file_open_beneath(dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0) {
		errno = -fd;
		return fail_errno(err, ERR_protocol, "opening staging file %s", name);
	}
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1)
		return fd;
	close(fd);
	return fail(err, ERR_denied, "staging file %s is not ours", name);
}

int intake_open(struct intake *in, uint32_t id, bool create, struct err *err)
{
	int dirfd = id & FILE_BLOB ? in->tree : in->images;
	char name[RECEIVER_NAME_SIZE];
	int fd, r;

	receiver_name(name, id);
	if (!create)
		return open_again(dirfd, name, err);
	fd = file_open_beneath(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			       0600);
	if (fd == -EEXIST)
		return open_again(dirfd, name, err);
	if (fd < 0) {
		errno = -fd;
		return fail_errno(err, ERR_io, "creating staging file %s", name);
	}
	r = stash_charge(in->stash, 0, 1, err);
	if (r)
		close(fd);
	return r ? r : fd;
}

/* The open file of an id; *ret borrows from the cache until the next call. */
static int find_file(struct intake *in, uint32_t id, bool create, struct intake_file **ret,
		     struct err *err)
{
	struct intake_file *file = &in->files[id % INTAKE_FILES];
	struct stat st;
	int fd;

	*ret = file;
	if (file->fd >= 0 && file->id == id)
		return 0;
	fd = intake_open(in, id, create, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st)) {
		close(fd);
		return fail_errno(err, ERR_io, "staging file");
	}
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct intake_file){id, fd, (uint64_t)st.st_size};
	return 0;
}

static int declare(struct intake *in, const struct record *record, struct err *err)
{
	struct intake_file *file;
	int r = find_file(in, record->id, true, &file, err);

	if (r || file->size == record->size)
		return r;
	if (ftruncate(file->fd, (off_t)record->size))
		return fail_errno(err, ERR_io, "sizing a staging file");
	file->size = record->size;
	return 0;
}

/* Memory pages that no file has yet; those that are known by now are left out. */
static int take_seed(struct intake *in, const struct record *record, struct err *err)
{
	struct digest digests[PAGE_RUN];
	uint64_t first;
	size_t n = 0;
	int r;

	if (record->n_data != record->n || record->tail != PAGE_BYTES)
		return fail(err, ERR_protocol, "malformed pages for the store");
	for (unsigned i = 0; i < record->n; i++) {
		const uint8_t *page = record->data + (size_t)i * PAGE_BYTES;

		digests[n] = page_digest(page);
		if (stash_find(in->stash, digests[n]))
			continue;
		memcpy(in->buf + n++ * PAGE_BYTES, page, PAGE_BYTES);
	}
	if (!n)
		return 0;
	r = stash_charge(in->stash, n * PAGE_BYTES, 0, err);
	if (!r)
		r = stash_append(in->stash, in->buf, n, &first, err);
	for (size_t i = 0; !r && i < n; i++)
		stash_put(in->stash, digests[i], PLACE(0, first + i));
	return r;
}

/* Writes pages [from, to) of the buffer, cut at the file's end. */
static int write_pages(struct intake *in, const struct intake_file *file, uint64_t page,
		       unsigned from, unsigned to, struct err *err)
{
	uint64_t at = (page + from) * PAGE_BYTES, len = (uint64_t)(to - from) * PAGE_BYTES;
	int r;

	if (at >= file->size)
		return fail(err, ERR_protocol, "page behind the end of its file");
	if (len > file->size - at)
		len = file->size - at;
	r = stash_charge(in->stash, len, 0, err);
	if (!r)
		r = file_pwrite_all(file->fd, in->buf + (size_t)from * PAGE_BYTES, len, (off_t)at,
				    err);
	return r;
}

/* Which pages of the record to write: data or references. */
static bool wanted(const struct record *record, unsigned i, bool known)
{
	return known ? bit_get(record->known, i)
		     : !bit_get(record->known, i) && !bit_get(record->zero, i);
}

int intake_write(struct intake *in, const struct intake_file *file, const struct record *record,
		 bool known, struct err *err)
{
	for (unsigned i = 0; i < record->n;) {
		unsigned from = i;
		int r;

		while (i < record->n && wanted(record, i, known))
			i++;
		r = i > from ? write_pages(in, file, record->page, from, i, err) : 0;
		if (r)
			return r;
		i += i == from;
	}
	return 0;
}

static int take_data(struct intake *in, const struct intake_file *file, const struct record *record,
		     struct err *err)
{
	const uint8_t *p = record->data;
	unsigned left = record->n_data;
	int r;

	for (unsigned i = 0; i < record->n; i++) {
		uint8_t *page = in->buf + (size_t)i * PAGE_BYTES;
		size_t len;

		if (!wanted(record, i, false))
			continue;
		len = --left ? PAGE_BYTES : record->tail;
		memcpy(page, p, len);
		memset(page + len, 0, PAGE_BYTES - len);
		p += len;
	}
	r = intake_write(in, file, record, false, err);
	for (unsigned i = 0; !r && i < record->n; i++)
		if (wanted(record, i, false))
			stash_put(in->stash, page_digest(in->buf + (size_t)i * PAGE_BYTES),
				  PLACE(record->id, record->page + i));
	return r;
}

int intake_record(struct intake *in, const struct record *record, struct err *err)
{
	struct intake_file *file;
	int r;

	if (record->is_file)
		return declare(in, record, err);
	if (!record->id)
		return take_seed(in, record, err);
	r = find_file(in, record->id, false, &file, err);
	if (!r && record->n_data)
		r = take_data(in, file, record, err);
	if (!r && record->n_known)
		r = intake_references(in, file, record, err);
	return r;
}

int intake_drop(struct intake *in, const uint8_t *ids, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		char name[RECEIVER_NAME_SIZE];
		uint32_t id;

		memcpy(&id, ids + i * sizeof(id), sizeof(id));
		if (!id || id > FILE_ID_MAX)
			return fail(err, ERR_protocol, "file number outside its limits");
		receiver_name(name, id);
		if (unlinkat(id & FILE_BLOB ? in->tree : in->images, name, 0) && errno != ENOENT)
			return fail_errno(err, ERR_io, "dropping a staging file");
	}
	return 0;
}
