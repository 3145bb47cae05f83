/* SPDX-License-Identifier: MPL-2.0
 *
 * What the files of the core share: the state of the coordinator and the effects of the turn.
 * core.c dispatches, core_requests.c and core_replies.c serve clients, migrate*.c walk the jobs. */
#ifndef DROVER_COORDINATOR_CORE_IMPL_H
#define DROVER_COORDINATOR_CORE_IMPL_H

#include "coordinator/balance.h"
#include "coordinator/core.h"
#include "coordinator/drain.h"
#include "coordinator/job.h"
#include "coordinator/nodes.h"
#include "coordinator/predict.h"
#include "coordinator/score.h"
#include "coordinator/windows.h"

#define FOLLOWERS_MAX 1024
#define JOBS_REMEMBERED 1000 /* finished ones; the store keeps more */
#define DRAINS_REMEMBERED 200
#define LINGER_MS 5000 /* a job waits this long for a host before its followers are told */

/* A client that hears events: of one job until its end, or of everything. */
struct follower {
	uint64_t client;
	char request[ULID_SIZE];
	char job[ULID_SIZE]; /* "" = everything */
};

struct scratch_block {
	struct scratch_block *next;
	char bytes[] __attribute__((aligned(16)));
};

struct core {
	struct core_config config;
	struct nodes nodes;
	struct node **booked; /* those that core_book has to clear */
	size_t n_booked;
	struct pairs pairs;
	struct job **jobs; /* in order of their start; probes among them */
	size_t n_jobs;
	struct drain **drains; /* in order of their start */
	size_t n_drains;
	struct balance balance;
	struct windows windows;
	uint64_t own_drains; /* nobody's request has begun them: for their ids */
	bool drains_due;     /* a move of this turn has begun or ended */
	struct follower *followers;
	size_t n_followers;
	struct fetches *fetches; /* core_log.c; NULL until the first */
	uint64_t epoch;          /* of the last handover */
	uint64_t event_seq;
	uint64_t started_wall_ms, started_mono_ms;
	uint64_t timer_ms;
	char config_problem[256]; /* why the file on disk is not what is in force, "" = it is */
	bool pace_due;            /* the number of hosts has changed */
	struct moment now;        /* of this turn */
	struct effects *effects;  /* of this turn */
	struct scratch_block *scratch;
};

/* --- core.c --- */

/* Zeroed memory that lives until the end of the turn. */
void *core_scratch(struct core *c, size_t n, size_t size);

/* Tells followers. host and job may be NULL. */
void core_emit(struct core *c, const char *kind, const char *host, const char *text,
	       const struct job *job);

/* The same with the job's view ready (NULL: none); those hear it who follow it or its parent. */
void core_emit_view(struct core *c, const char *kind, const char *host, const char *text,
		    struct msg_job *view);

struct job *core_job_find(struct core *c, const char *id);

/* The unfinished job other than `except` that moves this container of this host, or NULL. */
struct job *core_job_moving(struct core *c, const char *container, const char *host,
			    const struct job *except);

struct job *core_job_add(struct core *c, const char *id);
void core_job_drop(struct core *c, struct job *job);

/* Sets each node's bookings from the jobs in flight, leaving one out (may be NULL). */
void core_book(struct core *c, const struct job *except);
void core_book_one(struct core *c, struct node *target, const struct msg_container *facts);

/* The same for one that arrives at the same moment as what is asked about: their images need room
 * beside each other. */
void core_book_beside(struct core *c, struct node *target, const struct msg_container *facts,
		      bool cold);

/* A copy of a text (NULL stays NULL) that lives until the end of the turn. */
const char *core_text(struct core *c, const char *text);

/* --- core_query.c --- */

/* The query for a container of this host, with its rules; nothing skipped. Books nothing. Valid
 * until the end of the turn. */
struct score_query core_query(struct core *c, const struct msg_container *container,
			      const struct node *source);

/* A ranking of one host, its own included; empty when there is no such host. */
void core_rank_chosen(struct core *c, const struct score_query *query, const char *host,
		      struct ranking *ret);

/* One container against all hosts: verdict, best host, reasons where there is none. */
void core_judge_place(struct core *c, const struct score_query *query, struct msg_place *ret,
		      const struct node **ret_best);

