/* SPDX-License-Identifier: MPL-2.0
 *
 * Who is suspect and who is dead, in virtual time: silence alone is not enough where somebody else
 * can be asked, and a coordinator that was deaf itself blames nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "coordinator/core.h"
#include "coordinator/liveness.h"

#include <stdio.h>
#include <string.h>

#define HOSTS_MAX 40

/* A cluster of hosts that beat once a second, with a turn each 250 ms. */
struct lab {
	struct core *core;
	struct moment now;
	struct effects fx;
	char id[HOSTS_MAX][NAME_SIZE];
	bool mute[HOSTS_MAX]; /* its beats do not arrive */
	bool gone[HOSTS_MAX]; /* and nobody reaches it */
	bool dumb[HOSTS_MAX]; /* does not answer probes */
	uint64_t seq[HOSTS_MAX], at_ms[HOSTS_MAX];
	uint64_t interval_ms; /* as welcomed */
	size_t n;
	unsigned probes;
	char event[16][1100]; /* "kind host: text", the last ones */
	size_t n_events;
	struct msg *reply;
};

static int find(const struct lab *lab, const char *id)
{
	for (size_t i = 0; i < lab->n; i++)
		if (str_eq(lab->id[i], id))
			return (int)i;
	return -1;
}

static void say(struct lab *lab, size_t host, enum msg_type type, const void *body);

static void take(struct lab *lab, struct effect_send *send)
{
	const struct msg *m = send->msg;
	int to = find(lab, send->node);

	if (m->head.type == MSG_TYPE_event)
		str_fmt(lab->event[lab->n_events++ % 16], sizeof(lab->event[0]), "%s %s: %s",
			m->event->kind, m->event->host ? m->event->host : "",
			m->event->text ? m->event->text : "");
	if (m->head.type == MSG_TYPE_welcome)
		lab->interval_ms = m->welcome->interval_ms;
	if (m->head.type == MSG_TYPE_reply) {
		msg_free(&lab->reply);
		lab->reply = mem_take(send->msg);
		return;
	}
	if (m->head.type != MSG_TYPE_probe)
		return;
	lab->probes++;
	assert_true(to >= 0 && !str_eq(send->node, m->probe->host));
	assert_true(m->probe->deadline_ms > 0);
	if (!lab->dumb[to] && !lab->gone[to])
		say(lab, (size_t)to, MSG_TYPE_sight,
		    &(struct msg_sight){.host = m->probe->host,
					.tried = true,
					.reached = !lab->gone[find(lab, m->probe->host)]});
}

static void feed(struct lab *lab, const struct core_event *event)
{
	struct effects fx = {0};

	core_feed(lab->core, event, lab->now, &fx);
	for (size_t i = 0; i < fx.n_sends; i++)
		take(lab, &fx.sends[i]);
	effects_reset(&fx);
}

static void say(struct lab *lab, size_t host, enum msg_type type, const void *body)
{
	struct msg *msg = msg_copy(type, body);

	msg->head.type = type;
	feed(lab, &(struct core_event){.kind = CORE_message, .node = lab->id[host], .msg = msg});
	msg_free(&msg);
}

static void beat(struct lab *lab, size_t host)
{
	lab->at_ms[host] = lab->now.mono_ms;
	say(lab, host, MSG_TYPE_beat,
	    &(struct msg_beat){.instance = "01HX0000000000000000000001", .seq = ++lab->seq[host]});
}

static void tick(struct lab *lab)
{
	feed(lab, &(struct core_event){.kind = CORE_tick});
}

static void run(struct lab *lab, uint64_t ms)
{
	uint64_t end_ms = lab->now.mono_ms + ms;

	while (lab->now.mono_ms < end_ms) {
		lab->now.mono_ms += 250;
		lab->now.wall_ms += 250;
		for (size_t i = 0; i < lab->n; i++)
			if (!lab->mute[i] && !lab->gone[i] &&
			    lab->now.mono_ms >= lab->at_ms[i] + lab->interval_ms)
				beat(lab, i);
		tick(lab);
	}
}

static void enrol(struct lab *lab, const char *id)
{
	feed(lab, &(struct core_event){
			  .kind = CORE_roster, .node = id, .address = "10.0.0.1", .ssh_port = 22});
}

static void request(struct lab *lab, const char *command)
{
	struct msg *msg = msg_copy(MSG_TYPE_request, &(struct msg_request){.command = command});

	feed(lab, &(struct core_event){.kind = CORE_request,
				       .client = 7,
				       .msg = msg,
				       .id = "01HY0000000000000000000001"});
	msg_free(&msg);
}

