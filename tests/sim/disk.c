/* SPDX-License-Identifier: MPL-2.0
 *
 * The journal's disk of each host: a cache that a killed process leaves behind, and a medium that
 * only a sync fills. The system calls of worker/journal.c end here (shim.h). */
#include "tests/sim/shim.h"
#undef open
#undef close
#undef flock
#undef fstat
#undef pread
#undef pwrite
#undef ftruncate
#undef fallocate
#undef fdatasync
#undef fsync
#undef abort

#include "tests/sim/sim.h"

#define JOURNAL_FD 100000 /* + host */

/* The rows of worker/journal.c. */
struct disk_row {
	uint32_t magic, crc;
	uint64_t seq;
	uint16_t index, count;
	uint32_t batch;
	struct handover_row data;
};

static struct host *of(int fd)
{
	return &sim.host[fd - JOURNAL_FD];
}

int sim_open(const char *path, int flags, ...)
{
	struct host *h = sim.cur;

	(void)path;
	(void)flags;
	h->journal.dir_synced &= h->journal.exists;
	h->journal.exists = h->journal.open = true;
	return JOURNAL_FD + h->n;
}

int sim_close(int fd)
{
	if (fd >= JOURNAL_FD)
		of(fd)->journal.open = of(fd)->journal.locked = false;
	return 0;
}

int sim_flock(int fd, int operation)
{
	(void)operation;
	if (of(fd)->journal.locked) {
		errno = EWOULDBLOCK;
		return -1;
	}
	of(fd)->journal.locked = true;
	return 0;
}

int sim_fstat(int fd, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_size = (off_t)of(fd)->journal.len;
	return 0;
}

ssize_t sim_pread(int fd, void *buf, size_t len, off_t at)
{
	const struct file *f = &of(fd)->journal;
	size_t has = (size_t)at < f->len ? f->len - (size_t)at : 0;

	len = len < has ? len : has;
	memcpy(buf, f->data + at, len);
	return (ssize_t)len;
}

static void put(struct file *f, const void *buf, size_t len, size_t at)
{
	bool same = at + len <= f->len && memcmp(f->data + at, buf, len) == 0;

	if (at + len > f->len) {
		f->data = mem_grow(f->data, at + len, 1);
		f->len = at + len;
	}
	if (f->allocated < f->len)
		f->allocated = f->len;
	memcpy(f->data + at, buf, len);
	if (at < f->synced && !same)
		f->synced = at; /* what was there may come back, or this may */
	if (f->lost_to <= at || f->lost_from >= at + len)
		return;
	if (f->synced > f->lost_from)
		f->synced = f->lost_from; /* dirty again: the next sync takes it */
	f->lost_from = f->lost_to = 0;
}

ssize_t sim_pwrite(int fd, const void *buf, size_t len, off_t at)
{
	struct host *h = of(fd);

	worker_point("disk.write");
	if (((size_t)at + len > h->journal.allocated && h->full) ||
	    ((size_t)at + len > h->journal.len &&
	     chance(h->starting ? sim.weather.torn_first : sim.weather.torn))) {
		size_t some = coin() ? rnd_below(len) : 0;

		tally.journal_failures++;
		trace("%s: journal write fails after %zu bytes", h->name, some);
		if (some) {
			put(&h->journal, buf, some, (size_t)at);
			return (ssize_t)some;
		}
		errno = h->full ? ENOSPC : EIO;
		return -1;
	}
	/* A kill ends a write between two pages. */
	if (len > sizeof(struct disk_row) && chance(sim.weather.point_crash)) {
		put(&h->journal, buf, rnd_below(len), (size_t)at);
		worker_die(false);
	}
	put(&h->journal, buf, len, (size_t)at);
	return (ssize_t)len;
}

int sim_ftruncate(int fd, off_t len)
{
	struct file *f = &of(fd)->journal;

	if ((size_t)len < f->len)
		f->len = (size_t)len;
	if (f->synced > f->len)
		f->synced = f->len;
	f->allocated = f->len; /* what was allocated beyond the end goes, too */
	return 0;
}

int sim_fallocate(int fd, int mode, off_t at, off_t len)
{
	struct host *h = of(fd);

	(void)mode;
	if ((size_t)(at + len) <= h->journal.allocated)
		return 0;
	if (h->full) {
		errno = ENOSPC;
		return -1;
	}
	h->journal.allocated = (size_t)(at + len);
	return 0;
}

