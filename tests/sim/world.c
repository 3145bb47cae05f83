/* SPDX-License-Identifier: MPL-2.0
 *
 * Copies of containers, images, and what has ever become durable. Whatever makes tasks run or ends
 * them goes through here, so that no moment with two of them is missed. */
#include "tests/sim/sim.h"

#include <string.h>

int ct_find(const char *name)
{
	for (int i = 0; i < sim.n_cts; i++)
		if (str_eq(sim.ct[i].name, name))
			return i;
	return -1;
}

struct ghost *ghost_find(const char *migration)
{
	for (int i = sim.n_ghosts; i-- > 0;)
		if (str_eq(sim.ghost[i].migration, migration))
			return &sim.ghost[i];
	return NULL;
}

static int host_find(const char *name)
{
	for (int i = 0; i < sim.n_hosts; i++)
		if (str_eq(sim.host[i].name, name))
			return i;
	return -1;
}

struct ghost *ghost_of(const struct wire_ask *ask)
{
	struct ghost *g = ghost_find(ask->migration);

	if (!g) {
		if (sim.n_ghosts == GHOSTS_MAX)
			return NULL;
		g = &sim.ghost[sim.n_ghosts++];
		tally.migrations++;
		*g = (struct ghost){
			.ct = ct_find(ask->container), .owner = ROGUE, .released_by = -1};
		str_copy(g->migration, ULID_SIZE, ask->migration);
	}
	g->source = host_find(ask->source);
	g->target = host_find(ask->target);
	g->epoch = ask->epoch;
	g->term = ask->term > g->term ? ask->term : g->term;
	g->attempt = ask->attempt;
	if (ask->ticket_len)
		memcpy(g->ticket, ask->ticket, sizeof(g->ticket));
	if (ask->digest_len)
		memcpy(g->digest, ask->digest, sizeof(g->digest));
	return g;
}

/* --- images --- */

struct staging *staging_find(struct host *h, const char *migration)
{
	for (size_t i = 0; i < STAGINGS_MAX; i++)
		if (h->staging[i].migration[0] && str_eq(h->staging[i].migration, migration))
			return &h->staging[i];
	return NULL;
}

struct staging *staging_new(struct host *h, const char *migration)
{
	struct staging *s = staging_find(h, migration);

	if (s)
		return s;
	for (s = h->staging; s < h->staging + STAGINGS_MAX && s->migration[0]; s++)
		;
	if (s == h->staging + STAGINGS_MAX)
		broken("SIM", "more than %d stagings on %s", STAGINGS_MAX, h->name);
	*s = (struct staging){0};
	str_copy(s->migration, ULID_SIZE, migration);
	return s;
}

void staging_drop(struct host *h, const char *migration)
{
	struct staging *s = staging_find(h, migration);

	if (s)
		*s = (struct staging){0};
}

/* --- copies --- */

bool copy_runs(const struct copy *copy)
{
	return copy->there && !copy->frozen && !copy->armed;
}

/* I1 and I3 at the moment when tasks go on. */
void copy_run(struct host *h, int ct, const char *why)
{
	struct copy *copy = &h->copy[ct];

	trace("%s: %s runs (%s), version %llu", h->name, sim.ct[ct].name, why,
	      (unsigned long long)copy->version);
	for (int i = 0; i < sim.n_hosts; i++)
		if (i != h->n && copy_runs(&sim.host[i].copy[ct]))
			broken("I1", "%s runs on %s and on %s (%s)", sim.ct[ct].name,
			       sim.host[i].name, h->name, why);
	if (copy->version < sim.ct[ct].latest)
		broken("I3", "%s goes back in time on %s: version %llu after %llu (%s)",
		       sim.ct[ct].name, h->name, (unsigned long long)copy->version,
		       (unsigned long long)sim.ct[ct].latest, why);
	sim.ct[ct].latest = ++copy->version;
	sim.ct[ct].ended = NULL;
}

/* I2: the last copy goes only with its host's power, or by itself. */
void copy_destroy(struct host *h, int ct, const char *excuse)
{
	struct copy *copy = &h->copy[ct];
	bool was = copy->there && !copy->armed, left = false;

	if (!copy->there)
		return;
	trace("%s: %s is gone (%s)", h->name, sim.ct[ct].name, excuse ? excuse : "destroyed");
	copy->there = copy->frozen = copy->armed = copy->hook = false;
	copy->by[0] = '\0';
	for (int i = 0; i < sim.n_hosts; i++)
		left |= sim.host[i].copy[ct].there && !sim.host[i].copy[ct].armed;
	if (was && excuse && copy->version == sim.ct[ct].latest)
		sim.ct[ct].ended = excuse; /* older copies are not it */
	if (!was || left)
		return;
	if (!excuse && !sim.ct[ct].ended)
		broken("I2", "the only copy of %s was destroyed on %s", sim.ct[ct].name, h->name);
	sim.ct[ct].ended = excuse ? excuse : "destroyed after its end";
}

