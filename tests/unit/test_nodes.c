/* SPDX-License-Identifier: MPL-2.0
 *
 * Hosts come, fall silent and come back; missed beats change a state and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "coordinator/nodes.h"

#include <string.h>

static unsigned hear(struct nodes *nodes, struct node *node, enum msg_type type, const void *body,
		     uint64_t now_ms)
{
	struct msg *msg = msg_copy(type, body);
	unsigned news;

	msg->head.type = type;
	news = nodes_hear(nodes, node, msg, now_ms);
	msg_free(&msg);
	return news;
}

static unsigned beat(struct nodes *nodes, struct node *node, uint64_t seq, unsigned cpu,
		     uint64_t now_ms)
{
	return hear(nodes, node, MSG_TYPE_beat,
		    &(struct msg_beat){.boot_id = "b1",
				       .instance = "01HX0000000000000000000001",
				       .seq = seq,
				       .cpu_permille = cpu,
				       .cpus = 2,
				       .mem_total_bytes = 1000,
				       .mem_available_bytes = 500},
		    now_ms);
}

static void silence_makes_suspect_then_dead(void **state)
{
	struct nodes nodes;
	struct node *a;

	(void)state;
	nodes_init(&nodes, 1000);
	a = nodes_add(&nodes, "alpha");
	assert_int_equal(a->state, NODE_unknown);
	assert_false(nodes_judge(&nodes, a, 100000)); /* never heard is not dead */
	assert_int_equal(beat(&nodes, a, 1, 0, 100000), NODE_NEWS_up);
	assert_false(nodes_judge(&nodes, a, 102999));
	assert_true(nodes_judge(&nodes, a, 103000));
	assert_int_equal(a->state, NODE_suspect);
	assert_false(nodes_judge(&nodes, a, 109999));
	assert_true(nodes_judge(&nodes, a, 110000));
	assert_int_equal(a->state, NODE_dead);
	assert_false(nodes_judge(&nodes, a, 999999));
	assert_int_equal(beat(&nodes, a, 2, 0, 999999), NODE_NEWS_up);
	assert_int_equal(a->state, NODE_up);
	assert_string_equal(a->note, "");
	nodes_done(&nodes);
}

static void late_beats_are_only_signs_of_life(void **state)
{
	struct nodes nodes;
	struct node *a;

	(void)state;
	nodes_init(&nodes, 1000);
	a = nodes_add(&nodes, "alpha");
	beat(&nodes, a, 5, 100, 1000);
	beat(&nodes, a, 4, 900, 1500);
	assert_int_equal(a->beat->beat->seq, 5);
	assert_true(a->load[RESOURCE_cpu] < 0.11);
	assert_int_equal(a->heard_ms, 1500);
	nodes_done(&nodes);
}

static void loads_are_smoothed(void **state)
{
	struct nodes nodes;
	struct node *a;

	(void)state;
	nodes_init(&nodes, 1000);
	a = nodes_add(&nodes, "alpha");
	beat(&nodes, a, 1, 0, 1000);
	beat(&nodes, a, 2, 1000, 2000);
	assert_true(a->load[RESOURCE_cpu] > 0.29 && a->load[RESOURCE_cpu] < 0.31);
	assert_true(a->load[RESOURCE_mem] > 0.49 && a->load[RESOURCE_mem] < 0.51);
	nodes_done(&nodes);
}

static void restarts_and_reboots_are_told_apart(void **state)
{
	struct msg_hello hello = {.boot_id = "b1", .instance = "01HX0000000000000000000001"};
	struct nodes nodes;
	struct node *a;

	(void)state;
	nodes_init(&nodes, 1000);
	a = nodes_add(&nodes, "alpha");
	assert_int_equal(hear(&nodes, a, MSG_TYPE_hello, &hello, 1), NODE_NEWS_up);
	assert_int_equal(beat(&nodes, a, 7, 0, 2), NODE_NEWS_none);
	hello.instance = "01HX0000000000000000000002";
	assert_int_equal(hear(&nodes, a, MSG_TYPE_hello, &hello, 3), NODE_NEWS_restarted);
	hello.instance = "01HX0000000000000000000003";
	hello.boot_id = "b2";
	assert_int_equal(hear(&nodes, a, MSG_TYPE_hello, &hello, 4),
			 NODE_NEWS_restarted | NODE_NEWS_rebooted);
	hear(&nodes, a, MSG_TYPE_bye, &(struct msg_bye){.reason = "upgrade"}, 5);
	assert_int_equal(a->state, NODE_dead);
	assert_non_null(strstr(a->note, "upgrade"));
	nodes_done(&nodes);
}

