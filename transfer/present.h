/* SPDX-License-Identifier: MPL-2.0
 *
 * Which pages of another process's mapping are there. Private to the memory seed. */
#ifndef DROVER_TRANSFER_PRESENT_H
#define DROVER_TRANSFER_PRESENT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Calls each with runs of pages in [start, end) that are present and, unless shared is set, not a
 * file's own: what criu would dump. pagemap is a descriptor of /proc/PID/pagemap. Empty parts of a
 * mapping cost nothing from Linux 6.7 on; before that, mappings above 64 GiB are passed over. */
typedef int present_each(void *arg, uint64_t start, uint64_t pages, struct err *err);
int present_pages(int pagemap, uint64_t start, uint64_t end, bool shared, present_each *each,
		  void *arg, struct err *err);

#endif