/* What starts at boot asks the journal (I11). It begins anew, which is no going back in time. */
void copy_autostart(struct host *h)
{
	for (int ct = 0; ct < sim.n_cts; ct++) {
		bool away = false, gone = false;

		for (size_t i = 0; i < h->n_kept; i++) {
			const struct kept_row *row = &h->kept[i];

			if (!str_eq(row->container, sim.ct[ct].name))
				continue;
			away |= row->side == SIDE_source ? handover_is_away(row->state)
							 : row->state != HANDOVER_closed;
			gone |= row->side == SIDE_source &&
				(row->state == HANDOVER_released || row->state == HANDOVER_done);
		}
		if (away || !h->copy[ct].bundle || !h->copy[ct].home)
			continue;
		if (gone)
			broken("I11", "%s starts at boot of %s, whose journal gave it away",
			       sim.ct[ct].name, h->name);
		h->copy[ct].there = h->copy[ct].gate_open = true;
		h->copy[ct].version = sim.ct[ct].latest;
		copy_run(h, ct, "autostart");
	}
}

/* --- what is durable --- */

/* A copy that others have gone on from. A host that the container has come to since, by another
 * migration, may hold it under whatever id a coordinator invents or repeats. */
static bool has_an_old_copy(const struct host *h, int ct)
{
	return h->copy[ct].there && h->copy[ct].version < sim.ct[ct].latest;
}

/* I4: authority is in one journal. */
static void authority(const struct ghost *g, const struct host *h, const struct kept_row *row)
{
	bool source_has = row->state == HANDOVER_held || row->state == HANDOVER_own;

	if (row->side == SIDE_source && g->running_on && source_has &&
	    (h->n == g->released_by || (row->state == HANDOVER_held && has_an_old_copy(h, g->ct))))
		broken("I4", "%s: the source's journal says %s, the target's said running",
		       g->migration, handover_state_name(row->state));
	if (g->running_on & (g->running_on - 1))
		broken("I4", "%s: two targets' journals say running", g->migration);
	if (g->running_on & g->refused_on)
		broken("I4", "%s: the target's journal has both refused and running", g->migration);
	if (g->done_kept && !g->running_on)
		broken("I4", "%s: the source is done, the target never ran", g->migration);
	if (row->state == HANDOVER_released && !g->prepared_on)
		broken("I4", "%s: released to a target that never was prepared", g->migration);
	if (g->running_on && g->released_by < 0)
		broken("I4", "%s: the target runs, the source never released", g->migration);
}

/* Nobody may be there to go on. */
static void released(struct ghost *g, const struct host *h)
{
	g->released_by = h->n;
	if (chance(sim.weather.orphans))
		for (int i = 0; i < COORDS_MAX; i++)
			coord_kill(&sim.coord[i], 200000);
}

void world_kept(struct host *h, const struct kept_row *row, uint8_t was)
{
	struct ghost *g = ghost_find(row->migration);
	bool fresh_hold = false;

	trace("%s: journal has %s %s for %s", h->name, row->side == SIDE_source ? "S" : "T",
	      handover_state_name(row->state), row->migration + 20);
	note_digest(row->state + 100u * row->side + 1000u * row->epoch);
	if (!g)
		return;
	if (row->side == SIDE_source) {
		fresh_hold = row->state == HANDOVER_held && was != HANDOVER_held;
		if (g->released_by < 0 || h->n == g->released_by) { /* else it is no source of it */
			g->source_kept = row->state;
			str_copy(g->group, ULID_SIZE, row->group);
			g->taken_back |= row->state == HANDOVER_own && g->released_by >= 0;
		}
		if (row->state == HANDOVER_released)
			released(g, h);
		g->done_kept |= row->state == HANDOVER_done;
	} else {
		g->refused_on |= (unsigned)(row->state == HANDOVER_refused) << h->n;
		g->running_on |= (unsigned)(row->state == HANDOVER_running) << h->n;
		g->reserved_on |= (unsigned)(row->state == HANDOVER_reserved) << h->n;
		g->prepared_on |= (unsigned)(row->state == HANDOVER_prepared) << h->n;
		g->lost_kept |= row->state == HANDOVER_lost;
	}
	g->forced |= row->forced;
	if (row->state == HANDOVER_lost && copy_runs(&h->copy[g->ct]) &&
	    str_eq(h->copy[g->ct].by, row->migration))
		broken("I12", "%s is LOST for %s, where it runs", g->migration, h->name);
	if (row->state == HANDOVER_lost && !(g->running_on & 1u << h->n))
		broken("I12", "%s is LOST for %s, which never let it go: REFUSED is the word",
		       g->migration, h->name);
	authority(g, h, row);
	if (fresh_hold && g->held_on & 1u << h->n)
		broken("I6", "%s is held twice in one epoch", g->migration);
	g->held_on |= (unsigned)fresh_hold << h->n;
}
