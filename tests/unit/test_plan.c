/* SPDX-License-Identifier: MPL-2.0
 *
 * The planner promises: a plan that is feasible at each step, groups apart and together, what is
 * missing said exactly, the same plan for the same picture, and on small cases as good as the
 * optimum that trying everything finds. */
#include "coordinator/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOSTS 12
#define CTS 64
#define GIB (1ULL << 30)

/* A cluster that a test fills in; arrays live as long as it. */
struct rig {
	uint64_t capacity[RESOURCE_COUNT][HOSTS], load[RESOURCE_COUNT][HOSTS], reserve[HOSTS];
	uint8_t host_flags[HOSTS], drained[HOSTS];
	uint32_t domain[HOSTS];
	uint32_t host[CTS], spread[CTS], together[CTS];
	uint64_t size[RESOURCE_COUNT][CTS];
	uint8_t priority[CTS], ct_flags[CTS];
	bool banned[CTS][HOSTS];
	struct plan_world world;
	struct plan plan;
};

static bool rig_allowed(const void *arg, uint32_t container, uint32_t host)
{
	const struct rig *rig = arg;

	return !rig->banned[container][host];
}

/* Hosts of 4 CPUs and 16 GiB. */
static void rig_init(struct rig *rig, uint32_t n_hosts)
{
	memset(rig, 0, sizeof(*rig));
	rig->world = (struct plan_world){
		.n_hosts = n_hosts,
		.host = {.reserve = rig->reserve, .flags = rig->host_flags, .domain = rig->domain},
		.ct = {.host = rig->host,
		       .priority = rig->priority,
		       .flags = rig->ct_flags,
		       .spread = rig->spread,
		       .together = rig->together},
		.allowed = rig_allowed,
		.arg = rig};
	for (enum resource r = 0; r < RESOURCE_COUNT; r++) {
		rig->world.host.capacity[r] = rig->capacity[r];
		rig->world.host.load[r] = rig->load[r];
		rig->world.ct.size[r] = rig->size[r];
	}
	for (uint32_t h = 0; h < n_hosts; h++) {
		rig->capacity[RESOURCE_cpu][h] = 4000;
		rig->capacity[RESOURCE_mem][h] = 16 * GIB;
		rig->host_flags[h] = PLAN_HOST_up;
		rig->domain[h] = h;
	}
}

static uint32_t rig_ct(struct rig *rig, uint32_t host, uint64_t mcpu, uint64_t bytes)
{
	uint32_t c = rig->world.n_containers++;

	assert_true(c < CTS);
	rig->host[c] = host;
	rig->spread[c] = rig->together[c] = PLAN_NONE;
	rig->size[RESOURCE_cpu][c] = mcpu;
	rig->size[RESOURCE_mem][c] = bytes;
	rig->load[RESOURCE_cpu][host] += mcpu;
	rig->load[RESOURCE_mem][host] += bytes;
	return c;
}

static void rig_evacuate(struct rig *rig)
{
	plan_free(&rig->plan);
	plan_evacuate(&rig->world, rig->drained, &rig->plan);
}

static uint32_t target_of(const struct rig *rig, uint32_t container)
{
	for (size_t i = 0; i < rig->plan.n_moves; i++)
		if (rig->plan.moves[i].container == container)
			return rig->plan.moves[i].to;
	return PLAN_NONE;
}

static const struct plan_stay *stay_of(const struct rig *rig, uint32_t container)
{
	for (size_t i = 0; i < rig->plan.n_stays; i++)
		if (rig->plan.stays[i].container == container)
			return &rig->plan.stays[i];
	return NULL;
}

/* Each rule by its own words, move after move, with nothing that leaves counted as room. */
static void assert_feasible(const struct rig *rig)
{
	uint64_t load[HOSTS];
	uint32_t home[CTS];

	memcpy(load, rig->load[RESOURCE_mem], sizeof(load));
	memcpy(home, rig->host, sizeof(home));
	for (size_t i = 0; i < rig->plan.n_moves; i++) {
		const struct plan_move *m = &rig->plan.moves[i];
		uint32_t c = m->container;

		assert_int_equal(m->from, home[c]);
		assert_int_not_equal(m->from, m->to);
		assert_true(rig->host_flags[m->to] == PLAN_HOST_up && !rig->drained[m->to]);
		assert_false(rig->banned[c][m->to]);
		assert_false(rig->ct_flags[c] & PLAN_CT_pinned);
		load[m->to] += rig->size[RESOURCE_mem][c];
		assert_true(load[m->to] + rig->reserve[m->to] <=
			    rig->capacity[RESOURCE_mem][m->to]);
		home[c] = m->to;
		for (uint32_t o = 0; o < rig->world.n_containers; o++)
			assert_false(o != c && rig->spread[c] != PLAN_NONE &&
				     rig->spread[o] == rig->spread[c] &&
				     rig->domain[home[o]] == rig->domain[m->to]);
	}
	for (uint32_t c = 0; c < rig->world.n_containers; c++)
		for (uint32_t o = 0; o < c; o++)
			assert_false(rig->together[c] != PLAN_NONE &&
				     rig->together[c] == rig->together[o] && home[c] != home[o] &&
				     rig->host[c] == rig->host[o]);
}

