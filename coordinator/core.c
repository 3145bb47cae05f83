/* SPDX-License-Identifier: MPL-2.0
 *
 * The turn: one event is dispatched, then every job that changed leaves its records and whoever
 * follows a job that ended is told. Jobs keep the order of their start. */
#include "coordinator/drain_impl.h"

#include "base/mem.h"
#include "coordinator/liveness.h"
#include "coordinator/migrate.h"

#include <inttypes.h>
#include <string.h>

#define EPOCH_KEY "epoch"
#define CORDON_KEY "cordon/"
#define MAINTENANCE_KEY "maintenance/"

struct core *core_new(const struct core_config *config)
{
	struct core *c = mem_new_of(struct core);

	c->config = *config;
	nodes_init(&c->nodes, config->interval_ms);
	balance_configure(&c->balance, config->options);
	windows_configure(&c->windows, config->options);
	return c;
}

static void scratch_drop(struct core *c)
{
	while (c->scratch) {
		struct scratch_block *next = c->scratch->next;

		free(c->scratch);
		c->scratch = next;
	}
}

void *core_scratch(struct core *c, size_t n, size_t size)
{
	struct scratch_block *block = mem_new(1, sizeof(*block) + n * size);

	block->next = c->scratch;
	c->scratch = block;
	return block->bytes;
}

const char *core_text(struct core *c, const char *text)
{
	return text ? memcpy(core_scratch(c, strlen(text) + 1, 1), text, strlen(text) + 1) : NULL;
}

void core_free(struct core **core)
{
	struct core *c = *core;

	if (!c)
		return;
	for (size_t i = 0; i < c->n_jobs; i++)
		job_free(&c->jobs[i]);
	free(c->jobs);
	for (size_t i = 0; i < c->n_drains; i++)
		drain_free(&c->drains[i]);
	free(c->drains);
	free(c->followers);
	free(c->booked);
	free(c->fetches);
	nodes_done(&c->nodes);
	pairs_done(&c->pairs);
	balance_done(&c->balance);
	windows_done(&c->windows);
	scratch_drop(c);
	free(c);
	*core = NULL;
}

/* --- jobs --- */

struct job *core_job_find(struct core *c, const char *id)
{
	for (size_t i = c->n_jobs; i-- > 0;)
		if (str_eq(c->jobs[i]->id, id))
			return c->jobs[i];
	return NULL;
}

struct job *core_job_moving(struct core *c, const char *container, const char *host,
			    const struct job *except)
{
	for (size_t i = c->n_jobs; i-- > 0;) {
		struct job *job = c->jobs[i];
		bool over = job->stage == STAGE_done ||
			    (job->told_end && job->outcome && job->outcome != OUTCOME_held &&
			     job->outcome != OUTCOME_stopped);

		if (!over && !job->probe && job != except && str_eq(job->container, container) &&
		    (str_eq(job->source, host) || str_eq(job->target, host)))
			return job;
	}
	return NULL;
}

struct job *core_job_add(struct core *c, const char *id)
{
	c->jobs = mem_grow(c->jobs, c->n_jobs + 1, sizeof(struct job *));
	c->jobs[c->n_jobs] = job_new(id);
	return c->jobs[c->n_jobs++];
}

void core_job_drop(struct core *c, struct job *job)
{
	for (size_t i = 0; i < c->n_jobs; i++) {
		if (c->jobs[i] != job)
			continue;
		memmove(c->jobs + i, c->jobs + i + 1, (c->n_jobs - i - 1) * sizeof(struct job *));
		c->n_jobs--;
		job_free(&job);
		return;
	}
}

size_t core_jobs_running(const struct core *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_jobs; i++)
		n += c->jobs[i]->stage != STAGE_done && c->jobs[i]->stage != STAGE_stopped &&
		     !c->jobs[i]->probe;
	return n;
}

