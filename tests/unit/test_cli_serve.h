/* SPDX-License-Identifier: MPL-2.0
 *
 * A coordinator on the real bus that says what a test's script says, one at a time. */
#ifndef DROVER_TEST_CLI_SERVE_H
#define DROVER_TEST_CLI_SERVE_H

#include "test_cli_fake.h"
#include "test_cli_run.h"

#include <jansson.h>

static char endpoint[64];
static pid_t coordinator;

/* DROVER_COORDINATOR is its address. */
static void serve(fake_script *script)
{
	static int n;

	str_fmt(endpoint, sizeof(endpoint), "ipc:///tmp/drover-cli-%d-%d.sock", (int)getpid(), n++);
	setenv("DROVER_COORDINATOR", endpoint, 1);
	coordinator = fake_start(endpoint, script);
	assert_true(coordinator > 0);
}

/* A test's teardown. */
static int stopping(void **state)
{
	char lock[80];

	(void)state;
	if (coordinator > 0)
		fake_stop(coordinator);
	coordinator = 0;
	unlink(endpoint + strlen("ipc://"));
	str_fmt(lock, sizeof(lock), "%s.lock", endpoint + strlen("ipc://"));
	unlink(lock);
	return 0;
}

/* The one value that was printed; json_decref it. */
static json_t *load(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, 0, &error);

	if (!value)
		fail_msg("%s in:\n%s", error.text, text);
	return value;
}

#endif
