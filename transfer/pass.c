/* SPDX-License-Identifier: MPL-2.0
 *
 * One pass from a reader's first record to the acknowledgement of the target, and the seal. */
#include "transfer/pass_impl.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct passes *passes_new(struct push *push, const char *migration, uint64_t epoch)
{
	struct passes *p = mem_new_of(struct passes);

	p->push = push;
	str_copy(p->migration, sizeof(p->migration), migration);
	p->epoch = epoch;
	p->sum = page_sum_new();
	p->buf = mem_new(1, PAGE_RUN_BYTES);
	for (size_t i = 0; i < HANDOFF_FDS; i++)
		p->in.fds[i] = -1;
	return p;
}

void passes_free(struct passes **pp)
{
	struct passes *p = *pp;

	if (!p)
		return;
	if (p->out)
		fclose(p->out);
	free(p->text);
	memos_done(&p->memos);
	seed_done(&p->seed);
	free(p->images.live);
	free(p->blobs.live);
	free(p->mapped);
	page_sum_free(&p->sum);
	free(p->buf);
	free(p);
	*pp = NULL;
}

int pass_progress(struct passes *p, const char *phase, unsigned round, struct err *err)
{
	if (p->options->progress)
		p->options->progress(p->options->arg, phase, p->done, p->total, round);
	return push_wait(p->push, NULL, 0, 0, err);
}

static int on_record(struct passes *p, struct err *err)
{
	const struct handoff *h = &p->in.head;

	switch (h->kind) {
	case HANDOFF_meta:
		if (p->out)
			manifest_put_meta(p->out, p->in.name, p->in.link);
		return 0;
	case HANDOFF_root:
		pass_mapped_sort(p);
		if (p->out)
			manifest_put_root(p->out, h->root, p->in.name);
		return 0;
	case HANDOFF_skip:
		if (p->out)
			manifest_put_skip(p->out, h->root, p->in.name);
		return 0;
	case HANDOFF_mapped:
		pass_mapped(p);
		return 0;
	case HANDOFF_image:
		return pass_image(p, err);
	case HANDOFF_entry:
		return pass_entry(p, err);
	case HANDOFF_memory:
		seed_add(&p->seed, p->in.fds[0], p->in.fds[1], p->in.fds[2]);
		p->in.fds[0] = p->in.fds[1] = p->in.fds[2] = -1;
		return 0;
	case HANDOFF_end:
		return h->code ? fail(err, h->code, "%s", p->in.name) : 0;
	}
	return fail(err, ERR_protocol, "unknown record from the reader");
}

static int take_records(struct passes *p, int fd, struct err *err)
{
	int r;

	do {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

		r = push_wait(p->push, &poll_fd, 1, -1, err);
		if (!r)
			r = handoff_recv(fd, &p->in, err);
		if (!r)
			r = on_record(p, err);
		handoff_close(&p->in);
	} while (!r && p->in.head.kind != HANDOFF_end);
	return r;
}

static int on_memory(void *arg, struct err *err)
{
	struct passes *p = arg;

	p->done = p->seed.read_bytes - p->round_from;
	return pass_progress(p, "memory", p->round, err);
}

static int send_memory(struct passes *p, struct pass_result *ret, struct err *err)
{
	const struct pass_options *o = p->options;
	uint64_t before = 0, began_us = 0, since_us;
	int r;

	if (!p->seed.n)
		return 0;
	p->seed.tick = on_memory;
	p->seed.arg = p;
	p->done = p->total = 0;
	do {
		before = ret->round_bytes;
		since_us = began_us; /* each page is read once a round, at about the same place */
		began_us = clock_mono_us();
		p->round = ++ret->rounds;
		p->round_from = p->seed.read_bytes;
		r = seed_round(&p->seed, p->push, &ret->round_bytes, err);
		/* Acknowledged pages count as known on every session. */
		if (!r)
			r = push_flush(p->push, false, err);
		if (!r)
			r = on_memory(p, err);
		if (since_us)
			ret->dirty_bytes_s = ret->round_bytes * 1000000 / (began_us - since_us + 1);
		p->total = p->done; /* the next round reads about as much */
	} while (!r && seed_again(ret->rounds, o->rounds ? o->rounds : 1, before, ret->round_bytes,
				  o->budget_bytes));
	return r;
}

static uint32_t *superseded(const struct passes *p, size_t *ret_n)
{
	uint32_t *list = mem_new((size_t)p->images.n + p->blobs.n + 1, sizeof(*list));

	*ret_n = 0;
	for (uint32_t i = 0; i < p->images.n; i++)
		if (!p->images.live[i])
			list[(*ret_n)++] = i + 1;
	for (uint32_t i = 0; i < p->blobs.n; i++)
		if (!p->blobs.live[i])
			list[(*ret_n)++] = (i + 1) | FILE_BLOB;
	return list;
}

static int seal(struct passes *p, struct pass_result *ret, struct err *err)
{
	auto_free uint32_t *drop = NULL;
	size_t n;
	int closed = fclose(p->out);

	p->out = NULL;
	if (closed || p->text_len > MANIFEST_SIZE_MAX)
		return fail(err, ERR_invalid, "the manifest is too long");
	drop = superseded(p, &n);
	seal_of(p->text, p->text_len, ret->seal);
	return push_seal(p->push, drop, n, p->text, p->text_len, ret->seal, err);
}

int pass_run(struct passes *p, int fd, const struct pass_options *options, struct pass_result *ret,
	     struct err *err)
{
	int r;

	*ret = (struct pass_result){0};
	p->options = options;
	p->pass++;
	p->done = p->total = 0;
	p->n_mapped = 0;
	if (options->final) {
		p->out = open_memstream(&p->text, &p->text_len);
		if (!p->out)
			abort();
		manifest_put_head(p->out, p->migration, p->epoch);
	}
	r = take_records(p, fd, err);
	if (!r)
		r = send_memory(p, ret, err);
	if (!r)
		r = push_flush(p->push, options->final, err);
	seed_done(&p->seed);
	if (!r && options->final)
		r = seal(p, ret, err);
	return r;
}
