/* SPDX-License-Identifier: MPL-2.0
 *
 * The requests of clients, one row each. A request that starts nothing is answered in the same
 * turn. */
#include "coordinator/core_requests.h"

#include "base/mem.h"
#include "coordinator/migrate.h"

#include <inttypes.h>
#include <string.h>

/* --- reading --- */

static int ask_version(struct asked *a, struct err *err)
{
	(void)err;
	core_describe(a->c, &a->reply);
	a->reply.text = DROVER_VERSION;
	return 0;
}

static int ask_status(struct asked *a, struct err *err)
{
	struct msg_request everything = {0};

	(void)err;
	core_describe(a->c, &a->reply);
	core_list_status(a->c, &a->reply);
	core_list_jobs(a->c, &everything, true, false, &a->reply);
	core_list_lost(a->c, &a->reply);
	windows_list(a->c, &a->reply);
	return 0;
}

static int known_host(struct asked *a, const char *id, struct err *err)
{
	struct node *node;

	return given(id)[0] ? nodes_find_host(&a->c->nodes, id, &node, err) : 0;
}

static int ask_hosts(struct asked *a, struct err *err)
{
	if (known_host(a, a->body->host, err))
		return -err->code;
	if (!a->body->paged) {
		core_list_hosts(a->c, a->body, &a->reply);
		return 0;
	}
	core_page_hosts(a->c, a->body, &a->reply);
	core_page_fit(a->c, &a->reply);
	return 0;
}

static int ask_ps(struct asked *a, struct err *err)
{
	if (known_host(a, a->body->host, err))
		return -err->code;
	if (a->body->paged)
		core_page_places(a->c, a->body, &a->reply);
	else
		core_list_places(a->c, a->body, &a->reply);
	if (given(a->body->mode)[0] && core_judge_places(a, err))
		return -err->code;
	if (a->body->paged)
		core_page_fit(a->c, &a->reply);
	return 0;
}

static int ask_jobs(struct asked *a, struct err *err)
{
	(void)err;
	core_list_jobs(a->c, a->body, true, a->body->all, &a->reply);
	return 0;
}

static int ask_history(struct asked *a, struct err *err)
{
	(void)err;
	core_list_jobs(a->c, a->body, false, true, &a->reply);
	return 0;
}

/* --- one job --- */

static bool names(const struct job *job, const char *wanted, bool *ret_container)
{
	size_t len = strlen(wanted), id_len = strlen(job->id);

	*ret_container = str_eq(job->container, wanted);
	return *ret_container ||
	       (len >= 3 && len <= id_len && str_eq(job->id + id_len - len, wanted));
}

/* A ULID, a unique tail of one, or a container's latest job. */
static int find_job(struct asked *a, struct job **ret, struct err *err)
{
	const char *wanted = given(a->body->job);
	struct job *found = NULL;
	bool by_container;

	if (!*wanted)
		wanted = given(a->body->container);
	for (size_t i = a->c->n_jobs; i-- > 0;) {
		struct job *job = a->c->jobs[i];

		if (job->probe || !names(job, wanted, &by_container))
			continue;
		if (found)
			return fail(err, ERR_usage, "%s fits several jobs, %s and %s among them",
				    wanted, found->id, job->id);
		found = job;
		if (by_container)
			break;
	}
	*ret = found;
	if (found)
		return 0;
	fail(err, ERR_nosuch, "no job %s", wanted);
	return err_fix(err, "drover jobs --all and drover history list them");
}

/* The job as it is, whatever became of it: a question that was answered is no failure. */
static void show_job(struct asked *a, const struct job *job, bool with_log)
{
	core_show_group(a->c, job, with_log, &a->reply);
}

/* One that follows is told the job's own code at its end. */
static int ask_job(struct asked *a, struct err *err)
{
	bool with_log = str_eq(a->body->mode, "log");
	struct drain *drain = core_drain_asked(a);
	struct job *job;

	if (drain)
		return core_ask_drain(a, drain, err);
	if (find_job(a, &job, err))
		return -err->code;
	if (with_log && given(a->body->host)[0])
		return core_log_ask(a, job, err);
	if (!a->body->follow) {
		show_job(a, job, with_log);
		return 0;
	}
	if (!migrate_group_told(a->c, job)) {
		core_follow(a->c, a->client, a->request, job);
		core_reply_job(a->c, a->client, a->request, job, false, with_log);
	} else {
		core_reply_job(a->c, a->client, a->request, job, true, with_log);
	}
	a->reply.final = false; /* answered */
	return 0;
}

