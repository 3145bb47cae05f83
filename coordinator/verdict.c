/* SPDX-License-Identifier: MPL-2.0
 *
 * How reasons add up. */
#include "coordinator/verdict.h"

#include "base/mem.h"
#include "base/str.h"
#include "coordinator/nodes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const words[] = {[VERDICT_live] = "live",
				    [VERDICT_warn] = "warn",
				    [VERDICT_cold] = "cold",
				    [VERDICT_no] = "no"};

void verdict_done(struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->n; i++)
		free(verdict->v[i].why);
	*verdict = (struct verdict){0};
}

enum verdict_kind flags_kind(struct flags flags)
{
	if (flags.bars_move)
		return VERDICT_no;
	if (flags.bars_live)
		return VERDICT_cold;
	return flags.warns ? VERDICT_warn : VERDICT_live;
}

enum verdict_kind verdict_kind(const struct verdict *verdict)
{
	return flags_kind(verdict->flags);
}

const char *verdict_word(enum verdict_kind kind)
{
	return words[kind];
}

enum verdict_kind verdict_parse(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(words[i], word))
			return (enum verdict_kind)i;
	return VERDICT_no;
}

bool verdict_skips(const struct msg_strs *skip, const char *name)
{
	if (!name || !*name)
		return false;
	return strs_have(skip, name) || strs_have(skip, "all");
}

int verdict_check_skips(const struct msg_strs *skip, struct err *err)
{
	const char *names[CODE_COUNT + 1], *near;
	size_t n = 0;

	while (n < ARRAY_LEN(names) && (names[n] = code_skip_name(n)))
		n++;
	for (size_t i = 0; i < skip->n; i++) {
		if (strs_have(&(struct msg_strs){names, n}, skip->v[i]))
			continue;
		near = str_nearest(skip->v[i], names, n);
		fail(err, ERR_usage, "no check is named %s%s%s", skip->v[i],
		     near ? ", did you mean " : "", given(near));
		return err_fix(err, "drover explain lists the codes with what --skip calls them");
	}
	return 0;
}

bool verdict_note(struct verdict *verdict, enum code_id id, bool warning,
		  const struct msg_strs *skip)
{
	const struct code_row *row = code_row(id);

	warning = warning || row->bars == BARS_none || verdict_skips(skip, row->skip);
	verdict->flags.warns |= warning;
	verdict->flags.bars_live |= !warning && row->bars == BARS_live;
	verdict->flags.bars_move |= !warning && row->bars == BARS_move;
	if (verdict->brief || verdict->n == VERDICT_REASONS_MAX)
		return false;
	verdict->v[verdict->n++] = (struct reason){.row = row, .warning = warning};
	return true;
}

void verdict_say(struct verdict *verdict, const char *fmt, ...)
{
	char why[500];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	verdict->v[verdict->n - 1].why = str_dup(why);
}

size_t verdict_reasons(const struct verdict *verdict, struct msg_reason ret[VERDICT_REASONS_MAX])
{
	for (size_t i = 0; i < verdict->n; i++)
		ret[i] = (struct msg_reason){.code = verdict->v[i].row->code,
					     .why = verdict->v[i].why,
					     .fix = verdict->v[i].row->fix,
					     .warning = verdict->v[i].warning,
					     .skip = verdict->v[i].row->skip};
	return verdict->n;
}

void verdict_print(const struct verdict *verdict, char *ret_text, size_t size)
{
	size_t used = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < verdict->n; i++) {
		if (verdict->v[i].warning)
			continue;
		str_fmt(ret_text + used, size - used, "%s%s: %s", used ? "; " : "",
			verdict->v[i].row->code, given(verdict->v[i].why));
		used = strlen(ret_text);
	}
}

/* What bars any move comes before what bars only a live one. */
const struct reason *verdict_first(const struct verdict *verdict)
{
	const struct reason *first = NULL;

	for (size_t i = 0; i < verdict->n; i++) {
		const struct reason *reason = &verdict->v[i];

		if (!reason->warning && (!first || reason->row->bars > first->row->bars))
			first = reason;
	}
	return first;
}

const char *verdict_fix(const struct verdict *verdict)
{
	const struct reason *first = verdict_first(verdict);

	return first ? first->row->fix : "";
}

enum verdict_kind verdict_with(enum verdict_kind kind, const struct msg_reason *reason)
{
	const struct code_row *row = code_find(reason->code);
	enum verdict_kind own = reason->warning                 ? VERDICT_warn
				: row && row->bars == BARS_live ? VERDICT_cold
				: row && row->bars == BARS_none ? VERDICT_warn
								: VERDICT_no;

	return own > kind ? own : kind;
}
