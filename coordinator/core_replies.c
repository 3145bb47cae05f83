/* SPDX-License-Identifier: MPL-2.0
 *
 * What clients are shown: hosts, containers, jobs, candidates. Everything that a reply points to
 * lives in the turn's scratch memory or in the core itself. */
#include "coordinator/core_impl.h"

#include "base/mem.h"
#include "coordinator/group.h"
#include "coordinator/liveness.h"
#include "coordinator/migrate.h"

#include <string.h>

#define HOSTS_MAX 16384
#define STATUS_ALL_MAX 1000 /* so many hosts fit into one message */
#define STATUS_ODD_MAX 1000
#define STATUS_SHOWN 100
#define PLACES_MAX 4096
#define JOBS_MAX 1024

void core_reply(struct core *c, uint64_t client, const char *request, struct msg_reply *reply)
{
	struct msg_head head = {.type = MSG_TYPE_reply, .epoch = c->config.term};

	str_copy(head.request, sizeof(head.request), request);
	effects_tell(c->effects, client, head, reply);
}

void core_reply_error(struct core *c, uint64_t client, const char *request, const struct err *err)
{
	struct msg_reply reply = {
		.code = (uint64_t)err->code, .error = err->text, .fix = err->fix, .final = true};

	core_reply(c, client, request, &reply);
}

int core_job_code(const struct job *job)
{
	if (job->outcome == OUTCOME_moved)
		return 0;
	if (job->outcome == OUTCOME_none && job->stage != STAGE_done && stage_undoes(job->stage))
		return ERR_timeout; /* its source has not said that it took the container back */
	return job->code;
}

/* The first of its group whose end was no success, else itself. */
static const struct job *worst_of(const struct core *c, const struct job *job)
{
	const struct job *m = NULL;

	if (core_job_code(job))
		return job;
	while ((m = migrate_group_next(c, job, m)))
		if (core_job_code(m))
			return m;
	return job;
}

void core_show_group(struct core *c, const struct job *job, bool with_log, struct msg_reply *reply)
{
	const struct job *m = NULL;

	reply->jobs.v =
		core_scratch(c, job->group[0] ? job->group_size : 1, sizeof(struct msg_job));
	job_view(job, &reply->jobs.v[reply->jobs.n++], core_scratch(c, 1, sizeof(struct job_text)),
		 with_log);
	while ((m = migrate_group_next(c, job, m)) && reply->jobs.n < job->group_size)
		if (m != job)
			job_view(m, &reply->jobs.v[reply->jobs.n++],
				 core_scratch(c, 1, sizeof(struct job_text)), false);
}

void core_reply_job(struct core *c, uint64_t client, const char *request, const struct job *job,
		    bool final, bool with_log)
{
	struct msg_reply reply = {.final = final};
	char why[1024];

	core_show_group(c, job, with_log, &reply);
	if (final) {
		job = worst_of(c, job);
		reply.code = (uint64_t)core_job_code(job);
		reply.error = reply.code ? job->error : NULL;
		reply.fix = reply.code ? job->fix : NULL;
	}
	if (final && reply.code == ERR_timeout && !job->outcome) {
		str_fmt(why, sizeof(why), "%.700s; %s has not confirmed that %s runs there again",
			job->error, job->source, job->container);
		reply.error = why;
		reply.fix = "the source thaws it by itself at its hold deadline; the job goes on";
	}
	core_reply(c, client, request, &reply);
}

/* --- hosts --- */

void core_show_host(const struct core *c, const struct node *node, struct msg_host *ret)
{
	const struct msg_beat *beat = node->beat ? node->beat->beat : NULL;
	const struct msg_caps *caps = node->caps ? node->caps->caps : NULL;

	*ret = (struct msg_host){.id = node->id,
				 .role = node->role,
				 .state = node_state_name(node->state),
				 .address = node->address,
				 .cordoned = node->cordoned,
				 .maintenance = node->maintenance,
				 .note = *node->note ? node->note : node->cordon_reason,
				 .hot = node->load_known ? node_hot(node) : 0,
				 .version = node->version,
				 .containers = core_count_places(node)};
	if (node->heard_ms)
		ret->age_ms = c->now.mono_ms - node->heard_ms;
	if (node->enquiry && node->enquiry->seen_ms)
		ret->seen_by = node->enquiry->seen_by;
	if (caps) {
		ret->kernel = caps->kernel;
		ret->criu_version = caps->criu_version;
		ret->runtimes.v = caps->runtimes.v;
		ret->runtimes.n = caps->runtimes.n;
		ret->cpus = caps->cpus;
		ret->mem_total_bytes = caps->mem_total_bytes;
		ret->labels = caps->labels;
		ret->problems.v = caps->problems.v;
		ret->problems.n = caps->problems.n;
		ret->storage_free_bytes = caps->storage_free_bytes;
		ret->staging_free_bytes = caps->staging_free_bytes;
		ret->arch = caps->arch;
	}
	if (beat) {
		ret->cpus = beat->cpus;
		ret->load1 = beat->load1;
		ret->cpu_permille = beat->cpu_permille;
		ret->mem_total_bytes = beat->mem_total_bytes;
		ret->mem_available_bytes = beat->mem_available_bytes;
		ret->psi_cpu = beat->psi_cpu;
		ret->psi_mem = beat->psi_mem;
		ret->psi_io = beat->psi_io;
		ret->storage_free_bytes = beat->storage_free_bytes;
		ret->staging_free_bytes = beat->staging_free_bytes;
	}
}

