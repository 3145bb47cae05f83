/* SPDX-License-Identifier: MPL-2.0
 *
 * Network texts have one spelling each, a state from another host is checked, and names of
 * interfaces and ports are told apart. */
#include "test_runtime_net_example.h"

#include "base/mem.h"
#include "runtime/ports.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static void addresses_have_one_spelling(void **state)
{
	static const char *const good[] = {"10.0.0.2/24", "0.0.0.0/0", "fd00::2/64", "::1/128"};
	static const char *const bad[] = {
		"10.0.0.2",    "10.0.0.2/33", "10.0.0.2/024", "10.0.0.2/24 ",
		"fd00::02/64", "FD00::2/64",  "10.0.0/24",    "",
		"x/24",        "10.0.0.2/",   "fd00::2/129"};
	struct net_addr a;
	struct err err;
	char buf[NET_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(net_addr_parse(good[i], &a, &err), 0);
		assert_string_equal(net_addr_text(&a, buf), good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(net_addr_parse(bad[i], &a, &err), -ERR_invalid);
	assert_int_equal(net_addr_parse(NULL, &a, &err), -ERR_invalid);
}

static bool within(const char *addr, const char *subnet)
{
	struct net_addr a, b;
	struct err err;

	assert_int_equal(net_addr_parse(addr, &a, &err), 0);
	assert_int_equal(net_addr_parse(subnet, &b, &err), 0);
	return net_addr_within(&a, &b);
}

static void subnets_have_their_addresses(void **state)
{
	(void)state;
	assert_true(within("10.9.0.200/24", "10.9.0.1/24"));
	assert_false(within("10.9.1.200/24", "10.9.0.1/24"));
	assert_true(within("10.9.1.200/24", "10.9.0.1/23"));
	assert_true(within("10.9.0.129/32", "10.9.0.130/25"));
	assert_false(within("10.9.0.127/32", "10.9.0.130/25"));
	assert_true(within("1.2.3.4/8", "0.0.0.0/0"));
	assert_true(within("fd00:9::2/64", "fd00:9::1/64"));
	assert_false(within("fd00:8::2/64", "fd00:9::1/64"));
	assert_false(within("fd00:9::2/64", "10.9.0.1/24"));
}

static void ports_clash_when_one_keeps_the_other_away(void **state)
{
	(void)state;
	assert_true(port_clash("tcp 0.0.0.0:80", "tcp 10.0.0.1:80"));
	assert_true(port_clash("tcp 10.0.0.1:80", "tcp [::]:80"));
	assert_true(port_clash("tcp 10.0.0.1:80", "tcp 10.0.0.1:80"));
	assert_false(port_clash("tcp 10.0.0.1:80", "tcp 10.0.0.2:80"));
	assert_false(port_clash("tcp 0.0.0.0:80", "tcp 0.0.0.0:8080"));
	assert_false(port_clash("tcp 0.0.0.0:80", "udp 0.0.0.0:80"));
	assert_false(port_clash("tcp", "tcp"));
	assert_false(port_clash("", "tcp 0.0.0.0:80"));
}

static void a_port_that_is_listened_on_is_taken(void **state)
{
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(at);
	char text[64];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	str_fmt(text, sizeof(text), "tcp 0.0.0.0:%u", ntohs(at.sin_port));
	assert_false(port_taken(text)); /* bound, but nothing listens */
	assert_int_equal(listen(fd, 1), 0);
	assert_true(port_taken(text));
}

static void routes_have_one_spelling(void **state)
{
	static const char *const good[] = {"default via 10.0.0.1", "default via fd00::1 metric 5",
					   "10.1.0.0/16 via 10.0.0.1 metric 5", "10.9.0.0/24",
					   "fd00:1::/48 via fd00::1"};
	static const char *const bad[] = {"default",
					  "10.1.0.1/16 via 10.0.0.1",
					  "default via 10.0.0.1 metric",
					  "default via 10.0.0.1 metric 0",
					  "default  via 10.0.0.1",
					  "default via 10.0.0.1 dev eth0",
					  "10.1.0.0/16 via fd00::1",
					  "default metric 5 via 10.0.0.1",
					  "0.0.0.0/0 via 10.0.0.1",
					  ""};
	struct net_route r;
	struct err err;
	char buf[NET_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(net_route_parse(good[i], &r, &err), 0);
		assert_string_equal(net_route_text(&r, buf), good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(net_route_parse(bad[i], &r, &err), -ERR_invalid);
}

static void neighbours_macs_and_kinds_have_one_spelling(void **state)
{
	struct net_neigh n;
	uint8_t mac[6];
	enum net_kind kind;
	struct err err;
	char buf[NET_TEXT];

	(void)state;
	assert_int_equal(net_neigh_parse("10.0.0.1 02:00:00:00:00:01", &n, &err), 0);
	assert_string_equal(net_neigh_text(&n, buf), "10.0.0.1 02:00:00:00:00:01");
	assert_int_equal(net_neigh_parse("fe80::1 02:00:00:00:00:01", &n, &err), 0);
	assert_int_equal(net_neigh_parse("10.0.0.1", &n, &err), -ERR_invalid);
	assert_int_equal(net_neigh_parse("10.0.0.1 02:00:00:00:00:1", &n, &err), -ERR_invalid);
	assert_int_equal(net_neigh_parse("10.0.0.1 02:00:00:00:00:01x", &n, &err), -ERR_invalid);
	assert_int_equal(net_mac_parse("02:AA:00:00:00:01", mac, &err), -ERR_invalid);
	assert_int_equal(net_mac_parse("02:aa:00:00:00:01", mac, &err), 0);
	assert_int_equal(mac[1], 0xaa);
	assert_int_equal(net_kind_parse("named", &kind, &err), 0);
	assert_int_equal(kind, NET_NAMED);
	assert_int_equal(net_kind_parse("other", &kind, &err), -ERR_invalid);
	assert_string_equal(net_kind_text(NET_HOST), "host");
}

static void states_from_elsewhere_are_checked(void **state)
{
	struct net_state good = example("x"), s;
	struct err err;

	(void)state;
	assert_int_equal(net_state_check(&good, &err), 0);
#define REFUSED(change) \
	do { \
		s = good; \
		change; \
		assert_int_equal(net_state_check(&s, &err), -ERR_invalid); \
	} while (0)
	REFUSED(str_copy(s.netns, sizeof(s.netns), "/run/netns/../x"));
	REFUSED(str_copy(s.netns, sizeof(s.netns), "/proc/1/ns/net"));
	REFUSED(memset(s.netns, 'a', sizeof(s.netns)));
	REFUSED(memset(s.ifname, 'a', sizeof(s.ifname)));
	REFUSED(str_copy(s.bridge, sizeof(s.bridge), "a b"));
	REFUSED(s.mac[0] = 1);
	REFUSED(memset(s.mac, 0, 6));
	REFUSED(s.mtu = 20);
	REFUSED(s.n_addrs = NET_ADDRS + 1);
	REFUSED(s.n_neigh = 1000);
	REFUSED(s.addrs[1].family = 77);
	REFUSED(s.addrs[0].prefix = 64);
	REFUSED(s.kind = (enum net_kind)9);
#undef REFUSED
}

static void interface_names_fit_and_differ(void **state)
{
	char a[IFNAMSIZ], b[IFNAMSIZ];

	(void)state;
	net_host_ifname("web", 0, a);
	assert_string_equal(a, "vweb");
	net_host_ifname("a-rather-long-name-1", 0, a);
	assert_string_equal(a, "va-rather-long-");
	net_host_ifname("a-rather-long-name-1", 1, a);
	net_host_ifname("a-rather-long-name-2", 1, b);
	assert_int_equal(strlen(a), 15);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subnets_have_their_addresses),
		cmocka_unit_test(ports_clash_when_one_keeps_the_other_away),
		cmocka_unit_test(a_port_that_is_listened_on_is_taken),
		cmocka_unit_test(addresses_have_one_spelling),
		cmocka_unit_test(routes_have_one_spelling),
		cmocka_unit_test(neighbours_macs_and_kinds_have_one_spelling),
		cmocka_unit_test(states_from_elsewhere_are_checked),
		cmocka_unit_test(interface_names_fit_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
