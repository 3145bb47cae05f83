/* SPDX-License-Identifier: MPL-2.0
 *
 * What a policy's values may be. */
#include "base/policies.h"

static const struct section_row policy_rows[] = {
#define X(id, name_, type_, words_, max_, help_) \
	[POLICY_##id] = { \
		.name = name_, .type = #type_, .words = words_, .max = max_, .help = help_},
	POLICY_TABLE(X)
#undef X
};

const struct section_kind policy_kind = {"policy", policy_rows, POLICY_KEY_COUNT};

_Static_assert(POLICY_KEY_COUNT <= SECTION_KEYS_MAX, "a section has room for its keys");

const struct section_row *policy_row(enum policy_key key)
{
	return &policy_rows[key];
}

enum policy_key policy_key_find(const char *name)
{
	return (enum policy_key)section_key(&policy_kind, name);
}

int policy_value(enum policy_key key, const char *text, uint64_t *ret, struct err *err)
{
	return section_value(&policy_rows[key], text, ret, err);
}
