/* SPDX-License-Identifier: MPL-2.0
 *
 * The store's front: whatever the engine. */
#include "coordinator/store.h"

int store_lead(struct store *store, uint64_t *ret_term, struct err *err)
{
	return store->ops->lead(store, ret_term, err);
}

int store_append(struct store *store, const struct effect_record *records, size_t n,
		 struct err *err)
{
	return n ? store->ops->append(store, records, n, err) : 0;
}

int store_replay(struct store *store, size_t finished_max, store_row_fn *row, void *arg,
		 struct err *err)
{
	return store->ops->replay(store, finished_max, row, arg, err);
}

int store_put(struct store *store, const char *key, const void *data, size_t len, struct err *err)
{
	return store->ops->put(store, key, data, len, err);
}

int store_get(struct store *store, const char *key, char **ret_text, struct err *err)
{
	return store->ops->get(store, key, ret_text, err);
}

int store_watch(struct store *store)
{
	return store->ops->watch(store);
}

void store_close(struct store **store)
{
	if (*store)
		(*store)->ops->close(*store);
	*store = NULL;
}
