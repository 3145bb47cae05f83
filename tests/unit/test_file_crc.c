/* SPDX-License-Identifier: MPL-2.0
 *
 * The checksum of the journal's rows is CRC-32C, however its bytes are cut. */
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Bit by bit, as its definition says. */
static uint32_t plainly(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;

	for (; len--; p++) {
		crc ^= *p;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* RFC 3720, B.4. */
static void the_vectors_of_the_rfc_hold(void **state)
{
	uint8_t data[32];

	(void)state;
	memset(data, 0, sizeof(data));
	assert_int_equal(file_crc32c(0, data, sizeof(data)), 0x8a9136aau);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(file_crc32c(0, data, sizeof(data)), 0x62a8ab43u);
	for (uint8_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	assert_int_equal(file_crc32c(0, data, sizeof(data)), 0x46dd794eu);
	assert_int_equal(file_crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(file_crc32c(0, "", 0), 0);
}

static void any_cut_comes_to_the_same(void **state)
{
	uint8_t data[300];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 151 + i / 7);
	for (size_t len = 0; len <= sizeof(data); len++)
		assert_int_equal(file_crc32c(0, data, len), plainly(data, len));
	for (size_t cut = 0; cut <= sizeof(data); cut++)
		assert_int_equal(
			file_crc32c(file_crc32c(0, data, cut), data + cut, sizeof(data) - cut),
			plainly(data, sizeof(data)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_the_rfc_hold),
		cmocka_unit_test(any_cut_comes_to_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
