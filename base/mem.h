/* SPDX-License-Identifier: MPL-2.0
 *
 * Allocation that cannot fail for sizes we choose, and the cleanup attributes that free locals.
 * Sizes chosen by a peer never come here: they go through mem_try. */
#ifndef DROVER_BASE_MEM_H
#define DROVER_BASE_MEM_H

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Zeroed memory of n × size bytes, never NULL: the process aborts when there is none. */
void *mem_new(size_t n, size_t size) __attribute__((malloc, returns_nonnull));

/* Grows (or shrinks) to n × size; never NULL; new bytes are not zeroed. Takes p. */
void *mem_grow(void *p, size_t n, size_t size) __attribute__((returns_nonnull));

/* Zeroed memory of a size that somebody else chose; NULL when there is none. */
void *mem_try(size_t n, size_t size);

#define mem_new_of(type) ((type *)mem_new(1, sizeof(type)))

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_close __attribute__((cleanup(cleanup_close)))
#define auto_fclose __attribute__((cleanup(cleanup_fclose)))
#define auto_closedir __attribute__((cleanup(cleanup_closedir)))

/* Gives the value away and leaves the variable empty, so that its cleanup does nothing. */
static inline void *mem_take_ptr(void *pp)
{
	void *p = *(void **)pp;

	*(void **)pp = NULL;
	return p;
}

static inline int mem_take_fd(int *fd)
{
	int n = *fd;

	*fd = -1;
	return n;
}

#define mem_take(p) ((__typeof__(p))mem_take_ptr(&(p)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
