/* SPDX-License-Identifier: MPL-2.0
 *
 * When a window is open, whose turn it is, and what its end undoes. */
#include "coordinator/drain_impl.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS 1000
#define SPAN_MS 691200000ull /* longer than any window */
#define WRONG_MS 86400000ull /* a mark this far ahead was made by a clock that was wrong */
#define JUMP_MS 10800000ull  /* clocks are set by less, as summer comes and goes */
#define USER "window "

static const char *const state_words[] = {
	[MARK_open] = "open", [MARK_busy] = "busy", [MARK_closed] = "closed"};

/* --- what is configured --- */

static uint64_t number_of(const struct section *says, enum window_key key)
{
	uint64_t number = 0;

	if (says->text[key])
		section_value(&window_kind.rows[key], says->text[key], &number, NULL);
	return number;
}

static const char *text_of(const struct section *says, enum window_key key)
{
	return says->text[key] ? says->text[key] : "";
}

static bool restores(const struct section *says)
{
	return !says->text[WINDOW_restore] || number_of(says, WINDOW_restore);
}

void windows_configure(struct windows *w, const struct options *options)
{
	const struct section *says;

	free(w->v);
	w->v = NULL;
	w->n = 0;
	for (size_t i = 0; options && (says = options_window(options, i)); i++) {
		struct window *window;

		w->v = mem_grow(w->v, w->n + 1, sizeof(*w->v));
		window = &w->v[w->n];
		*window = (struct window){.says = says,
					  .duration_ms = number_of(says, WINDOW_duration),
					  .deadline_ms = number_of(says, WINDOW_deadline)};
		if (calendar_parse(text_of(says, WINDOW_when), &window->starts, NULL))
			continue; /* its zone is not there any more */
		calendar_parse_time(text_of(says, WINDOW_end), window->starts.zone, &window->ends,
				    NULL);
		w->n++;
	}
	w->look_ms = 0;
}

void windows_done(struct windows *w)
{
	free(w->v);
	free(w->marks);
	*w = (struct windows){0};
}

/* --- when --- */

static uint64_t second_of_day(const struct calendar *c)
{
	return c->hour * 3600 + c->minute * 60 + c->second;
}

/* Clocks that go forward may take the start to behind the end: then both are that much later. */
static uint64_t end_of(const struct window *window, uint64_t start_ms)
{
	uint64_t day_s = 86400, end_ms;
	uint64_t length_s = day_s + second_of_day(&window->ends) - second_of_day(&window->starts);
	uint64_t clocks_ms = start_ms + (length_s > day_s ? length_s - day_s : length_s) * 1000;

	if (window->duration_ms)
		return start_ms + window->duration_ms;
	if (!calendar_next(&window->ends, start_ms, &end_ms) || end_ms > clocks_ms + JUMP_MS)
		return clocks_ms;
	return end_ms;
}

void window_find(struct window *window, uint64_t wall_ms)
{
	uint64_t at_ms = wall_ms > SPAN_MS ? wall_ms - SPAN_MS : 0;

	if (window->from_ms && wall_ms >= window->from_ms &&
	    (window->never || wall_ms < window->end_ms))
		return;
	window->from_ms = wall_ms;
	do {
		window->never = !calendar_next(&window->starts, at_ms, &window->start_ms);
		if (window->never)
			return;
		window->end_ms = end_of(window, window->start_ms);
		at_ms = window->start_ms;
	} while (window->end_ms <= wall_ms);
}

static bool is_open(const struct window *window, uint64_t wall_ms)
{
	return !window->never && wall_ms >= window->start_ms;
}

/* --- marks --- */

static struct window_mark *mark_find(struct windows *w, const char *window, const char *host)
{
	for (size_t i = 0; i < w->n_marks; i++)
		if (str_eq(w->marks[i].window, window) && str_eq(w->marks[i].host, host))
			return &w->marks[i];
	return NULL;
}

static struct window_mark *mark_at(struct windows *w, const char *window, const char *host)
{
	struct window_mark *mark = mark_find(w, window, host);

	if (mark)
		return mark;
	w->marks = mem_grow(w->marks, w->n_marks + 1, sizeof(*w->marks));
	mark = &w->marks[w->n_marks++];
	*mark = (struct window_mark){.state = MARK_closed};
	str_copy(mark->window, sizeof(mark->window), window);
	str_copy(mark->host, sizeof(mark->host), host);
	return mark;
}

