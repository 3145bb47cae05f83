/* SPDX-License-Identifier: MPL-2.0
 *
 * The store in one SQLite file: WAL with synchronous=FULL, so that a commit is an fsync, and an
 * exclusive lock for the life of the process
 * (https://www.sqlite.org/pragma.html#pragma_locking_mode). A torn last transaction is SQLite's to
 * drop; anything else that is damaged stops the coordinator. */
#include "coordinator/store.h"

#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#define SCHEMA_VERSION 1

enum statement {
	SQL_begin,
	SQL_commit,
	SQL_append,
	SQL_put,
	SQL_get,
	SQL_close_copy,
	SQL_close_drop,
	SQL_supersede,
	SQL_trim,
	SQL_COUNT
};

static const char *const statements[SQL_COUNT] = {
	[SQL_begin] = "BEGIN IMMEDIATE",
	[SQL_commit] = "COMMIT",
	[SQL_append] = "INSERT INTO records(job, kind, body) VALUES(?1, ?2, ?3)",
	[SQL_put] = "INSERT INTO kv(key, value) VALUES(?1, ?3) "
		    "ON CONFLICT(key) DO UPDATE SET value = excluded.value",
	[SQL_get] = "SELECT value FROM kv WHERE key = ?1",
	/* The last of each kind, without the working set (kind 2). */
	[SQL_close_copy] =
		"INSERT OR REPLACE INTO history(job, kind, body) "
		"SELECT job, kind, body FROM records WHERE seq IN "
		"(SELECT max(seq) FROM records WHERE job = ?1 AND kind <> 2 GROUP BY kind)",
	[SQL_close_drop] = "DELETE FROM records WHERE job = ?1",
	[SQL_supersede] = "DELETE FROM records WHERE job = ?1 AND kind = ?2",
	/* GROUP BY and not DISTINCT: SQLite 3.40 forgets the OFFSET of a DISTINCT scalar subquery.
	 */
	[SQL_trim] = "DELETE FROM history WHERE job <= "
		     "(SELECT job FROM history GROUP BY job ORDER BY job DESC LIMIT 1 OFFSET ?2)",
};

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS records(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
	" job TEXT NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL);"
	"CREATE INDEX IF NOT EXISTS records_job ON records(job);"
	"CREATE TABLE IF NOT EXISTS history(job TEXT NOT NULL, kind INTEGER NOT NULL,"
	" body BLOB NOT NULL, PRIMARY KEY(job, kind)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS kv(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
	"INSERT OR IGNORE INTO meta VALUES('term', 0);";

struct sqlite_store {
	struct store store; /* first */
	sqlite3 *db;
	sqlite3_stmt *sql[SQL_COUNT];
	char path[4096];
};

static struct sqlite_store *self(struct store *store)
{
	return (struct sqlite_store *)store;
}

/* The error of the last call, in our classes. */
static int sql_fail(const struct sqlite_store *s, const char *doing, struct err *err)
{
	int code = s->db ? sqlite3_errcode(s->db) : SQLITE_NOMEM;
	const char *text = s->db ? sqlite3_errmsg(s->db) : "out of memory";

	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		fail(err, ERR_busy, "another coordinator already uses the store %s", s->path);
		return err_fix(err, "stop it first, or give this one its own node.state");
	case SQLITE_FULL:
		fail(err, ERR_nospace, "%s: no space for the store %s", doing, s->path);
		return err_fix(err,
			       "free space there; jobs go on when the coordinator starts again");
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		fail(err, ERR_corrupt, "the store %s is damaged (%s)", s->path, text);
		return err_fix(err, "keep the file for analysis and move it away; running "
				    "containers are not affected");
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		fail(err, ERR_config, "%s: the store %s: %s", doing, s->path, text);
		return err_fix(err, "node.state must be a directory that node.user may write");
	default:
		if (s->db && sqlite3_system_errno(s->db) == ENOSPC)
			return fail(err, ERR_nospace, "%s: no space for the store %s", doing,
				    s->path);
		return fail(err, ERR_io, "%s: the store %s: %s", doing, s->path, text);
	}
}

