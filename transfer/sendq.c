/* SPDX-License-Identifier: MPL-2.0
 *
 * Single producer, single consumer: head is written by the filler, tail by the thread. The thread's
 * err is written once, before `failed` is set. */
#include "transfer/sendq.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SLOTS 4

struct sendq {
	pthread_t thread;
	struct wire *wire;
	struct frame_in *in;
	struct sendq_slot slots[SLOTS];
	atomic_uint head, tail;
	atomic_ullong acked, bytes, rate;
	atomic_bool failed, stop;
	uint64_t seq; /* of the slot at head */
	int kick, wake, cancel;
	struct err err;
};

static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		abort();
}

static void clear_fd(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return; /* nothing was signalled */
}

static int take_frame(struct sendq *q, const struct frame *frame, struct err *err)
{
	uint64_t seq;

	if (frame->type == FRAME_error)
		return frame_error_get(frame, err);
	if (frame->type != FRAME_ack || frame->len != sizeof(seq))
		return fail(err, ERR_protocol, "unexpected frame %d from the target", frame->type);
	memcpy(&seq, frame->payload, sizeof(seq));
	atomic_store(&q->acked, seq);
	signal_fd(q->wake);
	return 0;
}

/* Reads what the peer said, without waiting. */
static int drain(struct sendq *q, struct err *err)
{
	for (;;) {
		struct frame frame;
		size_t room, got;
		void *space = frame_in_space(q->in, &room);
		int r = room ? q->wire->read(q->wire, space, room, &got, err) : 0;

		if (r)
			return r;
		if (q->wire->eof)
			return fail(err, ERR_unreachable, "the target ended the stream");
		if (room && !got)
			return 0;
		frame_in_added(q->in, room ? got : 0);
		r = frame_in_next(q->in, &frame, err);
		if (r == 1)
			r = take_frame(q, &frame, err);
		if (r < 0)
			return r;
	}
}

static void measure(struct sendq *q, size_t bytes, uint64_t us)
{
	uint64_t old = atomic_load(&q->rate), now = bytes * 1000000ull / (us ? us : 1);

	atomic_fetch_add(&q->bytes, bytes);
	if (bytes > 64 * 1024)
		atomic_store(&q->rate, old ? (old * 7 + now) / 8 : now);
}

static int write_one(struct sendq *q, struct err *err)
{
	unsigned tail = atomic_load(&q->tail);
	struct sendq_slot *slot = &q->slots[tail % SLOTS];
	uint64_t start = clock_mono_us();
	int r = q->wire->write(q->wire, slot->data, slot->len, err);
	struct err said = {0};

	/* A peer that gives up says why before it closes: that is the better text. */
	if (r && r != -ERR_canceled && drain(q, &said) && said.code != ERR_unreachable) {
		*err = said;
		return -said.code;
	}
	if (r)
		return r;
	measure(q, slot->len, clock_mono_us() - start);
	atomic_store(&q->tail, tail + 1);
	signal_fd(q->wake);
	return 0;
}

static int ping(struct sendq *q, struct err *err)
{
	uint8_t frame[FRAME_HEAD];
	size_t len = frame_build(NULL, frame, FRAME_ping, 0, 0, CODEC_none, NULL, 0);

	return q->wire->write(q->wire, frame, len, err);
}

static int step(struct sendq *q, struct err *err)
{
	bool timeout;
	int r = drain(q, err);

	if (r)
		return r;
	if (atomic_load(&q->head) != atomic_load(&q->tail))
		return write_one(q, err);
	r = wire_wait(q->wire, q->kick, SENDQ_PING_MS, &timeout, err);
	clear_fd(q->kick);
	if (!r && timeout)
		r = ping(q, err);
	return r;
}

static void *run(void *arg)
{
	struct sendq *q = arg;

	while (!atomic_load(&q->stop)) {
		if (!step(q, &q->err))
			continue;
		atomic_store(&q->failed, true);
		signal_fd(q->wake);
		break;
	}
	return NULL;
}

struct sendq *sendq_new(struct wire *wire, struct frame_in *in, uint64_t first_seq)
{
	struct sendq *q = mem_new_of(struct sendq);

	q->wire = wire;
	q->in = in;
	q->seq = first_seq;
	q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (size_t i = 0; i < SLOTS; i++)
		q->slots[i].data = mem_new(1, SENDQ_FRAME_SIZE);
	wire->cancel_fd = q->cancel;
	if (q->kick < 0 || q->wake < 0 || q->cancel < 0 || pthread_create(&q->thread, NULL, run, q))
		abort();
	return q;
}

void sendq_free(struct sendq **qp)
{
	struct sendq *q = *qp;

	if (!q)
		return;
	atomic_store(&q->stop, true);
	signal_fd(q->cancel);
	pthread_join(q->thread, NULL);
	wire_free(&q->wire);
	frame_in_free(&q->in);
	for (size_t i = 0; i < SLOTS; i++)
		free(q->slots[i].data);
	close(q->kick);
	close(q->wake);
	close(q->cancel);
	free(q);
	*qp = NULL;
}

struct sendq_slot *sendq_slot(struct sendq *q, uint64_t *ret_seq)
{
	unsigned head = atomic_load(&q->head);

	if (head - atomic_load(&q->tail) >= SLOTS)
		return NULL;
	*ret_seq = q->seq;
	return &q->slots[head % SLOTS];
}

void sendq_push(struct sendq *q)
{
	q->seq++;
	atomic_fetch_add(&q->head, 1);
	signal_fd(q->kick);
}

int sendq_fd(const struct sendq *q)
{
	return q->wake;
}

void sendq_clear(struct sendq *q)
{
	clear_fd(q->wake);
}

unsigned sendq_depth(const struct sendq *q)
{
	return atomic_load(&q->head) - atomic_load(&q->tail);
}

uint64_t sendq_acked(const struct sendq *q)
{
	return atomic_load(&q->acked);
}

uint64_t sendq_bytes(const struct sendq *q)
{
	return atomic_load(&q->bytes);
}

uint64_t sendq_rate(const struct sendq *q)
{
	return atomic_load(&q->rate);
}

int sendq_error(const struct sendq *q, struct err *err)
{
	if (!atomic_load(&q->failed))
		return 0;
	if (err)
		*err = q->err;
	return -q->err.code;
}
