/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line against a coordinator on the real bus: what is asked, what is printed, which
 * exit code, and that leaving leaves the job alone. */
#include "test_cli_serve.h"

#include <sys/time.h>

static void migrates(struct fake *fake, const struct msg_request *request)
{
	struct msg_job job = fake_running("check", "", 0);
	static const char *const course[][2] = {
		{"reserve", ""},  {"sync", "tree"},   {"sync", "memory"}, {"hold", "freeze"},
		{"hold", "dump"}, {"arm", "restore"}, {"start", ""}};

	fake_reply(fake, &(struct msg_reply){.jobs = {&job, 1}, .final = !request->follow});
	if (!request->follow)
		return;
	for (size_t i = 0; i < ARRAY_LEN(course); i++) {
		job = fake_running(course[i][0], course[i][1], 25 * MIB);
		job.frozen = i >= 3;
		fake_event(fake, "job.step", &job);
		usleep(20000);
	}
	fake_end(fake, str_eq(request->container, "bad")    ? &fake_stayed
		       : str_eq(request->container, "held") ? &fake_held
							    : &fake_moved);
}

static void a_followed_migration_tells_each_phase_and_sums_up(void **state)
{
	struct ran ran;

	(void)state;
	serve(migrates);
	ran = run("migrate web --to beta");
	assert_int_equal(ran.exit_code, 0);
	assert_string_equal(ran.err, "");
	assert_string_equal(
		ran.out,
		"web: job " FAKE_JOB ", alpha -> beta\n"
		"web: checking source and target\n"
		"web: reserving memory, disk and network at the target\n"
		"web: copying files while it runs\n"
		"web: copying memory while it runs\n"
		"web: frozen: stopping it\n"
		"web: frozen: dumping its state\n"
		"web: frozen: restoring at the target\n"
		"web: frozen: starting at the target\n"
		"web  MOVED  alpha -> beta  job " FAKE_JOB "\n"
		"  runs on    beta\n"
		"  downtime   182 ms, predicted 200 ms (-9%)\n"
		"    freeze      0.9 ms\n"
		"    dump         71 ms\n"
		"    send         12 ms\n"
		"    verify      5.2 ms\n"
		"    restore      80 ms\n"
		"    start        13 ms\n"
		"  sent       23.0 MiB, 1.5 MiB of it while frozen, 210 MiB/s\n"
		"  carried    memory of 64.0 MiB, files of 120 MiB, 2 rounds while it ran\n"
		"  took       2.31 s\n");
	ran_free(&ran);
}

static void a_migration_that_stayed_is_told_whole(void **state)
{
	struct ran ran;

	(void)state;
	serve(migrates);
	ran = run("migrate bad -q");
	assert_int_equal(ran.exit_code, 8);
	assert_string_equal(ran.out, "");
	assert_string_equal(ran.err, "drover: web was not moved, the attempt was undone\n"
				     "  why: restore on beta: /data/x is not there\n"
				     "  fix: create /data/x on beta\n"
				     "  web runs on alpha\n"
				     "  log: drover job " FAKE_JOB " --log\n");
	ran_free(&ran);
}

/* Who asks why a daemon has not taken its file asks on the host that has the file. */
static void a_daemons_line_that_is_wrong_is_passed_over(void **state)
{
	char path[] = "/tmp/drover-cli-XXXXXX";
	int fd = mkstemp(path);
	auto_free char *line = str_new("migrate held -q --config %s", path);
	struct ran ran;

	(void)state;
	assert_true(write(fd, "[worker]\nhodl = 5s\n", 19) == 19);
	serve(migrates);
	ran = run(line);
	assert_int_equal(ran.exit_code, 9);
	assert_has(ran.err, "passed over: /tmp/drover-cli-");
	assert_has(ran.err, ":2: [worker] has no option \"hodl\"");
	ran_free(&ran);
	assert_true(write(fd, "[cli]\nserver = a b\n", 19) == 19);
	ran = run(line);
	assert_int_equal(ran.exit_code, 2);
	assert_has_not(ran.err, "passed over");
	ran_free(&ran);
	close(fd);
	unlink(path);
}

