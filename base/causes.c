/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of causes as data. */
#include "base/causes.h"

#include "base/str.h"

static const struct cause_row rows[CAUSE_COUNT] = {
#define X(id, code, what, fix) [CAUSE_##id] = {code, what, fix},
	CAUSE_TABLE(X)
#undef X
};

const struct cause_row *cause_row(size_t id)
{
	return id < CAUSE_COUNT ? &rows[id] : NULL;
}

const struct cause_row *cause_find(const char *code)
{
	for (size_t i = 0; i < CAUSE_COUNT; i++)
		if (str_eq(rows[i].code, code))
			return &rows[i];
	return NULL;
}
