/* SPDX-License-Identifier: MPL-2.0
 *
 * Many containers judged at once, through the core: what an evacuation would meet, without two
 * containers counting on the same room, and which containers can move at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "coordinator/core.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024ull * 1024)

struct cluster {
	struct core *core;
	struct options *options;
	struct effects fx;
	struct msg_container guest[12]; /* of alpha */
	size_t n_guests;
	uint64_t beta_mib, gamma_mib;
	struct msg *reply;
};

static void feed(struct cluster *c, const struct core_event *event)
{
	struct moment now = {.mono_ms = 100000, .wall_ms = 1700000000000};

	core_feed(c->core, event, now, &c->fx);
	for (size_t i = 0; i < c->fx.n_sends; i++)
		if (c->fx.sends[i].client) {
			msg_free(&c->reply);
			c->reply = msg_copy(MSG_TYPE_reply, c->fx.sends[i].msg->reply);
		}
	effects_reset(&c->fx);
}

static void say(struct cluster *c, const char *node, enum msg_type type, const void *body)
{
	struct msg *msg = msg_copy(type, body);

	msg->head.type = type;
	feed(c, &(struct core_event){.kind = CORE_message, .node = node, .msg = msg});
	msg_free(&msg);
}

static void add_host(struct cluster *c, const char *id, uint64_t available_mib, const char *label)
{
	struct msg_runtime runc = {.name = "runc", .version = "1.3", .checkpoint = true};
	struct msg_caps caps = {.kernel = "6.12.0",
				.arch = "x86_64",
				.criu_version = 40201,
				.cgroup_version = 2,
				.labels = {&label, 1},
				.runtimes = {&runc, 1}};
	struct msg_beat beat = {.seq = 1,
				.cpus = 4,
				.mem_total_bytes = 10000 * MIB,
				.mem_available_bytes = available_mib * MIB};

	if (str_eq(id, "alpha")) {
		caps.containers.v = c->guest;
		caps.containers.n = c->n_guests;
	}
	feed(c, &(struct core_event){
			.kind = CORE_roster, .node = id, .address = "10.0.0.1", .ssh_port = 22});
	say(c, id, MSG_TYPE_caps, &caps);
	say(c, id, MSG_TYPE_beat, &beat);
}

static struct msg_container *add_guest(struct cluster *c, const char *id, uint64_t rss_mib)
{
	c->guest[c->n_guests] = (struct msg_container){
		.id = id, .runtime = "runc", .status = "running", .rss_bytes = rss_mib * MIB};
	return &c->guest[c->n_guests++];
}

static void begin(struct cluster *c, const char *policies)
{
	char path[] = "/tmp/drover-ready-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	struct err err = {0};

	*c = (struct cluster){.options = options_new(), .beta_mib = 8000, .gamma_mib = 8000};
	fputs(policies, file);
	fclose(file);
	assert_int_equal(options_load(c->options, path, &err), 0);
	unlink(path);
}

static void start(struct cluster *c)
{
	struct core_config config = {.id = "ctl",
				     .term = 1,
				     .interval_ms = 1000,
				     .headroom_percent = 10,
				     .options = c->options};

	c->core = core_new(&config);
	add_host(c, "alpha", 5000, "disk=ssd");
	add_host(c, "beta", c->beta_mib, "disk=ssd");
	add_host(c, "gamma", c->gamma_mib, "disk=hdd");
}

static void end(struct cluster *c)
{
	core_free(&c->core);
	options_free(&c->options);
	msg_free(&c->reply);
	effects_reset(&c->fx);
}

static const struct msg_reply *ask(struct cluster *c, const struct msg_request *request)
{
	struct msg *msg = msg_copy(MSG_TYPE_request, request);

	str_copy(msg->head.request, ULID_SIZE, "01HY0000000000000000000002");
	feed(c, &(struct core_event){.kind = CORE_request,
				     .client = 7,
				     .msg = msg,
				     .id = "01HY0000000000000000000003"});
	msg_free(&msg);
	assert_non_null(c->reply);
	return c->reply->reply;
}

static const struct msg_reply *ready(struct cluster *c)
{
	return ask(c, &(struct msg_request){.command = "check", .from = "alpha"});
}

static const char *goes_to(const struct msg_reply *reply, const char *id)
{
	for (size_t i = 0; i < reply->places.n; i++)
		if (str_eq(reply->places.v[i].container->id, id))
			return reply->places.v[i].best ? reply->places.v[i].best->host : "";
	return "?";
}

