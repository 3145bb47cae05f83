/* SPDX-License-Identifier: MPL-2.0
 *
 * Named crash points: in builds with DROVER_CRASH_POINTS a process whose environment says
 * DROVER_CRASH=NAME kills itself at that point, as a power cut would, and is out of memory where
 * tests/lab/nth/fail.c, preloaded, says so. Elsewhere they are nothing. */
#ifndef DROVER_BASE_CRASH_H
#define DROVER_BASE_CRASH_H

#include <stdbool.h>

#ifdef DROVER_CRASH_POINTS
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static inline void crash_point(const char *name)
{
	const char *wanted = getenv("DROVER_CRASH");

	if (wanted && strcmp(wanted, name) == 0)
		raise(SIGKILL);
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
