/* SPDX-License-Identifier: MPL-2.0
 *
 * Walks the records of a data frame. Every length is compared with the bytes that are left before
 * it is used. */
#include "transfer/frame.h"

#include <string.h>

static int pages_next(const uint8_t *p, size_t left, size_t *ret_used, struct record *ret,
		      struct err *err)
{
	struct record_pages h;
	size_t map, data, need;

	if (left < sizeof(h))
		return fail(err, ERR_protocol, "record cut short");
	memcpy(&h, p, sizeof(h));
	if (!h.n || h.n > PAGE_RUN || h.id > FILE_ID_MAX || h.page >> 38)
		return fail(err, ERR_protocol, "record outside its limits");
	map = (h.n + 7u) / 8;
	if (left < sizeof(h) + 2 * map)
		return fail(err, ERR_protocol, "record cut short");
	*ret = (struct record){.id = h.id, .page = h.page, .n = h.n, .tail = h.tail};
	ret->zero = p + sizeof(h);
	ret->known = ret->zero + map;
	ret->digests = ret->known + map;
	for (unsigned i = 0; i < h.n; i++) {
		bool zero = bit_get(ret->zero, i), known = bit_get(ret->known, i);

		if (zero && known)
			return fail(err, ERR_protocol, "page both zero and known");
		ret->n_known += known;
		ret->n_data += !zero && !known;
	}
	if (ret->n_data ? !h.tail || h.tail > PAGE_BYTES : h.tail != 0)
		return fail(err, ERR_protocol, "record with a wrong tail");
	ret->data = ret->digests + ret->n_known * sizeof(struct digest);
	data = ret->n_data ? (ret->n_data - 1) * (size_t)PAGE_BYTES + h.tail : 0;
	need = sizeof(h) + 2 * map + ret->n_known * sizeof(struct digest) + data;
	if (left < need)
		return fail(err, ERR_protocol, "record cut short");
	*ret_used = need;
	return 1;
}

int record_next(const uint8_t *payload, size_t len, size_t *at, struct record *ret, struct err *err)
{
	const uint8_t *p = payload + *at;
	size_t left = len - *at, used = 0;
	struct record_file file;
	int r;

	if (!left)
		return 0;
	if (*p == 'P') {
		r = pages_next(p, left, &used, ret, err);
		if (r == 1)
			*at += used;
		return r;
	}
	if (*p != 'F' || left < sizeof(file))
		return fail(err, ERR_protocol, "unknown or cut record");
	memcpy(&file, p, sizeof(file));
	if (!file.id || file.id > FILE_ID_MAX || file.size >> 50)
		return fail(err, ERR_protocol, "file outside its limits");
	*ret = (struct record){.is_file = true, .id = file.id, .size = file.size};
	*at += sizeof(file);
	return 1;
}
