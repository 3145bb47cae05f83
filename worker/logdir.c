/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/logdir.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- keeping --- */

static int copy(int from, int to, struct err *err)
{
	char buf[64 * 1024];
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) < 0)
		return fail_errno(err, ERR_io, "log");
	if (st.st_size > LOGDIR_FILE_MAX)
		at = st.st_size - LOGDIR_FILE_MAX;
	for (;;) {
		ssize_t n = pread(from, buf, sizeof(buf), at);
		int rc;

		if (n == 0)
			return 0;
		if (n < 0)
			return fail_errno(err, ERR_io, "log");
		rc = file_write_all(to, buf, (size_t)n, err);
		if (rc)
			return rc;
		at += n;
	}
}

/* The directory of one migration, made when there is none. Whoever may write to the parent must not
 * lead us elsewhere: no symlink, and root's own. */
static int open_dir(const char *dir, const char *migration, bool make, struct err *err)
{
	auto_close int top = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int fd;

	if (!ulid_ok(migration))
		return fail(err, ERR_invalid, "\"%s\" is no migration", migration);
	if (top < 0 || fstat(top, &st) < 0)
		return fail_errno(err, errno == ENOENT ? ERR_nosuch : ERR_io, "%s", dir);
	if (st.st_uid != geteuid())
		return fail(err, ERR_denied, "%s is not ours", dir);
	if (make && mkdirat(top, migration, 0700) < 0 && errno != EEXIST)
		return fail_errno(err, ERR_io, "%s/%s", dir, migration);
	fd = file_open_beneath(top, migration, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fail(err, fd == -ENOENT ? ERR_nosuch : ERR_io, "%s/%s: %s", dir, migration,
			    strerror(-fd));
	return fd;
}

int logdir_keep(const char *dir, const char *migration, const char *name, int from,
		const char *extra, struct err *err)
{
	auto_close int fd = open_dir(dir, migration, true, err), to = -1;
	int rc;

	if (fd < 0)
		return fd;
	unlinkat(fd, name, 0);
	to = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return fail_errno(err, ERR_io, "%s/%s/%s", dir, migration, name);
	rc = copy(from, to, err);
	if (!rc && extra && *extra)
		rc = file_write_all(to, extra, strlen(extra), err);
	if (rc) /* half a log is better than none, and says so */
		err_wrap(err, "%s/%s/%s", dir, migration, name);
	return rc;
}

/* --- reading --- */

ssize_t logdir_read_fd(int fd, uint64_t offset, char *buf, size_t size, uint64_t *ret_total,
		       struct err *err)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fail(err, ERR_nosuch, "no log");
	*ret_total = (uint64_t)st.st_size;
	if (offset >= *ret_total)
		return buf[0] = '\0', 0;
	n = pread(fd, buf, size - 1, (off_t)offset);
	if (n < 0)
		return fail_errno(err, ERR_io, "log");
	for (ssize_t i = 0; i < n; i++)
		if (!buf[i])
			buf[i] = ' ';
	buf[n] = '\0';
	return n;
}

ssize_t logdir_read(const char *dir, const char *migration, const char *name, uint64_t offset,
		    char *buf, size_t size, uint64_t *ret_total, struct err *err)
{
	auto_close int fd = open_dir(dir, migration, false, err), log = -1;

	if (fd < 0)
		return fd;
	log = file_open_beneath(fd, name, O_RDONLY | O_NOFOLLOW, 0);
	if (log < 0)
		return fail(err, ERR_nosuch, "%s/%s/%s: %s", dir, migration, name, strerror(-log));
	return logdir_read_fd(log, offset, buf, size, ret_total, err);
}

/* --- pruning --- */

struct kept {
	char migration[ULID_SIZE];
	uint64_t changed_s, bytes;
};

static void measure(int top, const char *migration, struct kept *ret)
{
	int fd = file_open_beneath(top, migration, O_RDONLY | O_DIRECTORY, 0);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	*ret = (struct kept){0};
	str_copy(ret->migration, sizeof(ret->migration), migration);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		ret->bytes += (uint64_t)st.st_size;
		if ((uint64_t)st.st_mtime > ret->changed_s)
			ret->changed_s = (uint64_t)st.st_mtime;
	}
}

static int newest_first(const void *a, const void *b)
{
	const struct kept *left = a, *right = b;

	if (left->changed_s != right->changed_s)
		return left->changed_s < right->changed_s ? 1 : -1;
	return -strcmp(left->migration, right->migration);
}

static struct kept *list(int top, size_t *ret_n)
{
	int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct kept *v = NULL;
	struct dirent *entry;

	*ret_n = 0;
	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		if (!ulid_ok(entry->d_name))
			continue;
		v = mem_grow(v, *ret_n + 1, sizeof(*v));
		measure(top, entry->d_name, &v[(*ret_n)++]);
	}
	if (*ret_n)
		qsort(v, *ret_n, sizeof(*v), newest_first);
	return v;
}

size_t logdir_prune(const char *dir, uint64_t now_s, uint64_t max_age_s, uint64_t max_bytes)
{
	auto_close int top = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_free struct kept *v = NULL;
	char path[PATH_MAX];
	uint64_t bytes = 0;
	size_t n, removed = 0;

	if (top < 0)
		return 0;
	v = list(top, &n);
	for (size_t i = 0; i < n; i++) {
		bool old = v[i].changed_s + max_age_s < now_s;

		bytes += v[i].bytes;
		if (!old && bytes <= max_bytes)
			continue;
		if (str_fmt(path, sizeof(path), "%s/%s", dir, v[i].migration) &&
		    !file_rmtree(path, NULL))
			removed++;
	}
	return removed;
}
