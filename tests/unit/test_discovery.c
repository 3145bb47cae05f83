/* SPDX-License-Identifier: MPL-2.0
 *
 * A list of addresses is found at once and understood strictly; one node that mDNS shows many times
 * is one peer with its best address. */
#include "base/mem.h"
#include "discovery/discovery.h"
#include "discovery/peers.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define KEY "0123456789abcdef"

static char said[1024]; /* "+id address:port " and "-id " as the callback heard it */

static void hear(void *arg, enum discovery_event event, const struct discovery_peer *peer)
{
	size_t len = strlen(said);

	(void)arg;
	if (event == DISCOVERY_found)
		str_fmt(said + len, sizeof(said) - len, "+%s %s:%u ", peer->id, peer->address,
			peer->port);
	else
		str_fmt(said + len, sizeof(said) - len, "-%s ", peer->id);
}

static void expect(const char *text)
{
	assert_string_equal(said, text);
	said[0] = '\0';
}

static bool readable(struct discovery *discovery)
{
	struct pollfd p = {.fd = discovery_fd(discovery), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void a_list_is_found_at_once(void **state)
{
	struct err err = {0};
	struct discovery *d = discovery_list(" coord, 10.0.0.1:7500,[fe80::1%eth0]:7,c9@[::1],"
					     "c1@c.lan:80",
					     DISCOVERY_coordinator, 7400, hear, NULL, &err);

	(void)state;
	assert_non_null(d);
	assert_true(readable(d));
	discovery_dispatch(d);
	expect("+ coord:7400 + 10.0.0.1:7500 + fe80::1%eth0:7 +c9 ::1:7400 +c1 c.lan:80 ");
	assert_false(readable(d));
	discovery_dispatch(d);
	expect("");
	discovery_refresh(d, "c1");
	assert_true(readable(d));
	discovery_dispatch(d);
	assert_true(said[0]);
	said[0] = '\0';
	discovery_free(&d);
	assert_null(d);
}

static void wrong_items_are_named(void **state)
{
	static const char *const items[] = {"a:0",       "a:65535", "a:x",    ":7400", "fe80::1",
					    "[::1",      "[::1]x",  "[host]", "@a",    "-x@a",
					    "a b@c:1:2", "-oProxy", "a/b",    "[]:1",  "a:"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		struct err err = {0};
		auto_free char *text = str_new("good,%s", items[i]);

		if (discovery_list(text, DISCOVERY_worker, 22, hear, NULL, &err))
			fail_msg("\"%s\" was taken", items[i]);
		assert_int_equal(err.code, ERR_invalid);
	}
}

static struct discovery_peer claim(const char *id, const char *address)
{
	struct discovery_peer peer = {.port = 1, .fingerprint = KEY};

	str_copy(peer.id, sizeof(peer.id), id);
	str_copy(peer.address, sizeof(peer.address), address);
	return peer;
}

static struct record *see(struct peers *peers, int interface, const char *id, const char *address)
{
	struct record *record = peers_find(peers, interface, 0, id, "local");
	struct discovery_peer peer = claim(id, address);

	if (!record)
		record = peers_add(peers, interface, 0, id, "local");
	peers_resolved(peers, record, &peer);
	return record;
}

static void the_best_address_is_told_once(void **state)
{
	struct peers peers = {.fn = hear};
	struct record *v4, *v6, *link;

	(void)state;
	see(&peers, 9, "w", "127.0.0.1");
	expect("+w 127.0.0.1:1 ");
	link = see(&peers, 1, "w", "fe80::2%eth0");
	expect("+w fe80::2%eth0:1 ");
	v4 = see(&peers, 2, "w", "10.0.0.2");
	expect("+w 10.0.0.2:1 ");
	v6 = see(&peers, 3, "w", "2001:db8::2");
	see(&peers, 4, "w", "10.0.9.2"); /* as good, but the first one works */
	see(&peers, 2, "w", "10.0.0.2");
	expect("");
	peers_remove(&peers, v4);
	expect("+w 10.0.9.2:1 ");
	peers_remove(&peers, peers_find(&peers, 4, 0, "w", "local"));
	expect("+w 2001:db8::2:1 ");
	peers_remove(&peers, v6);
	expect("+w fe80::2%eth0:1 ");
	peers_remove(&peers, link);
	expect("+w 127.0.0.1:1 ");
	peers_remove(&peers, peers_find(&peers, 9, 0, "w", "local"));
	expect("-w ");
	peers_done(&peers);
}

static void another_key_is_another_peer(void **state)
{
	struct peers peers = {.fn = hear};
	struct discovery_peer liar = claim("w", "10.0.0.66");
	struct record *record = peers_add(&peers, 1, 0, "w #2", "local");

	(void)state;
	see(&peers, 1, "w", "10.0.0.2");
	expect("+w 10.0.0.2:1 ");
	str_copy(liar.fingerprint, sizeof(liar.fingerprint), "ffffffffffffffff");
	peers_resolved(&peers, record, &liar);
	expect("+w 10.0.0.66:1 ");
	peers_remove(&peers, record);
	expect("-w ");
	see(&peers, 1, "w", "10.0.0.3");
	expect("+w 10.0.0.3:1 ");
	peers_done(&peers);
}

static void many_records_are_kept_apart(void **state)
{
	struct peers peers = {.fn = hear};
	char id[NAME_SIZE];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		str_fmt(id, sizeof(id), "w%d", i);
		said[0] = '\0';
		see(&peers, 1, id, "10.0.0.1");
		assert_true(said[0] == '+');
	}
	assert_int_equal(peers.told_len, 3000);
	while (peers.len)
		peers_remove(&peers, peers.records[0]);
	assert_int_equal(peers.told_len, 0);
	said[0] = '\0';
	peers_done(&peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_found_at_once),
		cmocka_unit_test(wrong_items_are_named),
		cmocka_unit_test(the_best_address_is_told_once),
		cmocka_unit_test(another_key_is_another_peer),
		cmocka_unit_test(many_records_are_kept_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
