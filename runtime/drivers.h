/* SPDX-License-Identifier: MPL-2.0
 *
 * The drivers that runtime.c lists. Only for files of this folder. */
#ifndef DROVER_RUNTIME_DRIVERS_H
#define DROVER_RUNTIME_DRIVERS_H

#include "runtime/runtime.h"

extern const struct runtime_driver driver_runc;
extern const struct runtime_driver driver_crun;

/* "1.3.6+ds1" → 10306; missing parts are 0, no number at all is 0. */
unsigned driver_version_number(const char *s);

#endif
