/* SPDX-License-Identifier: MPL-2.0
 *
 * Files: whole reads with a limit, atomic durable writes, walks that cannot leave their root. */
#ifndef DROVER_BASE_FILE_H
#define DROVER_BASE_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a whole file of at most max bytes; *ret_data is heap, NUL-terminated past ret_len (which
 * may be NULL). -ERR_nosuch when absent, -ERR_invalid when larger. Works on /proc and /sys. */
int file_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct err *err);

/* Reads a short file relative to dirfd into buf[size], trailing newline cut. Returns length or
 * -errno: for /proc, /sys and cgroup files on hot paths. */
ssize_t file_read_line(int dirfd, const char *path, char *buf, size_t size);

/* Writes text to an existing file (cgroup, sysfs, proc) in one write(2). 0 or -errno. */
int file_poke(int dirfd, const char *path, const char *text);

/* Replaces path durably: temporary file in the same directory, fsync, rename, fsync of the
 * directory. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *err);

/* write(2) until all is out; pwrite likewise. 0 or -ERR_io/-ERR_nospace. */
int file_write_all(int fd, const void *data, size_t len, struct err *err);
int file_pwrite_all(int fd, const void *data, size_t len, off_t at, struct err *err);

/* mkdir -p with mode for each new level; an existing directory is fine. */
int file_mkdirs(const char *path, mode_t mode, struct err *err);

/* Opens path below dirfd with openat2(2) RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS. fd or -errno. */
int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* Removes a tree without following symlinks or crossing into another mount. An absent path is fine.
 */
int file_rmtree(const char *path, struct err *err);

/* fsync of a directory by path. */
int file_sync_dir(const char *path, struct err *err);

/* A secret: refused with -ERR_config (what, why, fix) unless a regular file, owned by the caller
 * or root, with no access for group and others. Otherwise as file_read. */
int file_read_secret(const char *path, size_t max, char **ret_data, size_t *ret_len,
		     struct err *err);

/* CRC-32C (Castagnoli, RFC 3720 B.4) of len bytes, continuing from crc (0 at the start). */
uint32_t file_crc32c(uint32_t crc, const void *data, size_t len);

#endif
