/* SPDX-License-Identifier: MPL-2.0
 *
 * Requests about many moves: evacuate, restore, pause, resume, and what job, watch and cancel mean
 * for them. */
#include "coordinator/core_requests.h"
#include "coordinator/drain_impl.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

#define PARALLEL_MAX 32

void core_show_drain(struct core *c, struct drain *drain, struct msg_reply *reply)
{
	struct drain_text *text = core_scratch(c, 1, sizeof(*text));
	struct msg_item *items;
	struct msg_room *rooms;

	reply->plan = core_scratch(c, 1, sizeof(*reply->plan));
	drain_view(drain, reply->plan, text);
	/* What the turn's replies point to lives as long as the turn. */
	items = core_scratch(c, drain->n_items + 1, sizeof(*items));
	rooms = core_scratch(c, drain->n_rooms + 1, sizeof(*rooms));
	memcpy(items, text->items, drain->n_items * sizeof(*items));
	memcpy(rooms, text->rooms, drain->n_rooms * sizeof(*rooms));
	drain_view_done(text);
	reply->plan->items.v = items;
	reply->plan->rooms.v = rooms;
	reply->jobs.v = core_scratch(c, 1, sizeof(*reply->jobs.v));
	reply->jobs.n = 1;
	drain_job_view(drain, reply->jobs.v, core_scratch(c, 1, DRAIN_PHASE_SIZE));
	if (drain->state == DRAIN_done) {
		reply->code = (uint64_t)drain_code(drain);
		reply->error = reply->code ? drain->note : NULL;
		reply->text = drain->note;
	}
}

/* The hosts that a request names, all of them known and none in another drain. */
static int take_hosts(struct asked *a, struct drain *drain, const struct msg_strs *hosts,
		      struct err *err)
{
	const struct drain *other;
	struct node *node;

	if (!hosts->n)
		return fail(err, ERR_usage, "no host is named");
	if (hosts->n > DRAIN_HOSTS_MAX)
		return fail(err, ERR_usage, "more than %d hosts", DRAIN_HOSTS_MAX);
	for (size_t i = 0; i < hosts->n; i++) {
		if (nodes_find_host(&a->c->nodes, hosts->v[i], &node, err))
			return -err->code;
		other = core_drain_of_host(a->c, node->id);
		if (other && other != drain) {
			fail(err, ERR_busy, "%s %s of %s goes on already", other->kind,
			     other->id + ULID_LEN - 5, node->id);
			return err_fix(err, "drover job %s --follow, or drover cancel %s",
				       other->id + ULID_LEN - 5, other->id + ULID_LEN - 5);
		}
		if (!drain_has_host(drain, node->id))
			str_copy(drain->hosts[drain->n_hosts++], NAME_SIZE, node->id);
	}
	return 0;
}

static int take_wishes(struct asked *a, struct drain *drain, struct err *err)
{
	const struct msg_request *body = a->body;

	if (core_check_skips(&body->skip, err))
		return -err->code;
	if (body->parallel > PARALLEL_MAX)
		return fail(err, ERR_usage, "--parallel takes at most %d", PARALLEL_MAX);
	if (body->force)
		str_copy(drain->skip[drain->n_skip++], sizeof(drain->skip[0]), "all");
	for (size_t i = 0; i < body->skip.n && drain->n_skip < ARRAY_LEN(drain->skip); i++)
		str_copy(drain->skip[drain->n_skip++], sizeof(drain->skip[0]), body->skip.v[i]);
	drain->stop = str_eq(body->mode, "stop");
	drain->cold = drain->stop || str_eq(body->mode, "cold");
	drain->deadline_ms = body->deadline_ms;
	drain->parallel = body->parallel;
	str_copy(drain->reason, sizeof(drain->reason), body->reason);
	str_copy(drain->user, sizeof(drain->user), body->user);
	return 0;
}

