/* SPDX-License-Identifier: MPL-2.0
 *
 * The programs that the hosts of an evacuation run before its first move and after its last
 * (worker/drain_hooks.h): asked for until each host has answered. A coordinator that was restarted
 * asks all of them again. One that says no before the first move is the end of it: nothing has been
 * cordoned or moved. */
#include "coordinator/drain_impl.h"

#include <inttypes.h>
#include <string.h>

#define ASK_MS 2000
#define POST_LIMIT_MS 900000 /* a host that does not answer is waited for no longer, afterwards */

static bool knows(const struct node *node)
{
	return node && node->caps && node->caps->caps->evacuate_hooks;
}

bool drain_hooks_wanted(const struct core *c, const struct drain *drain)
{
	bool any = false;

	for (size_t i = 0; i < drain->n_hosts; i++)
		any |= knows(nodes_find(&c->nodes, drain->hosts[i]));
	return any && str_eq(drain->kind, "evacuate");
}

void drain_hooks_begin(struct core *c, struct drain *drain, bool post)
{
	drain->state = post ? DRAIN_telling : DRAIN_preparing;
	if (!post)
		drain->started_ms = c->now.wall_ms;
	drain->dirty = true;
	drain->hooks_since_ms = c->now.mono_ms;
	drain->hooks_ask_ms = 0;
	memset(drain->hooked, 0, sizeof(drain->hooked));
	c->drains_due = true;
}

static void keep_words(struct drain *drain, const char *host, const char *event, const char *words)
{
	size_t used = strlen(drain->log), len = strlen(words);

	if (len)
		str_fmt(drain->log + used, sizeof(drain->log) - used, "%s: %s\n%s%s", host, event,
			words, words[len - 1] == '\n' ? "" : "\n");
}

void drain_unbegun(struct core *c, struct drain *drain, const char *why)
{
	str_copy(drain->ended, sizeof(drain->ended), "unbegun");
	str_fmt(drain->note, sizeof(drain->note), "not begun: %s", why);
	for (size_t i = 0; i < drain->n_items; i++)
		if (drain->items[i].state == ITEM_waiting) {
			drain->items[i].state = ITEM_stays;
			str_copy(drain->items[i].why, sizeof(drain->items[i].why),
				 "its evacuation has not begun");
		}
	drain_hooks_begin(c, drain, true);
}

static void send_ask(struct core *c, const struct drain *drain, const char *host, bool post)
{
	size_t moved = drain_count(drain, ITEM_moved) + drain_count(drain, ITEM_gone) +
		       drain_count(drain, ITEM_stopped);
	struct msg_head head = {.type = MSG_TYPE_ask, .epoch = c->config.term};
	struct msg_ask ask = {.migration = drain->id,
			      .step = STEP_hook,
			      .term = c->config.term,
			      .source = host,
			      .event = post ? "post-evacuate" : "pre-evacuate",
			      .reason = drain->reason,
			      .operator= drain->user,
			      .moved = moved,
			      .left = drain->n_items - moved};

	if (post)
		ask.outcome = str_eq(drain->ended, "unbegun") ? "NOT_BEGUN"
			      : ask.left                      ? "PARTLY"
							      : "EMPTY";
	str_copy(head.request, sizeof(head.request), drain->id);
	effects_ask(c->effects, host, head, &ask, "");
}

/* True while the host's answer is still to come. */
static bool waits_for(struct core *c, struct drain *drain, size_t i, bool post)
{
	const struct node *node = nodes_find(&c->nodes, drain->hosts[i]);
	bool late = c->now.mono_ms - drain->hooks_since_ms >= POST_LIMIT_MS;

	if (!node) /* not of the roster yet: we have just started */
		return true;
	if (drain->hooked[i] || !node->enrolled ||
	    (node->state == NODE_up && node->caps && !knows(node)))
		return false;
	if (post && (node->state == NODE_dead || late)) {
		keep_words(drain, node->id, "post-evacuate",
			   late ? "not run: the host does not answer"
				: "not run: the host is dead");
		drain->hooked[i] = true;
		return false;
	}
	if (node->state == NODE_up && c->now.mono_ms >= drain->hooks_ask_ms)
		send_ask(c, drain, node->id, post);
	return true;
}

void drain_hooks_run(struct core *c, struct drain *drain)
{
	bool post = drain->state == DRAIN_telling;
	size_t waiting = 0;

	if (!post && drain->deadline_ms &&
	    c->now.wall_ms >= drain->started_ms + drain->deadline_ms) {
		drain_unbegun(c, drain, "its deadline came before its pre-evacuate hooks' end");
		return;
	}
	for (size_t i = 0; i < drain->n_hosts; i++)
		waiting += waits_for(c, drain, i, post);
	if (c->now.mono_ms >= drain->hooks_ask_ms)
		drain->hooks_ask_ms = c->now.mono_ms + ASK_MS;
	if (!waiting && post)
		drain_close(c, drain);
	else if (!waiting)
		core_drain_prepared(c, drain);
}

void core_hook_answer(struct core *c, const struct node *node, const struct msg_answer *a)
{
	struct drain *drain = core_drain_find(c, given(a->migration));
	bool post = str_eq(a->event, "post-evacuate");
	char why[600];
	size_t i = 0;

	if (!drain || drain->state != (post ? DRAIN_telling : DRAIN_preparing) ||
	    a->code == ERR_busy)
		return; /* it is asked again */
	while (i < drain->n_hosts && !str_eq(drain->hosts[i], node->id))
		i++;
	if (i == drain->n_hosts || drain->hooked[i])
		return;
	drain->hooked[i] = true;
	drain->dirty = true;
	c->drains_due = true;
	keep_words(drain, node->id, post ? "post-evacuate" : "pre-evacuate", given(a->log));
	if (post || !a->code)
		return;
	str_fmt(why, sizeof(why), "%s: %.500s", node->id, given(a->error));
	drain_emit(c, drain, "drain.hook", why);
	drain_unbegun(c, drain, why);
}
