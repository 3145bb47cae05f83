/* SPDX-License-Identifier: MPL-2.0
 *
 * The program: locale, signals, exit code. A reader that goes away (| head) is no failure: SIGPIPE
 * is ignored and the broken stream is noticed by whoever writes for long. */
#include "cli/cli.h"

#include <locale.h>
#include <signal.h>

static void on_signal(int number)
{
	(void)number;
	cli_interrupt();
}

int main(int argc, char **argv)
{
	struct sigaction stop = {.sa_handler = on_signal};
	struct sigaction quiet = {.sa_handler = SIG_IGN};

	setlocale(LC_ALL, "");
	/* Numbers are read and written the same everywhere. */
	setlocale(LC_NUMERIC, "C");
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGPIPE, &quiet, NULL);
	return cli_main(argc, argv, stdout, stderr);
}
