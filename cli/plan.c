/* SPDX-License-Identifier: MPL-2.0
 *
 * Plans as people read them: what goes where and why, what stays and why, the hosts before and
 * after. */
#include "cli/columns.h"
#include "cli/report.h"

#include <string.h>
#include <time.h>

TEXT_STR(item_container, item, container)
TEXT_STR(item_runtime, item, runtime)
TEXT_STR(item_from, item, source)
TEXT_STR(item_to, item, target)
TEXT_BYTES(item_size, item, rss_bytes)
TEXT_OF(item_predicted, item, cell_duration(cell, r->predicted_frozen_ms))
TEXT_OF(item_frozen, item, cell_duration(cell, r->frozen_us / 1000))
TEXT_OF(item_job, item, if (r->job && *r->job) cell_set(cell, "%s", id_tail(r->job)))

TEXT(item_score)
{
	const struct msg_item *r = record;

	if (str_eq(r->mode, "cold") || str_eq(r->mode, "stop"))
		cell_set(cell, "%s", r->mode_reason ? r->mode_reason : "");
	else if (r->score > 0)
		cell_set(cell, "score %.1f", r->score);
}

TEXT(item_how)
{
	const struct msg_item *r = record;

	cell_set(cell, "%s", r->verdict ? r->verdict : "");
	cell->tone = state_tone(r->verdict);
}

static enum tone item_tone(const struct msg_item *r)
{
	if (str_eq(r->state, "moved") || str_eq(r->state, "started"))
		return TONE_good;
	if (str_eq(r->state, "stopped"))
		return TONE_warn;
	if (str_eq(r->state, "moving"))
		return TONE_live;
	if (str_eq(r->state, "held") || str_eq(r->state, "lost"))
		return TONE_bad;
	return str_eq(r->state, "stays") ? TONE_warn : TONE_plain;
}

TEXT(item_state)
{
	const struct msg_item *r = record;

	cell_set(cell, "%s", r->state ? r->state : "");
	cell->tone = item_tone(r);
}

TEXT(item_why)
{
	const struct msg_item *r = record;
	bool code = r->code && *r->code;

	cell_set(cell, "%s%s%s", code ? r->code : "", code ? ": " : "", r->why ? r->why : "");
}

/* clang-format off */
static const struct column item_columns[] = {
	{ "container", "container",           item_container, 0 },
	{ "from",      "source",              item_from,      0 },
	{ "to",        "target",              item_to,        0 },
	{ "how",       "verdict",             item_how,       0 },
	{ "size",      "rss_bytes",           item_size,      COLUMN_RIGHT },
	{ "predicted", "predicted_frozen_ms", item_predicted, COLUMN_RIGHT },
	{ "state",     "state",               item_state,     COLUMN_ASKED },
	{ "frozen",    "frozen_us",           item_frozen,    COLUMN_RIGHT | COLUMN_ASKED },
	{ "job",       "job",                 item_job,       COLUMN_ASKED },
	{ "runtime",   "runtime",             item_runtime,   COLUMN_WIDE },
	{ "why-there", "score",               item_score,     0 },
	{ "why",       "why",                 item_why,       COLUMN_ASKED | COLUMN_WRAP },
};

const struct noun noun_items = {
	.record = "item", .stride = sizeof(struct msg_item), .place = 0,
	.empty = "Nothing has to move.",
	.columns = item_columns, .n_columns = ARRAY_LEN(item_columns),
};
/* clang-format on */

TEXT_STR(room_host, room, host)

TEXT(room_containers)
{
	const struct msg_room *r = record;

	cell_set(cell, "%" PRIu64 " %s %" PRIu64, r->containers,
		 style_sign(cell->style, SIGN_arrow), r->containers_after);
}

