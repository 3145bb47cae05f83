/* SPDX-License-Identifier: MPL-2.0
 *
 * When the cluster is looked at, what is suggested or done, and who rests. */
#include "coordinator/drain_impl.h"

#include "base/mem.h"
#include "coordinator/core_requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *balance_quiet_text(enum plan_quiet quiet)
{
	static const char *const texts[] = {
		[PLAN_QUIET_moves] = "",
		[PLAN_QUIET_even] = "no host is overloaded, and the load is even enough",
		[PLAN_QUIET_comfort] = "uneven, but no host is loaded enough to care",
		[PLAN_QUIET_hold] = "uneven, but not for long enough yet",
		[PLAN_QUIET_gain] = "uneven, but moves would gain too little",
		[PLAN_QUIET_candidate] = "nothing that may move would help",
	};

	return texts[quiet];
}

static bool parse(const char *const *words, size_t n, const char *word, unsigned *ret)
{
	for (unsigned i = 0; i < n; i++)
		if (str_eq(words[i], word)) {
			*ret = i;
			return true;
		}
	return false;
}

bool balance_by_parse(const char *word, enum balance_by *ret)
{
	static const char *const words[] = {"all", "cpu", "mem", "psi"};
	unsigned i = 0;
	bool ok = parse(words, ARRAY_LEN(words), word, &i);

	*ret = (enum balance_by)i;
	return ok;
}

bool balance_mode_parse(const char *word, enum balance_mode *ret)
{
	static const char *const words[] = {"off", "suggest", "auto"};
	unsigned i = 0;
	bool ok = parse(words, ARRAY_LEN(words), word, &i);

	*ret = (enum balance_mode)i;
	return ok;
}

static double part_of(const struct options *options, enum option_id percent)
{
	return (double)options_u64(options, percent) / 100;
}

void balance_configure(struct balance *b, const struct options *options)
{
	struct plan_limits *l = &b->limits;

	*l = plan_limits;
	b->mode = BALANCE_off;
	if (!options)
		return;
	balance_mode_parse(options_str(options, OPT_coordinator_rebalance), &b->mode);
	b->every_ms = options_u64(options, OPT_coordinator_rebalance_every);
	b->patience = part_of(options, OPT_balance_patience);
	l->overload = part_of(options, OPT_balance_overload);
	l->relief = part_of(options, OPT_balance_relief);
	l->comfort = part_of(options, OPT_balance_comfort);
	l->imbalance = part_of(options, OPT_balance_uneven);
	l->gain = part_of(options, OPT_balance_gain);
	l->hold = (unsigned)(options_u64(options, OPT_balance_hold) / b->every_ms);
	l->moves = (uint32_t)options_u64(options, OPT_balance_moves);
}

/* --- rests --- */

static struct rest *rest_add(struct balance *b, const char *container)
{
	struct rest *rest;

	for (size_t i = 0; i < b->n_rests; i++)
		if (str_eq(b->rests[i].container, container))
			return &b->rests[i];
	b->rests = mem_grow(b->rests, b->n_rests + 1, sizeof(*b->rests));
	rest = &b->rests[b->n_rests++];
	*rest = (struct rest){0};
	str_copy(rest->container, sizeof(rest->container), container);
	return rest;
}

/* What has rested for longer than the longest rest starts anew. */
static void forget_rested(struct core *c)
{
	struct balance *b = &c->balance;
	size_t kept = 0;

	for (size_t i = 0; i < b->n_rests; i++)
		if (c->now.wall_ms < b->rests[i].moved_ms + (REST_BALANCE_MS << REST_DOUBLINGS_MAX))
			b->rests[kept++] = b->rests[i];
	b->n_rests = kept;
}

/* Loads are means: for some beats after a move, or after our start, they are not yet what they are
 * going to be, and what has just arrived is not known to use anything. How hot a host was before
 * says nothing of it after. */
static void settle(struct core *c)
{
	uint64_t until_ms = c->now.mono_ms + SETTLE_BEATS * c->nodes.interval_ms;

	if (c->balance.next_ms < until_ms)
		c->balance.next_ms = until_ms;
	for (size_t i = 0; i < c->nodes.n; i++)
		c->nodes.v[i]->hot_excess = 0;
}

bool rest_forbids(const struct rest *rest, const char *host, uint64_t wall_ms)
{
	if (wall_ms >= rest->moved_ms + REST_BALANCE_MS)
		return false;
	for (size_t i = 0; i < REST_LEFT_MAX; i++)
		if (str_eq(rest->left[i], host))
			return true;
	return false;
}

/* Hosts that it left so long ago that it may go back are not remembered. */
static void rest_leaves(struct rest *rest, const char *left, uint64_t wall_ms)
{
	if (wall_ms >= rest->moved_ms + REST_BALANCE_MS)
		memset(rest->left, 0, sizeof(rest->left));
	memmove(rest->left[1], rest->left[0], sizeof(rest->left) - sizeof(rest->left[0]));
	str_copy(rest->left[0], sizeof(rest->left[0]), left);
	rest->moved_ms = wall_ms;
	rest->moves++;
}

void balance_moved(struct core *c, const char *container, const char *left)
{
	struct rest *rest;
	char key[NAME_SIZE + 8], text[(REST_LEFT_MAX + 1) * NAME_SIZE];
	size_t used;

	forget_rested(c);
	rest = rest_add(&c->balance, container);
	rest_leaves(rest, left, c->now.wall_ms);
	str_fmt(key, sizeof(key), REST_KEY "%s", container);
	str_fmt(text, sizeof(text), "%" PRIu64 " %u", rest->moved_ms, rest->moves);
	for (size_t i = 0; i < REST_LEFT_MAX && rest->left[i][0]; i++) {
		used = strlen(text);
		str_fmt(text + used, sizeof(text) - used, " %s", rest->left[i]);
	}
	effects_value(c->effects, key, text);
	settle(c);
}

