/* SPDX-License-Identifier: MPL-2.0
 *
 * Children. The only place of the project that starts a program: an argv, never a shell; closed
 * descriptors, default signals, its own output limits and deadline. A child never blocks the
 * caller: one descriptor becomes readable when anything happens to it, run_step does what there is
 * to do. No child dies with its parent: a runtime that is half-way through a dump goes on, and its
 * container is found again by the journal. */
#ifndef DROVER_RUNTIME_RUN_H
#define DROVER_RUNTIME_RUN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define RUN_STDERR_TAIL 4096
#define RUN_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define RUN_CGROUP "drover-runtimes"

/* An argv that owns its strings. Adding past the end, or NULL, marks it bad, and run_start refuses
 * a bad one: builders need not check each step. */
#define RUN_ARGV_MAX 63

struct run_argv {
	char *v[RUN_ARGV_MAX + 1]; /* NULL-terminated */
	size_t n;
	bool bad;
};

void argv_add(struct run_argv *argv, const char *s);
void argv_addf(struct run_argv *argv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void argv_done(struct run_argv *argv);
#define auto_argv __attribute__((cleanup(argv_done)))

/* A descriptor of ours that the child gets under another number (≥ 3). Borrowed, stays open. */
struct run_fd {
	int parent;
	int child;
};

struct run_spec {
	const char *const *argv; /* argv[0] without "/" is looked up in RUN_PATH */
	const char *cwd;         /* NULL = "/" */
	const char *const *env;  /* "NAME=value"; NULL = PATH and LANG only */
	const void *stdin_data;  /* NULL = /dev/null; copied by run_start */
	size_t stdin_len;
	const struct run_fd *fds;
	size_t n_fds;
	/* NULL, or a name such as RUN_CGROUP: the child starts in a cgroup of that name at the top
	 * of the tree, out of reach of whoever kills this program's own cgroup. Best effort. */
	const char *cgroup;
	uid_t uid; /* 0 = stay; otherwise gid, uid and no supplementary groups */
	gid_t gid;
	size_t stdout_max;   /* bytes of stdout that are kept; 0 = stdout is /dev/null */
	uint64_t timeout_ms; /* 0 = none */
	bool new_session;    /* setsid: a timeout or run_kill then reaches the whole group */
	/* For `restore --detach`: what the child leaves running must not hold our pipes. stdin and
	 * stdout are /dev/null, stderr is an unlinked file that is read when the child is over. */
	bool detached_output;
	/* For `create`: a container that is started so has our child's stdio for good, so it is
	 * /dev/null, all three. */
	bool no_output;
};

struct run_result {
	pid_t pid;
	int exit_code;  /* -1 when a signal ended it */
	int signal;     /* 0 when it exited */
	bool timed_out; /* killed by us at its deadline */
	bool out_cut;   /* stdout was longer than stdout_max */
	char *out;      /* NUL-terminated past out_len, heap, NULL when stdout_max was 0 */
	size_t out_len;
	char err_tail[RUN_STDERR_TAIL + 1]; /* the last bytes of stderr */
	uint64_t duration_us;
};

struct run; /* one child, from start to reaped */

/* Starts a child. now_ms is CLOCK_MONOTONIC. -ERR_nosuch when the program is not installed,
 * -ERR_child when it cannot be executed, -ERR_io, -ERR_invalid for a bad argv. */
int run_start(const struct run_spec *spec, uint64_t now_ms, struct run **ret, struct err *err);

/* An epoll descriptor (close-on-exec, owned by run) that is readable when run_step has something to
 * do. It stops being of use when run_step has answered 1. */
int run_fd(const struct run *run);

/* When run_step wants to be called at the latest; UINT64_MAX = never. */
uint64_t run_deadline_ms(const struct run *run);

/* Another deadline from now on, CLOCK_MONOTONIC; UINT64_MAX = none. */
void run_set_deadline(struct run *run, uint64_t deadline_ms);

/* Moves bytes, enforces the deadline, reaps. 0 = it runs on, 1 = it is over and run_result is
 * final. Never blocks. Output that descendants write after the child's end is not waited for. */
int run_step(struct run *run, uint64_t now_ms);

/* Final after run_step answered 1; before that only pid is meaningful. Borrowed. */
const struct run_result *run_result(const struct run *run);

/* SIGKILL for the child (for its session when new_session). run_step reports the end. */
void run_kill(struct run *run);

/* Kills and reaps a child that still runs. *run may be NULL and becomes NULL. */
void run_free(struct run **run);

/* Starts and waits. The caller frees ret->out (run_result_done). An exit code other than 0 is not
 * an error here: see run_check. */
int run_sync(const struct run_spec *spec, struct run_result *ret, struct err *err);
void run_result_done(struct run_result *result);

/* 0 when the child exited with 0; else -ERR_child (-ERR_timeout when it was late) with "what: exit
 * code, last line of stderr". */
int run_check(const struct run_result *result, const char *what, struct err *err);

/* The last line of stderr that speaks of an error, else the last one, in buf; a runtime's log line
 * is reduced to its message. Returns buf. */
const char *run_last_line(const struct run_result *result, char *buf, size_t size);

/* Full path of a program in RUN_PATH (or the path itself when it has a "/" and is executable).
 * -ERR_nosuch when there is none. */
int run_find(const char *program, char *ret_path, size_t size, struct err *err);

/* Commands that are to be run one after another. A failure stops the list unless may_fail. */
struct run_cmd {
	struct run_argv argv;
	char *input;   /* stdin, heap, NULL = none */
	bool may_fail; /* its failure is not an error */
};

#define RUN_CMDS_MAX 8

struct run_cmds {
	struct run_cmd v[RUN_CMDS_MAX];
	size_t n;
};

/* Appends an empty command and returns it; more than RUN_CMDS_MAX is our own bug (assert). Takes
 * input (heap or NULL). */
struct run_cmd *run_cmds_add(struct run_cmds *cmds, char *input, bool may_fail);
void run_cmds_done(struct run_cmds *cmds);
#define auto_cmds __attribute__((cleanup(run_cmds_done)))

/* The spec of one command; borrows from cmd. */
struct run_spec run_cmd_spec(const struct run_cmd *cmd, uint64_t timeout_ms);

/* Runs them all and waits: for tests, start-up and healing, not for the event loop. */
int run_cmds_sync(const struct run_cmds *cmds, struct err *err);

#endif
