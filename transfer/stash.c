/* SPDX-License-Identifier: MPL-2.0
 *
 * A writer killed between claiming a slot and publishing it leaves the slot BUSY: it is then
 * passed over for ever, which costs one slot. */
#include "transfer/stash.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x3178646972657664ull
#define HEAD_BYTES 4096
#define SLOTS_MIN (1ull << 12)
#define SLOTS_MAX (1ull << 24)
#define FILES_MAX (1ull << 22)
#define PROBES_MAX 512
#define BUSY 1

struct head {
	_Atomic uint64_t magic;
	uint64_t slots;
	_Atomic uint64_t bytes, files; /* charged so far */
	_Atomic uint64_t store_pages;
};

struct slot {
	struct digest digest;
	_Atomic uint64_t place; /* 0 free, BUSY being filled, else a place */
};

struct stash {
	struct head *head;
	struct slot *slots;
	size_t map_len;
	uint64_t mask;
	uint64_t quota;
	int store;
};

static uint64_t slots_for(uint64_t quota_bytes)
{
	uint64_t n = SLOTS_MIN;

	while (n < SLOTS_MAX && n < 2 * (quota_bytes / PAGE_BYTES))
		n *= 2;
	return n;
}

/* A shared file of ours in the directory, made when asked to. */
static int open_own(int dirfd, const char *name, bool create, struct err *err)
{
	struct stat st;
	int fd = file_open_beneath(dirfd, name, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0),
				   create ? 0600 : 0);

	if (fd < 0) {
		errno = -fd;
		return fail_errno(err, ERR_io, "opening %s", name);
	}
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1)
		return fd;
	close(fd);
	return fail(err, ERR_corrupt, "%s is not a file of ours", name);
}

static int map_index(struct stash *stash, int fd, uint64_t slots, bool create, struct err *err)
{
	struct stat st;

	stash->map_len = HEAD_BYTES + slots * sizeof(struct slot);
	if (create && ftruncate(fd, (off_t)stash->map_len))
		return fail_errno(err, ERR_io, "sizing %s", STASH_INDEX);
	if (fstat(fd, &st) || (uint64_t)st.st_size != stash->map_len)
		return fail(err, ERR_corrupt, "%s has a wrong size", STASH_INDEX);
	stash->head = mmap(NULL, stash->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stash->head == MAP_FAILED) {
		stash->head = NULL;
		return fail_errno(err, ERR_nomem, "mapping %s", STASH_INDEX);
	}
	if (create && atomic_load(&stash->head->magic) != MAGIC) {
		stash->head->slots = slots;
		atomic_store(&stash->head->magic, MAGIC);
	}
	if (atomic_load(&stash->head->magic) != MAGIC || stash->head->slots != slots)
		return fail(err, ERR_corrupt, "%s is not an index", STASH_INDEX);
	stash->slots = (struct slot *)((uint8_t *)stash->head + HEAD_BYTES);
	stash->mask = slots - 1;
	return 0;
}

/* A mapping of a sparse file dies of SIGBUS when its file system is full: the whole index is
 * allocated before it is used. */
static int allocate(int fd, uint64_t slots, struct err *err)
{
	if (!fallocate(fd, 0, 0, (off_t)(HEAD_BYTES + slots * sizeof(struct slot))) ||
	    errno == EOPNOTSUPP)
		return 0;
	return fail_errno(err, ERR_io, "allocating %s", STASH_INDEX);
}

/* A new attempt begins with what an earlier one left in the store file, and with no other file. */
static int recount(struct stash *stash, struct err *err)
{
	struct stat st;

	if (fstat(stash->store, &st))
		return fail_errno(err, ERR_io, "%s", STASH_STORE);
	atomic_store(&stash->head->bytes, (uint64_t)st.st_blocks * 512);
	atomic_store(&stash->head->files, 0);
	return 0;
}

