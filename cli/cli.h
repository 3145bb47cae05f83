/* SPDX-License-Identifier: MPL-2.0
 *
 * One run of the program drover: what was asked, with which settings, where it is printed. */
#ifndef DROVER_CLI_CLI_H
#define DROVER_CLI_CLI_H

#include "base/options.h"
#include "cli/commands.h"
#include "cli/style.h"
#include "proto/msg.h"

#define EXIT_DETACHED 130

struct cli {
	struct invocation in;
	struct options *options;
	const char *config; /* the file that options came from, NULL: defaults only */
	char endpoint[256];
	char user[NAME_SIZE];
	FILE *out;
	FILE *err;
	struct style style;     /* of out */
	struct style err_style; /* of err */
};

/* The whole program but for the process' own state; returns its exit code. */
int cli_main(int argc, char **argv, FILE *out, FILE *err);

/* Asked to stop (Ctrl-C, SIGTERM): waits end soon after. A test may call it. */
void cli_interrupt(void);
bool cli_interrupted(void);
void cli_interrupt_reset(void);

/* Ways to run a command, for the table's run column. */
int ask_run(struct cli *cli);    /* one question; again and again with --watch */
int log_run(struct cli *cli);    /* a job's logs from its hosts */
int follow_run(struct cli *cli); /* with progress until the job ends */
int force_run(struct cli *cli);  /* asks the person, signs, then follows the job (cli/force.c) */
int events_run(struct cli *cli); /* each event as it comes */
int drain_run(struct cli *cli);  /* a plan, a question, then many moves with progress */
int apply_run(struct cli *cli);  /* the same with the plan from a file */

/* Commands that need no coordinator (cli/local.c). */
int version_run(struct cli *cli);
int config_run(struct cli *cli);
int explain_run(struct cli *cli);  /* cli/explain.c */
int simulate_run(struct cli *cli); /* cli/simulate.c */
int record_run(struct cli *cli);   /* cli/record.c: simulate --record of a live cluster */
int keygen_run(struct cli *cli);
int roster_check_run(struct cli *cli);
int roster_keys_run(struct cli *cli);

/* Help in its forms (cli/help.c, cli/completion.c, cli/manual.c). */
int help_run(struct cli *cli);
int completion_run(struct cli *cli);
int manual_run(struct cli *cli);

#endif