static void say_missing(struct drain *drain)
{
	size_t n = 0, used = 0;

	for (size_t i = 0; i < drain->n_items; i++) {
		const struct drain_item *item = &drain->items[i];

		if (*item->target || item->stop)
			continue;
		used = strlen(drain->note);
		str_fmt(drain->note + used, sizeof(drain->note) - used, "%s%s: %s", n++ ? "; " : "",
			item->container, item->why);
	}
}

void core_drain_begin(struct core *c, struct drain *drain)
{
	if (drain->state != DRAIN_preparing) /* else its deadline runs already */
		drain->started_ms = c->now.wall_ms;
	drain->state = DRAIN_running;
	drain->note[0] = '\0';
	drain->dirty = true;
	c->drains_due = true;
	drain_emit(c, drain, "drain.begin", drain->reason);
}

static void follow(struct asked *a, struct drain *drain)
{
	if (a->body->follow)
		core_follow_id(a->c, a->client, a->request, drain->id);
	a->reply.final = !a->body->follow;
}

void core_drain_drop(struct core *c, struct drain *drain)
{
	for (size_t i = 0; i < c->n_drains; i++) {
		if (c->drains[i] != drain)
			continue;
		c->n_drains--;
		memmove(c->drains + i, c->drains + i + 1,
			(c->n_drains - i) * sizeof(struct drain *));
		drain_free(&drain);
		return;
	}
}

/* A restore's hosts take guests by then, whatever they do while it is only looked at. */
static void place(struct core *c, struct drain *drain)
{
	bool was[DRAIN_HOSTS_MAX];

	for (size_t i = 0; i < drain->n_hosts; i++) {
		struct node *node = nodes_find(&c->nodes, drain->hosts[i]);

		was[i] = node->cordoned;
		node->cordoned &= !str_eq(drain->kind, "restore");
	}
	drain_place(c, drain);
	for (size_t i = 0; i < drain->n_hosts; i++)
		nodes_find(&c->nodes, drain->hosts[i])->cordoned = was[i];
}

/* Plans; with `yes` also begins, or keeps it for its time. A reply that is not final is sent here:
 * the followers' comes later. */
static int plan_and_begin(struct asked *a, struct drain *drain,
			  void (*prepare)(struct core *c, struct drain *drain))
{
	bool agreed = a->body->yes && !a->body->dry_run;
	bool later = a->body->at_ms > a->c->now.wall_ms;
	bool hooks = drain_hooks_wanted(a->c, drain);

	drain->at_ms = later ? a->body->at_ms : 0;
	if (agreed && !later && !hooks)
		prepare(a->c, drain);
	place(a->c, drain);
	say_missing(drain);
	if (agreed && !later && hooks)
		drain_hooks_begin(a->c, drain, false);
	else if (agreed && !later)
		core_drain_begin(a->c, drain);
	drain->dirty = agreed;
	if (agreed)
		follow(a, drain);
	core_show_drain(a->c, drain, &a->reply);
	core_reply(a->c, a->client, a->request, &a->reply);
	a->reply.final = false;
	if (!agreed)
		core_drain_drop(a->c, drain);
	return 0;
}

/* --- evacuate --- */

static void cordon_all(struct core *c, struct drain *drain)
{
	char key[NAME_SIZE + 16];

	for (size_t i = 0; i < drain->n_hosts; i++) {
		struct node *node = nodes_find(&c->nodes, drain->hosts[i]);

		if (!node->cordoned || (drain->reason[0] && !window_is_user(drain->user)))
			core_set_cordon(c, node, true,
					drain->reason[0] ? drain->reason : "evacuated");
		node->maintenance = true;
		str_fmt(key, sizeof(key), "maintenance/%s", node->id);
		effects_value(c->effects, key, "yes");
	}
}

void core_drain_prepared(struct core *c, struct drain *drain)
{
	cordon_all(c, drain);
	core_drain_begin(c, drain);
}

int core_ask_evacuate(struct asked *a, struct err *err)
{
	struct drain *drain = core_drain_add(a->c, a->id, "evacuate");

	if (take_hosts(a, drain, &a->body->hosts, err) || take_wishes(a, drain, err)) {
		core_drain_drop(a->c, drain);
		return -err->code;
	}
	drain_collect(a->c, drain);
	return plan_and_begin(a, drain, cordon_all);
}

