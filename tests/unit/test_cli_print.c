/* SPDX-License-Identifier: MPL-2.0
 *
 * What people read, from fixed replies: each text below is the page as it is meant to look. */
#include "test_cli_fake.h"
#include "test_cli_run.h"

#include "cli/print.h"
#include "cli/table.h"

#include <jansson.h>
#include <locale.h>

/* A reply printed by a command, as on a terminal of some width or into a file (width 0). */
static char *printed(const char *line, const struct msg_reply *reply, struct style style)
{
	struct cli cli = {.style = style, .err_style = style};
	char *words[16] = {"drover"};
	auto_free char *copy = str_dup(line);
	char *text = NULL;
	struct err err;
	size_t len;
	int n = 1;

	for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
		words[n++] = at;
	if (invocation_parse(&cli.in, n, words, &err))
		fail_msg("%s: %s", line, err.text);
	cli.out = cli.err = open_memstream(&text, &len);
	cli.in.command->print(&cli, reply);
	fclose(cli.out);
	invocation_done(&cli.in);
	return text;
}

static void check_page(const char *line, const struct msg_reply *reply, struct style style,
		       const char *expected)
{
	auto_free char *text = printed(line, reply, style);

	assert_string_equal(text, expected);
}

static const struct style file = {0};
static const struct style screen = {.tty = true, .utf8 = true, .width = 110};

static struct msg_reply status_reply(void)
{
	static struct msg_job jobs[2];

	jobs[0] = fake_running("sync", "memory", 310 * MIB);
	jobs[1] = fake_held;
	return (struct msg_reply){.final = true,
				  .cluster = &fake_cluster,
				  .hosts = {fake_hosts, 3},
				  .jobs = {jobs, 2}};
}

static void status_is_one_page(void **state)
{
	struct msg_reply reply = status_reply();

	(void)state;
	/* clang-format off */
	check_page("status", &reply, screen,
"coordinator alpha · 0.1.0 · up 2h13m · beat 1.0 s\n"
"2/3 hosts up · 12 containers · 1 moving · 1 held\n"
"\n"
"HOST   STATE               CPU            MEM      FREE  CTRS    SEEN  NOTE\n"
"alpha  up        ━━━╸────  42%  ━━━━━━──  75%   4.0 GiB     7  400 ms\n"
"beta   cordoned  ╸───────   6%  ━───────  14%  13.8 GiB     2  700 ms  disk swap on Friday\n"
"gamma  dead                                                 3   5m12s  containers unknown, not dead\n"
"\n"
"MOVING\n"
"  007QK3  web  alpha → beta  memory     ━━━━━━━━━━━━━━━━━━╸───────────  62%  310/500 MiB  210 MiB/s  ETA 2 s\n"
"\n"
"A PERSON HAS TO DECIDE\n"
"  db  HELD: alpha or gamma, job 00HE1D\n"
"    waits for gamma\n"
"    why: gamma has not answered since it was given db\n"
"    fix: bring gamma back, or prove that it is off: drover force db\n");
	/* clang-format on */
}

static void hosts_are_a_table(void **state)
{
	struct msg_reply reply = status_reply();

	(void)state;
	/* clang-format off */
	check_page("hosts", &reply, file,
"HOST   STATE     CPU  MEM      FREE  LOAD  CTRS    SEEN  NOTE\n"
"alpha  up        42%  75%   4.0 GiB  3.10     7  400 ms\n"
"beta   cordoned   6%  14%  13.8 GiB  0.40     2  700 ms  disk swap on Friday\n"
"gamma  dead                                   3   5m12s  containers unknown, not dead\n");
	/* clang-format on */
}

static void containers_are_a_table(void **state)
{
	const char *addrs[] = {"10.9.1.7/24"};
	struct msg_net net = {.kind = "named", .addrs = {addrs, 1}};
	struct msg_container web = {.id = "web",
				    .runtime = "runc",
				    .status = "running",
				    .rss_bytes = 64 * MIB,
				    .cpu_permille = 120,
				    .tcp_established = 1,
				    .net = &net};
	struct msg_container db = {.id = "db",
				   .runtime = "crun",
				   .status = "running",
				   .rss_bytes = 1500 * MIB,
				   .cpu_permille = 1200};
	struct msg_place places[] = {
		{.host = "alpha", .host_state = "up", .container = &web, .job = FAKE_JOB},
		{.host = "gamma", .host_state = "dead", .container = &db},
		{.host = "beta", .host_state = "up"},
	};
	struct msg_reply reply = {.places = {places, 3}};

	(void)state;
	/* clang-format off */
	check_page("ps", &reply, file,
"CONTAINER  HOST   STATUS   RUNTIME    MEMORY   CPU  ADDRESS      TCP  JOB\n"
"web        alpha  running  runc     64.0 MiB   12%  10.9.1.7/24    1  007QK3\n"
"db         gamma  unknown  crun      1.5 GiB  120%                 0\n"
"           beta   unknown\n");
	/* clang-format on */
}

