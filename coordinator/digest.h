/* SPDX-License-Identifier: MPL-2.0
 *
 * What a ranking reads of a host, small and in one place: a decision over ten thousand hosts has
 * a few hundred nanoseconds for each, which is two or three reads of memory that is not in the
 * cache. Made from a host's last CAPS and BEAT when they come; every field can be told from those
 * two. Pure. */
#ifndef DROVER_COORDINATOR_DIGEST_H
#define DROVER_COORDINATOR_DIGEST_H

#include "proto/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of texts as a Bloom filter: says "no" for sure, and "yes" of some that are not in it (in
 * 4 % with 100 texts). https://doi.org/10.1145/362686.362692 */
struct bloom {
	uint64_t bits[8];
};

/* A set of hashes, sorted. */
struct hash_set {
	uint64_t *v; /* owned */
	size_t n;
};

struct digest {
	/* Of everything in CAPS that the checks which do not change from beat to beat read: two
	 * hosts with the same one get the same answers from these. */
	uint64_t profile;
	uint64_t mem_total_bytes, mem_available_bytes, mem_reserved_bytes;
	uint64_t storage_free_bytes, staging_free_bytes, storage_reserved_bytes;
	uint32_t link_mbit; /* fastest, 0 = not known */
	uint32_t cpus;
	uint8_t headroom_percent; /* 0 = the coordinator's */
	bool has_storage, has_staging;
	bool presses; /* for memory: PSI above PRESSURE_PERCENT */
	struct bloom containers;
	struct bloom images;
	uint64_t image_dirs; /* of 64 bits: directories of which all images are listed */
};

#define PRESSURE_PERCENT 10.0

uint64_t hash_text(const char *text); /* NULL as "" */
uint64_t hash_part(const char *text, size_t len);

/* The directory that a path lies in. */
uint64_t hash_dir(const char *path, size_t len);

void digest_caps(struct digest *digest, const struct msg_caps *caps);
void digest_beat(struct digest *digest, const struct msg_beat *beat);

bool bloom_has(const struct bloom *bloom, uint64_t hash);
bool bloom_has_dir(uint64_t dirs, uint64_t hash);

bool hash_set_has(const struct hash_set *set, uint64_t hash);

/* Takes v (n hashes in any order). */
void hash_set_fill(struct hash_set *set, uint64_t *v, size_t n);

#endif
