/* SPDX-License-Identifier: MPL-2.0
 *
 * Shorthands for column extractors; for the files that declare nouns. */
#ifndef DROVER_CLI_COLUMNS_H
#define DROVER_CLI_COLUMNS_H

#include "base/mem.h"
#include "base/str.h"
#include "cli/print.h"
#include "cli/table.h"

#include <inttypes.h>

/* An extractor; and extractors that print one field as it is. */
#define TEXT(what) static void what(struct cell *cell, const void *record)
#define TEXT_OF(name, type, statement) \
	TEXT(name) \
	{ \
		const struct msg_##type *r = record; \
		statement; \
	}
#define TEXT_STR(name, type, field) \
	TEXT_OF(name, type, cell_set(cell, "%s", r->field ? r->field : ""))
#define TEXT_U64(name, type, field) TEXT_OF(name, type, cell_set(cell, "%" PRIu64, r->field))
#define TEXT_F64(name, type, field) TEXT_OF(name, type, cell_set(cell, "%.2f", r->field))
#define TEXT_BYTES(name, type, field) TEXT_OF(name, type, cell_bytes(cell, r->field))
#define TEXT_TIME(name, type, field) TEXT_OF(name, type, cell_time(cell, r->field))

#endif
