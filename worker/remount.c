/* SPDX-License-Identifier: MPL-2.0
 *
 * A file a migration in node.state/stopped: path, lower, upper and work directory, a line each. */
#include "worker/remount.h"

#include "base/file.h"
#include "base/mem.h"
#include "worker/executor.h"

#include <string.h>
#include <unistd.h>

#define DIR_NAME "stopped"
#define TEXT_MAX (4 * PATH_MAX + ROOTFS_LOWERS_SIZE)

static void path_of(const struct executor *x, const struct mig *m, char ret[PATH_MAX])
{
	str_fmt(ret, PATH_MAX, "%s/" DIR_NAME "/%s", options_str(x->options, OPT_node_state),
		m->row.migration);
}

int remount_keep(const struct executor *x, const struct mig *m, struct err *err)
{
	const struct rootfs_mount *fs = &m->rootfs;
	auto_free char *text = NULL;
	char dir[PATH_MAX], path[PATH_MAX];
	int rc;

	if (fs->kind != ROOTFS_OVERLAY || !fs->path[0])
		return 0;
	str_fmt(dir, sizeof(dir), "%s/" DIR_NAME, options_str(x->options, OPT_node_state));
	path_of(x, m, path);
	text = str_new("%s\n%s\n%s\n%s\n", fs->path, fs->lower, fs->upper, fs->work);
	rc = file_mkdirs(dir, 0700, err);
	return rc ? rc : file_write_atomic(path, text, strlen(text), 0600, err);
}

static bool take_line(char **at, char *ret, size_t size)
{
	char *line = strsep(at, "\n");

	return line && *at && str_copy(ret, size, line);
}

int remount_again(const struct executor *x, const struct mig *m, struct err *err)
{
	auto_free struct rootfs_mount *fs = mem_new_of(struct rootfs_mount);
	auto_free char *text = NULL;
	char path[PATH_MAX], *at;
	int rc;

	path_of(x, m, path);
	if (access(path, F_OK) < 0)
		return 0;
	rc = file_read(path, TEXT_MAX, &text, NULL, err);
	if (rc < 0)
		return rc;
	at = text;
	fs->kind = ROOTFS_OVERLAY;
	if (!take_line(&at, fs->path, sizeof(fs->path)) ||
	    !take_line(&at, fs->lower, sizeof(fs->lower)) ||
	    !take_line(&at, fs->upper, sizeof(fs->upper)) ||
	    !take_line(&at, fs->work, sizeof(fs->work)))
		return fail(err, ERR_corrupt, "%s cannot be read", path);
	return rootfs_mount(fs, err);
}

void remount_forget(const struct executor *x, const struct mig *m)
{
	char path[PATH_MAX];

	path_of(x, m, path);
	unlink(path);
}
