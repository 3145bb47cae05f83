/* SPDX-License-Identifier: MPL-2.0
 *
 * runc and crun: the same command line by and large, so one builder over a table of options; each
 * has its own way to print its version. Checked against runc 1.1.15 to 1.3.6 and crun 1.21 to
 * 1.28. */
#include "runtime/drivers.h"

#include "base/mem.h"
#include "runtime/json.h"

#include <string.h>

struct oci_words {
	const char *version_prefix;
	const char
		*criu_word; /* in the version output when it can checkpoint, NULL = it cannot say */
};

#define OP(name) (1u << RUNTIME_##name)
#define BOTH (OP(CHECKPOINT) | OP(RESTORE))
#define COMES (OP(RESTORE) | OP(CREATE))

enum option_kind { OPTION_FLAG, OPTION_PATH, OPTION_PARENT };

struct option_row {
	unsigned ops;
	const char *flag;
	enum option_kind kind;
	size_t offset;
};

/* clang-format off */
#define ROW(ops, flag, kind, field) {ops, flag, OPTION_##kind, offsetof(struct runtime_request, field)}
static const struct option_row option_rows[] = {
	ROW(BOTH,           "--image-path",      PATH,   image_dir),
	ROW(BOTH,           "--work-path",       PATH,   work_dir),
	ROW(OP(CHECKPOINT), "--parent-path",     PARENT, parent),
	ROW(OP(CHECKPOINT), "--pre-dump",        FLAG,   pre_dump),
	ROW(OP(CHECKPOINT), "--leave-running",   FLAG,   leave_running),
	ROW(BOTH,           "--tcp-established", FLAG,   tcp_established),
	ROW(BOTH,           "--file-locks",      FLAG,   file_locks),
	ROW(BOTH,           "--ext-unix-sk",     FLAG,   ext_unix_sk),
	ROW(COMES,          "--bundle",          PATH,   bundle),
	ROW(COMES,          "--pid-file",        PATH,   pid_file),
	ROW(OP(RESTORE),    "--detach",          FLAG,   detach),
	ROW(OP(DELETE),     "--force",           FLAG,   force),
};

static const char *const op_words[RUNTIME_OPS] = {
	[RUNTIME_VERSION] = "--version", [RUNTIME_LIST] = "list",       [RUNTIME_STATE] = "state",
	[RUNTIME_CHECKPOINT] = "checkpoint", [RUNTIME_RESTORE] = "restore", [RUNTIME_PAUSE] = "pause",
	[RUNTIME_CREATE] = "create",     [RUNTIME_START] = "start",
	[RUNTIME_RESUME] = "resume",     [RUNTIME_KILL] = "kill",       [RUNTIME_DELETE] = "delete",
};
/* clang-format on */

/* "../1" or "../1/pages": CRIU wants the parent relative to the image directory. */
static bool parent_ok(const char *s)
{
	return str_starts(s, "../") && name_ok(s + 3);
}

static int add_option(const struct option_row *row, const struct runtime_request *request,
		      struct run_argv *argv, struct err *err)
{
	const char *base = (const char *)request + row->offset;
	const char *text;

	if (row->kind == OPTION_FLAG) {
		if (*(const bool *)base)
			argv_add(argv, row->flag);
		return 0;
	}
	text = *(const char *const *)base;
	if (!text)
		return 0;
	if (row->kind == OPTION_PATH ? !path_ok(text) : !parent_ok(text))
		return fail(err, ERR_invalid, "%s: not a path that may be used: %.100s", row->flag,
			    text);
	argv_add(argv, row->flag);
	argv_add(argv, text);
	return 0;
}

static int add_globals(const struct runtime_request *request, struct run_argv *argv,
		       struct err *err)
{
	const struct {
		const char *flag, *path;
	} globals[] = {{"--root", request->root}, {"--log", request->log}};

	for (size_t i = 0; i < ARRAY_LEN(globals); i++) {
		if (!globals[i].path)
			continue;
		if (!path_ok(globals[i].path))
			return fail(err, ERR_invalid, "%s: not a path that may be used: %.100s",
				    globals[i].flag, globals[i].path);
		argv_add(argv, globals[i].flag);
		argv_add(argv, globals[i].path);
	}
	return 0;
}