/* --- evacuation --- */

static void an_emptied_host_gives_all_it_has(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 4);
	for (int i = 0; i < 8; i++)
		rig_ct(&rig, 0, 400, GIB);
	rig.drained[0] = 1;
	rig_evacuate(&rig);
	assert_int_equal(rig.plan.n_moves, 8);
	assert_int_equal(rig.plan.n_stays, 0);
	assert_feasible(&rig);
	assert_true(rig.plan.after.hottest < 0.31); /* 3, 3 and 2 of them */
	plan_free(&rig.plan);
}

static void priority_goes_first_then_the_largest(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 2);
	rig_ct(&rig, 0, 0, GIB);
	rig_ct(&rig, 0, 0, 3 * GIB);
	rig_ct(&rig, 0, 0, 2 * GIB);
	rig.priority[0] = 7;
	rig.drained[0] = 1;
	rig_evacuate(&rig);
	assert_int_equal(rig.plan.n_moves, 3);
	assert_int_equal(rig.plan.moves[0].container, 0);
	assert_int_equal(rig.plan.moves[1].container, 1);
	assert_int_equal(rig.plan.moves[2].container, 2);
	plan_free(&rig.plan);
}

static void what_is_missing_is_said_to_the_byte(void **state)
{
	struct rig rig;
	uint32_t big;

	(void)state;
	rig_init(&rig, 4);
	big = rig_ct(&rig, 0, 100, 12 * GIB);
	rig.load[RESOURCE_mem][1] = 8 * GIB;
	rig.load[RESOURCE_mem][2] = 5 * GIB;
	rig.reserve[2] = 2 * GIB;
	rig.load[RESOURCE_mem][3] = 1 * GIB;
	rig.host_flags[3] |= PLAN_HOST_cordoned;
	rig.drained[0] = 1;
	rig_evacuate(&rig);
	assert_int_equal(rig.plan.n_moves, 0);
	assert_int_equal(stay_of(&rig, big)->why, PLAN_memory);
	assert_int_equal(stay_of(&rig, big)->missing_bytes, 3 * GIB);
	assert_int_equal(stay_of(&rig, big)->nearest, 2);
	plan_free(&rig.plan);
}

static void every_cause_has_its_code(void **state)
{
	struct rig rig;
	uint32_t refused, pinned, near, other;

	(void)state;
	rig_init(&rig, 3);
	refused = rig_ct(&rig, 0, 10, GIB);
	pinned = rig_ct(&rig, 0, 10, GIB);
	near = rig_ct(&rig, 0, 10, GIB);
	other = rig_ct(&rig, 1, 10, GIB);
	rig.banned[refused][1] = rig.banned[refused][2] = true;
	rig.ct_flags[pinned] = PLAN_CT_pinned;
	rig.spread[near] = rig.spread[other] = 3;
	rig.domain[2] = rig.domain[1];
	rig.drained[0] = 1;
	rig_evacuate(&rig);
	assert_int_equal(rig.plan.n_moves, 0);
	assert_int_equal(stay_of(&rig, refused)->why, PLAN_refused);
	assert_int_equal(stay_of(&rig, pinned)->why, PLAN_pinned);
	assert_int_equal(stay_of(&rig, near)->why, PLAN_spread);
	rig.host_flags[1] = rig.host_flags[2] = 0;
	rig_evacuate(&rig);
	assert_int_equal(stay_of(&rig, near)->why, PLAN_no_host);
	for (enum plan_code code = 0; code < PLAN_CODE_COUNT; code++)
		assert_true(plan_code_name(code)[0] == 'P' && plan_code_text(code)[0]);
	plan_free(&rig.plan);
}

