/* SPDX-License-Identifier: MPL-2.0
 *
 * On a real kernel a container's network is made, gated, announced, read and destroyed, in network
 * and mount namespaces of its own, which end with this program. */
#include "test_runtime_net_example.h"

#include "base/mem.h"
#include "runtime/netlink.h"
#include "runtime/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void ip(const char *script)
{
	auto_cmds struct run_cmds cmds = {0};
	struct run_cmd *c = run_cmds_add(&cmds, str_dup(script), false);
	struct err err;

	argv_add(&c->argv, "ip");
	argv_add(&c->argv, "-batch");
	argv_add(&c->argv, "-");
	if (run_cmds_sync(&cmds, &err) < 0)
		fail_msg("%s", err.text);
}

static bool own_world(void)
{
	return geteuid() == 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	       mount("", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
	       (mkdir("/run/netns", 0755) == 0 || errno == EEXIST) &&
	       mount("tmpfs", "/run/netns", "tmpfs", 0, NULL) == 0;
}

static bool ready;

static int set_up(void **state)
{
	(void)state;
	if (!own_world())
		return 0;
	ready = true;
	ip("link set lo up\n"
	   "link add br0 address 02:00:00:00:00:01 type bridge\n"
	   "link set br0 up\n"
	   "addr add 10.9.0.1/24 dev br0\n"
	   "addr add fd00:9::1/64 dev br0 nodad\n");
	return 0;
}

#define ok(call) \
	do { \
		struct err err = {0}; \
		if ((call) < 0) \
			fail_msg("%s", err.text); \
	} while (0)

static void a_network_is_made_as_described(void **state)
{
	struct net_state wanted = example("ct1"), made, found;
	char a[NET_TEXT], b[NET_TEXT];

	(void)state;
	if (!ready)
		skip();
	ok(net_create("ct1", &wanted, &made, &err));
	assert_string_equal(made.host_ifname, "vct1");
	ok(net_set_neigh(&made, &err));
	ok(net_read(made.netns, &found, &err));
	assert_int_equal(found.kind, NET_NAMED);
	assert_string_equal(found.ifname, "eth0");
	assert_string_equal(found.host_ifname, "vct1");
	assert_string_equal(found.bridge, "");
	assert_memory_equal(found.mac, wanted.mac, 6);
	assert_int_equal(found.mtu, 1400);
	assert_int_equal(found.n_links, 1);
	assert_int_equal(found.n_addrs, 2);
	assert_int_equal(found.n_routes, 2);
	assert_int_equal(found.n_neigh, 1);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(net_addr_text(&found.addrs[i], a),
				    net_addr_text(&wanted.addrs[i], b));
		assert_string_equal(net_route_text(&found.routes[i], a),
				    net_route_text(&wanted.routes[i], b));
	}
	assert_string_equal(net_neigh_text(&found.neigh[0], a), "10.9.0.7 02:00:00:00:00:07");
	/* Again, as after a crash in between. */
	ok(net_create("ct1", &wanted, &made, &err));
	ok(net_read(made.netns, &found, &err));
	assert_int_equal(found.n_addrs, 2);
	assert_int_equal(found.n_links, 1);
}

