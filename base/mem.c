/* SPDX-License-Identifier: MPL-2.0
 *
 * Allocation of sizes that the program itself chose: there is nothing sensible to do without it. */
#include "base/mem.h"

#include "base/crash.h"

#include <stdint.h>

void *mem_new(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

void *mem_grow(void *p, size_t n, size_t size)
{
	void *q = reallocarray(p, n ? n : 1, size ? size : 1);

	if (!q)
		abort();
	return q;
}

void *mem_try(size_t n, size_t size)
{
	return crash_no_memory() ? NULL : calloc(n ? n : 1, size ? size : 1);
}
