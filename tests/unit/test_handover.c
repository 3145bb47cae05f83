/* SPDX-License-Identifier: MPL-2.0
 *
 * What the journal allows: the rules that keep a container from running twice, checked over every
 * side, state and step. */
#include "base/file.h"
#include "base/mem.h"
#include "worker/executor.h"
#include "worker/guard.h"
#include "worker/journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

static bool does(const struct handover_plan *plan, enum handover_act act)
{
	for (; plan; plan = plan->on_failure)
		for (const struct handover_op *op = plan->ops; op->state || op->act; op++)
			if (op->act == act)
				return true;
	return false;
}

/* Index of a record or act in a plan, -1 when absent. */
static int at(const struct handover_plan *plan, unsigned state, unsigned act)
{
	for (int i = 0; plan->ops[i].state || plan->ops[i].act; i++)
		if ((state && plan->ops[i].state == state) || (act && plan->ops[i].act == act))
			return i;
	return -1;
}

static void a_released_source_thaws_only_with_proof(void **state)
{
	(void)state;
	for (unsigned s = 0; s < HANDOVER_STATES; s++)
		for (unsigned step = 1; step < STEP_COUNT; step++) {
			const struct handover_plan *plan = NULL;
			struct err err;

			if (handover_plan(SIDE_source, s, step, false, &plan, &err) || !plan)
				continue;
			if (does(plan, ACT_thaw))
				assert_true(s != HANDOVER_released && s != HANDOVER_done);
			assert_false(does(plan, ACT_retire));
		}
	assert_null(handover_recover(SIDE_source, HANDOVER_released, true));
	assert_null(handover_recover(SIDE_source, HANDOVER_released, false));
}

static void a_target_starts_only_prepared_and_with_the_grant(void **state)
{
	(void)state;
	for (unsigned s = 0; s < HANDOVER_STATES; s++)
		for (unsigned step = 1; step < STEP_COUNT; step++)
			for (int proof = 0; proof < 2; proof++) {
				const struct handover_plan *plan = NULL;
				struct err err;

				if (handover_plan(SIDE_target, s, step, proof, &plan, &err) ||
				    !plan || !does(plan, ACT_go))
					continue;
				assert_int_equal(s, HANDOVER_prepared);
				assert_true(step == STEP_start || step == STEP_force);
				assert_true(proof);
				assert_int_equal(handover_forces(plan), step == STEP_force);
				assert_true(at(plan, HANDOVER_running, 0) < at(plan, 0, ACT_go));
			}
}

/* A person's word moves only what waits for the other side, and is recorded as one. */
static void force_needs_its_proof_and_a_side_that_waits(void **state)
{
	const struct handover_plan *plan;
	struct err err;

	(void)state;
	for (enum handover_side side = SIDE_source; side <= SIDE_target; side++)
		for (unsigned s = 0; s < HANDOVER_STATES; s++) {
			bool waits =
				s == (side == SIDE_source ? HANDOVER_released : HANDOVER_prepared);

			plan = NULL;
			if (handover_plan(side, s, STEP_force, false, &plan, &err) == 0)
				assert_null(plan);
			plan = NULL;
			if (handover_plan(side, s, STEP_force, true, &plan, &err) == 0 && plan)
				assert_true(waits && handover_forces(plan));
			else
				assert_false(waits);
		}
	assert_int_equal(
		handover_plan(SIDE_source, HANDOVER_released, STEP_force, true, &plan, &err), 0);
	assert_int_equal(at(plan, HANDOVER_own, 0), 0);
	assert_true(at(plan, 0, ACT_invalidate) < at(plan, 0, ACT_thaw));
	assert_true(handover_gives_up(plan));
	assert_false(does(plan, ACT_retire));
}

static void running_is_never_refused(void **state)
{
	const struct handover_plan *plan;
	struct err err;

	(void)state;
	assert_true(handover_plan(SIDE_target, HANDOVER_running, STEP_refuse, true, &plan, &err) <
		    0);
	plan = handover_recover(SIDE_target, HANDOVER_running, true);
	assert_true(does(plan, ACT_plug)); /* its worker may have died before the gate */
	assert_false(does(plan, ACT_kill) || does(plan, ACT_unreserve));
}