/* Whether this host has had its turn in this occurrence, or in a later one: a clock that was set
 * back does not bring one again. One that was wrong by more than a day has meant nothing. */
static bool had_its_turn(const struct core *c, const struct window_mark *mark, uint64_t start_ms)
{
	return mark && mark->start_ms >= start_ms && mark->start_ms < c->now.wall_ms + WRONG_MS;
}

static void mark_record(struct core *c, const struct window_mark *mark)
{
	char key[EFFECT_KEY_SIZE], text[2 * 21 + 32 + ULID_SIZE];

	str_fmt(key, sizeof(key), WINDOW_KEY "%s/%s", mark->window, mark->host);
	str_fmt(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %s %s %s", mark->start_ms,
		mark->end_ms, mark->restore ? "restore" : "stay", state_words[mark->state],
		*mark->drain ? mark->drain : "-");
	effects_value(c->effects, key, text);
}

void windows_replay(struct windows *w, const char *key, const char *text)
{
	char window[NAME_SIZE] = "", what[8], state[8];
	const char *slash = strchr(key, '/');
	struct window_mark read = {0}, *mark;

	if (!slash || !str_fmt(window, sizeof(window), "%.*s", (int)(slash - key), key) ||
	    !name_ok(window) || !name_ok(slash + 1) ||
	    sscanf(text, "%" SCNu64 " %" SCNu64 " %7s %7s %26s", &read.start_ms, &read.end_ms, what,
		   state, read.drain) != 5)
		return;
	mark = mark_at(w, window, slash + 1);
	mark->start_ms = read.start_ms;
	mark->end_ms = read.end_ms;
	mark->restore = str_eq(what, "restore");
	mark->state = str_eq(state, "open")   ? MARK_open
		      : str_eq(state, "busy") ? MARK_busy
					      : MARK_closed;
	str_copy(mark->drain, sizeof(mark->drain), read.drain);
}

/* --- whose turn it is --- */

static bool wants(const struct window *window, const struct node *node)
{
	const char *label = window->says->text[WINDOW_label];
	char word[256];

	if (!node->enrolled)
		return false;
	if (list_names(text_of(window->says, WINDOW_hosts), node->id))
		return true;
	return label && node->caps &&
	       !labels_lacked(label, &node->caps->caps->labels, word, sizeof(word));
}

static struct drain *drain_make(struct core *c, const char *kind, const char *window)
{
	struct drain *drain;
	char id[ULID_SIZE];

	core_own_id(c, id);
	drain = core_drain_add(c, id, kind);
	str_fmt(drain->user, sizeof(drain->user), USER "%s", window);
	return drain;
}

bool window_is_user(const char *text)
{
	return str_starts(text, USER);
}

static void tell(struct core *c, const struct window_mark *mark, const char *kind, const char *why)
{
	char text[400];

	str_fmt(text, sizeof(text), "window %s: %s", mark->window, why);
	core_emit(c, kind, mark->host, text, NULL);
}

/* Another window that has the host, and for longer than this moment: its cordon is none of a
 * person's. */
static bool has_other(const struct core *c, const char *window, const char *host, uint64_t now_ms)
{
	for (size_t i = 0; i < c->windows.n_marks; i++) {
		const struct window_mark *mark = &c->windows.marks[i];

		if (mark->state == MARK_open && mark->restore && str_eq(mark->host, host) &&
		    !str_eq(mark->window, window) && now_ms < mark->end_ms)
			return true;
	}
	return false;
}

/* The mark of a host whose turn has come; NULL when it is not to be emptied now. */
static struct window_mark *take_turn(struct core *c, const struct window *window,
				     const struct node *node)
{
	const char *name = window->says->name;
	const struct drain *other;
	struct window_mark *mark = mark_find(&c->windows, name, node->id);
	char why[200];

	if (node->state != NODE_up || !node->caps || had_its_turn(c, mark, window->start_ms) ||
	    (mark && mark->state == MARK_open))
		return NULL;
	other = core_drain_of_host(c, node->id);
	if (other && window_is_user(other->user))
		return NULL; /* it ends first */
	mark = mark_at(&c->windows, name, node->id);
	mark->start_ms = window->start_ms;
	mark->end_ms = window->end_ms;
	mark->restore =
		restores(window->says) && (!node->cordoned || has_other(c, name, node->id, 0));
	mark->state = other ? MARK_busy : MARK_open;
	mark->drain[0] = '\0';
	if (!other)
		return mark;
	str_copy(mark->drain, sizeof(mark->drain), other->id);
	mark_record(c, mark);
	str_fmt(why, sizeof(why), "not begun: %s %s goes on there", other->kind, other->id);
	tell(c, mark, "window.busy", why);
	return NULL;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a && a < b ? a : b;
}

