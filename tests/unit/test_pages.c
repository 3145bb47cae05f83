/* SPDX-License-Identifier: MPL-2.0
 *
 * Lists that one message cannot hold: the command line asks a real core on a real bus, and each
 * host and container is listed once, whatever the form. And the pages themselves. */
#include "test_cli_fake.h"
#include "test_cli_run.h"

#include "coordinator/core.h"

#include <jansson.h>

#define HOSTS 2600
#define GUESTS 3 /* of each tenth host */
#define JOB_PIECE 16383

static struct core *core;
static struct effects fx;

static void feed(const struct core_event *event)
{
	core_feed(core, event, (struct moment){.mono_ms = 100000, .wall_ms = 1700000000000}, &fx);
}

static void say(const char *node, enum msg_type type, const void *body)
{
	struct msg *msg = msg_copy(type, body);

	msg->head.type = type;
	feed(&(struct core_event){.kind = CORE_message, .node = node, .msg = msg});
	msg_free(&msg);
	effects_reset(&fx);
}

static void add_host(const char *id, struct msg_container *guests, size_t n)
{
	struct msg_runtime runc = {.name = "runc", .version = "1.3", .checkpoint = true};
	struct msg_caps caps = {.kernel = "6.12.0-20-a-name-of-some-length",
				.arch = "x86_64",
				.criu_version = 40201,
				.cgroup_version = 2,
				.runtimes = {&runc, 1},
				.containers = {guests, n}};
	struct msg_beat beat = {.seq = 1,
				.cpus = 4,
				.mem_total_bytes = 10000 * MIB,
				.mem_available_bytes = 8000 * MIB};

	feed(&(struct core_event){
		.kind = CORE_roster, .node = id, .address = "10.0.0.1", .ssh_port = 22});
	say(id, MSG_TYPE_caps, &caps);
	say(id, MSG_TYPE_beat, &beat);
}

static struct msg_container guest(const char *id, const char *runtime)
{
	return (struct msg_container){
		.id = id, .runtime = runtime, .status = "running", .rss_bytes = 64 * MIB};
}

static void begin(void)
{
	struct core_config config = {.id = "ctl", .term = 1, .interval_ms = 1000};

	core = core_new(&config);
}

static void end(void)
{
	core_free(&core);
	effects_reset(&fx);
}

static void begin_large(void)
{
	begin();
	for (unsigned i = 0; i < HOSTS; i++) {
		char id[NAME_SIZE], names[GUESTS][NAME_SIZE];
		struct msg_container guests[GUESTS];

		str_fmt(id, sizeof(id), "host-%04u", i);
		for (unsigned k = 0; k < GUESTS; k++) {
			str_fmt(names[k], NAME_SIZE, "web-%04u-%u", i, GUESTS - k);
			guests[k] = guest(names[k], "runc");
		}
		add_host(id, guests, i % 10 ? 0 : GUESTS);
	}
}

/* --- over the bus --- */

static void asks_core(struct fake *fake, const struct msg_request *request)
{
	struct msg *msg = msg_copy(MSG_TYPE_request, request);

	str_copy(msg->head.request, ULID_SIZE, fake->request);
	feed(&(struct core_event){
		.kind = CORE_request, .client = 7, .msg = msg, .id = "01HY0000000000000000000003"});
	for (size_t i = 0; i < fx.n_sends; i++)
		if (fx.sends[i].client)
			fake_reply(fake, fx.sends[i].msg->reply);
	effects_reset(&fx);
	msg_free(&msg);
}

/* Lines, each after the one before it. */
static unsigned count_sorted(char *text)
{
	const char *last = "";
	unsigned n = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		assert_true(strcmp(last, line) < 0);
		last = line;
		n++;
	}
	return n;
}

static void expect_lines(const char *command, unsigned n)
{
	struct ran ran = run(command);

	assert_string_equal(ran.err, "");
	assert_int_equal(ran.exit_code, 0);
	assert_int_equal(count_sorted(ran.out), n);
	ran_free(&ran);
}

