/* SPDX-License-Identifier: MPL-2.0
 *
 * Rows of one size: magic, sequence, payload, CRC-32C. Whatever is not a whole good row at the end
 * of the file was never answered to anybody, so it may be cut off. */
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
#define REWRITE_ABOVE 1000

struct row {
	uint32_t magic;
	uint32_t crc; /* of everything behind it */
	uint64_t seq;
	struct handover_row data;
};

struct journal {
	int fd;
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
		if (!row_good(&row)) {
			fail(err, ERR_corrupt, "journal %s: row %llu is damaged", j->path,
			     (unsigned long long)(j->end / sizeof(row)));
			return err_fix(err, "compare with the other host's journal before removing "
					    "it: it says who may run a container");
		}
		j->seq = row.seq;
		rows_put(rows, &row.data);
	}
	if (j->end < st.st_size && ftruncate(j->fd, j->end) < 0)
		return fail_errno(err, ERR_io, "cutting the torn end of %s", j->path);
	return 0;
}

static int rewrite(struct journal *j, const struct rows *rows, struct err *err)
{
	auto_free struct row *out = mem_new(rows->n, sizeof(*out));
	int rc;

	for (size_t i = 0; i < rows->n; i++) {
		out[i].magic = ROW_MAGIC;
		out[i].seq = ++j->seq;
		out[i].data = rows->v[i];
		out[i].crc = row_crc(&out[i]);
	}
	rc = file_write_atomic(j->path, out, rows->n * sizeof(*out), 0600, err);
	if (rc)
		return rc;
	close(j->fd);
	j->fd = open(j->path, O_RDWR | O_CLOEXEC);
	if (j->fd < 0 || flock(j->fd, LOCK_EX | LOCK_NB) < 0)
		return fail_errno(err, ERR_io, "opening %s again", j->path);
	j->end = (off_t)(rows->n * sizeof(*out));
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
	free(*journal);
	*journal = NULL;
}

int journal_append(struct journal *j, const struct handover_row *data, struct err *err)
{
	struct row row;
	ssize_t n;

	memset(&row, 0, sizeof(row));
	row.magic = ROW_MAGIC;
	row.seq = j->seq + 1;
	row.data = *data;
	row.crc = row_crc(&row);
	n = pwrite(j->fd, &row, sizeof(row), j->end);
	if (n != sizeof(row)) {
		fail_errno(err, n < 0 ? ERR_io : ERR_nospace, "writing journal %s", j->path);
		if (ftruncate(j->fd, j->end) < 0)
			abort(); /* a torn row that cannot be cut off */
		return -err->code;
	}
	if (fdatasync(j->fd) < 0) {
		log_err("fsync of the journal failed, stopping\tpath=%s", j->path);
		abort();
	}
	j->seq++;
	j->end += sizeof(row);
	return 0;
}
