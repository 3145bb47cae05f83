/* SPDX-License-Identifier: MPL-2.0
 *
 * The coordinator's durable memory: an append-only log of records a job, small values by key, and
 * the term of leadership. Six functions behind one table, so that another engine can stand in.
 * What store_append has answered 0 to is on disk. After a failed append the store must not be used
 * any more: what the engine then holds is unknown until it is opened anew. */
#ifndef DROVER_COORDINATOR_STORE_H
#define DROVER_COORDINATOR_STORE_H

#include "base/err.h"
#include "coordinator/effects.h"

#include <stddef.h>
#include <stdint.h>

#define STORE_HISTORY_MAX 10000 /* finished jobs kept */

struct store;

/* One replayed record; borrowed for the call. 0 to go on. */
typedef int store_row_fn(void *arg, enum record_kind kind, const char *key, const void *data,
			 size_t len, struct err *err);

struct store_ops {
	int (*lead)(struct store *store, uint64_t *ret_term, struct err *err);
	int (*append)(struct store *store, const struct effect_record *records, size_t n,
		      struct err *err);
	int (*replay)(struct store *store, size_t finished_max, store_row_fn *row, void *arg,
		      struct err *err);
	int (*put)(struct store *store, const char *key, const void *data, size_t len,
		   struct err *err);
	int (*get)(struct store *store, const char *key, char **ret_text, struct err *err);
	int (*watch)(struct store *store);
	void (*close)(struct store *store);
};

struct store {
	const struct store_ops *ops;
};

/* Opens (or makes) the SQLite store at path and locks it for this process. -ERR_busy when another
 * coordinator has it, -ERR_corrupt when it is damaged, -ERR_config when a newer drover made it. */
int store_open_sqlite(const char *path, struct store **ret, struct err *err);
void store_close(struct store **store);

/* Takes the leadership: a term greater than any before, durable before it is told. */
int store_lead(struct store *store, uint64_t *ret_term, struct err *err);

/* All of them or none, and durable: values replace their predecessors, a closing record makes its
 * job history. -ERR_nospace when the disk is full. */
int store_append(struct store *store, const struct effect_record *records, size_t n,
		 struct err *err);

/* Values first, then the latest finished_max jobs of the history, oldest first, then the records of
 * jobs in flight in the order of their making. */
int store_replay(struct store *store, size_t finished_max, store_row_fn *row, void *arg,
		 struct err *err);

/* One value outside of any turn; and back: heap text, -ERR_nosuch when there is none. */
int store_put(struct store *store, const char *key, const void *data, size_t len, struct err *err);
int store_get(struct store *store, const char *key, char **ret_text, struct err *err);

/* A descriptor that is readable when the leadership is lost, -1 where that cannot happen. */
int store_watch(struct store *store);

#endif
