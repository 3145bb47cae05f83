/* SPDX-License-Identifier: MPL-2.0
 *
 * What a policy's values may be. */
#include "base/policies.h"

#include "base/str.h"

#include <string.h>

static const struct policy_row policy_rows[] = {
#define X(id, name_, type_, words_, max_, help_) \
	[POLICY_##id] = { \
		.name = name_, .type = #type_, .words = words_, .max = max_, .help = help_},
	POLICY_TABLE(X)
#undef X
};

const struct policy_row *policy_row(enum policy_key key)
{
	return &policy_rows[key];
}

enum policy_key policy_key_find(const char *name)
{
	for (enum policy_key key = 0; key < POLICY_KEY_COUNT; key++)
		if (str_eq(policy_rows[key].name, name))
			return key;
	return POLICY_KEY_COUNT;
}

static bool is_word(const char *words, const char *text, uint64_t *ret)
{
	size_t len = strlen(text);

	*ret = 0;
	for (const char *at = words; *at; at += strcspn(at, " "), at += *at == ' ', ++*ret)
		if (len && strcspn(at, " ") == len && !strncmp(at, text, len))
			return true;
	return false;
}

/* "key=value, key=value": neither part empty. */
static bool are_labels(const char *text)
{
	size_t n = 0;

	for (const char *at = text; *at; at += *at == ',') {
		size_t len, key;

		at += strspn(at, " \t");
		len = strcspn(at, ",");
		key = strcspn(at, "=");
		if (!key || key + 1 >= len)
			return false;
		at += len;
		n++;
	}
	return n > 0;
}

int policy_value(enum policy_key key, const char *text, uint64_t *ret, struct err *err)
{
	const struct policy_row *row = &policy_rows[key];
	uint64_t number = 0;
	bool good;

	if (str_eq(row->type, "choice"))
		good = is_word(row->words, text, &number);
	else if (str_eq(row->type, "u64"))
		good = str_u64(text, 0, row->max, &number);
	else if (str_eq(row->type, "ms"))
		good = str_duration(text, &number) && number <= row->max;
	else if (str_eq(row->type, "labels"))
		good = strlen(text) <= row->max && are_labels(text);
	else if (str_eq(row->type, "name"))
		good = name_ok(text);
	else
		good = *text && strlen(text) <= row->max;
	if (ret)
		*ret = number;
	if (good)
		return 0;
	return fail(err, ERR_config, "%s: \"%.200s\" is not right: %s", row->name, text, row->help);
}
