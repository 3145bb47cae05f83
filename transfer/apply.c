/* SPDX-License-Identifier: MPL-2.0
 *
 * Entries in manifest order: a directory is made before what is in it, times of directories are set
 * last. Every parent is opened beneath its root anew, so a symlink in the tree leads nowhere. */
#include "transfer/apply.h"

#include "base/mem.h"
#include "base/str.h"
#include "transfer/beneath.h"
#include "transfer/receiver.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct apply {
	const struct manifest *manifest;
	int tree;
	const int *roots;
	int parent; /* open directory of parent_path in parent_root, -1 */
	uint32_t parent_root;
	char parent_path[PATH_MAX];
};

/* Splits a path; the directory's name goes to dir ("." for none), the last name is returned. */
static const char *split(const char *path, char dir[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (!slash) {
		str_copy(dir, PATH_MAX, ".");
		return path;
	}
	str_copy(dir, (size_t)(slash - path) + 1, path);
	return slash + 1;
}

static int open_dir(const struct apply *a, uint32_t root, const char *dir, struct err *err)
{
	int fd = open_beneath(a->roots[root], dir, O_RDONLY | O_DIRECTORY);

	if (fd >= 0)
		return fd;
	errno = -fd;
	return fail_errno(err, ERR_io, "opening directory %s", dir);
}

/* The entry's parent directory, borrowed until the next call, and its last name. */
static int open_parent(struct apply *a, const struct manifest_entry *e, const char **ret_name,
		       struct err *err)
{
	char dir[PATH_MAX];

	*ret_name = split(e->path, dir);
	if (a->parent >= 0 && a->parent_root == e->root && str_eq(a->parent_path, dir))
		return a->parent;
	if (a->parent >= 0)
		close(a->parent);
	a->parent = open_dir(a, e->root, dir, err);
	a->parent_root = e->root;
	str_copy(a->parent_path, sizeof(a->parent_path), dir);
	return a->parent;
}

static void times_of(const struct manifest_entry *e, struct timespec ret[2])
{
	ret[0] = ret[1] = (struct timespec){e->mtime_s, e->mtime_ns};
}

static bool has_xattr(const struct manifest_entry *e, const char *name)
{
	for (size_t i = 0; i < e->n_xattrs; i++)
		if (str_eq(e->xattrs[i].name, name))
			return true;
	return false;
}

/* A directory that was there before may carry attributes which the source's does not. */
static int drop_xattrs(int fd, const struct manifest_entry *e, struct err *err)
{
	char names[XATTR_LIST_MAX];
	ssize_t n = flistxattr(fd, names, sizeof(names));

	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
		if (!str_starts(p, "security.") && !has_xattr(e, p) && fremovexattr(fd, p))
			return fail_errno(err, ERR_io, "attribute %s of %s", p, e->path);
	return 0;
}

static int set_fd(int fd, const struct manifest_entry *e, struct err *err)
{
	struct timespec times[2];

	times_of(e, times);
	if (fchown(fd, e->uid, e->gid) || fchmod(fd, e->mode))
		return fail_errno(err, ERR_io, "owner and mode of %s", e->path);
	for (size_t i = 0; i < e->n_xattrs; i++)
		if (fsetxattr(fd, e->xattrs[i].name, e->xattrs[i].value, e->xattrs[i].len, 0))
			return fail_errno(err, ERR_io, "attribute %s of %s", e->xattrs[i].name,
					  e->path);
	if (futimens(fd, times))
		return fail_errno(err, ERR_io, "times of %s", e->path);
	return 0;
}

/* The same for what cannot be opened: symlinks, devices, fifos. */
static int set_name(int parent, const char *name, const struct manifest_entry *e, struct err *err)
{
	char proc[PATH_MAX];
	struct timespec times[2];

	times_of(e, times);
	if (fchownat(parent, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW))
		return fail_errno(err, ERR_io, "owner of %s", e->path);
	if (e->type != 'l' && fchmodat(parent, name, e->mode, 0))
		return fail_errno(err, ERR_io, "mode of %s", e->path);
	str_fmt(proc, sizeof(proc), "/proc/self/fd/%d/%s", parent, name);
	for (size_t i = 0; i < e->n_xattrs; i++)
		if (lsetxattr(proc, e->xattrs[i].name, e->xattrs[i].value, e->xattrs[i].len, 0))
			return fail_errno(err, ERR_io, "attribute %s of %s", e->xattrs[i].name,
					  e->path);
	if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW))
		return fail_errno(err, ERR_io, "times of %s", e->path);
	return 0;
}

static int make_dir(struct apply *a, const struct manifest_entry *e, struct err *err)
{
	auto_close int fd = -1;
	int r;

	if (!str_eq(e->path, ".")) {
		const char *name;
		int parent = open_parent(a, e, &name, err);

		if (parent < 0)
			return parent;
		if (mkdirat(parent, name, 0700) && errno != EEXIST)
			return fail_errno(err, ERR_io, "creating directory %s", e->path);
	}
	fd = open_dir(a, e->root, e->path, err);
	if (fd < 0)
		return fd;
	r = drop_xattrs(fd, e, err);
	return r ? r : set_fd(fd, e, err);
}