static void keep(struct host *h, const struct handover_row *row)
{
	struct kept_row *k = h->kept, fresh = {0};
	uint8_t was;

	str_copy(fresh.migration, ULID_SIZE, row->migration);
	str_copy(fresh.container, NAME_SIZE, row->container);
	str_copy(fresh.group, ULID_SIZE, row->group);
	fresh.side = row->side;
	fresh.state = row->state;
	fresh.forced = row->forced;
	fresh.epoch = row->epoch;
	fresh.term = row->term;
	while (k < h->kept + h->n_kept && !str_eq(k->migration, fresh.migration))
		k++;
	if (k == h->kept + ROWS_MAX)
		broken("SIM", "more than %d rows on %s", ROWS_MAX, h->name);
	was = k == h->kept + h->n_kept ? HANDOVER_none : k->state;
	h->n_kept += k == h->kept + h->n_kept;
	*k = fresh;
	world_kept(h, k, was);
}

static bool whole(const struct disk_row *row)
{
	return row->crc == file_crc32c(0, &row->seq, sizeof(*row) - offsetof(struct disk_row, seq));
}

/* How many rows the batch has that begins here; 0: not all of it is there. */
static size_t batch_at(const struct host *h, size_t at, size_t to)
{
	const size_t size = sizeof(struct disk_row);
	struct disk_row row;
	uint32_t crc = 0, batch;
	size_t n = 0, count = 1;

	for (; n < count; n++, at += size) {
		if (at + size > to)
			return 0;
		memcpy(&row, h->journal.data + at, size);
		if (!whole(&row) || row.index != n)
			return 0;
		if (n == 0)
			batch = row.batch;
		count = row.count;
		crc = file_crc32c(crc, &row.data, sizeof(row.data));
		if (row.batch != batch)
			return 0;
	}
	return count == 1 || crc == batch ? count : 0;
}

/* Batches that the medium has got; what a power cut has torn is none. */
static void kept(struct host *h, size_t from, size_t to)
{
	const size_t size = sizeof(struct disk_row);
	struct disk_row row;

	for (size_t at = from / size * size; at + size <= to;) {
		size_t n = batch_at(h, at, to);

		for (size_t i = 0; i < n; i++) {
			memcpy(&row, h->journal.data + at + i * size, size);
			keep(h, &row.data);
		}
		at += (n ? n : 1) * size;
	}
}

int sim_fdatasync(int fd)
{
	struct host *h = of(fd);
	struct file *f = &h->journal;
	size_t from = f->synced;

	h->lag_ms += rnd_below(sim.weather.slow_ms + 1);
	if (chance(sim.weather.sync_crash))
		worker_die(chance(sim.weather.power_of_crash));
	if (chance(sim.weather.sync_fails)) {
		tally.journal_failures++;
		trace("%s: fsync of the journal fails", h->name);
		f->lost_from = from;
		f->lost_to = f->len;
		errno = EIO;
		return -1;
	}
	f->synced = f->len;
	kept(h, from, f->len);
	return 0;
}

int sim_sync_dir(const char *path, struct err *err)
{
	(void)path;
	(void)err;
	sim.cur->journal.dir_synced = true;
	return 0;
}

void sim_abort(void)
{
	worker_die(false);
}

/* What is not synced may be there, partly, or not, or as zeros. What a failed sync left in the
 * cache never got there. */
void disk_power_cut(struct host *h)
{
	struct file *f = &h->journal;
	size_t synced = f->synced;

	f->open = f->locked = false;
	if (!f->exists)
		return;
	if (!f->dir_synced) {
		f->exists = false;
		f->len = 0;
	}
	if (f->len > synced && coin())
		f->len = coin() ? synced : synced + rnd_below(f->len - synced);
	if (f->len > synced && coin()) {
		size_t from = coin() ? synced : synced + rnd_below(f->len - synced);

		memset(f->data + from, 0, f->len - from);
	}
	if (f->lost_to > f->len)
		f->lost_to = f->len;
	if (f->lost_to > f->lost_from)
		memset(f->data + f->lost_from, 0, f->lost_to - f->lost_from);
	f->lost_from = f->lost_to = 0;
	kept(h, synced < f->len ? synced : f->len, f->len);
	f->synced = f->len;
}

void disk_free(struct host *h)
{
	free(h->journal.data);
	h->journal = (struct file){0};
}

const struct kept_row *disk_row(const struct host *h, const char *migration)
{
	for (size_t i = 0; i < h->n_kept; i++)
		if (str_eq(h->kept[i].migration, migration))
			return &h->kept[i];
	return NULL;
}
