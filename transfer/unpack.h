/* SPDX-License-Identifier: MPL-2.0
 *
 * What happens to a payload at `arm`, as root: the staging directories are taken away from the
 * unprivileged user, every byte is checked against the sealed manifest, and only then the images
 * get their names and the trees their places. Nothing outside the staging directories is touched
 * before everything has been checked. A run that fails later leaves a tree that must not be used.
 *
 * The manifest is believed because its seal came from the source's journal by way of the
 * coordinator; names and paths in it still cannot lead out of the roots given here. */
#ifndef DROVER_TRANSFER_UNPACK_H
#define DROVER_TRANSFER_UNPACK_H

#include "base/err.h"
#include "transfer/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNPACK_ROOTS_MAX 64
#define UNPACK_BUNDLE "bundle" /* the tree whose config.json is looked into */

struct unpack_root {
	const char *name; /* of a tree in the manifest */
	const char *path; /* existing directory, checked by the caller */
};

struct unpack_plan {
	const char *images, *tree; /* staging directories, as in the ticket */
	const char *migration;
	uint64_t epoch;
	uint8_t digest[SEAL_BYTES];
	struct unpack_root roots[UNPACK_ROOTS_MAX];
	size_t n_roots;
	bool allow_hooks; /* also org.criu.config */
	bool print_meta;  /* KEY=VALUE lines on standard output */
};

/* Afterwards plan->images holds plain root-owned image files that criu can restore from, and the
 * manifest. -ERR_corrupt: something is not as sealed; -ERR_refused: hooks or org.criu.config;
 * -ERR_busy: a staging file is still open for writing. */
int unpack_run(const struct unpack_plan *plan, struct err *err);

/* drover-worker --role=unpack --images DIR --tree DIR --migration ID --epoch N --digest HEX
 *         [--root NAME=PATH]… [--allow-hooks] [--print-meta]
 * argv[0] is skipped. Returns the exit code. */
int unpack_main(int argc, char **argv);

#endif
