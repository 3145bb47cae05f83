/* SPDX-License-Identifier: MPL-2.0
 *
 * Shared by pass.c (the course of a pass) and contents.c (files and entries). */
#ifndef DROVER_TRANSFER_PASS_IMPL_H
#define DROVER_TRANSFER_PASS_IMPL_H

#include "base/str.h"
#include "transfer/handoff.h"
#include "transfer/manifest.h"
#include "transfer/memo.h"
#include "transfer/pass.h"
#include "transfer/seed.h"

/* Ids of one kind, 1.., and which of them the manifest names. */
struct ids {
	uint32_t n;
	bool *live;
};

struct passes {
	struct push *push;
	const struct pass_options *options;
	char migration[NAME_SIZE];
	uint64_t epoch;
	unsigned pass;
	struct memos memos;
	struct ids images, blobs;
	struct seed seed;
	unsigned round;
	uint64_t round_from; /* seed.read_bytes when it began */
	uint64_t *mapped;    /* inodes, sorted once trees begin */
	size_t n_mapped;
	FILE *out; /* the manifest, in the last pass */
	char *text;
	size_t text_len;
	uint64_t done, total;
	struct page_sum *sum;
	uint8_t *buf;
	struct handoff_in in;
};

/* Tells how far it is and lets a cancel in. */
int pass_progress(struct passes *p, const char *phase, unsigned round, struct err *err);

/* The record in p->in is an image, an entry of a tree, or an inode that is mapped writable. */
int pass_image(struct passes *p, struct err *err);
int pass_entry(struct passes *p, struct err *err);
void pass_mapped(struct passes *p);
void pass_mapped_sort(struct passes *p); /* before the first entry */

#endif