static void a_held_container_exits_with_9(void **state)
{
	struct ran ran;

	(void)state;
	serve(migrates);
	ran = run("migrate held -q");
	assert_int_equal(ran.exit_code, 9);
	assert_has(ran.err, "db is held");
	assert_has_not(ran.err, "runs on");
	ran_free(&ran);
}

static void json_is_one_object_and_with_follow_one_a_line(void **state)
{
	struct ran ran;
	size_t lines = 0;
	json_t *object;

	(void)state;
	serve(migrates);
	ran = run("migrate web --json");
	assert_int_equal(ran.exit_code, 0);
	object = load(ran.out);
	assert_string_equal(json_string_value(json_object_get(object, "outcome")), "MOVED");
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(object, "figures"), "frozen_us")),
			 182400);
	json_decref(object);
	ran_free(&ran);

	ran = run("migrate web --json --follow");
	for (char *line = strtok(ran.out, "\n"); line; line = strtok(NULL, "\n"), lines++)
		json_decref(load(line));
	assert_int_equal(lines, 8);
	ran_free(&ran);

	ran = run("migrate bad --json");
	assert_int_equal(ran.exit_code, 8);
	object = load(ran.out);
	assert_string_equal(json_string_value(json_object_get(object, "runs_on")), "alpha");
	assert_has(ran.err, "web runs on alpha");
	json_decref(object);
	ran_free(&ran);
}

static void shows_stayed(struct fake *fake, const struct msg_request *request)
{
	(void)request;
	fake_end(fake, &fake_stayed);
}

/* What is asked for is the record, and there it is. */
static void to_show_a_job_that_failed_is_no_failure(void **state)
{
	struct ran ran;
	json_t *object;

	(void)state;
	serve(shows_stayed);
	ran = run("job web --json");
	assert_int_equal(ran.exit_code, 0);
	object = load(ran.out);
	assert_string_equal(json_string_value(json_object_get(object, "outcome")), "STAYED");
	assert_string_equal(ran.err, "");
	json_decref(object);
	ran_free(&ran);

	ran = run("job web");
	assert_int_equal(ran.exit_code, 0);
	assert_has(ran.out, "STAYED");
	assert_has(ran.out, "fix        create /data/x on beta");
	ran_free(&ran);
}

static void detached_it_prints_the_job(void **state)
{
	struct ran ran;

	(void)state;
	serve(migrates);
	ran = run("migrate web -d");
	assert_int_equal(ran.exit_code, 0);
	assert_string_equal(ran.out, "job " FAKE_JOB ": web alpha -> beta\n");
	ran_free(&ran);
}

/* Starts and says no more. */
static void stalls(struct fake *fake, const struct msg_request *request)
{
	struct msg_job job = fake_running("sync", "memory", 25 * MIB);

	if (request->follow)
		fake_reply(fake, &(struct msg_reply){.jobs = {&job, 1}});
}

static void on_alarm(int number)
{
	(void)number;
	cli_interrupt();
}