/* A TCP connection from the container to the bridge's own address works or not. */
static bool reaches_bridge(const struct net_state *s, int limit_ms)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
	auto_close int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_close int client = netns_socket(s->netns, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = {.fd = server, .events = POLLIN};
	int one = 1;

	inet_pton(AF_INET, "10.9.0.1", &to.sin_addr);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(server, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(server, 1), 0);
	if (connect(client, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return false;
	return poll(&p, 1, limit_ms) == 1;
}

static void the_gate_decides_who_is_heard(void **state)
{
	struct net_state wanted = example("ct1"), s, now;

	(void)state;
	if (!ready)
		skip();
	ok(net_create("ct1", &wanted, &s, &err));
	assert_int_equal(net_gate_is_open(&s, NULL), 0);
	assert_false(reaches_bridge(&s, 300));
	ok(net_gate_open(&s, &err));
	ok(net_gate_open(&s, &err));
	assert_int_equal(net_gate_is_open(&s, NULL), 1);
	assert_true(reaches_bridge(&s, 3000));
	ok(net_read(s.netns, &now, &err));
	assert_string_equal(now.bridge, "br0");
	ok(net_read_neigh(&s, &err));
	assert_true(s.n_neigh >= 1);
	assert_int_equal(s.n_links, 1);
	ok(net_gate_close(&s, &err));
	ok(net_gate_close(&s, &err));
	assert_int_equal(net_gate_is_open(&s, NULL), 0);
	assert_false(reaches_bridge(&s, 300));
}

static void an_opened_address_is_announced(void **state)
{
	struct net_state wanted = example("ct1"), s;
	auto_close int fd = -1;
	uint8_t frame[200];
	bool arp = false, na = false;

	(void)state;
	if (!ready)
		skip();
	ok(net_create("ct1", &wanted, &s, &err));
	ok(net_gate_open(&s, &err));
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	assert_true(fd >= 0);
	ok(net_announce(&s, &err));
	for (int i = 0; i < 100 && !(arp && na); i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, 200) != 1)
			break;
		n = recv(fd, frame, sizeof(frame), 0);
		if (n < 42 || memcmp(frame + 6, s.mac, 6) != 0)
			continue;
		/* ARP request whose sender and target are both 10.9.0.2. */
		if (frame[12] == 8 && frame[13] == 6 &&
		    memcmp(frame + 28, s.addrs[0].addr, 4) == 0 &&
		    memcmp(frame + 38, s.addrs[0].addr, 4) == 0)
			arp = true;
		if (n == 86 && frame[12] == 0x86 && frame[54] == 136 &&
		    memcmp(frame + 62, s.addrs[1].addr, 16) == 0)
			na = true;
	}
	assert_true(arp);
	assert_true(na);
}