static void a_group_moves_as_one_or_not_at_all(void **state)
{
	struct rig rig;
	uint32_t a, b;

	(void)state;
	rig_init(&rig, 4);
	a = rig_ct(&rig, 0, 100, 6 * GIB);
	b = rig_ct(&rig, 0, 100, 6 * GIB);
	rig_ct(&rig, 0, 100, 2 * GIB);
	rig.together[a] = rig.together[b] = 2;
	rig.load[RESOURCE_mem][1] = 8 * GIB;
	rig.load[RESOURCE_mem][2] = 8 * GIB;
	rig.load[RESOURCE_mem][3] = 3 * GIB;
	rig.drained[0] = 1;
	rig_evacuate(&rig);
	assert_int_equal(rig.plan.n_moves, 3);
	assert_int_equal(target_of(&rig, a), 3);
	assert_int_equal(target_of(&rig, b), 3);
	assert_feasible(&rig);
	rig.load[RESOURCE_mem][3] = 8 * GIB;
	rig_evacuate(&rig);
	assert_int_equal(rig.plan.n_moves, 1);
	assert_int_equal(stay_of(&rig, a)->missing_bytes, 4 * GIB);
	rig.load[RESOURCE_mem][3] = 0;
	rig.ct_flags[b] = PLAN_CT_pinned;
	rig_evacuate(&rig);
	assert_int_equal(stay_of(&rig, a)->why, PLAN_together);
	assert_int_equal(stay_of(&rig, b)->why, PLAN_pinned);
	plan_free(&rig.plan);
}

static void room_is_made_by_what_the_plan_itself_has_placed(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 3);
	rig.load[RESOURCE_mem][1] = 6 * GIB;  /* 10 free */
	rig.load[RESOURCE_mem][2] = 11 * GIB; /* 5 free, but busy */
	rig.load[RESOURCE_cpu][2] = 3000;
	rig_ct(&rig, 0, 900, 5 * GIB);
	rig_ct(&rig, 0, 10, 10 * GIB);
	rig.priority[0] = 1; /* first, to the only cool host */
	rig.drained[0] = 1;
	rig_evacuate(&rig);
	assert_int_equal(rig.plan.n_moves, 2);
	assert_int_equal(target_of(&rig, 1), 1);
	assert_feasible(&rig);
	plan_free(&rig.plan);
}

/* --- against the optimum --- */

struct search {
	const struct rig *rig;
	uint32_t to[CTS];
	double load[RESOURCE_COUNT][HOSTS];
	size_t least_left;
	double coolest; /* of the hosts that are not drained */
};

static double hottest(const struct search *s)
{
	const struct rig *rig = s->rig;
	double hot = 0;

	for (uint32_t h = 0; h < rig->world.n_hosts; h++)
		for (enum resource r = 0; r < RESOURCE_COUNT && !rig->drained[h]; r++)
			if (rig->capacity[r][h])
				hot = fmax(hot, s->load[r][h] / (double)rig->capacity[r][h]);
	return hot;
}

static bool may_go(const struct search *s, uint32_t c, uint32_t h)
{
	const struct rig *rig = s->rig;

	if (rig->drained[h] || rig->banned[c][h] ||
	    s->load[RESOURCE_mem][h] + (double)rig->size[RESOURCE_mem][c] +
			    (double)rig->reserve[h] >
		    (double)rig->capacity[RESOURCE_mem][h])
		return false;
	for (uint32_t o = 0; o < rig->world.n_containers && rig->spread[c] != PLAN_NONE; o++)
		if (o != c && rig->spread[o] == rig->spread[c] &&
		    rig->domain[s->to[o]] == rig->domain[h])
			return false;
	return true;
}

static void try_all(struct search *s, uint32_t c, size_t left)
{
	const struct rig *rig = s->rig;
	double hot = hottest(s);

	if (left > s->least_left || (left == s->least_left && hot >= s->coolest))
		return;
	while (c < rig->world.n_containers && !rig->drained[rig->host[c]])
		c++;
	if (c == rig->world.n_containers) {
		s->least_left = left;
		s->coolest = hot;
		return;
	}
	for (uint32_t h = 0; h < rig->world.n_hosts; h++) {
		if (!may_go(s, c, h))
			continue;
		for (enum resource r = 0; r < RESOURCE_COUNT; r++)
			s->load[r][h] += (double)rig->size[r][c];
		s->to[c] = h;
		try_all(s, c + 1, left);
		s->to[c] = rig->host[c];
		for (enum resource r = 0; r < RESOURCE_COUNT; r++)
			s->load[r][h] -= (double)rig->size[r][c];
	}
	try_all(s, c + 1, left + 1);
}

static uint64_t seed;

