/* SPDX-License-Identifier: MPL-2.0
 *
 * Three stat(2) calls a process. */
#include "runtime/census.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const names[] = {
#define X(name) #name,
	CENSUS_TABLE(X)
#undef X
};

const char *census_name(enum census_ns ns)
{
	return names[ns];
}

static void look_at(struct census *census, int proc, pid_t pid)
{
	struct census_row *row;
	char path[64];
	struct stat st;

	if (census->n == census->cap) {
		census->cap = census->cap ? 2 * census->cap : 256;
		census->v = mem_grow(census->v, census->cap, sizeof(*census->v));
	}
	row = &census->v[census->n++];
	*row = (struct census_row){.pid = pid};
	for (size_t i = 0; i < CENSUS_NAMESPACES; i++) {
		str_fmt(path, sizeof(path), "%d/ns/%s", (int)pid, names[i]);
		if (fstatat(proc, path, &st, 0) == 0)
			row->ns[i] = st.st_ino;
	}
	if (pid == 1)
		memcpy(census->host, row->ns, sizeof(census->host));
}

static int compare(const void *a, const void *b)
{
	const struct census_row *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

void census_take(struct census *ret)
{
	auto_closedir DIR *dir = opendir("/proc");
	const struct dirent *e;
	uint64_t pid;

	memset(ret, 0, sizeof(*ret));
	while (dir && (e = readdir(dir)))
		if (str_u64(e->d_name, 1, INT_MAX, &pid))
			look_at(ret, dirfd(dir), (pid_t)pid);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare);
}

void census_done(struct census *census)
{
	free(census->v);
	memset(census, 0, sizeof(*census));
}

const struct census_row *census_find(const struct census *census, pid_t pid)
{
	const struct census_row key = {.pid = pid};

	return census->n ? bsearch(&key, census->v, census->n, sizeof(key), compare) : NULL;
}