/* Looked at before anything is recorded, recorded before it is told, and begun only by one that
 * holds nothing; abort alone starts it again, and a restart goes on with what was begun. */
static void a_stop_has_no_other_side(void **state)
{
	const struct handover_plan *plan;
	struct err err;

	(void)state;
	for (enum handover_side side = SIDE_source; side <= SIDE_target; side++)
		for (unsigned s = 0; s < HANDOVER_STATES; s++) {
			bool begins =
				side == SIDE_source && (s == HANDOVER_none || s == HANDOVER_own);

			plan = NULL;
			if (handover_plan(side, s, STEP_stop, true, &plan, &err) == 0 && plan) {
				assert_true(begins);
				assert_true(at(plan, 0, ACT_check_source) <
					    at(plan, HANDOVER_stopped, 0));
				assert_true(at(plan, HANDOVER_stopped, 0) < at(plan, 0, ACT_stop));
				assert_true(does(plan->on_failure, ACT_thaw));
			} else {
				assert_false(begins);
			}
		}
	for (unsigned step = 1; step < STEP_COUNT; step++) {
		plan = NULL;
		if (handover_plan(SIDE_source, HANDOVER_stopped, step, true, &plan, &err) == 0 &&
		    plan) {
			assert_true(step == STEP_abort || step == STEP_clean);
			assert_int_equal(does(plan, ACT_thaw), step == STEP_abort);
			assert_false(does(plan, ACT_retire));
		}
	}
	plan = handover_recover(SIDE_source, HANDOVER_stopped, true);
	assert_true(does(plan, ACT_stop) && !plan->ends);
	assert_null(handover_recover(SIDE_source, HANDOVER_stopped, false));
}

/* The start of a cold move can be made good; its files are trusted after a reboot only when they
 * were seen to be durable, and what ran and ended is not started twice. */
