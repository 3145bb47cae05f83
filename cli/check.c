/* SPDX-License-Identifier: MPL-2.0
 *
 * What drover check prints: one container against all hosts, or all containers of one host. */
#include "cli/print.h"

#include "base/codes.h"
#include "base/mem.h"
#include "cli/report.h"
#include "cli/table.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define TERMS_SHOWN 3 /* the best candidates, with what their scores are made of; -v: all */

static bool is_live(const char *verdict)
{
	return str_eq(verdict, "live") || str_eq(verdict, "warn");
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* --- one container --- */

static void print_terms(struct cli *cli, const struct msg_candidate *c)
{
	const struct style *style = &cli->style;
	char bar[BAR_SIZE(10)];

	for (size_t i = 0; i < c->terms.n; i++) {
		const struct msg_term *term = &c->terms.v[i];

		style_bar(style, bar, sizeof(bar), 10, term->value, true);
		fprintf(cli->out, "      %-12s ", or_empty(term->name));
		if (style->tty)
			fprintf(cli->out, "%s ", bar);
		fprintf(cli->out, "%5.1f = %2.0f x %.2f\n", 100 * term->weight * term->value,
			100 * term->weight, term->value);
	}
}

/* Why the downtime is what it is: memory that changes faster than it can be sent. */
static void print_changes(struct cli *cli, const struct msg_candidate *c)
{
	char rate[STR_HUMAN_SIZE], left[STR_HUMAN_SIZE];

	fprintf(cli->out, "      memory changes at %s/s (%s): %s of it left to send when frozen\n",
		str_human_bytes(rate, c->dirty_bytes_s), c->dirty_from ? c->dirty_from : "?",
		str_human_bytes(left, c->predicted_pending_bytes));
}

static void print_live(struct cli *cli, const struct msg_candidate *c, size_t rank)
{
	const struct style *style = &cli->style;
	char text[32];

	fprintf(cli->out, "  %s%zu%s %s%s%s  %s%s%s  score %.1f", style_tone(style, TONE_good),
		rank, style_end(style), style_tone(style, TONE_bold), or_empty(c->host),
		style_end(style), style_tone(style, state_tone(c->verdict)), or_empty(c->verdict),
		style_end(style), c->score);
	if (c->tier)
		fprintf(cli->out, "  %s by policy", c->tier > 0 ? "preferred" : "avoided");
	if (c->predicted_frozen_ms)
		fprintf(cli->out, "  downtime about %s",
			duration_text(text, sizeof(text), c->predicted_frozen_ms));
	if (c->predicted_total_ms)
		fprintf(cli->out, "  total %s",
			duration_text(text, sizeof(text), c->predicted_total_ms));
	fputc('\n', cli->out);
	if (c->predicted_pending_bytes >= 1 << 20)
		print_changes(cli, c);
	if (rank <= TERMS_SHOWN || cli->in.verbose)
		print_terms(cli, c);
}

static void print_candidate(struct cli *cli, const struct msg_candidate *c, size_t rank)
{
	const struct style *style = &cli->style;
	bool cold = str_eq(c->verdict, "cold");

	if (is_live(c->verdict))
		print_live(cli, c, rank);
	else
		fprintf(cli->out, "  %s%s%s %s%s%s  %s\n",
			style_tone(style, cold ? TONE_warn : TONE_bad),
			style_sign(style, cold ? SIGN_warn : SIGN_no), style_end(style),
			style_tone(style, TONE_bold), or_empty(c->host), style_end(style),
			cold ? "cold: not live, but stopped, moved and started again"
			     : or_empty(c->verdict));
	for (size_t i = 0; i < c->reasons.n; i++)
		reason_print(cli->out, style, &c->reasons.v[i]);
}

/* A reply's parts in an object of their own: a bare array would lose what was asked about. */
static void print_json(struct cli *cli, const struct msg_reply *reply, const char *what,
		       const char *name, const char *const keys[], size_t n)
{
	auto_free char *text = msg_json(MSG_TYPE_reply, reply);
	json_t *from = text ? json_loads(text, 0, NULL) : NULL;
	json_t *object = json_object();

	json_object_set_new(object, what, json_string(name));
	json_object_set_new(object, "code", json_integer((json_int_t)reply->code));
	for (size_t i = 0; i < n; i++) {
		json_t *value = json_object_get(from, keys[i]);

		if (value)
			json_object_set(object, keys[i], value);
	}
	json_decref(from);
	json_object_print(cli->out, object);
}

static size_t print_verdict(struct cli *cli, const struct msg_reply *reply)
{
	const struct style *style = &cli->style;
	const char *best = NULL;
	size_t can = 0, judged = reply->tally ? reply->tally->judged : reply->candidates.n;

	for (size_t i = 0; i < reply->candidates.n; i++)
		if (is_live(reply->candidates.v[i].verdict))
			best = can++ ? best : reply->candidates.v[i].host;
	if (can && reply->tally && reply->tally->live + reply->tally->warn > can)
		can = reply->tally->live + reply->tally->warn;
	fprintf(cli->out, "%s%s%s ", style_tone(style, TONE_bold), cli->in.request.container,
		style_end(style));
	if (can)
		fprintf(cli->out, "%scan move%s to %zu of %zu host%s, best %s%s%s\n",
			style_tone(style, TONE_good), style_end(style), can, judged,
			judged == 1 ? "" : "s", style_tone(style, TONE_bold), or_empty(best),
			style_end(style));
	else
		fprintf(cli->out, "%scannot move%s%s\n", style_tone(style, TONE_bad),
			style_end(style), reply->candidates.n ? " live to any of these hosts" : "");
	return can;
}

static void print_setting(FILE *out, const char *name, const char *value, bool *begun)
{
	if (!value || !*value)
		return;
	fprintf(out, "%s%s = ", *begun ? ", " : "", name);
	style_put(out, value);
	*begun = true;
}

static void print_rules(struct cli *cli, const struct msg_rules *rules)
{
	bool begun = false;
	char text[32];

	if (!rules || (!rules->policy && !rules->labeled))
		return;
	fprintf(cli->out, "  %s%s%s%s%s: ", style_tone(&cli->style, TONE_dim),
		rules->policy ? "policy " : "", or_empty(rules->policy),
		!rules->labeled ? ""
		: rules->policy ? " and its labels"
				: "its labels",
		style_end(&cli->style));
	print_setting(cli->out, "move", rules->move, &begun);
	print_setting(cli->out, "prefer", rules->prefer, &begun);
	print_setting(cli->out, "avoid", rules->avoid, &begun);
	print_setting(cli->out, "require", rules->require, &begun);
	print_setting(cli->out, "spread", rules->spread, &begun);
	print_setting(cli->out, "keep-together", rules->keep_together, &begun);
	if (rules->max_downtime_ms)
		print_setting(cli->out, "max-downtime",
			      duration_text(text, sizeof(text), rules->max_downtime_ms), &begun);
	str_fmt(text, sizeof(text), "%" PRIu64, rules->priority);
	print_setting(cli->out, "priority", text, &begun);
	fputc('\n', cli->out);
}

static void print_group(struct cli *cli, const struct msg_rules *rules)
{
	if (!rules || !rules->moves_with.n)
		return;
	fputs("  moves with ", cli->out);
	for (size_t i = 0; i < rules->moves_with.n; i++) {
		fputs(i ? ", " : "", cli->out);
		style_put(cli->out, rules->moves_with.v[i]);
	}
	fputs(", all or none: group ", cli->out);
	style_put(cli->out, or_empty(rules->group));
	fputc('\n', cli->out);
}

static void print_rest(struct cli *cli, const struct msg_reply *reply)
{
	if (reply->tally && reply->tally->judged > reply->candidates.n)
		fprintf(cli->out,
			"  and %" PRIu64 " hosts more: %" PRIu64 " live, %" PRIu64
			" with warnings, %" PRIu64 " cold, %" PRIu64 " no in all\n",
			reply->tally->judged - reply->candidates.n, reply->tally->live,
			reply->tally->warn, reply->tally->cold, reply->tally->no);
}

static int one_print(struct cli *cli, const struct msg_reply *reply)
{
	static const char *const keys[] = {"error", "fix", "rules", "tally", "candidates"};
	size_t can;

	if (cli->in.format == FORMAT_json && (reply->candidates.n || !reply->code)) {
		print_json(cli, reply, "container", cli->in.request.container, keys,
			   ARRAY_LEN(keys));
		return err_exit_code((int)reply->code);
	}
	if (reply->code && !reply->candidates.n)
		return report_reply(cli, reply, false);
	if (cli->in.format == FORMAT_wide || cli->in.format == FORMAT_plain) {
		noun_print(cli, &noun_candidates, reply->candidates.v, reply->candidates.n);
		return err_exit_code((int)reply->code);
	}
	can = print_verdict(cli, reply);
	print_group(cli, reply->rules);
	print_rules(cli, reply->rules);
	for (size_t i = 0; i < reply->candidates.n; i++)
		print_candidate(cli, &reply->candidates.v[i], i + 1);
	print_rest(cli, reply);
	if (reply->code)
		return err_exit_code((int)reply->code);
	return can ? 0 : err_exit_code(ERR_refused);
}

/* --- all containers of one host --- */

/* "iouring" of E-IOURING: what --skip calls it, or the code itself. */
static void tag_of(const char *code, char *buf, size_t size)
{
	const struct code_row *row = code_find(code);

	str_copy(buf, size,
		 row && *row->skip                  ? row->skip
		 : str_starts(or_empty(code), "E-") ? code + 2
						    : code);
	for (char *at = buf; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
}

/* Adds the first reason that refuses, once. */
static void add_tag(char *tags, size_t size, const struct msg_place *place)
{
	size_t used = strlen(tags);
	char tag[32] = "";

	for (size_t i = 0; i < place->reasons.n && !*tag; i++)
		if (!place->reasons.v[i].warning)
			tag_of(place->reasons.v[i].code, tag, sizeof(tag));
	if (*tag && !strstr(tags, tag))
		str_fmt(tags + used, size - used, "%s%s", used ? ", " : "", tag);
}

static void print_count(struct cli *cli, const struct msg_reply *reply, const char *verdict,
			uint64_t n, const char *says, enum tone tone)
{
	char tags[200] = "";

	if (!n)
		return;
	for (size_t i = 0; i < reply->places.n; i++)
		if (str_eq(reply->places.v[i].verdict, verdict) && !is_live(verdict))
			add_tag(tags, sizeof(tags), &reply->places.v[i]);
	fprintf(cli->out, ", %s%" PRIu64 " %s%s%s%s", style_tone(&cli->style, tone), n, says,
		style_end(&cli->style), *tags ? ": " : "", tags);
}

static void print_tally(struct cli *cli, const struct msg_reply *reply)
{
	const struct msg_tally *tally = reply->tally;

	fprintf(cli->out, "%s%s%s: %" PRIu64 " container%s: %s%" PRIu64 " live%s",
		style_tone(&cli->style, TONE_bold), cli->in.request.from, style_end(&cli->style),
		tally->judged, tally->judged == 1 ? "" : "s", style_tone(&cli->style, TONE_good),
		tally->live, style_end(&cli->style));
	print_count(cli, reply, "warn", tally->warn, "with warnings", TONE_warn);
	print_count(cli, reply, "cold", tally->cold, "only while stopped", TONE_warn);
	print_count(cli, reply, "no", tally->no, "cannot", TONE_bad);
	fputc('\n', cli->out);
}

static int ready_print(struct cli *cli, const struct msg_reply *reply)
{
	static const char *const keys[] = {"tally", "places"};

	if (!reply->tally)
		return report_reply(cli, reply, false);
	if (cli->in.format == FORMAT_json) {
		print_json(cli, reply, "host", cli->in.request.from, keys, ARRAY_LEN(keys));
		return err_exit_code((int)reply->code);
	}
	if (cli->in.format != FORMAT_plain)
		print_tally(cli, reply);
	if (reply->places.n)
		noun_print(cli, &noun_ready, reply->places.v, reply->places.n);
	return err_exit_code((int)reply->code);
}

int check_print(struct cli *cli, const struct msg_reply *reply)
{
	return cli->in.request.container ? one_print(cli, reply) : ready_print(cli, reply);
}
