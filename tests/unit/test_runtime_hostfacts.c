/* SPDX-License-Identifier: MPL-2.0
 *
 * This host's facts are plausible, CRIU's answers are understood whether it is a good one, a broken
 * one or none, and its configuration files say what drover needs without touching anybody's own. */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/criuconf.h"
#include "runtime/hostfacts.h"
#include "runtime/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char dir[64];

#define ok(call) \
	do { \
		struct err err = {0}; \
		if ((call) < 0) \
			fail_msg("%s", err.text); \
	} while (0)

static volatile uint64_t turns; /* keeps a loop from being left out */

static void beats_have_plausible_numbers(void **state)
{
	struct beat_sample sample = {0};
	struct beat_facts f;

	(void)state;
	beat_facts_read(1000, &sample, &f);
	assert_int_equal(f.cpu_permille, 0);
	assert_true(f.cpus >= 1);
	assert_true(f.mem_total_bytes > f.mem_available_bytes);
	assert_true(f.mem_available_bytes > 0);
	for (uint64_t until = clock_mono_ms() + 200; clock_mono_ms() < until;)
		turns++;
	beat_facts_read(1200, &sample, &f);
	assert_true(f.cpu_permille > 0 && f.cpu_permille <= 1000);
}

static void the_host_is_described(void **state)
{
	struct host_facts f;

	(void)state;
	host_facts_read(&f);
	assert_true(f.kernel[0] && f.arch[0]);
	assert_int_equal(strlen(f.boot_id), 36);
	assert_true(f.cpu_flags[0]);
	assert_true(f.mem_total_bytes > 0);
	assert_true(f.cgroup_version == 1 || f.cgroup_version == 2);
#ifdef __x86_64__
	assert_true(strstr(f.cpu_flags, "sse2") != NULL);
	assert_true(f.xsave_bytes >= 512);
#endif
}

static void space_is_that_of_the_nearest_parent(void **state)
{
	uint64_t total, avail, total2, avail2;
	struct err err;

	(void)state;
	ok(disk_facts("/tmp", &total, &avail, &err));
	ok(disk_facts("/tmp/no/such/dir", &total2, &avail2, &err));
	assert_true(total > 0 && total == total2);
	ok(disk_facts("/no-such-top", &total, &avail, &err));
	assert_int_equal(disk_facts("relative", &total, &avail, &err), -ERR_invalid);
}

static void small_texts_are_parsed(void **state)
{
	char word[16];

	(void)state;
	assert_true(host_parse_bracketed("always [madvise] never", word, sizeof(word)));
	assert_string_equal(word, "madvise");
	assert_false(host_parse_bracketed("always madvise", word, sizeof(word)));
	assert_int_equal(criu_parse_version("Version: 4.2.1\n"), 40201);
	assert_int_equal(criu_parse_version("Version: 3.17.1\nGitID: v3.17.1\n"), 31701);
	assert_int_equal(criu_parse_version("Version: 4.2\n"), 40200);
	assert_int_equal(criu_parse_version("Version: 4.2"), 0);
	assert_int_equal(criu_parse_version("criu: error"), 0);
	assert_int_equal(criu_parse_version(NULL), 0);
}

/* A program that answers as criu 4.2.1 does on a kernel without soft-dirty. */
static const char fake_criu[] =
	"#!/bin/sh\n"
	"case \"$*\" in\n"
	"--version) echo 'Version: 4.2.1';;\n"
	"check) echo 'Looks good.';;\n"
	"'check --feature mem_dirty_track')\n"
	"  echo 'Warn  (criu/cr-check.c:824): Dirty tracking is OFF.' >&2; exit 1;;\n"
	"'check --feature uffd') echo 'uffd is supported';;\n"
	"'check --feature '*) echo 'Error (criu/cr-check.c:1901): Unknown feature' >&2; exit 1;;\n"
	"'cpuinfo dump -D '*) printf IMAGE >\"$4/cpuinfo.img\";;\n"
	"'cpuinfo check -D '*) [ \"$(cat \"$4/cpuinfo.img\")\" = IMAGE ] || {\n"
	"  echo 'Error (criu/cpu.c:1): CPU xfeatures has unsupported bits' >&2; exit 1; };;\n"
	"*) exit 9;;\n"
	"esac\n";

static void write_program(char *path, size_t size, const char *text)
{
	str_fmt(path, size, "%s/criu", dir);
	ok(file_write_atomic(path, text, strlen(text), 0755, &err));
}

static void criu_is_asked_everything(void **state)
{
	struct criu_facts f;
	struct err err;
	char criu[128];

	(void)state;
	write_program(criu, sizeof(criu), fake_criu);
	ok(criu_facts_sync(criu, dir, &f, &err));
	assert_int_equal(f.version, 40201);
	assert_true(f.check_ok);
	assert_string_equal(f.problem, "");
	assert_int_equal(f.n_features, 1);
	assert_string_equal(f.features[0], "uffd");
	assert_int_equal(f.cpuinfo_len, 5);
	assert_memory_equal(f.cpuinfo, "IMAGE", 5);
	ok(criu_cpuinfo_check(criu, dir, f.cpuinfo, f.cpuinfo_len, &err));
	assert_int_equal(criu_cpuinfo_check(criu, dir, (const uint8_t *)"other", 5, &err),
			 -ERR_refused);
	assert_non_null(strstr(err.text, "xfeatures"));
	assert_int_equal(criu_cpuinfo_check(criu, dir, f.cpuinfo, 0, &err), -ERR_invalid);
	criu_facts_done(&f);
}

