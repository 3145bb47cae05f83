/* SPDX-License-Identifier: MPL-2.0
 *
 * The executor's journal: which containers of this host are in other hands, or were. Append-only
 * rows of one size with a checksum, the last row of a migration counts. A row is on disk (fsync)
 * before the act that it announces; a failed fsync ends the process, because what the kernel then
 * holds is unknown (https://wiki.postgresql.org/wiki/Fsync_Errors). */
#ifndef DROVER_WORKER_JOURNAL_H
#define DROVER_WORKER_JOURNAL_H

#include "base/err.h"
#include "worker/handover.h"

#define JOURNAL_BATCH_MAX 8 /* rows of one append */

struct journal;

/* Opens (or makes) the journal, locks it and calls each for the last row of every migration. A torn
 * last append does not count, not one row of it; a damaged row in the middle, or a part of a batch,
 * is -ERR_corrupt and names its number. It is
 * rewritten when it is long; of closed migrations the newest 4096 ids stay as tombstones. */
int journal_open(const char *path, void (*each)(void *arg, const struct handover_row *row),
		 void *arg, struct journal **ret, struct err *err);
void journal_close(struct journal **journal);

/* Durable when it returns 0. -ERR_nospace when there is no room: nothing was written. Any other
 * failure of write or fsync ends the process. */
int journal_append(struct journal *journal, const struct handover_row *row, struct err *err);

/* The same for up to JOURNAL_BATCH_MAX rows with one write and one fsync: all of them count, or
 * none, whatever happens in between. */
int journal_append_all(struct journal *journal, const struct handover_row *const *rows, size_t n,
		       struct err *err);

/* Calls each for every good row in order, closed ones too, without a lock and without changing
 * anything: a worker may be writing to it. An absent journal is an empty one; -ERR_corrupt as
 * above. */
int journal_read(const char *path, void (*each)(void *arg, const struct handover_row *row),
		 void *arg, struct err *err);

/* The closed row of a container with the greatest epoch; false when there is none. */
bool journal_closed_of(const struct journal *journal, const char *container,
		       struct handover_row *ret_row);

/* Whether a migration was closed here: it may never begin again, whoever asks. ret_row (may be
 * NULL) gets what the tombstone keeps: container, peer, side, epoch and the last state. */
bool journal_closed(const struct journal *journal, const char *migration,
		    struct handover_row *ret_row);

#endif
