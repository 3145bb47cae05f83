/* SPDX-License-Identifier: MPL-2.0
 *
 * Reading jansson values that somebody else wrote: a missing or mistyped member is its default,
 * never a crash. */
#ifndef DROVER_RUNTIME_JSON_H
#define DROVER_RUNTIME_JSON_H

#include "base/err.h"
#include "base/str.h"

#include <jansson.h>
#include <stdint.h>
#include <string.h>

static inline void cleanup_json(json_t **json)
{
	json_decref(*json);
}

#define auto_json __attribute__((cleanup(cleanup_json)))

/* Text without a NUL inside, or NULL. Borrowed from object. */
static inline const char *json_text(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
		return NULL;
	return json_string_value(v);
}

static inline uint64_t json_count(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v)
							       : 0;
}

#endif