/* Memory, CPU, files and groups of a container that is on its way to a node. */
void core_book_one(struct core *c, struct node *target, const struct msg_container *facts)
{
	struct rules rules;

	if (!target->is_booked) {
		c->booked = mem_grow(c->booked, c->n_booked + 1, sizeof(*c->booked));
		c->booked[c->n_booked++] = target;
		target->is_booked = true;
	}
	target->booked.bytes += 2 * facts->rss_bytes + facts->rss_bytes / 10;
	target->booked.cpu_permille += facts->cpu_permille;
	target->booked.storage_bytes += facts->tree_bytes + facts->tree_bytes / 10;
	policy_rules(c->config.options, facts, &rules);
	if (*rules.spread && target->booked.n_groups < BOOKED_GROUPS)
		target->booked.groups[target->booked.n_groups++] = spread_hash(rules.spread);
	if (*rules.together && target->booked.n_groups < BOOKED_GROUPS)
		target->booked.groups[target->booked.n_groups++] = together_hash(rules.together);
}

void core_book_beside(struct core *c, struct node *target, const struct msg_container *facts,
		      bool cold)
{
	core_book_one(c, target, facts);
	if (!cold)
		target->booked.staging_bytes += facts->rss_bytes + facts->rss_bytes / 10;
}

void core_book(struct core *c, const struct job *except)
{
	while (c->n_booked) {
		struct node *node = c->booked[--c->n_booked];

		node->booked = (struct bookings){0};
		node->is_booked = false;
	}
	for (size_t i = 0; i < c->n_jobs; i++) {
		const struct job *job = c->jobs[i];
		const struct msg_container *facts = job->work->ask->container_facts;
		struct node *target = nodes_find(&c->nodes, job->target);

		if (job == except || job->probe || !target || !facts || job->outcome ||
		    job->stage > STAGE_start)
			continue;
		core_book_one(c, target, facts);
	}
}

/* --- the end of a turn --- */

void core_emit(struct core *c, const char *kind, const char *host, const char *text,
	       const struct job *job)
{
	struct job_text buffers;
	struct msg_job view;

	if (job && c->n_followers)
		job_view(job, &view, &buffers, false);
	core_emit_view(c, kind, host, text, job ? &view : NULL);
}

static bool hears(const struct follower *f, const struct msg_job *view)
{
	return !f->job[0] || (view && (str_eq(f->job, view->id) || str_eq(f->job, view->parent) ||
				       str_eq(f->job, view->group)));
}

void core_emit_view(struct core *c, const char *kind, const char *host, const char *text,
		    struct msg_job *view)
{
	struct msg_event event = {.seq = ++c->event_seq,
				  .wall_ms = c->now.wall_ms,
				  .kind = kind,
				  .host = host,
				  .text = text,
				  .job = view};

	for (size_t i = 0; i < c->n_followers; i++) {
		const struct follower *f = &c->followers[i];
		struct msg_head head = {.type = MSG_TYPE_event, .epoch = c->config.term};

		if (!hears(f, view))
			continue;
		str_copy(head.request, sizeof(head.request), f->request);
		effects_tell(c->effects, f->client, head, &event);
	}
}

/* Followers hear the end once it is known and cleaned up, or when the clean-up has to wait for a
 * host; and again if a HELD job ends after all. */
static void tell_end(struct core *c, struct job *job)
{
	bool over = job->stage == STAGE_done || job->stage == STAGE_stopped;
	bool lingers = job->waiting_ms && c->now.mono_ms - job->waiting_ms >= LINGER_MS;

	if (job->probe || (!over && !lingers) || (job->told_end && job->told == job->outcome))
		return;
	job->told_end = true;
	job->told = job->outcome;
	c->drains_due = true;
	core_emit(c, "job.end", NULL, job->error, job);
	if (migrate_group_told(c, job))
		core_end_followers(c, job);
}

