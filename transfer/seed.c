/* SPDX-License-Identifier: MPL-2.0
 *
 * Of private mappings only pages that are there and not the file's own are read, of shared
 * anonymous ones those that are there: what criu would dump. */
#include "transfer/seed.h"

#include "base/mem.h"
#include "base/str.h"
#include "transfer/present.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct range {
	uint64_t start, end;
	bool shared;
};

void seed_add(struct seed *seed, int mem, int pagemap, int maps)
{
	seed->v = mem_grow(seed->v, seed->n + 1, sizeof(*seed->v));
	seed->v[seed->n++] = (struct seed_process){mem, pagemap, maps};
	if (!seed->buf)
		seed->buf = mem_new(1, PAGE_RUN_BYTES);
}

void seed_done(struct seed *seed)
{
	for (size_t i = 0; i < seed->n; i++) {
		close(seed->v[i].mem);
		close(seed->v[i].pagemap);
		close(seed->v[i].maps);
	}
	free(seed->v);
	free(seed->buf);
	*seed = (struct seed){0};
}

/* A line of maps that is worth reading. */
static bool parse_range(const char *line, struct range *ret)
{
	unsigned long long start, end, ino;
	char perms[5];
	int path = 0;

	if (sscanf(line, "%llx-%llx %4s %*x %*x:%*x %llu %n", &start, &end, perms, &ino, &path) < 4)
		return false;
	*ret = (struct range){start, end, perms[3] == 's'};
	if (start % PAGE_BYTES || end <= start || str_starts(line + path, "[v"))
		return false; /* [vvar], [vdso], [vsyscall] */
	if (!ret->shared)
		return true;
	return str_starts(line + path, "/dev/zero") || str_starts(line + path, "/memfd:") ||
	       str_starts(line + path, "/SYSV");
}

/* Where a round is. */
struct round {
	struct seed *seed;
	struct push *push;
	int mem;
};

/* At most PAGE_RUN pages; *ret_n were taken. A page that has gone by now is left out. */
static int send_some(struct round *round, uint64_t at, uint64_t pages, uint64_t *ret_n,
		     struct err *err)
{
	uint8_t *buf = round->seed->buf;
	size_t want = pages < PAGE_RUN ? pages : PAGE_RUN;
	ssize_t got = pread(round->mem, buf, want * PAGE_BYTES, (off_t)at);
	unsigned whole = got > 0 ? (unsigned)((size_t)got / PAGE_BYTES) : 0;

	*ret_n = whole < want ? whole + 1 : want;
	round->seed->read_bytes += (uint64_t)whole * PAGE_BYTES;
	return whole ? push_pages(round->push, 0, buf, whole, NULL, err) : 0;
}

static int send_run(void *arg, uint64_t start, uint64_t pages, struct err *err)
{
	struct round *round = arg;
	uint64_t n;

	for (uint64_t i = 0; i < pages; i += n) {
		int r = send_some(round, start + i * PAGE_BYTES, pages - i, &n, err);

		if (!r)
			r = round->seed->tick(round->seed->arg, err);
		if (r)
			return r;
	}
	return 0;
}

static int send_process(struct seed *seed, struct push *push, const struct seed_process *p,
			struct err *err)
{
	auto_free char *line = NULL;
	auto_fclose FILE *maps = fdopen(dup(p->maps), "r");
	struct round round = {seed, push, p->mem};
	struct range range;
	size_t size = 0;
	int r = 0;

	if (!maps || fseek(maps, 0, SEEK_SET))
		return 0;
	while (!r && getline(&line, &size, maps) > 0)
		if (parse_range(line, &range))
			r = present_pages(p->pagemap, range.start, range.end, range.shared,
					  send_run, &round, err);
	return r;
}

int seed_round(struct seed *seed, struct push *push, uint64_t *ret_new, struct err *err)
{
	uint64_t before = push_new_bytes(push);
	int r = push_file(push, 0, 0, err);

	for (size_t i = 0; !r && i < seed->n; i++)
		r = send_process(seed, push, &seed->v[i], err);
	*ret_new = push_new_bytes(push) - before;
	return r;
}

bool seed_again(unsigned done, unsigned rounds, uint64_t before, uint64_t now,
		uint64_t budget_bytes)
{
	if (done >= rounds || now <= budget_bytes)
		return false;
	return done < 2 || now * 10 <= before * 9;
}
