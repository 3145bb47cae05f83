/* SPDX-License-Identifier: MPL-2.0
 *
 * The policy simulator: the same seed gives the same run, the load is the same whoever moves what,
 * moves take time and burden both ends, a recording comes back as it was written, and each rival
 * does what its rule says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "simulate/policy.h"
#include "simulate/recording.h"
#include "simulate/simulate.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define HOUR_MS 3600000
#define GIB (1024.0 * 1024 * 1024)

static struct sim_result run(enum shape shape, uint64_t seed, enum sim_policy policy)
{
	struct options *options = options_new();
	struct load *load = load_generate(shape, 6, 36, HOUR_MS, seed);
	struct sim_result r;

	sim_run(load, HOUR_MS, policy, options, &r);
	load_free(&load);
	options_free(&options);
	return r;
}

static void the_same_seed_gives_the_same_run(void **state)
{
	(void)state;
	for (enum shape shape = 0; shape < SHAPE_COUNT; shape++) {
		struct sim_result a = run(shape, 7, SIM_drover), b = run(shape, 7, SIM_drover);
		struct sim_result other = run(shape, 8, SIM_nothing);

		assert_memory_equal(&a, &b, sizeof(a));
		a = run(shape, 7, SIM_nothing);
		assert_true(a.imbalance != other.imbalance);
	}
}

static void drover_relieves_and_comes_not_back(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct sim_result nothing = run(SHAPE_overload, seed, SIM_nothing);
		struct sim_result drover = run(SHAPE_overload, seed, SIM_drover);

		assert_true(nothing.hot_ticks > 100);
		assert_true(drover.moves >= 1);
		assert_true(drover.hot_ticks < nothing.hot_ticks / 5);
		assert_true(drover.back == 0);
		assert_true(run(SHAPE_steady, seed, SIM_drover).moves == 0);
	}
}

/* --- the world --- */

/* Three hosts of 8 cores and 32 GiB, with containers that a test adds. */
static void three(struct sim_world *w, uint32_t n_guests)
{
	world_init(w, 3, n_guests);
	for (uint32_t h = 0; h < 3; h++) {
		w->host[h] = (struct sim_host){.cores = 8, .mem = 32 * GIB, .up = true};
		str_fmt(w->host[h].id, NAME_SIZE, "h%u", h);
	}
	for (uint32_t g = 0; g < n_guests; g++) {
		w->guest[g] = (struct sim_guest){.cores = 1,
						 .mem = 4 * GIB,
						 .cores_request = 1,
						 .mem_request = 4 * GIB,
						 .cores_limit = 1,
						 .mem_limit = 4 * GIB};
		str_fmt(w->guest[g].id, NAME_SIZE, "c%u", g);
	}
	world_settle(w);
}

static void a_move_takes_time_and_burdens_both_ends(void **state)
{
	struct sim_world w;
	unsigned ticks = 0;

	(void)state;
	three(&w, 2);
	assert_true(world_begin(&w, 0, 1));
	assert_false(world_begin(&w, 0, 2)); /* it is moving */
	assert_true(w.host[0].cores_wanted > 2 && w.host[1].cores_wanted > 0);
	assert_true(w.host[1].mem_used == 4 * GIB);
	for (; w.guest[0].host == 0; ticks++) {
		w.now_ms += TICK_MS;
		world_advance(&w);
		assert_true(ticks < 10);
	}
	assert_int_equal(ticks, 5); /* 4 GiB and a part again at 117 MB/s */
	assert_true(w.host[0].cores_wanted == 1 && w.host[1].cores_wanted == 1);
	assert_int_equal(w.tally.moves, 1);
	assert_true(world_begin(&w, 0, 0));
	while (w.n_moves) {
		w.now_ms += TICK_MS;
		world_advance(&w);
	}
	assert_int_equal(w.tally.back, 1);
	w.guest[1].mem = 29 * GIB;
	world_settle(&w);
	assert_false(world_begin(&w, 1, 0));
	w.host[2].own_mem = 4 * GIB;
	world_settle(&w);
	assert_false(world_begin(&w, 1, 2)); /* no room */
	assert_int_equal(w.tally.failed, 2);
	world_done(&w);
}

