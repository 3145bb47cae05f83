/* SPDX-License-Identifier: MPL-2.0
 *
 * Whole reads with a limit, durable atomic writes, and walks that cannot leave their root. */
#include "base/file.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Reads from fd until its end; files of /proc and /sys tell no size. */
static int read_fd(int fd, const char *path, size_t max, char **ret_data, size_t *ret_len,
		   struct err *err)
{
	auto_free char *data = NULL;
	size_t len = 0, size = 4096;

	for (;;) {
		ssize_t n;

		data = mem_grow(data, size + 1, 1);
		n = read(fd, data + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(err, ERR_io, "reading %s", path);
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return fail(err, ERR_invalid, "%s is larger than %zu bytes", path, max);
		if (len == size)
			size *= 2;
	}
	data[len] = '\0';
	*ret_data = mem_take(data);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int file_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fail_errno(err, errno == ENOENT ? ERR_nosuch : ERR_io, "opening %s", path);
	return read_fd(fd, path, max, ret_data, ret_len, err);
}

ssize_t file_read_line(int dirfd, const char *path, char *buf, size_t size)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

int file_poke(int dirfd, const char *path, const char *text)
{
	auto_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int file_write_all(int fd, const void *data, size_t len, struct err *err)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(err, ERR_io, "write");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_pwrite_all(int fd, const void *data, size_t len, off_t at, struct err *err)
{
	const char *p = data;

	while (len) {
		ssize_t n = pwrite(fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(err, ERR_io, "pwrite");
		p += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_sync_dir(const char *path, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return fail_errno(err, ERR_io, "syncing directory %s", path);
	return 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
	char temporary[PATH_MAX], directory[PATH_MAX];
	auto_close int fd = -1;
	int rc;

	if (!str_fmt(temporary, sizeof(temporary), "%s.new", path) ||
	    !str_copy(directory, sizeof(directory), path))
		return fail(err, ERR_invalid, "path too long: %s", path);
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return fail_errno(err, ERR_io, "creating %s", temporary);
	rc = file_write_all(fd, data, len, err);
	if (!rc && fsync(fd) < 0)
		rc = fail_errno(err, ERR_io, "fsync");
	if (!rc && rename(temporary, path) < 0)
		rc = fail_errno(err, ERR_io, "rename");
	if (rc) {
		unlink(temporary);
		return err_wrap(err, "writing %s", path), rc;
	}
	return file_sync_dir(dirname(directory), err);
}

int file_mkdirs(const char *path, mode_t mode, struct err *err)
{
	char level[PATH_MAX];

	if (!str_copy(level, sizeof(level), path))
		return fail(err, ERR_invalid, "path too long: %s", path);
	for (char *p = level + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(level, mode) < 0 && errno != EEXIST)
			return fail_errno(err, ERR_io, "creating directory %s", level);
		if (!c)
			return 0;
		*p = c;
	}
}

int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* A mount by its number; by its device where the kernel (before 5.8) has no such number. A bind
 * mount from the same file system has the same device. */
static uint64_t mount_of(const struct statx *st)
{
	if (st->stx_mask & STATX_MNT_ID)
		return st->stx_mnt_id;
	return (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
}

static int look(int dirfd, const char *name, struct statx *ret)
{
	return statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_MNT_ID,
		     ret);
}

/* Empties the directory `name` in dirfd; other mounts are left alone. */
static int empty_dir(int dirfd, const char *name, uint64_t mount, unsigned depth)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	while ((entry = readdir(dir))) {
		struct statx st;

		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		if (look(fd, entry->d_name, &st) < 0)
			continue;
		if (mount_of(&st) != mount || depth > 200) {
			rc = -EBUSY;
			continue;
		}
		if (S_ISDIR(st.stx_mode) && empty_dir(fd, entry->d_name, mount, depth + 1) < 0)
			rc = -EBUSY;
		if (unlinkat(fd, entry->d_name, S_ISDIR(st.stx_mode) ? AT_REMOVEDIR : 0) < 0)
			rc = -errno;
	}
	return rc;
}

int file_rmtree(const char *path, struct err *err)
{
	struct statx st;

	if (look(AT_FDCWD, path, &st) < 0)
		return errno == ENOENT ? 0 : fail_errno(err, ERR_io, "removing %s", path);
	if (S_ISDIR(st.stx_mode)) {
		int rc = empty_dir(AT_FDCWD, path, mount_of(&st), 0);

		if (rc < 0) {
			errno = -rc;
			return fail_errno(err, ERR_io, "emptying %s", path);
		}
	}
	if (remove(path) < 0 && errno != ENOENT)
		return fail_errno(err, ERR_io, "removing %s", path);
	return 0;
}

int file_read_secret(const char *path, size_t max, char **ret_data, size_t *ret_len,
		     struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return fail_errno(err, errno == ENOENT ? ERR_nosuch : ERR_io, "opening key file %s",
				  path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return fail(err, ERR_config, "key file %s is not a regular file", path);
	if (st.st_mode & 077) {
		fail(err, ERR_config, "key file %s can be read by others (mode %04o)", path,
		     (unsigned)st.st_mode & 07777);
		return err_fix(err, "chmod 600 %s; make a new key if others may have read it",
			       path);
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		fail(err, ERR_config, "key file %s belongs to user %u", path, (unsigned)st.st_uid);
		return err_fix(err, "chown it to the user that runs drover");
	}
	return read_fd(fd, path, max, ret_data, ret_len, err);
}

/* The CRC of byte i followed by k zeros; the loop over bits took half of a simulation's time. */
static const uint32_t *crc_tables(void)
{
	static uint32_t table[8][256];
	static atomic_bool ready;

	if (atomic_load_explicit(&ready, memory_order_acquire))
		return table[0];
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82f63b78U & -(crc & 1));
		table[0][i] = crc;
	}
	for (int k = 1; k < 8; k++)
		for (int i = 0; i < 256; i++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
	atomic_store_explicit(&ready, true, memory_order_release);
	return table[0];
}

/* Eight bytes a round: Kounavis and Berry, "Novel Table Lookup-Based Algorithms for
 * High-Performance CRC Generation", 2008. */
uint32_t file_crc32c(uint32_t crc, const void *data, size_t len)
{
	const uint32_t *table = crc_tables();
	const uint8_t *p = data;

	crc = ~crc;
	for (; len >= 8; len -= 8, p += 8)
		crc = table[7 * 256 + (p[0] ^ (crc & 0xff))] ^
		      table[6 * 256 + (p[1] ^ (crc >> 8 & 0xff))] ^
		      table[5 * 256 + (p[2] ^ (crc >> 16 & 0xff))] ^
		      table[4 * 256 + (p[3] ^ crc >> 24)] ^ table[3 * 256 + p[4]] ^
		      table[2 * 256 + p[5]] ^ table[256 + p[6]] ^ table[p[7]];
	while (len--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}
