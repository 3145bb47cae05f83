/* SPDX-License-Identifier: MPL-2.0
 *
 * Puts verified trees in place below their roots. Private to unpack. */
#ifndef DROVER_TRANSFER_APPLY_H
#define DROVER_TRANSFER_APPLY_H

#include "base/err.h"
#include "transfer/manifest.h"

/* Removes what is below root_fd and not in the manifest's tree `root`, except skipped paths and
 * other mounts. by_path is from apply_index. */
struct apply_index;
struct apply_index *apply_index_new(const struct manifest *manifest);
void apply_index_free(struct apply_index **index);
int apply_prune(const struct apply_index *index, uint32_t root, int root_fd, struct err *err);

/* Makes every entry; contents are moved (or copied, across file systems) out of tree_fd. roots[i]
 * is the open directory of the manifest's root i. */
int apply_entries(const struct manifest *manifest, int tree_fd, const int *roots, struct err *err);

/* Removes a name below dirfd, a whole tree if it is one; enters no mount. Absent is fine. */
int apply_remove(int dirfd, const char *name, struct err *err);

#endif
