/* SPDX-License-Identifier: MPL-2.0
 *
 * How fast the processes of a group change their memory, by looking twice: the contents of some of
 * their pages, drawn at random, and again a little later. It needs nothing of the kernel but
 * /proc/PID/{maps,pagemap,mem}: soft-dirty is often not built in, and PAGEMAP_SCAN tells of writes
 * only where the process itself has asked userfaultfd for it. What it costs is a few hundred pages
 * read. */
#ifndef DROVER_RUNTIME_DIRTY_H
#define DROVER_RUNTIME_DIRTY_H

#include "runtime/cgroup.h"

#include <stddef.h>
#include <stdint.h>

#define DIRTY_PAGES 512
#define DIRTY_PROCESSES 16

struct dirty_page {
	uint64_t at;
	uint32_t sum;
	uint8_t process; /* index */
};

/* One look; a plain value. */
struct dirty_look {
	pid_t pids[DIRTY_PROCESSES];
	size_t n_pids;
	struct dirty_page pages[DIRTY_PAGES];
	size_t n;
	uint64_t resident_bytes; /* estimated from the draw: what the pages stand for */
	uint64_t at_us;
};

/* The first look at a group, now_us of any steady clock. Returns how many pages were taken, 0 when
 * nothing of it can be read. seed makes the draw. */
size_t dirty_look(const struct cgroup *cgroup, uint64_t now_us, uint64_t seed,
		  struct dirty_look *ret);

/* The same of given processes. */
size_t dirty_look_at(const pid_t *pids, size_t n, uint64_t now_us, uint64_t seed,
		     struct dirty_look *ret);

/* The second look: bytes a second that were changed since the first; a page that is gone counts as
 * changed. Pages written with what they held before count as unchanged, as they do for pre-copy. */
uint64_t dirty_rate(const struct dirty_look *look, uint64_t now_us);

#endif
