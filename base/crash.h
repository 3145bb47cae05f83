/* SPDX-License-Identifier: MPL-2.0
 *
 * Named crash points: in builds with DROVER_CRASH_POINTS a process whose environment says
 * DROVER_CRASH=NAME kills itself at that point, as a power cut would. Elsewhere they are nothing.
 */
#ifndef DROVER_BASE_CRASH_H
#define DROVER_BASE_CRASH_H

#ifdef DROVER_CRASH_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static inline void crash_point(const char *name)
{
	const char *wanted = getenv("DROVER_CRASH");

	if (wanted && strcmp(wanted, name) == 0)
		raise(SIGKILL);
}
#else
static inline void crash_point(const char *name)
{
	(void)name;
}
#endif

#endif
