/* SPDX-License-Identifier: MPL-2.0
 *
 * How a root filesystem is mounted, and mounting it the same way elsewhere. */
#include "runtime/bundle.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define MOUNTINFO_MAX (16u << 20)
#define LINE_MAX_ (8 * PATH_MAX)

/* Paths in mountinfo have blank, tab, newline and backslash as \ooo. In place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

/* Value of "name=" among the super block's options. A ":" or "," inside a directory's name is
 * escaped by overlayfs with a backslash; such names are not taken. */
static bool option(const char *super, const char *name, char *ret, size_t size)
{
	size_t n = strlen(name);

	for (const char *p = super; p && *p; p = strchr(p, ','), p = p ? p + 1 : NULL) {
		if (strncmp(p, name, n) != 0 || p[n] != '=')
			continue;
		if (!str_fmt(ret, size, "%.*s", (int)strcspn(p + n + 1, ","), p + n + 1))
			return false;
		unescape(ret);
		return strchr(ret, '\\') == NULL;
	}
	*ret = 0;
	return true;
}

/* Newer kernels show several lower directories as lowerdir+=, one each. */
static bool lower_dirs(const char *super, struct rootfs_mount *ret)
{
	char one[PATH_MAX];
	size_t n;

	if (!option(super, "lowerdir", ret->lower, sizeof(ret->lower)))
		return false;
	for (const char *p = super; (p = strstr(p, "lowerdir+=")); p++) {
		if (p != super && p[-1] != ',')
			continue;
		if (!option(p, "lowerdir+", one, sizeof(one)))
			return false;
		n = strlen(ret->lower);
		if (!str_fmt(ret->lower + n, sizeof(ret->lower) - n, "%s%s", n ? ":" : "", one))
			return false;
	}
	return ret->lower[0] != 0;
}

/* "id parent dev root POINT options … - TYPE source SUPER" of one line, in place. */
static bool split_line(char *line, char **ret_point, char **ret_type, char **ret_super)
{
	char *dash = strstr(line, " - "), *save = NULL;

	if (!dash)
		return false;
	*dash = 0;
	strtok_r(line, " ", &save);
	for (int i = 0; i < 3; i++)
		strtok_r(NULL, " ", &save);
	*ret_point = strtok_r(NULL, " ", &save);
	save = NULL;
	*ret_type = strtok_r(dash + 3, " ", &save);
	strtok_r(NULL, " ", &save);
	*ret_super = strtok_r(NULL, " ", &save);
	if (!*ret_point || !*ret_type)
		return false;
	unescape(*ret_point);
	return true;
}

static bool take_line(char *line, const char *path, struct rootfs_mount *ret)
{
	char *point, *type, *super;

	if (!split_line(line, &point, &type, &super) || !str_eq(point, path))
		return false;
	memset(ret, 0, sizeof(*ret));
	str_copy(ret->path, sizeof(ret->path), path);
	ret->mounted = true;
	ret->kind = str_eq(type, "overlay") ? ROOTFS_OVERLAY : ROOTFS_PLAIN;
	if (ret->kind == ROOTFS_OVERLAY &&
	    (!super || !lower_dirs(super, ret) ||
	     !option(super, "upperdir", ret->upper, sizeof(ret->upper)) ||
	     !option(super, "workdir", ret->work, sizeof(ret->work))))
		ret->lower[0] = 0;
	return true;
}