TEXT(room_hot)
{
	const struct msg_room *r = record;
	char before[BAR_SIZE(8)] = "", after[BAR_SIZE(8)] = "";

	if (cell->style->tty) {
		style_bar(cell->style, before, sizeof(before), 8, r->hot, false);
		style_bar(cell->style, after, sizeof(after), 8, r->hot_after, false);
	}
	cell_set(cell, "%s%s%.0f%% %s %s%s%.0f%%", before, *before ? " " : "", 100 * r->hot,
		 style_sign(cell->style, SIGN_arrow), after, *after ? " " : "", 100 * r->hot_after);
	cell->tone = r->hot_after >= 0.85 ? TONE_warn : TONE_plain;
}

TEXT(room_free)
{
	const struct msg_room *r = record;
	char before[STR_HUMAN_SIZE], after[STR_HUMAN_SIZE];

	cell_set(cell, "%s %s %s", str_human_bytes(before, r->mem_available_bytes),
		 style_sign(cell->style, SIGN_arrow),
		 str_human_bytes(after, r->mem_available_after));
}

/* clang-format off */
static const struct column room_columns[] = {
	{ "host",       "host",                room_host,       0 },
	{ "containers", "containers",          room_containers, 0 },
	{ "fullest",    "hot",                 room_hot,        0 },
	{ "memory",     "mem_available_bytes", room_free,       0 },
};

const struct noun noun_rooms = {
	.record = "room", .stride = sizeof(struct msg_room), .place = 0, .empty = "",
	.columns = room_columns, .n_columns = ARRAY_LEN(room_columns),
};
/* clang-format on */

static void print_table(struct cli *cli, const struct noun *noun, const char *columns,
			const void *first, size_t n)
{
	struct column_set set;
	struct err err = {0};

	if (!columns_choose(noun, cli->in.format == FORMAT_wide, columns, &set, &err))
		table_print(cli->out, &cli->style, noun, &set,
			    (struct table_look){.headings = true,
						.plain = cli->in.format == FORMAT_plain},
			    first, n);
}

static size_t count(const struct msg_plan *plan, const char *state)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->items.n; i++)
		n += str_eq(plan->items.v[i].state, state);
	return n;
}

static bool is_stop(const struct msg_item *item)
{
	return str_eq(item->mode, "stop");
}

static bool cannot_move(const struct msg_item *item)
{
	if (is_stop(item))
		return str_eq(item->state, "gone");
	return !(item->target && *item->target) || str_eq(item->verdict, "no");
}

static void print_hosts(struct cli *cli, const struct msg_plan *plan)
{
	for (size_t i = 0; i < plan->hosts.n; i++)
		fprintf(cli->out, "%s%s%s%s", i ? ", " : "", style_tone(&cli->style, TONE_bold),
			plan->hosts.v[i], style_end(&cli->style));
}

/* "alpha: 9 containers, 7 live, 1 with warnings, 1 stays" */
static void print_counts(struct cli *cli, const struct msg_plan *plan)
{
	bool starts = str_eq(plan->kind, "restore");
	size_t live = 0, warned = 0, stay = 0, stop = 0;

	for (size_t i = 0; i < plan->items.n; i++) {
		const struct msg_item *item = &plan->items.v[i];

		stay += cannot_move(item);
		stop += !cannot_move(item) && is_stop(item);
		if (is_stop(item))
			continue;
		live += !cannot_move(item) && str_eq(item->verdict, "live");
		warned += !cannot_move(item) && !str_eq(item->verdict, "live");
	}
	if (plan->hosts.n)
		print_hosts(cli, plan);
	else
		fputs(plan->kind, cli->out);
	fprintf(cli->out, ": %zu container%s", plan->items.n, plan->items.n == 1 ? "" : "s");
	if (live)
		fprintf(cli->out, ", %zu live", live);
	if (warned)
		fprintf(cli->out, ", %zu with warnings", warned);
	if (stop)
		fprintf(cli->out, ", %s%zu to be %s%s", style_tone(&cli->style, TONE_warn), stop,
			starts ? "started" : "stopped", style_end(&cli->style));
	if (stay)
		fprintf(cli->out, ", %s%zu cannot move%s", style_tone(&cli->style, TONE_warn), stay,
			style_end(&cli->style));
	fputc('\n', cli->out);
}

