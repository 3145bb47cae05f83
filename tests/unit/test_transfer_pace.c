/* SPDX-License-Identifier: MPL-2.0
 *
 * One limit for several senders. The time is made up: nothing waits. */
#include "transfer/pace.h"

#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1024u * 1024u)

static struct pace *mapped(int fd)
{
	struct err err;
	struct pace *pace = pace_map(fd, &err);

	assert_non_null(pace);
	return pace;
}

static void one_alone_gets_all_two_get_half(void **state)
{
	auto_close int fd = pace_new(NULL);
	struct pace *a, *b;
	uint64_t now = 5000000;

	(void)state;
	assert_true(fd >= 0);
	a = mapped(fd);
	b = mapped(fd);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pace_book(a, MIB, 8 * MIB, now), now + 125000);
		now += 125000;
	}
	for (int i = 0; i < 8; i++) {
		assert_int_equal(pace_book(a, MIB, 8 * MIB, now), now + 125000);
		assert_int_equal(pace_book(b, MIB, 8 * MIB, now), now + 250000);
		now += 250000;
	}
	/* What was not used is not saved up. */
	now += 60000000;
	assert_int_equal(pace_book(b, MIB, 8 * MIB, now), now + 125000);
	pace_unmap(&a);
	pace_unmap(&b);
}

static void processes_lose_nothing_between_them(void **state)
{
	enum { CHILDREN = 4, BOOKINGS = 20000 };
	auto_close int fd = pace_new(NULL);
	struct pace *pace;

	(void)state;
	for (int i = 0; i < CHILDREN; i++)
		if (fork() == 0) {
			pace = mapped(fd);
			for (int k = 0; k < BOOKINGS; k++)
				pace_book(pace, 10, 10000000, 0);
			_exit(0);
		}
	for (int i = 0; i < CHILDREN; i++)
		assert_true(wait(NULL) > 0);
	pace = mapped(fd);
	assert_int_equal(pace_book(pace, 0, 1, 0), CHILDREN * BOOKINGS);
	pace_unmap(&pace);
}

static void one_that_lies_stops_nobody(void **state)
{
	auto_close int fd = pace_new(NULL), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct pace *pace = mapped(fd);
	struct err err = {0};

	(void)state;
	pace->next_us = UINT64_MAX / 2;
	assert_int_equal(pace_book(pace, MIB, MIB, 1000), 1001000);
	pace_unmap(&pace);
	assert_null(pace_map(null, &err));
	assert_int_equal(err.code, ERR_protocol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_alone_gets_all_two_get_half),
		cmocka_unit_test(processes_lose_nothing_between_them),
		cmocka_unit_test(one_that_lies_stops_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
