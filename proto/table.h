/* SPDX-License-Identifier: MPL-2.0
 *
 * The schema's rows as data, for the walkers in this folder. */
#ifndef DROVER_PROTO_TABLE_H
#define DROVER_PROTO_TABLE_H

#include "proto/schema.h"

enum field_kind {
	FIELD_u64,
	FIELD_i64,
	FIELD_f64,
	FIELD_flag,
	FIELD_str,
	FIELD_bin,
	FIELD_strs,
	FIELD_obj,
	FIELD_list,
};

struct field {
	uint16_t key;
	uint8_t kind;
	uint32_t max;      /* bytes of a text, items of a list */
	uint32_t max_each; /* bytes of each text of a list */
	const char *name;
	size_t offset;
	const struct table *sub;
};

struct table {
	const char *name;
	size_t size;
	const struct field *fields;
	size_t n;
};

/* The common shape of every list field. */
struct field_list {
	void *v;
	size_t n;
};

/* NULL when there is none. */
const struct table *table_of_type(enum msg_type type);
const struct table *table_of_record(const char *name);
const struct field *table_find_key(const struct table *t, uint64_t key);

static inline const void *field_at(const void *record, const struct field *f)
{
	return (const char *)record + f->offset;
}

/* Absent fields (0, NULL, empty) do not travel. */
bool field_present(const struct field *f, const void *at);

#endif