bool core_host_wanted(const struct msg_request *request, const char *id)
{
	if (given(request->host)[0] && !str_eq(request->host, id))
		return false;
	return !request->hosts.n || strs_have(&request->hosts, id);
}

void core_list_hosts(struct core *c, const struct msg_request *request, struct msg_reply *reply)
{
	reply->hosts.v = core_scratch(c, c->nodes.n + 1, sizeof(*reply->hosts.v));
	for (size_t i = 0; i < c->nodes.n && reply->hosts.n < HOSTS_MAX; i++)
		if (c->nodes.v[i]->enrolled && core_host_wanted(request, c->nodes.v[i]->id))
			core_show_host(c, c->nodes.v[i], &reply->hosts.v[reply->hosts.n++]);
}

static bool needs_a_look(const struct node *node)
{
	return node->state != NODE_up || node->cordoned || node->maintenance;
}

static void list_some(struct core *c, struct msg_reply *reply, bool odd, size_t most)
{
	for (size_t i = 0; i < c->nodes.n && reply->hosts.n < most; i++)
		if (c->nodes.v[i]->enrolled && needs_a_look(c->nodes.v[i]) == odd)
			core_show_host(c, c->nodes.v[i], &reply->hosts.v[reply->hosts.n++]);
}

void core_list_status(struct core *c, struct msg_reply *reply)
{
	if (c->nodes.n <= STATUS_ALL_MAX) {
		core_list_hosts(c, &(struct msg_request){0}, reply);
		return;
	}
	reply->hosts.v = core_scratch(c, STATUS_ODD_MAX, sizeof(*reply->hosts.v));
	list_some(c, reply, true, STATUS_ODD_MAX);
	list_some(c, reply, false, STATUS_SHOWN);
}

/* --- containers --- */

struct place_walk {
	struct core *c;
	const struct msg_request *request;
	struct msg_reply *reply; /* NULL: only count */
	const struct node *only; /* of this node, NULL: of all */
	const char *id;
	size_t n;
};

static void count_one(void *arg, const struct place *place)
{
	struct place_walk *walk = arg;

	if (!place->secondary && (!walk->only || walk->only == place->node))
		walk->n++;
}

size_t core_count_places(const struct node *node)
{
	struct nodes one = {.v = (struct node *[]){(struct node *)node}, .n = 1};
	struct place_walk walk = {.only = node};

	nodes_each_place(&one, count_one, &walk);
	return walk.n;
}

static void find_primary(void *arg, const struct place *place)
{
	struct place_walk *walk = arg;

	walk->n += !place->secondary && str_eq(place->container->id, walk->id);
}

/* Nobody runs it: the source's frozen copy is all that people can be shown of it. */
static bool is_only_copy(const struct core *c, const struct place *place)
{
	struct place_walk walk = {.id = place->container->id};

	if (!str_eq(place->container->authority, "released"))
		return false;
	nodes_each_place(&c->nodes, find_primary, &walk);
	return walk.n == 0;
}

bool core_place_wanted(const struct core *c, const struct msg_request *request,
		       const struct place *place)
{
	if (place->secondary && !request->all && !is_only_copy(c, place))
		return false;
	if (given(request->container)[0] && !str_eq(request->container, place->container->id))
		return false;
	if (given(request->from)[0] && !str_eq(request->from, place->node->id))
		return false;
	return core_host_wanted(request, place->node->id);
}

