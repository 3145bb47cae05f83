/* SPDX-License-Identifier: MPL-2.0 */
#include "runtime/dirty.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096u
#define RANGES_MAX 8192
#define DRAWS_MAX (16 * DIRTY_PAGES)
#define PRESENT (UINT64_C(1) << 63)
#define FILE_OR_SHARED (UINT64_C(1) << 61)

struct range {
	uint64_t start, pages;
	uint8_t process;
	bool shared;
};

struct draw {
	struct range *ranges; /* heap */
	size_t n;
	uint64_t pages; /* of all ranges */
	int pagemap[DIRTY_PROCESSES], mem[DIRTY_PROCESSES];
	uint64_t state; /* of the generator */
};

/* splitmix64, https://prng.di.unimi.it/splitmix64.c: one state, good enough to draw by. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int open_proc(pid_t pid, const char *name)
{
	char path[64];

	str_fmt(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Writable memory that a dump would carry: private, or shared without a file of its own. */
static bool parse_range(const char *line, struct range *ret)
{
	unsigned long long start, end;
	char perms[5];
	int path = 0;

	if (sscanf(line, "%llx-%llx %4s %*x %*x:%*x %*u %n", &start, &end, perms, &path) < 3 ||
	    end <= start || perms[1] != 'w' || str_starts(line + path, "[v"))
		return false;
	ret->start = start;
	ret->pages = (end - start) / PAGE;
	ret->shared = perms[3] == 's';
	return !ret->shared || str_starts(line + path, "/dev/zero") ||
	       str_starts(line + path, "/memfd:") || str_starts(line + path, "/SYSV");
}

static void add_ranges(struct draw *draw, pid_t pid, uint8_t process)
{
	int fd = open_proc(pid, "maps");
	auto_fclose FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
	auto_free char *line = NULL;
	size_t size = 0;

	while (maps && draw->n < RANGES_MAX && getline(&line, &size, maps) > 0) {
		struct range range = {.process = process};

		if (!parse_range(line, &range))
			continue;
		draw->ranges = mem_grow(draw->ranges, draw->n + 1, sizeof(range));
		draw->ranges[draw->n++] = range;
		draw->pages += range.pages;
	}
}

static const struct range *range_at(const struct draw *draw, uint64_t page, uint64_t *ret_at)
{
	size_t i = 0;

	while (page >= draw->ranges[i].pages)
		page -= draw->ranges[i++].pages;
	*ret_at = draw->ranges[i].start + page * PAGE;
	return &draw->ranges[i];
}

static bool sum_page(int mem, uint64_t at, uint32_t *ret)
{
	uint8_t page[PAGE];

	if (pread(mem, page, PAGE, (off_t)at) != PAGE)
		return false;
	*ret = file_crc32c(0, page, PAGE);
	return true;
}

static bool draw_page(struct draw *draw, struct dirty_page *ret)
{
	uint64_t entry = 0;
	const struct range *range =
		range_at(draw, next_random(&draw->state) % draw->pages, &ret->at);

	ret->process = range->process;
	if (pread(draw->pagemap[range->process], &entry, sizeof(entry),
		  (off_t)(ret->at / PAGE * sizeof(entry))) != sizeof(entry) ||
	    !(entry & PRESENT) || (!range->shared && entry & FILE_OR_SHARED))
		return false;
	return sum_page(draw->mem[range->process], ret->at, &ret->sum);
}

size_t dirty_look_at(const pid_t *pids, size_t n, uint64_t now_us, uint64_t seed,
		     struct dirty_look *ret)
{
	struct draw draw = {.state = seed};
	uint64_t draws = 0;

	*ret = (struct dirty_look){.n_pids = n < DIRTY_PROCESSES ? n : DIRTY_PROCESSES,
				   .at_us = now_us};
	for (size_t i = 0; i < ret->n_pids; i++) {
		ret->pids[i] = pids[i];
		draw.pagemap[i] = open_proc(pids[i], "pagemap");
		draw.mem[i] = open_proc(pids[i], "mem");
		add_ranges(&draw, pids[i], (uint8_t)i);
	}
	for (; draw.pages && draws < DRAWS_MAX && ret->n < DIRTY_PAGES; draws++)
		ret->n += draw_page(&draw, &ret->pages[ret->n]);
	if (draws)
		ret->resident_bytes =
			(uint64_t)((double)draw.pages * PAGE * (double)ret->n / (double)draws);
	for (size_t i = 0; i < ret->n_pids; i++) {
		close(draw.pagemap[i]);
		close(draw.mem[i]);
	}
	free(draw.ranges);
	return ret->n;
}

size_t dirty_look(const struct cgroup *cgroup, uint64_t now_us, uint64_t seed,
		  struct dirty_look *ret)
{
	pid_t pids[DIRTY_PROCESSES];
	ssize_t n = cgroup_pids(cgroup, pids, DIRTY_PROCESSES);

	return dirty_look_at(pids, n > 0 ? (size_t)n : 0, now_us, seed, ret);
}

uint64_t dirty_rate(const struct dirty_look *look, uint64_t now_us)
{
	int mem[DIRTY_PROCESSES];
	uint64_t changed = 0;
	uint32_t sum;

	if (!look->n || now_us <= look->at_us)
		return 0;
	for (size_t i = 0; i < look->n_pids; i++)
		mem[i] = open_proc(look->pids[i], "mem");
	for (size_t i = 0; i < look->n; i++) {
		const struct dirty_page *page = &look->pages[i];

		changed += !sum_page(mem[page->process], page->at, &sum) || sum != page->sum;
	}
	for (size_t i = 0; i < look->n_pids; i++)
		close(mem[i]);
	return (uint64_t)((double)look->resident_bytes * (double)changed / (double)look->n * 1e6 /
			  (double)(now_us - look->at_us));
}