static void a_cold_start_is_made_good(void **state)
{
	static const struct {
		bool ran, same_boot;
		enum handover_act does, not ;
		bool lost;
	} cases[] = {
		{false, true, ACT_go, ACT_kill, false},
		{true, true, ACT_plug, ACT_go, false},
		{true, false, ACT_go, ACT_kill, false},
		{false, false, ACT_kill, ACT_go, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct handover_row row = {.side = SIDE_target,
					   .state = HANDOVER_running,
					   .cold = true,
					   .ran = cases[i].ran};
		const struct handover_plan *plan = handover_recover_cold(&row, cases[i].same_boot);

		assert_true(at(plan, 0, cases[i].does) >= 0);
		assert_int_equal(at(plan, 0, cases[i].not ), -1);
		assert_int_equal(at(plan, HANDOVER_lost, 0) == 0, cases[i].lost);
	}
}

static void records_come_before_acts(void **state)
{
	const struct handover_plan *hold, *abort = handover_abort_plan();
	struct err err;

	(void)state;
	assert_int_equal(handover_plan(SIDE_source, HANDOVER_own, STEP_hold, false, &hold, &err),
			 0);
	assert_int_equal(at(hold, HANDOVER_held, 0), 0);
	assert_true(at(hold, 0, ACT_gate_close) < at(hold, 0, ACT_freeze));
	assert_int_equal(at(abort, HANDOVER_own, 0), 0);
	assert_true(at(abort, 0, ACT_invalidate) < at(abort, 0, ACT_thaw));
	assert_ptr_equal(hold->on_failure, abort);
}

/* --- journal --- */

static size_t seen;
static struct handover_row last;

static void each(void *arg, const struct handover_row *row)
{
	(void)arg;
	seen++;
	last = *row;
}

static struct journal *opened(const char *path, int expected)
{
	struct journal *j = NULL;
	struct err err;

	seen = 0;
	assert_int_equal(journal_open(path, each, NULL, &j, &err), expected);
	return j;
}

static void fill(const char *path)
{
	struct handover_row row = {.migration = "01ARZ3NDEKTSV4RRFFQ69G5FAV", .side = SIDE_source};
	struct journal *j = opened(path, 0);
	struct err err;

	row.state = HANDOVER_held;
	assert_int_equal(journal_append(j, &row, &err), 0);
	row.state = HANDOVER_released;
	assert_int_equal(journal_append(j, &row, &err), 0);
	journal_close(&j);
}

static void the_last_row_counts_and_a_torn_one_does_not(void **state)
{
	char path[] = "/tmp/drover-journal.XXXXXX";
	int fd = mkstemp(path);
	struct journal *j;
	off_t size;

	(void)state;
	fill(path);
	j = opened(path, 0);
	assert_int_equal(seen, 1);
	assert_int_equal(last.state, HANDOVER_released);
	journal_close(&j);
	size = lseek(fd, 0, SEEK_END);
	assert_int_equal(ftruncate(fd, size - 7), 0);
	j = opened(path, 0);
	assert_int_equal(last.state, HANDOVER_held);
	last.state = HANDOVER_own;
	assert_int_equal(journal_append(j, &last, &(struct err){0}), 0);
	journal_close(&j);
	assert_int_equal(lseek(fd, 0, SEEK_END), size);
	j = opened(path, 0);
	assert_int_equal(last.state, HANDOVER_own);
	journal_close(&j);
	close(fd);
	unlink(path);
}

static void the_greatest_epoch_says_who_may_start(void **state)
{
	static const struct {
		uint8_t side, state, last;
		enum handover_right right;
	} rows[] = {
		{SIDE_source, HANDOVER_own, 0, RIGHT_here},
		{SIDE_source, HANDOVER_held, 0, RIGHT_undecided},
		{SIDE_source, HANDOVER_released, 0, RIGHT_undecided},
		{SIDE_source, HANDOVER_done, 0, RIGHT_away},
		{SIDE_source, HANDOVER_closed, HANDOVER_done, RIGHT_away},
		{SIDE_source, HANDOVER_closed, HANDOVER_own, RIGHT_here},
		{SIDE_source, HANDOVER_closed, HANDOVER_none, RIGHT_unknown},
		{SIDE_target, HANDOVER_reserved, 0, RIGHT_undecided},
		{SIDE_target, HANDOVER_prepared, 0, RIGHT_undecided},
		{SIDE_target, HANDOVER_running, 0, RIGHT_undecided},
		{SIDE_target, HANDOVER_closed, HANDOVER_running, RIGHT_here},
		{SIDE_target, HANDOVER_refused, 0, RIGHT_away},
		{SIDE_target, HANDOVER_closed, HANDOVER_refused, RIGHT_away},
		{SIDE_target, HANDOVER_lost, 0, RIGHT_away},
		{SIDE_source, HANDOVER_stopped, 0, RIGHT_stopped},
		{SIDE_source, HANDOVER_closed, HANDOVER_stopped, RIGHT_here},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct handover_row row = {
			.side = rows[i].side, .state = rows[i].state, .last = rows[i].last};

		assert_int_equal(handover_right(&row), rows[i].right);
	}
}

static struct options *options_in(const char *folder)
{
	struct options *options = options_new();
	char text[128];

	str_fmt(text, sizeof(text), "node.state=%s", folder);
	assert_int_equal(options_set(options, text, NULL), 0);
	return options;
}

static void moved(struct journal *j, const char *migration, uint64_t epoch, uint8_t side,
		  uint8_t last)
{
	struct handover_row row = {
		.container = "web", .peer = "beta", .side = side, .epoch = epoch, .state = last};
	struct err err;

	str_copy(row.migration, sizeof(row.migration), migration);
	assert_int_equal(journal_append(j, &row, &err), 0);
	row.last = last;
	row.state = HANDOVER_closed;
	assert_int_equal(journal_append(j, &row, &err), 0);
}

/* As an init system asks it, also while a worker holds the journal. */
static void the_guard_reads_the_journal(void **state)
{
	char folder[] = "/tmp/drover-guard.XXXXXX", path[64];
	struct options *options;
	struct journal *j;

	(void)state;
	assert_non_null(mkdtemp(folder));
	options = options_in(folder);
	str_fmt(path, sizeof(path), "%s/executor.journal", folder);
	assert_int_equal(guard_main(options, "web"), 0);
	j = opened(path, 0);
	moved(j, "01ARZ3NDEKTSV4RRFFQ69G5FA1", 7, SIDE_source, HANDOVER_done);
	assert_int_equal(guard_main(options, "web"), 3);
	assert_int_equal(guard_main(options, "db"), 0);
	assert_int_equal(guard_main(options, "../db"), 2);
	moved(j, "01ARZ3NDEKTSV4RRFFQ69G5FA2", 8, SIDE_target, HANDOVER_running);
	assert_int_equal(guard_main(options, "web"), 0);
	/* An older migration that is settled late decides nothing. */
	moved(j, "01ARZ3NDEKTSV4RRFFQ69G5FA1", 7, SIDE_source, HANDOVER_done);
	assert_int_equal(guard_main(options, "web"), 0);
	moved(j, "01ARZ3NDEKTSV4RRFFQ69G5FA3", 9, SIDE_source, HANDOVER_done);
	assert_int_equal(guard_main(options, "web"), 3);
	assert_int_equal(guard_new_main(options, "web"), 1); /* a worker has the journal */
	journal_close(&j);
	assert_int_equal(guard_new_main(options, "web"), 0);
	assert_int_equal(guard_main(options, "web"), 0);
	options_free(&options);
	assert_int_equal(file_rmtree(folder, NULL), 0);
}

static void a_damaged_middle_is_refused(void **state)
{
	char path[] = "/tmp/drover-journal.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	fill(path);
	fill(path);
	assert_int_equal(pwrite(fd, "x", 1, 100), 1);
	opened(path, -ERR_corrupt);
	close(fd);
	unlink(path);
}

static void fill_batch(const char *path, size_t n)
{
	static const char *const ids[] = {"01ARZ3NDEKTSV4RRFFQ69G5FA1",
					  "01ARZ3NDEKTSV4RRFFQ69G5FA2",
					  "01ARZ3NDEKTSV4RRFFQ69G5FA3"};
	struct handover_row rows[3] = {0};
	const struct handover_row *all[3];
	struct journal *j = opened(path, 0);

	for (size_t i = 0; i < n; i++) {
		rows[i].side = SIDE_source;
		rows[i].state = HANDOVER_released;
		str_copy(rows[i].migration, sizeof(rows[i].migration), ids[i]);
		all[i] = &rows[i];
	}
	assert_int_equal(journal_append_all(j, all, n, &(struct err){0}), 0);
	journal_close(&j);
}

/* However much of it has got to the disk. */
static void a_batch_counts_when_it_is_whole(void **state)
{
	char path[] = "/tmp/drover-journal.XXXXXX", zeros[64] = {0};
	int fd = mkstemp(path);
	struct journal *j;
	off_t one, all, row;

	(void)state;
	fill(path);
	one = lseek(fd, 0, SEEK_END);
	row = one / 2;
	fill_batch(path, 3);
	all = lseek(fd, 0, SEEK_END);
	assert_int_equal(all, one + 3 * row);
	j = opened(path, 0);
	assert_int_equal(seen, 4);
	journal_close(&j);
	for (off_t size = all - 1; size > one; size -= row / 2) {
		assert_int_equal(ftruncate(fd, size), 0);
		j = opened(path, 0);
		assert_int_equal(seen, 1);
		journal_close(&j);
	}
	assert_int_equal(ftruncate(fd, one), 0);
	fill_batch(path, 3);
	/* Its first page alone never came. */
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), one), sizeof(zeros));
	j = opened(path, 0);
	assert_int_equal(seen, 1);
	journal_close(&j);
	/* What goes over it makes no batch with what is left of it. */
	fill_batch(path, 2);
	j = opened(path, 0);
	assert_int_equal(seen, 3);
	journal_close(&j);
	close(fd);
	unlink(path);
}

