/* SPDX-License-Identifier: MPL-2.0
 *
 * The words of a direct handover as drover-receive passes them through: fixed-size structs whose
 * texts the target's worker checks. */
#ifndef DROVER_TRANSFER_TELL_H
#define DROVER_TRANSFER_TELL_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define TELL_MAGIC 0x44525431 /* "DRT1" */
#define TELL_SOCKET "tell.sock"

struct tell {
	uint32_t magic;
	char migration[ULID_SIZE];
	char container[NAME_SIZE];
	char source[NAME_SIZE];
	char target[NAME_SIZE];
	uint64_t epoch;
	uint8_t grant[64];
};

struct told {
	uint32_t magic;
	char migration[ULID_SIZE];
	char state[16]; /* of the target's journal; empty: its host is up, its worker said nothing
			 */
	uint32_t code;  /* enum err_code */
	uint32_t proof_len;
	uint8_t proof[64];
};

/* drover-receive's part: one struct tell from in to the worker's socket in dir, its answer to out.
 * -ERR_unreachable when no worker listens. */
int tell_relay(const char *dir, int in, int out, struct err *err);

#endif
