/* SPDX-License-Identifier: MPL-2.0
 *
 * Policies are read with file, line and nearest name for what is wrong, and make a container's
 * rules: the first that matches, then its labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "base/options.h"
#include "coordinator/policy.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/drover-policies-XXXXXX";

static int load(struct options *options, const char *text, struct err *err)
{
	FILE *file;
	int rc;

	str_copy(path, sizeof(path), "/tmp/drover-policies-XXXXXX");
	file = fdopen(mkstemp(path), "w");
	fputs(text, file);
	fclose(file);
	rc = options_load(options, path, err);
	unlink(path);
	return rc;
}

static const char good[] = "[policy db]\n"
			   "match = db*, redis-?\n"
			   "move = cold\n"
			   "prefer = disk=ssd, rack=a\n"
			   "max-downtime = 2s\n"
			   "priority = 90\n"
			   "[policy rest]\n"
			   "label = app=web\n"
			   "spread = webs\n"
			   "[coordinator]\n"
			   "headroom = 20\n";

static void the_first_that_matches_counts(void **state)
{
	struct options *options = options_new();
	const char *labels[] = {"app=web", "other=1"};
	struct msg_container ct = {.id = "db1", .labels = {labels, 2}};
	struct err err = {0};
	struct rules rules;
	char from[100];

	(void)state;
	assert_int_equal(load(options, good, &err), 0);
	policy_rules(options, &ct, &rules);
	assert_string_equal(rules.name, "db");
	assert_int_equal(rules.move, MOVE_cold);
	assert_string_equal(rules.prefer, "disk=ssd, rack=a");
	assert_int_equal(rules.max_downtime_ms, 2000);
	assert_int_equal(rules.priority, 90);
	assert_string_equal(rules.spread, "");
	assert_string_equal(rules_source(&rules, from, sizeof(from)), "policy db");
	ct.id = "redis-1";
	policy_rules(options, &ct, &rules);
	assert_string_equal(rules.name, "db");
	ct.id = "redis-10";
	policy_rules(options, &ct, &rules);
	assert_string_equal(rules.name, "rest");
	assert_string_equal(rules.spread, "webs");
	assert_int_equal(rules.priority, PRIORITY_DEFAULT);
	ct.labels.n = 0;
	policy_rules(options, &ct, &rules);
	assert_string_equal(rules.name, "");
	assert_int_equal(rules.move, MOVE_live);
	options_free(&options);
}

static void labels_override_and_are_told_when_wrong(void **state)
{
	struct options *options = options_new();
	const char *labels[] = {"move=live", "require=disk=ssd", "color=red"};
	struct msg_container ct = {.id = "db1", .labels = {labels, 3}};
	struct err err = {0};
	struct rules rules;
	char from[100];

	(void)state;
	assert_int_equal(load(options, good, &err), 0);
	policy_rules(options, &ct, &rules);
	assert_int_equal(rules.move, MOVE_live);
	assert_string_equal(rules.require, "disk=ssd");
	assert_string_equal(rules.prefer, "disk=ssd, rack=a");
	assert_string_equal(rules.problem, "");
	assert_string_equal(rules_source(&rules, from, sizeof(from)), "policy db or its labels");
	labels[0] = "move=sometimes";
	policy_rules(options, &ct, &rules);
	assert_int_equal(rules.move, MOVE_cold);
	assert_non_null(strstr(rules.problem, "drover.move: \"sometimes\""));
	policy_rules(NULL, &ct, &rules);
	assert_string_equal(rules_source(&rules, from, sizeof(from)), "its labels");
	options_free(&options);
}

static void each_mistake_has_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"[policy a]\nmatch = x\nmove = somehow\n", ":3: [policy a]: move: \"somehow\""},
		{"[policy a]\nprefered = disk=ssd\n", "did you mean \"prefer\"?"},
		{"[policy a]\nprefer = ssd\n", "prefer: \"ssd\""},
		{"[policy a]\nprefer = a=b,\navoid = =b\n", ":3: [policy a]: avoid"},
		{"[policy a]\npriority = 101\n", "priority: \"101\""},
		{"[policy a]\nmax-downtime = 5\n", "max-downtime: \"5\""},
		{"[policy a b]\nmatch = x\n", "\"a b\" is not a name"},
		{"[police a]\nmatch = x\n", "no section [police a]"},
		{"[policy a]\nspread = two words\n", "spread: \"two words\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct options *options = options_new();
		struct err err = {0};

		assert_int_equal(load(options, cases[i].text, &err), -ERR_config);
		if (!strstr(err.text, cases[i].says))
			print_error("%s\n", err.text);
		assert_non_null(strstr(err.text, cases[i].says));
		assert_true(str_starts(err.text, path));
		assert_null(options_policy_name(options, 0));
		options_free(&options);
	}
}

static void lists_of_labels_are_searched(void **state)
{
	const char *has[] = {"disk=ssd", "rack=b"};
	struct msg_strs labels = {has, 2};
	char buf[64];

	(void)state;
	assert_string_equal(labels_had("rack=a , disk=ssd", &labels, buf, sizeof(buf)), "disk=ssd");
	assert_null(labels_had("rack=a,disk=hdd", &labels, buf, sizeof(buf)));
	assert_null(labels_had("", &labels, buf, sizeof(buf)));
	assert_string_equal(labels_lacked("disk=ssd,rack=a", &labels, buf, sizeof(buf)), "rack=a");
	assert_null(labels_lacked(" rack=b,, disk=ssd", &labels, buf, sizeof(buf)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_matches_counts),
		cmocka_unit_test(labels_override_and_are_told_when_wrong),
		cmocka_unit_test(each_mistake_has_its_line),
		cmocka_unit_test(lists_of_labels_are_searched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
