/* SPDX-License-Identifier: MPL-2.0
 *
 * The coordinator's one loop: sockets are drained into the core, what the core wants recorded is
 * committed once, then its messages leave. Owns sockets, store, clock and signals. */
#ifndef DROVER_COORDINATOR_SERVE_H
#define DROVER_COORDINATOR_SERVE_H

#include "base/options.h"
#include "proto/keys.h"
#include "proto/roster.h"

/* Serves until SIGTERM or SIGINT (0) or until it cannot go on (-ERR). keys are borrowed, *roster is
 * taken: SIGHUP puts a newer one in its place, and changes the options to what the loader reads. */
int serve(struct options *options, const struct options_loader *loader,
	  const struct curve_keys *keys, struct roster **roster, struct err *err);

#endif