static void interrupt_in_ms(unsigned ms)
{
	struct itimerval timer = {.it_value = {.tv_usec = ms * 1000}};
	struct sigaction action = {.sa_handler = on_alarm};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void an_interrupt_leaves_the_job_alone(void **state)
{
	struct ran ran;

	(void)state;
	serve(stalls);
	interrupt_in_ms(300);
	ran = run("migrate web");
	assert_int_equal(ran.exit_code, EXIT_DETACHED);
	assert_has(ran.err, "job " FAKE_JOB " goes on: drover job ");
	assert_has(ran.err, " --follow\n");
	assert_true(strlen(ran.err) < 80);
	ran_free(&ran);
}

/* As a coordinator that was restarted: the stream has ended, and is asked for again. */
static void forgets(struct fake *fake, const struct msg_request *request)
{
	if (str_eq(request->command, "migrate"))
		stalls(fake, request);
	else if (str_eq(request->command, "job") && str_eq(request->job, FAKE_JOB))
		fake_end(fake, &fake_moved);
}

static void a_stream_that_ends_is_taken_up_again(void **state)
{
	struct ran ran;

	(void)state;
	serve(forgets);
	ran = run("migrate web -q --timeout 1s");
	assert_int_equal(ran.exit_code, 0);
	assert_string_equal(ran.out, "web MOVED beta 182 ms\n");
	ran_free(&ran);
}

static void refuses(struct fake *fake, const struct msg_request *request)
{
	struct msg_reason reason = {
		.code = "E-MEM", .why = "needs 1.1 GiB, beta has 700 MiB", .fix = "free memory"};
	struct msg_candidate candidate = {.host = "beta", .verdict = "no", .reasons = {&reason, 1}};

	(void)request;
	fake_reply(fake, &(struct msg_reply){.code = ERR_refused,
					     .error = "no host can take it live",
					     .final = true,
					     .candidates = {&candidate, 1}});
}

static void a_refusal_names_each_host_and_why(void **state)
{
	struct ran ran;

	(void)state;
	serve(refuses);
	ran = run("migrate web");
	assert_int_equal(ran.exit_code, 3);
	assert_string_equal(ran.err, "drover: no host can take it live\n"
				     "  beta\n"
				     "    x E-MEM  needs 1.1 GiB, beta has 700 MiB\n"
				     "      fix: free memory\n");
	ran_free(&ran);
	ran = run("check web");
	assert_int_equal(ran.exit_code, 3);
	assert_has(ran.out, "web cannot move live to any of these hosts\n");
	ran_free(&ran);
}

static void ready(struct fake *fake, const struct msg_request *request)
{
	struct msg_reason reason = {.code = "E-IOURING",
				    .why = "a process of db has an io_uring open",
				    .skip = "iouring"};
	struct msg_reason warning = {.code = "E-AVOID", .why = "beta is hdd", .warning = true};
	struct msg_candidate best = {.host = "beta", .score = 71.5, .predicted_frozen_ms = 700};
	struct msg_container web = {.id = "web", .rss_bytes = 64 * MIB}, db = {.id = "db"};
	struct msg_place places[] = {
		{.host = "alpha",
		 .container = &web,
		 .verdict = "warn",
		 .reasons = {&warning, 1},
		 .best = &best,
		 .host_state = "up"},
		{.host = "alpha",
		 .container = &db,
		 .verdict = "cold",
		 .reasons = {&reason, 1},
		 .host_state = "up"},
	};
	struct msg_tally tally = {.judged = 2, .warn = 1, .cold = 1};
	bool stuck = str_eq(request->mode, "stuck");

	fake_reply(fake, &(struct msg_reply){.code = stuck ? 0 : ERR_partly,
					     .final = true,
					     .places = {places + stuck, 2u - stuck},
					     .tally = &tally});
}

static void a_host_is_judged_as_its_evacuation_would(void **state)
{
	json_t *object;
	struct ran ran;

	(void)state;
	serve(ready);
	ran = run("check --host alpha");
	assert_int_equal(ran.exit_code, 4);
	assert_has(ran.out, "alpha: 2 containers: 0 live, 1 with warnings, 1 only while stopped: "
			    "iouring\n");
	assert_has(ran.out, "web        warn     beta   71.5    700 ms  64.0 MiB  E-AVOID\n");
	assert_has(ran.out, "E-IOURING: a process of db has an io_uring open\n");
	ran_free(&ran);
	ran = run("check --host alpha --json");
	assert_int_equal(ran.exit_code, 4);
	object = load(ran.out);
	assert_string_equal(json_string_value(json_object_get(object, "host")), "alpha");
	assert_int_equal(json_array_size(json_object_get(object, "places")), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(object, "tally"), "cold")), 1);
	json_decref(object);
	ran_free(&ran);
	ran = run("ps --stuck");
	assert_int_equal(ran.exit_code, 0);
	assert_has(ran.out, "db         cold");
	assert_has(ran.out, "E-IOURING");
	assert_has_not(ran.out, "web");
	ran_free(&ran);
}

static void silent(struct fake *fake, const struct msg_request *request)
{
	(void)fake;
	(void)request;
}

