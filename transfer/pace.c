/* SPDX-License-Identifier: MPL-2.0 */
#include "transfer/pace.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND_US 1000000u

int pace_new(struct err *err)
{
	int fd = memfd_create("drover-pace", MFD_CLOEXEC);

	if (fd < 0)
		return fail_errno(err, ERR_io, "memfd_create");
	if (ftruncate(fd, sizeof(struct pace)) < 0) {
		close(fd);
		return fail_errno(err, ERR_io, "ftruncate");
	}
	return fd;
}

struct pace *pace_map(int fd, struct err *err)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) < 0 || st.st_size != sizeof(struct pace)) {
		fail(err, ERR_protocol, "descriptor %d is no shared clock", fd);
		return NULL;
	}
	at = mmap(NULL, sizeof(struct pace), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		fail_errno(err, ERR_io, "mmap");
		return NULL;
	}
	return at;
}

void pace_unmap(struct pace **pace)
{
	if (*pace)
		munmap(*pace, sizeof(**pace));
	*pace = NULL;
}

uint64_t pace_book(struct pace *pace, size_t bytes, uint64_t rate, uint64_t now_us)
{
	uint64_t took_us = bytes * SECOND_US / rate, next_us = atomic_load(&pace->next_us),
		 start_us;

	do {
		start_us = next_us > now_us ? next_us : now_us;
		if (start_us > now_us + PACE_WAIT_MAX_US)
			start_us = now_us;
	} while (!atomic_compare_exchange_weak(&pace->next_us, &next_us, start_us + took_us));
	return start_us + took_us;
}