/* Why nothing is known of a host's containers now; NULL when it is. */
static const char *place_note(struct core *c, const struct node *node)
{
	char *text;

	if (node->state == NODE_up)
		return NULL;
	text = core_scratch(c, 1, 256);
	if (node->state == NODE_suspect)
		str_fmt(text, 256, "as %s said %.0f s ago%s%s", node->id,
			(double)(c->now.mono_ms - node->heard_ms) / 1000, *node->note ? "; " : "",
			node->note);
	else
		str_fmt(text, 256, "%s is %s: unknown, not dead", node->id,
			node->state == NODE_dead ? "lost" : "not heard of");
	return text;
}

/* Its own host's problem says the rest. */
static void show_astray(struct core *c, struct msg_place *ret)
{
	const struct code_row *code = code_row(CODE_away);

	ret->reasons.v = core_scratch(c, 1, sizeof(*ret->reasons.v));
	ret->reasons.n = 1;
	ret->reasons.v[0] =
		(struct msg_reason){.code = code->code, .why = code->says, .fix = code->fix};
	ret->verdict = "no";
	if (!ret->note)
		ret->note = code->says;
}

static void show_group(struct core *c, const struct place *place, struct msg_place *ret)
{
	struct group group;

	group_of(place, &group);
	if (group.n == 1)
		return;
	ret->group = core_text(c, group.name);
	ret->group_size = group.n;
}

static const char *stopped_note(struct core *c, const struct job *job)
{
	char *text = core_scratch(c, 1, 256);

	str_fmt(text, 256, "stopped by drover, job %s: drover restore %s starts it",
		job->id + ULID_LEN - 6, job->source);
	return text;
}

void core_show_place(struct core *c, const struct place *place, struct msg_place *ret)
{
	const struct msg_usage *usage = node_usage(place->node, place->container->id);
	const struct job *job;

	*ret = (struct msg_place){.host = place->node->id,
				  .container = core_scratch(c, 1, sizeof(*ret->container)),
				  .age_ms = c->now.mono_ms - place->node->heard_ms,
				  .host_state = node_state_name(place->node->state)};
	*ret->container = *place->container;
	show_group(c, place, ret);
	if (usage) {
		ret->container->rss_bytes = usage->rss_bytes;
		ret->container->cpu_permille = usage->cpu_permille;
	}
	if (place->node->state == NODE_dead)
		ret->container->status = "unknown";
	ret->note = place_note(c, place->node);
	if (str_eq(place->container->authority, "away"))
		show_astray(c, ret);
	job = core_job_moving(c, place->container->id, place->node->id, NULL);
	ret->job = job ? job->id : NULL;
	if (job && job->stage == STAGE_stopped && !ret->note)
		ret->note = stopped_note(c, job);
}

static void list_place(void *arg, const struct place *place)
{
	struct place_walk *walk = arg;

	if (core_place_wanted(walk->c, walk->request, place) && walk->reply->places.n < PLACES_MAX)
		core_show_place(walk->c, place, &walk->reply->places.v[walk->reply->places.n++]);
}

void core_list_places(struct core *c, const struct msg_request *request, struct msg_reply *reply)
{
	struct place_walk walk = {.c = c, .request = request, .reply = reply};

	reply->places.v = core_scratch(c, PLACES_MAX, sizeof(*reply->places.v));
	nodes_each_place(&c->nodes, list_place, &walk);
}

/* --- jobs --- */

/* LOST, and the source's copy stands frozen: only a person may let it go on. */
static bool waits_for_a_person(const struct core *c, const struct job *job)
{
	const struct node *source = nodes_find(&c->nodes, job->source);
	const struct msg_container *copy;

	if (job->outcome != OUTCOME_lost || !source)
		return false;
	copy = node_container(source, job->container);
	return copy && str_eq(copy->authority, "released") && str_eq(copy->migration, job->id);
}

/* Those that are over for drover, but not for the person who reads its status. */
void core_list_lost(struct core *c, struct msg_reply *reply)
{
	for (size_t i = c->n_jobs; i-- > 0 && reply->jobs.n < JOBS_MAX;) {
		const struct job *job = c->jobs[i];

		if (job->stage == STAGE_done && waits_for_a_person(c, job))
			job_view(job, &reply->jobs.v[reply->jobs.n++],
				 core_scratch(c, 1, sizeof(struct job_text)), false);
	}
}

static bool job_wanted(const struct msg_request *request, const struct job *job)
{
	const char *host = given(request->host);

	if (given(request->container)[0] && !str_eq(request->container, job->container))
		return false;
	return !*host || str_eq(host, job->source) || str_eq(host, job->target);
}