static void a_part_of_a_batch_in_the_middle_is_refused(void **state)
{
	char path[] = "/tmp/drover-journal.XXXXXX";
	int fd = mkstemp(path);
	off_t row;

	(void)state;
	fill(path);
	row = lseek(fd, 0, SEEK_END) / 2;
	fill_batch(path, 3);
	fill(path);
	assert_int_equal(pwrite(fd, "x", 1, 3 * row + 100), 1);
	opened(path, -ERR_corrupt);
	close(fd);
	unlink(path);
}

/* On a file system of 256 KiB filled to the brim: what was begun ends, nothing new begins. */
static void a_full_disk_stops_beginnings_only(void **state)
{
	char folder[] = "/tmp/drover-journal.XXXXXX", path[64], filler[64];
	struct handover_row row = {.migration = "01ARZ3NDEKTSV4RRFFQ69G5FAV", .side = SIDE_source};
	static const uint8_t ends[] = {HANDOVER_own, HANDOVER_closed};
	struct journal *j;
	struct err err;
	char zeros[4096] = {0};
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(folder));
	assert_int_equal(mount("journal", folder, "tmpfs", 0, "size=512k"), 0);
	str_fmt(path, sizeof(path), "%s/journal", folder);
	str_fmt(filler, sizeof(filler), "%s/filler", folder);
	j = opened(path, 0);
	row.state = HANDOVER_held;
	assert_int_equal(journal_append(j, &row, &err), 0);
	fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, zeros, sizeof(zeros)) == sizeof(zeros))
		;
	for (size_t i = 0; i < sizeof(ends); i++) {
		row.state = ends[i];
		row.gave_up = true;
		assert_int_equal(journal_append(j, &row, &err), 0);
	}
	str_copy(row.migration, sizeof(row.migration), "01ARZ3NDEKTSV4RRFFQ69G5FAW");
	row.state = HANDOVER_held;
	row.settled = false;
	assert_int_equal(journal_append(j, &row, &err), -ERR_nospace);
	journal_close(&j);
	close(fd);
	assert_int_equal(umount(folder), 0);
	rmdir(folder);
}