static void open_window(struct core *c, const struct window *window)
{
	const struct section *says = window->says;
	const char *reason = text_of(says, WINDOW_reason);
	struct drain *drain = NULL;

	for (size_t i = 0; i < c->nodes.n; i++) {
		const struct node *node = c->nodes.v[i];
		struct window_mark *mark;

		if ((drain && drain->n_hosts == DRAIN_HOSTS_MAX) || !wants(window, node))
			continue;
		mark = take_turn(c, window, node);
		if (!mark)
			continue;
		if (!drain)
			drain = drain_make(c, "evacuate", says->name);
		str_copy(drain->hosts[drain->n_hosts++], NAME_SIZE, node->id);
		str_copy(mark->drain, sizeof(mark->drain), drain->id);
		mark_record(c, mark);
		tell(c, mark, "window.opens", *reason ? reason : "maintenance");
	}
	if (!drain)
		return;
	str_fmt(drain->reason, sizeof(drain->reason), USER "%s%s%s", says->name,
		*reason ? ": " : "", reason);
	drain->stop = str_eq(text_of(says, WINDOW_on_stuck), "stop");
	drain->cold = drain->stop || str_eq(text_of(says, WINDOW_on_stuck), "cold");
	drain->parallel = number_of(says, WINDOW_parallel);
	drain->deadline_ms = least(window->deadline_ms, window->end_ms - c->now.wall_ms);
	core_begin_planned(c, drain);
}

/* --- its end --- */

/* Somebody has emptied or filled the host since. */
static bool has_later(const struct core *c, const struct window_mark *mark)
{
	bool later = false;

	for (size_t i = 0; i < c->n_drains; i++) {
		const struct drain *drain = c->drains[i];

		if (later && !window_is_user(drain->user) && drain->state != DRAIN_planned &&
		    !str_eq(drain->kind, "rebalance") && drain_has_host(drain, mark->host))
			return true;
		later |= str_eq(drain->id, mark->drain);
	}
	return false;
}

/* Why the host keeps what it has at the window's end, NULL when it gets its guests back. */
static const char *stays_so(struct core *c, const struct window_mark *mark, const struct node *node)
{
	if (!mark->restore)
		return "it stays cordoned";
	if (!node || !node->enrolled)
		return "the host is not in the roster any more";
	if (!node->cordoned || !node->maintenance)
		return "somebody has restored or uncordoned the host meanwhile";
	if (!window_is_user(node->cordon_reason))
		return "somebody has cordoned the host meanwhile";
	if (has_other(c, mark->window, mark->host, c->now.wall_ms))
		return "another window is open there";
	if (core_drain_of_host(c, mark->host) || has_later(c, mark))
		return "somebody else's evacuation or restore is there";
	if (node->state != NODE_up)
		return "the host is not live: it stays cordoned, drover restore brings its guests "
		       "home";
	return NULL;
}

static void close_one(struct core *c, struct window_mark *mark, struct drain **restore)
{
	const struct node *node = nodes_find(&c->nodes, mark->host);
	const struct drain *own = core_drain_of_host(c, mark->host);
	const char *why;

	if ((own && str_eq(own->id, mark->drain)) || (node && node->state == NODE_suspect))
		return; /* it ends first; it is judged first */
	if (*restore && (*restore)->n_hosts == DRAIN_HOSTS_MAX)
		return;
	why = stays_so(c, mark, node);
	mark->state = MARK_closed;
	mark_record(c, mark);
	tell(c, mark, "window.closes", why ? why : "the host gets its guests back");
	if (why)
		return;
	if (!*restore)
		*restore = drain_make(c, "restore", mark->window);
	str_copy((*restore)->hosts[(*restore)->n_hosts++], NAME_SIZE, mark->host);
}

