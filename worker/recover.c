/* SPDX-License-Identifier: MPL-2.0
 *
 * What a worker does without being asked: it brings every row of its journal to a safe end when it
 * starts, and lets a held source go on when its deadline passes. The simulator runs this file. */
#include "base/clock.h"
#include "base/log.h"
#include "worker/executor.h"

void recover_row(void *arg, const struct handover_row *row)
{
	struct executor *x = arg;
	struct mig *m = mig_new(x, row);

	m->journalled = true;
	if (row->term > x->term)
		x->term = row->term;
}

void recover_all(struct executor *x, recover_runs *runs)
{
	for (struct mig *m = x->migs, *next; m; m = next) {
		bool same_boot = str_eq(m->row.boot_id, x->boot_id) &&
				 (m->row.state != HANDOVER_running || runs(x, m));
		const struct handover_plan *plan;

		next = m->next;
		plan = handover_recover(m->row.side, m->row.state, same_boot);
		log_info("found in the journal\tmigration=%s container=%s state=%s plan=%s",
			 m->row.migration, m->row.container, handover_state_name(m->row.state),
			 plan ? plan->name : "none");
		if (plan)
			mig_begin(x, m, plan, true);
	}
}

static void hold_passed(struct executor *x, struct mig *m)
{
	struct err err;

	log_warn("hold deadline passed, resuming\tmigration=%s container=%s node=%s",
		 m->row.migration, m->row.container, x->self);
	if (!m->plan) {
		mig_begin(x, m, handover_abort_plan(), true);
		return;
	}
	fail(&err, ERR_timeout, "the hold deadline passed before the container was released");
	mig_fail(x, m, &err);
}

void recover_holds(struct executor *x)
{
	uint64_t boot_ms = clock_boot_ms();

	for (struct mig *m = x->migs, *next; m; m = next) {
		next = m->next;
		if (m->row.side == SIDE_source && m->row.state == HANDOVER_held &&
		    boot_ms >= m->row.hold_until_boot_ms &&
		    !(m->plan && m->plan == handover_abort_plan()))
			hold_passed(x, m);
	}
}