/* --- restore --- */

static void uncordon_all(struct core *c, struct drain *drain)
{
	for (size_t i = 0; i < drain->n_hosts; i++)
		core_set_cordon(c, nodes_find(&c->nodes, drain->hosts[i]), false, NULL);
}

static bool has_container(const struct drain *drain, const char *container)
{
	for (size_t i = 0; i < drain->n_items; i++)
		if (str_eq(drain->items[i].container, container))
			return true;
	return false;
}

/* A guest of this host that an evacuation put elsewhere: it comes home if it is still there. */
static void bring_home(struct core *c, struct drain *drain, const struct drain_item *moved)
{
	const struct node *node = nodes_find(&c->nodes, moved->target);
	const struct msg_container *ct = node ? node_container(node, moved->container) : NULL;
	struct drain_item *item;
	struct place now;

	if (has_container(drain, moved->container) || drain->n_items == DRAIN_ITEMS_MAX)
		return; /* a later evacuation has spoken for it */
	item = drain_add(drain);
	str_copy(item->container, sizeof(item->container), moved->container);
	str_copy(item->runtime, sizeof(item->runtime), moved->runtime);
	str_copy(item->source, sizeof(item->source), moved->target);
	str_copy(item->home, sizeof(item->home), moved->source);
	item->rss_bytes = moved->rss_bytes;
	if (ct && !container_is_copy(ct) && str_eq(ct->status, "running")) {
		item->rss_bytes = ct->rss_bytes;
		return;
	}
	item->state = ITEM_gone;
	if (nodes_find_container(&c->nodes, moved->container, NULL, &now, NULL))
		str_fmt(item->why, sizeof(item->why), "it does not run on %s any more",
			moved->target);
	else
		str_fmt(item->why, sizeof(item->why), "it was moved to %s since", now.node->id);
}

/* A whole restore since then has brought home what older evacuations of the host put elsewhere. */
static bool is_settled(const struct core *c, size_t evacuation, const char *host)
{
	for (size_t i = evacuation + 1; i < c->n_drains; i++) {
		const struct drain *later = c->drains[i];

		if (str_eq(later->kind, "restore") && later->state == DRAIN_done &&
		    later->n_items && drain_has_host(later, host) && !drain_code(later))
			return true;
	}
	return false;
}

static void collect_guests(struct core *c, struct drain *drain)
{
	for (size_t i = c->n_drains; i-- > 0;) {
		const struct drain *past = c->drains[i];

		if (past == drain || !str_eq(past->kind, "evacuate") || past->state != DRAIN_done)
			continue;
		for (size_t k = 0; k < past->n_items; k++) {
			const struct drain_item *item = &past->items[k];

			if (!drain_has_host(drain, item->source) || is_settled(c, i, item->source))
				continue;
			if (item->state == ITEM_moved)
				bring_home(c, drain, item);
			else if (item->state == ITEM_stopped)
				drain_collect_stopped(c, drain, item);
		}
	}
}

int core_ask_restore(struct asked *a, struct err *err)
{
	struct drain *drain = core_drain_add(a->c, a->id, "restore");

	if (take_hosts(a, drain, &a->body->hosts, err) || take_wishes(a, drain, err)) {
		core_drain_drop(a->c, drain);
		return -err->code;
	}
	if (!a->body->no_return)
		collect_guests(a->c, drain);
	return plan_and_begin(a, drain, uncordon_all);
}

static void prepare_nothing(struct core *c, struct drain *drain)
{
	(void)c;
	(void)drain;
}

int core_plan_and_begin(struct asked *a, struct drain *drain)
{
	return plan_and_begin(a, drain, prepare_nothing);
}

/* --- apply --- */

