/* SPDX-License-Identifier: MPL-2.0
 *
 * What the store has taken is there after a restart, in order; what is damaged, full or somebody
 * else's is told as that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "coordinator/store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define JOB_A "01HZ0000000000000000000001"
#define JOB_B "01HZ0000000000000000000002"

struct lab {
	char dir[64], path[128];
	struct store *store;
	struct err err;
	unsigned count;
	char replayed[4096]; /* "key:kind:body " … */
};

static int set_up(void **state)
{
	struct lab *lab = mem_new_of(struct lab);

	str_copy(lab->dir, sizeof(lab->dir), "/tmp/drover-store-XXXXXX");
	assert_non_null(mkdtemp(lab->dir));
	str_fmt(lab->path, sizeof(lab->path), "%s/store.db", lab->dir);
	assert_int_equal(store_open_sqlite(lab->path, &lab->store, &lab->err), 0);
	*state = lab;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *lab = *state;

	store_close(&lab->store);
	assert_int_equal(file_rmtree(lab->dir, &lab->err), 0);
	free(lab);
	return 0;
}

static struct effect_record record(const char *key, enum record_kind kind, const char *body)
{
	struct effect_record r = {.kind = kind, .data = (void *)body, .len = strlen(body)};

	str_copy(r.key, sizeof(r.key), key);
	return r;
}

static int append_one(struct lab *lab, const char *key, enum record_kind kind, const char *body,
		      bool closes)
{
	struct effect_record r = record(key, kind, body);

	r.closes = closes;
	return store_append(lab->store, &r, 1, &lab->err);
}

static int on_row(void *arg, enum record_kind kind, const char *key, const void *data, size_t len,
		  struct err *err)
{
	struct lab *lab = arg;
	size_t used = strlen(lab->replayed);

	(void)err;
	str_fmt(lab->replayed + used, sizeof(lab->replayed) - used, "%s:%d:%.*s ",
		ulid_ok(key) ? key + 25 : key, (int)kind, (int)len, (const char *)data);
	return 0;
}

/* Counts, and keeps the first key. */
static int on_count(void *arg, enum record_kind kind, const char *key, const void *data, size_t len,
		    struct err *err)
{
	struct lab *lab = arg;

	(void)kind;
	(void)data;
	(void)len;
	(void)err;
	if (!lab->count++)
		str_copy(lab->replayed, sizeof(lab->replayed), key);
	return 0;
}

static const char *replay(struct lab *lab, size_t finished)
{
	lab->replayed[0] = '\0';
	assert_int_equal(store_replay(lab->store, finished, on_row, lab, &lab->err), 0);
	return lab->replayed;
}

static void reopen(struct lab *lab)
{
	store_close(&lab->store);
	assert_int_equal(store_open_sqlite(lab->path, &lab->store, &lab->err), 0);
}

static void appended_records_come_back_in_order(void **state)
{
	struct lab *lab = *state;
	struct effect_record two[] = {record(JOB_A, RECORD_work, "w1"),
				      record(JOB_A, RECORD_job, "j1")};

	assert_int_equal(store_append(lab->store, two, 2, &lab->err), 0);
	append_one(lab, JOB_B, RECORD_job, "j2", false);
	append_one(lab, "cordon/beta", RECORD_value, "yes", false);
	append_one(lab, JOB_A, RECORD_job, "j3", false);
	append_one(lab, "cordon/beta", RECORD_value, "no", false);
	reopen(lab);
	assert_string_equal(replay(lab, 10), "cordon/beta:16:no 1:2:w1 1:1:j1 2:1:j2 1:1:j3 ");
}

static void a_closed_job_is_history_without_its_working_set(void **state)
{
	struct lab *lab = *state;

	append_one(lab, JOB_B, RECORD_job, "open", false);
	append_one(lab, JOB_A, RECORD_work, "w", false);
	append_one(lab, JOB_A, RECORD_job, "j1", false);
	append_one(lab, JOB_A, RECORD_log_source, "log", false);
	append_one(lab, JOB_A, RECORD_job, "end", true);
	reopen(lab);
	assert_string_equal(replay(lab, 10), "1:1:end 1:3:log 2:1:open ");
	append_one(lab, JOB_B, RECORD_job, "end2", true);
	assert_string_equal(replay(lab, 10), "1:1:end 1:3:log 2:1:end2 ");
	assert_string_equal(replay(lab, 1), "2:1:end2 ");
}

static void the_oldest_history_goes(void **state)
{
	enum { MANY = STORE_HISTORY_MAX + 5 };
	struct effect_record *records = mem_new(MANY, sizeof(*records));
	struct lab *lab = *state;

	for (int i = 0; i < MANY; i++) {
		char job[ULID_SIZE];

		str_fmt(job, sizeof(job), "01HZ%022d", i);
		records[i] = record(job, RECORD_job, "x");
		records[i].closes = true;
	}
	assert_int_equal(store_append(lab->store, records, MANY, &lab->err), 0);
	free(records);
	lab->replayed[0] = '\0';
	assert_int_equal(store_replay(lab->store, MANY, on_count, lab, &lab->err), 0);
	assert_int_equal(lab->count, STORE_HISTORY_MAX);
	assert_string_equal(lab->replayed, "01HZ0000000000000000000005");
}

