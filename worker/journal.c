/* SPDX-License-Identifier: MPL-2.0
 *
 * Rows of one size: magic, sequence, place in its batch, payload, CRC-32C. Rows that are appended
 * together are one batch, a single row is a batch of one; a batch counts when it is whole. Whatever
 * is not a whole batch at the end of the file was never answered to anybody, so the next one may go
 * over it. It is not cut off: with it the blocks would go that are allocated beyond the end. */
#include "worker/journal.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define ROW_MAGIC 0x44524a31 /* "DRJ1" */
#define REWRITE_ABOVE 10000
#define TOMBS_MAX 4096 /* a multiple of TOMBS_STEP */
#define TOMBS_STEP 32
#define RESERVE_ROWS 64

struct row {
	uint32_t magic;
	uint32_t crc; /* of everything behind it */
	uint64_t seq;
	uint16_t index, count; /* within its batch */
	uint32_t batch;        /* CRC-32C of the payloads of a batch of several, else 0 */
	struct handover_row data;
};

/* The newest closed migrations: tombstones, nothing may begin under their ids again, and their
 * last word can still be proved to a peer that has not heard it. */
struct tombs {
	struct tomb {
		char migration[ULID_SIZE];
		char container[NAME_SIZE];
		char peer[NAME_SIZE];
		uint8_t side, last, forced;
		uint64_t epoch;
	} * v;
	size_t n, next; /* a ring once it is full */
};

struct journal {
	int fd;
	struct tombs tombs;
	char path[PATH_MAX];
	uint64_t seq;
	off_t end;
};

static uint32_t row_crc(const struct row *row)
{
	return file_crc32c(0, &row->seq, sizeof(*row) - offsetof(struct row, seq));
}

static bool row_good(const struct row *row)
{
	return row->magic == ROW_MAGIC && row->crc == row_crc(row);
}

/* --- batches --- */

/* Reads the batch that begins at `at`: how many rows it has, 0 when it is not whole. */
static size_t batch_read(int fd, off_t at, struct row rows[JOURNAL_BATCH_MAX])
{
	uint32_t crc = 0;
	size_t n = 0, count = 1;

	for (; n < count; n++, at += sizeof(*rows)) {
		struct row *row = &rows[n];

		if (pread(fd, row, sizeof(*row), at) != sizeof(*row) || !row_good(row))
			return 0;
		if (n == 0)
			count = row->count;
		if (!count || count > JOURNAL_BATCH_MAX || row->index != n || row->count != count ||
		    row->batch != rows[0].batch)
			return 0;
		crc = file_crc32c(crc, &row->data, sizeof(row->data));
	}
	return count > 1 && rows[0].batch != crc ? 0 : count;
}

/* Of what is not whole: it can be the end of one append that did not come to its end only if
 * nothing behind its first row begins anything. Rows behind it are of a batch, or their page never
 * came to the disk. */
static bool is_torn(int fd, off_t at)
{
	struct row row;

	for (at += sizeof(row); pread(fd, &row, sizeof(row), at) == sizeof(row); at += sizeof(row))
		if (row.magic && !(row.magic == ROW_MAGIC && row.count > 1 && row.index))
			return false;
	return true;
}

static void tombs_add(struct tombs *tombs, const struct handover_row *row)
{
	struct tomb *tomb;

	if (tombs->n < TOMBS_MAX && tombs->n % TOMBS_STEP == 0)
		tombs->v = mem_grow(tombs->v, tombs->n + TOMBS_STEP, sizeof(*tombs->v));
	tomb = &tombs->v[tombs->next];
	*tomb = (struct tomb){
		.side = row->side, .last = row->last, .forced = row->forced, .epoch = row->epoch};
	str_copy(tomb->migration, sizeof(tomb->migration), row->migration);
	str_copy(tomb->container, sizeof(tomb->container), row->container);
	str_copy(tomb->peer, sizeof(tomb->peer), row->peer);
	tombs->next = (tombs->next + 1) % TOMBS_MAX;
	tombs->n += tombs->n < TOMBS_MAX;
}

