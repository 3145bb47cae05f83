/* SPDX-License-Identifier: MPL-2.0
 *
 * The direct path of a handover: a source that is RELEASED and hears no coordinator tells its grant
 * to the target over SSH, and learns from the answer whether the target runs or has refused. Both
 * words are signed, so the path needs no trust; hosts and words are checked by the executors.
 *
 *   source: executor → bus side → drover-worker --role=tell ─ssh→ drover-receive ("tell")
 *   target:                        bus side's socket <run>/relay/tell.sock → executor (start) */
#ifndef DROVER_WORKER_TELL_H
#define DROVER_WORKER_TELL_H

#include "base/options.h"
#include "proto/roster.h"
#include "transfer/sender.h"
#include "transfer/tell.h"
#include "worker/wire.h"

#define TELLS_MAX 4

/* What the bus side gives its child. */
struct tell_job {
	struct sender_connect connect;
	struct tell tell;
};

struct tells;

/* Opens the target's socket. roster and options are borrowed. */
int tells_new(const struct options *options, const struct roster *roster, int executor,
	      struct tells **ret, struct err *err);
void tells_free(struct tells **tells);

/* Source: starts a child that tells; one at a time for a migration. */
void tells_start(struct tells *tells, const struct wire_out *out, const void *body);

/* Target: the executor's answer to a direct ask; false when it answers nobody here. */
bool tells_answer(struct tells *tells, const char *request, const struct msg_answer *answer);

/* Descriptors to wait for: 2 × TELLS_MAX + 1, -1 for unused; and what to do when one is ready. */
int tells_fd(const struct tells *tells, size_t i);
void tells_dispatch(struct tells *tells, size_t i);

/* drover-worker --role=tell: one job on descriptor 3. Returns the exit code. */
int tell_main(void);

#endif
