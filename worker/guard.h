/* SPDX-License-Identifier: MPL-2.0
 *
 * For whatever starts containers by itself (an init system, a runtime's wrapper): it asks the
 * journal first, so that nothing comes to life again where it moved away from. Works without a
 * running worker, as at boot. */
#ifndef DROVER_WORKER_GUARD_H
#define DROVER_WORKER_GUARD_H

#include "base/options.h"

/* drover-worker --may-start ID: prints one sentence. Returns the exit code: 0 it may start here, 3
 * it must not, 9 the journal cannot be read, 2 that is no name. */
int guard_main(const struct options *options, const char *id);

/* drover-worker --new-name ID: a container that was made anew under the name of one that moved away
 * may start from now on. Only while no worker runs; returns the exit code. */
int guard_new_main(const struct options *options, const char *id);

#endif