/* --- rivals --- */

static void incus_moves_to_the_least_busy_when_a_fifth_apart(void **state)
{
	double load1[3] = {6, 3, 1};
	struct sim_world w;
	struct policy_run p = {.w = &w, .load1 = load1};

	(void)state;
	three(&w, 4);
	incus_look(&p);
	assert_int_equal(w.n_moves, 1);
	assert_int_equal(w.move[0].to, 2);
	incus_look(&p); /* it waits for its own */
	assert_int_equal(w.n_moves, 1);
	world_done(&w);
	three(&w, 3);
	for (uint32_t g = 0; g < 3; g++) {
		w.guest[g].host = g;
		load1[g] = 4;
	}
	world_settle(&w);
	incus_look(&p);
	assert_int_equal(w.n_moves, 0);
	world_done(&w);
}

static void incus_as_coded_takes_bytes_for_load(void **state)
{
	double load1[3] = {6, 3, 1};
	struct sim_world w;
	struct policy_run p = {.w = &w, .load1 = load1};

	(void)state;
	three(&w, 1);
	w.guest[0].mem_limit = w.guest[0].mem = 30 * GIB; /* more than half-way by far */
	world_settle(&w);
	incus_look(&p);
	assert_int_equal(w.n_moves, 0);
	incus_coded_look(&p);
	assert_int_equal(w.n_moves, 1);
	world_done(&w);
}

static void proxmox_waits_three_rounds_for_a_third_of_the_worst(void **state)
{
	struct sim_world w;
	struct policy_run p = {.w = &w};

	(void)state;
	three(&w, 7);
	proxmox_look(&p);
	proxmox_look(&p);
	assert_int_equal(w.n_moves, 0);
	proxmox_look(&p);
	assert_int_equal(w.n_moves, 1);
	proxmox_done(&p);
	world_done(&w);
}

static void the_descheduler_goes_by_requests(void **state)
{
	struct sim_world w;
	struct policy_run p = {.w = &w};

	(void)state;
	three(&w, 5); /* 5 of 8 cores are asked for: above a half; the others are empty */
	for (uint32_t g = 0; g < 5; g++)
		w.guest[g].cores = 0;
	world_settle(&w);
	descheduler_look(&p);
	assert_int_equal(w.n_moves, 1);
	world_done(&w);
	three(&w, 5);
	for (uint32_t g = 0; g < 5; g++) {
		w.guest[g].cores_request = 0.5;
		w.guest[g].mem_request = GIB;
		w.guest[g].cores = 3;
	}
	world_settle(&w);
	descheduler_look(&p);
	assert_int_equal(w.n_moves, 0);
	world_done(&w);
}

/* --- recordings --- */

static char path[64];