static int oci_argv(const struct runtime_driver *driver, enum runtime_op op,
		    const struct runtime_request *request, struct run_argv *argv, struct err *err)
{
	int rc;

	memset(argv, 0, sizeof(*argv));
	argv_add(argv, driver->program);
	if (op == RUNTIME_VERSION) {
		argv_add(argv, op_words[op]);
		return 0;
	}
	if ((rc = add_globals(request, argv, err)) < 0)
		return rc;
	argv_add(argv, op_words[op]);
	if (op == RUNTIME_LIST) {
		argv_add(argv, "--format");
		argv_add(argv, "json");
		return 0;
	}
	if (!request->id || !name_ok(request->id))
		return fail(err, ERR_invalid, "not a container id: %.100s",
			    request->id ? request->id : "(none)");
	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
		if ((option_rows[i].ops & (1u << op)) &&
		    (rc = add_option(&option_rows[i], request, argv, err)) < 0)
			return rc;
	argv_add(argv, request->id);
	if (op == RUNTIME_KILL)
		argv_addf(argv, "%d", request->signal);
	return 0;
}

unsigned driver_version_number(const char *s)
{
	unsigned part[3] = {0};

	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		if (*s < '0' || *s > '9')
			return i ? part[0] * 10000 + part[1] * 100 + part[2] : 0;
		for (; *s >= '0' && *s <= '9' && part[i] < 1000; s++)
			part[i] = part[i] * 10 + (unsigned)(*s - '0');
		s += *s == '.';
	}
	return part[0] * 10000 + part[1] * 100 + part[2];
}

static int parse_version(const struct oci_words *words, const char *out,
			 struct runtime_version *ret, struct err *err)
{
	size_t skip = strlen(words->version_prefix);

	memset(ret, 0, sizeof(*ret));
	if (!str_starts(out, words->version_prefix))
		return fail(err, ERR_child, "unknown version output: %.60s", out);
	out += skip;
	str_fmt(ret->version, sizeof(ret->version), "%.*s", (int)strcspn(out, " \n"), out);
	ret->number = driver_version_number(ret->version);
	ret->criu = !words->criu_word || strstr(out, words->criu_word);
	return 0;
}

static bool read_container(const json_t *item, struct runtime_container *ret)
{
	const char *id = json_text(item, "id"), *rootfs = json_text(item, "rootfs");
	const char *status = json_text(item, "status");

	memset(ret, 0, sizeof(*ret));
	if (!id || !name_ok(id) || !status)
		return false;
	str_copy(ret->id, sizeof(ret->id), id);
	str_copy(ret->status, sizeof(ret->status), status);
	str_copy(ret->created, sizeof(ret->created), json_text(item, "created"));
	if (!str_copy(ret->bundle, sizeof(ret->bundle), json_text(item, "bundle")))
		return false;
	/* crun prints the path as config.json has it. */
	if (rootfs && *rootfs == '/')
		str_copy(ret->rootfs, sizeof(ret->rootfs), rootfs);
	else if (rootfs && !str_fmt(ret->rootfs, sizeof(ret->rootfs), "%s/%s", ret->bundle, rootfs))
		return false;
	ret->pid = (pid_t)json_count(item, "pid");
	return true;
}

static int oci_parse_list(const char *out, struct runtime_list *ret, struct err *err)
{
	json_error_t at;
	auto_json json_t *list = json_loads(out, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &at);
	json_t *item;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (json_is_null(list)) /* runc prints null for none */
		return 0;
	if (!json_is_array(list))
		return fail(err, ERR_child, "list of containers: %s",
			    list ? "not an array" : at.text);
	ret->v = mem_new(json_array_size(list) + 1, sizeof(*ret->v));
	json_array_foreach(list, i, item)
	{
		if (read_container(item, &ret->v[ret->n]))
			ret->n++;
	}
	return 0;
}

static int oci_parse_state(const char *out, struct runtime_container *ret, struct err *err)
{
	json_error_t at;
	auto_json json_t *state = json_loads(out, JSON_REJECT_DUPLICATES, &at);

	if (!state)
		return fail(err, ERR_child, "state of a container: %s", at.text);
	if (!read_container(state, ret))
		return fail(err, ERR_child, "state of a container: no usable id or status");
	return 0;
}

static const struct oci_words runc_words = {"runc version ", NULL};
static const struct oci_words crun_words = {"crun version ", "+CRIU"};

static int runc_parse_version(const char *out, struct runtime_version *ret, struct err *err)
{
	return parse_version(&runc_words, out, ret, err);
}

static int crun_parse_version(const char *out, struct runtime_version *ret, struct err *err)
{
	return parse_version(&crun_words, out, ret, err);
}

const struct runtime_driver driver_runc = {
	.name = "runc",
	.program = "runc",
	.default_root = "/run/runc",
	.argv = oci_argv,
	.parse_version = runc_parse_version,
	.parse_list = oci_parse_list,
	.parse_state = oci_parse_state,
};

const struct runtime_driver driver_crun = {
	.name = "crun",
	.program = "crun",
	.default_root = "/run/crun",
	.argv = oci_argv,
	.parse_version = crun_parse_version,
	.parse_list = oci_parse_list,
	.parse_state = oci_parse_state,
};
