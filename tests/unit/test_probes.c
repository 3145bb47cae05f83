/* SPDX-License-Identifier: MPL-2.0
 *
 * What one worker says of another host: a greeting, an end and a refusal are signs of life, a
 * connection that nobody speaks on is none, and what cannot be tried is not called unreached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/clock.h"
#include "base/mem.h"
#include "worker/probes.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#define KEY "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

struct lab {
	struct roster *roster;
	struct probes *probes;
	int listener;
	uint16_t port;
	unsigned answers;
	size_t tag;
	bool tried, reached;
	char host[NAME_SIZE], error[256];
};

static void on_sight(void *arg, size_t tag, const struct msg_sight *sight)
{
	struct lab *lab = arg;

	lab->answers++;
	lab->tag = tag;
	lab->tried = sight->tried;
	lab->reached = sight->reached;
	str_copy(lab->host, sizeof(lab->host), sight->host);
	str_copy(lab->error, sizeof(lab->error), sight->error);
}

static void start(struct lab *lab)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(to);
	char path[] = "/tmp/drover-probes-XXXXXX";
	int fd = mkstemp(path);
	FILE *out = fdopen(fd, "w");
	struct err err;

	*lab = (struct lab){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_int_equal(bind(lab->listener, (struct sockaddr *)&to, len), 0);
	assert_int_equal(listen(lab->listener, 4), 0);
	assert_int_equal(getsockname(lab->listener, (struct sockaddr *)&to, &len), 0);
	lab->port = ntohs(to.sin_port);
	fprintf(out, "[beta]\nrole = worker\ncurve = %s\naddress = beta.example\n", KEY);
	fclose(out);
	assert_int_equal(roster_load(path, &lab->roster, &err), 0);
	unlink(path);
	lab->probes = probes_new(lab->roster, on_sight, lab);
}

static void end(struct lab *lab)
{
	probes_free(&lab->probes);
	roster_free(&lab->roster);
	if (lab->listener >= 0)
		close(lab->listener);
}

static void ask(struct lab *lab, const char *host, const char *address, uint64_t deadline_ms)
{
	probes_start(lab->probes, 3,
		     &(struct msg_probe){.host = host,
					 .address = address,
					 .port = lab->port,
					 .deadline_ms = deadline_ms},
		     clock_mono_ms());
}

/* Until there is an answer; ten seconds at most. */
static void wait_for_answer(struct lab *lab)
{
	uint64_t end_ms = clock_mono_ms() + 10000;

	while (!lab->answers && clock_mono_ms() < end_ms) {
		struct bus_poll_item items[PROBES_MAX];
		struct err err;

		for (size_t i = 0; i < PROBES_MAX; i++)
			items[i] = probes_item(lab->probes, i);
		bus_poll(items, PROBES_MAX, probes_timeout_ms(lab->probes, clock_mono_ms(), 500),
			 &err);
		for (size_t i = 0; i < PROBES_MAX; i++)
			probes_dispatch(lab->probes, i, &items[i], clock_mono_ms());
	}
	assert_int_equal(lab->answers, 1);
	assert_string_equal(lab->host, "beta");
	assert_int_equal(lab->tag, 3);
}

static void a_greeting_is_a_sign_of_life(void **state)
{
	struct lab lab;
	int fd;

	(void)state;
	start(&lab);
	ask(&lab, "beta", "127.0.0.1", 8000);
	fd = accept(lab.listener, NULL, NULL);
	assert_int_equal(write(fd, "SSH-2.0-x\r\n", 11), 11);
	wait_for_answer(&lab);
	assert_true(lab.tried && lab.reached);
	close(fd);
	end(&lab);
}

static void an_end_and_a_refusal_are_signs_of_life(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab);
	ask(&lab, "beta", "127.0.0.1", 8000);
	close(accept(lab.listener, NULL, NULL));
	wait_for_answer(&lab);
	assert_true(lab.tried && lab.reached);
	close(lab.listener);
	lab.listener = -1;
	lab.answers = 0;
	ask(&lab, "beta", "127.0.0.1", 8000);
	wait_for_answer(&lab);
	assert_true(lab.tried && lab.reached);
	end(&lab);
}

/* The kernel of a frozen host takes connections. */
static void a_silent_connection_is_none(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab);
	ask(&lab, "beta", "127.0.0.1", 200);
	wait_for_answer(&lab);
	assert_true(lab.tried && !lab.reached);
	end(&lab);
}

static void what_cannot_be_tried_is_said_so(void **state)
{
	static const char *const hosts[] = {"beta", "stranger", NULL};
	struct lab lab;

	(void)state;
	start(&lab);
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		lab.answers = 0;
		ask(&lab, hosts[i], i ? "127.0.0.1" : "beta.example", 8000);
		assert_int_equal(lab.answers, 1);
		assert_true(!lab.tried && !lab.reached && lab.error[0]);
	}
	for (size_t i = 0; i < PROBES_MAX; i++)
		ask(&lab, "beta", "127.0.0.1", 8000);
	lab.answers = 0;
	ask(&lab, "beta", "127.0.0.1", 8000);
	assert_int_equal(lab.answers, 1);
	assert_false(lab.tried);
	end(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_greeting_is_a_sign_of_life),
		cmocka_unit_test(an_end_and_a_refusal_are_signs_of_life),
		cmocka_unit_test(a_silent_connection_is_none),
		cmocka_unit_test(what_cannot_be_tried_is_said_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
