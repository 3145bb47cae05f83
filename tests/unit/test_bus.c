/* SPDX-License-Identifier: MPL-2.0
 *
 * Only enrolled keys get in, a peer is who its key says and nothing else, and may say only what its
 * role may. Everything runs over real sockets with real handshakes. */
#include "proto/bus_private.h"
#include "test_bus_lab.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct lab lab;
static struct bus *coordinator;
static struct bus_sock *router, *beats;

static int enter(void **state)
{
	(void)state;
	coordinator = lab_bus(&lab, LAB_c1);
	LAB_MUST(router, bus_router(coordinator, "tcp://127.0.0.1:*", err));
	LAB_MUST(beats, bus_sub(coordinator, "tcp://127.0.0.1:*", err));
	return 0;
}

static int leave(void **state)
{
	(void)state;
	bus_free(&coordinator);
	return 0;
}

static struct bus_sock *dial(struct bus *bus)
{
	struct bus_sock *dealer;

	LAB_MUST(dealer, bus_dealer(bus, bus_sock_endpoint(router), "c1", err));
	return dealer;
}

static void an_enrolled_worker_gets_in_and_is_answered(void **state)
{
	struct bus *worker = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer = dial(worker);
	struct msg_welcome welcome = {.interval_ms = 1000, .coordinator = "c1"};
	struct bus_from from;

	(void)state;
	assert_int_equal(lab_hello(dealer, "w1"), 0);
	assert_int_equal(lab_next(router, 3000, &from), MSG_TYPE_hello);
	assert_string_equal(from.id, "w1");
	assert_int_equal(from.role, ROLE_worker);
	assert_string_equal(from.address, "127.0.0.1");
	assert_int_equal(lab_send(router, &from, MSG_TYPE_welcome, &welcome), 0);
	assert_int_equal(lab_next(dealer, 3000, &from), MSG_TYPE_welcome);
	assert_string_equal(from.id, "c1");
	assert_int_equal(from.role, ROLE_coordinator);
	bus_free(&worker);
}

static void a_stranger_waits_until_it_is_enrolled(void **state)
{
	struct bus *worker = lab_bus(&lab, LAB_stranger);
	struct bus_sock *dealer = dial(worker);
	struct bus_from from;

	(void)state;
	assert_int_equal(lab_hello(dealer, "w3"), 0);
	assert_int_equal(lab_next(router, 700, &from), 0);
	bus_set_roster(coordinator, lab.enrolled);
	assert_int_equal(lab_next(router, 25000, &from), MSG_TYPE_hello);
	assert_string_equal(from.id, "w3");
	bus_free(&worker);
}

/* Past the number of answers after which an authenticator's socket is replaced (zap.c), more than
 * once: each knock is answered, and the table is the same. */
static void many_knocks_are_all_answered(void **state)
{
	struct bus *worker = lab_bus(&lab, LAB_w1), *stranger = lab_bus(&lab, LAB_stranger);
	struct bus_from from;

	(void)state;
	for (int i = 0; i < 400; i++) {
		struct bus_sock *dealer = dial(worker);

		assert_int_equal(lab_hello(dealer, "w1"), 0);
		assert_int_equal(lab_next(router, 10000, &from), MSG_TYPE_hello);
		assert_string_equal(from.id, "w1");
		bus_sock_free(&dealer);
	}
	assert_int_equal(lab_hello(dial(stranger), "w3"), 0);
	assert_int_equal(lab_next(router, 700, &from), 0);
	bus_free(&stranger);
	bus_free(&worker);
}

static void a_plain_connection_gets_nowhere(void **state)
{
	void *ctx = zmq_ctx_new(), *raw = zmq_socket(ctx, ZMQ_DEALER);
	struct bus_from from;
	int linger = 0;

	(void)state;
	zmq_setsockopt(raw, ZMQ_LINGER, &linger, sizeof(linger));
	assert_int_equal(zmq_connect(raw, bus_sock_endpoint(router)), 0);
	zmq_send(raw, "DRVR", 4, ZMQ_DONTWAIT);
	assert_int_equal(lab_next(router, 500, &from), 0);
	zmq_close(raw);
	zmq_ctx_term(ctx);
}