/* beta and gamma have room for one each: 1100 MiB above their headroom, 1050 needed. */
static void no_two_count_on_the_same_room(void **state)
{
	const struct msg_reply *reply;
	struct cluster c;

	(void)state;
	begin(&c, "");
	c.beta_mib = c.gamma_mib = 2100;
	add_guest(&c, "one", 500);
	add_guest(&c, "two", 500);
	add_guest(&c, "three", 500);
	start(&c);
	reply = ready(&c);
	assert_int_equal(reply->code, ERR_partly);
	assert_int_equal(reply->tally->judged, 3);
	assert_int_equal(reply->tally->live, 2);
	assert_int_equal(reply->tally->no, 1);
	assert_string_not_equal(goes_to(reply, "one"), goes_to(reply, "three"));
	assert_string_equal(goes_to(reply, "two"), ""); /* the last by name */
	assert_string_equal(reply->places.v[2].reasons.v[0].code, "E-MEM");
	/* Nothing of this was kept: each of them alone can still go. */
	reply = ask(&c, &(struct msg_request){.command = "ps", .mode = "movable"});
	assert_int_equal(reply->places.n, 3);
	end(&c);
}

static void the_codes_say_all_some_or_none(void **state)
{
	struct cluster c;

	(void)state;
	begin(&c, "");
	add_guest(&c, "web", 100);
	start(&c);
	assert_int_equal(ready(&c)->code, 0);
	end(&c);
	begin(&c, "");
	add_guest(&c, "web", 100)->io_uring = true;
	start(&c);
	assert_int_equal(ready(&c)->code, ERR_refused);
	assert_string_equal(c.reply->reply->places.v[0].verdict, "cold");
	assert_int_equal(ask(&c, &(struct msg_request){.command = "check"})->code, ERR_usage);
	assert_int_equal(ask(&c, &(struct msg_request){.command = "check", .from = "alhpa"})->code,
			 ERR_nosuch);
	end(&c);
}

static void ps_keeps_what_was_asked_for(void **state)
{
	const struct msg_reply *reply;
	struct cluster c;

	(void)state;
	begin(&c, "");
	add_guest(&c, "ring", 100)->io_uring = true;
	add_guest(&c, "web", 100);
	start(&c);
	reply = ask(&c, &(struct msg_request){.command = "ps", .mode = "stuck"});
	assert_int_equal(reply->places.n, 1);
	assert_string_equal(reply->places.v[0].container->id, "ring");
	assert_string_equal(reply->places.v[0].reasons.v[0].code, "E-IOURING");
	reply = ask(&c, &(struct msg_request){.command = "ps", .mode = "movable"});
	assert_int_equal(reply->places.n, 1);
	assert_string_equal(reply->places.v[0].container->id, "web");
	assert_non_null(reply->places.v[0].best);
	reply = ask(&c, &(struct msg_request){.command = "ps"});
	assert_int_equal(reply->places.n, 2);
	assert_null(reply->places.v[0].verdict);
	end(&c);
}

/* Priority before size; spread keeps two of a group apart although one of them only is on its way;
 * what must stay, stays. */
static void policies_have_their_say(void **state)
{
	const struct msg_reply *reply;
	struct cluster c;

	(void)state;
	begin(&c, "[policy urgent]\nmatch = small\npriority = 90\nprefer = disk=hdd\n"
		  "[policy webs]\nmatch = web*\nspread = webs\n"
		  "[policy stay]\nmatch = licence\nmove = never\n");
	add_guest(&c, "licence", 10);
	add_guest(&c, "small", 20);
	add_guest(&c, "web1", 300);
	add_guest(&c, "web2", 300);
	add_guest(&c, "web3", 300);
	start(&c);
	reply = ready(&c);
	assert_int_equal(reply->code, ERR_partly);
	assert_string_equal(reply->places.v[0].container->id, "small");
	assert_int_equal(reply->places.v[0].priority, 90);
	assert_string_equal(reply->places.v[0].policy, "urgent");
	assert_string_equal(goes_to(reply, "small"), "gamma");
	assert_int_equal(reply->places.v[0].best->tier, 1);
	assert_string_not_equal(goes_to(reply, "web1"), goes_to(reply, "web2"));
	assert_string_equal(goes_to(reply, "web3"), "");
	assert_string_equal(reply->places.v[3].reasons.v[0].code, "E-SPREAD");
	assert_string_equal(goes_to(reply, "licence"), "");
	assert_string_equal(reply->places.v[4].reasons.v[0].code, "E-POLICY-NEVER");
	reply = ask(&c, &(struct msg_request){.command = "check",
					      .from = "alpha",
					      .skip = {(const char *[]){"policy"}, 1}});
	assert_int_equal(reply->code, 0);
	reply = ask(&c, &(struct msg_request){.command = "check",
					      .from = "alpha",
					      .skip = {(const char *[]){"polisy"}, 1}});
	assert_int_equal(reply->code, ERR_usage);
	assert_non_null(strstr(reply->error, "did you mean policy"));
	end(&c);
}

/* --- what moves as one --- */

static const char *shop[] = {"group=shop"};

static struct msg_container *add_member(struct cluster *c, const char *id, uint64_t rss_mib)
{
	struct msg_container *ct = add_guest(c, id, rss_mib);

	ct->labels = (struct msg_strs){shop, 1};
	return ct;
}

static const struct msg_place *row(const struct msg_reply *reply, const char *id)
{
	for (size_t i = 0; i < reply->places.n; i++)
		if (str_eq(reply->places.v[i].container->id, id))
			return &reply->places.v[i];
	assert_true(false);
	return NULL;
}

