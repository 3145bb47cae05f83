/* SPDX-License-Identifier: MPL-2.0
 *
 * Who of a group is here, and what one record means for the others. */
#include "worker/group.h"

#include "base/clock.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER_TEXT (ULID_SIZE + NAME_SIZE + 24)

int group_check(const struct wire_ask *ask, struct err *err)
{
	if (!ask->group[0])
		return 0;
	if (!ulid_ok(ask->group))
		return fail(err, ERR_invalid, "the group's id is malformed");
	if (ask->group_size < 2 || ask->group_size > GROUP_MAX)
		return fail(err, ERR_invalid, "a group of %u: from 2 to %u move as one",
			    ask->group_size, GROUP_MAX);
	return 0;
}

void group_take(struct mig *m, const struct wire_ask *ask)
{
	str_copy(m->row.group, sizeof(m->row.group), ask->group);
	m->row.group_size = (uint8_t)ask->group_size;
}

bool group_same(const struct mig *a, const struct mig *b)
{
	return a->row.group[0] && a->row.side == b->row.side &&
	       str_eq(a->row.group, b->row.group) && str_eq(a->row.peer, b->row.peer);
}

/* --- which members --- */

static int by_migration(const void *a, const void *b)
{
	return strcmp(a, b);
}

void group_seal(struct executor *x, struct mig *m)
{
	char text[GROUP_MAX + 1][MEMBER_TEXT] = {0};
	size_t n = 0;

	for (const struct mig *o = x->migs; o && n <= GROUP_MAX; o = o->next)
		if (group_same(o, m))
			str_fmt(text[n++], MEMBER_TEXT, "%s %s %" PRIu64, o->row.migration,
				o->row.container, o->row.epoch);
	qsort(text, n, MEMBER_TEXT, by_migration);
	sign_digest(text, sizeof(text), m->row.group_sum);
}

/* --- the source: release --- */

static bool is_gathered(const struct mig *m)
{
	return m->row.state == HANDOVER_held && !m->found && mig_act(m) == ACT_gather &&
	       clock_boot_ms() < m->row.hold_until_boot_ms;
}

int group_gather(struct executor *x, struct mig *m, struct err *err)
{
	size_t here = 0;

	if (m->batched == HANDOVER_released)
		return 0;
	for (const struct mig *o = x->migs; o; o = o->next) {
		if (!group_same(o, m))
			continue;
		if (o->row.state != HANDOVER_held)
			return fail(err, ERR_canceled, "%s, which moves with it, is %s",
				    o->row.container, handover_state_name(o->row.state));
		here += is_gathered(o);
	}
	return here == m->row.group_size ? 0 : 1;
}

static bool released_with(const struct mig *m, const struct mig *o)
{
	return o == m || is_gathered(o);
}

/* --- the target: start --- */

static bool is_ready(struct executor *x, struct mig *m)
{
	return m->row.state == HANDOVER_prepared && !m->plan && !mig_must_end(m) &&
	       clock_boot_ms() < m->row.hold_until_boot_ms && target_holds(x, m);
}

/* NULL when all are here and armed (or a person has started one already), else one that is not. */
static const struct mig *not_ready(struct executor *x, struct mig *m, size_t *ret_here)
{
	*ret_here = 0;
	for (struct mig *o = x->migs; o; o = o->next) {
		bool forced = o->row.state == HANDOVER_running && o->row.forced;

		if (!group_same(o, m))
			continue;
		if (!forced && !is_ready(x, o))
			return o;
		++*ret_here;
	}
	return NULL;
}

bool group_broken(struct executor *x, struct mig *m, const struct wire_ask *ask, struct err *err)
{
	const struct mig *missing;
	size_t here;

	if (ask->step != STEP_start || ask->epoch < m->row.epoch || !m->row.group[0] ||
	    m->row.side != SIDE_target || m->row.state != HANDOVER_prepared)
		return false;
	missing = not_ready(x, m, &here);
	if (!missing && here == m->row.group_size)
		return false;
	if (missing)
		fail(err, ERR_canceled, "%s, which moves with it, is %s and not armed",
		     missing->row.container, handover_state_name(missing->row.state));
	else
		fail(err, ERR_canceled, "%zu of the %u that move as one are here", here,
		     m->row.group_size);
	return true;
}

static bool starts_with(const struct mig *m, const struct mig *o)
{
	return o == m || o->row.state == HANDOVER_prepared;
}

/* --- refuse --- */

static bool refused_with(const struct mig *m, const struct mig *o)
{
	return o == m || o->row.state == HANDOVER_reserved || o->row.state == HANDOVER_prepared;
}

/* --- records --- */

typedef bool with_fn(const struct mig *m, const struct mig *o);

static with_fn *with_of(const struct mig *m, uint8_t state)
{
	if (!m->row.group[0])
		return NULL;
	if (state == HANDOVER_released)
		return released_with;
	if (state == HANDOVER_running && m->plan == handover_start_plan())
		return starts_with;
	return state == HANDOVER_refused ? refused_with : NULL;
}

int group_set(struct executor *x, struct mig *m, uint8_t state, struct mig *ret_set[GROUP_MAX],
	      size_t *ret_n, struct err *err)
{
	with_fn *with = with_of(m, state);

	ret_set[0] = m;
	*ret_n = 1;
	for (struct mig *o = x->migs; with && o; o = o->next) {
		if (o == m || !group_same(o, m) || !with(m, o))
			continue;
		if (*ret_n == GROUP_MAX)
			return fail(err, ERR_canceled, "more than %u are in its group", GROUP_MAX);
		ret_set[(*ret_n)++] = o;
	}
	if (state == HANDOVER_released && with && *ret_n != m->row.group_size)
		return fail(err, ERR_canceled, "%zu of the %u that move as one are held", *ret_n,
			    m->row.group_size);
	for (size_t i = 0; state == HANDOVER_released && with && i < *ret_n; i++)
		group_seal(x, ret_set[i]);
	return 0;
}

/* What a record of the whole group is for this member, which was asked for nothing. */
static void go_on(struct executor *x, struct mig *m)
{
	struct err err;

	if (m->batched == HANDOVER_running) {
		mig_begin(x, m, handover_start_plan(), true);
	} else if (m->batched == HANDOVER_released) {
		mig_event(x, m);
	} else if (!m->plan) {
		mig_begin(x, m, handover_refuse_plan(), true);
	} else {
		fail(&err, ERR_canceled, "one that moves with it was refused");
		mig_fail(x, m, &err);
	}
}

static void leave_too(struct executor *x, const struct mig *m)
{
	struct err err;

	for (struct mig *o = x->migs; o; o = o->next) {
		if (o == m || !group_same(o, m) || mig_act(o) != ACT_gather)
			continue;
		fail(&err, ERR_canceled, "%s, which moves with it, is %s", m->row.container,
		     handover_state_name(m->row.state));
		mig_fail(x, o, &err);
	}
}

void group_go_on(struct executor *x, struct mig *m)
{
	if (!m->row.group[0])
		return;
	if (m->row.side == SIDE_source && m->row.state == HANDOVER_own)
		leave_too(x, m);
	for (struct mig *o = x->migs; o; o = o->next)
		if (o != m && o->batched && group_same(o, m))
			go_on(x, o);
}
