/* SPDX-License-Identifier: MPL-2.0
 *
 * CRIU's configuration files for the runtimes: the restore hook that holds a restored container
 * (action-script) and no network lock of CRIU's own, whose rules would outlive a rollback. A file
 * that drover wrote starts with a marker and is kept up to date; somebody else's file is never
 * changed. */
#ifndef DROVER_RUNTIME_CRIUCONF_H
#define DROVER_RUNTIME_CRIUCONF_H

#include "base/err.h"

#include <stdbool.h>

struct criuconf {
	const char *dir;       /* "/etc/criu" */
	const char *hook;      /* absolute path of drover-hook */
	unsigned criu_version; /* below 4.2 network-lock works in default.conf only */
};

/* Brings dir/runc.conf, dir/crun.conf and, where needed, dir/default.conf up to date. 0 when all
 * have what is needed afterwards; -ERR_config naming the first foreign file that lacks a line, with
 * the line as the fix (the other files are still brought up to date). */
int criuconf_ensure(const struct criuconf *conf, struct err *err);

/* Whether a file's text has an active "option argument" line (CRIU's syntax: option and argument
 * separated by blanks, "#" starts a comment); pure. */
bool criuconf_has(const char *text, const char *option, const char *argument);

#endif
