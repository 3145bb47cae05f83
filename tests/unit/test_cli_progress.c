/* SPDX-License-Identifier: MPL-2.0
 *
 * The progress line is a function of what was heard, the width and the time. */
#include "test_cli_fake.h"
#include "test_cli_run.h"

#include "cli/progress.h"

#include <locale.h>

static const struct style ascii = {.tty = true, .width = 80};
static const struct style wide = {.tty = true, .utf8 = true, .width = 100};

static void check_line(const struct progress *progress, const struct style *style, uint64_t now_ms,
		       const char *expected)
{
	char line[PROGRESS_SIZE];

	progress_line(progress, style, now_ms, line);
	assert_string_equal(line, expected);
}

static void the_bar_shows_bytes_while_it_runs(void **state)
{
	struct progress progress = {0};
	struct msg_job job = fake_running("sync", "memory", 310 * MIB);

	(void)state;
	progress_feed(&progress, &job, 1000);
	check_line(
		&progress, &ascii, 1000,
		"web  alpha -> beta  memory     #####----  62%  310/500 MiB  210 MiB/s  ETA 2 s");
	check_line(
		&progress, &wide, 1000,
		"web  alpha → beta  memory     ━━━━━━━━━━━━━━━━━━╸───────────  62%  310/500 MiB  "
		"210 MiB/s  ETA 2 s");
}

static void the_clock_of_the_freeze_ticks_between_messages(void **state)
{
	struct progress progress = {0};
	struct msg_job job = fake_running("hold", "dump", 0);

	(void)state;
	job.frozen = true;
	progress_feed(&progress, &job, 5000);
	check_line(&progress, &ascii, 5120, "web  alpha -> beta  dump       frozen 120 ms");
	job.phase = "send";
	progress_feed(&progress, &job, 5200);
	check_line(&progress, &ascii, 5250, "web  alpha -> beta  send       frozen 250 ms");
	check_line(&progress, &ascii, 17500, "web  alpha -> beta  send       frozen 12.5 s");
	job.frozen = false;
	progress_feed(&progress, &job, 18000);
	check_line(&progress, &ascii, 18000, "web  alpha -> beta  send     ");
}

/* Who joins late learns from the figures for how long it has been frozen. */
static void a_late_follower_sees_the_whole_freeze(void **state)
{
	struct progress progress = {0};
	struct msg_figures figures = {.frozen_us = 300000};
	struct msg_job job = fake_running("hold", "dump", 0);

	(void)state;
	job.frozen = true;
	job.figures = &figures;
	progress_feed(&progress, &job, 5000);
	check_line(&progress, &ascii, 5020, "web  alpha -> beta  dump       frozen 320 ms");
}

static void no_width_is_overrun(void **state)
{
	struct progress progress = {0};
	struct msg_job job = fake_running("sync", "memory", 310 * MIB);
	char line[PROGRESS_SIZE];

	(void)state;
	job.waiting_for = "a host with room";
	progress_feed(&progress, &job, 0);
	for (unsigned width = 1; width < 200; width++) {
		for (int color = 0; color < 2; color++) {
			struct style style = {
				.tty = true, .utf8 = true, .color = color, .width = width};

			progress_line(&progress, &style, PROGRESS_PATIENCE_MS, line);
			assert_true(style_columns(line) < (width > 1 ? width : 2));
		}
	}
}

/* Whatever a coordinator says, the line is a line. */
static void wild_numbers_do_no_harm(void **state)
{
	static const uint64_t wild[] = {0, 1, UINT32_MAX, UINT64_MAX / 2, UINT64_MAX};
	char line[PROGRESS_SIZE];

	(void)state;
	for (size_t a = 0; a < ARRAY_LEN(wild); a++) {
		for (size_t b = 0; b < ARRAY_LEN(wild); b++) {
			struct progress progress = {0};
			struct msg_figures figures = {.frozen_us = wild[b]};
			struct msg_job job = {.id = FAKE_JOB,
					      .step = "nonsense",
					      .done_bytes = wild[a],
					      .total_bytes = wild[b],
					      .bytes_s = wild[a],
					      .eta_ms = wild[b],
					      .frozen = true,
					      .figures = &figures};

			progress_feed(&progress, &job, 1000);
			progress_line(&progress, &wide, 500, line);
			assert_true(style_columns(line) < 100);
		}
	}
}

static void off_a_terminal_each_phase_is_told_once(void **state)
{
	struct progress progress = {0};
	struct msg_job job = fake_running("sync", "tree", 10 * MIB);
	char line[PROGRESS_SIZE];

	(void)state;
	progress_feed(&progress, &job, 0);
	progress_news(&progress, &ascii, 100, line);
	assert_string_equal(line, "web: job " FAKE_JOB ", alpha -> beta\n"
				  "web: copying files while it runs\n");
	job.done_bytes = 20 * MIB;
	progress_feed(&progress, &job, 10);
	progress_news(&progress, &ascii, 100, line);
	assert_string_equal(line, "");
	job.phase = "memory";
	progress_feed(&progress, &job, 20);
	progress_news(&progress, &ascii, 100, line);
	assert_string_equal(line, "web: copying memory while it runs\n");
	job.waiting_for = "beta";
	progress_feed(&progress, &job, 30);
	progress_news(&progress, &ascii, 100, line);
	assert_string_equal(line, "");
	progress_news(&progress, &ascii, 20 + PROGRESS_PATIENCE_MS, line);
	assert_string_equal(line, "web: copying memory while it runs, waiting for beta\n");
}

/* Steps with the same words, and the end, at which a job has no step any more. */
static void what_was_said_is_not_said_again(void **state)
{
	struct progress progress = {0};
	struct msg_job job = fake_running("hold", "", 0);
	char line[PROGRESS_SIZE];

	(void)state;
	progress_feed(&progress, &job, 0);
	progress_news(&progress, &ascii, 0, line);
	job.phase = "unheard of";
	progress_feed(&progress, &job, 1);
	progress_news(&progress, &ascii, 1, line);
	assert_string_equal(line, "");
	job.step = job.phase = "";
	progress_feed(&progress, &job, 2);
	progress_news(&progress, &ascii, 2, line);
	assert_string_equal(line, "");
}

/* The bar has words of its own for each step that a worker can be asked for. */
static void every_step_has_words(void **state)
{
	static const char *const steps[] = {
#define X(name, number, who) #name,
		STEP_TABLE(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (!str_eq(steps[i], "log"))
			assert_string_not_equal(progress_words(steps[i], ""), steps[i]);
	}
}

static void bars_have_their_length(void **state)
{
	char bar[BAR_SIZE(10)];

	(void)state;
	for (double share = -1; share < 3; share += 0.013) {
		style_bar(&wide, bar, sizeof(bar), 10, share, true);
		assert_int_equal(style_columns(bar), 10);
	}
	style_bar(&ascii, bar, sizeof(bar), 10, 0.5, false);
	assert_string_equal(bar, "#####-----");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bar_shows_bytes_while_it_runs),
		cmocka_unit_test(the_clock_of_the_freeze_ticks_between_messages),
		cmocka_unit_test(a_late_follower_sees_the_whole_freeze),
		cmocka_unit_test(no_width_is_overrun),
		cmocka_unit_test(wild_numbers_do_no_harm),
		cmocka_unit_test(off_a_terminal_each_phase_is_told_once),
		cmocka_unit_test(what_was_said_is_not_said_again),
		cmocka_unit_test(every_step_has_words),
		cmocka_unit_test(bars_have_their_length),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
