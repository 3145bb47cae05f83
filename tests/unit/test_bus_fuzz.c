/* SPDX-License-Identifier: MPL-2.0
 *
 * A peer that holds a good key and sends rubbish costs its own messages and nothing else: 20,000
 * frames, the same on every run. */
#include "test_bus_lab.h"

#define FRAMES 20000
#define FRAME_MAX 600

static uint64_t seed = 88172645463325252ULL;

static uint32_t roll(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* A good message to damage; big enough to have lists, nesting and binaries in it. */
static size_t good_frame(uint8_t *dst, size_t size)
{
	const char *labels[] = {"zone=a", "disk=ssd"};
	struct msg_usage usage[] = {{.id = "web", .status = "running", .rss_bytes = 1}};
	struct msg_beat beat = {.boot_id = "b", .seq = roll(1000), .load1 = 0.5};
	struct msg_caps caps = {.kernel = "6.1", .labels = {labels, 2}, .cpuinfo = {dst, 16}};
	struct msg_hello hello = {.node = "w1", .version = "0.1.0"};
	enum msg_type types[] = {MSG_TYPE_beat, MSG_TYPE_caps, MSG_TYPE_hello};
	const void *bodies[] = {&beat, &caps, &hello};
	uint32_t which = roll(3);
	struct msg_head head = {.type = types[which], .epoch = 1};
	auto_free void *data = NULL;
	struct err err;
	size_t len;

	beat.usage.v = usage;
	beat.usage.n = 1;
	assert_int_equal(msg_encode(&head, bodies[which], &data, &len, &err), 0);
	assert_true(len <= size);
	memcpy(dst, data, len);
	return len;
}

static size_t bad_frame(uint8_t *dst)
{
	size_t len = roll(FRAME_MAX);

	if (roll(4) == 0) {
		for (size_t i = 0; i < len; i++)
			dst[i] = (uint8_t)roll(256);
		return len;
	}
	len = good_frame(dst, FRAME_MAX);
	for (uint32_t n = 1 + roll(6); n; n--)
		dst[roll((uint32_t)len)] = (uint8_t)roll(256);
	if (roll(3) == 0)
		len = roll((uint32_t)len + 1);
	return len;
}

static void *raw_dealer(const struct lab *lab, void *ctx, const char *endpoint)
{
	void *raw = zmq_socket(ctx, ZMQ_DEALER);
	int linger = 0;

	zmq_setsockopt(raw, ZMQ_CURVE_SERVERKEY, lab->keys[LAB_c1].public, KEY_Z85_LEN);
	zmq_setsockopt(raw, ZMQ_CURVE_PUBLICKEY, lab->keys[LAB_w1].public, KEY_Z85_LEN);
	zmq_setsockopt(raw, ZMQ_CURVE_SECRETKEY, lab->keys[LAB_w1].secret, KEY_Z85_LEN);
	zmq_setsockopt(raw, ZMQ_LINGER, &linger, sizeof(linger));
	assert_int_equal(zmq_connect(raw, endpoint), 0);
	return raw;
}

struct tally {
	unsigned good, bad;
};

/* Takes what there is; every message is counted once, whatever became of it. */
static void drain(struct bus_sock *router, unsigned wait_ms, struct tally *tally)
{
	struct bus_from from;
	int r;

	while ((r = lab_next(router, wait_ms, &from)) != 0) {
		assert_string_equal(from.id, "w1");
		if (r > 0)
			tally->good++;
		else
			tally->bad++;
	}
}

static void send_frame(void *raw, struct bus_sock *router, const void *data, size_t len, int flags,
		       struct tally *tally)
{
	while (zmq_send(raw, data, len, flags | ZMQ_DONTWAIT) < 0)
		drain(router, 1, tally);
}

static void rubbish_is_dropped_and_the_socket_goes_on(void **state)
{
	struct lab lab;
	struct bus *bus;
	struct bus_sock *router;
	struct tally tally = {0};
	struct bus_from from;
	unsigned sent = 0;
	uint8_t frame[FRAME_MAX] = {0};
	void *ctx = zmq_ctx_new(), *raw;
	size_t len;

	(void)state;
	lab_init(&lab);
	bus = lab_bus(&lab, LAB_c1);
	LAB_MUST(router, bus_router(bus, "tcp://127.0.0.1:*", err));
	raw = raw_dealer(&lab, ctx, bus_sock_endpoint(router));
	for (unsigned i = 0; i < FRAMES; i++) {
		bool more = roll(20) == 0 && i + 1 < FRAMES;

		len = bad_frame(frame);
		send_frame(raw, router, frame, len, more ? ZMQ_SNDMORE : 0, &tally);
		sent += !more;
		if (i % 64 == 0)
			drain(router, 0, &tally);
	}
	for (int i = 0; i < 100 && tally.good + tally.bad < sent; i++)
		drain(router, 50, &tally);
	print_message("%u messages in, %u understood, %u dropped\n", sent, tally.good, tally.bad);
	assert_int_equal(tally.good + tally.bad, sent);
	assert_true(tally.bad > sent / 2);
	len = good_frame(frame, sizeof(frame));
	send_frame(raw, router, frame, len, 0, &tally);
	assert_true(lab_next(router, 3000, &from) > 0);
	zmq_close(raw);
	zmq_ctx_term(ctx);
	bus_free(&bus);
	lab_done(&lab);
}

static void an_oversized_frame_ends_only_its_connection(void **state)
{
	struct lab lab;
	struct bus *bus;
	struct bus_sock *router;
	struct bus_from from;
	void *ctx = zmq_ctx_new(), *raw;
	uint8_t frame[FRAME_MAX] = {0};
	size_t big = MSG_SIZE_MAX + 4096;
	auto_free void *data = mem_new(1, big);

	(void)state;
	lab_init(&lab);
	bus = lab_bus(&lab, LAB_c1);
	LAB_MUST(router, bus_router(bus, "tcp://127.0.0.1:*", err));
	raw = raw_dealer(&lab, ctx, bus_sock_endpoint(router));
	zmq_send(raw, data, big, 0);
	assert_int_equal(lab_next(router, 700, &from), 0);
	zmq_close(raw);
	raw = raw_dealer(&lab, ctx, bus_sock_endpoint(router));
	zmq_send(raw, frame, good_frame(frame, sizeof(frame)), 0);
	assert_true(lab_next(router, 3000, &from) > 0);
	zmq_close(raw);
	zmq_ctx_term(ctx);
	bus_free(&bus);
	lab_done(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rubbish_is_dropped_and_the_socket_goes_on),
		cmocka_unit_test(an_oversized_frame_ends_only_its_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