static void tomb_row(const struct tomb *tomb, struct handover_row *row)
{
	*row = (struct handover_row){.side = tomb->side,
				     .state = HANDOVER_closed,
				     .last = tomb->last,
				     .forced = tomb->forced,
				     .epoch = tomb->epoch};
	str_copy(row->migration, sizeof(row->migration), tomb->migration);
	str_copy(row->container, sizeof(row->container), tomb->container);
	str_copy(row->peer, sizeof(row->peer), tomb->peer);
}

bool journal_closed(const struct journal *j, const char *migration, struct handover_row *ret_row)
{
	for (size_t i = 0; i < j->tombs.n; i++)
		if (str_eq(j->tombs.v[i].migration, migration)) {
			if (ret_row)
				tomb_row(&j->tombs.v[i], ret_row);
			return true;
		}
	return false;
}

bool journal_closed_of(const struct journal *j, const char *container, struct handover_row *ret_row)
{
	const struct tomb *found = NULL;

	for (size_t i = 0; i < j->tombs.n; i++) {
		const struct tomb *tomb = &j->tombs.v[i];

		if (tomb->last && str_eq(tomb->container, container) &&
		    (!found || tomb->epoch >= found->epoch))
			found = tomb;
	}
	if (found)
		tomb_row(found, ret_row);
	return found != NULL;
}

struct rows {
	struct handover_row *v;
	size_t n;
};

/* The last row of a migration replaces the earlier ones, closed ones vanish. */
static void rows_put(struct rows *rows, const struct handover_row *row)
{
	size_t i = 0;

	while (i < rows->n && !str_eq(rows->v[i].migration, row->migration))
		i++;
	if (row->state == HANDOVER_closed) {
		if (i < rows->n)
			rows->v[i] = rows->v[--rows->n];
		return;
	}
	if (i == rows->n)
		rows->v = mem_grow(rows->v, ++rows->n, sizeof(*rows->v));
	rows->v[i] = *row;
}

static int damaged(const char *path, off_t at, struct err *err)
{
	fail(err, ERR_corrupt, "journal %s: row %llu is damaged", path,
	     (unsigned long long)(at / (off_t)sizeof(struct row)));
	return err_fix(err, "compare with the other host's journal before removing it: it says who "
			    "may run a container");
}

typedef void row_fn(void *arg, const struct row *row);

/* Every row of every whole batch, in order. *ret_end: where the next one goes. */
static int walk(int fd, const char *path, row_fn *each, void *arg, off_t *ret_end, struct err *err)
{
	auto_free struct row *rows = mem_new(JOURNAL_BATCH_MAX, sizeof(*rows));
	off_t at = 0;
	size_t n;

	while ((n = batch_read(fd, at, rows))) {
		for (size_t i = 0; i < n; i++)
			each(arg, &rows[i]);
		at += (off_t)(n * sizeof(*rows));
	}
	*ret_end = at;
	return is_torn(fd, at) ? 0 : damaged(path, at, err);
}

struct reading {
	void (*each)(void *arg, const struct handover_row *row);
	void *arg;
};

static void pass_on(void *arg, const struct row *row)
{
	const struct reading *reading = arg;

	reading->each(reading->arg, &row->data);
}

int journal_read(const char *path, void (*each)(void *arg, const struct handover_row *row),
		 void *arg, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct reading reading = {each, arg};
	off_t end;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return fail_errno(err, ERR_io, "reading journal %s", path);
	return walk(fd, path, pass_on, &reading, &end, err);
}

struct replay {
	struct journal *j;
	struct rows *rows;
};

static void replay_row(void *arg, const struct row *row)
{
	struct replay *replay = arg;

	replay->j->seq = row->seq;
	rows_put(replay->rows, &row->data);
	if (row->data.state == HANDOVER_closed)
		tombs_add(&replay->j->tombs, &row->data);
}

