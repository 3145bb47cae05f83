/* SPDX-License-Identifier: MPL-2.0
 *
 * The plan's order: metas, memory, mapped files, images, trees. */
#include "transfer/reader.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "transfer/handoff.h"
#include "transfer/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int send_metas(int fd, const struct reader_plan *plan, struct err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < plan->n_metas; i++) {
		struct handoff head = {.kind = HANDOFF_meta};

		r = handoff_send(fd, &head, plan->metas[i].name, plan->metas[i].value, NULL, 0,
				 NULL, 0, err);
	}
	return r;
}

static int open_proc(pid_t pid, const char *name)
{
	char path[64];

	str_fmt(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int send_memory(int fd, pid_t pid, struct err *err)
{
	struct handoff head = {.kind = HANDOFF_memory, .pid = pid};
	auto_close int mem = open_proc(pid, "mem");
	auto_close int pagemap = open_proc(pid, "pagemap");
	auto_close int maps = open_proc(pid, "maps");
	int fds[3] = {mem, pagemap, maps};

	if (mem < 0 || pagemap < 0 || maps < 0)
		return 0; /* it has ended */
	return handoff_send(fd, &head, NULL, NULL, NULL, 0, fds, 3, err);
}

/* "start-end rw-s offset major:minor inode path": writes through such a mapping do not always show
 * in the file's times. */
static int send_mapped(int fd, pid_t pid, struct err *err)
{
	auto_free char *line = NULL;
	auto_fclose FILE *maps = NULL;
	size_t size = 0;
	int mapsfd = open_proc(pid, "maps"), r = 0;

	maps = mapsfd < 0 ? NULL : fdopen(mapsfd, "r");
	while (!r && maps && getline(&line, &size, maps) > 0) {
		struct handoff head = {.kind = HANDOFF_mapped};
		unsigned major_, minor_;
		unsigned long long ino;
		char perms[5];

		if (sscanf(line, "%*s %4s %*s %x:%x %llu", perms, &major_, &minor_, &ino) != 4 ||
		    !ino || perms[1] != 'w' || perms[3] != 's')
			continue;
		head.dev = makedev(major_, minor_);
		head.ino = ino;
		r = handoff_send(fd, &head, NULL, NULL, NULL, 0, NULL, 0, err);
	}
	return r;
}

static int send_image(int fd, int dirfd, const char *name, uint64_t *total, struct err *err)
{
	struct handoff head = {.kind = HANDOFF_image};
	auto_close int file = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (file < 0 && errno == ELOOP)
		return 0; /* criu's "parent" link */
	if (file < 0 || fstat(file, &st))
		return fail_errno(err, ERR_io, "opening image %s", name);
	if (!S_ISREG(st.st_mode))
		return 0;
	head.size = (uint64_t)st.st_size;
	head.total_bytes = *total += head.size;
	return handoff_send(fd, &head, name, NULL, NULL, 0, &file, 1, err);
}

static int send_images(int fd, const char *path, struct err *err)
{
	auto_close int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct name_list names = {0};
	uint64_t total = 0;
	int r;

	if (dirfd < 0)
		return fail_errno(err, ERR_io, "opening %s", path);
	r = name_list_read(&names, dirfd, err);
	for (size_t i = 0; !r && i < names.n; i++)
		r = send_image(fd, dirfd, names.v[i], &total, err);
	name_list_done(&names);
	return r;
}

static int send_trees(int fd, const struct reader_plan *plan, struct err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < plan->n_trees; i++) {
		struct handoff head = {.kind = HANDOFF_root, .root = (uint32_t)i};

		r = handoff_send(fd, &head, plan->trees[i].name, NULL, NULL, 0, NULL, 0, err);
	}
	for (size_t i = 0; !r && i < plan->n_trees; i++)
		r = walk_tree(fd, plan, i, err);
	return r;
}

int reader_run(int fd, const struct reader_plan *plan, struct err *err)
{
	struct handoff end = {.kind = HANDOFF_end};
	struct err local = {0};
	int r = send_metas(fd, plan, &local), told;

	for (size_t i = 0; !r && plan->memory && i < plan->n_pids; i++)
		r = send_memory(fd, plan->pids[i], &local);
	for (size_t i = 0; !r && plan->n_trees && i < plan->n_pids; i++)
		r = send_mapped(fd, plan->pids[i], &local);
	if (!r && plan->images)
		r = send_images(fd, plan->images, &local);
	if (!r)
		r = send_trees(fd, plan, &local);
	end.code = (uint32_t)local.code;
	told = handoff_send(fd, &end, local.text, NULL, NULL, 0, NULL, 0, r ? NULL : &local);
	if (err && (r || told))
		*err = local;
	return r ? r : told;
}

static int add_pair(struct reader_pair *list, size_t *n, char *arg, struct err *err)
{
	char *eq = strchr(arg, '=');

	if (!eq || eq == arg || *n == READER_ITEMS_MAX)
		return fail(err, ERR_usage, "%s: not NAME=VALUE, or too many", arg);
	*eq = '\0';
	if (!name_ok(arg))
		return fail(err, ERR_usage, "%s: not a name", arg);
	list[(*n)++] = (struct reader_pair){arg, eq + 1};
	return 0;
}

static int add_pid(struct reader_plan *plan, const char *arg, struct err *err)
{
	uint64_t pid;

	if (!str_u64(arg, 1, INT32_MAX, &pid) || plan->n_pids == READER_PIDS_MAX)
		return fail(err, ERR_usage, "--pid %s: not a process id, or too many", arg);
	plan->pids = mem_grow(plan->pids, plan->n_pids + 1, sizeof(*plan->pids));
	plan->pids[plan->n_pids++] = (pid_t)pid;
	return 0;
}

static int parse(int argc, char **argv, struct reader_plan *plan, uint64_t *ret_fd, struct err *err)
{
	static const struct option options[] = {{"fd", 1, 0, 'f'},      {"tree", 1, 0, 't'},
						{"exclude", 1, 0, 'x'}, {"meta", 1, 0, 'm'},
						{"images", 1, 0, 'i'},  {"pid", 1, 0, 'p'},
						{"memory", 0, 0, 'M'},  {0}};
	int c, r = 0;

	optind = 1;
	while (!r && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			if (!str_u64(optarg, 0, INT_MAX, ret_fd))
				r = fail(err, ERR_usage, "--fd %s", optarg);
			break;
		case 't':
			r = add_pair(plan->trees, &plan->n_trees, optarg, err);
			break;
		case 'x':
			r = add_pair(plan->excludes, &plan->n_excludes, optarg, err);
			break;
		case 'm':
			r = add_pair(plan->metas, &plan->n_metas, optarg, err);
			break;
		case 'i':
			plan->images = optarg;
			break;
		case 'p':
			r = add_pid(plan, optarg, err);
			break;
		case 'M':
			plan->memory = true;
			break;
		default:
			r = fail(err, ERR_usage, "unknown argument");
		}
	}
	if (!r && optind < argc)
		r = fail(err, ERR_usage, "unknown argument %s", argv[optind]);
	return r;
}

int reader_main(int argc, char **argv)
{
	auto_free struct reader_plan *plan = mem_new_of(struct reader_plan);
	struct err err = {0};
	uint64_t fd = STDIN_FILENO;
	int r;

	signal(SIGPIPE, SIG_IGN);
	r = parse(argc, argv, plan, &fd, &err);
	if (!r)
		r = reader_run((int)fd, plan, &err);
	if (r)
		log_err("%s\tcode=%s", err.text, err_name(err.code));
	free(plan->pids);
	return r ? err_exit_code(err.code) : 0;
}
