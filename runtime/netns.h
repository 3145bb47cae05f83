/* SPDX-License-Identifier: MPL-2.0
 *
 * Named network namespaces as ip-netns(8) keeps them: a mount of the namespace on /run/netns/NAME.
 * Only for files of this folder. */
#ifndef DROVER_RUNTIME_NETNS_H
#define DROVER_RUNTIME_NETNS_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Makes it; one that exists already is fine unless processes are in it: -ERR_busy. */
int netns_make(const char *path, struct err *err);

/* Removes the name; the kernel ends the namespace with its last user. Absent is fine; -ERR_busy
 * when processes are in it. */
int netns_remove(const char *path, struct err *err);

/* A process in the namespace, 0 when there is none. */
pid_t netns_user(const char *path);

#endif
