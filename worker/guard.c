/* SPDX-License-Identifier: MPL-2.0
 *
 * May this container start here? The row with the greatest epoch says it; without any row the
 * container never moved. */
#include "worker/guard.h"

#include "base/clock.h"
#include "base/str.h"
#include "worker/journal.h"

#include <limits.h>
#include <stdio.h>

struct look {
	const char *id;
	struct handover_row row; /* .migration "" = none yet */
};

static void look_at(void *arg, const struct handover_row *row)
{
	struct look *look = arg;

	if (str_eq(row->container, look->id) && handover_right(row) != RIGHT_unknown &&
	    (!look->row.migration[0] || row->epoch >= look->row.epoch))
		look->row = *row;
}

static int refuse(const struct handover_row *row, const char *id)
{
	unsigned state = row->state == HANDOVER_closed ? row->last : row->state;
	bool away = handover_right(row) == RIGHT_away;

	if (handover_right(row) == RIGHT_stopped)
		printf("%s must not start here by itself: drover has stopped it (job %s); drover "
		       "restore starts it\n",
		       id, row->migration);
	else if (away && state == HANDOVER_done)
		printf("%s must not start here: it moved to %s (migration %s)\n", id, row->peer,
		       row->migration);
	else if (away)
		printf("%s must not start here: it is %s's (migration %s, %s here)\n", id,
		       row->peer, row->migration, handover_state_name(state));
	else
		printf("%s must not start here now: its handover %s %s is not decided (migration "
		       "%s, %s): drover-worker does what is right\n",
		       id, row->side == SIDE_source ? "to" : "from", row->peer, row->migration,
		       handover_state_name(state));
	return err_exit_code(ERR_refused);
}

static void journal_path(const struct options *options, char ret[PATH_MAX])
{
	str_fmt(ret, PATH_MAX, "%s/executor.journal", options_str(options, OPT_node_state));
}

static int fail_guard(const struct err *err)
{
	fprintf(stderr, "drover-worker: %s\n", err->text);
	if (err->fix[0])
		fprintf(stderr, "  fix: %s\n", err->fix);
	return err_exit_code(err->code);
}

int guard_main(const struct options *options, const char *id)
{
	struct look look = {.id = id};
	char path[PATH_MAX];
	struct err err = {0};

	journal_path(options, path);
	if (!name_ok(id))
		fail(&err, ERR_usage, "\"%.80s\" is no container's name", id);
	else if (journal_read(path, look_at, &look, &err) && err.code != ERR_corrupt)
		err.code =
			ERR_corrupt; /* whatever keeps it from being read: a person has to look */
	if (err.code)
		return fail_guard(&err);
	if (look.row.migration[0] && handover_right(&look.row) != RIGHT_here)
		return refuse(&look.row, id);
	printf("%s may start here\n", id);
	return 0;
}

static void look_nowhere(void *arg, const struct handover_row *row)
{
	(void)arg;
	(void)row;
}

int guard_new_main(const struct options *options, const char *id)
{
	struct look look = {.id = id};
	struct handover_row row = {.side = SIDE_source,
				   .state = HANDOVER_closed,
				   .last = HANDOVER_own,
				   .settled = true};
	struct journal *journal = NULL;
	char path[PATH_MAX];
	struct err err = {0};

	journal_path(options, path);
	if (!name_ok(id))
		fail(&err, ERR_usage, "\"%.80s\" is no container's name", id);
	else
		journal_read(path, look_at, &look, &err);
	if (!err.code && look.row.migration[0] &&
	    (handover_right(&look.row) == RIGHT_undecided ||
	     handover_right(&look.row) == RIGHT_stopped))
		fail(&err, ERR_refused, "a handover of %s is not decided (migration %s)", id,
		     look.row.migration);
	str_copy(row.container, sizeof(row.container), id);
	ulid_new(row.migration, clock_wall_ms());
	row.epoch = look.row.epoch;
	if (!err.code)
		journal_open(path, look_nowhere, NULL, &journal, &err);
	if (!err.code)
		journal_append(journal, &row, &err);
	journal_close(&journal);
	if (err.code == ERR_busy)
		err_fix(&err,
			"stop drover-worker first: what is frozen stays so, what runs runs on");
	if (err.code)
		return fail_guard(&err);
	printf("%s may start here: it is another one than the one that moved\n", id);
	return 0;
}
