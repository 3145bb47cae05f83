/* SPDX-License-Identifier: MPL-2.0
 *
 * What CRIU's log of a failed dump or restore says, in our words: the line that names the cause is
 * looked up in a table of patterns and becomes a code of base/codes.h, a sentence with the actual
 * values and a fix. Pure: text in, struct out. */
#ifndef DROVER_RUNTIME_CRIULOG_H
#define DROVER_RUNTIME_CRIULOG_H

#include "base/codes.h"

#include <stdbool.h>
#include <stddef.h>

enum criulog_phase { CRIULOG_any, CRIULOG_dump, CRIULOG_restore };

#define CRIULOG_LINES 8 /* error lines that are kept */

struct criulog {
	enum code_id code;
	char why[400];   /* one sentence, values filled in */
	char last[2048]; /* the last error lines, "file.c:12: text", one a line */
	char criu[16];   /* "4.2.1", "" when the log does not say */
	char kernel[64]; /* "6.18.5" */
};

/* Of several lines that are known the most telling one counts: a cause before its effects, and
 * among causes the first. log is CRIU's, said what the runtime wrote to stderr; either may be NULL.
 * An unknown failure is CODE_criu_unknown with CRIU's first error line, or the runtime's last line.
 */
void criulog_classify(enum criulog_phase phase, const char *log, const char *said,
		      struct criulog *ret);

/* The i-th pattern, for tests and documents; NULL past the end. */
const char *criulog_pattern(size_t i, enum code_id *ret_code);

/* The row that a message matches, -1 for none: `*` in a pattern stands for any text. */
int criulog_match(enum criulog_phase phase, const char *message);

#endif