static void forget_oldest_drains(struct core *c)
{
	size_t finished = 0;

	for (size_t i = 0; i < c->n_drains; i++)
		finished += c->drains[i]->state == DRAIN_done;
	for (size_t i = 0; finished > DRAINS_REMEMBERED && i < c->n_drains;) {
		if (c->drains[i]->state != DRAIN_done) {
			i++;
			continue;
		}
		drain_free(&c->drains[i]);
		c->n_drains--;
		memmove(c->drains + i, c->drains + i + 1,
			(c->n_drains - i) * sizeof(struct drain *));
		finished--;
	}
}

static void forget_oldest(struct core *c)
{
	size_t finished = 0;

	for (size_t i = 0; i < c->n_jobs; i++)
		finished += c->jobs[i]->stage == STAGE_done;
	for (size_t i = 0; finished > JOBS_REMEMBERED && i < c->n_jobs;) {
		if (c->jobs[i]->stage != STAGE_done) {
			i++;
			continue;
		}
		core_job_drop(c, c->jobs[i]);
		finished--;
	}
}

static uint64_t next_timer(const struct core *c)
{
	uint64_t tick_ms =
		c->config.interval_ms < LIVENESS_TICK_MS ? c->config.interval_ms : LIVENESS_TICK_MS;
	uint64_t next_ms = c->now.mono_ms + tick_ms, drains_ms = drains_next_ms(c);

	next_ms = drains_ms < next_ms ? drains_ms : next_ms;
	for (size_t i = 0; i < c->n_jobs; i++) {
		const struct job *job = c->jobs[i];
		uint64_t at_ms = job->stage == STAGE_done ? next_ms : migrate_next_ms(job);

		if (job->waiting_ms && !job->told_end && job->waiting_ms + LINGER_MS < at_ms)
			at_ms = job->waiting_ms + LINGER_MS;
		next_ms = at_ms < next_ms ? at_ms : next_ms;
	}
	next_ms = core_log_next(c, next_ms);
	return next_ms > c->now.mono_ms ? next_ms : c->now.mono_ms + 1;
}

/* After a word that changed no job: the jobs' upkeep can wait for the tick. */
static void end_quietly(struct core *c)
{
	c->effects->timer_ms = c->timer_ms;
	scratch_drop(c);
	c->effects = NULL;
}

static void end_turn(struct core *c)
{
	for (size_t i = 0; i < c->n_jobs; i++)
		tell_end(c, c->jobs[i]);
	drains_run(c);
	for (size_t i = 0; i < c->n_jobs; i++) {
		job_records(c->jobs[i], c->effects);
		c->jobs[i]->entered = false;
	}
	for (size_t i = c->n_jobs; i-- > 0;)
		if (c->jobs[i]->probe && c->jobs[i]->stage == STAGE_done)
			core_probe_done(c, c->jobs[i]);
	forget_oldest(c);
	forget_oldest_drains(c);
	c->effects->timer_ms = c->timer_ms = next_timer(c);
	scratch_drop(c);
	c->effects = NULL;
}

static void begin_turn(struct core *c, struct moment now, struct effects *effects)
{
	c->now = now;
	c->effects = effects;
	if (!c->started_wall_ms) {
		c->started_wall_ms = now.wall_ms;
		c->started_mono_ms = now.mono_ms;
	}
	core_pulse(c);
}

/* --- messages of workers --- */

static void node_news(struct core *c, struct node *node, unsigned news)
{
	if (news & NODE_NEWS_up)
		core_emit(c, "host.up", node->id, NULL, NULL);
	if (news & NODE_NEWS_rebooted)
		core_emit(c, "host.rebooted", node->id, NULL, NULL);
	if (!(news & (NODE_NEWS_restarted | NODE_NEWS_up)))
		return;
	for (size_t i = 0; i < c->n_jobs; i++) {
		struct job *job = c->jobs[i];

		for (enum party p = 0; p < PARTY_COUNT && job->stage != STAGE_done; p++)
			if (str_eq(job_node(job, p), node->id))
				migrate_restarted(c, job, p);
	}
}

