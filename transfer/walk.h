/* SPDX-License-Identifier: MPL-2.0
 *
 * The reader's walk over one tree. Private to the reader. */
#ifndef DROVER_TRANSFER_WALK_H
#define DROVER_TRANSFER_WALK_H

#include "transfer/reader.h"

/* Sorted names of a directory without "." and ".."; the order makes manifests deterministic. */
struct name_list {
	char **v;
	size_t n;
};
int name_list_read(struct name_list *list, int dirfd, struct err *err);
void name_list_done(struct name_list *list);

/* Hands over every entry of plan->trees[tree], parents before children. */
int walk_tree(int fd, const struct reader_plan *plan, size_t tree, struct err *err);

#endif
