/* SPDX-License-Identifier: MPL-2.0
 *
 * Judging silence. One sweep: who became suspect, whether too many did at once, who is dead, whom
 * to ask about the rest. */
#include "coordinator/liveness.h"

#include "base/mem.h"
#include "coordinator/phi.h"

#include <string.h>

#define FLOOR_MS 1000
#define INTERVAL_MOST_MS 10000
#define SUSPECT_FLOOR 3 /* all in intervals of at least a second */
#define SUSPECT_CEILING 6
#define DEAD_FLOOR 5
#define DEAD_CEILING 10
#define GRACE 10
#define ASK_AGAIN 5
#define MASS_PERCENT 30
#define MASS_LEAST 2       /* one host is no mass, however small the cluster */
#define ASKED_PER_SWEEP 64 /* a cluster that falls silent must not be answered with a flood */

static uint64_t intervals(const struct nodes *nodes, unsigned n)
{
	return n * (nodes->interval_ms > FLOOR_MS ? nodes->interval_ms : FLOOR_MS);
}

uint64_t liveness_suspect_after_ms(const struct nodes *nodes)
{
	return intervals(nodes, SUSPECT_FLOOR);
}

uint64_t liveness_dead_after_ms(const struct nodes *nodes)
{
	return intervals(nodes, DEAD_CEILING);
}

uint64_t liveness_interval_ms(size_t n, uint64_t least_ms)
{
	uint64_t ms = n; /* n/1000 s */

	if (ms > INTERVAL_MOST_MS)
		ms = INTERVAL_MOST_MS;
	return ms < least_ms ? least_ms : ms;
}

void liveness_set_interval(struct nodes *nodes, uint64_t interval_ms, uint64_t now_ms)
{
	if (nodes->interval_ms == interval_ms)
		return;
	nodes->interval_ms = interval_ms;
	nodes->listening_ms = now_ms;
	if (nodes->grace_ms > now_ms)
		nodes->grace_ms = now_ms + intervals(nodes, GRACE);
}

uint64_t liveness_turn(struct nodes *nodes, uint64_t now_ms)
{
	uint64_t before_ms = nodes->turn_ms;

	nodes->turn_ms = now_ms;
	if (!before_ms) {
		nodes->listening_ms = now_ms;
		nodes->grace_ms = now_ms + intervals(nodes, GRACE);
		return 0;
	}
	if (now_ms < before_ms + LIVENESS_LATE_MS)
		return 0;
	if (nodes->listening_ms < now_ms)
		nodes->listening_ms = now_ms;
	return now_ms - before_ms;
}

void liveness_beat(const struct nodes *nodes, struct node *node, uint64_t now_ms)
{
	if (node->beat_ms && node->beat_ms >= nodes->listening_ms)
		arrivals_note(&node->arrivals, now_ms - node->beat_ms, nodes->interval_ms);
	node->beat_ms = now_ms;
}

uint64_t liveness_silence_ms(const struct nodes *nodes, const struct node *node, uint64_t now_ms)
{
	uint64_t since_ms = node->heard_ms;

	if (since_ms < nodes->listening_ms)
		since_ms = nodes->listening_ms;
	if (!node->beat_ms && since_ms < nodes->grace_ms)
		since_ms = nodes->grace_ms;
	return now_ms > since_ms ? now_ms - since_ms : 0;
}

/* --- peers --- */

bool liveness_heard_of(struct node *node, const char *peer, enum sight sight, uint64_t now_ms)
{
	struct enquiry *e = node->state == NODE_suspect ? node->enquiry : NULL;
	bool asked = false, news;

	for (size_t i = 0; e && i < e->n; i++) {
		if (!str_eq(e->peer[i].id, peer))
			continue;
		e->peer[i].sight = sight;
		asked = true;
	}
	if (!asked || sight != SIGHT_reached)
		return false;
	news = !e->seen_ms || !str_eq(e->seen_by, peer);
	e->seen_ms = now_ms;
	str_copy(e->seen_by, sizeof(e->seen_by), peer);
	str_fmt(node->note, sizeof(node->note), "not heard here, but seen by %s", peer);
	return news;
}

/* All that were asked have answered, and none reaches it. */
static bool unreached(const struct enquiry *e)
{
	size_t no = 0;

	for (size_t i = 0; e && i < e->n; i++)
		no += e->peer[i].sight == SIGHT_unreached;
	return no && no == e->n;
}

static bool seen_lately(const struct nodes *nodes, const struct node *node, uint64_t now_ms)
{
	const struct enquiry *e = node->enquiry;

	return e && e->seen_ms && now_ms - e->seen_ms < intervals(nodes, DEAD_CEILING);
}

/* Three hosts that are up; other ones in each round where there are more. */
static void choose_peers(const struct nodes *nodes, const struct node *node, struct enquiry *e)
{
	size_t at = e->rounds * LIVENESS_PEERS;

	for (const char *p = node->id; *p; p++)
		at = at * 31 + (unsigned char)*p;
	e->n = 0;
	for (size_t i = 0; i < nodes->n && e->n < LIVENESS_PEERS; i++) {
		const struct node *peer = nodes->v[(at + i) % nodes->n];

		if (peer == node || peer->state != NODE_up || !peer->enrolled)
			continue;
		str_copy(e->peer[e->n].id, NAME_SIZE, peer->id);
		e->peer[e->n++].sight = SIGHT_none;
	}
}

