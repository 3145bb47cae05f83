/* SPDX-License-Identifier: MPL-2.0
 *
 * Removal of large trees beside the executor's loop. */
#ifndef DROVER_WORKER_TRASH_H
#define DROVER_WORKER_TRASH_H

#include "base/options.h"
#include "runtime/run.h"

#include <limits.h>

struct trash;

/* program (borrowed) is drover-worker itself. Removes what an earlier worker has left there. */
struct trash *trash_new(const struct options *options, const char *program);
void trash_free(struct trash **trash);

/* The tree is not at path any more when it returns 0, nor when it was not there; it is emptied
 * later. What cannot be renamed is removed in place, as file_rmtree does it. */
int trash_put(struct trash *trash, const char *path, struct err *err);

/* Readable when trash_turn has something to do; -1 = nothing. */
int trash_fd(const struct trash *trash);
void trash_turn(struct trash *trash, uint64_t now_ms);

/* drover-worker --role=remove DIR…: removes what is in these directories. */
int trash_main(int argc, char **argv);

#endif
