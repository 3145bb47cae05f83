/* SPDX-License-Identifier: MPL-2.0
 *
 * A container's network with one of each, on the bridge br0. */
#ifndef DROVER_TESTS_TEST_RUNTIME_NET_EXAMPLE_H
#define DROVER_TESTS_TEST_RUNTIME_NET_EXAMPLE_H

#include "base/str.h"
#include "runtime/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct net_state example(const char *name)
{
	struct net_state s = {.kind = NET_NAMED,
			      .mtu = 1400,
			      .n_links = 1,
			      .n_addrs = 2,
			      .n_routes = 2,
			      .n_neigh = 1};
	struct err err;

	str_fmt(s.netns, sizeof(s.netns), "/run/netns/%s", name);
	str_copy(s.ifname, sizeof(s.ifname), "eth0");
	str_copy(s.bridge, sizeof(s.bridge), "br0");
	assert_int_equal(net_mac_parse("02:00:00:00:00:42", s.mac, &err), 0);
	assert_int_equal(net_addr_parse("10.9.0.2/24", &s.addrs[0], &err), 0);
	assert_int_equal(net_addr_parse("fd00:9::2/64", &s.addrs[1], &err), 0);
	assert_int_equal(net_route_parse("default via 10.9.0.1", &s.routes[0], &err), 0);
	assert_int_equal(net_route_parse("10.77.0.0/16 via 10.9.0.1 metric 7", &s.routes[1], &err),
			 0);
	assert_int_equal(net_neigh_parse("10.9.0.7 02:00:00:00:00:07", &s.neigh[0], &err), 0);
	return s;
}

#endif