/* beta has room for one of them and is the better host; gamma for both. */
static void a_group_is_judged_on_a_host_that_takes_all(void **state)
{
	const struct msg_reply *reply;
	struct cluster c;

	(void)state;
	begin(&c, "");
	c.beta_mib = 2500;
	c.gamma_mib = 3300;
	add_member(&c, "web", 500);
	add_member(&c, "api", 500);
	add_guest(&c, "lone", 100);
	start(&c);
	reply = ready(&c);
	assert_int_equal(reply->code, 0);
	assert_string_equal(goes_to(reply, "web"), "gamma");
	assert_string_equal(goes_to(reply, "api"), "gamma");
	assert_string_equal(row(reply, "web")->group, "shop");
	assert_int_equal(row(reply, "web")->group_size, 2);
	assert_null(row(reply, "lone")->group);
	assert_int_equal(reply->tally->judged, 3);
	end(&c);
}

static void the_sum_of_a_group_must_fit(void **state)
{
	const struct msg_reply *reply;
	struct cluster c;

	(void)state;
	begin(&c, "");
	c.beta_mib = c.gamma_mib = 2500; /* for one each */
	add_member(&c, "web", 500);
	add_member(&c, "api", 500);
	start(&c);
	reply = ready(&c);
	assert_int_equal(reply->code, ERR_refused);
	assert_int_equal(reply->tally->no, 2);
	assert_string_equal(row(reply, "web")->reasons.v[0].code, "E-MEM");
	end(&c);
}

static void the_worst_member_speaks_for_all(void **state)
{
	const struct msg_reply *reply;
	const struct msg_place *web;
	struct cluster c;

	(void)state;
	begin(&c, "");
	add_member(&c, "web", 100);
	add_member(&c, "api", 100)->io_uring = true;
	start(&c);
	reply = ready(&c);
	web = row(reply, "web");
	assert_string_equal(web->verdict, "cold");
	assert_string_equal(web->barred_by, "api");
	assert_string_equal(web->reasons.v[0].code, "E-IOURING");
	assert_string_equal(web->reasons.v[0].of, "api");
	assert_non_null(strstr(web->reasons.v[0].why, "api moves with it"));
	assert_null(row(reply, "api")->reasons.v[0].of);
	assert_int_equal(reply->tally->cold, 2);
	reply = ask(&c, &(struct msg_request){.command = "ps", .mode = "stuck"});
	assert_int_equal(reply->places.n, 2);
	reply = ask(&c, &(struct msg_request){.command = "ps", .mode = "movable"});
	assert_int_equal(reply->places.n, 0);
	reply = ask(&c, &(struct msg_request){.command = "ps"});
	assert_string_equal(row(reply, "api")->group, "shop");
	end(&c);
}

/* Nobody has to be asked: what bars it is known here. */
static void check_of_one_judges_all(void **state)
{
	const struct msg_reply *reply;
	struct cluster c;

	(void)state;
	begin(&c, "");
	add_member(&c, "web", 100);
	add_member(&c, "api", 100)->io_uring = true;
	start(&c);
	reply = ask(&c, &(struct msg_request){.command = "check", .container = "web"});
	assert_int_equal(reply->code, ERR_refused);
	assert_string_equal(reply->rules->group, "shop");
	assert_int_equal(reply->rules->moves_with.n, 1);
	assert_string_equal(reply->rules->moves_with.v[0], "api");
	assert_int_equal(reply->candidates.n, 2);
	assert_string_equal(reply->candidates.v[0].verdict, "cold");
	assert_string_equal(reply->candidates.v[0].reasons.v[0].of, "api");
	assert_int_equal(reply->tally->cold, 2);
	end(&c);
}

static void more_than_can_move_as_one_cannot(void **state)
{
	static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
	const struct msg_reply *reply;
	struct cluster c;

	(void)state;
	begin(&c, "");
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		add_member(&c, ids[i], 10);
	start(&c);
	reply = ready(&c);
	assert_int_equal(reply->tally->no, 9);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_string_equal(reply->places.v[i].reasons.v[0].code, "E-GROUP-SIZE");
	reply = ask(&c, &(struct msg_request){.command = "migrate", .container = "c"});
	assert_int_equal(reply->code, ERR_refused);
	assert_non_null(strstr(reply->error, "E-GROUP-SIZE"));
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_two_count_on_the_same_room),
		cmocka_unit_test(the_codes_say_all_some_or_none),
		cmocka_unit_test(ps_keeps_what_was_asked_for),
		cmocka_unit_test(policies_have_their_say),
		cmocka_unit_test(a_group_is_judged_on_a_host_that_takes_all),
		cmocka_unit_test(the_sum_of_a_group_must_fit),
		cmocka_unit_test(the_worst_member_speaks_for_all),
		cmocka_unit_test(check_of_one_judges_all),
		cmocka_unit_test(more_than_can_move_as_one_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
