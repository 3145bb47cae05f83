/* SPDX-License-Identifier: MPL-2.0
 *
 * drover-worker: starts as root, makes the socketpair, forks the bus side that drops to the
 * unprivileged user, and becomes the executor. Run with --role it is one of its own short-lived
 * helpers instead. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/str.h"
#include "transfer/reader.h"
#include "transfer/sender.h"
#include "transfer/unpack.h"
#include "worker/args.h"
#include "worker/arrival.h"
#include "worker/bus_side.h"
#include "worker/dirs.h"
#include "worker/executor.h"
#include "worker/guard.h"
#include "worker/tell.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int load(void *arg, struct options *options, struct err *err)
{
	const struct args *a = arg;
	char host[NAME_SIZE] = "", assignment[NAME_SIZE + 16];
	int rc = options_load(options, a->config ? a->config : DROVER_CONFIG, err);

	if (rc == -ERR_nosuch)
		rc = a->config ? fail(err, ERR_config, "there is no configuration %s", a->config)
			       : 0;
	for (size_t i = 0; !rc && i < a->n_sets; i++)
		rc = options_set(options, a->sets[i], err);
	if (rc || options_str(options, OPT_node_id)[0])
		return rc;
	gethostname(host, sizeof(host) - 1);
	host[strcspn(host, ".")] = '\0';
	str_fmt(assignment, sizeof(assignment), "node.id=%s", host);
	return options_set(options, assignment, err);
}

/* The bus side ends with the socket; where it failed first, its exit code is the worker's. One that
 * nobody told to end is a failure whatever it says, so that a service manager starts both again. */
static int ended(pid_t bus_side, int fd, int rc)
{
	bool alone = rc < 0;
	int status, code = err_exit_code(ERR_child);

	close(fd);
	if (waitpid(bus_side, &status, 0) == bus_side && WIFEXITED(status))
		code = WEXITSTATUS(status);
	if (alone)
		return code ? code : err_exit_code(ERR_child);
	return rc ? rc : code;
}

static int start(struct options *options, const struct options_loader *loader, struct err *err)
{
	int pair[2], size = 2 * WIRE_OUT_MAX, rc;
	char instance[ULID_SIZE];
	pid_t child;

	if (geteuid() != 0) {
		fail(err, ERR_denied,
		     "drover-worker freezes and restores containers, so it starts "
		     "as root");
		return err_fix(err, "start it as root: its network half drops to user %s",
			       options_str(options, OPT_node_user));
	}
	rc = dirs_make(options, err);
	if (rc)
		return rc;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail_errno(err, ERR_io, "socketpair");
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	ulid_new(instance, clock_wall_ms());
	child = fork();
	if (child < 0)
		return fail_errno(err, ERR_io, "fork");
	if (child == 0) {
		close(pair[1]);
		signal(SIGHUP, SIG_IGN); /* the executor reads the file again */
		_exit(bus_side_main(pair[0], options, instance));
	}
	close(pair[0]);
	return ended(child, pair[1], executor_main(pair[1], options, loader, instance));
}

int main(int argc, char **argv)
{
	struct options *options;
	struct args args;
	struct err err = {0};
	int level, rc;

	umask(022);
	if (argc > 1 && str_eq(argv[1], "--role=reader"))
		return reader_main(argc - 1, argv + 1);
	if (argc > 1 && str_eq(argv[1], "--role=unpack"))
		return unpack_main(argc - 1, argv + 1);
	if (argc > 1 && str_eq(argv[1], "--role=remove"))
		return trash_main(argc - 1, argv + 1);
	if (argc > 1 && str_eq(argv[1], "--role=sender"))
		return sender_main(argc - 1, argv + 1);
	if (argc > 1 && str_eq(argv[1], "--role=probe"))
		return probe_main(argc - 1, argv + 1);
	if (argc > 1 && str_eq(argv[1], "--role=tell"))
		return tell_main();
	options = options_new();
	args_parse(&args, argc, argv);
	rc = load(&args, options, &err);
	level = log_level_parse(options_str(options, OPT_node_log));
	log_init("drover-worker", level < 0 ? LOG_LEVEL_INFO : (enum log_level)level);
	if (!rc && args.may_start)
		rc = guard_main(options, args.may_start);
	else if (!rc && args.new_name)
		rc = guard_new_main(options, args.new_name);
	else if (!rc)
		rc = start(options, &(struct options_loader){load, &args}, &err);
	if (rc < 0) {
		log_error(LOG_LEVEL_ERR, "", &err);
		rc = err_exit_code(err.code);
	}
	options_free(&options);
	return rc;
}
