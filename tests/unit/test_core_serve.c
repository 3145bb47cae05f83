/* SPDX-License-Identifier: MPL-2.0
 *
 * The daemon itself, over real sockets: a worker is welcomed, a client is answered, and after
 * kill -9 it is back under a greater term with what it had promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/bus.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct lab {
	char dir[64], program[4096], commands[64], beats[64], local[128];
	struct curve_keys keys; /* the worker's */
	struct roster *roster;
	struct bus *bus;
	struct bus_sock *dealer, *pub, *client;
	pid_t pid;
	struct err err;
};

static void write_roster(struct lab *lab, const struct curve_keys *ctl)
{
	char path[128];
	FILE *out;

	str_fmt(path, sizeof(path), "%s/roster", lab->dir);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out, "[ctl]\nrole = coordinator\ncurve = %s\n\n", ctl->public);
	fprintf(out, "[alpha]\nrole = worker\ncurve = %s\naddress = 127.0.0.1\n\n",
		lab->keys.public);
	fprintf(out, "[beta]\nrole = worker\ncurve = %s\n",
		"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
	fclose(out);
	assert_int_equal(roster_load(path, &lab->roster, &lab->err), 0);
}

static void start(struct lab *lab)
{
	char arg[8][256];
	const char *o[][2] = {{"node.key", "ctl.key"},
			      {"node.roster", "roster"},
			      {"node.state", "state"},
			      {"node.run", "run"}};
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(o); i++)
		str_fmt(arg[n++], 256, "--set=%s=%s/%s", o[i][0], lab->dir, o[i][1]);
	str_fmt(arg[n++], 256, "--set=coordinator.commands=%s", lab->commands);
	str_fmt(arg[n++], 256, "--set=coordinator.beats=%s", lab->beats);
	str_fmt(arg[n++], 256, "--set=coordinator.local=%s", lab->local);
	lab->pid = fork();
	if (lab->pid)
		return;
	execl(lab->program, "drover-coordinator", arg[0], arg[1], arg[2], arg[3], arg[4], arg[5],
	      arg[6], "--set=node.id=ctl", "--set=node.user=nobody", "--set=discovery.mdns=no",
	      "--set=node.log=err", NULL);
	_exit(127);
}

static int end_daemon(struct lab *lab, int signo)
{
	int status = 0;

	kill(lab->pid, signo);
	assert_int_equal(waitpid(lab->pid, &status, 0), lab->pid);
	lab->pid = 0;
	return status;
}

/* The next message of a socket within half a minute. */
static struct msg *expect(struct lab *lab, struct bus_sock *sock, enum msg_type type)
{
	uint64_t end_ms = clock_mono_ms() + 30000;

	while (clock_mono_ms() < end_ms) {
		struct bus_poll_item item = {.sock = sock, .fd = -1};
		struct msg *msg = NULL;
		struct bus_from from;
		int got;

		bus_poll(&item, 1, 100, &lab->err);
		got = bus_recv(sock, &from, &msg, &lab->err);
		if (got > 0 && msg->head.type == type)
			return msg;
		msg_free(&msg);
	}
	return NULL;
}

static void speak(struct lab *lab)
{
	struct msg_head head = {.type = MSG_TYPE_hello};
	struct msg_runtime runc = {.name = "runc", .checkpoint = true};
	struct msg_container web = {.id = "web", .status = "running", .runtime = "runc"};
	struct msg_caps caps = {.arch = "x",
				.criu_version = 40201,
				.runtimes = {&runc, 1},
				.containers = {&web, 1},
				.instance = "01HX0000000000000000000001"};

	bus_send(lab->dealer, NULL, &head,
		 &(struct msg_hello){.node = "alpha", .instance = caps.instance}, &lab->err);
	head.type = MSG_TYPE_caps;
	bus_send(lab->dealer, NULL, &head, &caps, &lab->err);
}

static void request(struct lab *lab, const struct msg_request *body)
{
	struct msg_head head = msg_head_new(MSG_TYPE_request, 0, NULL);

	assert_int_equal(bus_send(lab->client, NULL, &head, body, &lab->err), 0);
}

static void reach_client(struct lab *lab)
{
	for (int i = 0; i < 100; i++) {
		lab->client = bus_local_dealer(lab->bus, lab->local, &lab->err);
		if (lab->client)
			return;
		usleep(100000);
	}
	assert_non_null(lab->client);
}

