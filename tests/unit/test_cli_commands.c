/* SPDX-License-Identifier: MPL-2.0
 *
 * The command line is understood, or refused with exit code 2 and the nearest thing that would be
 * understood; help, manual page and completion know every command of the table. */
#include "test_cli_run.h"

#include <jansson.h>
#include <sys/stat.h>

static void check_refused(const char *line, const char *what, const char *fix)
{
	struct ran ran = run(line);

	assert_int_equal(ran.exit_code, 2);
	assert_string_equal(ran.out, "");
	assert_has(ran.err, "drover: ");
	assert_has(ran.err, what);
	assert_has(ran.err, fix);
	ran_free(&ran);
}

static void mistakes_exit_with_2_and_name_the_nearest(void **state)
{
	/* clang-format off */
	static const struct { const char *line, *what, *fix; } rows[] = {
		{ "migrte web",             "there is no command \"migrte\"", "did you mean: drover migrate" },
		{ "frobnicate",             "no command \"frobnicate\"", "drover help" },
		{ "roster chek",            "roster needs one of: check", "did you mean: drover roster check" },
		{ "roster",                 "roster needs one of: check", "" },
		{ "migrate",                "migrate needs CTR", "drover migrate web" },
		{ "migrate web beta",       "takes no argument \"beta\"", "drover migrate --help" },
		{ "migrate web --tu beta",  "unknown option --tu", "did you mean --to?" },
		{ "migrate --tu=beta web",  "unknown option --tu", "did you mean --to?" },
		{ "migrate web --to",       "--to needs a value: HOST", "" },
		{ "migrate web --force=x",  "--force takes no value", "" },
		{ "migrate -- --to",        "\"--to\" is not a name", "letters" },
		{ "migrate ../web",         "\"../web\" is not a name", "letters" },
		{ "migrate web --deadline 30", "--deadline takes a time", "10s" },
		{ "migrate web --deadline 0s", "--deadline takes a time", "10s" },
		{ "migrate web --skip cpu,,x", "--skip: \"\" is not a name", "" },
		{ "hosts -o jsn",           "table wide json plain", "did you mean --output json?" },
		{ "hosts -c host,stat",     "no column \"stat\"", "did you mean state?" },
		{ "history -n 0",           "--limit takes a number from 1 to 1024", "" },
		{ "history -n x",           "--limit takes a number", "" },
		{ "hosts -z",               "unknown option -z", "drover hosts --help" },
		{ "hosts -aq",              "unknown option", "" },
		{ "--colour=always hosts",  "unknown option --colour", "did you mean --color?" },
		{ "--timeout hosts",        "--timeout takes a time", "10s" },
		{ "completion zhs",         "bash, zsh and fish", "did you mean: drover completion zsh" },
		{ "status --coordinator x", "is no endpoint", "ipc:///path" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_refused(rows[i].line, rows[i].what, rows[i].fix);
}

static void json_is_there_when_arguments_are_wrong_later(void **state)
{
	struct ran ran = run("migrate web --json --deadline soon");
	json_t *object = json_loads(ran.out, 0, NULL);

	(void)state;
	assert_int_equal(ran.exit_code, 2);
	assert_string_equal(json_string_value(json_object_get(object, "name")), "usage");
	json_decref(object);
	ran_free(&ran);
}

static void parse(struct invocation *in, const char *line)
{
	char *words[32] = {"drover"};
	static char copy[256];
	struct err err;
	int n = 1;

	str_copy(copy, sizeof(copy), line);
	for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
		words[n++] = at;
	if (invocation_parse(in, n, words, &err))
		fail_msg("%s: %s", line, err.text);
}

static void options_stand_before_and_after_arguments(void **state)
{
	/* clang-format off */
	static const char *const lines[] = {
		"--color never migrate web --to beta --skip cpu,mem --deadline 30s -d",
		"migrate --to=beta --color=never -d web --deadline=30s --skip cpu --skip mem",
		"mv --detach --to beta --color never --skip cpu,mem --deadline 30s -- web",
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct invocation in;

		parse(&in, lines[i]);
		assert_string_equal(in.command->name, "migrate");
		assert_string_equal(in.request.container, "web");
		assert_string_equal(in.request.host, "beta");
		assert_int_equal(in.request.skip.n, 2);
		assert_string_equal(in.request.skip.v[0], "cpu");
		assert_string_equal(in.request.skip.v[1], "mem");
		assert_int_equal(in.request.deadline_ms, 30000);
		assert_int_equal(in.color, COLOR_never);
		assert_true(in.detach);
		invocation_done(&in);
	}
}

static void watch_takes_seconds_or_none(void **state)
{
	struct invocation in;

	(void)state;
	parse(&in, "hosts --watch");
	assert_true(in.watch_s == WATCH_EVENTS);
	invocation_done(&in);
	parse(&in, "hosts --watch=5 --json");
	assert_int_equal(in.watch_s, 5);
	assert_int_equal(in.format, FORMAT_json);
	invocation_done(&in);
}

static void every_command_is_found_and_helps(void **state)
{
	(void)state;
	for (size_t i = 0; command_at(i); i++) {
		const struct command *command = command_at(i);
		auto_free char *line = str_new("%s --help", command->name);
		struct ran ran = run(line);

		assert_int_equal(ran.exit_code, 0);
		assert_has(ran.out, command->help);
		assert_has(ran.out, "Examples");
		assert_has(ran.out, command->examples[0].line);
		assert_non_null(command->examples[1].line);
		assert_non_null(command->run);
		assert_string_equal(ran.err, "");
		ran_free(&ran);

		auto_free char *help = str_new("help %s", command->name);

		ran = run(help);
		assert_int_equal(ran.exit_code, 0);
		assert_has(ran.out, command->examples[1].line);
		ran_free(&ran);
	}
}

/* Examples that are wrong teach mistakes: each must parse. */
static void every_example_parses(void **state)
{
	(void)state;
	for (size_t i = 0; command_at(i); i++) {
		for (size_t e = 0; e < EXAMPLES_MAX && command_at(i)->examples[e].line; e++) {
			const char *line = command_at(i)->examples[e].line;
			auto_free char *words = NULL;
			struct invocation in;

			if (!str_starts(line, "drover "))
				continue;
			words = str_dup(line + strlen("drover "));
			words[strcspn(words, "|>'")] = '\0';
			if (strstr(line, " -m '") || strstr(line, "--reason '"))
				words = mem_grow(words, strlen(words) + 2, 1), strcat(words, "x");
			parse(&in, words);
			if (e == 0)
				assert_ptr_equal(in.command, command_at(i));
			invocation_done(&in);
		}
	}
}

static void names_and_aliases_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; command_at(i); i++) {
		const struct command *found;
		struct err err;
		auto_free char *copy =
			str_dup(command_at(i)->aliases ? command_at(i)->aliases : "");
		int used;

		for (char *at = strtok(copy, " "); at; at = strtok(NULL, " ")) {
			assert_int_equal(command_find(1, &at, &found, &used, &err), 0);
			assert_ptr_equal(found, command_at(i));
		}
	}
}

