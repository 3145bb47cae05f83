/* SPDX-License-Identifier: MPL-2.0
 *
 * Removal, under the same rules as the walk: beneath the root, no symlinks, no other mounts. */
#include "transfer/apply.h"

#include "base/mem.h"
#include "base/str.h"
#include "transfer/beneath.h"
#include "transfer/walk.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 512

struct apply_index {
	const struct manifest *manifest;
	const struct manifest_entry **v; /* by root and path */
};

static int compare(const struct manifest_entry *a, const struct manifest_entry *b)
{
	return a->root != b->root ? (a->root < b->root ? -1 : 1) : strcmp(a->path, b->path);
}

static int by_path(const void *a, const void *b)
{
	return compare(*(const struct manifest_entry *const *)a,
		       *(const struct manifest_entry *const *)b);
}

struct apply_index *apply_index_new(const struct manifest *m)
{
	struct apply_index *index = mem_new_of(struct apply_index);

	index->manifest = m;
	index->v = mem_new(m->n_entries + 1, sizeof(const struct manifest_entry *));
	for (size_t i = 0; i < m->n_entries; i++)
		index->v[i] = &m->entries[i];
	qsort(index->v, m->n_entries, sizeof(*index->v), by_path);
	return index;
}

void apply_index_free(struct apply_index **index)
{
	if (*index)
		free(((*index)->v));
	free(*index);
	*index = NULL;
}

static const struct manifest_entry *find(const struct apply_index *index, uint32_t root,
					 const char *path)
{
	struct manifest_entry key = {.root = root, .path = path}, *p = &key;
	const struct manifest_entry **found =
		bsearch(&p, index->v, index->manifest->n_entries, sizeof(*index->v), by_path);

	return found ? *found : NULL;
}

static bool skipped(const struct manifest *m, uint32_t root, const char *path)
{
	for (size_t i = 0; i < m->n_skips; i++)
		if (m->skips[i].root == root && str_eq(m->skips[i].name, path))
			return true;
	return false;
}

static int remove_deep(int dirfd, const char *name, unsigned depth, struct err *err)
{
	struct name_list names = {0};
	auto_close int fd = -1;
	int r;

	if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fail_errno(err, ERR_io, "removing %s", name);
	fd = open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0 || depth >= DEPTH_MAX) {
		errno = fd < 0 ? -fd : ELOOP;
		return fail_errno(err, ERR_io, "removing %s", name);
	}
	r = name_list_read(&names, fd, err);
	for (size_t i = 0; !r && i < names.n; i++)
		r = remove_deep(fd, names.v[i], depth + 1, err);
	name_list_done(&names);
	if (!r && unlinkat(dirfd, name, AT_REMOVEDIR))
		r = fail_errno(err, ERR_io, "removing %s", name);
	return r;
}

int apply_remove(int dirfd, const char *name, struct err *err)
{
	return remove_deep(dirfd, name, 0, err);
}

static int prune_dir(const struct apply_index *index, uint32_t root, int dirfd, char *path,
		     size_t len, unsigned depth, struct err *err);

/* The entry `path` (name in dirfd): stays as it is, goes, or is looked into. */
static int prune_name(const struct apply_index *index, uint32_t root, int dirfd, const char *name,
		      char *path, unsigned depth, struct err *err)
{
	const struct manifest_entry *e;
	auto_close int fd = -1;
	struct stat st;

	if (skipped(index->manifest, root, path))
		return 0;
	e = find(index, root, path);
	if (!e)
		return apply_remove(dirfd, name, err);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return fail_errno(err, ERR_io, "stat of %s", path);
	if (S_ISDIR(st.st_mode) != (e->type == 'd'))
		return apply_remove(dirfd, name, err);
	if (e->type != 'd')
		return 0;
	fd = open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY);
	if (fd == -EXDEV)
		return 0;
	if (fd < 0) {
		errno = -fd;
		return fail_errno(err, ERR_io, "opening %s", path);
	}
	return prune_dir(index, root, fd, path, strlen(path), depth + 1, err);
}

static int prune_dir(const struct apply_index *index, uint32_t root, int dirfd, char *path,
		     size_t len, unsigned depth, struct err *err)
{
	struct name_list names = {0};
	int r = depth < DEPTH_MAX ? name_list_read(&names, dirfd, err)
				  : fail(err, ERR_invalid, "%s is nested too deeply", path);

	for (size_t i = 0; !r && i < names.n; i++) {
		if (!str_fmt(path + len, PATH_MAX - len, "%s%s", len ? "/" : "", names.v[i]))
			r = fail(err, ERR_invalid, "path too long below %.200s", path);
		else
			r = prune_name(index, root, dirfd, names.v[i], path, depth, err);
	}
	path[len] = '\0';
	name_list_done(&names);
	return r;
}

int apply_prune(const struct apply_index *index, uint32_t root, int root_fd, struct err *err)
{
	auto_free char *path = mem_new(1, PATH_MAX);

	return prune_dir(index, root, root_fd, path, 0, 0, err);
}
