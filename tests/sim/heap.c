/* SPDX-License-Identifier: MPL-2.0
 *
 * The memory of one seed, in place of malloc: lists of free blocks by size, all given back at once
 * when the next seed begins, so that a worker that dies in the middle of its code (longjmp) leaks
 * nothing and no seed can know of the one before. When a seed is run a second time, its blocks are
 * elsewhere and full of junk: whoever decides by an address or reads what was never written gets
 * another digest. Builds with AddressSanitizer have its own instead. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifdef DROVER_SIM_HEAP

#define ARENA_BYTES ((size_t)1 << 30)
#define STEP 16  /* small classes: multiples of it; it is the head of a block, too */
#define SMALL 64 /* how many of them; above: powers of two */
#define CLASSES (SMALL + 32)
#define SHIFT_BYTES 4112 /* of a second run */

/* What is before each block; once it is free, the next one of its class follows. */
struct block {
	size_t class;
	struct block *next;
};

static struct {
	char *start, *at, *seed; /* seed: where the memory of a seed begins */
	struct block *unused[CLASSES];
	bool junk;
} heap;

static size_t class_of(size_t size)
{
	if (size <= SMALL * STEP)
		return size ? (size - 1) / STEP : 0;
	return SMALL + (size_t)(63 - __builtin_clzl(size - 1)) - 9;
}

static size_t class_bytes(size_t class)
{
	return class < SMALL ? (class + 1) * STEP : (size_t)1024 << (class - SMALL);
}

static void *data_of(struct block *block)
{
	return (char *)block + STEP;
}

static struct block *block_of(void *p)
{
	return (struct block *)((char *)p - STEP);
}

static void *take(size_t size)
{
	size_t class = class_of(size), bytes = STEP + class_bytes(class < CLASSES ? class : 0);
	struct block *block;

	if (!heap.start) {
		heap.start = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (heap.start == MAP_FAILED)
			abort();
		heap.at = heap.start;
	}
	if (class >= CLASSES || bytes > (size_t)(heap.start + ARENA_BYTES - heap.at)) {
		errno = ENOMEM;
		return NULL;
	}
	block = heap.unused[class];
	if (block) {
		heap.unused[class] = block->next;
	} else {
		block = (struct block *)heap.at;
		heap.at += bytes;
		block->class = class;
	}
	return data_of(block);
}

void *malloc(size_t size)
{
	void *p = take(size);

	if (p && heap.junk)
		memset(p, 0xa5, size);
	return p;
}

void free(void *p)
{
	struct block *block = p ? block_of(p) : NULL;

	if (!block)
		return;
	block->next = heap.unused[block->class];
	heap.unused[block->class] = block;
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	p = take(bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

void *realloc(void *p, size_t size)
{
	size_t had = p ? class_bytes(block_of(p)->class) : 0;
	void *fresh;

	if (p && size <= had)
		return p;
	fresh = malloc(size);
	if (fresh && p) {
		memcpy(fresh, p, had);
		free(p);
	}
	return fresh;
}

void heap_begin(bool again)
{
	if (!heap.seed) {
		free(malloc(1));
		heap.seed = heap.at;
	}
	heap.at = heap.seed + (again ? SHIFT_BYTES : 0);
	memset(heap.unused, 0, sizeof(heap.unused));
	heap.junk = again;
}

#else

void heap_begin(bool again)
{
	(void)again;
}

#endif
