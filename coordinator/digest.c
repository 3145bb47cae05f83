/* SPDX-License-Identifier: MPL-2.0
 *
 * Digests of hosts. Hashes are FNV-1a, 64 bits. */
#include "coordinator/digest.h"

#include "base/mem.h"

#include <string.h>

#define FNV_SEED 14695981039346656037u
#define FNV_PRIME 1099511628211u
#define IMAGES_MAX 128 /* of CAPS: a list that is full may be cut */

static uint64_t hash_more(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * FNV_PRIME;
	return hash;
}

/* With its NUL, so that "ab","c" is not "a","bc". */
static uint64_t more_text(uint64_t hash, const char *text)
{
	return text ? hash_more(hash, text, strlen(text) + 1) : hash_more(hash, "", 1);
}

static uint64_t more_number(uint64_t hash, uint64_t number)
{
	return hash_more(hash, &number, sizeof(number));
}

uint64_t hash_text(const char *text)
{
	return more_text(FNV_SEED, text);
}

uint64_t hash_part(const char *text, size_t len)
{
	return hash_more(hash_more(FNV_SEED, text, len), "", 1);
}

uint64_t hash_dir(const char *path, size_t len)
{
	while (len && path[len - 1] != '/')
		len--;
	return hash_part(path, len);
}

/* Independent of their order. */
static uint64_t more_texts(uint64_t hash, const struct msg_strs *texts)
{
	uint64_t sum = texts->n;

	for (size_t i = 0; i < texts->n; i++)
		sum += hash_text(texts->v[i]);
	return more_number(hash, sum);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void hash_set_fill(struct hash_set *set, uint64_t *v, size_t n)
{
	free(set->v);
	*set = (struct hash_set){.v = v, .n = n};
	if (n)
		qsort(v, n, sizeof(*v), by_value);
}

bool hash_set_has(const struct hash_set *set, uint64_t hash)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->v[middle] == hash)
			return true;
		if (set->v[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static uint64_t profile_machine(uint64_t hash, const struct msg_caps *caps)
{
	const char *texts[] = {caps->kernel, caps->arch, caps->criu_check, caps->cgroup_controllers,
			       caps->lsm};
	const uint64_t numbers[] = {caps->xsave_bytes, caps->criu_version, caps->cgroup_version,
				    caps->cpus};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		hash = more_text(hash, texts[i]);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		hash = more_number(hash, numbers[i]);
	return more_texts(hash, &caps->cpu_features);
}

/* The policy for what it is sent. */
static uint64_t profile_policy(uint64_t hash, const struct msg_caps *caps)
{
	hash = more_texts(hash, &caps->allow_binds);
	hash = more_texts(hash, &caps->allow_devices);
	hash = more_texts(hash, &caps->allow_lower);
	hash = more_number(hash, caps->allow_hooks);
	hash = more_number(hash, caps->allow_criu_config);
	return more_text(hash, caps->allow_privileged);
}

static uint64_t profile_of(const struct msg_caps *caps)
{
	uint64_t hash = profile_policy(profile_machine(FNV_SEED, caps), caps);

	for (size_t i = 0; i < caps->runtimes.n; i++) {
		hash = more_text(hash, caps->runtimes.v[i].name);
		hash = more_text(hash, caps->runtimes.v[i].version);
		hash = more_number(hash, caps->runtimes.v[i].checkpoint);
	}
	for (size_t i = 0; i < caps->networks.n; i++) {
		hash = more_text(hash, caps->networks.v[i].bridge);
		hash = more_text(hash, caps->networks.v[i].subnet);
		hash = more_number(hash, caps->networks.v[i].mtu);
	}
	return more_texts(hash, &caps->labels);
}

/* Two bits of each hash. */
static void bloom_add(struct bloom *bloom, uint64_t hash)
{
	bloom->bits[hash % 8] |= UINT64_C(1) << (hash >> 8) % 64;
	bloom->bits[(hash >> 16) % 8] |= UINT64_C(1) << (hash >> 24) % 64;
}

bool bloom_has(const struct bloom *bloom, uint64_t hash)
{
	return bloom->bits[hash % 8] >> (hash >> 8) % 64 & 1 &&
	       bloom->bits[(hash >> 16) % 8] >> (hash >> 24) % 64 & 1;
}

bool bloom_has_dir(uint64_t dirs, uint64_t hash)
{
	return dirs >> hash % 64 & 1;
}

static void note_names(struct digest *digest, const struct msg_caps *caps)
{
	digest->containers = digest->images = (struct bloom){{0}};
	digest->image_dirs = 0;
	for (size_t i = 0; i < caps->containers.n; i++)
		bloom_add(&digest->containers, hash_text(caps->containers.v[i].id));
	for (size_t i = 0; i < caps->images.n; i++) {
		const char *path = caps->images.v[i];

		bloom_add(&digest->images, hash_text(path));
		if (caps->images.n < IMAGES_MAX)
			digest->image_dirs |= UINT64_C(1) << hash_dir(path, strlen(path)) % 64;
	}
}

void digest_caps(struct digest *digest, const struct msg_caps *caps)
{
	uint64_t mbit = 0;

	note_names(digest, caps);
	for (size_t i = 0; i < caps->networks.n; i++)
		if (caps->networks.v[i].speed_mbit > mbit)
			mbit = caps->networks.v[i].speed_mbit;
	digest->link_mbit = mbit < UINT32_MAX ? (uint32_t)mbit : UINT32_MAX;
	digest->headroom_percent =
		caps->headroom_percent <= 100 ? (uint8_t)caps->headroom_percent : 0;
	digest->has_storage = caps->storage_total_bytes > 0;
	digest->has_staging = caps->staging_total_bytes > 0;
	digest->profile = profile_of(caps);
	if (!digest->storage_free_bytes)
		digest->storage_free_bytes = caps->storage_free_bytes;
	if (!digest->staging_free_bytes)
		digest->staging_free_bytes = caps->staging_free_bytes;
}

void digest_beat(struct digest *digest, const struct msg_beat *beat)
{
	digest->mem_total_bytes = beat->mem_total_bytes;
	digest->mem_available_bytes = beat->mem_available_bytes;
	digest->mem_reserved_bytes = beat->reserved_mem_bytes;
	digest->storage_reserved_bytes = beat->reserved_storage_bytes;
	digest->cpus = beat->cpus < UINT32_MAX ? (uint32_t)beat->cpus : UINT32_MAX;
	digest->presses = beat->psi_mem >= PRESSURE_PERCENT;
	if (beat->storage_free_bytes)
		digest->storage_free_bytes = beat->storage_free_bytes;
	if (beat->staging_free_bytes)
		digest->staging_free_bytes = beat->staging_free_bytes;
}