static void jobs_and_history_are_tables(void **state)
{
	struct msg_job past[] = {fake_moved, fake_stayed};
	struct msg_reply reply = status_reply();

	(void)state;
	/* clang-format off */
	check_page("jobs", &reply, file,
"JOB     CONTAINER  FROM   TO     STATE    STEP         PROGRESS       RATE     ETA  WAITING-FOR\n"
"007QK3  web        alpha  beta   running  sync memory       62%  210 MiB/s  1.50 s\n"
"00HE1D  db         alpha  gamma  HELD     start                                     gamma\n");
	reply = (struct msg_reply){.jobs = {past, 2}};
	check_page("history", &reply, file,
"FINISHED             JOB     CONTAINER  FROM   TO    OUTCOME  DOWNTIME  PREDICTED  OFF      SENT    TOOK  ERROR\n"
"2025-11-24 16:00:02  007QK3  web        alpha  beta  MOVED      182 ms     200 ms  -9%  23.0 MiB  2.31 s\n"
"2025-11-24 16:00:00  007QK3  web        alpha  beta  STAYED                                       900 ms  restore on beta: /data/x is not there\n");
	/* clang-format on */
}

static struct msg_reply check_reply(void)
{
	static struct msg_term terms[] = {{"headroom", .4, .91}, {"keep", .05, 1}};
	static struct msg_reason warning = {
		.code = "W-CRIU-OLD", .why = "beta has CRIU 3.17", .warning = true};
	static struct msg_reason refusal = {.code = "E-CPU-XSAVE",
					    .why = "alpha saves 2696 bytes, gamma loads 832",
					    .fix = "choose a host with AVX-512",
					    .skip = "cpu"};
	static struct msg_candidate candidates[] = {
		{.host = "beta",
		 .verdict = "warn",
		 .score = 86.2,
		 .terms = {terms, 2},
		 .reasons = {&warning, 1},
		 .predicted_frozen_ms = 190,
		 .predicted_total_ms = 2100},
		{.host = "gamma", .verdict = "no", .reasons = {&refusal, 1}},
	};

	return (struct msg_reply){.final = true, .candidates = {candidates, 2}};
}

static void check_ranks_and_says_why_not(void **state)
{
	struct msg_reply reply = check_reply();

	(void)state;
	/* clang-format off */
	check_page("check web", &reply, screen,
"web can move to 1 of 2 hosts, best beta\n"
"  1 beta  warn  score 86.2  downtime about 190 ms  total 2.10 s\n"
"      headroom     ━━━━━━━━━─  36.4 = 40 x 0.91\n"
"      keep         ━━━━━━━━━━   5.0 =  5 x 1.00\n"
"    ! W-CRIU-OLD  beta has CRIU 3.17\n"
"  ✗ gamma  no\n"
"    ✗ E-CPU-XSAVE  alpha saves 2696 bytes, gamma loads 832\n"
"      fix: choose a host with AVX-512\n"
"      or leave this check out: --skip cpu\n");
	/* clang-format on */
}

static void the_summary_draws_where_the_downtime_went(void **state)
{
	struct msg_job job = fake_moved;
	struct msg_reply reply = {.final = true, .jobs = {&job, 1}};

	(void)state;
	/* clang-format off */
	check_page("job web", &reply, screen,
"web  MOVED  alpha → beta  job " FAKE_JOB "\n"
"  runs on    beta\n"
"  downtime   182 ms, predicted 200 ms (-9%)\n"
"    freeze      0.9 ms  ▏\n"
"    dump         71 ms  █████████▍\n"
"    send         12 ms  █▋\n"
"    verify      5.2 ms  ▋\n"
"    restore      80 ms  ██████████▌\n"
"    start        13 ms  █▊\n"
"  sent       23.0 MiB, 1.5 MiB of it while frozen, 210 MiB/s\n"
"  carried    memory of 64.0 MiB, files of 120 MiB, 2 rounds while it ran\n"
"  took       2.31 s\n");
	/* clang-format on */
}

static void a_job_that_failed_says_what_to_do(void **state)
{
	struct msg_job job = fake_stayed;
	struct msg_reply reply = {.final = true, .jobs = {&job, 1}};

	(void)state;
	/* clang-format off */
	check_page("job web", &reply, file,
"web  STAYED  alpha -> beta  job " FAKE_JOB "\n"
"  runs on    alpha\n"
"  took       900 ms\n"
"  why        restore on beta: /data/x is not there\n"
"  fix        create /data/x on beta\n"
"  log        drover job " FAKE_JOB " --log\n");
	job = fake_held;
	check_page("job db", &reply, file,
"db  HELD  alpha -> gamma  job 01KB000000000000000000HE1D\n"
"  runs on    unknown: alpha or gamma\n"
"  waits for  gamma\n"
"  why        gamma has not answered since it was given db\n"
"  fix        bring gamma back, or prove that it is off: drover force db\n");
	/* clang-format on */
}