/* Copies the data of a sparse file, holes left out. copy_file_range(2) refuses to go from one type
 * of file system to another. */
static int copy_data(int from, int to, uint64_t size, struct err *err)
{
	off_t at = 0, end;

	if (ftruncate(to, (off_t)size))
		return fail_errno(err, ERR_io, "copying contents");
	while ((uint64_t)at < size && (at = lseek(from, at, SEEK_DATA)) >= 0) {
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0 || lseek(to, at, SEEK_SET) < 0)
			return fail_errno(err, ERR_io, "copying contents");
		while (at < end)
			if (sendfile(to, from, &at, (size_t)(end - at)) <= 0)
				return fail_errno(err, ERR_io, "copying contents");
	}
	return 0;
}

static int copy_file(struct apply *a, const struct manifest_entry *e, int from, const char *blob,
		     int parent, const char *name, struct err *err)
{
	char temp[RECEIVER_NAME_SIZE + 16];
	auto_close int to = -1;
	int r;

	str_fmt(temp, sizeof(temp), ".drover-%s", blob);
	r = apply_remove(parent, temp, err);
	if (r)
		return r;
	to = openat(parent, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return fail_errno(err, ERR_io, "creating %s", e->path);
	r = copy_data(from, to, e->size, err);
	if (!r)
		r = set_fd(to, e, err);
	if (!r && (renameat(parent, temp, parent, name) || unlinkat(a->tree, blob, 0)))
		r = fail_errno(err, ERR_io, "placing %s", e->path);
	if (r)
		unlinkat(parent, temp, 0);
	return r;
}

static int make_file(struct apply *a, const struct manifest_entry *e, struct err *err)
{
	char blob[RECEIVER_NAME_SIZE];
	const char *name;
	int parent = open_parent(a, e, &name, err), r;
	auto_close int fd = -1;

	if (parent < 0)
		return parent;
	receiver_name(blob, e->id);
	fd = openat(a->tree, blob, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(err, ERR_io, "contents of %s", e->path);
	r = set_fd(fd, e, err);
	if (r)
		return r;
	if (!renameat(a->tree, blob, parent, name))
		return 0;
	if (errno == EXDEV)
		return copy_file(a, e, fd, blob, parent, name, err);
	return fail_errno(err, ERR_io, "placing %s", e->path);
}

static int make_link(struct apply *a, const struct manifest_entry *e, struct err *err)
{
	char dir[PATH_MAX];
	const char *name, *first = split(e->link, dir);
	int parent = open_parent(a, e, &name, err), r;
	auto_close int from = -1;

	if (parent < 0)
		return parent;
	from = open_dir(a, e->root, dir, err);
	if (from < 0)
		return from;
	r = apply_remove(parent, name, err);
	if (!r && linkat(from, first, parent, name, 0))
		r = fail_errno(err, ERR_io, "linking %s", e->path);
	return r;
}

static int make_other(struct apply *a, const struct manifest_entry *e, struct err *err)
{
	mode_t type = e->type == 'c' ? S_IFCHR : e->type == 'b' ? S_IFBLK : S_IFIFO;
	const char *name;
	int parent = open_parent(a, e, &name, err), r;

	if (parent < 0)
		return parent;
	r = apply_remove(parent, name, err);
	if (r)
		return r;
	r = e->type == 'l' ? symlinkat(e->link, parent, name)
			   : mknodat(parent, name, type | 0600, makedev(e->major, e->minor));
	if (r)
		return fail_errno(err, ERR_io, "creating %s", e->path);
	return set_name(parent, name, e, err);
}

static int make_entry(struct apply *a, const struct manifest_entry *e, struct err *err)
{
	switch (e->type) {
	case 'd':
		return make_dir(a, e, err);
	case 'f':
		return make_file(a, e, err);
	case 'h':
		return make_link(a, e, err);
	}
	return make_other(a, e, err);
}

/* Making what is in a directory has moved its time. */
static int set_dir_times(struct apply *a, const struct manifest_entry *e, struct err *err)
{
	auto_close int fd = open_dir(a, e->root, e->path, err);
	struct timespec times[2];

	times_of(e, times);
	if (fd < 0)
		return fd;
	return futimens(fd, times) ? fail_errno(err, ERR_io, "times of %s", e->path) : 0;
}

int apply_entries(const struct manifest *m, int tree_fd, const int *roots, struct err *err)
{
	auto_free struct apply *a = mem_new_of(struct apply);
	int r = 0;

	a->manifest = m;
	a->tree = tree_fd;
	a->roots = roots;
	a->parent = -1;
	for (size_t i = 0; !r && i < m->n_entries; i++)
		r = make_entry(a, &m->entries[i], err);
	for (size_t i = m->n_entries; !r && i-- > 0;)
		if (m->entries[i].type == 'd')
			r = set_dir_times(a, &m->entries[i], err);
	if (a->parent >= 0)
		close(a->parent);
	return r;
}
