/* SPDX-License-Identifier: MPL-2.0
 *
 * Who moves as one: by label, by network namespace, by volume, and by way of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "coordinator/group.h"

#include <string.h>

#define CTS 12

/* One host and what it tells. */
struct host {
	struct msg_container ct[CTS];
	struct msg_net net[CTS];
	struct msg_mount mount[CTS][2];
	const char *label[CTS], *others[CTS][2], *volumes[CTS][2];
	struct msg_caps body;
	struct msg caps;
	struct node node;
};

static void add(struct host *h, const char *id)
{
	size_t i = h->body.containers.n++;

	h->ct[i] = (struct msg_container){.id = id, .status = "running"};
	h->net[i] = (struct msg_net){.kind = "private"};
	h->ct[i].net = &h->net[i];
	h->ct[i].mounts.v = h->mount[i];
	h->body.containers.v = h->ct;
	h->caps = (struct msg){.head.type = MSG_TYPE_caps, .caps = &h->body};
	h->node.caps = &h->caps;
	str_copy(h->node.id, sizeof(h->node.id), "alpha");
}

static void start(struct host *h, size_t n)
{
	static const char *const ids[CTS] = {"a", "b", "c", "d", "e", "f",
					     "g", "h", "i", "j", "k", "l"};

	memset(h, 0, sizeof(*h));
	for (size_t i = 0; i < n; i++)
		add(h, ids[i]);
}

static void set_label(struct host *h, size_t i, const char *label)
{
	h->label[i] = label;
	h->ct[i].labels = (struct msg_strs){&h->label[i], 1};
}

/* As a worker tells it: a path, and who is in it, too. */
static void set_netns(struct host *h, size_t i, const char *path, const char *with)
{
	h->net[i] = (struct msg_net){.kind = "named", .netns = path};
	h->others[i][0] = with;
	h->ct[i].shares_with = (struct msg_strs){h->others[i], with != NULL};
}

static void set_volume(struct host *h, size_t i, const char *source, const char *kind,
		       bool readonly)
{
	size_t n = h->ct[i].mounts.n++;

	h->mount[i][n] = (struct msg_mount){.source = source,
					    .target = "/data",
					    .type = "bind",
					    .kind = kind,
					    .readonly = readonly};
	h->volumes[i][h->ct[i].shared_volumes.n++] = source;
	h->ct[i].shared_volumes.v = h->volumes[i];
}

/* "abc": their ids in the group's order. */
static const char *members(struct host *h, size_t i)
{
	static char text[GROUP_MAX + 1];
	struct group group;
	size_t n = 0;

	group_of(&(struct place){.node = &h->node, .container = &h->ct[i]}, &group);
	for (; n < group_listed(&group); n++)
		text[n] = group.v[n].container->id[0];
	text[n] = '\0';
	return text;
}

static const char *name_of(struct host *h, size_t i)
{
	static struct group group;

	group_of(&(struct place){.node = &h->node, .container = &h->ct[i]}, &group);
	return group.name;
}

static void a_label_ties(void **state)
{
	struct host h;

	(void)state;
	start(&h, 4);
	set_label(&h, 0, "group=shop");
	set_label(&h, 1, "group=mall");
	set_label(&h, 2, "group=shop");
	assert_string_equal(members(&h, 0), "ac");
	assert_string_equal(members(&h, 2), "ca"); /* the asked one first */
	assert_string_equal(members(&h, 1), "b");
	assert_string_equal(members(&h, 3), "d");
	assert_string_equal(name_of(&h, 2), "shop");
	assert_string_equal(name_of(&h, 1), "");
	h.ct[2].status = "paused";
	assert_string_equal(members(&h, 0), "a");
}