/* A letter or name that two rows of one command share would hide one of them. */
static void options_of_a_command_do_not_collide(void **state)
{
	(void)state;
	for (size_t i = 0; command_at(i); i++) {
		flag_set flags = command_at(i)->flags | FLAGS_GLOBAL;

		for (int a = 0; a < FLAG_COUNT; a++) {
			for (int b = a + 1; b < FLAG_COUNT; b++) {
				if (!(flags >> a & 1) || !(flags >> b & 1))
					continue;
				assert_string_not_equal(flag_rows[a].name, flag_rows[b].name);
				assert_true(!flag_rows[a].letter ||
					    flag_rows[a].letter != flag_rows[b].letter);
			}
		}
	}
}

static void the_generated_texts_know_every_command(void **state)
{
	static const char *const lines[] = {"--help", "man", "completion bash", "completion zsh",
					    "completion fish"};

	(void)state;
	for (size_t l = 0; l < ARRAY_LEN(lines); l++) {
		struct ran ran = run(lines[l]);

		assert_int_equal(ran.exit_code, 0);
		for (size_t i = 0; command_at(i); i++) {
			/* fish writes two words apart, roff escapes dashes */
			auto_free char *name = str_dup(command_at(i)->name);

			name[strcspn(name, " -")] = '\0';
			assert_has(ran.out, name);
		}
		ran_free(&ran);
	}
}