void balance_replay(struct core *c, const char *container, const char *text)
{
	struct rest read = {0};
	struct rest *rest;
	char name[NAME_SIZE];

	if (!name_ok(container) ||
	    sscanf(text, "%" SCNu64 " %u %63s %63s %63s %63s", &read.moved_ms, &read.moves,
		   read.left[0], read.left[1], read.left[2], read.left[3]) < 3)
		return; /* it only rests less */
	rest = rest_add(&c->balance, container);
	str_copy(name, sizeof(name), rest->container);
	*rest = read;
	str_copy(rest->container, sizeof(rest->container), name);
}

void balance_done(struct balance *balance)
{
	free(balance->rests);
	*balance = (struct balance){0};
}

/* --- by itself --- */

/* Not while hosts are emptied or filled, nor on a picture that is not whole: a host that is not
 * heard of may be hot or empty. */
static bool suspended(const struct core *c)
{
	for (size_t i = 0; i < c->n_drains; i++)
		if (c->drains[i]->state != DRAIN_done && c->drains[i]->state != DRAIN_planned)
			return true;
	for (size_t i = 0; i < c->nodes.n; i++)
		if (c->nodes.v[i]->enrolled && c->nodes.v[i]->state == NODE_suspect)
			return true;
	return core_jobs_running(c) > 0;
}

/* The further a host is above the limit, the sooner it has been there for long enough: a peak of a
 * moment is no reason to move anything, a host that has nothing left is one at once. */
static void note_excess(struct core *c)
{
	double limit = c->balance.limits.overload;

	for (size_t i = 0; i < c->nodes.n; i++) {
		struct node *node = c->nodes.v[i];
		double hot = node_hot(node);

		node->hot_excess = hot >= limit ? node->hot_excess + hot - limit : 0;
	}
}

static void say_moves(const struct drain *drain, char *text, size_t size)
{
	text[0] = '\0';
	for (size_t i = 0; i < drain->n_items; i++) {
		size_t used = strlen(text);

		str_fmt(text + used, size - used, "%s%s to %s", i ? ", " : "",
			drain->items[i].container, drain->items[i].home);
	}
}

static void suggest(struct core *c, const struct drain *drain)
{
	char moves[256];

	say_moves(drain, moves, sizeof(moves));
	if (str_eq(moves, c->balance.told))
		return;
	str_copy(c->balance.told, sizeof(c->balance.told), moves);
	core_emit(c, "rebalance.suggest", NULL, moves, NULL);
}

/* One lane: its moves begin, or are told. False when it has none. */
static bool lane(struct core *c, const struct balance_wish *wish)
{
	struct drain *drain;
	char id[ULID_SIZE];

	core_own_id(c, id);
	drain = core_drain_add(c, id, "rebalance");
	if (balance_propose(c, wish, drain) != PLAN_QUIET_moves || !drain->n_items) {
		core_drain_drop(c, drain);
		return false;
	}
	if (c->balance.mode == BALANCE_suggest) {
		suggest(c, drain);
		core_drain_drop(c, drain);
		return true;
	}
	str_copy(drain->user, sizeof(drain->user), "drover");
	str_copy(drain->reason, sizeof(drain->reason),
		 wish->even ? "uneven load" : "an overloaded host");
	drain_place(c, drain);
	core_drain_begin(c, drain);
	return true;
}

void balance_tick(struct core *c)
{
	struct balance *b = &c->balance;

	if (b->mode == BALANCE_off)
		return;
	if (!b->next_ms || core_jobs_running(c))
		settle(c);
	if (c->now.mono_ms < b->next_ms)
		return;
	b->next_ms = c->now.mono_ms + b->every_ms;
	if (suspended(c)) {
		b->uneven_ticks = 0;
		return;
	}
	note_excess(c);
	if (!lane(c, &(struct balance_wish){.overload = true, .rested = true}))
		lane(c, &(struct balance_wish){.even = true, .held = true, .rested = true});
}

/* --- on request --- */

static void say_evenness(struct drain *drain)
{
	if (drain->n_items)
		str_fmt(drain->note, sizeof(drain->note),
			"imbalance %.2f to %.2f, hottest host %.0f%% to %.0f%%", drain->imbalance,
			drain->imbalance_after, 100 * drain->hottest, 100 * drain->hottest_after);
}

int core_ask_rebalance(struct asked *a, struct err *err)
{
	struct balance_wish wish = {
		.overload = true, .even = true, .max_moves = (uint32_t)a->body->limit};
	struct drain *drain;
	enum plan_quiet quiet;

	if (given(a->body->mode)[0] && !balance_by_parse(a->body->mode, &wish.by))
		return fail(err, ERR_usage, "--by takes all, cpu, mem or psi, not %s",
			    a->body->mode);
	drain = core_drain_add(a->c, a->id, "rebalance");
	str_copy(drain->user, sizeof(drain->user), a->body->user);
	str_copy(drain->reason, sizeof(drain->reason), a->body->reason);
	drain->deadline_ms = a->body->deadline_ms;
	quiet = balance_propose(a->c, &wish, drain);
	if (quiet != PLAN_QUIET_moves)
		str_copy(drain->note, sizeof(drain->note), balance_quiet_text(quiet));
	else
		say_evenness(drain);
	return core_plan_and_begin(a, drain);
}