static int replay(struct journal *j, struct rows *rows, struct err *err)
{
	struct replay replay = {j, rows};

	return walk(j->fd, j->path, replay_row, &replay, &j->end, err);
}

static void row_fill(struct journal *j, struct row *row, const struct handover_row *data)
{
	memset(row, 0, sizeof(*row));
	row->magic = ROW_MAGIC;
	row->seq = ++j->seq;
	row->count = 1;
	row->data = *data;
	row->crc = row_crc(row);
}

/* The rows are one batch from here on. */
static void batch_seal(struct row *rows, size_t n)
{
	uint32_t batch = 0;

	for (size_t i = 0; n > 1 && i < n; i++)
		batch = file_crc32c(batch, &rows[i].data, sizeof(rows[i].data));
	for (size_t i = 0; i < n; i++) {
		rows[i].index = (uint16_t)i;
		rows[i].count = (uint16_t)n;
		rows[i].batch = batch;
		rows[i].crc = row_crc(&rows[i]);
	}
}

static int rewrite(struct journal *j, const struct rows *rows, struct err *err)
{
	size_t n = j->tombs.n + rows->n;
	auto_free struct row *out = mem_new(n, sizeof(*out));
	int rc;

	for (size_t i = 0; i < j->tombs.n; i++) {
		struct handover_row tomb;

		tomb_row(&j->tombs.v[i], &tomb);
		row_fill(j, &out[i], &tomb);
	}
	for (size_t i = 0; i < rows->n; i++)
		row_fill(j, &out[j->tombs.n + i], &rows->v[i]);
	rc = file_write_atomic(j->path, out, n * sizeof(*out), 0600, err);
	if (rc)
		return rc;
	close(j->fd);
	j->fd = open(j->path, O_RDWR | O_CLOEXEC);
	if (j->fd < 0 || flock(j->fd, LOCK_EX | LOCK_NB) < 0)
		return fail_errno(err, ERR_io, "opening %s again", j->path);
	j->end = (off_t)(n * sizeof(*out));
	return 0;
}

/* The last batch may be in the cache only: its writer was killed before the fsync, or the fsync had
 * failed. It is written again before anybody acts on it. */
static int sync_end(struct journal *j, struct err *err)
{
	auto_free struct row *rows = mem_new(JOURNAL_BATCH_MAX, sizeof(*rows));
	off_t at = j->end - (off_t)sizeof(*rows);
	size_t len = 0;

	if (at < 0)
		return 0;
	if (pread(j->fd, rows, sizeof(*rows), at) == sizeof(*rows)) {
		at -= (off_t)(rows->index * sizeof(*rows));
		len = batch_read(j->fd, at, rows) * sizeof(*rows);
	}
	if (!len || pwrite(j->fd, rows, len, at) != (ssize_t)len || fdatasync(j->fd) < 0)
		return fail_errno(err, ERR_io, "making the end of %s durable", j->path);
	return 0;
}

int journal_open(const char *path, void (*each)(void *arg, const struct handover_row *row),
		 void *arg, struct journal **ret, struct err *err)
{
	struct journal *j = mem_new_of(struct journal);
	struct rows rows = {0};
	char directory[PATH_MAX];
	int rc = 0;

	str_copy(j->path, sizeof(j->path), path);
	j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (j->fd < 0)
		rc = fail_errno(err, ERR_io, "opening journal %s", path);
	else if (flock(j->fd, LOCK_EX | LOCK_NB) < 0)
		rc = fail(err, ERR_busy, "another worker uses journal %s", path);
	if (!rc)
		rc = replay(j, &rows, err);
	if (!rc)
		rc = sync_end(j, err);
	if (!rc && j->end / (off_t)sizeof(struct row) > REWRITE_ABOVE)
		rc = rewrite(j, &rows, err);
	str_copy(directory, sizeof(directory), path);
	*strrchr(directory, '/') = '\0';
	if (!rc)
		rc = file_sync_dir(directory, err);
	for (size_t i = 0; !rc && i < rows.n; i++)
		each(arg, &rows.v[i]);
	free(rows.v);
	if (rc)
		journal_close(&j);
	*ret = j;
	return rc;
}