static void columns_are_chosen_and_added(void **state)
{
	struct msg_reply reply = status_reply();

	(void)state;
	check_page("hosts -c state,host --no-headings", &reply, file,
		   "up        alpha\ncordoned  beta\ndead      gamma\n");
	check_page("hosts -o plain -c id,age_ms", &reply, file,
		   "alpha\t400 ms\nbeta\t700 ms\ngamma\t5m12s\n");
}

static void every_json_is_json(void **state)
{
	static const char *const lines[] = {
		"status --json", "hosts --json",     "jobs --json",    "history --json",
		"ps --json",     "check web --json", "job web --json", "migrate web --json"};
	struct msg_reply reply = status_reply();
	struct msg_reply check = check_reply();

	(void)state;
	reply.candidates.v = check.candidates.v;
	reply.candidates.n = check.candidates.n;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		auto_free char *text = printed(lines[i], &reply, file);
		json_t *value = json_loads(text, 0, NULL);

		if (!value)
			fail_msg("%s printed:\n%s", lines[i], text);
		json_decref(value);
	}
}

static void an_empty_reply_prints_nothing_into_files(void **state)
{
	struct msg_reply reply = {.final = true};
	static const char *const lines[] = {"hosts", "ps", "jobs", "history", "hosts -o plain"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		check_page(lines[i], &reply, file, "");
	check_page("jobs", &reply, screen, "Nothing moves.\n");
	check_page("jobs --json", &reply, file, "[]\n");
}

static void colours_come_only_where_they_are_wanted(void **state)
{
	struct msg_reply reply = status_reply();
	struct style colored = screen;
	auto_free char *plain = printed("status", &reply, screen);
	auto_free char *tabs = NULL, *bright = NULL;

	(void)state;
	colored.color = true;
	bright = printed("status", &reply, colored);
	tabs = printed("hosts -o plain", &reply, colored);
	assert_null(strchr(plain, '\033'));
	assert_null(strchr(tabs, '\033'));
	assert_has(bright, "\033[1;31mdead");
	assert_has(bright, "\033[1;31m1 held\033[0m");
}

/* Without UTF-8 nothing outside ASCII is printed. */
static void ascii_is_enough(void **state)
{
	struct msg_reply reply = status_reply();
	struct style ascii = {.tty = true, .width = 110};
	static const char *const lines[] = {"status", "hosts", "jobs", "job web", "check web"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		auto_free char *text = printed(lines[i], &reply, ascii);

		for (const char *at = text; *at; at++)
			assert_true(*at >= '\n' && *at <= '~');
	}
}

/* A container may write what it likes into its restore log. */
static void terminals_obey_nobody_else(void **state)
{
	struct msg_job job = fake_stayed;
	struct msg_reply reply = {.final = true, .jobs = {&job, 1}};
	static const char *const lines[] = {"job web", "job web --log", "jobs", "status",
					    "migrate web"};

	(void)state;
	job.error = job.fix = job.log = job.waiting_for = job.phase =
		"a\033]0;title\007b\302\233c\rd\177";
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		auto_free char *text = printed(lines[i], &reply, screen);

		assert_null(strpbrk(text, "\033\007\r\177"));
		assert_null(strstr(text, "\302\233"));
	}
	check_page("job web --log", &reply, file, "a?]0;title?b?c?d?\n");
}

static void every_event_is_one_line(void **state)
{
	struct msg_job job = fake_running("sync", "tree", 25 * MIB);
	struct msg_event event = {.wall_ms = 1764000000000, .kind = "job.progress", .job = &job};
	auto_free char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	event_print(out, &file, &event);
	event = (struct msg_event){.wall_ms = 1764000001000,
				   .kind = "host.suspect",
				   .host = "gamma",
				   .text = "no beat for 4.2 s"};
	event_print(out, &file, &event);
	event_print(out, &file, &(struct msg_event){0});
	fclose(out);
	assert_string_equal(
		text, "16:00:00  job.progress    web              copying files while it runs, 5%\n"
		      "16:00:01  host.suspect    gamma            no beat for 4.2 s\n"
		      "00:00:00                  \n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_one_page),
		cmocka_unit_test(hosts_are_a_table),
		cmocka_unit_test(containers_are_a_table),
		cmocka_unit_test(jobs_and_history_are_tables),
		cmocka_unit_test(check_ranks_and_says_why_not),
		cmocka_unit_test(the_summary_draws_where_the_downtime_went),
		cmocka_unit_test(a_job_that_failed_says_what_to_do),
		cmocka_unit_test(columns_are_chosen_and_added),
		cmocka_unit_test(every_json_is_json),
		cmocka_unit_test(an_empty_reply_prints_nothing_into_files),
		cmocka_unit_test(colours_come_only_where_they_are_wanted),
		cmocka_unit_test(ascii_is_enough),
		cmocka_unit_test(terminals_obey_nobody_else),
		cmocka_unit_test(every_event_is_one_line),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
