/* SPDX-License-Identifier: MPL-2.0
 *
 * The receiver's files: opens them by number below the two staging directories, and puts the pages
 * of a record in place. Private to the receiver. */
#ifndef DROVER_TRANSFER_INTAKE_H
#define DROVER_TRANSFER_INTAKE_H

#include "base/err.h"
#include "transfer/frame.h"
#include "transfer/stash.h"

#define INTAKE_FILES 64 /* kept open */

struct intake_file {
	uint32_t id;
	int fd;
	uint64_t size;
};

struct intake {
	int images, tree; /* directories, owned */
	struct stash *stash;
	struct intake_file files[INTAKE_FILES];
	uint8_t *buf; /* PAGE_RUN_BYTES */
};

/* Opens directories and stash. fresh: the first session, which wipes what an earlier attempt left
 * except the page store. */
int intake_init(struct intake *in, const char *images, const char *tree, uint64_t quota_bytes,
		bool fresh, struct err *err);
void intake_done(struct intake *in);
void intake_close_files(struct intake *in);

int intake_record(struct intake *in, const struct record *record, struct err *err);

/* Removes files that the sender has superseded; unknown ids are ignored. */
int intake_drop(struct intake *in, const uint8_t *ids, size_t n, struct err *err);

#endif
