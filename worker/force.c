/* SPDX-License-Identifier: MPL-2.0
 *
 * A person's word in the place of a host that is gone. It is checked here, whoever brings it: an
 * operator of the roster has signed it for this handover, and the other side itself has not been
 * heard lately. */
#include "base/clock.h"
#include "base/log.h"
#include "worker/executor.h"

#include <inttypes.h>

#define ANSWERED_MS 30000 /* a host that spoke since then is not off */

int force_check_ask(struct executor *x, const struct mig *m, const struct wire_ask *ask, int rc,
		    struct err *err)
{
	bool waits = m->row.state == HANDOVER_released || m->row.state == HANDOVER_prepared;
	uint64_t age_ms = clock_mono_ms() - m->alive_ms;

	if (!waits)
		return rc;
	rc = prover_force(x->prover, &m->row, ask->operator, ask->reason, ask->proof,
			  ask->proof_len, err);
	if (rc)
		return rc;
	if (m->alive_ms && age_ms < ANSWERED_MS && !m->peer_lost) {
		fail(err, ERR_refused,
		     "%s is not off: it answered by the direct path %" PRIu64 " s ago", m->row.peer,
		     age_ms / 1000);
		return err_fix(err, "start drover-worker there: the handover ends by itself then");
	}
	log_warn("forced: %s is this host's now\tmigration=%s container=%s node=%s operator=%s "
		 "other=%s reason=\"%s\"",
		 m->row.container, m->row.migration, m->row.container, x->self, ask->operator,
		 m->row.peer, ask->reason);
	return 0;
}

int force_overridden(const struct handover_row *row, enum step step, int rc, struct err *err)
{
	if (!row->forced || row->side != SIDE_source || step != STEP_retire)
		return rc;
	return fail(err, ERR_refused,
		    "overridden: an operator gave %s back to this host while %s was silent",
		    row->container, row->peer);
}
