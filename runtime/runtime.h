/* SPDX-License-Identifier: MPL-2.0
 *
 * Container runtimes as translations: a request becomes an argv, an output becomes facts. Nothing
 * here runs anything (run.h does) or keeps state. A driver is a row of tables: what it calls its
 * options, and which parser reads its answers. */
#ifndef DROVER_RUNTIME_RUNTIME_H
#define DROVER_RUNTIME_RUNTIME_H

#include "base/str.h"
#include "runtime/run.h"

#include <limits.h>

enum runtime_op {
	RUNTIME_VERSION,
	RUNTIME_LIST,
	RUNTIME_STATE,
	RUNTIME_CHECKPOINT,
	RUNTIME_RESTORE,
	RUNTIME_CREATE,
	RUNTIME_START,
	RUNTIME_PAUSE,
	RUNTIME_RESUME,
	RUNTIME_KILL,
	RUNTIME_DELETE,
	RUNTIME_OPS
};

/* Fields that an operation does not use are ignored; NULL and false leave the option out. */
struct runtime_request {
	const char *root;   /* the runtime's state directory (--root), NULL = its default */
	const char *log;    /* where it writes its own messages (--log), NULL = stderr */
	const char *id;     /* name_ok */
	const char *bundle; /* path_ok, as are the next four */
	const char *image_dir;
	const char *
		work_dir; /* must exist: crun does not make it. dump.log and restore.log go there */
	const char *pid_file;
	const char *parent; /* previous images, relative to image_dir, e.g. "../1" */
	int signal;         /* RUNTIME_KILL */
	bool pre_dump;
	bool leave_running;
	bool tcp_established;
	bool file_locks;
	bool ext_unix_sk;
	bool detach;
	bool force; /* RUNTIME_DELETE */
};

struct runtime_container {
	char id[NAME_SIZE];
	char status[16]; /* created running paused stopped */
	pid_t pid;       /* 0 when stopped */
	char bundle[PATH_MAX];
	char rootfs[PATH_MAX]; /* "" where the runtime does not say (crun) */
	char created[40];      /* RFC 3339 as the runtime printed it */
};

struct runtime_list {
	struct runtime_container *v;
	size_t n;
};

struct runtime_version {
	char version[64]; /* "1.3.6" */
	unsigned number;  /* major × 10000 + minor × 100 + patch */
	bool criu;        /* it says that it can checkpoint (crun: +CRIU), or cannot say (runc) */
};

struct runtime_driver {
	const char *name;    /* as in the option worker.runtimes */
	const char *program; /* looked up in RUN_PATH */
	const char *default_root;
	/* Request → argv. -ERR_invalid for an id or path that must not enter an argv, -ERR_refused
	 * for an option that this runtime does not have. */
	int (*argv)(const struct runtime_driver *driver, enum runtime_op op,
		    const struct runtime_request *request, struct run_argv *ret_argv,
		    struct err *err);
	/* Output of RUNTIME_VERSION, RUNTIME_LIST, RUNTIME_STATE → facts. -ERR_child when it cannot
	 * be understood. Containers whose id is not name_ok are left out of a list. */
	int (*parse_version)(const char *out, struct runtime_version *ret, struct err *err);
	int (*parse_list)(const char *out, struct runtime_list *ret, struct err *err);
	int (*parse_state)(const char *out, struct runtime_container *ret, struct err *err);
};

/* Row by name, NULL when there is none; and by number, NULL past the end. */
const struct runtime_driver *runtime_find(const char *name);
const struct runtime_driver *runtime_at(size_t i);

/* What run_start gets for an operation beyond the argv: checkpoint and restore run in RUN_CGROUP
 * and their own session, restore with detached output, create with none (its log is the only word
 * of it), queries with stdout_max. argv is borrowed. */
struct run_spec runtime_spec(enum runtime_op op, const struct run_argv *argv, uint64_t timeout_ms);

/* Asks and waits: version, list, state of one container. For start-up, capabilities and tests. root
 * may be NULL. state answers -ERR_nosuch for an unknown id. */
int runtime_version_sync(const struct runtime_driver *driver, struct runtime_version *ret,
			 struct err *err);
int runtime_list_sync(const struct runtime_driver *driver, const char *root,
		      struct runtime_list *ret, struct err *err);
int runtime_state_sync(const struct runtime_driver *driver, const char *root, const char *id,
		       struct runtime_container *ret, struct err *err);
void runtime_list_done(struct runtime_list *list);
#define auto_runtime_list __attribute__((cleanup(runtime_list_done)))

/* A refused or killed restore leaves the runtime's state directory of that id behind, and the next
 * restore of the id fails at once: crun keeps ROOT/ID. Removes it. Only for an id that the runtime
 * does not show as running or paused. root NULL = the runtime's default. */
int runtime_forget(const struct runtime_driver *driver, const char *root, const char *id,
		   struct err *err);

#endif