static const struct msg_host *host(struct lab *lab, size_t i)
{
	request(lab, "hosts");
	assert_int_equal(lab->reply->reply->hosts.n, lab->n);
	return &lab->reply->reply->hosts.v[i];
}

static void start(struct lab *lab, size_t n)
{
	struct core_config config = {.id = "ctl", .term = 1, .interval_ms = 1000};

	*lab = (struct lab){.now = {1000000, 1700000000000}, .n = n, .interval_ms = 1000};
	lab->core = core_new(&config);
	for (size_t i = 0; i < n; i++) {
		str_fmt(lab->id[i], NAME_SIZE, "h%02zu", i);
		enrol(lab, lab->id[i]);
	}
	request(lab, "watch");
	for (size_t i = 0; i < n; i++)
		beat(lab, i);
	run(lab, 20000);
}

static void end(struct lab *lab)
{
	msg_free(&lab->reply);
	core_free(&lab->core);
}

static bool told(const struct lab *lab, const char *text)
{
	for (size_t i = 0; i < lab->n_events && i < 16; i++)
		if (strstr(lab->event[i], text))
			return true;
	return false;
}

/* --- the detector --- */

static void regular_beats_make_a_silence_surprising_sooner(void **state)
{
	struct arrivals steady = {0}, shaky = {0};

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		arrivals_note(&steady, 1000, 1000);
		arrivals_note(&shaky, i % 2 ? 100 : 2900, 1000);
	}
	assert_true(phi(&steady, 1000, 1000) < 1);
	assert_true(phi(&steady, 3000, 1000) > PHI_SUSPECT);
	assert_true(phi(&shaky, 3000, 1000) < 2);
	assert_true(phi(&shaky, 12000, 1000) > PHI_SUSPECT);
	for (uint64_t ms = 0; ms < 60000; ms += 50)
		assert_true(phi(&shaky, ms, 1000) <= phi(&shaky, ms + 50, 1000));
	assert_true(phi(&steady, UINT64_MAX / 2, 1000) == PHI_MOST);
	/* The same regularity in another interval's units. */
	assert_true(phi(&steady, 15000, 5000) > PHI_SUSPECT && phi(&steady, 5000, 5000) < 1);
}

static void an_outage_is_no_habit(void **state)
{
	struct arrivals a = {0};
	float variance;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		arrivals_note(&a, 1000, 1000);
	variance = a.variance;
	arrivals_note(&a, 3600000, 1000);
	assert_true(a.variance == variance);
	arrivals_note(&a, 3600000, 0);
}

static void the_interval_fits_the_number_of_hosts(void **state)
{
	struct nodes nodes;

	(void)state;
	assert_int_equal(liveness_interval_ms(1, 1000), 1000);
	assert_int_equal(liveness_interval_ms(1000, 1000), 1000);
	assert_int_equal(liveness_interval_ms(5000, 1000), 5000);
	assert_int_equal(liveness_interval_ms(20000, 1000), 10000);
	assert_int_equal(liveness_interval_ms(3, 200), 200);
	nodes_init(&nodes, 200);
	assert_int_equal(liveness_suspect_after_ms(&nodes), 3000);
	assert_int_equal(liveness_dead_after_ms(&nodes), 10000);
	nodes_init(&nodes, 5000);
	assert_int_equal(liveness_suspect_after_ms(&nodes), 15000);
	assert_int_equal(liveness_dead_after_ms(&nodes), 50000);
}

/* --- one host --- */

static void a_crashed_host_is_dead_once_three_peers_miss_it(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab, 6);
	lab.gone[2] = true;
	run(&lab, 2500);
	assert_string_equal(host(&lab, 2)->state, "up");
	run(&lab, 1000);
	assert_string_equal(host(&lab, 2)->state, "suspect");
	assert_int_equal(lab.probes, 3);
	run(&lab, 2500); /* before the 10 s that nobody's word takes */
	assert_string_equal(host(&lab, 2)->state, "dead");
	assert_non_null(strstr(host(&lab, 2)->note, "its containers are unknown, not dead"));
	assert_non_null(strstr(host(&lab, 2)->note, "not reached by h"));
	assert_true(told(&lab, "host.suspect h02: no word for"));
	assert_true(told(&lab, "host.dead h02: "));
	lab.gone[2] = false;
	run(&lab, 2000);
	assert_string_equal(host(&lab, 2)->state, "up");
	assert_string_equal(host(&lab, 2)->note, "");
	end(&lab);
}

