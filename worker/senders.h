/* SPDX-License-Identifier: MPL-2.0
 *
 * The sender processes of the bus side, one a migration: started, told what to do, listened to. */
#ifndef DROVER_WORKER_SENDERS_H
#define DROVER_WORKER_SENDERS_H

#include "base/options.h"
#include "proto/roster.h"
#include "worker/wire.h"

#define SENDERS_MAX 16

struct senders;

/* roster and options are borrowed. executor: where struct wire_sent go to. */
struct senders *senders_new(const struct options *options, const struct roster *roster,
			    int executor);
void senders_free(struct senders **senders); /* ends all of them */

/* WIRE_CONNECT, OPEN, PASS, CLOSE. Takes fd (-1 = none). What fails is told to the executor. */
void senders_command(struct senders *senders, const struct wire_out *out, int fd);

/* Control socket of slot i, -1 when it is free; and what to do when it is readable. */
int senders_fd(const struct senders *senders, size_t i);
void senders_dispatch(struct senders *senders, size_t i);

#endif
