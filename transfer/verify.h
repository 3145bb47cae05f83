/* SPDX-License-Identifier: MPL-2.0
 *
 * Checks staging files against the manifest. Private to unpack. */
#ifndef DROVER_TRANSFER_VERIFY_H
#define DROVER_TRANSFER_VERIFY_H

#include "base/err.h"
#include "transfer/manifest.h"

/* Checks that a directory holds exactly the files it should, and each file's kind, size and digest;
 * files become root's, and nobody may have them open for writing. also: names that may be there
 * beside them, NULL at the end. */
int verify_images(int dirfd, const struct manifest *manifest, const char *const *also,
		  struct err *err);
int verify_blobs(int dirfd, const struct manifest *manifest, struct err *err);

/* config.json of the tree UNPACK_BUNDLE: -ERR_refused with hooks or org.criu.config. */
int verify_bundle(int dirfd, const struct manifest *manifest, struct err *err);

#endif
