/* SPDX-License-Identifier: MPL-2.0
 *
 * What a window's section must say. */
#include "base/windows.h"

static const struct section_row window_rows[] = {
#define X(id, name_, type_, words_, max_, help_) \
	[WINDOW_##id] = { \
		.name = name_, .type = #type_, .words = words_, .max = max_, .help = help_},
	WINDOW_TABLE(X)
#undef X
};

const struct section_kind window_kind = {"window", window_rows, WINDOW_KEY_COUNT};

_Static_assert(WINDOW_KEY_COUNT <= SECTION_KEYS_MAX, "a section has room for its keys");

int window_check(const struct section *section, struct err *err)
{
	const char *duration = section->text[WINDOW_duration];
	const char *deadline = section->text[WINDOW_deadline];
	uint64_t length_ms = 0, deadline_ms = 0;
	const char *name = section->name;

	if (!section->text[WINDOW_when])
		return fail(err, ERR_config, "[window %s] does not say when", name);
	if (!section->text[WINDOW_hosts] && !section->text[WINDOW_label])
		return fail(err, ERR_config, "[window %s] names no host: hosts or label", name);
	if (!duration == !section->text[WINDOW_end])
		return fail(err, ERR_config, "[window %s] needs a duration or an end%s", name,
			    duration ? ", not both" : "");
	if (duration)
		section_value(&window_rows[WINDOW_duration], duration, &length_ms, NULL);
	if (duration && !length_ms)
		return fail(err, ERR_config, "[window %s] has no duration", name);
	if (deadline)
		section_value(&window_rows[WINDOW_deadline], deadline, &deadline_ms, NULL);
	if (duration && deadline_ms > length_ms)
		return fail(err, ERR_config, "[window %s] ends (%s) before its deadline (%s)", name,
			    duration, deadline);
	return 0;
}