static struct job *job_of(struct core *c, const struct node *node, const char *migration,
			  enum party *ret_party)
{
	struct job *job = core_job_find(c, given(migration));

	if (!job || job->stage == STAGE_done)
		return NULL;
	for (enum party p = 0; p < PARTY_COUNT; p++)
		if (str_eq(job_node(job, p), node->id)) {
			*ret_party = p;
			return job;
		}
	return NULL;
}

/* Words that only describe a host. */
static bool is_plain(enum msg_type type)
{
	return type == MSG_TYPE_beat || type == MSG_TYPE_caps || type == MSG_TYPE_hello ||
	       type == MSG_TYPE_sight;
}

/* Whether it may have changed a job. */
static bool feed_message(struct core *c, const struct core_event *event)
{
	struct node *node = nodes_find(&c->nodes, event->node);
	const struct msg *msg = event->msg;
	enum node_state before;
	enum party party;
	struct job *job;
	unsigned news;

	if (!node || !node->enrolled)
		return false;
	if (!node->address[0])
		str_copy(node->address, sizeof(node->address), event->address);
	before = node->state;
	news = nodes_hear(&c->nodes, node, msg, c->now.mono_ms);
	node_news(c, node, news);
	if (node->state == NODE_dead && before != NODE_dead)
		core_emit(c, "host.dead", node->id, node->note, NULL);
	if (msg->head.type == MSG_TYPE_caps)
		core_mark(c, node);
	if (msg->head.type == MSG_TYPE_hello)
		core_welcome(c, node, msg->head.request);
	if (msg->head.type == MSG_TYPE_answer && msg->answer->step == STEP_log) {
		core_log_answer(c, node, msg->answer);
	} else if (msg->head.type == MSG_TYPE_answer && msg->answer->step == STEP_hook) {
		core_hook_answer(c, node, msg->answer);
	} else if (msg->head.type == MSG_TYPE_answer) {
		job = job_of(c, node, msg->answer->migration, &party);
		if (job)
			migrate_answer(c, job, party, msg->answer);
	} else if (msg->head.type == MSG_TYPE_progress) {
		job = job_of(c, node, msg->progress->migration, &party);
		if (job)
			migrate_progress(c, job, party, msg->progress);
	} else if (msg->head.type == MSG_TYPE_sight) {
		core_heard_of(c, node, msg->sight);
	}
	return news || !is_plain(msg->head.type);
}

/* --- time and roster --- */

static void feed_tick(struct core *c, bool behind)
{
	if (c->pace_due)
		core_set_pace(c);
	if (!behind)
		core_judge_hosts(c);
	for (size_t i = 0; i < c->n_jobs; i++)
		migrate_tick(c, c->jobs[i]);
	core_log_tick(c);
	windows_tick(c);
	balance_tick(c);
}

static void feed_roster(struct core *c, const struct core_event *event)
{
	struct node *node = nodes_add(&c->nodes, event->node);

	c->pace_due |= !node->enrolled;
	node->enrolled = true;
	str_copy(node->role, sizeof(node->role), "worker");
	if (event->address && *event->address)
		str_copy(node->address, sizeof(node->address), event->address);
	if (event->ssh_port)
		node->ssh_port = event->ssh_port;
}

static void feed_unlist(struct core *c, const struct core_event *event)
{
	struct node *node = nodes_find(&c->nodes, event->node);

	if (!node)
		return;
	c->pace_due |= node->enrolled;
	node->enrolled = false;
	node_become(node, NODE_unknown, c->now.mono_ms);
	str_copy(node->note, sizeof(node->note), "not in the roster any more");
}

