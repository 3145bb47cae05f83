/* SPDX-License-Identifier: MPL-2.0
 *
 * Runs the command line in this process and keeps what it prints. */
#ifndef DROVER_TEST_CLI_RUN_H
#define DROVER_TEST_CLI_RUN_H

#include "base/mem.h"
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

struct ran {
	int exit_code;
	char *out;
	char *err;
};

/* Words separated by single blanks, without the program's name. */
static inline struct ran run(const char *line)
{
	char *words[32] = {"drover"};
	char *copy = str_dup(line);
	size_t out_len, err_len;
	struct ran ran;
	int n = 1;

	for (char *at = strtok(copy, " "); at && n < 31; at = strtok(NULL, " "))
		words[n++] = at;
	FILE *out = open_memstream(&ran.out, &out_len);
	FILE *err = open_memstream(&ran.err, &err_len);

	ran.exit_code = cli_main(n, words, out, err);
	fclose(out);
	fclose(err);
	free(copy);
	return ran;
}

static inline void ran_free(struct ran *ran)
{
	free(ran->out);
	free(ran->err);
}

static inline void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static inline void assert_has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in:\n%s", part, text);
}

#endif
