/* SPDX-License-Identifier: MPL-2.0
 *
 * The rows of [policy NAME] sections, of which drover.conf may have any number: what each is
 * called, what its value may be. A container's label (annotation drover.NAME) sets the same for it
 * alone, but for match and label. */
#ifndef DROVER_BASE_POLICIES_H
#define DROVER_BASE_POLICIES_H

#include "base/sections.h"

/* clang-format off */
/* X(identifier, name, type, words, max, help)
 * types: text, name, u64, ms, labels (key=value, comma separated), choice (of words) */
#define POLICY_TABLE(X) \
	X(match,    "match",         text,   "", 1023, "containers by name: patterns as of a shell, comma separated") \
	X(label,    "label",         labels, "", 1023, "containers by label (annotation drover.KEY = VALUE): all of these") \
	X(move,     "move",          choice, "live cold never", 0, "live, cold (only while stopped) or never") \
	X(prefer,   "prefer",        labels, "", 1023, "hosts that have one of these labels come first, unless that fills them") \
	X(avoid,    "avoid",         labels, "", 1023, "hosts that have one of these labels come last") \
	X(require,  "require",       labels, "", 1023, "hosts that lack one of these labels are no targets") \
	X(spread,   "spread",        name,   "", 63,   "a group: no two of it on one host") \
	X(together, "keep-together", name,   "", 63,   "a group: hosts that have others of it come first") \
	X(priority, "priority",      u64,    "", 100,  "in an evacuation the higher goes first; 50 without a policy") \
	X(downtime, "max-downtime",  ms,     "", 3600000, "refuse a live move that is predicted to stop it for longer")
/* clang-format on */

enum policy_key {
#define X(id, ...) POLICY_##id,
	POLICY_TABLE(X)
#undef X
		POLICY_KEY_COUNT
};

extern const struct section_kind policy_kind;

const struct section_row *policy_row(enum policy_key key);

/* The key of this name, POLICY_KEY_COUNT when there is none. */
enum policy_key policy_key_find(const char *name);

/* Whether text is a value of this key; *ret (may be NULL) gets a number, a duration in ms, or the
 * index of a choice. -ERR_config says what it should be. */
int policy_value(enum policy_key key, const char *text, uint64_t *ret, struct err *err);

#endif