static int ask_cancel(struct asked *a, struct err *err)
{
	struct drain *drain = core_drain_asked(a);
	struct job *job;
	int rc;

	if (drain)
		return core_cancel_drain(a, drain, err);
	rc = find_job(a, &job, err);
	if (!rc)
		rc = migrate_cancel(a->c, job, a->body->reason, err);
	if (!rc)
		show_job(a, job, false);
	return rc;
}

static int ask_force(struct asked *a, struct err *err)
{
	struct job *job;
	int rc = find_job(a, &job, err);

	if (!rc)
		rc = migrate_force(a->c, job, a->body, err);
	if (rc)
		return rc;
	a->reply.final = false;
	core_follow(a->c, a->client, a->request, job);
	core_reply_job(a->c, a->client, a->request, job, false, false);
	return 0;
}

static int ask_watch(struct asked *a, struct err *err)
{
	struct msg_request everything = {0};
	struct drain *drain = core_drain_asked(a);
	struct job *job = NULL;

	if (drain)
		return core_ask_drain(a, drain, err);
	if ((given(a->body->job)[0] || given(a->body->container)[0]) && find_job(a, &job, err))
		return -err->code;
	if (job)
		return ask_job(a, err);
	core_follow(a->c, a->client, a->request, NULL);
	core_list_jobs(a->c, &everything, true, false, &a->reply);
	a->reply.final = false;
	core_reply(a->c, a->client, a->request, &a->reply);
	return 0;
}

/* --- hosts --- */

void core_set_cordon(struct core *c, struct node *node, bool cordoned, const char *reason)
{
	char key[NAME_SIZE + 16], value[8 + sizeof(node->cordon_reason)];

	nodes_cordon(node, cordoned, reason);
	if (!cordoned && node->maintenance) {
		node->maintenance = false;
		str_fmt(key, sizeof(key), "maintenance/%s", node->id);
		effects_value(c->effects, key, "no");
	}
	str_fmt(key, sizeof(key), "cordon/%s", node->id);
	str_fmt(value, sizeof(value), "%s%s", cordoned ? "yes " : "no", node->cordon_reason);
	effects_value(c->effects, key, value);
	core_emit(c, cordoned ? "host.cordoned" : "host.uncordoned", node->id, reason, NULL);
}

static int set_cordon(struct asked *a, bool cordoned, struct err *err)
{
	const struct msg_strs one = {.v = (const char *[]){a->body->host}, .n = 1};
	const struct msg_strs *hosts = a->body->hosts.n ? &a->body->hosts : &one;
	struct node *node;

	for (size_t i = 0; i < hosts->n; i++)
		if (nodes_find_host(&a->c->nodes, hosts->v[i], &node, err))
			return -err->code; /* all of them or none */
	for (size_t i = 0; i < hosts->n; i++) {
		nodes_find_host(&a->c->nodes, hosts->v[i], &node, err);
		core_set_cordon(a->c, node, cordoned, a->body->reason);
	}
	core_list_hosts(a->c, a->body, &a->reply);
	return 0;
}

static int ask_cordon(struct asked *a, struct err *err)
{
	return set_cordon(a, true, err);
}

static int ask_uncordon(struct asked *a, struct err *err)
{
	return set_cordon(a, false, err);
}

/* --- moving --- */

int core_check_skips(const struct msg_strs *skip, struct err *err)
{
	if (verdict_check_skips(skip, err))
		return -err->code;
	return skip->n > 16 ? fail(err, ERR_usage, "more than 16 names to skip") : 0;
}

struct job *core_job_make(struct core *c, const char *id, const struct place *place,
			  struct msg_strs skip, const char *user)
{
	const struct msg_container *ct = place->container;
	struct msg_ask work = {
		.migration = id,
		.skip = skip,
		.container_facts = (struct msg_container *)ct,
		.rss_bytes = ct->rss_bytes,
		.tree_bytes = ct->tree_bytes,
		.runtime = ct->runtime,
		.bundle = ct->bundle,
		.net = ct->net,
	};
	struct job *job = core_job_add(c, id);

