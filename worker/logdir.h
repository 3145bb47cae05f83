/* SPDX-License-Identifier: MPL-2.0
 *
 * A bounded directory of logs: one directory for each migration, a file for each log, root's alone
 * (0700, 0600). What is too old goes, and the oldest when there is too much. Nothing here is
 * synced: a log that a power loss takes is no loss. */
#ifndef DROVER_WORKER_LOGDIR_H
#define DROVER_WORKER_LOGDIR_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>
#include <sys/types.h>

#define LOGDIR_DAYS 14
#define LOGDIR_FILE_MAX (16u << 20)   /* of one log its last bytes are kept */
#define LOGDIR_TOTAL_MAX (256u << 20) /* of all */

/* Keeps what `from` holds (read from its beginning) as dir/migration/name; an older one is
 * replaced. extra (may be NULL) is put behind it. migration is a ULID, name has no slash. */
int logdir_keep(const char *dir, const char *migration, const char *name, int from,
		const char *extra, struct err *err);

/* At most size - 1 bytes from offset on, NUL-terminated; NULs within become blanks. Returns their
 * number, 0 at the end; *ret_total is the log's length. -ERR_nosuch when there is no such log. */
ssize_t logdir_read(const char *dir, const char *migration, const char *name, uint64_t offset,
		    char *buf, size_t size, uint64_t *ret_total, struct err *err);

/* The same from an open file. */
ssize_t logdir_read_fd(int fd, uint64_t offset, char *buf, size_t size, uint64_t *ret_total,
		       struct err *err);

/* Removes what is older than max_age_s (by its last change), then the oldest until at most
 * max_bytes are left. now_s is wall-clock time. Returns how many migrations were removed. */
size_t logdir_prune(const char *dir, uint64_t now_s, uint64_t max_age_s, uint64_t max_bytes);

#endif
