/* SPDX-License-Identifier: MPL-2.0
 *
 * Command lines that own their strings, lists of them, and what a finished child said. */
#include "runtime/run.h"

#include "base/mem.h"
#include "base/str.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#define CMD_TIMEOUT_MS 10000

static void add_owned(struct run_argv *argv, char *s)
{
	if (argv->n == RUN_ARGV_MAX || !s) {
		argv->bad = true;
		free(s);
		return;
	}
	argv->v[argv->n++] = s;
}

void argv_add(struct run_argv *argv, const char *s)
{
	add_owned(argv, s ? str_dup(s) : NULL);
}

void argv_addf(struct run_argv *argv, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	add_owned(argv, n < 0 ? NULL : s);
}

void argv_done(struct run_argv *argv)
{
	for (size_t i = 0; i < argv->n; i++)
		free(argv->v[i]);
	memset(argv, 0, sizeof(*argv));
}

void run_result_done(struct run_result *result)
{
	free(result->out);
	result->out = NULL;
}

/* Runtimes log one line an error: {"msg":"…"} or msg="…". Its text, with escapes undone as far as a
 * reader needs it. */
static bool logged_msg(const char *line, char *buf, size_t size)
{
	static const char *const starts[] = {"\"msg\":\"", " msg=\""};
	const char *p = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(starts) && !p; i++)
		if ((p = strstr(line, starts[i])))
			p += strlen(starts[i]);
	if (!p)
		return false;
	for (; *p && *p != '"' && n + 1 < size; p++) {
		if (*p == '\\' && p[1])
			p++;
		buf[n++] = *p;
	}
	buf[n] = 0;
	return true;
}

/* The last line that speaks of an error (nft prints the place below it), else the last that is not
 * blank. */
const char *run_last_line(const struct run_result *result, char *buf, size_t size)
{
	char line[1024], best[1024] = "";
	bool about_error = false;

	for (const char *p = result->err_tail; *p;) {
		size_t n = strcspn(p, "\n");

		str_fmt(line, sizeof(line), "%.*s", (int)n, p);
		p += n + (p[n] == '\n');
		if (!line[strspn(line, " \t\r")] || (about_error && !strstr(line, "rror")))
			continue;
		about_error = strstr(line, "rror") != NULL;
		str_copy(best, sizeof(best), line);
	}
	if (!logged_msg(best, buf, size))
		str_copy(buf, size, best);
	return buf;
}

int run_check(const struct run_result *result, const char *what, struct err *err)
{
	char line[512];

	if (result->timed_out)
		return fail(err, ERR_timeout, "%s: no end after %llu ms", what,
			    (unsigned long long)(result->duration_us / 1000));
	if (result->exit_code == 0)
		return 0;
	run_last_line(result, line, sizeof(line));
	if (result->exit_code < 0)
		return fail(err, ERR_child, "%s: killed by signal %d%s%s", what, result->signal,
			    *line ? ": " : "", line);
	return fail(err, ERR_child, "%s: exit code %d%s%s", what, result->exit_code,
		    *line ? ": " : "", line);
}

struct run_cmd *run_cmds_add(struct run_cmds *cmds, char *input, bool may_fail)
{
	struct run_cmd *cmd;

	assert(cmds->n < RUN_CMDS_MAX);
	cmd = &cmds->v[cmds->n++];
	*cmd = (struct run_cmd){.input = input, .may_fail = may_fail};
	return cmd;
}

void run_cmds_done(struct run_cmds *cmds)
{
	for (size_t i = 0; i < cmds->n; i++) {
		argv_done(&cmds->v[i].argv);
		free(cmds->v[i].input);
	}
	memset(cmds, 0, sizeof(*cmds));
}

struct run_spec run_cmd_spec(const struct run_cmd *cmd, uint64_t timeout_ms)
{
	return (struct run_spec){
		.argv = cmd->argv.bad ? NULL : (const char *const *)cmd->argv.v,
		.stdin_data = cmd->input,
		.stdin_len = cmd->input ? strlen(cmd->input) : 0,
		.timeout_ms = timeout_ms,
	};
}

int run_cmds_sync(const struct run_cmds *cmds, struct err *err)
{
	for (size_t i = 0; i < cmds->n; i++) {
		const struct run_cmd *cmd = &cmds->v[i];
		struct run_spec spec = run_cmd_spec(cmd, CMD_TIMEOUT_MS);
		struct run_result result;
		int rc = run_sync(&spec, &result, err);

		if (rc == 0)
			rc = run_check(&result, cmd->argv.v[0], err);
		run_result_done(&result);
		if (rc < 0 && !cmd->may_fail)
			return rc;
	}
	return 0;
}
