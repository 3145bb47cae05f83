/* SPDX-License-Identifier: MPL-2.0
 *
 * A coordinator that is killed and comes back is found again by sockets that dialled its
 * predecessor, and a worker can leave for another coordinator. */
#include "test_bus_lab.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct lab lab;

/* A port that nobody has just now; the coordinators below come and go on it. */
static char *free_endpoint(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return str_new("tcp://127.0.0.1:%u", ntohs(address.sin_port));
}

/* A coordinator in its own process that answers each hello with welcome{epoch}. */
static pid_t start_coordinator(const char *endpoint, uint64_t epoch)
{
	pid_t child = fork();
	struct bus *bus;
	struct bus_sock *router;
	struct err err = {0};

	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bus = bus_new(&lab.keys[LAB_c1], lab.roster, &err);
	router = bus ? bus_router(bus, endpoint, &err) : NULL;
	if (!router)
		_exit(1);
	for (;;) {
		struct msg_welcome welcome = {.interval_ms = 1000, .epoch = epoch};
		struct bus_from from;

		if (lab_next(router, 60000, &from) == MSG_TYPE_hello)
			lab_send(router, &from, MSG_TYPE_welcome, &welcome);
	}
}

static void end_coordinator(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Says hello as a worker does until a welcome comes; its epoch, 0 when none came. */
static uint64_t greet(struct bus_sock *dealer, unsigned limit_ms)
{
	uint64_t end = clock_mono_ms() + limit_ms;

	while (clock_mono_ms() < end) {
		auto_msg struct msg *msg = NULL;
		struct bus_from from;
		struct err err;

		lab_hello(dealer, "w1");
		if (lab_recv(dealer, 300, &from, &msg, &err) == 1)
			return msg->welcome->epoch;
	}
	return 0;
}

/* The newest welcome, past those that answer hellos queued meanwhile. */
static bool greeted_by(struct bus_sock *dealer, uint64_t epoch, unsigned limit_ms)
{
	uint64_t end = clock_mono_ms() + limit_ms;

	while (clock_mono_ms() < end)
		if (greet(dealer, 300) == epoch)
			return true;
	return false;
}

static void a_dealer_gets_through_to_a_restarted_coordinator(void **state)
{
	auto_free char *endpoint = free_endpoint();
	pid_t first = start_coordinator(endpoint, 1), second;
	struct bus *bus = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer;
	uint64_t start;

	(void)state;
	LAB_MUST(dealer, bus_dealer(bus, endpoint, "c1", err));
	assert_true(greeted_by(dealer, 1, 10000));
	end_coordinator(first);
	while (greet(dealer, 600)) /* answers that were under way */
		;
	second = start_coordinator(endpoint, 2);
	start = clock_mono_ms();
	assert_true(greeted_by(dealer, 2, 15000));
	print_message("through again after %llu ms\n",
		      (unsigned long long)(clock_mono_ms() - start));
	end_coordinator(second);
	bus_free(&bus);
}

/* Waits for the word that a connection is there; how long it took, or limit_ms. */
static uint64_t wait_connected(struct bus_sock *dealer, unsigned limit_ms)
{
	struct bus_poll_item item = {.sock = dealer, .fd = -1};
	uint64_t start = clock_mono_ms(), spent = 0;
	struct err err;

	while (spent < limit_ms && !bus_connected(dealer)) {
		bus_poll(&item, 1, (int)(limit_ms - spent), &err);
		spent = clock_mono_ms() - start;
	}
	return spent;
}

static void a_dealer_is_told_of_each_connection_once(void **state)
{
	auto_free char *endpoint = free_endpoint();
	pid_t child = start_coordinator(endpoint, 6);
	struct bus *bus = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer;

	(void)state;
	LAB_MUST(dealer, bus_dealer(bus, endpoint, "c1", err));
	assert_true(wait_connected(dealer, 10000) < 10000);
	assert_true(wait_connected(dealer, 300) >= 300);
	end_coordinator(child);
	assert_true(wait_connected(dealer, 300) >= 300);
	child = start_coordinator(endpoint, 7);
	assert_true(wait_connected(dealer, 10000) < 10000);
	end_coordinator(child);
	bus_free(&bus);
}

static void a_dealer_waits_for_a_coordinator_that_is_not_there_yet(void **state)
{
	auto_free char *endpoint = free_endpoint();
	struct bus *bus = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer;
	pid_t child;

	(void)state;
	LAB_MUST(dealer, bus_dealer(bus, endpoint, "c1", err));
	assert_int_equal(greet(dealer, 600), 0);
	child = start_coordinator(endpoint, 3);
	assert_true(greeted_by(dealer, 3, 15000));
	end_coordinator(child);
	bus_free(&bus);
}

static void a_worker_moves_to_another_coordinator(void **state)
{
	auto_free char *here = free_endpoint(), *there = free_endpoint();
	pid_t first = start_coordinator(here, 4), second = start_coordinator(there, 5);
	struct bus *bus = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer;

	(void)state;
	for (int i = 0; i < 3; i++) {
		LAB_MUST(dealer, bus_dealer(bus, here, "c1", err));
		assert_true(greeted_by(dealer, 4, 10000));
		bus_sock_free(&dealer);
		LAB_MUST(dealer, bus_dealer(bus, there, "c1", err));
		assert_true(greeted_by(dealer, 5, 10000));
		bus_sock_free(&dealer);
	}
	end_coordinator(first);
	end_coordinator(second);
	bus_free(&bus);
}

/* With nobody there, a worker's sockets fill up and say so; they neither block nor grow. */
static void a_full_queue_is_busy(void **state)
{
	auto_free char *endpoint = free_endpoint();
	struct bus *bus = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer;
	int sent = 0, r;

	(void)state;
	LAB_MUST(dealer, bus_dealer(bus, endpoint, "c1", err));
	while ((r = lab_hello(dealer, "w1")) == 0)
		assert_true(++sent < 1000);
	assert_int_equal(r, -ERR_busy);
	bus_free(&bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dealer_gets_through_to_a_restarted_coordinator),
		cmocka_unit_test(a_dealer_is_told_of_each_connection_once),
		cmocka_unit_test(a_dealer_waits_for_a_coordinator_that_is_not_there_yet),
		cmocka_unit_test(a_worker_moves_to_another_coordinator),
		cmocka_unit_test(a_full_queue_is_busy),
	};
	int failed;

	lab_init(&lab);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	lab_done(&lab);
	return failed;
}
