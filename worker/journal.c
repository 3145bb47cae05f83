/* SPDX-License-Identifier: MPL-2.0
 *
 * Rows of one size: magic, sequence, payload, CRC-32C. Whatever is not a whole good row at the end
 * of the file was never answered to anybody, so the next row may go over it. It is not cut off:
 * with it the blocks would go that are allocated beyond the end. */
#include "worker/journal.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

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

int journal_read(const char *path, void (*each)(void *arg, const struct handover_row *row),
		 void *arg, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct row row, next;
	off_t at = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return fail_errno(err, ERR_io, "reading journal %s", path);
	for (; pread(fd, &row, sizeof(row), at) == sizeof(row); at += sizeof(row)) {
		if (row_good(&row)) {
			each(arg, &row.data);
			continue;
		}
		/* The last one may be torn, or be in the writing. */
		if (pread(fd, &next, sizeof(next), at + (off_t)sizeof(row)) == sizeof(next))
			return damaged(path, at, err);
		return 0;
	}
	return 0;
}

static int replay(struct journal *j, struct rows *rows, struct err *err)
{
	struct stat st;
	struct row row;

	if (fstat(j->fd, &st) < 0)
		return fail_errno(err, ERR_io, "journal %s", j->path);
	for (; j->end + (off_t)sizeof(row) <= st.st_size; j->end += sizeof(row)) {
		bool last = j->end + 2 * (off_t)sizeof(row) > st.st_size;

		if (pread(j->fd, &row, sizeof(row), j->end) != sizeof(row))
			return fail_errno(err, ERR_io, "reading journal %s", j->path);
		if (!row_good(&row) && last)
			break;
		if (!row_good(&row))
			return damaged(j->path, j->end, err);
		j->seq = row.seq;
		rows_put(rows, &row.data);
		if (row.data.state == HANDOVER_closed)
			tombs_add(&j->tombs, &row.data);
	}
	return 0;
}

static void row_fill(struct journal *j, struct row *row, const struct handover_row *data)
{
	memset(row, 0, sizeof(*row));
	row->magic = ROW_MAGIC;
	row->seq = ++j->seq;
	row->data = *data;
	row->crc = row_crc(row);
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

/* The last row may be in the cache only: its writer was killed before the fsync, or the fsync had
 * failed. It is written again before anybody acts on it. */
static int sync_end(struct journal *j, struct err *err)
{
	struct row row;
	off_t at = j->end - (off_t)sizeof(row);

	if (at < 0)
		return 0;
	if (pread(j->fd, &row, sizeof(row), at) != sizeof(row) ||
	    pwrite(j->fd, &row, sizeof(row), at) != sizeof(row) || fdatasync(j->fd) < 0)
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
static void wipe_torn(const struct journal *j)
{
	const struct row nothing = {0};
	struct stat st;
	size_t len;

	if (fstat(j->fd, &st) < 0)
		abort();
	if (st.st_size <= j->end)
		return;
	len = (size_t)(st.st_size - j->end);
	len = len < sizeof(nothing) ? len : sizeof(nothing);
	if (pwrite(j->fd, &nothing, len, j->end) != (ssize_t)len && ftruncate(j->fd, j->end) < 0)
		abort();
}

int journal_append(struct journal *j, const struct handover_row *data, struct err *err)
{
	struct row row;
	ssize_t n;
	int rc = begins(data) ? keep_reserve(j, err) : 0;

	if (rc)
		return rc;
	row_fill(j, &row, data);
	j->seq--; /* it counts when it is on disk */
	n = pwrite(j->fd, &row, sizeof(row), j->end);
	if (n != sizeof(row)) {
		errno = n < 0 ? errno : ENOSPC;
		fail_errno(err, n < 0 ? ERR_io : ERR_nospace, "writing journal %s", j->path);
		wipe_torn(j);
		return -err->code;
	}
	if (fdatasync(j->fd) < 0) {
		log_err("fsync of the journal failed, stopping\tpath=%s", j->path);
		abort();
	}
	j->seq++;
	j->end += sizeof(row);
	if (data->state == HANDOVER_closed)
		tombs_add(&j->tombs, data);
	return 0;
}