static void a_criu_that_does_not_work_is_a_fact(void **state)
{
	struct criu_facts f;
	struct err err;
	char criu[128];

	(void)state;
	write_program(criu, sizeof(criu),
		      "#!/bin/sh\necho 'Error: Unexpected rt vDSO area bounds' >&2; exit 1\n");
	ok(criu_facts_sync(criu, dir, &f, &err));
	assert_int_equal(f.version, 0);
	assert_non_null(strstr(f.problem, "vDSO"));
	criu_facts_done(&f);
	assert_int_equal(criu_facts_sync("/no/criu", dir, &f, &err), -ERR_nosuch);
}

static void this_hosts_criu_answers(void **state)
{
	struct criu_facts f;
	char path[128];

	(void)state;
	if (geteuid() != 0 || run_find("criu", path, sizeof(path), NULL) < 0)
		skip();
	ok(criu_facts_sync("criu", dir, &f, &err));
	print_message("criu %u, check %s, %zu features, cpuinfo %zu bytes, %s\n", f.version,
		      f.check_ok ? "good" : "bad", f.n_features, f.cpuinfo_len, f.problem);
	if (f.version && f.cpuinfo)
		ok(criu_cpuinfo_check("criu", dir, f.cpuinfo, f.cpuinfo_len, &err));
	criu_facts_done(&f);
}

/* ---- CRIU's configuration ---- */

static char *conf_text(const char *name)
{
	char path[128], *text = NULL;

	str_fmt(path, sizeof(path), "%s/etc/%s", dir, name);
	file_read(path, 65536, &text, NULL, NULL);
	return text;
}

static void put(const char *name, const char *text)
{
	char path[128];

	str_fmt(path, sizeof(path), "%s/etc/%s", dir, name);
	ok(file_write_atomic(path, text, strlen(text), 0644, &err));
}

static void configuration_is_written_and_kept(void **state)
{
	char etc[128];
	struct criuconf conf = {.dir = etc, .hook = "/usr/libexec/drover/drover-hook"};
	auto_free char *runc = NULL, *crun = NULL, *def = NULL, *again = NULL;

	(void)state;
	str_fmt(etc, sizeof(etc), "%s/etc", dir);
	conf.criu_version = 40201;
	ok(criuconf_ensure(&conf, &err));
	runc = conf_text("runc.conf");
	crun = conf_text("crun.conf");
	assert_true(criuconf_has(runc, "action-script", conf.hook));
	assert_true(criuconf_has(runc, "network-lock", "skip"));
	assert_string_equal(runc, crun);
	assert_null(conf_text("default.conf"));
	/* An older CRIU takes the lock's option elsewhere. */
	conf.criu_version = 40101;
	ok(criuconf_ensure(&conf, &err));
	again = conf_text("runc.conf");
	assert_false(criuconf_has(again, "network-lock", "skip"));
	def = conf_text("default.conf");
	assert_true(criuconf_has(def, "network-lock", "skip"));
	assert_false(criuconf_has(def, "action-script", conf.hook));
}

static void somebodys_own_file_is_left_alone(void **state)
{
	char etc[128];
	struct criuconf conf = {.dir = etc, .hook = "/l/hook", .criu_version = 40201};
	auto_free char *text = NULL, *crun = NULL;
	struct err err = {0};

	(void)state;
	str_fmt(etc, sizeof(etc), "%s/etc", dir);
	file_mkdirs(etc, 0755, NULL);
	put("runc.conf", "# mine\nlog-level 4\n");
	assert_int_equal(criuconf_ensure(&conf, &err), -ERR_config);
	assert_non_null(strstr(err.text, "runc.conf"));
	assert_string_equal(err.fix, "add the line: action-script /l/hook");
	text = conf_text("runc.conf");
	assert_string_equal(text, "# mine\nlog-level 4\n");
	crun = conf_text("crun.conf");
	assert_true(criuconf_has(crun, "action-script", "/l/hook"));
	put("runc.conf", "action-script /l/hook # ours\n  network-lock\tskip\n");
	ok(criuconf_ensure(&conf, &err));
	assert_int_equal(criuconf_ensure(&(struct criuconf){.dir = etc, .hook = "hook x"}, &err),
			 -ERR_invalid);
}

static void lines_are_read_as_criu_reads_them(void **state)
{
	(void)state;
	assert_true(criuconf_has("network-lock skip", "network-lock", "skip"));
	assert_true(criuconf_has("a\n\tnetwork-lock  \"skip\"\n", "network-lock", "skip"));
	assert_false(criuconf_has("#network-lock skip\n", "network-lock", "skip"));
	assert_false(criuconf_has("network-lock-x skip\n", "network-lock", "skip"));
	assert_false(criuconf_has("network-lock skipped\n", "network-lock", "skip"));
	assert_false(criuconf_has("network-lock\nskip\n", "network-lock", "skip"));
	assert_false(criuconf_has("", "network-lock", "skip"));
}

static int set_up(void **state)
{
	(void)state;
	str_copy(dir, sizeof(dir), "/tmp/drover-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int clean_up(void **state)
{
	(void)state;
	return file_rmtree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beats_have_plausible_numbers),
		cmocka_unit_test(the_host_is_described),
		cmocka_unit_test(space_is_that_of_the_nearest_parent),
		cmocka_unit_test(small_texts_are_parsed),
		cmocka_unit_test(criu_is_asked_everything),
		cmocka_unit_test(a_criu_that_does_not_work_is_a_fact),
		cmocka_unit_test(this_hosts_criu_answers),
		cmocka_unit_test(configuration_is_written_and_kept),
		cmocka_unit_test(somebodys_own_file_is_left_alone),
		cmocka_unit_test(lines_are_read_as_criu_reads_them),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
