/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/logs.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/criulog.h"
#include "worker/logdir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_MAX 16384 /* with the NUL: answer.log */

static void logs_dir(const struct executor *x, char ret[PATH_MAX])
{
	str_fmt(ret, PATH_MAX, "%s/logs", options_str(x->options, OPT_node_state));
}

static const char *log_name(uint8_t side)
{
	return side == SIDE_source ? "dump.log" : "restore.log";
}

static void prune(struct executor *x)
{
	char dir[PATH_MAX];
	size_t n;

	logs_dir(x, dir);
	n = logdir_prune(dir, clock_wall_ms() / 1000, LOGDIR_DAYS * 86400, LOGDIR_TOTAL_MAX);
	if (n)
		log_info("logs of %zu migrations removed\tnode=%s", n, x->self);
}

void logs_start(struct executor *x)
{
	char dir[PATH_MAX];
	struct err err;

	logs_dir(x, dir);
	if (file_mkdirs(dir, 0700, &err))
		log_warn("CRIU's logs are not kept: %s\tnode=%s", err.text, x->self);
	prune(x);
}

/* The log that CRIU writes, in the staging directory of the migration: on a target that directory
 * was the unprivileged user's once, so only a file of our own counts. */
static int open_staged(struct executor *x, const struct mig *m)
{
	auto_close int top = -1;
	char path[PATH_MAX], name[32];
	struct stat st;
	int fd;

	mig_staging_dir(x, m, path);
	str_fmt(name, sizeof(name), "work/%s", log_name(m->row.side));
	top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd = top < 0 ? -1 : file_open_beneath(top, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	    st.st_uid == geteuid())
		return fd;
	close(fd);
	return -1;
}

void logs_keep(struct executor *x, struct mig *m)
{
	auto_close int from = open_staged(x, m);
	char dir[PATH_MAX];
	struct err err;

	if (from < 0)
		return;
	logs_dir(x, dir);
	if (logdir_keep(dir, m->row.migration, log_name(m->row.side), from, m->runtime_said, &err))
		log_warn("%s\tmigration=%s", err.text, m->row.migration);
	prune(x);
}

/* --- a failure --- */

/* The last bytes of the file, from the beginning of a line on; heap, never NULL. */
static char *read_end(int fd, size_t max)
{
	struct stat st = {0};
	char *text = mem_new(1, max + 1), *line;
	off_t at = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return text;
	if ((size_t)st.st_size > max)
		at = st.st_size - (off_t)max;
	n = pread(fd, text, max, at);
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	text[n > 0 ? n : 0] = '\0';
	line = at ? strchr(text, '\n') : NULL;
	if (line)
		memmove(text, line + 1, strlen(line + 1) + 1);
	return text;
}

/* What the coordinator keeps: the error lines, then as much of the log's end as fits. */
static void keep_tail(struct mig *m, const struct criulog *found, const char *log)
{
	size_t used, len = strlen(log);
	const char *at = log;

	m->log_tail[0] = '\0';
	if (found->last[0])
		str_fmt(m->log_tail, sizeof(m->log_tail), "%s--- the log's end\n", found->last);
	used = strlen(m->log_tail);
	if (len >= sizeof(m->log_tail) - used) {
		at = strchr(log + len - (sizeof(m->log_tail) - used) + 1, '\n');
		at = at ? at + 1 : "";
	}
	str_copy(m->log_tail + used, sizeof(m->log_tail) - used, at);
}

void logs_explain(struct executor *x, struct mig *m, const struct run_result *result,
		  struct err *err)
{
	bool source = m->row.side == SIDE_source;
	auto_close int fd = open_staged(x, m);
	auto_free char *log = read_end(fd, LOGDIR_FILE_MAX);
	struct msg_reason *reason = scratch_take(&m->scratch, sizeof(*reason));
	struct criulog found;
	const struct code_row *row;