static void a_role_says_only_what_it_may(void **state)
{
	struct bus *worker = lab_bus(&lab, LAB_w1), *operators = lab_bus(&lab, LAB_op);
	struct bus_sock *from_worker = dial(worker), *from_operator = dial(operators);
	struct msg_request request = {.command = "status"};
	struct msg_beat beat = {.seq = 1};
	struct msg_ask ask = {.container = "c"};
	struct bus_from from;

	(void)state;
	lab_send(from_worker, NULL, MSG_TYPE_request, &request);
	assert_int_equal(lab_next(router, 3000, &from), -ERR_denied);
	assert_string_equal(from.id, "w1");
	lab_send(from_worker, NULL, MSG_TYPE_ask, &ask);
	assert_int_equal(lab_next(router, 3000, &from), -ERR_denied);
	lab_send(from_operator, NULL, MSG_TYPE_beat, &beat);
	assert_int_equal(lab_next(router, 3000, &from), -ERR_denied);
	assert_string_equal(from.id, "op");
	lab_send(from_operator, NULL, MSG_TYPE_request, &request);
	assert_int_equal(lab_next(router, 3000, &from), MSG_TYPE_request);
	lab_hello(from_worker, "w2");
	assert_int_equal(lab_next(router, 3000, &from), -ERR_denied);
	lab_hello(from_worker, NULL);
	assert_int_equal(lab_next(router, 3000, &from), -ERR_denied);
	bus_free(&worker);
	bus_free(&operators);
}

/* Beats until one is heard: a PUB that has no connection yet drops them. */
static int beat_until_heard(struct bus_sock *pub, unsigned tries, struct bus_from *from)
{
	struct msg_beat beat = {.seq = 1, .load1 = 0.5};
	int r = 0;

	for (unsigned i = 0; i < tries && r == 0; i++) {
		lab_send(pub, NULL, MSG_TYPE_beat, &beat);
		r = lab_next(beats, 50, from);
	}
	return r;
}

static void beats_come_from_workers_only(void **state)
{
	struct bus *worker = lab_bus(&lab, LAB_w2), *operators = lab_bus(&lab, LAB_op);
	struct bus_sock *good, *bad;
	struct bus_from from;

	(void)state;
	LAB_MUST(good, bus_pub(worker, bus_sock_endpoint(beats), "c1", err));
	LAB_MUST(bad, bus_pub(operators, bus_sock_endpoint(beats), "c1", err));
	assert_int_equal(beat_until_heard(bad, 15, &from), 0);
	assert_int_equal(beat_until_heard(good, 100, &from), MSG_TYPE_beat);
	assert_string_equal(from.id, "w2");
	assert_int_equal(from.route_len, 0);
	bus_free(&worker);
	bus_free(&operators);
}

