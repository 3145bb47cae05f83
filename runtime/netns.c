/* SPDX-License-Identifier: MPL-2.0
 *
 * A namespace is made by this thread stepping into a new one, mounting it, and stepping back. */
#include "runtime/netns.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NETNS_DIR "/run/netns"
#define NSFS_MAGIC 0x6e736673

/* Whether something is mounted on path: a bare file is what a crash between create and mount
 * left. */
static bool is_namespace(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

pid_t netns_user(const char *path)
{
	auto_closedir DIR *proc = opendir("/proc");
	const struct dirent *e;
	struct stat wanted, st;

	if (!proc || stat(path, &wanted) < 0)
		return 0;
	while ((e = readdir(proc))) {
		char link[NAME_MAX + 16];
		uint64_t pid;

		if (!str_u64(e->d_name, 1, INT_MAX, &pid))
			continue;
		str_fmt(link, sizeof(link), "%s/ns/net", e->d_name);
		if (fstatat(dirfd(proc), link, &st, 0) == 0 && st.st_ino == wanted.st_ino &&
		    st.st_dev == wanted.st_dev)
			return (pid_t)pid;
	}
	return 0;
}

/* Mounts made here must reach other mount namespaces, and their removal too: ip-netns(8) makes the
 * directory a shared mount, and so do we. */
static int prepare_dir(struct err *err)
{
	int rc = file_mkdirs(NETNS_DIR, 0755, err);

	if (rc < 0)
		return rc;
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL || mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0 ||
	    mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0)
		return fail_errno(err, ERR_io, "preparing %s", NETNS_DIR);
	return 0;
}

static int make_and_mount(const char *path, struct err *err)
{
	auto_close int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int rc;

	if (home < 0 || unshare(CLONE_NEWNET) < 0)
		return fail_errno(err, ERR_io, "making a network namespace");
	rc = mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) < 0
		     ? fail_errno(err, ERR_io, "mounting %s", path)
		     : 0;
	if (setns(home, CLONE_NEWNET) < 0)
		abort(); /* the thread would go on in an empty network */
	return rc;
}

int netns_make(const char *path, struct err *err)
{
	pid_t user;
	int rc, fd;

	if (is_namespace(path)) {
		user = netns_user(path);
		return user ? fail(err, ERR_busy, "%s is in use by process %d", path, (int)user)
			    : 0;
	}
	if ((rc = prepare_dir(err)) < 0)
		return rc;
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0);
	if (fd < 0)
		return fail_errno(err, ERR_io, "making %s", path);
	close(fd);
	rc = make_and_mount(path, err);
	if (rc < 0)
		unlink(path);
	return rc;
}

int netns_remove(const char *path, struct err *err)
{
	pid_t user = is_namespace(path) ? netns_user(path) : 0;

	if (user)
		return fail(err, ERR_busy, "%s is in use by process %d", path, (int)user);
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (unlink(path) < 0 && errno != ENOENT)
		return fail_errno(err, ERR_io, "removing %s", path);
	return 0;
}
