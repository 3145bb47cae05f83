/* SPDX-License-Identifier: MPL-2.0
 *
 * A configuration as a test writes it. */
#ifndef DROVER_TEST_OPTIONS_TEXT_H
#define DROVER_TEST_OPTIONS_TEXT_H

#include "base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* NULL with err when it is wrong; options_free what is not. */
static struct options *read_text(const char *text, struct err *err)
{
	char path[] = "/tmp/drover-options-XXXXXX";
	struct options *options = options_new();
	FILE *file = fdopen(mkstemp(path), "w");

	fputs(text, file);
	fclose(file);
	if (options_load(options, path, err))
		options_free(&options);
	unlink(path);
	return options;
}

static struct options *configured(const char *text)
{
	struct err err = {0};
	struct options *options = read_text(text, &err);

	assert_string_equal(err.text, "");
	return options;
}

#endif
