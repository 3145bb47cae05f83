/* SPDX-License-Identifier: MPL-2.0
 *
 * Depth first, in the order of bytes. Regular files and directories are opened once and everything
 * else about them is asked of the descriptor; other entries are asked of their directory. */
#include "transfer/walk.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "transfer/beneath.h"
#include "transfer/handoff.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEPTH_MAX 512
#define XATTR_NAMES_MAX 65536

struct walk {
	int fd; /* to the sender */
	const struct reader_plan *plan;
	uint32_t tree;
	char path[PATH_MAX]; /* of the entry at hand, relative to the root; "." for the root */
	char names[XATTR_NAMES_MAX];
	uint8_t xattrs[HANDOFF_TAIL_MAX];
	size_t xattr_len;
};

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int name_list_read(struct name_list *list, int dirfd, struct err *err)
{
	auto_closedir DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	size_t room = 0;

	if (!dir)
		return fail_errno(err, ERR_io, "reading a directory");
	while (errno = 0, e = readdir(dir)) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (list->n == room) {
			room = room ? 2 * room : 32;
			list->v = mem_grow(list->v, room, sizeof(*list->v));
		}
		list->v[list->n++] = str_dup(e->d_name);
	}
	if (errno)
		return fail_errno(err, ERR_io, "reading a directory");
	if (list->n)
		qsort(list->v, list->n, sizeof(*list->v), by_bytes);
	return 0;
}

void name_list_done(struct name_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct name_list){0};
}

static int add_xattr(struct walk *w, const char *proc, int fd, const char *name, struct err *err)
{
	uint32_t lens[2] = {(uint32_t)strlen(name) + 1, 0};
	uint8_t *at = w->xattrs + w->xattr_len;
	size_t left = sizeof(w->xattrs) - w->xattr_len, head = sizeof(lens) + lens[0];
	ssize_t n;

	if (left <= head)
		return fail(err, ERR_invalid, "%s has too many extended attributes", w->path);
	n = fd >= 0 ? fgetxattr(fd, name, at + head, left - head)
		    : lgetxattr(proc, name, at + head, left - head);
	if (n < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
		return 0;
	if (n < 0)
		return fail_errno(err, ERR_io, "extended attribute %s of %s", name, w->path);
	lens[1] = (uint32_t)n;
	memcpy(at, lens, sizeof(lens));
	memcpy(at + sizeof(lens), name, lens[0]);
	w->xattr_len += head + (size_t)n;
	return 0;
}

/* overlayfs's own notes about the inodes and the file system below, which mean nothing elsewhere.
 */
static bool of_this_host(const char *name)
{
	return str_eq(name, "trusted.overlay.origin") || str_eq(name, "trusted.overlay.uuid");
}

/* Of an open file (fd ≥ 0), or of an entry that cannot be opened, by way of its directory. */
static int read_xattrs(struct walk *w, int fd, int dirfd, const char *name, struct err *err)
{
	char proc[PATH_MAX + 32];
	ssize_t n;
	int r = 0;

	w->xattr_len = 0;
	str_fmt(proc, sizeof(proc), "/proc/self/fd/%d/%s", dirfd, name);
	n = fd >= 0 ? flistxattr(fd, w->names, sizeof(w->names))
		    : llistxattr(proc, w->names, sizeof(w->names));
	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOENT))
		return 0;
	if (n < 0)
		return fail_errno(err, ERR_io, "extended attributes of %s", w->path);
	for (char *p = w->names; !r && p < w->names + n; p += strlen(p) + 1)
		if (!of_this_host(p))
			r = add_xattr(w, proc, fd, p, err);
	return r;
}

static int send_entry(struct walk *w, const struct stat *st, const char *link, int file,
		      struct err *err)
{
	struct handoff head = {.kind = HANDOFF_entry,
			       .root = w->tree,
			       .mode = st->st_mode,
			       .uid = st->st_uid,
			       .gid = st->st_gid,
			       .mtime_s = st->st_mtim.tv_sec,
			       .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
			       .ctime_s = st->st_ctim.tv_sec,
			       .ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
			       .dev = st->st_dev,
			       .ino = st->st_ino,
			       .nlink = st->st_nlink,
			       .size = (uint64_t)st->st_size,
			       .rdev = st->st_rdev,
			       .seen_ms = clock_wall_ms()};

	return handoff_send(w->fd, &head, w->path, link, w->xattrs, w->xattr_len, &file,
			    S_ISREG(st->st_mode) ? 1 : 0, err);
}

static int walk_dir(struct walk *w, int dirfd, const struct stat *st, unsigned depth,
		    struct err *err);