static void values_are_put_and_got(void **state)
{
	struct lab *lab = *state;
	auto_free char *text = NULL;

	assert_int_equal(store_get(lab->store, "k", &text, &lab->err), -ERR_nosuch);
	assert_int_equal(store_put(lab->store, "k", "v1", 2, &lab->err), 0);
	assert_int_equal(store_put(lab->store, "k", "v22", 3, &lab->err), 0);
	reopen(lab);
	assert_int_equal(store_get(lab->store, "k", &text, &lab->err), 0);
	assert_string_equal(text, "v22");
	assert_int_equal(store_watch(lab->store), -1);
}

static void each_leadership_has_a_greater_term(void **state)
{
	struct lab *lab = *state;
	uint64_t a = 0, b = 0;

	assert_int_equal(store_lead(lab->store, &a, &lab->err), 0);
	reopen(lab);
	assert_int_equal(store_lead(lab->store, &b, &lab->err), 0);
	assert_true(a >= 1 && b > a);
}

static void a_second_coordinator_is_refused(void **state)
{
	struct lab *lab = *state;
	struct store *second = NULL;
	struct err err = {0};
	pid_t child;
	int status;

	assert_int_equal(store_open_sqlite(lab->path, &second, &err), -ERR_busy);
	assert_non_null(strstr(err.text, lab->path));
	child = fork();
	if (child == 0) {
		memset(&err, 0, sizeof(err));
		_exit(store_open_sqlite(lab->path, &second, &err) == -ERR_busy ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	append_one(lab, JOB_A, RECORD_job, "still", false);
	assert_string_equal(replay(lab, 1), "1:1:still ");
}

static void copy_file(const char *from, const char *to, off_t cut)
{
	auto_free char *data = NULL;
	struct err err;
	size_t len;
	int fd;

	if (file_read(from, 64u << 20, &data, &len, &err))
		return;
	fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, data, len - (size_t)cut, &err), 0);
	close(fd);
}

/* As a power cut leaves it: the last transaction is torn, the ones before it are whole. */
static void a_torn_last_record_is_dropped(void **state)
{
	struct lab *lab = *state;
	char wal[140], torn[160], torn_wal[180];

	append_one(lab, JOB_A, RECORD_job, "first", false);
	append_one(lab, JOB_A, RECORD_job, "second", false);
	str_fmt(wal, sizeof(wal), "%s-wal", lab->path);
	str_fmt(torn, sizeof(torn), "%s/torn.db", lab->dir);
	str_fmt(torn_wal, sizeof(torn_wal), "%s-wal", torn);
	copy_file(lab->path, torn, 0);
	copy_file(wal, torn_wal, 100);
	store_close(&lab->store);
	assert_int_equal(store_open_sqlite(torn, &lab->store, &lab->err), 0);
	assert_string_equal(replay(lab, 1), "1:1:first ");
}

static void a_damaged_store_is_told_as_damaged(void **state)
{
	struct lab *lab = *state;
	int fd;

	append_one(lab, JOB_A, RECORD_job, "first", false);
	store_close(&lab->store);
	fd = open(lab->path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "this is not a database, is it?..", 32, 0), 32);
	close(fd);
	assert_int_equal(store_open_sqlite(lab->path, &lab->store, &lab->err), -ERR_corrupt);
	assert_non_null(strstr(lab->err.text, lab->path));
	assert_true(strlen(lab->err.fix) > 0);
}

static void a_place_that_cannot_be_written_is_told(void **state)
{
	struct lab *lab = *state;
	struct store *store = NULL;

	assert_int_equal(store_open_sqlite("/nonexistent/store.db", &store, &lab->err),
			 -ERR_config);
	assert_null(store);
}

/* A full disk, as far as SQLite can tell: all of the batch or none of it. */
static void a_full_disk_refuses_the_whole_batch(void **state)
{
	struct lab *lab = *state;
	struct rlimit limit;
	auto_free char *big = mem_new(1, 8u << 20);
	struct effect_record two[2];
	pid_t child;
	int status;

	append_one(lab, JOB_A, RECORD_job, "before", false);
	store_close(&lab->store);
	child = fork();
	if (child == 0) {
		int rc;

		signal(SIGXFSZ, SIG_IGN);
		limit = (struct rlimit){1u << 20, 1u << 20};
		setrlimit(RLIMIT_FSIZE, &limit);
		if (store_open_sqlite(lab->path, &lab->store, &lab->err))
			_exit(2);
		memset(big, 'x', (8u << 20) - 1);
		two[0] = record(JOB_A, RECORD_job, "half");
		two[1] = record(JOB_A, RECORD_work, big);
		rc = store_append(lab->store, two, 2, &lab->err);
		_exit(rc == -ERR_nospace || rc == -ERR_io ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(store_open_sqlite(lab->path, &lab->store, &lab->err), 0);
	assert_string_equal(replay(lab, 1), "1:1:before ");
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(appended_records_come_back_in_order),
		STORE_TEST(a_closed_job_is_history_without_its_working_set),
		STORE_TEST(the_oldest_history_goes),
		STORE_TEST(values_are_put_and_got),
		STORE_TEST(each_leadership_has_a_greater_term),
		STORE_TEST(a_second_coordinator_is_refused),
		STORE_TEST(a_torn_last_record_is_dropped),
		STORE_TEST(a_damaged_store_is_told_as_damaged),
		STORE_TEST(a_place_that_cannot_be_written_is_told),
		STORE_TEST(a_full_disk_refuses_the_whole_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
