/* SPDX-License-Identifier: MPL-2.0
 *
 * The programs of a host that is evacuated: <worker.hooks>/pre-evacuate.d before anything leaves
 * it, post-evacuate.d after the evacuation's end, in order of their names, as root. A coordinator
 * asks for them (STEP_hook) until it is answered; a repeated ask is acknowledged while they run,
 * and answered as before when they have ended. A worker that was restarted meanwhile runs them
 * again: they must bear that.
 *
 *   pre-evacuate   a failure ends it: -ERR_child, and the evacuation does not begin
 *   post-evacuate  a failure is told, the next program runs
 *
 * argv: program EVENT HOST. Environment: DROVER_EVENT, _HOST, _JOB (the evacuation's id), _REASON,
 * _USER, _CONTAINERS (how many are to leave), and after it _OUTCOME (EMPTY, PARTLY, NOT_BEGUN),
 * _MOVED, _LEFT. */
#ifndef DROVER_WORKER_DRAIN_HOOKS_H
#define DROVER_WORKER_DRAIN_HOOKS_H

#include "worker/executor.h"

/* An ask for them. */
void drain_hooks_ask(struct executor *x, const struct wire_ask *ask);

/* Every turn of the loop: programs that ended, deadlines. */
void drain_hooks_turn(struct executor *x);

/* The descriptor of the i-th of DRAIN_HOOKS, -1 = none; and when a turn is due at the latest. */
#define DRAIN_HOOKS 4
int drain_hooks_fd(const struct executor *x, size_t i);
uint64_t drain_hooks_deadline_ms(const struct executor *x);

#endif
