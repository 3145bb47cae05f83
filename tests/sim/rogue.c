/* SPDX-License-Identifier: MPL-2.0
 *
 * A rogue coordinator (I7): it has all keys, has heard every word that was ever said, and asks for
 * whatever does harm. One that nags goes on in calm weather with asks that fit nothing: they must
 * not keep source and target from coming to an end without a coordinator. */
#include "tests/sim/sim.h"

#include <string.h>

static const struct {
	enum step step;
	bool source;
} rogue_steps[] = {
	{STEP_check, true},   {STEP_sync, true},     {STEP_hold, true},    {STEP_release, true},
	{STEP_retire, true},  {STEP_abort, true},    {STEP_clean, true},   {STEP_report, true},
	{STEP_check, false},  {STEP_reserve, false}, {STEP_arm, false},    {STEP_start, false},
	{STEP_refuse, false}, {STEP_clean, false},   {STEP_release, true}, {STEP_start, false},
	{STEP_retire, true},  {STEP_abort, true},
};

static const struct ghost *some_ghost(void)
{
	return &sim.ghost[rnd_below(4) ? (uint64_t)sim.n_ghosts - 1
				       : rnd_below((uint64_t)sim.n_ghosts)];
}

/* Of another migration of the same container between the same hosts, when there is one. */
static const struct ghost *some_twin(const struct ghost *g)
{
	int first = (int)rnd_below((uint64_t)sim.n_ghosts);

	for (int i = 0; i < sim.n_ghosts; i++) {
		const struct ghost *twin = &sim.ghost[(first + i) % sim.n_ghosts];

		if (twin != g && twin->n_proofs && twin->ct == g->ct && twin->source == g->source &&
		    twin->target == g->target)
			return twin;
	}
	return g;
}

/* Mostly something that was said once, by whoever, about that migration or another; else noise. */
static void rogue_proof(const struct ghost *g, struct wire_ask *ask)
{
	const struct ghost *from = coin() ? g : some_twin(g);
	unsigned n, i;

	n = from->n_proofs < PROOFS_KEPT ? from->n_proofs : PROOFS_KEPT;
	i = (unsigned)rnd_below(n + 1u);

	if (i == n) {
		ask->proof_len = (uint32_t)rnd_below(65);
		memset(ask->proof, (int)rnd_below(256), ask->proof_len);
		return;
	}
	ask->proof_len = from->proof[i].len;
	memcpy(ask->proof, from->proof[i].data, ask->proof_len);
}

/* Where a word at the wrong moment would do most harm. */
static const struct ghost *tender_ghost(void)
{
	for (int i = sim.n_ghosts; i-- > 0;) {
		const struct ghost *g = &sim.ghost[i];

		if ((g->source_kept == HANDOVER_held || g->source_kept == HANDOVER_released) &&
		    g->source >= 0 && g->target >= 0)
			return g;
	}
	return NULL;
}

/* The step that is due there, or the one that would undo it, with the proof of a twin. */
static enum step tender_step(const struct ghost *g)
{
	if (g->source_kept == HANDOVER_held)
		return coin() ? STEP_release : STEP_start;
	return coin() ? STEP_abort : coin() ? STEP_retire : STEP_start;
}

static void twin_proof(const struct ghost *g, struct wire_ask *ask)
{
	const struct ghost *twin = some_twin(g);
	unsigned n = twin->n_proofs < PROOFS_KEPT ? twin->n_proofs : PROOFS_KEPT;

	if (!n)
		return;
	n = (unsigned)rnd_below(n);
	ask->proof_len = twin->proof[n].len;
	memcpy(ask->proof, twin->proof[n].data, ask->proof_len);
}