static void a_host_that_a_peer_sees_stays_suspect(void **state)
{
	const struct msg_host *seen;
	struct lab lab;

	(void)state;
	start(&lab, 4);
	lab.mute[1] = true;
	run(&lab, 120000);
	assert_string_equal(host(&lab, 1)->state, "suspect");
	seen = host(&lab, 1);
	assert_non_null(strstr(seen->note, "seen by h"));
	assert_string_equal(seen->seen_by, strstr(seen->note, "seen by ") + 8);
	assert_true(told(&lab, "host.seen h01: not heard here, but seen by h"));
	assert_true(lab.probes > 9); /* again and again */
	lab.gone[1] = true;
	run(&lab, 14000);
	assert_string_equal(host(&lab, 1)->state, "dead");
	end(&lab);
}

static void peers_that_do_not_answer_put_death_off_to_the_ceiling(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab, 8);
	for (size_t i = 0; i < 8; i++)
		lab.dumb[i] = true;
	lab.gone[7] = true;
	run(&lab, 9500);
	assert_string_equal(host(&lab, 7)->state, "suspect");
	run(&lab, 2000);
	assert_string_equal(host(&lab, 7)->state, "dead");
	end(&lab);
}

static void only_who_was_asked_counts(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab, 8);
	for (size_t i = 0; i < 8; i++)
		lab.dumb[i] = true;
	lab.gone[7] = true;
	run(&lab, 6000);
	for (size_t i = 0; i < 7; i++) /* three of them were asked, and cannot tell */
		say(&lab, i, MSG_TYPE_sight,
		    &(struct msg_sight){.host = "h07", .error = "no address"});
	run(&lab, 1000);
	assert_string_equal(host(&lab, 7)->state, "suspect");
	say(&lab, 0, MSG_TYPE_sight, &(struct msg_sight){.host = "h01", .tried = true});
	say(&lab, 0, MSG_TYPE_sight, &(struct msg_sight){.host = "nobody", .tried = true});
	say(&lab, 0, MSG_TYPE_sight, &(struct msg_sight){0});
	assert_string_equal(host(&lab, 1)->state, "up");
	end(&lab);
}

static void bye_is_believed_at_once_and_late_beats_are_not(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab, 3);
	lab.mute[0] = true;
	say(&lab, 0, MSG_TYPE_bye, &(struct msg_bye){.reason = "upgrade"});
	beat(&lab, 0); /* was on its way */
	assert_string_equal(host(&lab, 0)->state, "dead");
	assert_non_null(strstr(host(&lab, 0)->note, "its worker has stopped: upgrade"));
	assert_non_null(strstr(host(&lab, 0)->note, "unknown, not dead"));
	assert_int_equal(lab.probes, 0);
	say(&lab, 0, MSG_TYPE_hello,
	    &(struct msg_hello){.node = "h00", .instance = "01HX0000000000000000000002"});
	assert_string_equal(host(&lab, 0)->state, "up");
	end(&lab);
}

/* --- the coordinator itself --- */

static void a_coordinator_that_was_stopped_blames_nobody(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab, 6);
	lab.now.mono_ms += 60000; /* SIGSTOP */
	lab.now.wall_ms += 60000;
	tick(&lab);
	assert_true(told(&lab, "coordinator.late ctl: was stopped or late for 60.0 s"));
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(host(&lab, i)->state, "up");
	lab.gone[3] = true;
	run(&lab, 2500);
	assert_string_equal(host(&lab, 3)->state, "up");
	run(&lab, 4000); /* but it hears again, and so can judge */
	assert_string_equal(host(&lab, 3)->state, "dead");
	assert_string_equal(host(&lab, 4)->state, "up");
	end(&lab);
}

static void what_was_not_read_yet_is_no_silence(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab, 4);
	for (int i = 0; i < 40; i++) {
		lab.now.mono_ms += 250;
		feed(&lab, &(struct core_event){.kind = CORE_tick, .behind = true});
	}
	for (size_t i = 0; i < 4; i++)
		beat(&lab, i);
	tick(&lab);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(host(&lab, i)->state, "up");
	assert_int_equal(lab.probes, 0);
	end(&lab);
}

static void beats_may_take_longer_than_hello_after_a_start(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab, 3);
	core_free(&lab.core);
	lab.core = core_new(&(struct core_config){.id = "ctl", .term = 2, .interval_ms = 1000});
	for (size_t i = 0; i < 3; i++) {
		enrol(&lab, lab.id[i]);
		lab.mute[i] = true;
	}
	say(&lab, 0, MSG_TYPE_hello,
	    &(struct msg_hello){.node = "h00", .instance = "01HX0000000000000000000001"});
	run(&lab, 9000);
	assert_string_equal(host(&lab, 0)->state, "up");
	assert_string_equal(host(&lab, 1)->state, "unknown"); /* never heard is not dead */
	run(&lab, 5000);
	assert_string_equal(host(&lab, 0)->state, "suspect");
	assert_string_equal(host(&lab, 1)->state, "unknown");
	end(&lab);
}

