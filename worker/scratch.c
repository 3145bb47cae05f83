/* SPDX-License-Identifier: MPL-2.0
 *
 * Texts and arrays of one answer or one record, freed together. */
#include "base/mem.h"
#include "worker/facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *scratch_take(struct scratch **scratch, size_t size)
{
	struct scratch *block = mem_new(1, sizeof(*block) + size + 16);

	block->next = *scratch;
	*scratch = block;
	return (void *)(((uintptr_t)block->text + 15) & ~(uintptr_t)15);
}

const char *scratch_fmt(struct scratch **scratch, const char *fmt, ...)
{
	va_list args, again;
	char *text;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	text = scratch_take(scratch, (size_t)n + 1);
	vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(args);
	return text;
}

void scratch_done(struct scratch **scratch)
{
	while (*scratch) {
		struct scratch *next = (*scratch)->next;

		free(*scratch);
		*scratch = next;
	}
}

const char **scratch_texts(struct scratch **scratch, size_t n)
{
	return scratch_take(scratch, (n + 1) * sizeof(char *));
}