static void nothing_said_shows_help_and_exits_with_2(void **state)
{
	struct ran ran = run("");

	(void)state;
	assert_int_equal(ran.exit_code, 2);
	assert_has(ran.err, "Usage: drover");
	ran_free(&ran);
}

static void config_says_where_a_value_comes_from(void **state)
{
	char path[] = "/tmp/drover-cli-XXXXXX";
	int fd = mkstemp(path);
	auto_free char *line = str_new("config --config %s -o plain -c setting,value,from", path);
	auto_free char *check = str_new("config --check %s", path);
	struct ran ran;

	(void)state;
	assert_true(write(fd, "[worker]\nhold = 5s\n", 19) == 19);
	ran = run(line);
	assert_int_equal(ran.exit_code, 0);
	assert_has(ran.out, "worker.hold\t5s\t/tmp/drover-cli-");
	assert_has(ran.out, "worker.bridge\tbr0\tdefault\n");
	ran_free(&ran);

	ran = run(check);
	assert_int_equal(ran.exit_code, 0);
	assert_has(ran.out, "is right");
	ran_free(&ran);

	assert_true(write(fd, "hodl = 5s\n", 10) == 10);
	ran = run(check);
	assert_int_equal(ran.exit_code, 2);
	assert_has(ran.err, ":3:");
	assert_has(ran.err, "did you mean");
	ran_free(&ran);
	close(fd);
	unlink(path);
}

static void keygen_writes_a_key_and_never_over_another(void **state)
{
	char dir[] = "/tmp/drover-cli-XXXXXX";
	auto_free char *path = NULL, *make = NULL, *show = NULL;
	struct ran made, shown, again;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = str_new("%s/node.key", dir);
	make = str_new("keygen %s -q", path);
	show = str_new("keygen --public %s", path);
	made = run(make);
	shown = run(show);
	again = run(make);
	assert_int_equal(made.exit_code, 0);
	assert_int_equal(strlen(made.out), 41);
	assert_string_equal(made.out, shown.out);
	assert_int_not_equal(again.exit_code, 0);
	assert_has(again.err, "fix: ");
	assert_int_equal(chmod(path, 0644), 0);
	ran_free(&again);
	again = run(show);
	assert_int_equal(again.exit_code, 2);
	ran_free(&made);
	ran_free(&shown);
	ran_free(&again);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_exit_with_2_and_name_the_nearest),
		cmocka_unit_test(json_is_there_when_arguments_are_wrong_later),
		cmocka_unit_test(options_stand_before_and_after_arguments),
		cmocka_unit_test(watch_takes_seconds_or_none),
		cmocka_unit_test(every_command_is_found_and_helps),
		cmocka_unit_test(every_example_parses),
		cmocka_unit_test(names_and_aliases_are_unique),
		cmocka_unit_test(options_of_a_command_do_not_collide),
		cmocka_unit_test(the_generated_texts_know_every_command),
		cmocka_unit_test(nothing_said_shows_help_and_exits_with_2),
		cmocka_unit_test(config_says_where_a_value_comes_from),
		cmocka_unit_test(keygen_writes_a_key_and_never_over_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