	criulog_classify(source ? CRIULOG_dump : CRIULOG_restore, log, result->err_tail, &found);
	if (result->timed_out) {
		found.code = CODE_criu_timeout;
		str_fmt(found.why, sizeof(found.why), "%s did not end within its %" PRIu64 " s",
			source ? "the dump" : "the restore", result->duration_us / 1000000);
	}
	row = code_row(found.code);
	keep_tail(m, &found, log);
	str_fmt(m->runtime_said, sizeof(m->runtime_said), "--- %s: %s: %s\n%s%s%s", x->self,
		row->code, found.why, result->err_tail[0] ? "--- the runtime said\n" : "",
		result->err_tail, result->err_tail[0] ? "\n" : "");
	reason->code = row->code;
	reason->why = scratch_fmt(&m->scratch, "%s", found.why);
	reason->fix = row->fix;
	m->answer.reasons.v = reason;
	m->answer.reasons.n = 1;
	fail(err, (enum err_code)err->code, "%s: %s", row->code, found.why);
	err_fix(err, "%s", row->fix);
}

/* --- reading --- */

static bool may_read(struct executor *x, const struct wire_ask *ask, uint8_t *ret_side,
		     struct err *err)
{
	*ret_side = str_eq(ask->source, x->self) ? SIDE_source : SIDE_target;
	if (!ulid_ok(ask->migration))
		return fail(err, ERR_invalid, "no migration is named") == 0;
	if (!str_eq(ask->source, x->self) && !str_eq(ask->target, x->self))
		return fail(err, ERR_refused, "%s is neither source nor target", x->self) == 0;
	return true;
}

/* A log that CRIU still writes, or one whose staging directory is still there, comes first. */
static ssize_t read_piece(struct executor *x, const struct wire_ask *ask, uint8_t side, char *buf,
			  uint64_t *ret_total, struct err *err)
{
	struct mig staged = {.row.side = side};
	char dir[PATH_MAX];
	auto_close int fd = -1;
	ssize_t n;

	str_copy(staged.row.migration, sizeof(staged.row.migration), ask->migration);
	logs_dir(x, dir);
	n = logdir_read(dir, ask->migration, log_name(side), ask->offset, buf, PIECE_MAX, ret_total,
			err);
	if (n != -ERR_nosuch)
		return n;
	fd = open_staged(x, &staged);
	if (fd >= 0)
		return logdir_read_fd(fd, ask->offset, buf, PIECE_MAX, ret_total, err);
	fail(err, ERR_nosuch, "%s has no %s of migration %s", x->self, log_name(side),
	     ask->migration);
	return err_fix(err, "logs are kept for %d days, and the oldest go when they take %u MiB",
		       LOGDIR_DAYS, LOGDIR_TOTAL_MAX >> 20);
}

void logs_ask(struct executor *x, const struct wire_ask *ask)
{
	struct msg_answer answer = {.migration = ask->migration,
				    .step = ask->step,
				    .attempt = ask->attempt,
				    .log_offset = ask->offset};
	struct wire_out out = {.kind = WIRE_MESSAGE, .type = MSG_TYPE_answer};
	auto_free char *piece = mem_new(1, PIECE_MAX);
	auto_free void *body = NULL;
	struct err err = {0};
	uint8_t side;
	size_t len;

	if (may_read(x, ask, &side, &err) &&
	    read_piece(x, ask, side, piece, &answer.log_total, &err) >= 0) {
		answer.log = piece;
		answer.log_name = log_name(side);
	} else {
		answer.code = (uint64_t)err.code;
		answer.error = err.text;
		answer.fix = err.fix[0] ? err.fix : NULL;
	}
	str_copy(out.request, sizeof(out.request), ask->request);
	if (msg_encode_body(MSG_TYPE_answer, &answer, &body, &len, &err)) {
		log_warn("a log cannot be told: %s\tmigration=%s", err.text, ask->migration);
		return;
	}
	out.body_len = (uint32_t)len;
	if (exec_tell(x, &out, body, -1, &err))
		log_debug("a log was not passed on: %s", err.text);
}
