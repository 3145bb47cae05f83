/* SPDX-License-Identifier: MPL-2.0
 *
 * What the tests of the bus share: keys and a roster for a few nodes, and short forms of sending
 * and waiting over real sockets on the loopback. */
#ifndef DROVER_TESTS_BUS_LAB_H
#define DROVER_TESTS_BUS_LAB_H

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "proto/bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum lab_node { LAB_c1, LAB_w1, LAB_w2, LAB_op, LAB_stranger, LAB_NODES };

struct lab {
	char dir[64];
	struct curve_keys keys[LAB_NODES];
	struct roster *roster;   /* without the stranger */
	struct roster *enrolled; /* with the stranger as worker w3 */
	struct roster *revoked;  /* w1 revoked, w2 with another key */
};

static const char *const lab_ids[] = {"c1", "w1", "w2", "op", "w3"};

static inline const char *lab_role(int i)
{
	return i == LAB_c1 ? "coordinator" : i == LAB_op ? "operator" : "worker";
}

static inline struct roster *lab_roster(const struct lab *lab, int nodes, bool revoke)
{
	auto_free char *path = str_new("%s/roster", lab->dir);
	struct roster *roster = NULL;
	struct err err = {0};
	FILE *f = fopen(path, "w");

	for (int i = 0; i < nodes; i++) {
		const struct curve_keys *keys =
			&lab->keys[revoke && i == LAB_w2 ? LAB_stranger : i];

		fprintf(f, "[%s]\nrole = %s\ncurve = %s\n%s", lab_ids[i], lab_role(i), keys->public,
			revoke && i == LAB_w1 ? "revoked = yes\n" : "");
	}
	fclose(f);
	if (roster_load(path, &roster, &err) < 0)
		fail_msg("%s", err.text);
	return roster;
}

static inline void lab_init(struct lab *lab)
{
	str_copy(lab->dir, sizeof(lab->dir), "/tmp/drover-bus-XXXXXX");
	assert_non_null(mkdtemp(lab->dir));
	for (int i = 0; i < LAB_NODES; i++)
		zmq_curve_keypair(lab->keys[i].public, lab->keys[i].secret);
	lab->roster = lab_roster(lab, LAB_stranger, false);
	lab->enrolled = lab_roster(lab, LAB_NODES, false);
	lab->revoked = lab_roster(lab, LAB_stranger, true);
}

static inline void lab_done(struct lab *lab)
{
	struct err err;

	roster_free(&lab->roster);
	roster_free(&lab->enrolled);
	roster_free(&lab->revoked);
	file_rmtree(lab->dir, &err);
}

/* A bus or socket that the test cannot do without. */
static inline struct bus *lab_bus(const struct lab *lab, int node)
{
	struct err err = {0};
	struct bus *bus = bus_new(&lab->keys[node], lab->roster, &err);

	if (!bus)
		fail_msg("%s", err.text);
	return bus;
}

#define LAB_MUST(sock, call) \
	do { \
		struct err lab_err = {0}, *err = &lab_err; \
		(sock) = (call); \
		if (!(sock)) \
			fail_msg("%s", lab_err.text); \
	} while (0)

static inline int lab_send(struct bus_sock *sock, const struct bus_from *to, enum msg_type type,
			   const void *body)
{
	struct msg_head head = msg_head_new(type, 1, NULL);
	struct err err = {0};

	return bus_send(sock, to, &head, body, &err);
}

static inline int lab_hello(struct bus_sock *sock, const char *node)
{
	struct msg_hello hello = {.node = node, .version = "test"};

	return lab_send(sock, NULL, MSG_TYPE_hello, &hello);
}

/* bus_recv's answer for the first message within limit_ms, 0 when none came. */
static inline int lab_recv(struct bus_sock *sock, unsigned limit_ms, struct bus_from *ret_from,
			   struct msg **ret_msg, struct err *err)
{
	uint64_t end = clock_mono_ms() + limit_ms;
	struct bus_poll_item item = {.sock = sock};

	for (;;) {
		uint64_t now = clock_mono_ms();
		int r = bus_recv(sock, ret_from, ret_msg, err);

		if (r != 0 || now >= end)
			return r;
		assert_true(bus_poll(&item, 1, (int)(end - now), err) >= 0);
	}
}

/* The type of the next good message, 0 for silence, negative for a refused one. */
static inline int lab_next(struct bus_sock *sock, unsigned limit_ms, struct bus_from *ret_from)
{
	auto_msg struct msg *msg = NULL;
	struct err err = {0};
	int r = lab_recv(sock, limit_ms, ret_from, &msg, &err);

	return r == 1 ? (int)msg->head.type : r;
}

#endif
