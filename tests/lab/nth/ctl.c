/* SPDX-License-Identifier: MPL-2.0
 *
 * The sweep's hand in a host, through the file of $DROVER_NTH: what fails next, what was counted;
 * and what a journal still holds.
 *
 *   nth make              the file that the daemons map
 *   nth arm ROLE KIND N   the Nth KIND of drover-ROLE's processes fails; N 0: only count
 *   nth off               nothing is counted any more
 *   nth counts            "ROLE KIND COUNT" since arm, a line each
 *   nth hit, nth crash    what failed, what crashed, since arm
 *   nth kinds             "KIND text"
 *   nth rows JOURNAL      migrations whose last row is not closed
 */
#include "nth.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef NTH_ROWS
#include "worker/handover.h"
#endif

static const char *const kinds[][2] = {
#define X(name, text) {#name, text},
	NTH_KINDS(X)
#undef X
};

static const char *const roles[] = {
#define X(name) #name,
	NTH_ROLES(X)
#undef X
};

static struct nth *map_file(int flags)
{
	const char *path = getenv("DROVER_NTH") ? getenv("DROVER_NTH") : NTH_FILE;
	int fd = open(path, flags | O_CLOEXEC, 0666);
	void *map = MAP_FAILED;

	if (fd >= 0 && fchmod(fd, 0666) == 0 && ftruncate(fd, sizeof(struct nth)) == 0)
		map = mmap(NULL, sizeof(struct nth), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	return map;
}

static int arm(const char *role, const char *kind, const char *n)
{
	struct nth *s = map_file(O_RDWR);
	uint32_t r = 0, k = 0;

	while (r < NTH_ROLE_COUNT && strcmp(role, roles[r]) != 0)
		r++;
	while (k < NTH_KIND_COUNT && strcmp(kind, kinds[k][0]) != 0)
		k++;
	if (r == NTH_ROLE_COUNT || k == NTH_KIND_COUNT) {
		fprintf(stderr, "nth: no such role or kind\n");
		return 2;
	}
	__atomic_store_n(&s->armed, 0, __ATOMIC_SEQ_CST);
	memset(s, 0, sizeof *s);
	s->role = r;
	s->kind = k;
	s->n = strtoull(n, NULL, 10);
	__atomic_store_n(&s->armed, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void print_counts(const struct nth *s)
{
	for (int r = 0; r < NTH_ROLE_COUNT; r++)
		for (int k = 0; k < NTH_KIND_COUNT; k++)
			printf("%s %s %llu\n", roles[r], kinds[k][0],
			       (unsigned long long)s->counts[r][k]);
}

#ifdef NTH_ROWS
/* As worker/journal.c lays it out. */
struct row {
	uint32_t magic, crc;
	uint64_t seq;
	uint16_t index, count;
	uint32_t batch;
	struct handover_row data;
};

static int print_rows(const char *path)
{
	static const char *const states[] = {
#define X(name) #name,
		HANDOVER_STATE_TABLE(X)
#undef X
	};
	static struct row rows[100000];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? -1 : read(fd, rows, sizeof rows);
	size_t n = bytes < 0 ? 0 : (size_t)bytes / sizeof rows[0];

	if (bytes < 0) {
		perror(path);
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		size_t last = i;

		for (size_t j = i + 1; j < n; j++)
			if (!strcmp(rows[i].data.migration, rows[j].data.migration))
				last = j;
		if (last == i && rows[i].data.state != HANDOVER_closed)
			printf("%s:%s%s\n", rows[i].data.migration,
			       rows[i].data.state < HANDOVER_STATES ? states[rows[i].data.state]
								    : "?",
			       rows[i].data.settled ? ":settled" : "");
	}
	return 0;
}
#endif

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "make")) {
		map_file(O_RDWR | O_CREAT);
	} else if (!strcmp(verb, "arm") && argc == 5) {
		return arm(argv[2], argv[3], argv[4]);
	} else if (!strcmp(verb, "off")) {
		__atomic_store_n(&map_file(O_RDWR)->armed, 0, __ATOMIC_SEQ_CST);
	} else if (!strcmp(verb, "counts")) {
		print_counts(map_file(O_RDWR));
	} else if (!strcmp(verb, "hit")) {
		printf("%.*s\n", NTH_TEXT, map_file(O_RDWR)->hit);
	} else if (!strcmp(verb, "crash")) {
		printf("%.*s\n", NTH_TEXT, map_file(O_RDWR)->crash);
	} else if (!strcmp(verb, "kinds")) {
		for (int k = 0; k < NTH_KIND_COUNT; k++)
			printf("%-8s %s\n", kinds[k][0], kinds[k][1]);
#ifdef NTH_ROWS
	} else if (!strcmp(verb, "rows") && argc == 3) {
		return print_rows(argv[2]);
#endif
	} else {
		fprintf(stderr, "usage: nth make|arm|off|counts|hit|crash|kinds|rows\n");
		return 2;
	}
	return 0;
}
