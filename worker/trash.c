/* SPDX-License-Identifier: MPL-2.0
 *
 * Trees that are removed are taken away at once, by a rename within their file system, and emptied
 * by a child: a large one must not keep the executor from another migration's deadline. What an
 * earlier worker left there is removed by the next. */
#include "worker/trash.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct trash {
	const char *program;
	char dirs[2][PATH_MAX]; /* in node.run and in worker.storage */
	int fds[2];             /* the same, -1 = not to be used */
	char tops[2][PATH_MAX]; /* what a tree must lie in to be renamed there */
	struct run *child;
	bool more; /* something came while the child was at work */
	uint64_t n;
};

/* node.run may belong to the unprivileged user: a directory that is not root's own is not emptied
 * by root, and nothing is put into it. */
static int open_own(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_uid != geteuid())) {
		close(fd);
		fd = -1;
	}
	return fd;
}

struct trash *trash_new(const struct options *options, const char *program)
{
	struct trash *t = mem_new_of(struct trash);
	struct err err;

	t->program = program;
	t->n = clock_wall_ms(); /* names that an earlier worker's cannot have */
	str_fmt(t->tops[0], PATH_MAX, "%s/", options_str(options, OPT_node_run));
	str_fmt(t->dirs[0], PATH_MAX, "%s/trash", options_str(options, OPT_node_run));
	str_fmt(t->tops[1], PATH_MAX, "%s/", options_str(options, OPT_worker_storage));
	str_fmt(t->dirs[1], PATH_MAX, "%s/.drover/trash", options_str(options, OPT_worker_storage));
	for (size_t i = 0; i < ARRAY_LEN(t->dirs); i++) {
		if (file_mkdirs(t->dirs[i], 0700, &err))
			log_warn("%s: trees are removed in place", err.text);
		t->fds[i] = open_own(t->dirs[i]);
	}
	t->more = true;
	trash_turn(t, clock_mono_ms());
	return t;
}

void trash_free(struct trash **trash)
{
	if (!*trash)
		return;
	run_free(&(*trash)->child);
	for (size_t i = 0; i < ARRAY_LEN((*trash)->fds); i++)
		if ((*trash)->fds[i] >= 0)
			close((*trash)->fds[i]);
	free(*trash);
	*trash = NULL;
}

static bool take_away(struct trash *t, const char *path)
{
	char name[24];

	str_fmt(name, sizeof(name), "%llu", (unsigned long long)++t->n);
	for (size_t i = 0; i < ARRAY_LEN(t->dirs); i++)
		if (t->fds[i] >= 0 && str_starts(path, t->tops[i]) &&
		    renameat(AT_FDCWD, path, t->fds[i], name) == 0)
			return true;
	return false;
}

int trash_put(struct trash *t, const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0 && errno == ENOENT)
		return 0;
	if (!take_away(t, path))
		return file_rmtree(path, err);
	t->more = true;
	trash_turn(t, clock_mono_ms());
	return 0;
}

int trash_fd(const struct trash *t)
{
	return t->child ? run_fd(t->child) : -1;
}

void trash_turn(struct trash *t, uint64_t now_ms)
{
	const char *argv[] = {t->program, "--role=remove", t->dirs[0], t->dirs[1], NULL};
	struct run_spec spec = {.argv = argv};
	struct err err;

	if (t->child && run_step(t->child, now_ms)) {
		if (run_check(run_result(t->child), "removing", &err))
			log_warn("%s", err.text);
		run_free(&t->child);
	}
	if (t->child || !t->more)
		return;
	t->more = false;
	if (run_start(&spec, now_ms, &t->child, &err))
		log_warn("what was removed stays in the trash: %s", err.text);
}

/* --- the child --- */

static int empty(const char *dir)
{
	int fd = open_own(dir);
	auto_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	char path[PATH_MAX];
	struct err err;
	int rc = 0;

	while (d && (e = readdir(d))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
		    !str_fmt(path, sizeof(path), "/proc/self/fd/%d/%s", fd, e->d_name))
			continue;
		if (file_rmtree(path, &err)) {
			fprintf(stderr, "%s\n", err.text);
			rc = err_exit_code(err.code);
		}
	}
	return rc;
}

int trash_main(int argc, char **argv)
{
	int rc = 0;

	setpriority(PRIO_PROCESS, 0, 10);
	for (int i = 1; i < argc; i++)
		rc = empty(argv[i]) ? err_exit_code(ERR_io) : rc;
	return rc;
}