/* Those that go, numbered by their order, then those that stay. */
static void print_items(struct cli *cli, const struct msg_plan *plan)
{
	struct msg_item *going = mem_new(plan->items.n + 1, sizeof(*going));
	size_t n = 0;

	for (size_t i = 0; i < plan->items.n; i++)
		if (!cannot_move(&plan->items.v[i]))
			going[n++] = plan->items.v[i];
	if (n)
		print_table(cli, &noun_items,
			    str_eq(plan->kind, "rebalance")
				    ? "container,from,to,how,size,predicted,why"
				    : NULL,
			    going, n);
	free(going);
	for (size_t i = 0; i < plan->items.n; i++) {
		const struct msg_item *item = &plan->items.v[i];

		if (!cannot_move(item))
			continue;
		fprintf(cli->out, "%sstays%s %s on %s: %s%s%s\n",
			style_tone(&cli->style, TONE_warn), style_end(&cli->style), item->container,
			item->source, item->code ? item->code : "",
			item->code && *item->code ? ": " : "", item->why ? item->why : "");
	}
}

/* One that was agreed to and waits for its time. */
static void print_scheduled(struct cli *cli, const struct msg_plan *plan)
{
	time_t at = (time_t)(plan->at_ms / 1000);
	char when[32] = "";
	struct tm tm;

	if (localtime_r(&at, &tm))
		strftime(when, sizeof(when), "%F %R", &tm);
	fprintf(cli->out, "%s of ", plan->kind);
	print_hosts(cli, plan);
	fprintf(cli->out, " begins at %s; drover cancel %s takes it back\n", when,
		id_tail(plan->id));
}

static void print_planned(struct cli *cli, const struct msg_plan *plan)
{
	bool rebalance = str_eq(plan->kind, "rebalance");
	char text[32];

	if (rebalance && !plan->items.n) {
		line_print(cli->out, "Nothing to move: ", plan->note);
		return;
	}

	print_counts(cli, plan);
	print_items(cli, plan);
	if (plan->rooms.n && plan->items.n) {
		fputc('\n', cli->out);
		print_table(cli, &noun_rooms, NULL, plan->rooms.v, plan->rooms.n);
	}
	if (rebalance)
		line_print(cli->out, "", plan->note);
	if (plan->eta_ms)
		fprintf(cli->out, "about %s in all\n",
			duration_text(text, sizeof(text), plan->eta_ms));
}

static void print_course(struct cli *cli, const struct msg_plan *plan)
{
	print_table(cli, &noun_items, "container,from,to,state,frozen,predicted,job,why",
		    plan->items.v, plan->items.n);
	fprintf(cli->out, "%s of ", plan->kind ? plan->kind : "plan");
	if (plan->hosts.n)
		print_hosts(cli, plan);
	else
		fputs("the cluster", cli->out);
	fprintf(cli->out, " is %s: %zu of %zu moved", plan->state, count(plan, "moved"),
		plan->items.n);
	if (count(plan, "stopped"))
		fprintf(cli->out, ", %zu stopped", count(plan, "stopped"));
	if (count(plan, "started"))
		fprintf(cli->out, ", %zu started", count(plan, "started"));
	fputc('\n', cli->out);
}

int plan_print(struct cli *cli, const struct msg_reply *reply)
{
	const struct msg_plan *plan = reply->plan;

	if (!plan)
		return text_print(cli, reply);
	if (cli->in.format == FORMAT_json) {
		json_print(cli->out, msg_json_record("plan", plan));
		return err_exit_code((int)reply->code);
	}
	if (str_eq(plan->state, "planned") && plan->at_ms && cli->in.request.yes)
		print_scheduled(cli, plan);
	else if (str_eq(plan->state, "planned"))
		print_planned(cli, plan);
	else if (!cli->in.quiet)
		print_course(cli, plan);
	if (str_eq(plan->state, "done")) {
		fputs(style_tone(&cli->style, reply->code ? TONE_warn : TONE_good), cli->out);
		style_put(cli->out, plan->note);
		fprintf(cli->out, "%s\n", style_end(&cli->style));
	}
	return err_exit_code((int)reply->code);
}
