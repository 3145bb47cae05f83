/* SPDX-License-Identifier: MPL-2.0
 *
 * The rate of change that two looks at a process find is near the true one: idle, half of its
 * memory, all of it; and what is not there is no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "runtime/dirty.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024u * 1024)
#define SIZE (32 * MIB)

struct child {
	pid_t pid;
	int order[2], done[2];
};

static void be_child(const struct child *c)
{
	uint8_t *memory = mmap(NULL, 4 * SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint32_t part;

	/* Only the first quarter is there: the rest is address space. */
	for (size_t i = 0; i < SIZE; i += 4096)
		memory[i] = 1;
	for (;;) {
		if (write(c->done[1], "x", 1) != 1 || read(c->order[0], &part, 4) != 4)
			_exit(0);
		for (size_t i = 0; part && i < SIZE / 4096; i++)
			if (i % 100 < part)
				memory[i * 4096]++;
	}
}

static void wait_done(const struct child *c)
{
	char x;

	assert_int_equal(read(c->done[0], &x, 1), 1);
}

static void start(struct child *c)
{
	assert_int_equal(pipe(c->order) | pipe(c->done), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (!c->pid)
		be_child(c);
	wait_done(c);
}

static void stop(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(c->order[i]);
		close(c->done[i]);
	}
}

/* Percent of its pages changed within one second, as the clock that is given says. */
static double found(struct child *c, uint32_t part)
{
	static struct dirty_look look;

	assert_int_equal(dirty_look_at(&c->pid, 1, 1000000, 7, &look), DIRTY_PAGES);
	assert_true(look.resident_bytes > SIZE * 0.7 && look.resident_bytes < SIZE * 1.4);
	assert_int_equal(write(c->order[1], &part, 4), 4);
	wait_done(c);
	return (double)dirty_rate(&look, 2000000) / SIZE;
}

__attribute__((unused)) static void test_rates(void **state)
{
	struct child c;

	(void)state;
	start(&c);
	assert_true(found(&c, 0) < 0.02); /* its stack may have changed */
	assert_true(found(&c, 50) > 0.3 && found(&c, 50) < 0.75);
	assert_true(found(&c, 100) > 0.7);
	stop(&c);
}

__attribute__((unused)) static void test_gone(void **state)
{
	static struct dirty_look look;
	struct child c;

	(void)state;
	start(&c);
	assert_true(dirty_look_at(&c.pid, 1, 1000000, 7, &look) > 0);
	stop(&c);
	assert_true(dirty_rate(&look, 2000000) > SIZE / 2); /* all of it is another's now */
	assert_int_equal(dirty_look_at(&c.pid, 1, 1000000, 7, &look), 0);
	assert_int_equal(dirty_rate(&look, 2000000), 0);
}

static void test_nothing(void **state)
{
	static struct dirty_look look;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	assert_int_equal(dirty_look_at(&pid, 1, 1000000, 7, &look), 0);
	assert_int_equal(dirty_rate(&look, 2000000), 0);
	assert_int_equal(dirty_look_at(NULL, 0, 1000000, 7, &look), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_ADDRESS__ /* terabytes of its shadow would be looked at */
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_gone),
#endif
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