static bool ask_peers(const struct nodes *nodes, struct node *node, uint64_t now_ms,
		      const struct liveness_sink *sink)
{
	struct enquiry *e = node->enquiry;

	if (e && now_ms - e->asked_ms < intervals(nodes, ASK_AGAIN))
		return false;
	if (!e)
		e = node->enquiry = mem_new_of(struct enquiry);
	choose_peers(nodes, node, e);
	e->asked_ms = now_ms;
	e->rounds++;
	for (size_t i = 0; i < e->n && sink->ask; i++)
		sink->ask(sink->arg, node, e->peer[i].id);
	return e->n;
}

/* --- one node --- */

static bool looks_suspect(const struct nodes *nodes, const struct node *node, uint64_t now_ms)
{
	uint64_t silence_ms = liveness_silence_ms(nodes, node, now_ms);

	if (silence_ms >= intervals(nodes, SUSPECT_CEILING))
		return true;
	return silence_ms >= intervals(nodes, SUSPECT_FLOOR) &&
	       phi(&node->arrivals, silence_ms, nodes->interval_ms) >= PHI_SUSPECT;
}

static bool looks_dead(const struct nodes *nodes, const struct node *node, uint64_t now_ms)
{
	uint64_t silence_ms = liveness_silence_ms(nodes, node, now_ms);

	if (unreached(node->enquiry) && silence_ms >= intervals(nodes, DEAD_FLOOR) &&
	    phi(&node->arrivals, silence_ms, nodes->interval_ms) >= PHI_DEAD)
		return true;
	return silence_ms >= intervals(nodes, DEAD_CEILING) && !seen_lately(nodes, node, now_ms);
}

static void die(struct node *node, uint64_t now_ms)
{
	const struct enquiry *e = node->enquiry;
	char note[sizeof(node->note)] = "lost: its containers are unknown, not dead";

	for (size_t i = 0; unreached(e) && i < e->n; i++) {
		size_t used = strlen(note);

		str_fmt(note + used, sizeof(note) - used, "%s%s", i ? ", " : "; not reached by ",
			e->peer[i].id);
	}
	node_become(node, NODE_dead, now_ms);
	str_copy(node->note, sizeof(node->note), note);
}

bool nodes_judge(const struct nodes *nodes, struct node *node, uint64_t now_ms)
{
	enum node_state before = node->state;

	if (before == NODE_up && looks_suspect(nodes, node, now_ms))
		node_become(node, NODE_suspect, now_ms);
	if (node->state == NODE_suspect && !nodes->mass_loss && looks_dead(nodes, node, now_ms))
		die(node, now_ms);
	return node->state != before;
}

/* --- all nodes --- */

/* Silent for long, but seen by a peer: no part of what goes on now. */
static bool is_accounted(const struct nodes *nodes, const struct node *node, uint64_t now_ms)
{
	return seen_lately(nodes, node, now_ms) &&
	       now_ms - node->since_ms >= intervals(nodes, DEAD_CEILING);
}

/* Too many at once. When it is over, silence counts anew: who is late to come back is not dead. */
static void weigh_losses(struct nodes *nodes, uint64_t now_ms, const struct liveness_sink *sink)
{
	size_t silent = 0, living = 0;
	bool before = nodes->mass_loss;

	for (size_t i = 0; i < nodes->n; i++) {
		const struct node *node = nodes->v[i];
		bool lost = node->state == NODE_suspect ||
			    (node->state == NODE_up && looks_suspect(nodes, node, now_ms));

		living += node->state == NODE_up || node->state == NODE_suspect;
		silent += lost && !is_accounted(nodes, node, now_ms);
	}
	nodes->living = living;
	nodes->silent = silent;
	nodes->mass_loss = silent >= MASS_LEAST && silent * 100 > living * MASS_PERCENT;
	if (nodes->mass_loss == before)
		return;
	if (before && nodes->listening_ms < now_ms)
		nodes->listening_ms = now_ms;
	if (sink->mass)
		sink->mass(sink->arg, nodes->mass_loss ? silent : 0, living);
}

void liveness_sweep(struct nodes *nodes, uint64_t now_ms, const struct liveness_sink *sink)
{
	size_t asked = 0;

	if (nodes->swept_ms && now_ms < nodes->swept_ms + nodes->interval_ms / 4)
		return;
	nodes->swept_ms = now_ms;
	weigh_losses(nodes, now_ms, sink);
	for (size_t i = 0; i < nodes->n; i++) {
		struct node *node = nodes->v[i];

		if (nodes_judge(nodes, node, now_ms) && sink->state)
			sink->state(sink->arg, node);
		if (node->state == NODE_suspect && asked < ASKED_PER_SWEEP)
			asked += ask_peers(nodes, node, now_ms, sink);
	}
}