static void expect_json(const char *command, unsigned n)
{
	struct ran ran = run(command);
	json_t *list = json_loads(ran.out, 0, NULL);

	assert_string_equal(ran.err, "");
	assert_int_equal(json_array_size(list), n);
	json_decref(list);
	ran_free(&ran);
}

static void a_list_that_no_message_holds_comes_whole(void **state)
{
	char endpoint[64];
	pid_t coordinator;

	(void)state;
	str_fmt(endpoint, sizeof(endpoint), "ipc:///tmp/drover-pages-%d.sock", (int)getpid());
	setenv("DROVER_COORDINATOR", endpoint, 1);
	begin_large();
	coordinator = fake_start(endpoint, asks_core);
	expect_lines("hosts -o plain -c host", HOSTS);
	expect_lines("hosts -c host --no-headings", HOSTS);
	expect_json("hosts --json", HOSTS);
	expect_lines("ps -o plain -c container", HOSTS / 10 * GUESTS);
	expect_json("ps --json", HOSTS / 10 * GUESTS);
	expect_json("ps --host host-0070 --json", GUESTS);
	expect_json("ps --movable --json", HOSTS / 10 * GUESTS);
	expect_json("ps --stuck --json", 0);
	fake_stop(coordinator);
	unlink(endpoint + strlen("ipc://"));
	end();
}

/* --- a log --- */

#define LOG_LINES 3000
#define LOG_LINE "(00.%06u) pie: größe\n"

static char *log_text(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (unsigned i = 0; i < LOG_LINES; i++)
		fprintf(out, LOG_LINE, i);
	fclose(out);
	return text;
}

/* alpha has a log that takes several pieces, cut wherever that is; beta is not there. */
static void tells_log(struct fake *fake, const struct msg_request *request)
{
	auto_free char *text = log_text();
	char piece[JOB_PIECE + 1];
	struct msg_job job = fake_stayed;

	if (str_eq(request->host, "beta")) {
		fake_reply(fake, &(struct msg_reply){.code = ERR_unreachable,
						     .error = "beta is dead",
						     .final = true});
		return;
	}
	if (request->host) {
		str_copy(piece, sizeof(piece), text + request->offset);
		job.log = piece;
		job.log_host = "alpha";
		job.log_name = "dump.log";
		job.log_offset = request->offset;
		job.log_total = strlen(text);
	}
	fake_reply(fake, &(struct msg_reply){.final = true, .jobs = {&job, 1}});
}

static void a_log_comes_whole_as_json(void **state)
{
	auto_free char *text = log_text();
	char endpoint[64];
	const char *got;
	pid_t coordinator;
	struct ran ran;
	json_t *job, *logs, *log;

	(void)state;
	str_fmt(endpoint, sizeof(endpoint), "ipc:///tmp/drover-pages-%d.sock", (int)getpid());
	setenv("DROVER_COORDINATOR", endpoint, 1);
	coordinator = fake_start(endpoint, tells_log);
	ran = run("job web --log --json");
	job = json_loads(ran.out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(job, "container")), "web");
	logs = json_object_get(job, "logs");
	assert_int_equal(json_array_size(logs), 2);
	log = json_array_get(logs, 0);
	got = json_string_value(json_object_get(log, "text"));
	assert_non_null(got);
	assert_true(str_eq(got, text));
	assert_string_equal(json_string_value(json_object_get(log, "name")), "dump.log");
	log = json_array_get(logs, 1);
	assert_string_equal(json_string_value(json_object_get(log, "host")), "beta");
	assert_string_equal(json_string_value(json_object_get(log, "error")), "beta is dead");
	json_decref(job);
	ran_free(&ran);
	fake_stop(coordinator);
	unlink(endpoint + strlen("ipc://"));
}

/* --- the pages --- */