	str_copy(job->container, sizeof(job->container), ct->id);
	str_copy(job->source, sizeof(job->source), place->node->id);
	str_copy(job->runtime, sizeof(job->runtime), ct->runtime);
	str_copy(job->user, sizeof(job->user), user);
	job->started_ms = c->now.wall_ms;
	job_set_work(job, &work);
	return job;
}

static void go_cold(struct job *job, const char *reason)
{
	job->cold = true;
	str_copy(job->mode_reason, sizeof(job->mode_reason), reason);
}

/* Cold because somebody has said so: the user now, or a policy once and for all. */
static void choose_mode(struct asked *a, struct job *job)
{
	struct score_query query = migrate_query(a->c, job);
	char reason[NAME_SIZE + 64], from[NAME_SIZE + 16];

	if (str_eq(a->body->mode, "cold")) {
		go_cold(job, "asked for: --cold");
	} else if (query.rules && query.rules->move == MOVE_cold &&
		   !verdict_skips(&query.skip, code_row(CODE_policy_cold)->skip)) {
		str_fmt(reason, sizeof(reason), "%s: %s: move = cold",
			code_row(CODE_policy_cold)->code,
			rules_source(query.rules, from, sizeof(from)));
		go_cold(job, reason);
	}
}

int core_prepare(struct asked *a, bool probe, struct job **ret, struct err *err)
{
	static const char *all[] = {"all"};
	const struct msg_request *body = a->body;
	struct msg_strs skip = body->force ? (struct msg_strs){all, 1} : body->skip;
	struct node *target = NULL;
	struct place place;
	struct msg_ask work;

	if (nodes_find_container(&a->c->nodes, body->container, body->from, &place, err) ||
	    core_check_skips(&body->skip, err))
		return -err->code;
	if (given(body->host)[0] && nodes_find_host(&a->c->nodes, body->host, &target, err))
		return -err->code;
	*ret = core_job_make(a->c, a->id, &place, skip, body->user);
	(*ret)->probe = probe;
	str_copy((*ret)->chosen, sizeof((*ret)->chosen), target ? target->id : "");
	work = *(*ret)->work->ask;
	work.deadline_ms = body->deadline_ms;
	work.max_downtime_ms = body->max_downtime_ms;
	if (str_eq(body->mode, "ladder"))
		work.mode = "ladder"; /* it may still step down, at its latest before the freeze */
	job_set_work(*ret, &work);
	if (probe)
		return 0;
	choose_mode(a, *ret);
	if (!migrate_group_make(a->c, *ret, &place, err))
		return 0;
	core_job_drop(a->c, *ret);
	return -err->code;
}

static bool is_down(const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->n; i++)
		if (verdict->v[i].row == code_row(CODE_host_down) ||
		    verdict->v[i].row == code_row(CODE_source_down))
			return true;
	return false;
}

/* As it was refused; a group's job is ranked alone. */
static const struct ranking *judged(struct core *c, struct job *job)
{
	struct score_query query;
	struct ranking ranking = {0};

	if (job->judged)
		return job->judged;
	query = migrate_query(c, job);
	if (job->chosen[0])
		core_rank_chosen(c, &query, job->chosen, &ranking);
	else
		score_rank(&query, &c->nodes, &ranking);
	job_set_judged(job, &ranking);
	return job->judged;
}

/* Refused before anything was touched: the candidates say why. */
static int refuse_job(struct asked *a, struct job *job, struct err *err)
{
	const struct node *source = nodes_find(&a->c->nodes, job->source);
	const struct ranking *ranking = judged(a->c, job);

	if (job->chosen[0] && ranking->n && !verdict_feasible(&ranking->v[0].verdict)) {
		verdict_print(&ranking->v[0].verdict, err->text, sizeof(err->text));
		err_fix(err, "%s", verdict_fix(&ranking->v[0].verdict));
	}
	if (!job->cold && ranking->kinds[VERDICT_cold])
		err_fix(err, "stop it, move it and start it: drover migrate %s --cold",
			job->container);
	if (job->chosen[0] ? ranking->n && is_down(&ranking->v[0].verdict)
			   : source->state != NODE_up)
		err->code = ERR_unreachable;
	core_list_candidates(a->c, ranking, &a->reply);
	a->reply.code = (uint64_t)err->code;
	a->reply.error = err->text;
	a->reply.fix = err->fix;
	core_reply(a->c, a->client, a->request, &a->reply);
	a->reply.final = false;
	return 0;
}

