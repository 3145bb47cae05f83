/* SPDX-License-Identifier: MPL-2.0
 *
 * How much of a root filesystem would travel. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/bundle.h"

#include <fts.h>
#include <sys/stat.h>

#define LOOK_EVERY 256 /* files between two looks at the clock */

uint64_t rootfs_bytes(const struct rootfs_mount *fs, uint64_t limit_ms)
{
	char *const tops[] = {(char *)(fs->kind == ROOTFS_OVERLAY ? fs->upper : fs->path), NULL};
	uint64_t end_ms = clock_mono_ms() + limit_ms, sum = 0;
	FTS *fts = *tops[0] ? fts_open(tops, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL) : NULL;
	const FTSENT *e;

	for (unsigned n = 1; fts && (e = fts_read(fts)); n++) {
		if (e->fts_info == FTS_F)
			sum += (uint64_t)e->fts_statp->st_blocks * 512;
		if (n % LOOK_EVERY == 0 && clock_mono_ms() > end_ms)
			break;
	}
	if (fts)
		fts_close(fts);
	return sum;
}