static void rogue_numbers(const struct ghost *g, struct wire_ask *ask)
{
	ask->attempt = rnd_below(3) ? 1000 + rnd_below(1000) : g->attempt;
	ask->epoch = g->epoch;
	if (rnd_below(8) == 0)
		ask->epoch += rnd_below(3);
	if (rnd_below(8) == 0 && g->epoch > 1)
		ask->epoch = g->epoch - 1;
	ask->term = g->term;
	if (rnd_below(64) == 0)
		ask->term++;
	else if (rnd_below(8) == 0 && g->term > 1)
		ask->term--;
	ask->ticket_len = 64;
	memcpy(ask->ticket, g->ticket, 64);
	ask->digest_len = 32;
	memcpy(ask->digest, g->digest, 32);
	rogue_proof(g, ask);
}

static void say(int to, const struct ghost *g, int source, int target, struct wire_ask *ask)
{
	ask->head = (struct wire_in_head){WIRE_MAGIC, WIRE_ASK};
	str_copy(ask->migration, ULID_SIZE, g->migration);
	sim_ulid(ask->request);
	str_copy(ask->container, NAME_SIZE, sim.ct[g->ct].name);
	str_copy(ask->source, NAME_SIZE, sim.host[source].name);
	str_copy(ask->target, NAME_SIZE, sim.host[target].name);
	str_copy(ask->runtime, sizeof(ask->runtime), "runc");
	str_copy(ask->bundle, sizeof(ask->bundle), "/var/lib/ct/x");
	if (!sim.calm && rnd_below(64) == 0)
		sim_ulid(ask->migration);
	sim.host[to].asker = ROGUE;
	trace("h%d: rogue asks %s of %s", to, step_name(ask->step), ask->migration + 20);
	tally.rogue_asks++;
	worker_ask(&sim.host[to], ask);
}

/* In calm weather: what no state allows without a proof, in a term above everybody's. */
static void nag(void)
{
	static const enum step steps[] = {STEP_abort, STEP_hold, STEP_retire};
	struct wire_ask ask;

	for (int i = 0; i < sim.n_ghosts; i++) {
		const struct ghost *g = &sim.ghost[i];

		if (g->source_kept != HANDOVER_released || g->source < 0 || g->target < 0)
			continue;
		memset(&ask, 0, sizeof(ask));
		ask.step = steps[rnd_below(ARRAY_LEN(steps))];
		ask.epoch = g->epoch;
		ask.attempt = 1000 + rnd_below(1000);
		ask.term = g->term + 1;
		say(g->source, g, g->source, g->target, &ask);
	}
}

static bool ask_tender(void)
{
	const struct ghost *g = tender_ghost();
	struct wire_ask ask = {0};

	if (!g)
		return false;
	ask.step = tender_step(g);
	rogue_numbers(g, &ask);
	twin_proof(g, &ask);
	say(ask.step == STEP_start ? g->target : g->source, g, g->source, g->target, &ask);
	return true;
}

void rogue_ask(void)
{
	static struct wire_ask ask;
	size_t i = rnd_below(ARRAY_LEN(rogue_steps));
	const struct ghost *g;
	int source, target, to;

	if (sim.calm && !sim.weather.nag)
		return;
	event_push(EV_rogue,
		   sim.now_ms + (sim.calm ? rnd_range(500, 4000)
					  : rnd_range(1, sim.weather.rogue_every_ms)),
		   0, 0, 0, NULL);
	if (!sim.n_ghosts)
		return;
	if (sim.calm) {
		nag();
		return;
	}
	if (coin() && ask_tender())
		return;
	g = some_ghost();
	source = rnd_below(32) ? g->source : (int)rnd_below((uint64_t)sim.n_hosts);
	target = rnd_below(32) ? g->target : (int)rnd_below((uint64_t)sim.n_hosts);
	if (source < 0 || target < 0)
		return;
	memset(&ask, 0, sizeof(ask));
	ask.step = rogue_steps[i].step;
	rogue_numbers(g, &ask);
	to = rogue_steps[i].source == (rnd_below(16) != 0) ? source : target;
	say(to, g, source, target, &ask);
}