static void write_file(const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void a_recording_comes_back_as_it_was(void **state)
{
	struct load *load = load_generate(SHAPE_noisy, 4, 20, HOUR_MS, 3);
	struct recording rec, again;
	struct sim_result a, b;
	struct err err = {0};
	FILE *out;

	(void)state;
	out = fopen(path, "w");
	load_record(load, HOUR_MS, out);
	fclose(out);
	load_free(&load);
	assert_int_equal(recording_read(path, &rec, &err), 0);
	assert_int_equal(rec.n, HOUR_MS / TICK_MS);
	assert_int_equal(recording_length_ms(&rec), HOUR_MS);
	assert_int_equal(rec.v[0].n_hosts, 4);
	assert_int_equal(rec.v[0].n_containers, 20);
	load = load_replay(&rec);
	out = fopen(path, "w");
	load_record(load, HOUR_MS, out);
	fclose(out);
	load_free(&load);
	assert_int_equal(recording_read(path, &again, &err), 0);
	assert_int_equal(again.n, rec.n);
	for (size_t i = 0; i < rec.n; i++) {
		assert_int_equal(again.v[i].at_ms, rec.v[i].at_ms);
		assert_memory_equal(again.v[i].container, rec.v[i].container,
				    20 * sizeof(struct rec_container));
	}
	load = load_replay(&rec);
	sim_run(load, HOUR_MS, SIM_nothing, NULL, &a);
	load_free(&load);
	load = load_generate(SHAPE_noisy, 4, 20, HOUR_MS, 3);
	sim_run(load, HOUR_MS, SIM_nothing, NULL, &b);
	load_free(&load);
	assert_true(a.hot_ticks == b.hot_ticks && fabs(a.imbalance - b.imbalance) < 0.05);
	recording_free(&rec);
	recording_free(&again);
}

#define HEAD "{\"drover\":\"recording\",\"version\":1}\n"
#define HOST(id) \
	"{\"id\":\"" id "\",\"cpus\":4,\"cpu_permille\":10,\"mem_total_bytes\":1000," \
	"\"mem_available_bytes\":900}"

static void what_is_no_recording_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "no moment"},
		{"{}\n", ":1"},
		{"{\"drover\":\"recording\",\"version\":2}\n", "version 1"},
		{HEAD "nonsense\n", ":2"},
		{HEAD "{\"at_ms\":0,\"hosts\":[]}\n", "hosts"},
		{HEAD "{\"at_ms\":0,\"hosts\":[{\"id\":\"../x\"}]}\n", "no name"},
		{HEAD "{\"at_ms\":0,\"hosts\":[{\"id\":\"a\",\"cpus\":-1}]}\n", "cpus"},
		{HEAD "{\"at_ms\":0,\"hosts\":[{\"id\":\"a\",\"cpus\":1e9}]}\n", "cpus"},
		{HEAD "{\"at_ms\":9,\"hosts\":[" HOST("a") "]}\n{\"at_ms\":9,\"hosts\":[" HOST(
			 "a") "]}\n",
		 ":3"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct recording rec;
		struct err err = {0};

		write_file(cases[i].text);
		assert_int_equal(recording_read(path, &rec, &err), -ERR_invalid);
		if (!strstr(err.text, cases[i].says))
			print_error("%zu: %s\n", i, err.text);
		assert_non_null(strstr(err.text, cases[i].says));
		recording_free(&rec);
	}
}

/* Hosts that come and go, containers of hosts that are not listed, loads larger than their host. */
static void odd_recordings_run(void **state)
{
	static const char ct[] = "\"containers\":[{\"id\":\"x\",\"host\":\"b\",\"cpu_permille\":"
				 "64000,\"rss_bytes\":5000},{\"id\":\"y\",\"host\":\"zz\"}]}\n";
	struct options *options = options_new();
	auto_free char *text =
		str_new(HEAD "{\"at_ms\":5,\"hosts\":[" HOST("a") "," HOST(
				"b") "],%s"
				     "{\"at_ms\":60005,\"hosts\":[" HOST(
					     "c") "],%s"
						  "{\"at_ms\":120005,\"hosts\":[" HOST("a") "]}\n",
			ct, ct);

	(void)state;
	write_file(text);
	for (enum sim_policy policy = 0; policy < SIM_POLICY_COUNT; policy++) {
		struct recording rec;
		struct sim_result r;
		struct err err = {0};
		struct load *load;

		assert_int_equal(recording_read(path, &rec, &err), 0);
		load = load_replay(&rec);
		sim_run(load, 300000, policy, options, &r);
		assert_true(r.hot_ticks >= 0 && isfinite(r.imbalance));
		load_free(&load);
		recording_free(&rec);
	}
	options_free(&options);
}

static int clean(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_run),
		cmocka_unit_test(drover_relieves_and_comes_not_back),
		cmocka_unit_test(a_move_takes_time_and_burdens_both_ends),
		cmocka_unit_test(incus_moves_to_the_least_busy_when_a_fifth_apart),
		cmocka_unit_test(incus_as_coded_takes_bytes_for_load),
		cmocka_unit_test(proxmox_waits_three_rounds_for_a_third_of_the_worst),
		cmocka_unit_test(the_descheduler_goes_by_requests),
		cmocka_unit_test(a_recording_comes_back_as_it_was),
		cmocka_unit_test(what_is_no_recording_is_told_with_its_line),
		cmocka_unit_test(odd_recordings_run),
	};

	str_fmt(path, sizeof(path), "/tmp/drover-recording-%d.jsonl", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, clean);
}