/* The reply to one request, freed by the next. */
static const struct msg_reply *ask(const struct msg_request *request)
{
	static struct msg *reply;
	struct msg *msg = msg_copy(MSG_TYPE_request, request);

	str_copy(msg->head.request, ULID_SIZE, "01HY0000000000000000000002");
	feed(&(struct core_event){
		.kind = CORE_request, .client = 7, .msg = msg, .id = "01HY0000000000000000000003"});
	msg_free(&msg);
	msg_free(&reply);
	for (size_t i = 0; i < fx.n_sends; i++)
		if (fx.sends[i].client)
			reply = msg_copy(MSG_TYPE_reply, fx.sends[i].msg->reply);
	effects_reset(&fx);
	assert_non_null(reply);
	return reply->reply;
}

static const struct msg_reply *page(const char *command, const char *key)
{
	return ask(&(struct msg_request){.command = command, .paged = true, .page = key});
}

static void one_host_is_one_page_and_many_are_several(void **state)
{
	const struct msg_reply *reply;

	(void)state;
	begin_large();
	reply = ask(&(struct msg_request){.command = "hosts", .host = "host-0007"});
	assert_int_equal(reply->hosts.n, 1);
	assert_null(reply->next);
	reply = page("hosts", NULL);
	assert_int_equal(reply->hosts.n, 512);
	assert_string_equal(reply->next, "host-0512");
	end();
}

static void a_page_goes_on_where_a_host_or_a_container_would_be_that_is_gone(void **state)
{
	struct msg_container guests[] = {guest("a", "runc"), guest("c", "runc"), guest("c", "crun"),
					 guest("cc", "runc")};
	const struct msg_reply *reply;

	(void)state;
	begin();
	add_host("alpha", NULL, 0);
	add_host("gamma", guests, 4);
	reply = page("hosts", "beta");
	assert_int_equal(reply->hosts.n, 1);
	assert_string_equal(reply->hosts.v[0].id, "gamma");
	assert_int_equal(page("ps", NULL)->places.n, 4);
	assert_int_equal(page("ps", "beta/c/runc")->places.n, 4);
	assert_int_equal(page("ps", "gamma/b/runc")->places.n, 3);
	reply = page("ps", "gamma/c/runc");
	assert_int_equal(reply->places.n, 2);
	assert_string_equal(reply->places.v[0].container->runtime, "runc");
	assert_string_equal(reply->places.v[1].container->id, "cc");
	assert_int_equal(page("ps", "gamma/d")->places.n, 0);
	assert_int_equal(page("ps", "///")->places.n, 4);
	end();
}

static void a_page_is_as_small_as_its_records_are_large(void **state)
{
	static struct msg_container guests[400];
	static char names[400][NAME_SIZE], text[250];
	const char *labels[32], *key = NULL;
	char next[192];
	unsigned n = 0, pages = 0;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (size_t i = 0; i < ARRAY_LEN(labels); i++)
		labels[i] = text;
	for (size_t i = 0; i < ARRAY_LEN(guests); i++) {
		str_fmt(names[i], NAME_SIZE, "web-%03zu", i);
		guests[i] = guest(names[i], "runc");
		guests[i].labels = (struct msg_strs){labels, ARRAY_LEN(labels)};
	}
	begin();
	add_host("alpha", guests, ARRAY_LEN(guests));
	assert_int_equal(ask(&(struct msg_request){.command = "ps"})->code, ERR_invalid);
	do {
		const struct msg_reply *reply = page("ps", key);

		assert_int_equal(reply->code, 0);
		for (size_t i = 0; i < reply->places.n; i++)
			assert_string_equal(reply->places.v[i].container->id, names[n++]);
		key = reply->next ? next : NULL;
		str_copy(next, sizeof(next), reply->next);
		pages++;
	} while (key);
	assert_int_equal(n, ARRAY_LEN(guests));
	assert_in_range(pages, 7, 16);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_that_no_message_holds_comes_whole),
		cmocka_unit_test(a_log_comes_whole_as_json),
		cmocka_unit_test(one_host_is_one_page_and_many_are_several),
		cmocka_unit_test(a_page_goes_on_where_a_host_or_a_container_would_be_that_is_gone),
		cmocka_unit_test(a_page_is_as_small_as_its_records_are_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
