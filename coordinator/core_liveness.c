/* SPDX-License-Identifier: MPL-2.0
 *
 * What the core does about liveness.h's findings: it tells followers, asks peers, keeps workers at
 * the interval that fits their number. It starts nothing. */
#include "coordinator/core_impl.h"

#include "coordinator/liveness.h"

#include <inttypes.h>
#include <string.h>

#define PROBE_MS 2000

void core_welcome(struct core *c, const struct node *node, const char *request)
{
	struct msg_head head = {.type = MSG_TYPE_welcome, .epoch = c->config.term};

	str_copy(head.request, sizeof(head.request), request);
	effects_ask(c->effects, node->id, head,
		    &(struct msg_welcome){.interval_ms = c->nodes.interval_ms,
					  .epoch = c->config.term,
					  .coordinator = c->config.id,
					  .version = DROVER_VERSION},
		    "");
}

/* --- the coordinator's own pulse --- */

void core_pulse(struct core *c)
{
	uint64_t away_ms = liveness_turn(&c->nodes, c->now.mono_ms);
	char text[200];

	if (!away_ms)
		return;
	str_fmt(text, sizeof(text),
		"was stopped or late for %.1f s: silence in that time says nothing of the hosts",
		(double)away_ms / 1000);
	core_emit(c, "coordinator.late", c->config.id, text, NULL);
}

/* --- sweeping --- */

static void on_state(void *arg, struct node *node)
{
	char kind[32], text[200];
	struct core *c = arg;

	str_fmt(kind, sizeof(kind), "host.%s", node_state_name(node->state));
	str_fmt(text, sizeof(text), "no word for %.1f s%s%s",
		(double)(c->now.mono_ms - node->heard_ms) / 1000, *node->note ? "; " : "",
		node->note);
	core_emit(c, kind, node->id, text, NULL);
}

static void on_ask(void *arg, struct node *node, const char *peer)
{
	struct msg_head head = {.type = MSG_TYPE_probe};
	struct core *c = arg;

	head.epoch = c->config.term;
	effects_ask(c->effects, peer, head,
		    &(struct msg_probe){.host = node->id,
					.address = node->address,
					.port = node->ssh_port,
					.deadline_ms = PROBE_MS},
		    "");
}

static void on_mass(void *arg, size_t silent, size_t living)
{
	struct core *c = arg;
	char text[256];

	if (!silent) {
		core_emit(c, "hosts.heard", NULL, "not too many hosts are silent at once any more",
			  NULL);
		return;
	}
	core_mass_text(c, text, sizeof(text));
	core_emit(c, "hosts.silent", NULL, text, NULL);
	(void)living;
}

void core_mass_text(const struct core *c, char *ret_text, size_t size)
{
	ret_text[0] = '\0';
	if (c->nodes.mass_loss)
		str_fmt(ret_text, size,
			"%zu of %zu hosts fell silent at once: none is taken for dead; is it this "
			"coordinator's network?",
			c->nodes.silent, c->nodes.living);
}

void core_judge_hosts(struct core *c)
{
	const struct liveness_sink sink = {c, on_state, on_ask, on_mass};

	liveness_sweep(&c->nodes, c->now.mono_ms, &sink);
}

void core_heard_of(struct core *c, const struct node *peer, const struct msg_sight *said)
{
	struct node *node = nodes_find(&c->nodes, said->host);
	enum sight sight = !said->tried    ? SIGHT_none
			   : said->reached ? SIGHT_reached
					   : SIGHT_unreached;

	if (node && liveness_heard_of(node, peer->id, sight, c->now.mono_ms))
		core_emit(c, "host.seen", node->id, node->note, NULL);
}

/* --- the interval --- */

static size_t enrolled(const struct core *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nodes.n; i++)
		n += c->nodes.v[i]->enrolled;
	return n;
}

/* Workers are told at once: whoever beats slower than it is judged by would be suspect. */
void core_set_pace(struct core *c)
{
	uint64_t before_ms = c->nodes.interval_ms;

	c->pace_due = false;
	liveness_set_interval(&c->nodes, liveness_interval_ms(enrolled(c), c->config.interval_ms),
			      c->now.mono_ms);
	for (size_t i = 0; c->nodes.interval_ms != before_ms && i < c->nodes.n; i++)
		if (c->nodes.v[i]->state == NODE_up || c->nodes.v[i]->state == NODE_suspect)
			core_welcome(c, c->nodes.v[i], "");
}
