/* SPDX-License-Identifier: MPL-2.0
 *
 * "Does that host answer you?", for a coordinator that does not hear it any more. Each probe is one
 * TCP connection to the host's SSH port, which is open on every host of a cluster: a greeting, an
 * end or a refusal says that it lives; nothing until the deadline that this host does not reach it.
 * A frozen host's kernel still takes connections, so being connected says nothing. Never blocks. */
#ifndef DROVER_WORKER_PROBES_H
#define DROVER_WORKER_PROBES_H

#include "proto/bus.h"
#include "proto/msg.h"
#include "proto/roster.h"

#include <stdint.h>

#define PROBES_MAX 16
#define PROBE_DEADLINE_MOST_MS 10000

/* An answer, for whoever `tag` stands for; borrowed for the call. */
typedef void probes_fn(void *arg, size_t tag, const struct msg_sight *sight);

struct probes;

struct probes *probes_new(const struct roster *roster, probes_fn *fn, void *arg);
void probes_free(struct probes **probes);

/* Only hosts of the roster are tried; its addresses come before the message's. What cannot be tried
 * is answered at once. One more than PROBES_MAX at a time is answered as not tried. */
void probes_start(struct probes *probes, size_t tag, const struct msg_probe *probe,
		  uint64_t now_ms);

/* The i-th of PROBES_MAX items to wait for; fd -1 when there is none. */
struct bus_poll_item probes_item(const struct probes *probes, size_t i);

/* After each wait: what its item found, and what is past its deadline. */
void probes_dispatch(struct probes *probes, size_t i, const struct bus_poll_item *item,
		     uint64_t now_ms);

/* How long a wait may be at most. */
int probes_timeout_ms(const struct probes *probes, uint64_t now_ms, int most_ms);

#endif
