/* SPDX-License-Identifier: MPL-2.0
 *
 * The sealed manifest: everything that one migration moved, as text, one fact a line, the same for
 * the same input. Its seal (transfer/page.h) is what the source's `hold` answers and the target's
 * `arm` checks. Fields are separated by one space and percent-encoded outside '!'..'~'.
 *
 *   drover-manifest 1
 *   migration ID
 *   epoch N
 *   meta KEY VALUE
 *   image ID SIZE DIGEST NAME
 *   root INDEX NAME
 *   skip INDEX PATH
 *   d INDEX MODE UID GID SECONDS NANOSECONDS PATH [xattr=value]…
 *   f … PATH ID SIZE DIGEST [xattr=value]…      contents are staging file ID
 *   l … PATH TARGET [xattr=value]…
 *   c b p … PATH MAJOR MINOR [xattr=value]…
 *   h … PATH FIRST                              hard link to an earlier f of the same root
 *
 * Directories come before what is in them; "." is the root itself. */
#ifndef DROVER_TRANSFER_MANIFEST_H
#define DROVER_TRANSFER_MANIFEST_H

#include "base/err.h"
#include "transfer/page.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MANIFEST_SIZE_MAX (256u * 1024 * 1024)

struct manifest_image {
	uint32_t id;
	uint64_t size;
	struct digest digest;
	const char *name;
};

struct manifest_xattr {
	const char *name;
	const void *value;
	size_t len;
};

struct manifest_entry {
	char type; /* d f l c b p h */
	uint32_t root;
	uint32_t mode, uid, gid; /* mode without the type */
	int64_t mtime_s;
	uint32_t mtime_ns;
	const char *path;
	const char *link; /* l: target, h: path of the first */
	uint32_t id;      /* f */
	uint64_t size;
	struct digest digest;
	uint32_t major, minor;
	const struct manifest_xattr *xattrs;
	size_t n_xattrs;
};

struct manifest_pair {
	uint32_t root;
	const char *name, *value;
};

struct manifest {
	const char *migration;
	uint64_t epoch;
	struct manifest_pair *metas, *roots, *skips; /* skips: root and name = path */
	struct manifest_image *images;
	struct manifest_entry *entries;
	size_t n_metas, n_roots, n_skips, n_images, n_entries;
	char *text; /* everything above points in here */
	struct manifest_xattr *xattrs;
	size_t n_xattrs;
};

/* Writers of one line each. */
void manifest_put_head(FILE *out, const char *migration, uint64_t epoch);
void manifest_put_meta(FILE *out, const char *key, const char *value);
void manifest_put_image(FILE *out, const struct manifest_image *image);
void manifest_put_root(FILE *out, uint32_t index, const char *name);
void manifest_put_skip(FILE *out, uint32_t index, const char *path);
void manifest_put_entry(FILE *out, const struct manifest_entry *entry);

/* Parses len bytes; takes text (heap, NUL-terminated past len), also on failure. Paths are relative
 * and without "..", image names of the receiver's alphabet, roots declared before use. */
int manifest_parse(char *text, size_t len, struct manifest *ret, struct err *err);
void manifest_done(struct manifest *manifest);

/* ^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$ */
bool manifest_image_name_ok(const char *name);

#endif
