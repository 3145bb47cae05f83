/* SPDX-License-Identifier: MPL-2.0
 *
 * Finding a container's control group from a task of it, and reading it. Paths come from
 * /proc/PID/cgroup, which a container cannot write; they are still opened beneath the mount of
 * their hierarchy only. */
#include "runtime/cgroup.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PROC_CGROUP_MAX 65536
#define MOUNTINFO_MAX (4u << 20)
#define DEPTH_MAX 16

/* Mount point of a hierarchy and which part of it is mounted there. */
struct hierarchy {
	char top[PATH_MAX];
	char root[PATH_MAX];
};

/* One line of mountinfo (proc(5)): "id parent dev ROOT TOP options … - TYPE source SUPER". */
static bool match_mount(char *line, int version, struct hierarchy *ret)
{
	char *dash = strstr(line, " - "), type[32], super[512];

	if (!dash || sscanf(dash + 3, "%31s %*s %511s", type, super) != 2)
		return false;
	if (version == 2 ? !str_eq(type, "cgroup2")
			 : !str_eq(type, "cgroup") || !strstr(super, "freezer"))
		return false;
	return sscanf(line, "%*s %*s %*s %4095s %4095s", ret->root, ret->top) == 2;
}

static bool find_hierarchy(int version, struct hierarchy *ret)
{
	auto_free char *text = NULL;
	char *save = NULL;

	if (file_read("/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, NULL) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (match_mount(line, version, ret))
			return true;
	return false;
}

/* The path of a task in a hierarchy, from the text of its /proc/PID/cgroup: lines
 * "0::/path" (version 2) and "N:controllers:/path". */
static bool path_of_task(const char *text, int version, char *ret, size_t size)
{
	for (const char *p = text; *p; p += *p == '\n') {
		const char *end = strchrnul(p, '\n');
		const char *name = memchr(p, ':', (size_t)(end - p));
		const char *path = name ? memchr(name + 1, ':', (size_t)(end - name - 1)) : NULL;
		char controllers[256];

		if (path) {
			str_fmt(controllers, sizeof(controllers), ",%.*s,", (int)(path - name - 1),
				name + 1);
			if (version == 2 ? str_starts(p, "0::")
					 : strstr(controllers, ",freezer,") != NULL)
				return str_fmt(ret, size, "%.*s", (int)(end - path - 1), path + 1);
		}
		p = end;
	}
	return false;
}

/* Whether path is dir or below it. */
static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return str_starts(path, dir) && (path[n] == 0 || path[n] == '/');
}

static void cut_at_unit(char *path, const char *systemd_form)
{
	char unit[256], slice[128], prefix[64], name[64];
	char *at;

	if (sscanf(systemd_form, "%127[^:]:%63[^:]:%63[^:]", slice, prefix, name) != 3 ||
	    !str_fmt(unit, sizeof(unit), "/%s-%s.scope", prefix, name))
		return;
	at = strstr(path, unit);
	if (at && (at[strlen(unit)] == '/' || at[strlen(unit)] == 0))
		at[strlen(unit)] = 0;
}

/* A container's own groups lie below the one that config.json names. */
static void cut_to_config(char *path, const char *cgroups_path)
{
	if (!cgroups_path || !*cgroups_path)
		return;
	if (*cgroups_path == '/' && strlen(cgroups_path) > 1 && is_below(path, cgroups_path))
		path[strlen(cgroups_path)] = 0;
	else if (strchr(cgroups_path, ':'))
		cut_at_unit(path, cgroups_path);
}

static bool is_group(const struct cgroup *c)
{
	return faccessat(c->dir, c->version == 2 ? "cgroup.freeze" : "freezer.state", F_OK, 0) == 0;
}

/* The group that we are in ourselves, or one above it. */
static bool holds_us(const char *path, int version)
{
	auto_free char *text = NULL;
	char own[PATH_MAX];

	return file_read("/proc/self/cgroup", PROC_CGROUP_MAX, &text, NULL, NULL) == 0 &&
	       path_of_task(text, version, own, sizeof(own)) && is_below(own, path);
}

/* A version 1 freezer that the kernel has but nobody mounted here, as in a container that sees
 * cgroup2 only: a mount of our own that is attached nowhere. */
static int mount_detached(void)
{
	auto_close int fs = fsopen("cgroup", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, "freezer", NULL, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(fs, FSMOUNT_CLOEXEC, 0);
}

static int open_top(int version, struct hierarchy *ret)
{
	if (find_hierarchy(version, ret))
		return open(ret->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	str_copy(ret->top, sizeof(ret->top), "freezer:");
	str_copy(ret->root, sizeof(ret->root), "/");
	return version == 1 ? mount_detached() : -1;
}

/* Opens path of a hierarchy. 0, or -1 when this hierarchy has no group of its own for it. */
static int open_in(const char *path, int version, struct cgroup *ret)
{
	auto_free struct hierarchy *h = mem_new_of(struct hierarchy);
	auto_close int top = -1;
	const char *rest = path;

	if (str_eq(path, "/") || strstr(path, "/..") || (top = open_top(version, h)) < 0)
		return -1;
	if (!str_eq(h->root, "/")) {
		if (!is_below(path, h->root))
			return -1;
		rest += strlen(h->root);
	}
	if (*rest != '/' || !str_fmt(ret->path, sizeof(ret->path), "%s%s", h->top, rest))
		return -1;
	ret->version = version;
	ret->dir = file_open_beneath(top, rest + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (ret->dir >= 0 && is_group(ret))
		return 0;
	cgroup_done(ret);
	return -1;
}

int cgroup_open_version(pid_t pid, int version, const char *cgroups_path, struct cgroup *ret,
			struct err *err)
{
	auto_free char *text = NULL;
	char proc[64], path[PATH_MAX];

	ret->dir = -1;
	str_fmt(proc, sizeof(proc), "/proc/%d/cgroup", (int)pid);
	if (file_read(proc, PROC_CGROUP_MAX, &text, NULL, NULL) < 0)
		return fail(err, ERR_nosuch, "no process %d", (int)pid);
	if (path_of_task(text, version, path, sizeof(path))) {
		cut_to_config(path, cgroups_path);
		if (!holds_us(path, version) && open_in(path, version, ret) == 0)
			return 0;
	}
	return fail(err, ERR_refused, "process %d has no control group of its own", (int)pid);
}

int cgroup_open(pid_t pid, const char *cgroups_path, struct cgroup *ret, struct err *err)
{
	int rc = cgroup_open_version(pid, 2, cgroups_path, ret, err);

	return rc == -ERR_refused ? cgroup_open_version(pid, 1, cgroups_path, ret, err) : rc;
}

/* The top of a mounted tree; in a container's or a lab host's cgroup namespace it looks like any
 * other group. */
static bool is_top(const struct cgroup *c)
{
	struct stat self, parent;

	return fstat(c->dir, &self) < 0 || fstatat(c->dir, "..", &parent, 0) < 0 ||
	       self.st_dev != parent.st_dev;
}

/* The same question as holds_us for an absolute path. */
static bool path_holds_us(const struct cgroup *c)
{
	auto_free struct hierarchy *h = mem_new_of(struct hierarchy);

	return find_hierarchy(c->version, h) && is_below(c->path, h->top) &&
	       holds_us(c->path + strlen(h->top), c->version);
}

int cgroup_open_path(const char *path, struct cgroup *ret, struct err *err)
{
	struct statfs fs;

	ret->dir = -1;
	if (!path_ok(path) || !str_copy(ret->path, sizeof(ret->path), path))
		return fail(err, ERR_invalid, "not a path of a control group: %.100s", path);
	ret->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (ret->dir < 0)
		return fail_errno(err, errno == ENOENT ? ERR_nosuch : ERR_io, "%s", path);
	if (fstatfs(ret->dir, &fs) == 0)
		ret->version = fs.f_type == CGROUP2_SUPER_MAGIC  ? 2
			       : fs.f_type == CGROUP_SUPER_MAGIC ? 1
								 : 0;
	if (ret->version && is_group(ret) && !is_top(ret) && !path_holds_us(ret))
		return 0;
	cgroup_done(ret);
	return fail(err, ERR_refused, "%s is no control group that can be frozen", path);
}

void cgroup_done(struct cgroup *cgroup)
{
	if (cgroup->dir >= 0)
		close(cgroup->dir);
	cgroup->dir = -1;
}

int cgroup_host_version(char *ret_controllers, size_t size)
{
	struct statfs fs;
	char line[512];

	if (size)
		*ret_controllers = 0;
	if (statfs("/sys/fs/cgroup", &fs) < 0)
		return 0;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return 1;
	if (file_read_line(AT_FDCWD, "/sys/fs/cgroup/cgroup.controllers", line, sizeof(line)) > 0) {
		for (char *p = line; *p; p++)
			if (*p == ' ')
				*p = ',';
		str_copy(ret_controllers, size, line);
	}
	return 2;
}

/* ---- who is in it ---- */

struct pid_list {
	pid_t *v;
	size_t max, n;
};

static void read_procs(int dir, struct pid_list *list)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	auto_fclose FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	long pid;

	while (f && fscanf(f, "%ld", &pid) == 1) {
		/* 0: a process of another pid namespace that we cannot see. */
		if (pid <= 0)
			continue;
		if (list->n < list->max)
			list->v[list->n] = (pid_t)pid;
		list->n++;
	}
}

static int walk(int dir, int depth, struct pid_list *list)
{
	auto_closedir DIR *d = NULL;
	const struct dirent *e;
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (again < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -ERR_io;
	read_procs(dir, list);
	d = fdopendir(again);
	while (d && depth < DEPTH_MAX && (e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		auto_close int sub =
			openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			walk(sub, depth + 1, list);
	}
	return 0;
}

ssize_t cgroup_pids(const struct cgroup *cgroup, pid_t *ret_pids, size_t max)
{
	struct pid_list list = {.v = ret_pids, .max = max};
	int rc = walk(cgroup->dir, 0, &list);

	return rc < 0 ? rc : (ssize_t)list.n;
}

/* ---- what it uses ---- */

/* Value of "key N" in a flat keyed file of a group; false when absent. */
static bool keyed(int dir, const char *file, const char *key, uint64_t *ret)
{
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	auto_fclose FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char name[64];
	unsigned long long value;

	while (f && fscanf(f, "%63s %llu", name, &value) == 2)
		if (str_eq(name, key)) {
			*ret = value;
			return true;
		}
	return false;
}

bool cgroup_populated(const char *cgroups_path, pid_t *ret_pid)
{
	bool found = false;

	for (int version = 2; version >= 1 && !found && *cgroups_path == '/'; version--) {
		auto_cgroup struct cgroup c = {.dir = -1};

		found = open_in(cgroups_path, version, &c) == 0 && cgroup_pids(&c, ret_pid, 1) > 0;
	}
	return found;
}

static uint64_t task_rss(pid_t pid)
{
	unsigned long long pages = 0;
	char path[64], line[128];

	str_fmt(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (file_read_line(AT_FDCWD, path, line, sizeof(line)) > 0)
		sscanf(line, "%*u %llu", &pages);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* utime + stime of proc_pid_stat(5), after the name, which may contain anything. */
static uint64_t task_cpu_us(pid_t pid)
{
	unsigned long long user = 0, system = 0;
	char path[64], line[1024], *p;

	str_fmt(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read_line(AT_FDCWD, path, line, sizeof(line)) > 0 && (p = strrchr(line, ')')))
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
		       &system);
	return (user + system) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

bool cgroup_cpu(const struct cgroup *cgroup, uint64_t *ret_us)
{
	auto_free pid_t *pids = NULL;
	ssize_t n;

	*ret_us = 0;
	if (cgroup->version == 2)
		return keyed(cgroup->dir, "cpu.stat", "usage_usec", ret_us);
	pids = mem_new(CGROUP_PIDS_MAX, sizeof(*pids));
	n = cgroup_pids(cgroup, pids, CGROUP_PIDS_MAX);
	for (ssize_t i = 0; i < n && i < CGROUP_PIDS_MAX; i++)
		*ret_us += task_cpu_us(pids[i]);
	return n > 0;
}

int cgroup_usage(const struct cgroup *cgroup, struct cgroup_usage *ret, struct err *err)
{
	auto_free pid_t *pids = mem_new(CGROUP_PIDS_MAX, sizeof(*pids));
	ssize_t n = cgroup_pids(cgroup, pids, CGROUP_PIDS_MAX);
	uint64_t anon = 0, shmem = 0, limit;
	bool memory, cpu;
	char line[64];

	memset(ret, 0, sizeof(*ret));
	if (n < 0)
		return fail(err, ERR_io, "reading %s", cgroup->path);
	ret->processes = (uint64_t)n;
	memory = cgroup->version == 2 && keyed(cgroup->dir, "memory.stat", "anon", &anon) &&
		 keyed(cgroup->dir, "memory.stat", "shmem", &shmem);
	cpu = cgroup->version == 2 && keyed(cgroup->dir, "cpu.stat", "usage_usec", &ret->cpu_us);
	ret->rss_bytes = anon + shmem;
	for (ssize_t i = 0; i < n && i < CGROUP_PIDS_MAX; i++) {
		if (!memory)
			ret->rss_bytes += task_rss(pids[i]);
		if (!cpu)
			ret->cpu_us += task_cpu_us(pids[i]);
	}
	if (file_read_line(cgroup->dir, "memory.max", line, sizeof(line)) > 0 &&
	    str_u64(line, 1, UINT64_MAX, &limit))
		ret->limit_bytes = limit;
	return 0;
}
