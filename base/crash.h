/* SPDX-License-Identifier: MPL-2.0
 *
 * Named points: in builds with DROVER_CRASH_POINTS a process whose environment says
 * DROVER_CRASH=NAME kills itself at that point, as a power cut would. Where DROVER_PAUSE=PATH is
 * set it stops at the point that this file names, once, until it gets SIGCONT: so a test has the
 * time to do something to its host at exactly that moment. It is out of memory where
 * tests/lab/nth/fail.c, preloaded, says so. Elsewhere they are nothing. */
#ifndef DROVER_BASE_CRASH_H
#define DROVER_BASE_CRASH_H

#include <stdbool.h>

#ifdef DROVER_CRASH_POINTS
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline bool crash_pauses(const char *name)
{
	const char *path = getenv("DROVER_PAUSE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char wanted[64];
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, wanted, sizeof(wanted) - 1);
	close(fd);
	if (n < 0)
		return false;
	wanted[n] = '\0';
	return strcmp(wanted, name) == 0 && unlink(path) == 0;
}

static inline void crash_point(const char *name)
{
	const char *wanted = getenv("DROVER_CRASH");

	if (wanted && strcmp(wanted, name) == 0)
		raise(SIGKILL);
	if (crash_pauses(name))
		raise(SIGSTOP);
}

static inline bool crash_no_memory(void)
{
	bool (*fails)(void) = (bool (*)(void))dlsym(RTLD_DEFAULT, "drover_lab_memory_fails");

	return fails && fails();
}
#else
static inline void crash_point(const char *name)
{
	(void)name;
}

static inline bool crash_no_memory(void)
{
	return false;
}
#endif

#endif