/* A worker with its own, enrolled key that lies wherever a peer may write something itself. */
static void nobody_can_pass_for_another(void **state)
{
	void *ctx = zmq_ctx_new(), *raw = zmq_socket(ctx, ZMQ_DEALER);
	auto_free char *lie = str_new(ZAP_PROPERTY_KEY ":%s", lab.keys[LAB_w2].public);
	struct msg_head head = msg_head_new(MSG_TYPE_hello, 0, NULL);
	struct msg_hello hello = {.node = "w1"};
	auto_free void *data = NULL;
	struct bus_from from;
	struct err err;
	size_t len;
	int linger = 0;

	(void)state;
	assert_int_equal(zmq_setsockopt(raw, 95 /* ZMQ_METADATA */, lie, strlen(lie)), 0);
	zmq_setsockopt(raw, ZMQ_ROUTING_ID, "w2", 2);
	zmq_setsockopt(raw, ZMQ_PLAIN_USERNAME, "w2", 2);
	zmq_setsockopt(raw, ZMQ_CURVE_SERVERKEY, lab.keys[LAB_c1].public, KEY_Z85_LEN);
	zmq_setsockopt(raw, ZMQ_CURVE_PUBLICKEY, lab.keys[LAB_w1].public, KEY_Z85_LEN);
	zmq_setsockopt(raw, ZMQ_CURVE_SECRETKEY, lab.keys[LAB_w1].secret, KEY_Z85_LEN);
	zmq_setsockopt(raw, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_connect(raw, bus_sock_endpoint(router));
	assert_int_equal(msg_encode(&head, &hello, &data, &len, &err), 0);
	assert_int_equal(zmq_send(raw, data, len, 0), (int)len);
	assert_int_equal(lab_next(router, 3000, &from), MSG_TYPE_hello);
	assert_string_equal(from.id, "w1");
	assert_int_equal(from.route_len, 2);
	zmq_close(raw);
	zmq_ctx_term(ctx);
}

static void a_change_of_roster_acts_at_once(void **state)
{
	struct bus *w1 = lab_bus(&lab, LAB_w1), *w2 = lab_bus(&lab, LAB_w2);
	struct bus_sock *d1 = dial(w1), *d2 = dial(w2);
	struct bus_from from;

	(void)state;
	lab_hello(d1, "w1");
	assert_int_equal(lab_next(router, 3000, &from), MSG_TYPE_hello);
	lab_hello(d2, "w2");
	assert_int_equal(lab_next(router, 3000, &from), MSG_TYPE_hello);
	bus_set_roster(coordinator, lab.revoked);
	lab_hello(d1, "w1"); /* revoked */
	assert_int_equal(lab_next(router, 3000, &from), -ERR_denied);
	lab_hello(d2, "w2"); /* this is its former key */
	assert_int_equal(lab_next(router, 3000, &from), -ERR_denied);
	bus_sock_free(&d1);
	d1 = dial(w1);
	lab_hello(d1, "w1");
	assert_int_equal(lab_next(router, 500, &from), 0);
	bus_free(&w1);
	bus_free(&w2);
}

static void an_impostor_coordinator_hears_nothing(void **state)
{
	struct bus *worker = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer, *fake;
	struct bus *other = bus_new(&lab.keys[LAB_stranger], lab.roster, NULL);
	struct bus_from from;
	struct err err = {0};

	(void)state;
	/* One ZAP handler a process: the impostor borrows the real one, which would let w1 in. */
	other->zap = coordinator->zap;
	LAB_MUST(fake, bus_router(other, "tcp://127.0.0.1:*", err));
	LAB_MUST(dealer, bus_dealer(worker, bus_sock_endpoint(fake), "c1", err));
	lab_hello(dealer, "w1");
	assert_int_equal(lab_next(fake, 700, &from), 0);
	assert_null(bus_dealer(worker, bus_sock_endpoint(fake), "w2", &err));
	assert_int_equal(err.code, ERR_config);
	other->zap = NULL;
	bus_free(&other);
	bus_free(&worker);
}

static void without_the_authenticator_nobody_gets_in(void **state)
{
	struct bus *worker = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer;
	struct bus_from from;
	int enforce = 0;
	size_t len = sizeof(enforce);

	(void)state;
	assert_int_equal(zmq_getsockopt(zsock_resolve(router->zsock), 93, &enforce, &len), 0);
	assert_int_equal(enforce, 1);
	zap_stop(&coordinator->zap);
	dealer = dial(worker);
	lab_hello(dealer, "w1");
	assert_int_equal(lab_next(router, 700, &from), 0);
	bus_free(&worker);
}

static void a_second_authenticator_is_refused(void **state)
{
	struct bus *other = lab_bus(&lab, LAB_c1);
	struct err err = {0};

	(void)state;
	assert_null(bus_router(other, "tcp://127.0.0.1:*", &err));
	assert_int_equal(err.code, ERR_busy);
	bus_free(&other);
}

static void a_taken_endpoint_is_busy(void **state)
{
	struct err err = {0};

	(void)state;
	assert_null(bus_router(coordinator, bus_sock_endpoint(router), &err));
	assert_int_equal(err.code, ERR_busy);
	assert_null(bus_router(coordinator, "tcp://192.0.2.77:7400", &err));
	assert_int_equal(err.code, ERR_config);
	assert_null(bus_router(coordinator, "ipc:///tmp/x", &err));
	assert_int_equal(err.code, ERR_config);
}

static void answering_a_lost_connection_is_unreachable(void **state)
{
	struct bus *worker = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer = dial(worker);
	struct msg_welcome welcome = {.interval_ms = 1000};
	struct bus_from from;
	int r = 0;

	(void)state;
	lab_hello(dealer, "w1");
	assert_int_equal(lab_next(router, 3000, &from), MSG_TYPE_hello);
	bus_sock_free(&dealer);
	for (int i = 0; i < 100 && r != -ERR_unreachable; i++) {
		usleep(10000);
		r = lab_send(router, &from, MSG_TYPE_welcome, &welcome);
	}
	assert_int_equal(r, -ERR_unreachable);
	bus_free(&worker);
}

static void poll_wakes_for_sockets_and_descriptors(void **state)
{
	struct bus *worker = lab_bus(&lab, LAB_w1);
	struct bus_sock *dealer = dial(worker);
	struct bus_poll_item items[4] = {
		{.sock = router}, {.fd = -1}, {.fd = -1, .want_out = true}, {.sock = beats}};
	struct err err = {0};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	items[1].fd = fds[0];
	assert_int_equal(bus_poll(items, 4, 20, &err), 0);
	items[2].fd = fds[1];
	assert_int_equal(bus_poll(items, 4, 20, &err), 1);
	assert_true(items[2].ready_out && !items[1].ready);
	assert_int_equal(write(fds[1], "x", 1), 1);
	items[2].fd = -1;
	assert_int_equal(bus_poll(items, 4, 1000, &err), 1);
	assert_true(items[1].ready && !items[0].ready);
	items[1].fd = -1;
	lab_hello(dealer, "w1");
	assert_int_equal(bus_poll(items, 4, 3000, &err), 1);
	assert_true(items[0].ready);
	close(fds[0]);
	close(fds[1]);
	bus_free(&worker);
}

static void the_local_socket_is_guarded_by_its_mode(void **state)
{
	auto_free char *endpoint = str_new("ipc://%s/local.sock", lab.dir);
	struct msg_request request = {.command = "status"};
	struct msg_reply reply = {.final = true};
	struct bus *cli = bus_new(NULL, NULL, NULL);
	struct bus_sock *server, *dealer;
	struct bus_from from;
	struct err err = {0};
	struct stat st;

	(void)state;
	assert_null(bus_local_dealer(cli, endpoint, &err));
	assert_int_equal(err.code, ERR_unreachable);
	LAB_MUST(server, bus_local_router(coordinator, endpoint, err));
	assert_int_equal(stat(endpoint + 6, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_null(bus_local_router(coordinator, endpoint, &err));
	assert_int_equal(err.code, ERR_busy);
	assert_non_null(strstr(err.text, "another coordinator listens on"));
	LAB_MUST(dealer, bus_local_dealer(cli, endpoint, err));
	assert_int_equal(lab_send(dealer, NULL, MSG_TYPE_request, &request), 0);
	assert_int_equal(lab_next(server, 2000, &from), MSG_TYPE_request);
	assert_string_equal(from.id, BUS_LOCAL_ID);
	assert_int_equal(from.role, ROLE_operator);
	assert_int_equal(lab_send(server, &from, MSG_TYPE_reply, &reply), 0);
	assert_int_equal(lab_next(dealer, 2000, &from), MSG_TYPE_reply);
	bus_free(&cli);
	bus_sock_free(&server);
}

static void a_crashed_coordinator_s_socket_file_is_replaced(void **state)
{
	auto_free char *endpoint = str_new("ipc://%s/stale.sock", lab.dir);
	struct bus_sock *server;
	pid_t child = fork();
	struct stat st;

	(void)state;
	if (child == 0) { /* plain sockets: czmq's context does not survive a fork */
		void *ctx = zmq_ctx_new(), *s = zmq_socket(ctx, ZMQ_ROUTER);

		_exit(zmq_bind(s, endpoint) != 0);
	}
	waitpid(child, NULL, 0);
	assert_int_equal(stat(endpoint + 6, &st), 0);
	LAB_MUST(server, bus_local_router(coordinator, endpoint, err));
	bus_sock_free(&server);
}

static void signals_stay_with_the_program(void **state)
{
	struct sigaction action;

	(void)state;
	assert_int_equal(sigaction(SIGTERM, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_DFL);
	assert_int_equal(sigaction(SIGINT, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_DFL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_enrolled_worker_gets_in_and_is_answered),
		TEST(a_stranger_waits_until_it_is_enrolled),
		TEST(many_knocks_are_all_answered),
		TEST(a_plain_connection_gets_nowhere),
		TEST(a_role_says_only_what_it_may),
		TEST(beats_come_from_workers_only),
		TEST(nobody_can_pass_for_another),
		TEST(a_change_of_roster_acts_at_once),
		TEST(an_impostor_coordinator_hears_nothing),
		TEST(without_the_authenticator_nobody_gets_in),
		TEST(a_second_authenticator_is_refused),
		TEST(a_taken_endpoint_is_busy),
		TEST(answering_a_lost_connection_is_unreachable),
		TEST(poll_wakes_for_sockets_and_descriptors),
		TEST(the_local_socket_is_guarded_by_its_mode),
		TEST(a_crashed_coordinator_s_socket_file_is_replaced),
		TEST(signals_stay_with_the_program),
	};
	int failed;

	lab_init(&lab);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	lab_done(&lab);
	return failed;
}