static void a_silent_coordinator_is_unreachable(void **state)
{
	static const char *const lines[] = {"hosts", "migrate web", "watch", "hosts --watch=1"};

	(void)state;
	serve(silent);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		auto_free char *line = str_new("%s --timeout 200ms", lines[i]);
		struct ran ran = run(line);

		assert_int_equal(ran.exit_code, 5);
		assert_has(ran.err, "drover: the coordinator cannot be asked\n");
		assert_has(ran.err, endpoint);
		assert_has(ran.err, "fix: is drover-coordinator running");
		ran_free(&ran);
	}
}

static void an_absent_coordinator_is_unreachable(void **state)
{
	struct ran ran;
	json_t *object;

	(void)state;
	setenv("DROVER_COORDINATOR", "ipc:///tmp/drover-cli-none.sock", 1);
	ran = run("ps --json");
	assert_int_equal(ran.exit_code, 5);
	assert_has(ran.err, "/tmp/drover-cli-none.sock");
	assert_has(ran.err, "fix: is drover-coordinator running");
	object = load(ran.out);
	assert_string_equal(json_string_value(json_object_get(object, "name")), "unreachable");
	json_decref(object);
	ran_free(&ran);
}

/* Every code travels to its exit code, with its error and fix. */
static void fails(struct fake *fake, const struct msg_request *request)
{
	uint64_t code = strtoul(request->container + 1, NULL, 10);

	fake_reply(fake,
		   &(struct msg_reply){
			   .code = code, .error = "it failed so", .fix = "do this", .final = true});
}

static void codes_become_exit_codes(void **state)
{
	(void)state;
	serve(fails);
	for (int code = ERR_usage; code <= ERR_lost; code++) {
		auto_free char *line = str_new("check c%d", code);
		struct ran ran = run(line);

		assert_int_equal(ran.exit_code, err_exit_code(code));
		assert_string_equal(ran.err, "drover: it failed so\n  fix: do this\n");
		ran_free(&ran);
	}
}

static void lists(struct fake *fake, const struct msg_request *request)
{
	struct msg_reply reply = {.final = true, .hosts = {fake_hosts, 3}};

	if (!str_eq(request->command, "watch"))
		fake_reply(fake, &reply);
}

static void lists_are_tables_tabs_or_json(void **state)
{
	struct ran ran;
	json_t *list;

	(void)state;
	serve(lists);
	ran = run("hosts -c host,state,mem,criu");
	assert_string_equal(ran.out, "HOST   STATE     MEM  CRIU\n"
				     "alpha  up        75%  4.1\n"
				     "beta   cordoned  14%  4.1\n"
				     "gamma  dead           3.17.1\n");
	ran_free(&ran);
	ran = run("hosts -o plain -c host,free");
	assert_string_equal(ran.out, "alpha\t4.0 GiB\nbeta\t13.8 GiB\ngamma\t\n");
	ran_free(&ran);
	ran = run("hosts --json");
	list = load(ran.out);
	assert_int_equal(json_array_size(list), 3);
	assert_true(json_is_true(json_object_get(json_array_get(list, 1), "cordoned")));
	json_decref(list);
	ran_free(&ran);
}

static void watching_draws_again_until_interrupted(void **state)
{
	struct ran ran;

	(void)state;
	serve(lists);
	interrupt_in_ms(900);
	ran = run("hosts --watch -c host --no-headings");
	assert_int_equal(ran.exit_code, 0);
	assert_has(ran.out, "alpha\nbeta\ngamma\n");
	ran_free(&ran);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, stopping)
	const struct CMUnitTest tests[] = {
		T(a_followed_migration_tells_each_phase_and_sums_up),
		T(a_migration_that_stayed_is_told_whole),
		T(a_daemons_line_that_is_wrong_is_passed_over),
		T(a_held_container_exits_with_9),
		T(json_is_one_object_and_with_follow_one_a_line),
		T(to_show_a_job_that_failed_is_no_failure),
		T(detached_it_prints_the_job),
		T(an_interrupt_leaves_the_job_alone),
		T(a_stream_that_ends_is_taken_up_again),
		T(a_refusal_names_each_host_and_why),
		T(a_host_is_judged_as_its_evacuation_would),
		T(a_silent_coordinator_is_unreachable),
		T(an_absent_coordinator_is_unreachable),
		T(codes_become_exit_codes),
		T(lists_are_tables_tabs_or_json),
		T(watching_draws_again_until_interrupted),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