static uint64_t next(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* 3 to 8 hosts, 2 to 8 containers to go, hosts from half empty to nearly full. */
static void random_case(struct rig *rig)
{
	uint32_t n_hosts = 3 + (uint32_t)next(6), n = 2 + (uint32_t)next(7);

	rig_init(rig, n_hosts);
	for (uint32_t h = 0; h < n_hosts; h++) {
		rig->capacity[RESOURCE_cpu][h] = 2000 + 2000 * next(3);
		rig->capacity[RESOURCE_mem][h] = (8 + 8 * next(3)) * GIB;
		rig->capacity[RESOURCE_io][h] = 1000;
		rig->reserve[h] = GIB;
		rig->domain[h] = (uint32_t)next(n_hosts);
		if (h == 0)
			continue;
		rig->load[RESOURCE_cpu][h] = next(rig->capacity[RESOURCE_cpu][h]);
		rig->load[RESOURCE_mem][h] = next(rig->capacity[RESOURCE_mem][h] - GIB);
		rig->load[RESOURCE_io][h] = next(900);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t c = rig_ct(rig, 0, next(1200), (1 + next(48)) * (GIB / 8));

		rig->size[RESOURCE_io][c] = next(200);
		rig->spread[c] = i < 2 && next(2) ? i : PLAN_NONE;
		for (uint32_t h = 0; h < n_hosts; h++)
			rig->banned[c][h] = next(8) == 0;
	}
	for (uint32_t group = 0; group < 2; group++)
		rig->spread[rig_ct(rig, 1 + (uint32_t)next(n_hosts - 1), 0, 0)] = group;
	rig->drained[0] = 1;
}

static void small_cases_are_as_good_as_trying_everything(void **state)
{
	size_t fewer = 0, hotter = 0, n_left = 0;
	double worst = 1, sum = 0;

	(void)state;
	seed = 88172645463325252ULL;
	for (int i = 0; i < 1000; i++) {
		static struct rig rig;
		static struct search s;

		random_case(&rig);
		rig_evacuate(&rig);
		assert_feasible(&rig);
		s = (struct search){.rig = &rig, .least_left = SIZE_MAX, .coolest = HUGE_VAL};
		memcpy(s.to, rig.host, sizeof(s.to));
		for (enum resource r = 0; r < RESOURCE_COUNT; r++)
			for (uint32_t h = 0; h < rig.world.n_hosts; h++)
				s.load[r][h] = (double)rig.load[r][h];
		try_all(&s, 0, 0);
		n_left += s.least_left;
		assert_true(rig.plan.n_stays >= s.least_left);
		if (rig.plan.n_stays > s.least_left) {
			fewer += rig.plan.n_stays - s.least_left;
		} else {
			double ratio = rig.plan.after.hottest / s.coolest;

			assert_true(ratio > 1 - 1e-9);
			hotter += ratio > 1.05;
			worst = fmax(worst, ratio);
			sum += ratio;
		}
		plan_free(&rig.plan);
	}
	print_message("1000 cases: %zu left by the optimum, %zu more by the plan; hottest host "
		      "%.4f of the optimum's in the mean, %.4f at worst, %zu above 1.05\n",
		      n_left, fewer, sum / 1000, worst, hotter);
	assert_int_equal(fewer, 0);
	assert_int_equal(hotter, 0);
}

/* --- rebalance --- */

static enum plan_quiet rig_rebalance(struct rig *rig, unsigned *ticks)
{
	plan_free(&rig->plan);
	return plan_rebalance(&rig->world, &plan_limits, ticks, &rig->plan);
}

static void an_overloaded_host_gives_one_away(void **state)
{
	struct rig rig;
	unsigned ticks = 0;

	(void)state;
	rig_init(&rig, 3);
	rig_ct(&rig, 0, 1800, 8 * GIB); /* cools as much, costs more */
	rig_ct(&rig, 0, 1800, GIB);
	rig_ct(&rig, 0, 100, GIB);
	rig.load[RESOURCE_cpu][1] = 1000;
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_moves);
	assert_int_equal(rig.plan.n_moves, 1);
	assert_int_equal(rig.plan.moves[0].container, 1);
	assert_int_equal(rig.plan.moves[0].to, 2);
	assert_int_equal(rig.plan.moves[0].why, PLAN_overload);
	assert_feasible(&rig);
	rig.ct_flags[1] = PLAN_CT_resting;
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_moves);
	assert_int_equal(rig.plan.moves[0].container, 0);
	plan_free(&rig.plan);
}

/* A small one and a large one that cost nearly the same: cooling by more than is needed is worth
 * nothing, and a target that would come near the limit is none. */
