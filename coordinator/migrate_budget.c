/* SPDX-License-Identifier: MPL-2.0
 *
 * The last moment before the freeze: what the rounds of pre-copy have measured against the longest
 * that it may be frozen. Over that budget the job steps down to a cold move, where the user has
 * allowed one and it is short enough, or it ends here, with nothing frozen and the figures told.
 * What was measured is remembered: the next verdict knows it beforehand. */
#include "coordinator/judge.h"
#include "coordinator/migrate.h"

#include "base/mem.h"

#include <string.h>

#define SENT_ENOUGH (8u << 20) /* bytes that a rate of sending can be told from */

struct budget {
	uint64_t would_ms, may_ms;
	struct cost cost;
};

/* False: nothing was measured, or nothing is asked for. */
static bool measure(const struct job *job, const struct score_query *query,
		    const struct node *target, const struct msg_figures *figures,
		    struct budget *ret)
{
	if (job->cold || !figures || !figures->rounds || !query->source || !target || !query->rules)
		return false;
	ret->cost = score_cost(query);
	if (figures->rounds > 1) {
		ret->cost.dirty_bytes_s = figures->dirty_bytes_s;
		ret->cost.dirty_from = RATE_measured;
	}
	ret->cost.link_bytes_s = score_link(query->source, target);
	if (figures->sent_bytes >= SENT_ENOUGH)
		ret->cost.bytes_s = figures->bytes_s;
	ret->would_ms = predict(query->pairs, job->source, job->target, &ret->cost).frozen_ms;
	ret->may_ms = query->rules->max_downtime_ms;
	return ret->may_ms != 0;
}

static void learn_rate(struct core *c, const struct job *job, const struct msg_figures *figures)
{
	const struct rate *rate = predict_learn_rate(&c->pairs, job->container, figures);
	char key[PREDICT_KEY_SIZE], text[PREDICT_TEXT_SIZE];

	if (!rate)
		return;
	rate_key(rate, key);
	rate_print(rate, text);
	effects_value(c->effects, key, text);
}

static void say(const struct budget *budget, char *ret, size_t size)
{
	char would[STR_HUMAN_SIZE], may[STR_HUMAN_SIZE], rate[STR_HUMAN_SIZE], bw[STR_HUMAN_SIZE];
	bool sent = budget->cost.bytes_s != 0;

	str_fmt(ret, size,
		"memory changes at %s/s%s%s%s, as the rounds have shown: about %s frozen are "
		"predicted, and %s is allowed",
		str_human_bytes(rate, budget->cost.dirty_bytes_s), sent ? " and travels at " : "",
		sent ? str_human_bytes(bw, budget->cost.bytes_s) : "", sent ? "/s" : "",
		str_human_ms(would, budget->would_ms), str_human_ms(may, budget->may_ms));
}

/* Its own reasons against a cold move, in ret_why; the target has reserved more than one needs. */
static bool bars_cold(const struct score_query *query, const struct node *target, uint64_t may_ms,
		      struct prediction *ret, char *ret_why, size_t size)
{
	struct verdict verdict = {0};
	struct judge j = judge_of(query, &verdict);
	const struct reason *first;
	char would[STR_HUMAN_SIZE];

	judge_container(&j);
	first = verdict_first(&verdict);
	*ret = score_predict(query, target);
	*ret_why = '\0';
	if (first)
		str_fmt(ret_why, size, "it may not move cold: %s: %s", first->row->code,
			given(first->why));
	else if (query->container->terminal) /* whatever was skipped */
		str_fmt(ret_why, size, "it may not move cold: %s", code_row(CODE_terminal)->says);
	else if (ret->frozen_ms > may_ms)
		str_fmt(ret_why, size, "a cold move would take about %s",
			str_human_ms(would, ret->frozen_ms));
	verdict_done(&verdict);
	return *ret_why != '\0';
}

/* The user has allowed it (--allow-cold, --on-stuck), and it helps. One that moves with others does
 * not leave their way. */
static bool step_down(struct job *job, struct score_query *query, const struct node *target,
		      const struct budget *budget, const char *why, char *ret_not, size_t size)
{
	struct prediction cold;

	*ret_not = '\0';
	if (!str_eq(job->work->ask->mode, "ladder") || job->group[0])
		return false;
	query->cold = true;
	if (bars_cold(query, target, budget->may_ms, &cold, ret_not, size))
		return false;
	job->cold = true;
	job->dirty_job = true;
	job->predicted_frozen_ms = cold.frozen_ms;
	str_fmt(job->mode_reason, sizeof(job->mode_reason), "%s: %s", code_row(CODE_downtime)->code,
		why);
	return true;
}

bool migrate_over_budget(struct core *c, struct job *job, const struct msg_figures *figures)
{
	const struct code_row *row = code_row(CODE_downtime);
	struct score_query query = migrate_query(c, job);
	const struct node *target = nodes_find(&c->nodes, job->target);
	struct budget budget;
	struct msg_reason reason = {.code = row->code, .fix = row->fix, .skip = row->skip};
	char why[300], not_cold[200];

	if (!measure(job, &query, target, figures, &budget) || budget.would_ms <= budget.may_ms ||
	    verdict_skips(&job->work->ask->skip, row->skip))
		return false;
	learn_rate(c, job, figures);
	say(&budget, why, sizeof(why));
	if (step_down(job, &query, target, &budget, why, not_cold, sizeof(not_cold)))
		return false;
	job->predicted_frozen_ms = budget.would_ms;
	reason.why = why;
	migrate_add_reasons(job, &(struct msg_answer){.reasons = {&reason, 1}});
	migrate_fail(c, job, ERR_refused, row->fix, "%s: %s%s%s", row->code, why,
		     *not_cold ? "; " : "", not_cold);
	return true;
}