void journal_close(struct journal **journal)
{
	if (!*journal)
		return;
	if ((*journal)->fd >= 0)
		close((*journal)->fd);
	free((*journal)->tombs.v);
	free(*journal);
	*journal = NULL;
}

/* Rows that begin something; the others finish or undo what was begun. */
static bool begins(const struct handover_row *data)
{
	return data->state == HANDOVER_held || data->state == HANDOVER_reserved ||
	       (data->state == HANDOVER_stopped && !data->told) ||
	       (data->state == HANDOVER_own && !data->gave_up);
}

/* Blocks for the rows to come, beyond the end of the file: what has begun must be able to end on a
 * full disk (a held container cannot be thawed before its record). A file system that cannot
 * allocate ahead goes without. */
static int keep_reserve(const struct journal *j, struct err *err)
{
	off_t size = RESERVE_ROWS * (off_t)sizeof(struct row);

	if (fallocate(j->fd, FALLOC_FL_KEEP_SIZE, j->end, size) == 0 || errno == EOPNOTSUPP)
		return 0;
	fail_errno(err, ERR_nospace, "no room for the end of what would begin, in journal %s",
		   j->path);
	return err_fix(err, "free space where node.state is");
}

/* What a failed write has left is no row, whatever the kernel still has of it. */
static void wipe_torn(const struct journal *j, struct row *rows, size_t n)
{
	struct stat st;
	size_t len;

	if (fstat(j->fd, &st) < 0)
		abort();
	if (st.st_size <= j->end)
		return;
	memset(rows, 0, n * sizeof(*rows));
	len = (size_t)(st.st_size - j->end);
	len = len < n * sizeof(*rows) ? len : n * sizeof(*rows);
	if (pwrite(j->fd, rows, len, j->end) != (ssize_t)len && ftruncate(j->fd, j->end) < 0)
		abort();
}

static int write_batch(struct journal *j, struct row *rows, size_t n, struct err *err)
{
	size_t len = n * sizeof(*rows);
	ssize_t wrote = pwrite(j->fd, rows, len, j->end);

	if (wrote != (ssize_t)len) {
		errno = wrote < 0 ? errno : ENOSPC;
		fail_errno(err, wrote < 0 ? ERR_io : ERR_nospace, "writing journal %s", j->path);
		wipe_torn(j, rows, n);
		return -err->code;
	}
	if (fdatasync(j->fd) < 0) {
		log_err("fsync of the journal failed, stopping\tpath=%s", j->path);
		abort();
	}
	j->end += (off_t)len;
	return 0;
}

int journal_append_all(struct journal *j, const struct handover_row *const *data, size_t n,
		       struct err *err)
{
	auto_free struct row *rows = mem_new(n, sizeof(*rows));
	uint64_t seq = j->seq;
	int rc = 0;

	assert(n && n <= JOURNAL_BATCH_MAX);
	for (size_t i = 0; !rc && i < n; i++)
		rc = begins(data[i]) ? keep_reserve(j, err) : 0;
	for (size_t i = 0; !rc && i < n; i++)
		row_fill(j, &rows[i], data[i]);
	if (!rc) {
		batch_seal(rows, n);
		rc = write_batch(j, rows, n, err);
	}
	if (rc) {
		j->seq = seq; /* they count when they are on disk */
		return rc;
	}
	for (size_t i = 0; i < n; i++)
		if (data[i]->state == HANDOVER_closed)
			tombs_add(&j->tombs, data[i]);
	return 0;
}

int journal_append(struct journal *j, const struct handover_row *data, struct err *err)
{
	return journal_append_all(j, &data, 1, err);
}
