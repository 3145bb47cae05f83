/* SPDX-License-Identifier: MPL-2.0
 *
 * Order: take the directories, read the manifest, check everything, then act. */
#include "transfer/unpack.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "transfer/apply.h"
#include "transfer/manifest.h"
#include "transfer/receiver.h"
#include "transfer/stash.h"
#include "transfer/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct unpack {
	const struct unpack_plan *plan;
	int images, tree;
	int roots[UNPACK_ROOTS_MAX]; /* of the manifest's roots, in its order */
	struct manifest manifest;
};

static int seize_dir(const char *path, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return fail_errno(err, ERR_io, "opening %s", path);
	if (fchown(fd, 0, 0) || fchmod(fd, 0700))
		return fail_errno(err, ERR_io, "taking %s", path);
	return mem_take_fd(&fd);
}

static int read_manifest(struct unpack *u, struct err *err)
{
	auto_close int fd = openat(u->images, RECEIVER_MANIFEST,
				   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	uint8_t seal[SEAL_BYTES];
	auto_free char *text = NULL;
	struct stat st;

	if (fd < 0)
		return fail_errno(err, ERR_corrupt, "no sealed manifest");
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > MANIFEST_SIZE_MAX)
		return fail(err, ERR_corrupt, "the manifest is not a file of reasonable size");
	text = mem_new(1, (size_t)st.st_size + 1);
	if (fchown(fd, 0, 0) || read(fd, text, (size_t)st.st_size) != st.st_size)
		return fail_errno(err, ERR_io, "reading the manifest");
	seal_of(text, (size_t)st.st_size, seal);
	if (memcmp(seal, u->plan->digest, sizeof(seal)))
		return fail(err, ERR_corrupt, "the manifest is not the one the source sealed");
	return manifest_parse(mem_take(text), (size_t)st.st_size, &u->manifest, err);
}

static int check_ids(const struct unpack *u, struct err *err)
{
	if (str_eq(u->manifest.migration, u->plan->migration) &&
	    u->manifest.epoch == u->plan->epoch)
		return 0;
	return fail(err, ERR_corrupt, "the manifest is of migration %s epoch %llu",
		    u->manifest.migration, (unsigned long long)u->manifest.epoch);
}

static const char *path_of(const struct unpack_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_roots; i++)
		if (str_eq(plan->roots[i].name, name))
			return plan->roots[i].path;
	return NULL;
}

static int open_roots(struct unpack *u, struct err *err)
{
	const struct manifest *m = &u->manifest;

	if (m->n_roots > UNPACK_ROOTS_MAX)
		return fail(err, ERR_corrupt, "too many trees");
	for (size_t i = 0; i < m->n_roots; i++) {
		const char *path = path_of(u->plan, m->roots[i].name);

		if (!path)
			return fail(err, ERR_refused, "no place was given for the tree %s",
				    m->roots[i].name);
		u->roots[i] = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (u->roots[i] < 0)
			return fail_errno(err, ERR_io, "opening %s", path);
	}
	return 0;
}

static int verify(struct unpack *u, struct err *err)
{
	static const char *const also[] = {RECEIVER_MANIFEST, STASH_INDEX, STASH_STORE, NULL};
	int r = check_ids(u, err);

	if (!r)
		r = open_roots(u, err);
	if (!r)
		r = verify_images(u->images, &u->manifest, also, err);
	if (!r)
		r = verify_blobs(u->tree, &u->manifest, err);
	if (!r && !u->plan->allow_hooks)
		r = verify_bundle(u->tree, &u->manifest, err);
	return r;
}

static int name_images(struct unpack *u, struct err *err)
{
	const struct manifest *m = &u->manifest;

	unlinkat(u->images, STASH_INDEX, 0);
	unlinkat(u->images, STASH_STORE, 0);
	for (size_t i = 0; i < m->n_images; i++) {
		char name[RECEIVER_NAME_SIZE];

		receiver_name(name, m->images[i].id);
		if (renameat2(u->images, name, u->images, m->images[i].name, RENAME_NOREPLACE))
			return fail_errno(err, ERR_io, "naming image %s", m->images[i].name);
	}
	return 0;
}

static int place_trees(struct unpack *u, struct err *err)
{
	struct apply_index *index = apply_index_new(&u->manifest);
	int r = 0;

	for (uint32_t i = 0; !r && i < u->manifest.n_roots; i++)
		r = apply_prune(index, i, u->roots[i], err);
	apply_index_free(&index);
	return r ? r : apply_entries(&u->manifest, u->tree, u->roots, err);
}

static void print_metas(const struct manifest *m)
{
	for (size_t i = 0; i < m->n_metas; i++)
		printf("%s=%s\n", m->metas[i].name, m->metas[i].value);
	fflush(stdout);
}

static int act(struct unpack *u, struct err *err)
{
	int r;

	u->images = r = seize_dir(u->plan->images, err);
	if (r >= 0)
		u->tree = r = seize_dir(u->plan->tree, err);
	if (r >= 0)
		r = read_manifest(u, err);
	if (!r)
		r = verify(u, err);
	if (!r)
		r = name_images(u, err);
	if (!r)
		r = place_trees(u, err);
	if (!r && u->plan->print_meta)
		print_metas(&u->manifest);
	return r;
}

int unpack_run(const struct unpack_plan *plan, struct err *err)
{
	struct unpack u = {.plan = plan, .images = -1, .tree = -1};
	mode_t mask = umask(0);
	int r;

	for (size_t i = 0; i < UNPACK_ROOTS_MAX; i++)
		u.roots[i] = -1;
	r = act(&u, err);
	for (size_t i = 0; i < UNPACK_ROOTS_MAX; i++)
		if (u.roots[i] >= 0)
			close(u.roots[i]);
	if (u.images >= 0)
		close(u.images);
	if (u.tree >= 0)
		close(u.tree);
	manifest_done(&u.manifest);
	umask(mask);
	return r;
}
