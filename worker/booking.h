/* SPDX-License-Identifier: MPL-2.0
 *
 * Room for an arrival: what it needs of this host, what there is, and what other arrivals have
 * booked and not used yet. Space cannot be allocated ahead of a tree whose files are not known, so
 * it is booked: reserve refuses what the bookings before it leave no room for. */
#ifndef DROVER_WORKER_BOOKING_H
#define DROVER_WORKER_BOOKING_H

#include <stdint.h>

struct executor;
struct mig;

struct booking {
	uint64_t mem;     /* the restored processes */
	uint64_t staging; /* their image, in node.run: memory too where that is a tmpfs */
	uint64_t storage; /* files */
};

/* What it will need: a tenth above what was measured, since it runs on, and 16 MiB. */
void booking_need(uint64_t rss_bytes, uint64_t tree_bytes, struct booking *ret);

/* What bookings of all arrivals but `except` (may be NULL) still claim: less what has come already,
 * nothing once the container is restored. Reads the staging directories. */
void booking_outstanding(struct executor *x, const struct mig *except, struct booking *ret);

/* What there is for one more: free now, less what is claimed and worker.headroom. */
void booking_room(struct executor *x, const struct mig *except, struct booking *ret);

/* What it needs in all of memory: the image counts where node.run is a tmpfs. */
uint64_t booking_mem(struct executor *x, const struct booking *need);

#endif
