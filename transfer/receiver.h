/* SPDX-License-Identifier: MPL-2.0
 *
 * The receiving half of the stream: one process per session, unprivileged. It takes files by
 * number, never by name, into the two staging directories of the ticket ("i00000001" in the images
 * directory, "b00000001" in the tree directory), verifies every page before it is written, and
 * never writes outside those two directories, over the quota, or after the seal. What the numbers
 * mean is in the manifest, which only unpack believes. */
#ifndef DROVER_TRANSFER_RECEIVER_H
#define DROVER_TRANSFER_RECEIVER_H

#include "base/err.h"
#include "transfer/wire.h"

#include <stdint.h>

#define RECEIVER_MANIFEST "manifest"
#define RECEIVER_IDLE_MS 30000 /* silence (the sender pings every SENDQ_PING_MS) that ends it */

struct receiver_config {
	const char *tickets; /* directory of ticket files */
	uint64_t now_boot_ms;
	int idle_ms; /* 0: RECEIVER_IDLE_MS */
};

/* Serves one session until its end; an error has been told to the peer. The end of the stream
 * between frames is a good end. Borrows the wire. */
int receiver_run(struct wire *wire, const struct receiver_config *config, struct err *err);

/* Name of a file of the stream in its staging directory. */
#define RECEIVER_NAME_SIZE 16
void receiver_name(char ret_name[RECEIVER_NAME_SIZE], uint32_t id);

#endif
