/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reads a worker's journal from outside, also that of a host that is down, and prints one JSON line
 * for each migration in it: what its last row says. "state" of one that is closed is the state
 * before, which can still be proved.
 */
#include "worker/handover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As worker/journal.c writes it; a row that is torn or damaged ends what is read. */
struct row {
	uint32_t magic, crc;
	uint64_t seq;
	uint16_t index, count;
	uint32_t batch;
	struct handover_row data;
};
#define ROW_MAGIC 0x44524a31

#define ROWS_MAX 65536

static const char *const states[] = {
#define X(name) #name,
	HANDOVER_STATE_TABLE(X)
#undef X
};

static struct handover_row last[ROWS_MAX];
static size_t n_last;

static void put(const struct handover_row *row)
{
	size_t i = 0;

	while (i < n_last && strcmp(last[i].migration, row->migration))
		i++;
	if (i == ROWS_MAX)
		return;
	last[i] = *row;
	n_last += i == n_last;
}

static void print(const struct handover_row *row)
{
	bool closed = row->state == HANDOVER_closed;
	unsigned state = closed ? row->last : row->state;

	printf("{\"migration\":\"%s\",\"container\":\"%s\",\"side\":\"%s\",\"peer\":\"%s\","
	       "\"state\":\"%s\",\"closed\":%s,\"settled\":%s,\"gone\":%s,\"epoch\":%llu}\n",
	       row->migration, row->container, row->side == SIDE_source ? "source" : "target",
	       row->peer, state < HANDOVER_STATES ? states[state] : "?", closed ? "true" : "false",
	       row->settled ? "true" : "false", row->gone ? "true" : "false",
	       (unsigned long long)row->epoch);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
	static struct row row;

	if (!file) {
		fputs("usage: journal FILE\n", stderr);
		return 2;
	}
	while (fread(&row, sizeof row, 1, file) == 1 && row.magic == ROW_MAGIC)
		put(&row.data);
	for (size_t i = 0; i < n_last; i++)
		print(&last[i]);
	fclose(file);
	return 0;
}