static int run(struct sqlite_store *s, const char *sql, const char *doing, struct err *err)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sql_fail(s, doing, err);
	return 0;
}

/* Runs a statement that yields no rows, with what it takes of key, number and bytes bound. */
static int step(struct sqlite_store *s, enum statement id, const char *key, int64_t number,
		const void *data, size_t len, struct err *err)
{
	sqlite3_stmt *sql = s->sql[id];
	int n = sqlite3_bind_parameter_count(sql), rc = 0;

	if (n >= 1 && key)
		sqlite3_bind_text(sql, 1, key, -1, SQLITE_STATIC);
	if (n >= 2)
		sqlite3_bind_int64(sql, 2, number);
	if (n >= 3)
		sqlite3_bind_blob64(sql, 3, data ? data : "", len, SQLITE_STATIC);
	if (sqlite3_step(sql) != SQLITE_DONE)
		rc = sql_fail(s, "writing", err);
	sqlite3_reset(sql);
	sqlite3_clear_bindings(sql);
	return rc;
}

static int64_t meta_get(struct sqlite_store *s, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t value = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static int sqlite_lead(struct store *store, uint64_t *ret_term, struct err *err)
{
	struct sqlite_store *s = self(store);
	int64_t term;
	int rc = run(s, "UPDATE meta SET value = value + 1 WHERE key = 'term'", "leading", err);

	if (rc)
		return rc;
	term = meta_get(s, "SELECT value FROM meta WHERE key = 'term'");
	if (term <= 0)
		return fail(err, ERR_corrupt, "the store %s has no term", s->path);
	*ret_term = (uint64_t)term;
	return 0;
}

static int append_one(struct sqlite_store *s, const struct effect_record *record, struct err *err)
{
	int rc;

	if (record->kind == RECORD_value)
		return step(s, SQL_put, record->key, 0, record->data, record->len, err);
	if (record->kind == RECORD_drain) { /* a plan is whole, and may be large */
		rc = step(s, SQL_supersede, record->key, record->kind, NULL, 0, err);
		if (rc)
			return rc;
	}
	rc = step(s, SQL_append, record->key, record->kind, record->data, record->len, err);
	if (rc || !record->closes)
		return rc;
	rc = step(s, SQL_close_copy, record->key, 0, NULL, 0, err);
	if (!rc)
		rc = step(s, SQL_close_drop, record->key, 0, NULL, 0, err);
	return rc;
}

static int sqlite_append(struct store *store, const struct effect_record *records, size_t n,
			 struct err *err)
{
	struct sqlite_store *s = self(store);
	int rc = step(s, SQL_begin, NULL, 0, NULL, 0, err);
	bool closes = false;

	for (size_t i = 0; i < n && !rc; i++) {
		rc = append_one(s, &records[i], err);
		closes |= records[i].closes;
	}
	if (!rc && closes)
		rc = step(s, SQL_trim, NULL, STORE_HISTORY_MAX, NULL, 0, err);
	if (!rc)
		rc = step(s, SQL_commit, NULL, 0, NULL, 0, err);
	if (rc && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

static int replay_query(struct sqlite_store *s, const char *sql, int64_t limit, store_row_fn *row,
			void *arg, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = 0, got;

	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return sql_fail(s, "reading", err);
	if (sqlite3_bind_parameter_count(stmt))
		sqlite3_bind_int64(stmt, 1, limit);
	while (!rc && (got = sqlite3_step(stmt)) != SQLITE_DONE) {
		if (got != SQLITE_ROW) {
			rc = sql_fail(s, "reading", err);
			break;
		}
		rc = row(arg, (enum record_kind)sqlite3_column_int(stmt, 1),
			 (const char *)sqlite3_column_text(stmt, 0), sqlite3_column_blob(stmt, 2),
			 (size_t)sqlite3_column_bytes(stmt, 2), err);
	}
	sqlite3_finalize(stmt);
	return rc;
}

static int sqlite_replay(struct store *store, size_t finished_max, store_row_fn *row, void *arg,
			 struct err *err)
{
	struct sqlite_store *s = self(store);
	int rc = replay_query(s, "SELECT key, 16, value FROM kv ORDER BY key", 0, row, arg, err);

	if (!rc)
		rc = replay_query(s,
				  "SELECT job, kind, body FROM history WHERE job IN "
				  "(SELECT DISTINCT job FROM history ORDER BY job DESC LIMIT ?1) "
				  "ORDER BY job, kind",
				  (int64_t)finished_max, row, arg, err);
	if (!rc)
		rc = replay_query(s, "SELECT job, kind, body FROM records ORDER BY seq", 0, row,
				  arg, err);
	return rc;
}

static int sqlite_put(struct store *store, const char *key, const void *data, size_t len,
		      struct err *err)
{
	return step(self(store), SQL_put, key, 0, data, len, err);
}

static int sqlite_get(struct store *store, const char *key, char **ret_text, struct err *err)
{
	struct sqlite_store *s = self(store);
	sqlite3_stmt *sql = s->sql[SQL_get];
	int rc;

	sqlite3_bind_text(sql, 1, key, -1, SQLITE_STATIC);
	switch (sqlite3_step(sql)) {
	case SQLITE_ROW:
		*ret_text = str_new("%.*s", sqlite3_column_bytes(sql, 0),
				    (const char *)sqlite3_column_blob(sql, 0));
		rc = 0;
		break;
	case SQLITE_DONE:
		rc = fail(err, ERR_nosuch, "the store has no %s", key);
		break;
	default:
		rc = sql_fail(s, "reading", err);
	}
	sqlite3_reset(sql);
	return rc;
}

/* Its exclusive lock is the leadership: it ends with the process only. */
static int sqlite_watch(struct store *store)
{
	(void)store;
	return -1;
}

static void sqlite_close(struct store *store)
{
	struct sqlite_store *s = self(store);

	for (size_t i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(s->sql[i]);
	sqlite3_close(s->db);
	free(s);
}

static const struct store_ops sqlite_ops = {
	.lead = sqlite_lead,
	.append = sqlite_append,
	.replay = sqlite_replay,
	.put = sqlite_put,
	.get = sqlite_get,
	.watch = sqlite_watch,
	.close = sqlite_close,
};

static int prepare(struct sqlite_store *s, struct err *err)
{
	for (size_t i = 0; i < SQL_COUNT; i++)
		if (sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &s->sql[i], NULL) != SQLITE_OK)
			return sql_fail(s, "opening", err);
	return 0;
}

static int set_up(struct sqlite_store *s, struct err *err)
{
	int64_t version;
	int rc = run(s, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;", "opening", err);

	if (!rc)
		rc = run(s, "PRAGMA synchronous=FULL; BEGIN EXCLUSIVE;", "opening", err);
	if (rc)
		return rc;
	version = meta_get(s, "PRAGMA user_version");
	if (version > SCHEMA_VERSION) {
		fail(err, ERR_config,
		     "the store %s has version %" PRId64 ", this program knows up to %d", s->path,
		     version, SCHEMA_VERSION);
		return err_fix(err, "run the newer drover that made it");
	}
	rc = run(s, schema, "opening", err);
	if (!rc)
		rc = run(s, "PRAGMA user_version = 1; COMMIT;", "opening", err);
	return rc ? rc : prepare(s, err);
}

int store_open_sqlite(const char *path, struct store **ret, struct err *err)
{
	struct sqlite_store *s = mem_new_of(struct sqlite_store);
	int rc = 0;

	s->store.ops = &sqlite_ops;
	str_copy(s->path, sizeof(s->path), path);
	if (sqlite3_open_v2(path, &s->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
				    SQLITE_OPEN_PRIVATECACHE,
			    NULL) != SQLITE_OK)
		rc = sql_fail(s, "opening", err);
	if (!rc)
		rc = set_up(s, err);
	if (rc) {
		sqlite_close(&s->store);
		return rc;
	}
	*ret = &s->store;
	return 0;
}
