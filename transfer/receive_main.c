/* SPDX-License-Identifier: MPL-2.0
 *
 * drover-receive: what sshd starts, as the user drover, for a sender's key (forced command). Reads
 * the stream on standard input, answers on standard output, logs on standard error. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/str.h"
#include "transfer/receiver.h"
#include "transfer/tell.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_BYTES (1024 * 1024)

static bool asks_to_tell(void)
{
	return str_eq(getenv("SSH_ORIGINAL_COMMAND"), "tell");
}

/* sshd puts what the client asked for there; the forced command runs whatever it was. */
static int check_command(struct err *err)
{
	const char *command = getenv("SSH_ORIGINAL_COMMAND");

	if (!command || !*command || str_eq(command, "receive") || asks_to_tell())
		return 0;
	return fail(err, ERR_refused, "this key can only send a migration's payload");
}

/* The folder `name` of the worker's run directory. */
static int run_dir(const char *config, const char *name, char *buf, size_t size, struct err *err)
{
	struct options *options = options_new();
	int r = options_load(options, config, err);

	if (r == -ERR_nosuch && str_eq(config, DROVER_CONFIG))
		r = 0;
	if (!r && !str_fmt(buf, size, "%s/%s", options_str(options, OPT_node_run), name))
		r = fail(err, ERR_config, "node.run is too long");
	options_free(&options);
	return r;
}

int main(int argc, char **argv)
{
	char dir[PATH_MAX];
	struct receiver_config config = {.tickets = dir, .now_boot_ms = clock_boot_ms()};
	struct wire *wire;
	struct err err = {0};
	int r;

	log_init("drover-receive", LOG_LEVEL_INFO);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0);
	if (argc != 1 && (argc != 3 || !str_eq(argv[1], "--config"))) {
		log_err("usage: drover-receive [--config FILE]");
		return err_exit_code(ERR_usage);
	}
	r = check_command(&err);
	if (!r)
		r = run_dir(argc == 3 ? argv[2] : DROVER_CONFIG,
			    asks_to_tell() ? "relay" : "tickets", dir, sizeof(dir), &err);
	if (!r && asks_to_tell()) {
		r = tell_relay(dir, STDIN_FILENO, STDOUT_FILENO, &err);
	} else if (!r) {
		fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
		wire = wire_fd_new(STDIN_FILENO, STDOUT_FILENO);
		r = receiver_run(wire, &config, &err);
		wire_free(&wire);
	}
	if (r)
		log_err("%s\tcode=%s", err.text, err_name(err.code));
	return r ? err_exit_code(err.code) : 0;
}
