/* SPDX-License-Identifier: MPL-2.0
 *
 * CRIU's logs on this host: what they say of a failure, where they are kept, and how a coordinator
 * reads them. A source has a migration's dump.log, a target its restore.log. */
#ifndef DROVER_WORKER_LOGS_H
#define DROVER_WORKER_LOGS_H

#include "worker/executor.h"

/* Makes <node.state>/logs and removes what is too old. */
void logs_start(struct executor *x);

/* A checkpoint or restore has failed: err becomes the cause's code and sentence, the answer gets a
 * reason with code, why and fix, and the last lines of the log. */
void logs_explain(struct executor *x, struct mig *m, const struct run_result *result,
		  struct err *err);

/* Before the staging directory goes: its log is kept. */
void logs_keep(struct executor *x, struct mig *m);

/* Answers an ask for a log: one piece of it, from ask->offset on. Changes nothing. */
void logs_ask(struct executor *x, const struct wire_ask *ask);

#endif