static void two_workers_cannot_share_a_journal(void **state)
{
	char path[] = "/tmp/drover-journal.XXXXXX";
	int fd = mkstemp(path);
	struct journal *j = opened(path, 0);

	(void)state;
	opened(path, -ERR_busy);
	journal_close(&j);
	close(fd);
	unlink(path);
}

/* A RUNNING whose container is gone, and whose LOST could not be written: were it cleaned, it would
 * be closed as one that ran, and prove so to the source. */
static void what_could_not_be_recorded_comes_first(void **state)
{
	struct mig m = {.row = {.side = SIDE_target, .state = HANDOVER_running}};

	(void)state;
	assert_false(mig_must_end(&m));
	m.dead = true;
	assert_true(mig_must_end(&m));
	m = (struct mig){.row = {.side = SIDE_source, .state = HANDOVER_held}};
	assert_false(mig_must_end(&m));
	m.found = true;
	assert_true(mig_must_end(&m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_has_no_other_side),
		cmocka_unit_test(a_released_source_thaws_only_with_proof),
		cmocka_unit_test(a_target_starts_only_prepared_and_with_the_grant),
		cmocka_unit_test(force_needs_its_proof_and_a_side_that_waits),
		cmocka_unit_test(running_is_never_refused),
		cmocka_unit_test(a_cold_start_is_made_good),
		cmocka_unit_test(records_come_before_acts),
		cmocka_unit_test(the_last_row_counts_and_a_torn_one_does_not),
		cmocka_unit_test(the_greatest_epoch_says_who_may_start),
		cmocka_unit_test(the_guard_reads_the_journal),
		cmocka_unit_test(a_damaged_middle_is_refused),
		cmocka_unit_test(a_batch_counts_when_it_is_whole),
		cmocka_unit_test(a_part_of_a_batch_in_the_middle_is_refused),
		cmocka_unit_test(a_full_disk_stops_beginnings_only),
		cmocka_unit_test(two_workers_cannot_share_a_journal),
		cmocka_unit_test(what_could_not_be_recorded_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
