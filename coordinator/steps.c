/* SPDX-License-Identifier: MPL-2.0
 *
 * The stage table's lookups. */
#include "coordinator/steps.h"

#include "base/mem.h"
#include "base/str.h"

/* clang-format off */
static const struct stage_row rows[STAGE_COUNT] = {
	[STAGE_none] = {.name = "none"},
#define X(name_, source, scarries, target, tcarries, wait, cap, patience_, next_, undo_, code_, frozen_) \
	[STAGE_##name_] = { \
		.name = #name_, \
		.ask = {STEP_##source, STEP_##target}, \
		.carries = {scarries, tcarries}, \
		.wait_ms = wait, \
		.cap_ms = cap, \
		.patience = PATIENCE_##patience_, \
		.next = STAGE_##next_, \
		.undo = STAGE_##undo_, \
		.code = ERR_##code_, \
		.frozen = frozen_, \
	},
	STAGE_TABLE(X)
#undef X
	[STAGE_done] = {.name = "done"},
};
/* clang-format on */

const struct stage_row *stage_row(enum stage stage)
{
	return &rows[stage < STAGE_COUNT ? stage : STAGE_none];
}

const char *stage_name(enum stage stage)
{
	return stage_row(stage)->name;
}

enum stage stage_find(const char *name)
{
	for (enum stage s = STAGE_none; s < STAGE_COUNT; s++)
		if (str_eq(rows[s].name, name))
			return s;
	return STAGE_none;
}

const char *stage_step(enum stage stage)
{
	const struct stage_row *row = stage_row(stage);
	enum step step = row->ask[PARTY_source] ? row->ask[PARTY_source] : row->ask[PARTY_target];

	if (stage == STAGE_launch) /* an abort that undoes nothing but the stop */
		return row->name;
	return step ? step_name(step) : "";
}

bool stage_before_release(enum stage stage)
{
	return stage >= STAGE_check && stage <= STAGE_arm;
}

bool stage_undoes(enum stage stage)
{
	return stage >= STAGE_forget && stage <= STAGE_tidy;
}

enum party party_other(enum party party)
{
	return party == PARTY_source ? PARTY_target : PARTY_source;
}
