/* SPDX-License-Identifier: MPL-2.0
 *
 * How the root filesystem of a stopped container was mounted, kept over a reboot: its bundle does
 * not say that, and who mounted it for its first start may not do so again. */
#ifndef DROVER_WORKER_REMOUNT_H
#define DROVER_WORKER_REMOUNT_H

#include "base/err.h"

struct executor;
struct mig;

/* Before the stop. What is no overlay, or was kept already, needs nothing. */
int remount_keep(const struct executor *x, const struct mig *m, struct err *err);

/* Before the start: mounts it as it was, if it was kept and is not mounted now. */
int remount_again(const struct executor *x, const struct mig *m, struct err *err);

void remount_forget(const struct executor *x, const struct mig *m);

#endif
