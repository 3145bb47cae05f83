/* SPDX-License-Identifier: MPL-2.0
 *
 * The table of drivers, and asking one of them and waiting. */
#include "runtime/runtime.h"

#include "base/file.h"
#include "base/mem.h"
#include "runtime/drivers.h"

#include <string.h>
#include <sys/stat.h>

#define QUERY_MS 10000
#define QUERY_MAX (4u << 20)

static const struct runtime_driver *const drivers[] = {&driver_runc, &driver_crun};

const struct runtime_driver *runtime_at(size_t i)
{
	return i < ARRAY_LEN(drivers) ? drivers[i] : NULL;
}

const struct runtime_driver *runtime_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (str_eq(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

struct run_spec runtime_spec(enum runtime_op op, const struct run_argv *argv, uint64_t timeout_ms)
{
	bool acts = op != RUNTIME_VERSION && op != RUNTIME_LIST && op != RUNTIME_STATE;

	return (struct run_spec){
		.argv = argv->bad ? NULL : (const char *const *)argv->v,
		.timeout_ms = timeout_ms,
		.cgroup = acts ? RUN_CGROUP : NULL,
		.new_session = acts,
		.detached_output = op == RUNTIME_RESTORE,
		.no_output = op == RUNTIME_CREATE,
		.stdout_max = acts ? 0 : QUERY_MAX,
	};
}

/* Runs one operation; ret_out is heap. */
static int ask(const struct runtime_driver *driver, enum runtime_op op,
	       const struct runtime_request *request, char **ret_out, struct err *err)
{
	auto_argv struct run_argv argv = {0};
	struct run_result result = {0};
	struct run_spec spec;
	int rc = driver->argv(driver, op, request, &argv, err);

	if (rc < 0)
		return rc;
	spec = runtime_spec(op, &argv, QUERY_MS);
	if ((rc = run_sync(&spec, &result, err)) < 0)
		return rc;
	*ret_out = mem_take(result.out);
	rc = run_check(&result, driver->program, err);
	if (rc == 0 && result.out_cut)
		rc = fail(err, ERR_child, "%s: more output than %u bytes", driver->program,
			  QUERY_MAX);
	return rc;
}

int runtime_version_sync(const struct runtime_driver *driver, struct runtime_version *ret,
			 struct err *err)
{
	struct runtime_request none = {0};
	auto_free char *out = NULL;
	int rc = ask(driver, RUNTIME_VERSION, &none, &out, err);

	return rc < 0 ? rc : driver->parse_version(out, ret, err);
}

int runtime_list_sync(const struct runtime_driver *driver, const char *root,
		      struct runtime_list *ret, struct err *err)
{
	struct runtime_request request = {.root = root};
	auto_free char *out = NULL;
	int rc;

	memset(ret, 0, sizeof(*ret));
	/* runc calls a --root that nobody has made yet an error. */
	if (root && access(root, F_OK) < 0)
		return 0;
	rc = ask(driver, RUNTIME_LIST, &request, &out, err);
	return rc < 0 ? rc : driver->parse_list(out, ret, err);
}

int runtime_state_sync(const struct runtime_driver *driver, const char *root, const char *id,
		       struct runtime_container *ret, struct err *err)
{
	struct runtime_request request = {.root = root, .id = id};
	auto_free char *out = NULL;
	struct err own;
	int rc;

	err = err ? err : &own;
	rc = ask(driver, RUNTIME_STATE, &request, &out, err);
	if (rc == -ERR_child && strstr(err->text, "does not exist"))
		return fail(err, ERR_nosuch, "%s knows no container %s", driver->name, id);
	return rc < 0 ? rc : driver->parse_state(out, ret, err);
}

void runtime_list_done(struct runtime_list *list)
{
	free(list->v);
	memset(list, 0, sizeof(*list));
}

/* What a runtime writes last: without it the directory is of a container that never came to be, or
 * that is half deleted. runc's and crun's names. */
static bool has_state(const char *directory)
{
	static const char *const names[] = {"state.json", "status"};
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_fmt(path, sizeof(path), "%s/%s", directory, names[i]) &&
		    lstat(path, &st) == 0)
			return true;
	return false;
}

int runtime_forget(const struct runtime_driver *driver, const char *root, const char *id,
		   struct err *err)
{
	struct runtime_container c;
	char path[PATH_MAX];
	struct stat st;
	int rc;

	if (!name_ok(id) ||
	    !str_fmt(path, sizeof(path), "%s/%s", root ? root : driver->default_root, id))
		return fail(err, ERR_invalid, "not a container id: %.100s", id);
	if (lstat(path, &st) < 0)
		return 0;
	rc = runtime_state_sync(driver, root, id, &c, err);
	if (!rc && c.pid > 0 && !str_eq(c.status, "stopped"))
		return fail(err, ERR_busy, "%s is %s", id, c.status);
	/* A runtime that could not be asked has said nothing of the container. */
	if (rc < 0 && rc != -ERR_nosuch && has_state(path))
		return err_wrap(err, "whether %s still runs", id);
	return file_rmtree(path, err);
}