/* Notes which groups a node's containers are of; after each list of its containers. */
void core_mark(struct core *c, struct node *node);

void core_show_rules(struct core *c, const struct rules *rules, struct msg_reply *reply);

/* --- core_liveness.c --- */

void core_welcome(struct core *c, const struct node *node, const char *request);

/* Before anything else of a turn. */
void core_pulse(struct core *c);

/* Judges silence; asks peers about suspects. Only when everything that came was heard. */
void core_judge_hosts(struct core *c);

/* What a peer says of a suspect. */
void core_heard_of(struct core *c, const struct node *peer, const struct msg_sight *said);

/* After the number of hosts has changed: the interval that fits, told to all. */
void core_set_pace(struct core *c);

/* The warning while too many hosts are silent at once, else "". */
void core_mass_text(const struct core *c, char *ret_text, size_t size);

/* --- core_follow.c --- */

/* job NULL: everything. The same client and request again change nothing. */
void core_follow(struct core *c, uint64_t client, const char *request, const struct job *job);
void core_forget_client(struct core *c, uint64_t client);

/* Ends the streams of those that follow this job, with the job as the final reply. */
void core_end_followers(struct core *c, const struct job *job);
void core_end_drain_followers(struct core *c, struct drain *drain);

/* The same as core_follow, for any id. */
void core_follow_id(struct core *c, uint64_t client, const char *request, const char *id);

/* --- core_log.c: hosts' logs --- */

void core_log_answer(struct core *c, const struct node *node, const struct msg_answer *answer);
void core_log_tick(struct core *c);
uint64_t core_log_next(const struct core *c, uint64_t next_ms); /* the earlier of the two */
void core_log_forget(struct core *c, uint64_t client);

/* --- drain_hooks.c --- */

void core_hook_answer(struct core *c, const struct node *node, const struct msg_answer *answer);

/* --- core_requests.c --- */

/* One request of a client; `id` is a fresh ULID. */
void core_request(struct core *c, uint64_t client, const struct msg *msg, const char *id);

/* A check's source has said what its container is now: what was judged of it may not stand. */
void core_probe_heard(struct job *probe, const struct msg_container *fresh);

/* The answer to a live check that has ended. */
void core_probe_done(struct core *c, struct job *probe);

/* --- core_replies.c --- */

void core_reply(struct core *c, uint64_t client, const char *request, struct msg_reply *reply);
void core_reply_error(struct core *c, uint64_t client, const char *request, const struct err *err);
void core_reply_job(struct core *c, uint64_t client, const char *request, const struct job *job,
		    bool final, bool with_log);

/* The job and the others of its group. */
void core_show_group(struct core *c, const struct job *job, bool with_log, struct msg_reply *reply);

/* Fill in one list of a reply; what they point to lives until the end of the turn. */
void core_list_hosts(struct core *c, const struct msg_request *request, struct msg_reply *reply);

/* One of such a list, and whether the request wants it in there. */
void core_show_host(const struct core *c, const struct node *node, struct msg_host *ret);
bool core_host_wanted(const struct msg_request *request, const char *id);
void core_show_place(struct core *c, const struct place *place, struct msg_place *ret);
bool core_place_wanted(const struct core *c, const struct msg_request *request,
		       const struct place *place);

/* All hosts, or of more than a thousand those that need a look and a few others. */
void core_list_status(struct core *c, struct msg_reply *reply);
void core_list_places(struct core *c, const struct msg_request *request, struct msg_reply *reply);
void core_list_jobs(struct core *c, const struct msg_request *request, bool active, bool finished,
		    struct msg_reply *reply);
void core_list_lost(struct core *c, struct msg_reply *reply);
void core_list_candidates(struct core *c, const struct ranking *ranking, struct msg_reply *reply);

/* A copy that lives until the end of the turn. */
void core_show_candidate(struct core *c, const struct candidate *candidate,
			 struct msg_candidate *ret);
void core_describe(struct core *c, struct msg_reply *reply);

/* How many containers of this node are not copies of a migration. */
size_t core_count_places(const struct node *node);

/* The code that a client is told for a job. */
int core_job_code(const struct job *job);

#endif