static void relief_goes_as_far_as_it_has_to(void **state)
{
	struct rig rig;
	unsigned ticks = 0;

	(void)state;
	rig_init(&rig, 3);
	rig_ct(&rig, 0, 3000, 9 * GIB / 8); /* 88 % with the other: both would do */
	rig_ct(&rig, 0, 520, GIB);
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_moves);
	assert_int_equal(rig.plan.n_moves, 1);
	assert_int_equal(rig.plan.moves[0].container, 1);
	rig.load[RESOURCE_cpu][1] = rig.load[RESOURCE_cpu][2] = 2800; /* 83 % with the small one */
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_candidate);
	rig.load[RESOURCE_cpu][0] = 4000; /* nothing left: then that will do */
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_moves);
	assert_int_equal(rig.plan.moves[0].container, 1);
	rig.host_flags[0] |= PLAN_HOST_briefly;
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_candidate);
	plan_free(&rig.plan);
}

static void each_overloaded_host_gives_one_away(void **state)
{
	struct rig rig;
	unsigned ticks = 0;

	(void)state;
	rig_init(&rig, 4);
	for (uint32_t h = 0; h < 2; h++)
		for (int i = 0; i < 6; i++)
			rig_ct(&rig, h, 600, GIB);
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_moves);
	assert_int_equal(rig.plan.n_moves, 2);
	assert_int_not_equal(rig.plan.moves[0].from, rig.plan.moves[1].from);
	assert_feasible(&rig);
	plan_free(&rig.plan);
}

static void unevenness_is_borne_for_a_while_then_evened_out(void **state)
{
	struct rig rig;
	unsigned ticks = plan_limits.hold - 3;

	(void)state;
	rig_init(&rig, 4);
	for (int i = 0; i < 7; i++)
		rig_ct(&rig, 0, 450, GIB);
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_hold);
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_hold);
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_moves);
	assert_int_equal(rig.plan.n_moves, 2); /* then all are comfortable */
	assert_int_not_equal(rig.plan.moves[0].to, rig.plan.moves[1].to);
	assert_true(rig.plan.after.imbalance < rig.plan.before.imbalance * 0.7);
	assert_feasible(&rig);
	rig.load[RESOURCE_cpu][0] = 2000; /* below the comfort floor */
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_comfort);
	assert_int_equal(ticks, 0);
	for (uint32_t h = 0; h < 4; h++)
		rig.load[RESOURCE_cpu][h] = 2800;
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_even);
	plan_free(&rig.plan);
}

static void a_plan_that_gains_too_little_is_none(void **state)
{
	struct rig rig;
	unsigned ticks = plan_limits.hold - 1;

	(void)state;
	rig_init(&rig, 3);
	rig_ct(&rig, 0, 40, GIB / 1024);
	rig.load[RESOURCE_cpu][0] = 3000;
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_gain);
	assert_int_equal(rig.plan.n_moves, 0);
	rig.ct_flags[0] = PLAN_CT_pinned;
	assert_int_equal(rig_rebalance(&rig, &ticks), PLAN_QUIET_candidate);
	plan_free(&rig.plan);
}

static void the_same_picture_gives_the_same_plan(void **state)
{
	static struct rig rig;

	(void)state;
	seed = 42;
	for (int i = 0; i < 50; i++) {
		struct plan first;

		random_case(&rig);
		plan_evacuate(&rig.world, rig.drained, &first);
		rig_evacuate(&rig);
		assert_int_equal(first.n_moves, rig.plan.n_moves);
		if (first.n_moves)
			assert_memory_equal(first.moves, rig.plan.moves,
					    first.n_moves * sizeof(*first.moves));
		plan_free(&first);
		plan_free(&rig.plan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_emptied_host_gives_all_it_has),
		cmocka_unit_test(priority_goes_first_then_the_largest),
		cmocka_unit_test(what_is_missing_is_said_to_the_byte),
		cmocka_unit_test(every_cause_has_its_code),
		cmocka_unit_test(a_group_moves_as_one_or_not_at_all),
		cmocka_unit_test(room_is_made_by_what_the_plan_itself_has_placed),
		cmocka_unit_test(small_cases_are_as_good_as_trying_everything),
		cmocka_unit_test(an_overloaded_host_gives_one_away),
		cmocka_unit_test(relief_goes_as_far_as_it_has_to),
		cmocka_unit_test(each_overloaded_host_gives_one_away),
		cmocka_unit_test(unevenness_is_borne_for_a_while_then_evened_out),
		cmocka_unit_test(a_plan_that_gains_too_little_is_none),
		cmocka_unit_test(the_same_picture_gives_the_same_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