static void a_named_network_namespace_ties(void **state)
{
	struct host h;

	(void)state;
	start(&h, 4);
	set_netns(&h, 0, "/run/netns/pod", "b");
	set_netns(&h, 1, "/run/netns/pod", "a");
	set_netns(&h, 2, "/run/netns/c", NULL);
	assert_string_equal(members(&h, 0), "ab");
	assert_string_equal(members(&h, 1), "ba");
	assert_string_equal(members(&h, 2), "c");
	assert_string_equal(name_of(&h, 0), "/run/netns/pod");
	assert_string_equal(name_of(&h, 1), "/run/netns/pod");
	/* What has joined by another way is no member: it bars them (E-SHARED-NETNS). */
	h.net[1].kind = "shared";
	assert_string_equal(members(&h, 0), "a");
}

static void a_volume_ties_when_somebody_writes(void **state)
{
	struct host h;

	(void)state;
	start(&h, 5);
	set_volume(&h, 0, "/srv/data", "dir", false);
	set_volume(&h, 1, "/srv/data", "dir", true);
	set_volume(&h, 2, "/etc/zone", "file", true);
	set_volume(&h, 3, "/etc/zone", "file", true);
	assert_string_equal(members(&h, 0), "ab"); /* one reads what the other writes */
	assert_string_equal(members(&h, 1), "ba");
	assert_string_equal(members(&h, 2), "c"); /* both only read */
	assert_string_equal(name_of(&h, 1), "/srv/data");
	set_volume(&h, 2, "/run/log.sock", "socket", false);
	set_volume(&h, 3, "/run/log.sock", "socket", false);
	assert_string_equal(members(&h, 2), "c");
	set_label(&h, 1, "group=none");
	assert_string_equal(members(&h, 0), "a");
	assert_string_equal(members(&h, 1), "b");
}

/* a and b by label, b and c by network, c and d by volume. */
static void ties_reach_through_others(void **state)
{
	struct host h;

	(void)state;
	start(&h, 5);
	set_label(&h, 0, "group=shop");
	set_label(&h, 1, "group=shop");
	set_netns(&h, 1, "/run/netns/pod", "c");
	set_netns(&h, 2, "/run/netns/pod", "b");
	set_volume(&h, 2, "/srv/data", "dir", false);
	set_volume(&h, 3, "/srv/data", "dir", false);
	assert_string_equal(members(&h, 0), "abcd");
	assert_string_equal(members(&h, 3), "dabc");
	assert_string_equal(members(&h, 4), "e");
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(name_of(&h, i), "shop"); /* the same from all sides */
	h.ct[1].status = "stopped";
	assert_string_equal(members(&h, 0), "a");
	assert_string_equal(members(&h, 3), "dc");
	assert_string_equal(name_of(&h, 2), "/srv/data");
}

static void copies_of_migrations_are_no_members(void **state)
{
	struct host h;

	(void)state;
	start(&h, 2);
	set_label(&h, 0, "group=shop");
	set_label(&h, 1, "group=shop");
	h.ct[1].migration = "01HZ0000000000000000000001";
	h.ct[1].authority = "prepared";
	assert_string_equal(members(&h, 0), "a");
}

static void more_than_can_move_are_counted(void **state)
{
	struct group group;
	struct host h;

	(void)state;
	start(&h, 10);
	for (size_t i = 0; i < 10; i++)
		set_label(&h, i, "group=shop");
	group_of(&(struct place){.node = &h.node, .container = &h.ct[9]}, &group);
	assert_int_equal(group.n, 10);
	assert_int_equal(group_listed(&group), GROUP_MAX);
	assert_true(group_has(&group, "j", "alpha"));
	assert_false(group_has(&group, "j", "beta"));
	assert_false(group_has(&group, "i", "alpha"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_label_ties),
		cmocka_unit_test(a_named_network_namespace_ties),
		cmocka_unit_test(a_volume_ties_when_somebody_writes),
		cmocka_unit_test(ties_reach_through_others),
		cmocka_unit_test(copies_of_migrations_are_no_members),
		cmocka_unit_test(more_than_can_move_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