/* The world must be as the plan found it: what it weighed is not true of another one. */
static int still_holds(struct core *c, const struct msg_plan *plan, struct err *err)
{
	struct node *node;

	for (size_t i = 0; i < plan->rooms.n; i++) {
		const struct msg_room *room = &plan->rooms.v[i];

		if (nodes_find_host(&c->nodes, given(room->host), &node, err))
			return -err->code;
		if (node->state != NODE_up)
			return fail(err, ERR_refused, "%s is %s", node->id,
				    node_state_name(node->state));
		if (given(room->boot_id)[0] && !str_eq(room->boot_id, node->boot_id))
			return fail(err, ERR_refused,
				    "%s was started again since the plan was made", node->id);
	}
	for (size_t i = 0; i < plan->items.n; i++) {
		const struct msg_item *item = &plan->items.v[i];
		const struct msg_container *ct;

		if (nodes_find_host(&c->nodes, given(item->source), &node, err))
			return -err->code;
		ct = node_container(node, given(item->container));
		if (!ct || container_is_copy(ct) || !str_eq(ct->status, "running"))
			return fail(err, ERR_refused, "%s does not run on %s any more",
				    given(item->container), node->id);
	}
	return 0;
}

static void take_items(struct core *c, struct drain *drain, const struct msg_plan *plan)
{
	for (size_t i = 0; i < plan->items.n && drain->n_items < DRAIN_ITEMS_MAX; i++) {
		const struct msg_item *view = &plan->items.v[i];
		const struct node *node = nodes_find(&c->nodes, view->source);
		const struct msg_container *ct = node_container(node, view->container);
		struct drain_item *item;

		bool stop = str_eq(view->mode, "stop");

		if (!given(view->target)[0] && !stop)
			continue; /* the plan left it where it is */
		item = drain_add(drain);
		str_copy(item->container, sizeof(item->container), ct->id);
		str_copy(item->runtime, sizeof(item->runtime), ct->runtime);
		str_copy(item->source, sizeof(item->source), node->id);
		if (!stop) /* may be that there is room for it by now */
			str_copy(item->home, sizeof(item->home), view->target);
		item->rss_bytes = ct->rss_bytes;
	}
}

int core_ask_apply(struct asked *a, struct err *err)
{
	static const char *const kinds[] = {"evacuate", "restore", "rebalance"};
	const struct msg_plan *plan = a->body->saved;
	bool known = false;
	struct drain *drain;

	for (size_t i = 0; plan && i < ARRAY_LEN(kinds); i++)
		known |= str_eq(plan->kind, kinds[i]);
	if (!known)
		return fail(err, ERR_usage, "this is no plan of evacuate, restore or rebalance");
	if (still_holds(a->c, plan, err))
		return err_fix(err, "make the plan anew");
	drain = core_drain_add(a->c, a->id, plan->kind);
	if ((plan->hosts.n && take_hosts(a, drain, &plan->hosts, err)) ||
	    take_wishes(a, drain, err)) {
		core_drain_drop(a->c, drain);
		return -err->code;
	}
	drain->stop |= str_eq(plan->on_stuck, "stop");
	drain->cold |= drain->stop || str_eq(plan->on_stuck, "cold");
	take_items(a->c, drain, plan);
	return plan_and_begin(a, drain,
			      str_eq(plan->kind, "evacuate")  ? cordon_all
			      : str_eq(plan->kind, "restore") ? uncordon_all
							      : prepare_nothing);
}

/* --- one whose time has come --- */

void core_begin_planned(struct core *c, struct drain *drain)
{
	const struct drain *other = NULL;

	for (size_t i = 0; i < drain->n_hosts && !other; i++) {
		nodes_add(&c->nodes, drain->hosts[i]); /* it may have left the roster since */
		other = core_drain_of_host(c, drain->hosts[i]);
	}
	if (other) {
		drain->state = DRAIN_done;
		drain->finished_ms = c->now.wall_ms;
		drain->dirty = true;
		str_fmt(drain->note, sizeof(drain->note),
			"not begun: %s %s was going on there at its time", other->kind, other->id);
		drain_emit(c, drain, "drain.end", drain->note);
		return;
	}
	/* What was planned then is long past: the hosts are looked at anew. */
	drain->n_items = drain->n_rooms = 0;
	if (str_eq(drain->kind, "evacuate")) {
		drain_collect(c, drain);
		if (drain_hooks_wanted(c, drain)) {
			drain_place(c, drain);
			drain_hooks_begin(c, drain, false);
			return;
		}
		cordon_all(c, drain);
	} else {
		collect_guests(c, drain);
		uncordon_all(c, drain);
	}
	drain_place(c, drain);
	core_drain_begin(c, drain);
}

