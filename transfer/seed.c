/* SPDX-License-Identifier: MPL-2.0
 *
 * /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst) says which pages criu would dump:
 * of private mappings those that are present and not the file's own, of shared anonymous ones those
 * that are present. Nothing else is read, so that a large empty mapping costs little. */
#include "transfer/seed.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PM_PRESENT (1ull << 63)
#define PM_FILE (1ull << 61) /* page of a file, or shared anonymous */
#define MAP_ENTRIES 8192     /* pagemap entries looked at in one read */

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

/* Pages [at, at + n) of the address space, which are all present. A page that has gone by now is
 * left out. */
static int send_run(struct seed *seed, struct push *push, int mem, uint64_t at, unsigned n,
		    struct err *err)
{
	ssize_t got = pread(mem, seed->buf, (size_t)n * PAGE_BYTES, (off_t)at);
	unsigned whole = got > 0 ? (unsigned)((size_t)got / PAGE_BYTES) : 0;
	int r = whole ? push_pages(push, 0, seed->buf, whole, NULL, err) : 0;

	seed->read_bytes += (uint64_t)whole * PAGE_BYTES;
	if (r || whole == n)
		return r;
	if (whole + 1 >= n)
		return 0;
	return send_run(seed, push, mem, at + (whole + 1ull) * PAGE_BYTES, n - whole - 1, err);
}

static bool worth(uint64_t entry, bool shared)
{
	return (entry & PM_PRESENT) && (shared || !(entry & PM_FILE));
}

static int send_block(struct seed *seed, struct push *push, int mem, const uint64_t *entries,
		      size_t n, uint64_t at, bool shared, struct err *err)
{
	for (size_t i = 0; i < n;) {
		size_t from = i;
		int r;

		while (i < n && i - from < PAGE_RUN && worth(entries[i], shared))
			i++;
		r = i > from ? send_run(seed, push, mem, at + from * PAGE_BYTES,
					(unsigned)(i - from), err)
			     : 0;
		if (!r && i > from)
			r = push_wait(push, NULL, 0, 0, err);
		if (r)
			return r;
		i += i == from;
	}
	return 0;
}

static int send_range(struct seed *seed, struct push *push, const struct seed_process *p,
		      const struct range *range, struct err *err)
{
	static uint64_t entries[MAP_ENTRIES];
	uint64_t at = range->start;

	while (at < range->end) {
		uint64_t want = (range->end - at) / PAGE_BYTES;
		ssize_t got;
		int r;

		if (want > MAP_ENTRIES)
			want = MAP_ENTRIES;
		got = pread(p->pagemap, entries, want * 8, (off_t)(at / PAGE_BYTES * 8));
		if (got < 8)
			return 0;
		r = send_block(seed, push, p->mem, entries, (size_t)got / 8, at, range->shared,
			       err);
		if (r)
			return r;
		at += (uint64_t)got / 8 * PAGE_BYTES;
	}
	return 0;
}

static int send_process(struct seed *seed, struct push *push, const struct seed_process *p,
			struct err *err)
{
	auto_free char *line = NULL;
	auto_fclose FILE *maps = fdopen(dup(p->maps), "r");
	struct range range;
	size_t size = 0;
	int r = 0;

	if (!maps || fseek(maps, 0, SEEK_SET))
		return 0;
	while (!r && getline(&line, &size, maps) > 0)
		if (parse_range(line, &range))
			r = send_range(seed, push, p, &range, err);
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