static void many_at_once_are_not_dead(void **state)
{
	struct lab lab;

	(void)state;
	start(&lab, 10);
	for (size_t i = 0; i < 4; i++)
		lab.gone[i] = true;
	run(&lab, 60000);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(host(&lab, i)->state, "suspect");
	assert_true(told(&lab, "hosts.silent : 4 of 10 hosts fell silent at once"));
	request(&lab, "status");
	assert_non_null(strstr(lab.reply->reply->cluster->warning, "4 of 10 hosts"));
	lab.gone[0] = false; /* three of ten is no mass */
	run(&lab, 2000);
	assert_true(told(&lab, "hosts.heard"));
	request(&lab, "status");
	assert_null(lab.reply->reply->cluster->warning);
	assert_string_equal(host(&lab, 1)->state, "suspect");
	run(&lab, 12000);
	assert_string_equal(host(&lab, 0)->state, "up");
	for (size_t i = 1; i < 4; i++)
		assert_string_equal(host(&lab, i)->state, "dead");
	end(&lab);
}

static void more_hosts_are_told_a_longer_interval(void **state)
{
	struct lab lab;
	char id[NAME_SIZE];

	(void)state;
	start(&lab, 3);
	for (unsigned i = 0; i < 2997; i++) {
		str_fmt(id, sizeof(id), "more%04u", i);
		enrol(&lab, id);
	}
	lab.interval_ms = 0;
	tick(&lab);
	assert_int_equal(lab.interval_ms, 3000);
	request(&lab, "status"); /* too many to list, so those that need a look come first */
	assert_int_equal(lab.reply->reply->code, 0);
	assert_int_equal(lab.reply->reply->cluster->hosts_total, 3000);
	assert_int_equal(lab.reply->reply->hosts.n, 1000);
	assert_string_equal(lab.reply->reply->hosts.v[0].state, "unknown");
	lab.now.mono_ms += 3000; /* beats at the new pace are no silence */
	for (int i = 0; i < 12; i++) {
		lab.now.mono_ms += 250;
		tick(&lab);
	}
	assert_int_equal(lab.probes, 0);
	for (unsigned i = 0; i < 2997; i++) {
		str_fmt(id, sizeof(id), "more%04u", i);
		feed(&lab, &(struct core_event){.kind = CORE_unlist, .node = id});
	}
	tick(&lab);
	assert_int_equal(lab.interval_ms, 1000);
	end(&lab);
}

static void containers_of_a_lost_host_are_unknown_not_dead(void **state)
{
	struct msg_container web = {.id = "web", .status = "running"};
	const struct msg_place *place;
	struct lab lab;

	(void)state;
	start(&lab, 4);
	say(&lab, 1, MSG_TYPE_caps,
	    &(struct msg_caps){.instance = "01HX0000000000000000000001", .containers = {&web, 1}});
	request(&lab, "ps");
	assert_null(lab.reply->reply->places.v[0].note);
	lab.gone[1] = true;
	run(&lab, 15000);
	request(&lab, "ps");
	assert_int_equal(lab.reply->reply->places.n, 1);
	place = &lab.reply->reply->places.v[0];
	assert_string_equal(place->host_state, "dead");
	assert_string_equal(place->container->status, "unknown");
	assert_string_equal(place->note, "h01 is lost: unknown, not dead");
	end(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regular_beats_make_a_silence_surprising_sooner),
		cmocka_unit_test(an_outage_is_no_habit),
		cmocka_unit_test(the_interval_fits_the_number_of_hosts),
		cmocka_unit_test(a_crashed_host_is_dead_once_three_peers_miss_it),
		cmocka_unit_test(a_host_that_a_peer_sees_stays_suspect),
		cmocka_unit_test(peers_that_do_not_answer_put_death_off_to_the_ceiling),
		cmocka_unit_test(only_who_was_asked_counts),
		cmocka_unit_test(bye_is_believed_at_once_and_late_beats_are_not),
		cmocka_unit_test(a_coordinator_that_was_stopped_blames_nobody),
		cmocka_unit_test(what_was_not_read_yet_is_no_silence),
		cmocka_unit_test(beats_may_take_longer_than_hello_after_a_start),
		cmocka_unit_test(many_at_once_are_not_dead),
		cmocka_unit_test(more_hosts_are_told_a_longer_interval),
		cmocka_unit_test(containers_of_a_lost_host_are_unknown_not_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