/* --- one that goes on --- */

struct drain *core_drain_asked(struct asked *a)
{
	const char *wanted = given(a->body->job);
	size_t len = strlen(wanted);

	for (size_t i = a->c->n_drains; i-- > 0;) {
		struct drain *drain = a->c->drains[i];

		if (len >= 3 && len <= ULID_LEN && str_eq(drain->id + ULID_LEN - len, wanted))
			return drain;
		/* A host's name stands for the drain that goes on there. */
		if (drain->state != DRAIN_done && drain_has_host(drain, wanted))
			return drain;
	}
	return NULL;
}

int core_ask_drain(struct asked *a, struct drain *drain, struct err *err)
{
	(void)err;
	core_show_drain(a->c, drain, &a->reply);
	if (!a->body->follow) {
		a->reply.code = 0; /* a question that was answered is no failure */
		a->reply.error = NULL;
		return 0;
	}
	if (drain->state != DRAIN_done) {
		core_follow_id(a->c, a->client, a->request, drain->id);
		a->reply.final = false;
	}
	core_reply(a->c, a->client, a->request, &a->reply);
	a->reply.final = false;
	return 0;
}

static int going_on(struct asked *a, struct drain **ret, struct err *err)
{
	*ret = core_drain_asked(a);
	if (!*ret) {
		fail(err, ERR_nosuch, "no evacuation %s", given(a->body->job));
		return err_fix(err, "drover jobs lists them");
	}
	if ((*ret)->state == DRAIN_planned || (*ret)->state == DRAIN_preparing)
		return fail(err, ERR_refused, "%s %s has not begun yet", (*ret)->kind, (*ret)->id);
	if ((*ret)->state >= DRAIN_ending)
		return fail(err, ERR_refused, "%s %s is over: %s", (*ret)->kind, (*ret)->id,
			    (*ret)->state == DRAIN_done ? (*ret)->note
							: "what moves is being finished");
	return 0;
}

static int set_state(struct asked *a, enum drain_state state, const char *kind, struct err *err)
{
	struct drain *drain;

	if (going_on(a, &drain, err))
		return -err->code;
	drain->state = state;
	drain->dirty = true;
	a->c->drains_due = true;
	drain_emit(a->c, drain, kind, a->body->reason);
	core_show_drain(a->c, drain, &a->reply);
	return 0;
}

int core_ask_pause(struct asked *a, struct err *err)
{
	return set_state(a, DRAIN_paused, "drain.paused", err);
}

int core_ask_resume(struct asked *a, struct err *err)
{
	return set_state(a, DRAIN_running, "drain.resumed", err);
}

int core_cancel_drain(struct asked *a, struct drain *drain, struct err *err)
{
	if (drain->state == DRAIN_planned) {
		drain->n_items = 0;
		drain->state = DRAIN_done;
		drain->finished_ms = a->c->now.wall_ms;
		drain->dirty = true;
		str_copy(drain->note, sizeof(drain->note), "canceled before its time");
		core_show_drain(a->c, drain, &a->reply);
		return 0;
	}
	if (drain->state == DRAIN_preparing || drain->state == DRAIN_telling) {
		if (drain->state == DRAIN_preparing)
			drain_unbegun(a->c, drain, "canceled");
		else
			drain_close(a->c, drain); /* waits for hooks only */
		core_show_drain(a->c, drain, &a->reply);
		return 0;
	}
	if (going_on(a, &drain, err))
		return -err->code;
	drain_end(a->c, drain, "cancel", true);
	a->c->drains_due = true;
	drain_emit(a->c, drain, "drain.canceled", a->body->reason);
	core_show_drain(a->c, drain, &a->reply);
	return 0;
}