static bool is_over(const struct core *c, const struct window_mark *mark)
{
	return mark->state == MARK_open &&
	       (c->now.wall_ms >= mark->end_ms || c->now.wall_ms + WRONG_MS < mark->start_ms);
}

static void close_marks(struct core *c)
{
	struct windows *w = &c->windows;

	for (size_t i = 0; i < w->n_marks; i++) {
		struct drain *restore = NULL;

		for (size_t k = i; k < w->n_marks; k++)
			if (is_over(c, &w->marks[k]) &&
			    str_eq(w->marks[k].window, w->marks[i].window))
				close_one(c, &w->marks[k], &restore);
		if (restore)
			core_begin_planned(c, restore);
	}
}

void windows_tick(struct core *c)
{
	struct windows *w = &c->windows;

	if (!w->n && !w->n_marks)
		return;
	if (c->now.mono_ms < w->look_ms || !core_hosts_heard(c))
		return;
	w->look_ms = c->now.mono_ms + LOOK_MS;
	for (size_t i = 0; i < w->n; i++) {
		window_find(&w->v[i], c->now.wall_ms);
		if (is_open(&w->v[i], c->now.wall_ms))
			open_window(c, &w->v[i]);
	}
	close_marks(c);
}

/* --- views --- */

static void list_host(struct core *c, const struct window *window, const struct node *node,
		      struct msg_window *ret)
{
	const struct window_mark *mark = mark_find(&c->windows, window->says->name, node->id);
	struct msg_window_host *host;

	if (ret->hosts.n == DRAIN_HOSTS_MAX)
		return;
	host = &ret->hosts.v[ret->hosts.n++];
	*host = (struct msg_window_host){.host = node->id, .state = "waits"};
	if (is_open(window, c->now.wall_ms) && had_its_turn(c, mark, window->start_ms)) {
		host->state = state_words[mark->state];
		host->drain = mark->drain;
	}
	if (node->state != NODE_up)
		host->note = node_state_name(node->state);
}

/* Names in the section that no host has. */
static void list_unknown(struct core *c, const struct window *window, struct msg_window *ret)
{
	char name[256];

	for (size_t i = 0; list_word(text_of(window->says, WINDOW_hosts), i, name); i++) {
		const struct node *node = nodes_find(&c->nodes, name);

		if ((node && node->enrolled) || ret->hosts.n == DRAIN_HOSTS_MAX)
			continue;
		ret->hosts.v[ret->hosts.n++] = (struct msg_window_host){
			.host = core_text(c, name), .state = "waits", .note = "not in the roster"};
	}
}

static const char *when_text(struct core *c, const struct window *window, uint64_t at_ms)
{
	char *buf = core_scratch(c, 1, CALENDAR_TEXT_SIZE);

	return calendar_text(buf, window->starts.zone, at_ms);
}

static void list_one(struct core *c, struct window *window, struct msg_window *ret)
{
	const struct section *says = window->says;

	window_find(window, c->now.wall_ms);
	*ret = (struct msg_window){.name = says->name,
				   .when = text_of(says, WINDOW_when),
				   .reason = says->text[WINDOW_reason],
				   .restore = restores(says)};
	ret->hosts.v = core_scratch(c, DRAIN_HOSTS_MAX, sizeof(*ret->hosts.v));
	for (size_t i = 0; i < c->nodes.n; i++)
		if (wants(window, c->nodes.v[i]))
			list_host(c, window, c->nodes.v[i], ret);
	list_unknown(c, window, ret);
	if (window->never)
		return;
	ret->open = is_open(window, c->now.wall_ms);
	ret->start_ms = window->start_ms;
	ret->end_ms = window->end_ms;
	ret->starts = when_text(c, window, window->start_ms);
	ret->ends = when_text(c, window, window->end_ms);
}

void windows_list(struct core *c, struct msg_reply *reply)
{
	struct windows *w = &c->windows;

	if (!w->n)
		return;
	reply->windows.v = core_scratch(c, w->n, sizeof(*reply->windows.v));
	for (size_t i = 0; i < w->n && reply->windows.n < WINDOWS_SHOWN; i++)
		list_one(c, &w->v[i], &reply->windows.v[reply->windows.n++]);
}