static void caps(struct nodes *nodes, const char *id, const char *container, const char *authority)
{
	struct msg_container c = {.id = container, .status = "running"};
	struct node *node = nodes_add(nodes, id);

	if (authority) {
		c.migration = "01HZ0000000000000000000001";
		c.authority = authority;
	}
	hear(nodes, node, MSG_TYPE_caps, &(struct msg_caps){.containers = {&c, container != NULL}},
	     1000);
}

static void copies_of_a_migration_are_no_second_container(void **state)
{
	struct nodes nodes;
	struct err err = {0};
	struct place place;

	(void)state;
	nodes_init(&nodes, 1000);
	caps(&nodes, "alpha", "web", "released");
	assert_int_equal(nodes_find_container(&nodes, "web", NULL, &place, &err), 0);
	assert_string_equal(place.node->id, "alpha"); /* all there is of it */
	assert_true(place.secondary);
	caps(&nodes, "beta", "web", "running");
	assert_int_equal(nodes_find_container(&nodes, "web", NULL, &place, &err), 0);
	assert_string_equal(place.node->id, "beta");
	caps(&nodes, "gamma", "web", NULL);
	assert_int_equal(nodes_find_container(&nodes, "web", NULL, &place, &err), -ERR_refused);
	assert_non_null(strstr(err.text, "beta, gamma"));
	assert_int_equal(nodes_find_container(&nodes, "gamma/web", NULL, &place, &err), 0);
	assert_string_equal(place.node->id, "gamma");
	assert_int_equal(nodes_find_container(&nodes, "web", "beta", &place, &err), 0);
	assert_string_equal(place.node->id, "beta");
	assert_int_equal(nodes_find_container(&nodes, "delta/web", NULL, &place, &err),
			 -ERR_nosuch);
	assert_int_equal(nodes_find_container(&nodes, "../web", NULL, &place, &err), -ERR_nosuch);
	assert_int_equal(nodes_find_container(&nodes, "we b", NULL, &place, &err), -ERR_usage);
	assert_int_equal(nodes_find_container(&nodes, NULL, NULL, &place, &err), -ERR_usage);
	nodes_done(&nodes);
}

static void a_move_is_known_before_the_hosts_say_so(void **state)
{
	struct msg_container facts = {.id = "web", .status = "running", .rss_bytes = 7};
	struct nodes nodes;
	struct err err = {0};
	struct place place;

	(void)state;
	nodes_init(&nodes, 1000);
	caps(&nodes, "alpha", "web", NULL);
	caps(&nodes, "beta", NULL, NULL);
	nodes_moved(&nodes, "web", "alpha", "beta", &facts, 2000);
	assert_int_equal(nodes_find_container(&nodes, "web", NULL, &place, &err), 0);
	assert_string_equal(place.node->id, "beta");
	assert_int_equal(place.container->rss_bytes, 7);
	caps(&nodes, "alpha", "web", NULL); /* was on its way */
	caps(&nodes, "beta", NULL, NULL);
	assert_int_equal(nodes_find_container(&nodes, "web", NULL, &place, &err), 0);
	assert_string_equal(place.node->id, "beta");
	caps(&nodes, "alpha", NULL, NULL);
	caps(&nodes, "beta", "web", "running");
	assert_int_equal(nodes_find_container(&nodes, "web", NULL, &place, &err), 0);
	assert_int_equal(place.container->rss_bytes, 0); /* the host's own word now */
	caps(&nodes, "beta", NULL, NULL);
	assert_int_equal(nodes_find_container(&nodes, "web", NULL, &place, &err), -ERR_nosuch);
	nodes_done(&nodes);
}

static void hosts_are_in_order(void **state)
{
	static const char *const ids[] = {"m", "c", "x", "a", "q", "c"};
	struct nodes nodes;
	struct node *node;
	struct err err = {0};

	(void)state;
	nodes_init(&nodes, 1000);
	for (size_t i = 0; i < 6; i++)
		nodes_add(&nodes, ids[i]);
	assert_int_equal(nodes.n, 5);
	for (size_t i = 1; i < nodes.n; i++)
		assert_true(strcmp(nodes.v[i - 1]->id, nodes.v[i]->id) < 0);
	assert_int_equal(nodes_find_host(&nodes, "zebra", &node, &err), -ERR_nosuch);
	assert_null(nodes_find(&nodes, NULL));
	nodes_done(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_makes_suspect_then_dead),
		cmocka_unit_test(late_beats_are_only_signs_of_life),
		cmocka_unit_test(loads_are_smoothed),
		cmocka_unit_test(restarts_and_reboots_are_told_apart),
		cmocka_unit_test(copies_of_a_migration_are_no_second_container),
		cmocka_unit_test(a_move_is_known_before_the_hosts_say_so),
		cmocka_unit_test(hosts_are_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