/* A port that nobody has just now. */
static unsigned free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static bool set_up(struct lab *lab)
{
	struct curve_keys ctl;
	char path[128];
	ssize_t len = readlink("/proc/self/exe", lab->program, sizeof(lab->program) - 1);

	assert_true(len > 0);
	lab->program[len] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(lab->program, '/') = '\0';
	strcat(lab->program, "/drover-coordinator");
	if (access(lab->program, X_OK))
		return false;
	str_copy(lab->dir, sizeof(lab->dir), "/tmp/drover-serve-XXXXXX");
	assert_non_null(mkdtemp(lab->dir));
	chmod(lab->dir, 0755);
	str_fmt(path, sizeof(path), "%s/ctl.key", lab->dir);
	assert_int_equal(keys_generate(path, false, &ctl, &lab->err), 0);
	str_fmt(path, sizeof(path), "%s/alpha.key", lab->dir);
	assert_int_equal(keys_generate(path, false, &lab->keys, &lab->err), 0);
	write_roster(lab, &ctl);
	str_fmt(lab->commands, sizeof(lab->commands), "tcp://127.0.0.1:%u", free_port());
	str_fmt(lab->beats, sizeof(lab->beats), "tcp://127.0.0.1:%u", free_port());
	str_fmt(lab->local, sizeof(lab->local), "ipc://%s/run/c.sock", lab->dir);
	start(lab);
	lab->bus = bus_new(&lab->keys, lab->roster, &lab->err);
	lab->dealer = bus_dealer(lab->bus, lab->commands, "ctl", &lab->err);
	lab->pub = bus_pub(lab->bus, lab->beats, "ctl", &lab->err);
	assert_true(lab->bus && lab->dealer && lab->pub);
	return true;
}

static void tear_down(struct lab *lab)
{
	bus_sock_free(&lab->client);
	bus_sock_free(&lab->pub);
	bus_sock_free(&lab->dealer);
	bus_free(&lab->bus);
	roster_free(&lab->roster);
	file_rmtree(lab->dir, &lab->err);
}

static void a_killed_daemon_comes_back_with_what_it_knew(void **state)
{
	struct lab lab = {0};
	struct msg *msg;
	uint64_t term;

	(void)state;
	if (!set_up(&lab))
		skip();
	speak(&lab);
	msg = expect(&lab, lab.dealer, MSG_TYPE_welcome);
	assert_non_null(msg);
	assert_string_equal(msg->welcome->coordinator, "ctl");
	term = msg->welcome->epoch;
	msg_free(&msg);
	reach_client(&lab);
	request(&lab, &(struct msg_request){.command = "hosts"});
	msg = expect(&lab, lab.client, MSG_TYPE_reply);
	assert_non_null(msg);
	assert_int_equal(msg->reply->hosts.n, 2);
	assert_string_equal(msg->reply->hosts.v[0].state, "up");
	assert_string_equal(msg->reply->hosts.v[1].state, "unknown");
	msg_free(&msg);

	/* beta has never spoken: it is no target. */
	request(&lab, &(struct msg_request){.command = "migrate", .container = "web"});
	msg = expect(&lab, lab.client, MSG_TYPE_reply);
	assert_non_null(msg);
	assert_int_equal(msg->reply->code, ERR_refused);
	assert_non_null(strstr(msg->reply->error, "E-HOST-DOWN"));
	msg_free(&msg);
	request(&lab, &(struct msg_request){.command = "cordon", .host = "beta"});
	msg = expect(&lab, lab.client, MSG_TYPE_reply);
	assert_non_null(msg);
	msg_free(&msg);

	assert_true(WIFSIGNALED(end_daemon(&lab, SIGKILL)));
	bus_sock_free(&lab.client);
	start(&lab);
	speak(&lab);
	msg = expect(&lab, lab.dealer, MSG_TYPE_welcome);
	assert_non_null(msg);
	assert_true(msg->welcome->epoch > term);
	msg_free(&msg);
	reach_client(&lab);
	request(&lab, &(struct msg_request){.command = "hosts"});
	msg = expect(&lab, lab.client, MSG_TYPE_reply);
	assert_non_null(msg);
	assert_true(msg->reply->hosts.v[1].cordoned);
	msg_free(&msg);
	assert_int_equal(end_daemon(&lab, SIGTERM), 0);
	tear_down(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_daemon_comes_back_with_what_it_knew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
