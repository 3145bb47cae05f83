/* SPDX-License-Identifier: MPL-2.0
 *
 * `drover simulate`: a live cluster is recorded over the real bus, and simulated without anybody.
 */
#include "test_cli_serve.h"

#include "simulate/recording.h"
#include "simulate/simulate.h"

/* A cluster that is busier each time it is asked; gamma is dead, and `old` does not run. */
static void tells_loads(struct fake *fake, const struct msg_request *request)
{
	static unsigned asked;
	struct msg_container web = {.id = "web", .status = "running", .rss_bytes = 100 * MIB};
	struct msg_container old = {.id = "old", .status = "stopped"};
	struct msg_place places[] = {{.host = "alpha", .container = &web},
				     {.host = "beta", .container = &old}};

	if (str_eq(request->command, "hosts")) {
		fake_reply(fake, &(struct msg_reply){.final = true, .hosts = {fake_hosts, 3}});
		return;
	}
	web.cpu_permille = 1000 + asked++;
	fake_reply(fake, &(struct msg_reply){.final = true, .places = {places, 2}});
}

static void a_live_cluster_is_recorded_and_simulated(void **state)
{
	char path[64], line[160];
	struct recording recording;
	struct err err = {0};
	struct ran ran;
	json_t *rows;

	(void)state;
	str_fmt(path, sizeof(path), "/tmp/drover-record-%d.jsonl", (int)getpid());
	serve(tells_loads);
	str_fmt(line, sizeof(line), "simulate --record %s --for 10s", path);
	ran = run(line);
	assert_string_equal(ran.err, "");
	assert_int_equal(ran.exit_code, 0);
	ran_free(&ran);
	assert_int_equal(recording_read(path, &recording, &err), 0);
	assert_int_equal(recording.n, 1);
	assert_int_equal(recording.v[0].n_hosts, 2);
	assert_int_equal(recording.v[0].host[0].cpu_permille, 420);
	assert_int_equal(recording.v[0].n_containers, 1);
	assert_string_equal(recording.v[0].container[0].host, "alpha");
	assert_int_equal(recording.v[0].container[0].cpu_permille, 1000);
	recording_free(&recording);
	str_fmt(line, sizeof(line), "simulate %s --json --config /dev/null", path);
	ran = run(line);
	assert_int_equal(ran.exit_code, 0);
	rows = load(ran.out);
	assert_int_equal(json_array_size(rows), 6);
	json_decref(rows);
	ran_free(&ran);
	unlink(path);
}

static void simulating_asks_nobody_and_tells_what_is_wrong(void **state)
{
	static const char *const wrong[] = {"simulate --shape wavy",
					    "simulate --policy nobody",
					    "simulate --set balance.overloaded=1",
					    "simulate --set balance.overload=5",
					    "simulate --hosts 1",
					    "simulate --for 1s",
					    "simulate /nowhere.jsonl --shape wave"};
	struct ran ran;

	(void)state;
	setenv("DROVER_COORDINATOR", "ipc:///nowhere/at/all.sock", 1);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		ran = run(wrong[i]);
		assert_int_equal(ran.exit_code, 2);
		assert_string_equal(ran.out, "");
		ran_free(&ran);
	}
	ran = run("simulate --seeds 1 --for 10m --hosts 3 --config /dev/null --set "
		  "balance.overload=70 -o plain");
	assert_int_equal(ran.exit_code, 0);
	for (enum shape shape = 0; shape < SHAPE_COUNT; shape++) {
		assert_has(ran.out, shape_name(shape));
		assert_has(SHAPE_WORDS, shape_name(shape)); /* completion offers it */
	}
	for (enum sim_policy policy = 0; policy < SIM_POLICY_COUNT; policy++) {
		assert_has(ran.out, sim_policy_name(policy));
		assert_has(SIM_POLICY_WORDS, sim_policy_name(policy));
	}
	assert_has(ran.out, "drover, balance.overload=70");
	ran_free(&ran);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, stopping)
	const struct CMUnitTest tests[] = {
		T(a_live_cluster_is_recorded_and_simulated),
		T(simulating_asks_nobody_and_tells_what_is_wrong),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