int core_job_begin(struct core *c, struct job *job, struct err *err)
{
	char text[24];

	struct job *m = NULL;
	uint64_t epoch = c->epoch;

	while ((m = migrate_group_next(c, job, m)))
		m->epoch = ++epoch;
	if (migrate_start(c, job, err))
		return -err->code;
	c->epoch = epoch;
	str_fmt(text, sizeof(text), "%" PRIu64, c->epoch);
	effects_value(c->effects, "epoch", text);
	return 0;
}

/* The ladder's next step, where the user has allowed it: what bars the live move is the reason. */
static int begin_cold(struct asked *a, struct job *job, struct err *err)
{
	struct job *m = NULL;

	if (job->cold || !str_eq(a->body->mode, "ladder"))
		return -err->code;
	while ((m = migrate_group_next(a->c, job, m)))
		go_cold(m, err->text);
	if (!core_job_begin(a->c, job, err))
		return 0;
	job->cold = false; /* what bars the live move is told */
	return -err->code;
}

static int begin_job(struct asked *a, struct job *job, struct err *err)
{
	if (core_job_begin(a->c, job, err) && begin_cold(a, job, err)) {
		refuse_job(a, job, err);
		migrate_group_drop(a->c, job);
		return 0;
	}
	a->reply.final = false;
	if (a->body->follow)
		core_follow(a->c, a->client, a->request, job);
	core_reply_job(a->c, a->client, a->request, job, !a->body->follow, false);
	return 0;
}

static int ask_migrate(struct asked *a, struct err *err)
{
	struct job *job, *other = NULL, *m = NULL;

	if (core_prepare(a, false, &job, err))
		return -err->code;
	while (!other && (m = migrate_group_next(a->c, job, m)))
		other = core_job_moving(a->c, m->container, m->source, m);
	if (other) {
		if (other->stops)
			fail(err, ERR_busy, "E-BUSY: job %s has stopped %s on %s", other->id,
			     other->container, other->source);
		else
			fail(err, ERR_busy, "E-BUSY: job %s is moving %s already (%s to %s, at %s)",
			     other->id, other->container, other->source, other->target,
			     stage_name(other->stage));
		if (other->stops)
			err_fix(err, "drover restore %s starts it again", other->source);
		else
			err_fix(err, "drover job %s --follow, or drover cancel %s",
				other->container, other->container);
		migrate_group_drop(a->c, job);
		return -err->code;
	}
	return begin_job(a, job, err);
}

/* --- dispatch --- */

static const struct {
	const char *command;
	request_fn *fn;
} rows[] = {
	{"status", ask_status},
	{"hosts", ask_hosts},
	{"ps", ask_ps},
	{"check", core_ask_check},
	{"migrate", ask_migrate},
	{"jobs", ask_jobs},
	{"job", ask_job},
	{"watch", ask_watch},
	{"cancel", ask_cancel},
	{"force", ask_force},
	{"history", ask_history},
	{"cordon", ask_cordon},
	{"uncordon", ask_uncordon},
	{"version", ask_version},
	{"ping", ask_version},
	{"evacuate", core_ask_evacuate},
	{"restore", core_ask_restore},
	{"apply", core_ask_apply},
	{"rebalance", core_ask_rebalance},
	{"pause", core_ask_pause},
	{"resume", core_ask_resume},
};

void core_request(struct core *c, uint64_t client, const struct msg *msg, const char *id)
{
	struct asked a = {.c = c,
			  .client = client,
			  .request = msg->head.request,
			  .id = id,
			  .body = msg->request,
			  .reply.final = true};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!str_eq(rows[i].command, msg->request->command))
			continue;
		if (rows[i].fn(&a, &err))
			core_reply_error(c, client, a.request, &err);
		else if (a.reply.final)
			core_reply(c, client, a.request, &a.reply);
		return;
	}
	fail(&err, ERR_usage, "this coordinator (%s) does not know the request %s", DROVER_VERSION,
	     given(msg->request->command));
	core_reply_error(c, client, a.request, &err);
}
