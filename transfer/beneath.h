/* SPDX-License-Identifier: MPL-2.0
 *
 * openat2(2) for walks as root: never above the start, never through a symlink, never into another
 * mount. */
#ifndef DROVER_TRANSFER_BENEATH_H
#define DROVER_TRANSFER_BENEATH_H

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptor or -errno; -EXDEV at a mount point. */
static inline int open_beneath(int dirfd, const char *path, int flags)
{
	struct open_how how = {.flags = (uint64_t)flags | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

#endif
