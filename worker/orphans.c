/* SPDX-License-Identifier: MPL-2.0
 *
 * Runtimes that outlived the worker which began them: checkpoints and creations of its handovers. A
 * new worker waits for their end, or makes it, before it looks at its journal.
 *
 * CRIU gives the freezer back as it found it. A checkpoint that outlived its worker found it
 * frozen, and would freeze the container again after it was thawed here, for ever. */
#include "worker/executor.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#define CMDLINE_MAX 16384
#define DUMP_WAIT_MS 10000
#define DUMP_END_MS 2000

/* A runtime that leads a group of its own, with this word and directory in its command line. */
static bool is_ours(pid_t pid, const char *word, const char *dir)
{
	auto_free char *text = NULL;
	char path[64];
	size_t len;

	str_fmt(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	if (getpgid(pid) != pid || file_read(path, CMDLINE_MAX, &text, &len, NULL))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!text[i])
			text[i] = ' ';
	return strstr(text, word) && strstr(text, dir);
}

static void hold_all(struct executor *x, uint64_t limit_ms)
{
	for (struct mig *m = x->migs; m; m = m->next)
		if (m->row.side == SIDE_source && m->row.state == HANDOVER_held)
			source_hold(m, limit_ms);
}

/* It ends by itself in most cases, and with that leaves the container as it found it. */
static void end_dump(struct executor *x, pid_t pid)
{
	auto_close int pidfd = pidfd_open(pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	log_warn("waiting for a checkpoint whose worker has died\tpid=%d", (int)pid);
	if (pidfd < 0 || poll(&p, 1, DUMP_WAIT_MS) == 1)
		return;
	log_warn("ending it\tpid=%d", (int)pid);
	hold_all(x, 0);
	kill(-pid, SIGKILL); /* it leads the group that criu is in */
	poll(&p, 1, DUMP_END_MS);
	hold_all(x, DUMP_END_MS);
}

/* A creation would come to its end beside the next worker's, under the same name. */
static void end_create(pid_t pid)
{
	auto_close int pidfd = pidfd_open(pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	log_warn("ending a creation whose worker has died\tpid=%d", (int)pid);
	kill(-pid, SIGKILL);
	if (pidfd >= 0)
		poll(&p, 1, DUMP_END_MS);
}

void orphans_end(struct executor *x)
{
	auto_closedir DIR *proc = opendir("/proc");
	const char *run = options_str(x->options, OPT_node_run);
	char staging[PATH_MAX], launch[PATH_MAX];
	const struct dirent *e;

	str_fmt(staging, sizeof(staging), "%s/staging/", run);
	str_fmt(launch, sizeof(launch), "%s/" LAUNCH_DIR "/", run);
	while (proc && (e = readdir(proc))) {
		uint64_t pid;

		if (!str_u64(e->d_name, 1, INT_MAX, &pid))
			continue;
		if (is_ours((pid_t)pid, " checkpoint ", staging))
			end_dump(x, (pid_t)pid);
		else if (is_ours((pid_t)pid, " create ", launch))
			end_create((pid_t)pid);
	}
}
