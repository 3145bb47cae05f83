/* SPDX-License-Identifier: MPL-2.0
 *
 * The PAGEMAP_SCAN ioctl, or the entries of the file themselves
 * (Documentation/admin-guide/mm/pagemap.rst). Runtimes reserve terabytes of address space, for
 * which the file alone would be gigabytes. */
#include "transfer/present.h"

#include "transfer/page.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* linux/fs.h of 6.7 and later */
struct scan_region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t inverted, mask, anyof_mask, return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define SCAN_FILE (1u << 2)
#define SCAN_PRESENT (1u << 3)
#define SCAN_ZERO (1u << 5)
#define REGIONS 512

#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_FILE (1ull << 61) /* page of a file, or shared anonymous */
#define ENTRIES 8192            /* looked at in one read */
#define READ_MAX (64ull << 30)

/* Sets *ret_known to false when the kernel has no such ioctl. */
static int scan(int pagemap, uint64_t start, uint64_t end, bool shared, present_each *each,
		void *arg, bool *ret_known, struct err *err)
{
	struct scan_region regions[REGIONS];
	struct scan_arg a = {.size = sizeof(a),
			     .vec = (uintptr_t)regions,
			     .vec_len = REGIONS,
			     .inverted = shared ? 0 : SCAN_FILE | SCAN_ZERO,
			     .mask = SCAN_PRESENT | (shared ? 0 : SCAN_FILE | SCAN_ZERO),
			     .return_mask = SCAN_PRESENT,
			     .start = start,
			     .end = end};

	*ret_known = true;
	while (a.start < end) {
		int n = ioctl(pagemap, SCAN_IOCTL, &a);

		if (n < 0) {
			*ret_known = errno != ENOTTY && errno != EINVAL;
			return 0;
		}
		for (int i = 0; i < n; i++) {
			int r = each(arg, regions[i].start,
				     (regions[i].end - regions[i].start) / PAGE_BYTES, err);

			if (r)
				return r;
		}
		if (a.walk_end <= a.start)
			return 0;
		a.start = a.walk_end;
	}
	return 0;
}

static bool wanted(uint64_t entry, bool shared)
{
	return (entry & ENTRY_PRESENT) && (shared || !(entry & ENTRY_FILE));
}

static int read_entries(int pagemap, uint64_t start, uint64_t end, bool shared, present_each *each,
			void *arg, struct err *err)
{
	uint64_t entries[ENTRIES];

	while (start < end) {
		uint64_t want = (end - start) / PAGE_BYTES;
		ssize_t got = pread(pagemap, entries, (want < ENTRIES ? want : ENTRIES) * 8,
				    (off_t)(start / PAGE_BYTES * 8));
		size_t n = got > 0 ? (size_t)got / 8 : 0;

		if (!n)
			return 0; /* the process has ended */
		for (size_t i = 0, from; i < n; i += i == from) {
			int r = 0;

			for (from = i; i < n && wanted(entries[i], shared); i++)
				;
			if (i > from)
				r = each(arg, start + from * PAGE_BYTES, i - from, err);
			if (r)
				return r;
		}
		start += n * PAGE_BYTES;
	}
	return 0;
}

int present_pages(int pagemap, uint64_t start, uint64_t end, bool shared, present_each *each,
		  void *arg, struct err *err)
{
	bool known;
	int r = scan(pagemap, start, end, shared, each, arg, &known, err);

	if (known || end - start > READ_MAX)
		return r;
	return read_entries(pagemap, start, end, shared, each, arg, err);
}
