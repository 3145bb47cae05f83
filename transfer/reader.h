/* SPDX-License-Identifier: MPL-2.0
 *
 * The reader: the only root process on the source's data path. It walks trees and opens files,
 * images and /proc/PID/mem, hands every descriptor to the sender, and knows nothing of the network.
 * A walk never leaves its root, follows no symlink and enters no other mount. */
#ifndef DROVER_TRANSFER_READER_H
#define DROVER_TRANSFER_READER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define READER_ITEMS_MAX 64   /* trees, excludes and metas each */
#define READER_PIDS_MAX 65536 /* processes of one container */

struct reader_pair {
	const char *name; /* of a tree or a meta; for an exclude the tree's */
	const char *value;
};

struct reader_plan {
	struct reader_pair trees[READER_ITEMS_MAX];    /* NAME=PATH */
	struct reader_pair excludes[READER_ITEMS_MAX]; /* NAME=path relative to that tree */
	struct reader_pair metas[READER_ITEMS_MAX];    /* KEY=VALUE */
	size_t n_trees, n_excludes, n_metas;
	const char *images; /* directory, or NULL */
	pid_t *pids;
	size_t n_pids;
	bool memory; /* hand over the pids' memory; without it only their mappings count */
};

/* Hands over everything in the plan, ending with a record that says whether all went well. fd is
 * the SEQPACKET socket to the sender. A file or process that vanishes on the way is left out. */
int reader_run(int fd, const struct reader_plan *plan, struct err *err);

/* drover-worker --role=reader --fd N [--tree NAME=PATH]… [--exclude NAME=REL]… [--meta KEY=VALUE]…
 *         [--images DIR] [--pid PID]… [--memory]
 * argv[0] is skipped. Returns the exit code. */
int reader_main(int argc, char **argv);

#endif