bool rootfs_parse(const char *mountinfo, const char *path, struct rootfs_mount *ret)
{
	auto_free char *line = mem_new(1, LINE_MAX_);
	bool found = false;

	/* The last one is on top. */
	for (const char *p = mountinfo; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (str_fmt(line, LINE_MAX_, "%.*s", (int)strcspn(p, "\n"), p) &&
		    take_line(line, path, ret))
			found = true;
	return found;
}

int rootfs_read(const char *path, struct rootfs_mount *ret, struct err *err)
{
	auto_free char *text = NULL;
	int rc = file_read("/proc/1/mountinfo", MOUNTINFO_MAX, &text, NULL, NULL);

	if (rc < 0)
		rc = file_read("/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, err);
	if (rc < 0)
		return rc;
	if (!rootfs_parse(text, path, ret)) {
		memset(ret, 0, sizeof(*ret));
		str_copy(ret->path, sizeof(ret->path), path);
	}
	if (ret->kind == ROOTFS_OVERLAY && !ret->lower[0])
		return fail(err, ERR_refused, "%s: an overlay whose directories cannot be told",
			    path);
	return 0;
}

static bool dir_ok(const char *path)
{
	return path_ok(path) && !strpbrk(path, ",:\\");
}

static int check_lowers(const char *lower, struct err *err)
{
	auto_free char *copy = str_dup(lower);
	char *save = NULL, *dir = strtok_r(copy, ":", &save);

	if (!dir)
		return fail(err, ERR_invalid, "an overlay without a lower directory");
	for (; dir; dir = strtok_r(NULL, ":", &save)) {
		if (!dir_ok(dir))
			return fail(err, ERR_invalid, "not a lower directory: %.100s", dir);
		if (access(dir, F_OK) < 0)
			return fail(err, ERR_nosuch, "image directory %s is not on this host", dir);
	}
	return 0;
}

static bool same(const struct rootfs_mount *a, const struct rootfs_mount *b)
{
	return a->kind == b->kind && str_eq(a->lower, b->lower) && str_eq(a->upper, b->upper) &&
	       str_eq(a->work, b->work);
}

static int mount_overlay(const struct rootfs_mount *r, struct err *err)
{
	auto_free char *options = NULL;
	bool writable = r->upper[0] != 0;
	int rc;

	if (writable && (!dir_ok(r->upper) || !dir_ok(r->work)))
		return fail(err, ERR_invalid, "not an upper directory: %.100s", r->upper);
	if (writable && ((rc = file_mkdirs(r->upper, 0755, err)) < 0 ||
			 (rc = file_mkdirs(r->work, 0700, err)) < 0))
		return rc;
	options = writable ? str_new("lowerdir=%s,upperdir=%s,workdir=%s", r->lower, r->upper,
				     r->work)
			   : str_new("lowerdir=%s", r->lower);
	if (mount("overlay", r->path, "overlay", 0, options) < 0)
		return fail_errno(err, ERR_io, "mounting %s", r->path);
	return 0;
}

int rootfs_mount(const struct rootfs_mount *rootfs, struct err *err)
{
	auto_free struct rootfs_mount *now = mem_new_of(struct rootfs_mount);
	int rc;

	if (!path_ok(rootfs->path))
		return fail(err, ERR_invalid, "not a root path: %.100s", rootfs->path);
	if ((rc = file_mkdirs(rootfs->path, 0755, err)) < 0)
		return rc;
	if (rootfs->kind == ROOTFS_PLAIN)
		return 0;
	if ((rc = check_lowers(rootfs->lower, err)) < 0)
		return rc;
	rc = rootfs_read(rootfs->path, now, err);
	if (rc < 0)
		return rc;
	if (now->mounted)
		return same(now, rootfs) ? 0
					 : fail(err, ERR_busy, "something else is mounted on %s",
						rootfs->path);
	return mount_overlay(rootfs, err);
}

int rootfs_unmount(const char *path, struct err *err)
{
	auto_free struct rootfs_mount *now = mem_new_of(struct rootfs_mount);

	if (!path_ok(path))
		return fail(err, ERR_invalid, "not a root path: %.100s", path);
	if (rootfs_read(path, now, NULL) == 0 && !now->mounted)
		return 0;
	if (umount2(path, UMOUNT_NOFOLLOW) < 0 &&
	    (errno != EBUSY || umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) < 0) &&
	    errno != EINVAL && errno != ENOENT)
		return fail_errno(err, ERR_io, "unmounting %s", path);
	return 0;
}
