/* SPDX-License-Identifier: MPL-2.0
 *
 * The host's own programs around an arrival, on the target: <worker.hooks>/EVENT.d, in order of
 * their names, as root.
 *
 *   pre-restore     frozen, verified, not restored yet; a failure refuses the arrival: STAYED
 *   post-restore    it runs here; a failure is only logged
 *   failed-restore  it does not run here after all; a failure is only logged
 *
 * argv: program EVENT CONTAINER SOURCE TARGET. Environment: DROVER_EVENT, _CONTAINER, _SOURCE,
 * _TARGET, _JOB, _BUNDLE, _IP, _MAC, _OUTCOME (MOVED or STAYED, where it is known). A program or
 * directory that is not root's, or that others may write, is not run: for pre-restore a failure. */
#ifndef DROVER_WORKER_HOOKS_H
#define DROVER_WORKER_HOOKS_H

#include "worker/executor.h"

enum hook_event { HOOK_pre_restore, HOOK_post_restore, HOOK_failed_restore };

/* As the functions of an act: 0 all have run (or there is none), 1 one is running, -ERR_child when
 * one has failed, -ERR_denied when one may not be run; the two later events never fail. */
int hooks_begin(struct executor *x, struct mig *m, enum hook_event event, struct err *err);
int hooks_step(struct executor *x, struct mig *m, enum hook_event event, struct err *err);

/* What those and the hooks of an evacuation (worker/drain_hooks.h) share: the program of an event
 * that follows `last`, which becomes its name; 1 with its path, 0 none is left, -ERR_denied: it may
 * not be run, or with an empty path none of them may. And its start. */
int hooks_next(const struct executor *x, const char *event, char last[NAME_SIZE],
	       char ret_path[PATH_MAX], struct err *err);
int hooks_start(struct executor *x, struct run_argv *argv, struct run_argv *env, struct run **ret,
		struct err *err);

#endif
