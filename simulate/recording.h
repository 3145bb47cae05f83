/* SPDX-License-Identifier: MPL-2.0
 *
 * A cluster's loads over time, as lines of JSON (docs/simulate.md): one line a moment, with all its
 * hosts and containers. Written from a live cluster or from a generated load, read back for the
 * simulator. */
#ifndef DROVER_SIMULATE_RECORDING_H
#define DROVER_SIMULATE_RECORDING_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define RECORDING_VERSION 1
#define RECORDING_LINE_MAX (16u << 20)
#define RECORDING_MOMENTS_MAX 100000

struct rec_host {
	char id[NAME_SIZE];
	uint64_t cpus, cpu_permille; /* of the whole host */
	uint64_t mem_total_bytes, mem_available_bytes;
};

struct rec_container {
	char id[NAME_SIZE], host[NAME_SIZE];
	uint64_t cpu_permille; /* of one core */
	uint64_t rss_bytes, limit_bytes, cpu_limit_permille;
};

struct moment_of {
	uint64_t at_ms; /* since the recording's begin */
	struct rec_host *host;
	size_t n_hosts;
	struct rec_container *container;
	size_t n_containers;
};

struct recording {
	struct moment_of *v;
	size_t n;
};

/* Writes one line and flushes. The first line of a file is begun with recording_begin. */
void recording_begin(FILE *out);
void recording_write(FILE *out, const struct moment_of *moment);

/* Reads a whole file. -ERR_nosuch, -ERR_invalid with the line's number; recording_free in any case.
 */
int recording_read(const char *path, struct recording *ret, struct err *err);
void recording_free(struct recording *recording);

uint64_t recording_length_ms(const struct recording *recording);

#endif
