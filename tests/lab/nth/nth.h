/* SPDX-License-Identifier: MPL-2.0
 *
 * What the processes of one host's daemons and the sweep share: a file that all of them map. The
 * sweep writes what is to fail, the preloaded library counts and fails it. */
#ifndef DROVER_LAB_NTH_H
#define DROVER_LAB_NTH_H

#include <stdint.h>

#define NTH_FILE "/run/nth"

/* clang-format off */
#define NTH_KINDS(X) \
	X(enospc, "no space for a write to a file") \
	X(eio,    "I/O error of a write to a file") \
	X(fsync,  "I/O error of fsync, fdatasync, syncfs") \
	X(fork,   "no process: clone3, fork") \
	X(open,   "no descriptor: open, socket, pipe, accept …") \
	X(memory, "no memory of a size that a peer chose") \
	X(epipe,  "broken pipe of a send") \
	X(enobufs, "no buffers for a send") \
	X(mkdir,  "I/O error of mkdir") \
	X(rename, "I/O error of rename") \
	X(mount,  "no memory for mount, umount")

/* By the program's name. */
#define NTH_ROLES(X) X(worker) X(coordinator) X(receive)
/* clang-format on */

enum nth_kind {
#define X(name, text) NTH_##name,
	NTH_KINDS(X)
#undef X
		NTH_KIND_COUNT
};

enum nth_role {
#define X(name) NTH_ROLE_##name,
	NTH_ROLES(X)
#undef X
		NTH_ROLE_COUNT
};

#define NTH_TEXT 1024

struct nth {
	uint32_t armed;      /* only then anything is counted */
	uint32_t role, kind; /* what fails */
	uint64_t n;          /* the nth of them; 0 = none */
	uint64_t counts[NTH_ROLE_COUNT][NTH_KIND_COUNT];
	uint32_t hits;
	uint32_t crashes; /* ends by a signal that is a program's own fault */
	char hit[NTH_TEXT];
	char crash[NTH_TEXT];
};

#endif