int stash_open(int dirfd, uint64_t quota_bytes, bool create, struct stash **ret, struct err *err)
{
	uint64_t slots = slots_for(quota_bytes);
	struct stash *stash = mem_new_of(struct stash);
	auto_close int fd = -1;
	int r = 0;

	stash->store = -1;
	stash->quota = quota_bytes;
	fd = r = open_own(dirfd, STASH_INDEX, create, err);
	if (r >= 0)
		r = create ? allocate(fd, slots, err) : 0;
	if (!r)
		r = map_index(stash, fd, slots, create, err);
	if (!r)
		stash->store = r = open_own(dirfd, STASH_STORE, create, err);
	if (r >= 0 && create)
		r = recount(stash, err);
	if (r < 0) {
		stash_close(&stash);
		return r;
	}
	*ret = stash;
	return 0;
}

void stash_close(struct stash **sp)
{
	struct stash *stash = *sp;

	if (!stash)
		return;
	if (stash->head)
		munmap(stash->head, stash->map_len);
	if (stash->store >= 0)
		close(stash->store);
	free(stash);
	*sp = NULL;
}

int stash_charge(struct stash *stash, uint64_t bytes, uint64_t files, struct err *err)
{
	if (atomic_fetch_add(&stash->head->bytes, bytes) + bytes > stash->quota)
		return fail(err, ERR_nospace, "more than the %llu MiB that were reserved",
			    (unsigned long long)(stash->quota >> 20));
	if (files && atomic_fetch_add(&stash->head->files, files) + files > FILES_MAX)
		return fail(err, ERR_nospace, "more than %llu files", FILES_MAX);
	return 0;
}

void stash_refund(struct stash *stash, uint64_t bytes)
{
	atomic_fetch_sub(&stash->head->bytes, bytes);
}

uint64_t stash_limit(const struct stash *stash)
{
	return (stash->mask + 1) / 4 * 3;
}

uint64_t stash_find(const struct stash *stash, struct digest digest)
{
	uint64_t i = digest.lo & stash->mask;

	for (unsigned n = 0; n < PROBES_MAX; n++, i = (i + 1) & stash->mask) {
		uint64_t place = atomic_load_explicit(&stash->slots[i].place, memory_order_acquire);

		if (!place)
			return 0;
		if (place != BUSY && digest_eq(stash->slots[i].digest, digest))
			return place;
	}
	return 0;
}

void stash_put(struct stash *stash, struct digest digest, uint64_t place)
{
	uint64_t i = digest.lo & stash->mask;

	for (unsigned n = 0; n < PROBES_MAX; n++, i = (i + 1) & stash->mask) {
		struct slot *slot = &stash->slots[i];
		uint64_t old = 0;

		if (atomic_compare_exchange_strong(&slot->place, &old, BUSY)) {
			slot->digest = digest;
			atomic_store_explicit(&slot->place, place, memory_order_release);
			return;
		}
		if (old != BUSY && digest_eq(slot->digest, digest)) {
			atomic_store_explicit(&slot->place, place, memory_order_release);
			return;
		}
	}
}

int stash_append(struct stash *stash, const void *pages, size_t n, uint64_t *ret_page,
		 struct err *err)
{
	*ret_page = atomic_fetch_add(&stash->head->store_pages, n);
	return file_pwrite_all(stash->store, pages, n * PAGE_BYTES, (off_t)(*ret_page * PAGE_BYTES),
			       err);
}

int stash_fd(const struct stash *stash)
{
	return stash->store;
}

void stash_punch(struct stash *stash, uint64_t page, size_t n)
{
	if (!fallocate(stash->store, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       (off_t)(page * PAGE_BYTES), (off_t)(n * PAGE_BYTES)))
		stash_refund(stash, n * PAGE_BYTES);
}

size_t stash_list(const struct stash *stash, struct digest *ret_digests, size_t max)
{
	size_t n = 0;

	if (!atomic_load(&stash->head->store_pages))
		return 0;
	for (uint64_t i = 0; i <= stash->mask && n < max; i++) {
		uint64_t place = atomic_load(&stash->slots[i].place);

		if (place > BUSY && PLACE_ID(place) == 0)
			ret_digests[n++] = stash->slots[i].digest;
	}
	return n;
}