/* A directory or a regular file. Mount points are sent as they are and not entered. */
static int walk_open(struct walk *w, int dirfd, const char *name, const struct stat *seen,
		     unsigned depth, struct err *err)
{
	int flags = O_RDONLY | O_NONBLOCK | O_NOATIME | (S_ISDIR(seen->st_mode) ? O_DIRECTORY : 0);
	auto_close int fd = open_beneath(dirfd, name, flags);
	struct stat st;
	int r;

	if (fd == -EPERM)
		fd = open_beneath(dirfd, name, flags & ~O_NOATIME);
	if (fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR)
		return 0; /* changed under the walk: the next pass sees it */
	if (fd == -EXDEV) {
		w->xattr_len = 0;
		return S_ISDIR(seen->st_mode) ? send_entry(w, seen, NULL, -1, err) : 0;
	}
	if (fd < 0) {
		errno = -fd;
		return fail_errno(err, ERR_io, "opening %s", w->path);
	}
	if (fstat(fd, &st))
		return fail_errno(err, ERR_io, "stat of %s", w->path);
	if ((st.st_mode & S_IFMT) != (seen->st_mode & S_IFMT))
		return 0;
	if (S_ISDIR(st.st_mode))
		return walk_dir(w, fd, &st, depth + 1, err);
	r = read_xattrs(w, fd, dirfd, name, err);
	return r ? r : send_entry(w, &st, NULL, fd, err);
}

static int walk_other(struct walk *w, int dirfd, const char *name, const struct stat *st,
		      struct err *err)
{
	char link[PATH_MAX] = "";
	ssize_t n = 0;
	int r;

	if (S_ISLNK(st->st_mode))
		n = readlinkat(dirfd, name, link, sizeof(link) - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : fail_errno(err, ERR_io, "link %s", w->path);
	link[n] = '\0';
	r = read_xattrs(w, -1, dirfd, name, err);
	return r ? r : send_entry(w, st, link, -1, err);
}

static bool excluded(const struct walk *w)
{
	const struct reader_plan *plan = w->plan;

	for (size_t i = 0; i < plan->n_excludes; i++)
		if (str_eq(plan->excludes[i].name, plan->trees[w->tree].name) &&
		    str_eq(plan->excludes[i].value, w->path))
			return true;
	return false;
}

static int walk_name(struct walk *w, int dirfd, const char *name, unsigned depth, struct err *err)
{
	struct stat st;

	if (excluded(w))
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		return errno == ENOENT ? 0 : fail_errno(err, ERR_io, "stat of %s", w->path);
	if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
		return walk_open(w, dirfd, name, &st, depth, err);
	if (S_ISSOCK(st.st_mode))
		return 0; /* whoever listens makes it anew; criu brings open ones */
	return walk_other(w, dirfd, name, &st, err);
}

static int walk_dir(struct walk *w, int dirfd, const struct stat *st, unsigned depth,
		    struct err *err)
{
	size_t len = str_eq(w->path, ".") ? 0 : strlen(w->path);
	struct name_list names = {0};
	int r = depth < DEPTH_MAX ? 0 : fail(err, ERR_invalid, "%s is nested too deeply", w->path);

	if (!r)
		r = read_xattrs(w, dirfd, -1, "", err);
	if (!r)
		r = send_entry(w, st, NULL, -1, err);
	if (!r)
		r = name_list_read(&names, dirfd, err);
	for (size_t i = 0; !r && i < names.n; i++) {
		if (!str_fmt(w->path + len, sizeof(w->path) - len, "%s%s", len ? "/" : "",
			     names.v[i]))
			r = fail(err, ERR_invalid, "path too long below %.200s", w->path);
		else
			r = walk_name(w, dirfd, names.v[i], depth, err);
	}
	w->path[len] = '\0';
	name_list_done(&names);
	return r;
}

static int send_excludes(const struct walk *w, struct err *err)
{
	const struct reader_plan *plan = w->plan;
	int r = 0;

	for (size_t i = 0; !r && i < plan->n_excludes; i++) {
		struct handoff head = {.kind = HANDOFF_skip, .root = w->tree};

		if (str_eq(plan->excludes[i].name, plan->trees[w->tree].name))
			r = handoff_send(w->fd, &head, plan->excludes[i].value, NULL, NULL, 0, NULL,
					 0, err);
	}
	return r;
}

int walk_tree(int fd, const struct reader_plan *plan, size_t tree, struct err *err)
{
	const char *path = plan->trees[tree].value;
	auto_close int root = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_free struct walk *w = mem_new_of(struct walk);
	struct stat st;
	int r;

	if (root < 0 || fstat(root, &st))
		return fail_errno(err, ERR_io, "opening %s", path);
	w->fd = fd;
	w->plan = plan;
	w->tree = (uint32_t)tree;
	str_copy(w->path, sizeof(w->path), ".");
	r = send_excludes(w, err);
	if (!r)
		r = walk_dir(w, root, &st, 0, err);
	return r ? err_wrap(err, "%s", path) : 0;
}