static void a_namespace_in_use_is_left_alone(void **state)
{
	struct net_state wanted = example("used"), s;
	struct err err = {0};
	pid_t pid;

	(void)state;
	if (!ready)
		skip();
	ok(net_create("used", &wanted, &s, &err));
	pid = fork();
	if (pid == 0) {
		int fd = open(s.netns, O_RDONLY);

		setns(fd, CLONE_NEWNET);
		close(fd);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	assert_int_equal(netns_user(s.netns), pid);
	assert_int_equal(net_create("used", &wanted, &s, &err), -ERR_busy);
	assert_int_equal(net_destroy(&wanted, &err), -ERR_busy);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(net_destroy(&wanted, &err));
}

static void somebody_elses_things_are_left_alone(void **state)
{
	struct net_state wanted = example("other"), s;
	struct err err = {0};

	(void)state;
	if (!ready)
		skip();
	ip("link add vother type bridge\n");
	ok(net_create("other", &wanted, &s, &err));
	assert_string_not_equal(s.host_ifname, "vother");
	ok(net_destroy(&s, &err));
	ip("link del vother\n");
	ok(netns_make("/run/netns/other", &err));
	ip("link add d0 type veth peer name d1 netns other\n");
	assert_int_equal(net_create("other", &wanted, &s, &err), -ERR_busy);
}

static void destroying_twice_is_fine(void **state)
{
	struct net_state wanted = example("ct2"), s, found;
	struct err err = {0};

	(void)state;
	if (!ready)
		skip();
	ok(net_create("ct2", &wanted, &s, &err));
	ok(net_gate_open(&s, &err));
	ok(net_destroy(&s, &err));
	assert_int_equal(if_nametoindex("vct2"), 0);
	assert_int_equal(net_read(s.netns, &found, &err), -ERR_nosuch);
	ok(net_destroy(&s, &err));
	assert_int_equal(net_gate_close(&s, &err), -ERR_nosuch);
}

static void run_list(void (*build)(const struct net_state *, struct run_cmds *),
		     const struct net_state *s)
{
	auto_cmds struct run_cmds cmds = {0};
	struct err err;

	build(s, &cmds);
	for (size_t i = 0; i < cmds.n; i++)
		cmds.v[i].may_fail = false;
	if (run_cmds_sync(&cmds, &err) < 0)
		fail_msg("%s", err.text);
}

static void reject(const struct net_state *s, struct run_cmds *cmds)
{
	net_reject_cmds("ct1", s, cmds);
}

static void unreject(const struct net_state *s, struct run_cmds *cmds)
{
	(void)s;
	net_unreject_cmds("ct1", cmds);
}

/* A peer on the bridge with an open connection to the container sends while it is away. */
static void peers_are_told_while_the_container_is_away(void **state)
{
	struct net_state wanted = example("ct1"), peer = example("peer"), s, p;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
	auto_close int server = -1, client = -1;
	int error = 0;
	socklen_t len = sizeof(error);
	const int on = 1;

	(void)state;
	if (!ready)
		skip();
	ok(net_create("ct1", &wanted, &s, &err));
	ok(net_gate_open(&s, &err));
	peer.mac[5] = 0x43;
	peer.n_routes = 0;
	ok(net_addr_parse("10.9.0.3/24", &peer.addrs[0], &err));
	ok(net_addr_parse("fd00:9::3/64", &peer.addrs[1], &err));
	ok(net_create("peer", &peer, &p, &err));
	ok(net_gate_open(&p, &err));

	server = netns_socket(s.netns, AF_INET, SOCK_STREAM, 0);
	client = netns_socket(p.netns, AF_INET, SOCK_STREAM, 0);
	memcpy(&to.sin_addr, wanted.addrs[0].addr, 4);
	assert_int_equal(bind(server, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	setsockopt(client, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));

	ok(net_gate_close(&s, &err));
	run_list(reject, &s);
	assert_int_equal(send(client, "x", 1, 0), 1);
	for (int i = 0; i < 50 && !error; i++) {
		poll(NULL, 0, 20);
		getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &len);
	}
	assert_int_equal(error, EHOSTUNREACH);
	run_list(unreject, &s);
	run_list(unreject, &s);
	ok(net_destroy(&p, &err));
}

static void criu_locks_are_healed(void **state)
{
	struct net_state wanted = example("ct3"), s;
	auto_cmds struct run_cmds cmds = {0};
	struct run_cmd *c;

	(void)state;
	if (!ready)
		skip();
	ok(net_create("ct3", &wanted, &s, &err));
	c = run_cmds_add(&cmds,
			 str_dup("add table inet CRIU-77\nadd chain inet CRIU-77 output "
				 "{ type filter hook output priority 0; policy drop; }\n"
				 "add table inet keep\n"),
			 false);
	argv_add(&c->argv, "nsenter");
	argv_addf(&c->argv, "--net=%s", s.netns);
	argv_add(&c->argv, "nft");
	argv_add(&c->argv, "-f");
	argv_add(&c->argv, "-");
	ok(run_cmds_sync(&cmds, &err));
	ok(net_gate_open(&s, &err));
	assert_false(reaches_bridge(&s, 300));
	ok(net_heal(&s, &err));
	ok(net_heal(&s, &err));
	assert_true(reaches_bridge(&s, 3000));
	ok(net_destroy(&s, &err));
}

static void bridges_are_described(void **state)
{
	struct net_bridge b;
	struct err err;
	char text[NET_TEXT];

	(void)state;
	if (!ready)
		skip();
	ok(net_bridge_read("br0", &b, &err));
	assert_int_equal(b.mtu, 1500);
	assert_string_equal(net_addr_text(&b.subnet, text), "10.9.0.1/24");
	assert_int_equal(net_bridge_read("nobr", &b, &err), -ERR_nosuch);
	assert_int_equal(net_bridge_read("../x", &b, &err), -ERR_invalid);
}

static void the_hosts_own_network_is_not_touched(void **state)
{
	struct net_state s = {0};
	struct err err;

	(void)state;
	assert_int_equal(net_read(NULL, &s, &err), 0);
	assert_int_equal(s.kind, NET_HOST);
	assert_int_equal(net_gate_close(&s, &err), 0);
	assert_int_equal(net_gate_open(&s, &err), 0);
	assert_int_equal(net_gate_is_open(&s, &err), 1);
	assert_int_equal(net_announce(&s, &err), 0);
	assert_int_equal(net_destroy(&s, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_is_made_as_described),
		cmocka_unit_test(the_gate_decides_who_is_heard),
		cmocka_unit_test(an_opened_address_is_announced),
		cmocka_unit_test(a_namespace_in_use_is_left_alone),
		cmocka_unit_test(somebody_elses_things_are_left_alone),
		cmocka_unit_test(destroying_twice_is_fine),
		cmocka_unit_test(peers_are_told_while_the_container_is_away),
		cmocka_unit_test(criu_locks_are_healed),
		cmocka_unit_test(bridges_are_described),
		cmocka_unit_test(the_hosts_own_network_is_not_touched),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