/* Of the options that were taken, or why they were not. */
static void feed_config(struct core *c, const char *problem)
{
	str_copy(c->config_problem, sizeof(c->config_problem), problem);
	if (problem) {
		core_emit(c, "config.refused", NULL, problem, NULL);
		return;
	}
	if (c->config.options)
		c->config.headroom_percent =
			(unsigned)options_u64(c->config.options, OPT_coordinator_headroom);
	balance_configure(&c->balance, c->config.options);
	windows_configure(&c->windows, c->config.options);
	for (size_t i = 0; i < c->nodes.n; i++)
		core_mark(c, c->nodes.v[i]);
	c->drains_due = true;
	core_emit(c, "config.taken", NULL, NULL, NULL);
}

void core_feed(struct core *c, const struct core_event *event, struct moment now,
	       struct effects *effects)
{
	bool quiet = false;

	begin_turn(c, now, effects);
	switch (event->kind) {
	case CORE_tick:
		feed_tick(c, event->behind);
		break;
	case CORE_roster:
		feed_roster(c, event);
		break;
	case CORE_unlist:
		feed_unlist(c, event);
		break;
	case CORE_message:
		quiet = !feed_message(c, event);
		break;
	case CORE_request:
		core_request(c, event->client, event->msg, event->id);
		break;
	case CORE_gone:
		core_forget_client(c, event->client);
		core_log_forget(c, event->client);
		break;
	case CORE_config:
		feed_config(c, event->problem);
		break;
	}
	if (quiet)
		end_quietly(c);
	else
		end_turn(c);
}

/* --- replay --- */

static int replay_value(struct core *c, const char *key, const char *text, struct err *err)
{
	if (str_eq(key, EPOCH_KEY)) {
		if (!str_u64(text, 0, UINT64_MAX, &c->epoch))
			return fail(err, ERR_corrupt, "the stored epoch \"%s\" is no number", text);
	} else if (str_starts(key, CORDON_KEY) && name_ok(key + strlen(CORDON_KEY))) {
		nodes_cordon(nodes_add(&c->nodes, key + strlen(CORDON_KEY)),
			     str_starts(text, "yes"),
			     str_starts(text, "yes ") ? text + strlen("yes ") : NULL);
	} else if (str_starts(key, REST_KEY)) {
		balance_replay(c, key + strlen(REST_KEY), text);
	} else if (str_starts(key, WINDOW_KEY)) {
		windows_replay(&c->windows, key + strlen(WINDOW_KEY), text);
	} else if (str_starts(key, MAINTENANCE_KEY) && name_ok(key + strlen(MAINTENANCE_KEY))) {
		nodes_add(&c->nodes, key + strlen(MAINTENANCE_KEY))->maintenance =
			str_eq(text, "yes");
	} else {
		predict_parse(&c->pairs, key, text); /* a lost lesson is no reason to stop */
	}
	return 0;
}

int core_replay(struct core *c, enum record_kind kind, const char *key, const void *data,
		size_t len, struct err *err)
{
	auto_free char *text = NULL;
	struct job *job;

	if (kind == RECORD_value) {
		text = str_new("%.*s", (int)len, (const char *)data);
		return replay_value(c, key, text, err);
	}
	if (!ulid_ok(key))
		return fail(err, ERR_corrupt, "a record's key \"%s\" is no job", key);
	if (kind == RECORD_drain) {
		struct drain *drain = core_drain_find(c, key);

		return drain_replay(drain ? drain : core_drain_add(c, key, ""), data, len, err);
	}
	job = core_job_find(c, key);
	if (!job)
		job = core_job_add(c, key);
	return job_replay(job, kind, data, len, err);
}

void core_resume(struct core *c, struct moment now, struct effects *effects)
{
	begin_turn(c, now, effects);
	for (size_t i = 0; i < c->n_jobs;) {
		struct job *job = c->jobs[i];

		if (job->stage == STAGE_none) { /* a working set without its job: never begun */
			core_job_drop(c, job);
			continue;
		}
		job->told_end = job->stage == STAGE_done || job->stage == STAGE_stopped;
		job->told = job->outcome;
		if (job->stage != STAGE_done)
			migrate_resume(c, job);
		i++;
	}
	end_turn(c);
}
