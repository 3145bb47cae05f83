/* SPDX-License-Identifier: MPL-2.0
 *
 * A message survives the wire; nothing that a peer sends can make the decoder read, reserve or
 * accept more than its row allows. */
#include "base/mem.h"
#include "proto/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void *encode_sample(size_t *ret_len)
{
	const char *addrs[] = {"10.0.0.2/24", "fe80::1/64"};
	struct msg_net net = {.kind = "named", .addrs = {addrs, 2}, .mtu = 1500};
	struct msg_reason reasons[] = {{.code = "E-MEM", .why = "too \"small\"", .warning = true},
				       {.code = "E-CPU"}};
	struct msg_answer answer = {
		.migration = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
		.step = STEP_hold,
		.digest = {(const uint8_t *)"\0\1\2\3", 4},
		.net = &net,
	};
	struct msg_head head = msg_head_new(MSG_TYPE_answer, 7, NULL);
	struct err err;
	void *data;

	answer.reasons.v = reasons;
	answer.reasons.n = 2;
	assert_int_equal(msg_encode(&head, &answer, &data, ret_len, &err), 0);
	return data;
}

static void survives_the_wire(void **state)
{
	size_t len;
	auto_free void *data = encode_sample(&len);
	auto_msg struct msg *m = NULL;
	auto_free char *json = NULL;
	struct err err;

	(void)state;
	assert_int_equal(msg_decode(data, len, &m, &err), 0);
	assert_int_equal(m->head.epoch, 7);
	assert_int_equal(m->answer->step, STEP_hold);
	assert_int_equal(m->answer->digest.len, 4);
	assert_string_equal(m->answer->net->addrs.v[1], "fe80::1/64");
	assert_string_equal(m->answer->reasons.v[1].code, "E-CPU");
	json = msg_json(MSG_TYPE_answer, m->body);
	assert_non_null(strstr(json, "\"why\":\"too \\\"small\\\"\""));
}

static void limits_hold_when_encoding(void **state)
{
	char name[100];
	struct msg_hello hello = {.node = name};
	struct err err;
	void *data;
	size_t len;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[99] = '\0';
	assert_int_equal(msg_encode_body(MSG_TYPE_hello, &hello, &data, &len, &err), -ERR_invalid);
}

static void hostile_counts_are_refused(void **state)
{
	static const uint8_t huge[] = {0xdd, 0x20, 0, 0, 0};
	static const uint8_t twice[] = {0x82, 1, 0xa1, 'a', 1, 0xa1, 'b'};
	static const uint8_t after[] = {0x80, 0x80};
	static const uint8_t unknown[] = {0x81, 0x3f, 0x93, 1, 2, 3};
	struct msg *m;
	struct err err;

	(void)state;
	assert_int_equal(msg_decode_body(MSG_TYPE_hello, huge, 5, &m, &err), -ERR_protocol);
	assert_int_equal(msg_decode_body(MSG_TYPE_hello, twice, 7, &m, &err), -ERR_protocol);
	assert_int_equal(msg_decode_body(MSG_TYPE_hello, after, 2, &m, &err), -ERR_protocol);
	assert_int_equal(msg_decode_body(MSG_TYPE_hello, unknown, 6, &m, &err), 0);
	msg_free(&m);
}

/* Deterministic: xorshift with a fixed seed. */
static void garbage_never_harms(void **state)
{
	size_t len;
	auto_free uint8_t *good = encode_sample(&len);
	auto_free uint8_t *bytes = mem_new(len, 1);
	uint32_t seed = 0x2545f491;
	struct err err;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		struct msg *m = NULL;
		size_t n = len;

		memcpy(bytes, good, len);
		for (int i = 0; i < 3; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 17;
			seed ^= seed << 5;
			bytes[seed % len] = (uint8_t)(seed >> 8);
		}
		if (seed & 1)
			n = seed % len;
		if (msg_decode(bytes, n, &m, &err) == 0)
			msg_free(&m);
		assert_null(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_the_wire),
		cmocka_unit_test(limits_hold_when_encoding),
		cmocka_unit_test(hostile_counts_are_refused),
		cmocka_unit_test(garbage_never_harms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