static void list_drains(struct core *c, const struct msg_request *request, bool active,
			bool finished, size_t limit, struct msg_reply *reply)
{
	for (size_t i = c->n_drains; i-- > 0 && reply->jobs.n < limit;) {
		const struct drain *drain = c->drains[i];

		if (given(request->container)[0] ||
		    (given(request->host)[0] && !drain_has_host(drain, request->host)) ||
		    (drain->state == DRAIN_done ? !finished : !active))
			continue;
		drain_job_view(drain, &reply->jobs.v[reply->jobs.n++],
			       core_scratch(c, 1, DRAIN_PHASE_SIZE));
	}
}

/* Newest first, drains before the moves. */
void core_list_jobs(struct core *c, const struct msg_request *request, bool active, bool finished,
		    struct msg_reply *reply)
{
	size_t limit = request->limit && request->limit < JOBS_MAX ? request->limit : JOBS_MAX;

	reply->jobs.v = core_scratch(c, limit, sizeof(*reply->jobs.v));
	list_drains(c, request, active, finished, limit, reply);
	for (size_t i = c->n_jobs; i-- > 0 && reply->jobs.n < limit;) {
		const struct job *job = c->jobs[i];

		if (job->probe || !job_wanted(request, job))
			continue;
		if (job->stage == STAGE_done ? !finished : !active)
			continue;
		job_view(job, &reply->jobs.v[reply->jobs.n++],
			 core_scratch(c, 1, sizeof(struct job_text)), false);
	}
}

/* --- candidates --- */

void core_show_candidate(struct core *c, const struct candidate *candidate,
			 struct msg_candidate *ret)
{
	struct msg_term *terms = core_scratch(c, SCORE_TERMS, sizeof(*terms));
	struct msg_reason *reasons = core_scratch(c, VERDICT_REASONS_MAX, sizeof(*reasons));
	size_t n = verdict_reasons(&candidate->verdict, reasons);

	memcpy(terms, candidate->terms, SCORE_TERMS * sizeof(*terms));
	for (size_t i = 0; i < n; i++)
		reasons[i].why = core_text(c, reasons[i].why);
	*ret = (struct msg_candidate){
		.host = candidate->node->id,
		.verdict = verdict_word(verdict_kind(&candidate->verdict)),
		.score = candidate->score,
		.tier = candidate->tier,
		.terms = {terms, SCORE_TERMS},
		.reasons = {reasons, n},
		.predicted_frozen_ms = candidate->prediction.frozen_ms,
		.predicted_total_ms = candidate->prediction.total_ms,
		.predicted_pending_bytes = candidate->prediction.pending_bytes,
		.predicted_rounds = candidate->prediction.rounds,
		.dirty_bytes_s = candidate->prediction.dirty_bytes_s,
		.dirty_from = rate_from_name(candidate->prediction.dirty_from),
	};
}

void core_list_candidates(struct core *c, const struct ranking *ranking, struct msg_reply *reply)
{
	reply->candidates.v = core_scratch(c, ranking->n + 1, sizeof(*reply->candidates.v));
	for (size_t i = 0; i < ranking->n; i++)
		core_show_candidate(c, &ranking->v[i], &reply->candidates.v[i]);
	reply->candidates.n = ranking->n;
	reply->tally = core_scratch(c, 1, sizeof(*reply->tally));
	*reply->tally = (struct msg_tally){.judged = ranking->hosts,
					   .live = ranking->kinds[VERDICT_live],
					   .warn = ranking->kinds[VERDICT_warn],
					   .cold = ranking->kinds[VERDICT_cold],
					   .no = ranking->kinds[VERDICT_no]};
}

void core_describe(struct core *c, struct msg_reply *reply)
{
	struct msg_cluster *cluster = core_scratch(c, 1, sizeof(*cluster));
	char *warning = core_scratch(c, 1, 256);

	*cluster = (struct msg_cluster){.coordinator = c->config.id,
					.version = DROVER_VERSION,
					.epoch = c->config.term,
					.up_ms = c->now.wall_ms - c->started_wall_ms,
					.jobs_running = core_jobs_running(c),
					.interval_ms = c->nodes.interval_ms};
	core_mass_text(c, warning, 256);
	cluster->warning = *warning ? warning : NULL;
	cluster->config_problem = *c->config_problem ? c->config_problem : NULL;
	for (size_t i = 0; i < c->nodes.n; i++) {
		if (!c->nodes.v[i]->enrolled)
			continue;
		cluster->hosts_total++;
		cluster->hosts_up += c->nodes.v[i]->state == NODE_up;
		cluster->containers += core_count_places(c->nodes.v[i]);
	}
	for (size_t i = 0; i < c->n_jobs; i++)
		cluster->held +=
			c->jobs[i]->outcome == OUTCOME_held || waits_for_a_person(c, c->jobs[i]);
	reply->cluster = cluster;
}
