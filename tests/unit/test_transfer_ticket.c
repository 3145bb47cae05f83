/* SPDX-License-Identifier: MPL-2.0
 *
 * A ticket admits one sender once: the right secret, the right epoch, in time. */
#include "transfer_rig.h"

/* The test itself reads the ticket. */
static void init_own(struct rig *rig)
{
	rig_init(rig);
	rig->uid = geteuid();
	rig_give(rig);
	rig_new_ticket(rig, 1ull << 30);
}

static int hello_with(struct rig *rig, struct frame_hello *hello, uint64_t now_boot_ms)
{
	struct push_config config = {.codec = CODEC_none};
	struct push *push = push_new(&config);
	int r = push_join(push, rig_receiver(rig, now_boot_ms), hello, &rig->err);

	push_free(&push);
	return r;
}

static void it_is_used_up_by_its_first_session(void **state)
{
	struct frame_hello hello;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	hello = rig_hello(&rig);
	assert_int_equal(hello_with(&rig, &hello, clock_boot_ms()), 0);
	hello = rig_hello(&rig);
	assert_int_equal(hello_with(&rig, &hello, clock_boot_ms()), -ERR_denied);
	rig_done(&rig);
}

static void wrong_secret_epoch_or_name_is_refused_and_burns_nothing(void **state)
{
	struct frame_hello hello;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	hello = rig_hello(&rig);
	hello.secret[31] ^= 1;
	assert_int_equal(hello_with(&rig, &hello, clock_boot_ms()), -ERR_denied);
	hello = rig_hello(&rig);
	hello.epoch++;
	assert_int_equal(hello_with(&rig, &hello, clock_boot_ms()), -ERR_denied);
	hello = rig_hello(&rig);
	strcpy(hello.migration, "../tickets/x");
	assert_int_equal(hello_with(&rig, &hello, clock_boot_ms()), -ERR_denied);
	hello = rig_hello(&rig);
	strcat(hello.migration, ".");
	assert_int_equal(hello_with(&rig, &hello, clock_boot_ms()), -ERR_denied);
	hello = rig_hello(&rig);
	assert_int_equal(hello_with(&rig, &hello, clock_boot_ms()), 0);
	rig_done(&rig);
}

static void it_expires(void **state)
{
	struct frame_hello hello;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	hello = rig_hello(&rig);
	assert_int_equal(hello_with(&rig, &hello, rig.ticket.expiry_boot_ms + 1), -ERR_denied);
	hello = rig_hello(&rig);
	assert_int_equal(hello_with(&rig, &hello, rig.ticket.expiry_boot_ms), 0);
	rig_done(&rig);
}

static void further_sessions_need_the_cookie(void **state)
{
	uint8_t cookie[TICKET_SECRET], wrong[TICKET_SECRET];
	struct ticket t;
	struct rig rig;

	(void)state;
	init_own(&rig);
	assert_int_equal(ticket_join(rig.tickets, RIG_MIGRATION, RIG_EPOCH, rig.ticket.secret,
				     cookie, &t, NULL),
			 -ERR_denied);
	assert_int_equal(ticket_claim(rig.tickets, RIG_MIGRATION, RIG_EPOCH, rig.ticket.secret, 0,
				      &t, cookie, NULL),
			 0);
	assert_string_equal(t.images, rig.images);
	assert_int_equal(t.quota_bytes, 1ull << 30);
	memcpy(wrong, cookie, sizeof(wrong));
	wrong[0] ^= 1;
	assert_int_equal(ticket_join(rig.tickets, RIG_MIGRATION, RIG_EPOCH, rig.ticket.secret,
				     wrong, &t, NULL),
			 -ERR_denied);
	assert_int_equal(ticket_join(rig.tickets, RIG_MIGRATION, RIG_EPOCH, rig.ticket.secret,
				     cookie, &t, NULL),
			 0);
	assert_int_equal(ticket_burn(rig.tickets, RIG_MIGRATION, NULL), 0);
	assert_int_equal(ticket_burn(rig.tickets, RIG_MIGRATION, NULL), 0);
	assert_int_equal(ticket_join(rig.tickets, RIG_MIGRATION, RIG_EPOCH, rig.ticket.secret,
				     cookie, &t, NULL),
			 -ERR_denied);
	rig_done(&rig);
}

static void a_new_ticket_replaces_a_used_one(void **state)
{
	uint8_t cookie[TICKET_SECRET], old[TICKET_SECRET];
	struct ticket t;
	struct rig rig;

	(void)state;
	init_own(&rig);
	memcpy(old, rig.ticket.secret, sizeof(old));
	assert_int_equal(
		ticket_claim(rig.tickets, RIG_MIGRATION, RIG_EPOCH, old, 0, &t, cookie, NULL), 0);
	rig_new_ticket(&rig, 1 << 20);
	assert_int_equal(
		ticket_claim(rig.tickets, RIG_MIGRATION, RIG_EPOCH, old, 0, &t, cookie, NULL),
		-ERR_denied);
	assert_int_equal(ticket_claim(rig.tickets, RIG_MIGRATION, RIG_EPOCH, rig.ticket.secret, 0,
				      &t, cookie, NULL),
			 0);
	rig_done(&rig);
}

static void damaged_or_open_tickets_are_refused(void **state)
{
	char path[PATH_MAX];
	struct ticket t;
	struct rig rig;

	(void)state;
	init_own(&rig);
	str_fmt(path, sizeof(path), "%s/%s", rig.tickets, RIG_MIGRATION);
	chmod(path, 0644);
	assert_int_equal(ticket_load(rig.tickets, RIG_MIGRATION, &t, &rig.err), -ERR_config);
	chmod(path, 0600);
	assert_int_equal(ticket_load(rig.tickets, RIG_MIGRATION, &t, NULL), 0);
	assert_int_equal(truncate(path, 40), 0);
	assert_int_equal(ticket_load(rig.tickets, RIG_MIGRATION, &t, NULL), -ERR_corrupt);
	assert_int_equal(ticket_load(rig.tickets, "NOSUCH", &t, NULL), -ERR_nosuch);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_used_up_by_its_first_session),
		cmocka_unit_test(wrong_secret_epoch_or_name_is_refused_and_burns_nothing),
		cmocka_unit_test(it_expires),
		cmocka_unit_test(further_sessions_need_the_cookie),
		cmocka_unit_test(a_new_ticket_replaces_a_used_one),
		cmocka_unit_test(damaged_or_open_tickets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
