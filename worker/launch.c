/* SPDX-License-Identifier: MPL-2.0
 *
 * The phases of a launch as a table. */
#include "worker/launch.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/cgroup.h"
#include "worker/executor.h"

#include <string.h>

#define LAUNCH_LIMIT_MS 30000
#define KILL_LIMIT_MS 5000
#define LOG_MAX (64u << 10)

static const struct phase {
	enum runtime_op op;
	const char *word;
	bool may_fail; /* its exit code says nothing: an unknown container is what is wanted */
} phases[] = {
	[LAUNCH_delete] = {RUNTIME_DELETE, "delete", true},
	[LAUNCH_create] = {RUNTIME_CREATE, "create", false},
	[LAUNCH_start] = {RUNTIME_START, "start", false},
};

void launch_log(const struct executor *x, const struct mig *m, char ret[PATH_MAX])
{
	str_fmt(ret, PATH_MAX, "%s/" LAUNCH_DIR "/%s.log", options_str(x->options, OPT_node_run),
		m->row.migration);
}

static int prepare(struct executor *x, const struct mig *m, char log[PATH_MAX], struct err *err)
{
	char dir[PATH_MAX];

	str_fmt(dir, sizeof(dir), "%s/" LAUNCH_DIR, options_str(x->options, OPT_node_run));
	launch_log(x, m, log);
	unlink(log);
	return file_mkdirs(dir, 0700, err);
}

int launch_begin(struct executor *x, struct mig *m, enum launch from, struct err *err)
{
	const struct runtime_driver *driver = runtime_find(m->row.runtime);
	char log[PATH_MAX];
	struct runtime_request request = {.id = m->row.container,
					  .bundle = m->row.bundle,
					  .log = log,
					  .force = from == LAUNCH_delete};
	auto_argv struct run_argv argv = {0};
	struct run_spec spec;
	int rc;

	if (!driver)
		return fail(err, ERR_refused, "runtime \"%s\" is not known here", m->row.runtime);
	rc = prepare(x, m, log, err);
	if (!rc && from == LAUNCH_create)
		rc = launch_wipe(m, err); /* the runtime may have given it up, and the kernel not */
	if (!rc)
		rc = driver->argv(driver, phases[from].op, &request, &argv, err);
	if (rc)
		return rc;
	spec = runtime_spec(phases[from].op, &argv, LAUNCH_LIMIT_MS);
	m->launch = from;
	rc = run_start(&spec, clock_mono_ms(), &m->child, err);
	return rc ? rc : 1;
}

/* A runtime that was given a log writes its errors there; one that has no stderr, only there. */
static void add_log(struct executor *x, const struct mig *m, struct err *err)
{
	auto_free struct run_result *said = mem_new_of(struct run_result);
	auto_free char *text = NULL;
	char log[PATH_MAX], line[300];
	size_t len, from;

	launch_log(x, m, log);
	if (file_read(log, LOG_MAX, &text, &len, NULL) || !len)
		return;
	from = len > RUN_STDERR_TAIL ? len - RUN_STDERR_TAIL : 0;
	str_copy(said->err_tail, sizeof(said->err_tail), text + from);
	fail(err, (enum err_code)err->code, "%s %s: %s", m->row.runtime, phases[m->launch].word,
	     run_last_line(said, line, sizeof(line)));
}

static int ended(struct executor *x, struct mig *m, struct err *err)
{
	const struct phase *phase = &phases[m->launch];
	char what[64];
	int rc;

	str_fmt(what, sizeof(what), "%s %s", m->row.runtime, phase->word);
	rc = run_check(run_result(m->child), what, err);
	run_free(&m->child);
	if (rc && phase->may_fail)
		return 0;
	if (rc)
		add_log(x, m, err);
	return rc;
}

int launch_step(struct executor *x, struct mig *m, enum launch last, struct err *err)
{
	char log[PATH_MAX];
	int rc;

	if (!m->child || !run_step(m->child, clock_mono_ms()))
		return 1;
	rc = ended(x, m, err);
	if (!rc && m->launch != last)
		return launch_begin(x, m, m->launch + 1, err);
	launch_log(x, m, log);
	unlink(log);
	m->launch = LAUNCH_none;
	return rc;
}

static int delete_known(const struct runtime_driver *driver, const struct mig *m, struct err *err)
{
	struct runtime_request request = {.id = m->row.container, .force = true};
	auto_argv struct run_argv argv = {0};
	struct run_result result = {0};
	struct run_spec spec;
	int rc = driver->argv(driver, RUNTIME_DELETE, &request, &argv, err);

	if (rc)
		return rc;
	spec = runtime_spec(RUNTIME_DELETE, &argv, LAUNCH_LIMIT_MS);
	rc = run_sync(&spec, &result, err);
	run_result_done(&result);
	return rc;
}

int launch_wipe(const struct mig *m, struct err *err)
{
	const struct runtime_driver *driver = runtime_find(m->row.runtime);
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	auto_bundle struct bundle bundle = {0};
	struct runtime_container found;
	pid_t pid;
	int rc = 0;

	if (!driver)
		return 0;
	if (!runtime_state_sync(driver, NULL, m->row.container, &found, NULL))
		rc = delete_known(driver, m, err);
	/* The group is the container's own: arrival_policy has seen that nobody else is in it. */
	if (!rc && !bundle_read(m->row.bundle, &bundle, NULL) && bundle.cgroups_path &&
	    cgroup_populated(bundle.cgroups_path, &pid) &&
	    !cgroup_open(pid, bundle.cgroups_path, &cgroup, NULL))
		rc = cgroup_kill(&cgroup, KILL_LIMIT_MS, err);
	return rc ? rc : runtime_forget(driver, NULL, m->row.container, err);
}
