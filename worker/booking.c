/* SPDX-License-Identifier: MPL-2.0
 *
 * Sums over the migrations of this worker. A worker that starts again refuses what was reserved,
 * so bookings need not outlive it. */
#include "worker/booking.h"

#include "base/file.h"
#include "base/mem.h"
#include "worker/executor.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define SPARE (16u << 20)

void booking_need(uint64_t rss_bytes, uint64_t tree_bytes, struct booking *ret)
{
	ret->mem = rss_bytes + rss_bytes / 10;
	ret->staging = rss_bytes + rss_bytes / 10 + SPARE;
	ret->storage = tree_bytes + tree_bytes / 10 + SPARE;
}

/* Bytes on disk of the files in one directory; the receiver makes no directories. */
static uint64_t used(const char *path)
{
	auto_closedir DIR *dir = opendir(path);
	const struct dirent *e;
	uint64_t sum = 0;
	struct stat st;

	while (dir && (e = readdir(dir)))
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_blocks * 512;
	return sum;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void booking_outstanding(struct executor *x, const struct mig *except, struct booking *ret)
{
	char path[PATH_MAX];

	*ret = (struct booking){0};
	for (struct mig *m = x->migs; m; m = m->next) {
		if (m == except || m->row.side != SIDE_target ||
		    m->row.state != HANDOVER_reserved || !m->booked.mem)
			continue;
		ret->mem += m->booked.mem;
		mig_images_dir(x, m, path);
		ret->staging += less(m->booked.staging, used(path));
		mig_tree_dir(x, m, path);
		ret->storage += less(m->booked.storage, used(path));
	}
}

static bool staging_is_memory(const struct executor *x)
{
	struct statfs fs;

	return statfs(options_str(x->options, OPT_node_run), &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

uint64_t booking_mem(struct executor *x, const struct booking *need)
{
	return need->mem + (staging_is_memory(x) ? need->staging : 0);
}

void booking_room(struct executor *x, const struct mig *except, struct booking *ret)
{
	struct booking claimed;
	uint64_t total = 0;

	booking_outstanding(x, except, &claimed);
	*ret = (struct booking){0};
	memory_facts(&total, &ret->mem);
	ret->mem =
		less(ret->mem, booking_mem(x, &claimed) +
				       total / 100 * options_u64(x->options, OPT_worker_headroom));
	disk_facts(options_str(x->options, OPT_node_run), &total, &ret->staging, NULL);
	ret->staging = less(ret->staging, claimed.staging);
	disk_facts(options_str(x->options, OPT_worker_storage), &total, &ret->storage, NULL);
	ret->storage = less(ret->storage, claimed.storage);
}
