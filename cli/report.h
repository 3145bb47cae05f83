/* SPDX-License-Identifier: MPL-2.0
 *
 * How failures are told: what, why, what to do, where the container runs now, where the log is. */
#ifndef DROVER_CLI_REPORT_H
#define DROVER_CLI_REPORT_H

#include "cli/cli.h"

/* Absent parts are NULL or "". */
struct report {
	int code; /* enum err_code */
	const char *what;
	const char *why;
	const char *fix;
	const char *container;
	const char *runs_on;
	const char *job;
	bool has_log;     /* of the job: it is pointed to */
	bool job_is_json; /* the job itself goes to stdout as JSON: no error object there */
};

/* Prints the block on stderr, and with -o json the object {code, name, error, fix, runs_on} on
 * stdout. Returns the exit code. */
int report_print(struct cli *cli, const struct report *report);

/* An error of our own; `what` NULL: its text says it all. */
int report_err(struct cli *cli, const char *what, const struct err *err);

/* A reply with a code; its job, when there is one, adds where the container runs. job_is_json: that
 * job has been printed as JSON already. */
int report_reply(struct cli *cli, const struct msg_reply *reply, bool job_is_json);

#endif
