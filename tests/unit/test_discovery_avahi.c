/* SPDX-License-Identifier: MPL-2.0
 *
 * Nodes find each other through a real avahi-daemon, whether it is there before them, comes later,
 * or is killed and started again. Runs in network and mount namespaces of its own, so it needs
 * root, dbus-daemon, avahi-daemon and ip; it is skipped with a word where one is missing. */
#include "base/clock.h"
#include "base/mem.h"
#include "discovery/discovery.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char *missing; /* why nothing can be tested here */
static pid_t bus_daemon = -1, avahi_daemon = -1;

static pid_t start(char *const argv[])
{
	pid_t child = fork();

	if (child == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, 0);
		dup2(null, 1);
		if (!getenv("DROVER_TEST_VERBOSE"))
			dup2(null, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	return child;
}

static int run(char *const argv[])
{
	int status;

	return waitpid(start(argv), &status, 0) > 0 && status == 0 ? 0 : -1;
}

static void end(pid_t *child)
{
	if (*child <= 0)
		return;
	kill(*child, SIGKILL);
	waitpid(*child, NULL, 0);
	*child = -1;
}

static void start_bus(void)
{
	char *argv[] = {"dbus-daemon", "--system", "--nofork", "--nopidfile", "--nosyslog", NULL};
	struct stat st;

	unlink("/run/dbus/system_bus_socket");
	bus_daemon = start(argv);
	for (int i = 0; i < 300 && stat("/run/dbus/system_bus_socket", &st) < 0; i++)
		usleep(10000);
}

static void start_avahi(void)
{
	char *argv[] = {"avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", NULL};

	unlink("/run/avahi-daemon/pid");
	avahi_daemon = start(argv);
}

static bool have(const char *program)
{
	static const char *const dirs[] = {"/usr/bin", "/usr/sbin", "/bin", "/sbin"};
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (str_fmt(path, sizeof(path), "%s/%s", dirs[i], program) &&
		    access(path, X_OK) == 0)
			return true;
	return false;
}

static int enter_namespaces(void)
{
	char *const commands[][12] = {
		{"ip", "link", "set", "lo", "up", NULL},
		{"ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", NULL},
		{"ip", "addr", "add", "10.77.0.1/24", "dev", "v0", NULL},
		{"ip", "link", "set", "v0", "up", NULL},
		{"ip", "link", "set", "v1", "up", NULL},
	};

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0)
		return -1;
	if (mkdir("/run/dbus", 0755) < 0 || mkdir("/run/avahi-daemon", 0755) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (run(commands[i]) < 0)
			return -1;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	if (geteuid() != 0)
		missing = "needs root";
	else if (!have("dbus-daemon") || !have("avahi-daemon") || !have("ip"))
		missing = "needs dbus-daemon, avahi-daemon and ip";
	else if (enter_namespaces() < 0)
		missing = "needs network and mount namespaces";
	if (missing)
		print_message("skipped: %s\n", missing);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	end(&avahi_daemon);
	end(&bus_daemon);
	return 0;
}

/* One node of the test and what it heard. */
struct node {
	struct discovery *discovery;
	struct discovery_peer last; /* the newest found */
	unsigned found, gone;
};

static void hear(void *arg, enum discovery_event event, const struct discovery_peer *peer)
{
	struct node *node = arg;

	if (event == DISCOVERY_gone) {
		node->gone++;
		return;
	}
	node->found++;
	node->last = *peer;
}

static void node_start(struct node *node, const char *id, enum discovery_role role,
		       uint16_t ssh_port)
{
	struct discovery_self self = {.role = role,
				      .fingerprint = "0123456789abcdef",
				      .ssh_port = ssh_port,
				      .commands_port = 7400,
				      .beats_port = 7401};
	struct err err = {0};

	memset(node, 0, sizeof(*node));
	str_copy(self.id, sizeof(self.id), id);
	node->discovery = discovery_avahi(
		&self, role == DISCOVERY_worker ? DISCOVERY_coordinator : DISCOVERY_worker, hear,
		node, &err);
	if (!node->discovery)
		fail_msg("%s", err.text);
}

/* Runs the nodes until *count has grown past `above`, or limit_ms have passed. */
static bool run_until(struct node *nodes, size_t n, const unsigned *count, unsigned above,
		      unsigned limit_ms)
{
	uint64_t end = clock_mono_ms() + limit_ms;
	struct pollfd fds[4];

	while (*count <= above && clock_mono_ms() < end) {
		for (size_t i = 0; i < n; i++) {
			fds[i].fd = discovery_fd(nodes[i].discovery);
			fds[i].events = POLLIN;
		}
		poll(fds, n, 50);
		for (size_t i = 0; i < n; i++)
			if (fds[i].revents)
				discovery_dispatch(nodes[i].discovery);
	}
	return *count > above;
}

static void quiet(struct node *nodes, size_t n, unsigned ms)
{
	static const unsigned never;

	run_until(nodes, n, &never, 0, ms);
}

static void nodes_find_each_other_and_outlive_the_daemon(void **state)
{
	struct node nodes[3];

	(void)state;
	if (missing)
		skip();
	node_start(&nodes[0], "c1", DISCOVERY_coordinator, 22);
	node_start(&nodes[1], "w1", DISCOVERY_worker, 22);
	quiet(nodes, 2, 700); /* no bus yet */
	start_bus();
	quiet(nodes, 2, 700); /* no daemon yet */
	start_avahi();
	assert_true(run_until(nodes, 2, &nodes[0].found, 0, 15000));
	assert_true(run_until(nodes, 2, &nodes[1].found, 0, 15000));
	assert_string_equal(nodes[0].last.id, "w1");
	assert_int_equal(nodes[0].last.ssh_port, 22);
	assert_string_equal(nodes[1].last.id, "c1");
	assert_int_equal(nodes[1].last.port, 7400);
	assert_int_equal(nodes[1].last.beats_port, 7401);
	assert_string_equal(nodes[1].last.fingerprint, "0123456789abcdef");
	quiet(nodes, 2, 2000);
	assert_string_equal(nodes[1].last.address, "10.77.0.1");

	end(&avahi_daemon);
	quiet(nodes, 2, 1500);
	assert_int_equal(nodes[0].gone + nodes[1].gone, 0);
	start_avahi();
	node_start(&nodes[2], "w2", DISCOVERY_worker, 22);
	assert_true(run_until(nodes, 3, &nodes[2].found, 0, 15000));
	while (strcmp(nodes[0].last.id, "w2") != 0)
		assert_true(run_until(nodes, 3, &nodes[0].found, nodes[0].found, 15000));
	quiet(nodes, 3, 11000);
	assert_int_equal(nodes[0].gone + nodes[1].gone, 0);

	discovery_free(&nodes[2].discovery);
	assert_true(run_until(nodes, 2, &nodes[0].gone, 0, 15000));

	end(&avahi_daemon);
	end(&bus_daemon);
	quiet(nodes, 2, 1000);
	start_bus();
	start_avahi();
	discovery_free(&nodes[1].discovery);
	assert_true(run_until(nodes, 1, &nodes[0].gone, 1, 20000));
	discovery_free(&nodes[0].discovery);
}

/* The name is a label that mDNS wants to be unique; the id is what counts. */
static void a_taken_name_does_not_change_the_id(void **state)
{
	struct node nodes[3];

	(void)state;
	if (missing)
		skip();
	start_bus();
	start_avahi();
	node_start(&nodes[0], "w1", DISCOVERY_worker, 22);
	node_start(&nodes[1], "w1", DISCOVERY_worker, 2222);
	node_start(&nodes[2], "c1", DISCOVERY_coordinator, 22);
	assert_true(run_until(nodes, 3, &nodes[2].found, 0, 15000));
	quiet(nodes, 3, 3000);
	assert_string_equal(nodes[2].last.id, "w1");
	discovery_free(&nodes[0].discovery);
	quiet(nodes + 1, 2, 3000);
	assert_int_equal(nodes[2].gone, 0); /* the other one of that id is still there */
	assert_int_equal(nodes[2].last.ssh_port, 2222);
	discovery_free(&nodes[1].discovery);
	assert_true(run_until(nodes + 2, 1, &nodes[2].gone, 0, 15000));
	discovery_free(&nodes[2].discovery);
}

/* avahi-client itself would wait 25 s for a daemon that does not answer. */
static void a_hung_daemon_holds_nobody_up(void **state)
{
	struct node nodes[2];
	uint64_t start;

	(void)state;
	if (missing)
		skip();
	start_bus();
	start_avahi();
	node_start(&nodes[0], "c1", DISCOVERY_coordinator, 22);
	node_start(&nodes[1], "w1", DISCOVERY_worker, 22);
	assert_true(run_until(nodes, 2, &nodes[0].found, 0, 15000));
	kill(avahi_daemon, SIGSTOP);
	start = clock_mono_ms();
	discovery_refresh(nodes[0].discovery, "w1");
	discovery_dispatch(nodes[0].discovery);
	usleep(100000);
	for (int i = 0; i < 1000; i++)
		discovery_refresh(nodes[0].discovery, "w1");
	discovery_free(&nodes[0].discovery);
	discovery_free(&nodes[1].discovery);
	assert_true(clock_mono_ms() - start < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nodes_find_each_other_and_outlive_the_daemon, tear_down),
		cmocka_unit_test_teardown(a_taken_name_does_not_change_the_id, tear_down),
		cmocka_unit_test_teardown(a_hung_daemon_holds_nobody_up, tear_down),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
