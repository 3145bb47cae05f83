/* SPDX-License-Identifier: MPL-2.0
 *
 * One job: the migration of one container, from the request to the clean-up. A job owns its working
 * set (a struct msg_ask from which every ask is cut) and its public state (struct msg_job). Both go
 * to the store as records at every change of stage, so that a restarted coordinator goes on from
 * the last one. Only the step machine (migrate*.c) changes stage and outcome.
 *
 * A RECORD_job is a msg_event: seq = format, kind = stage, text = stage that failed, host = target
 * that the user chose ("" = ours to choose), job = the public state. */
#ifndef DROVER_COORDINATOR_JOB_H
#define DROVER_COORDINATOR_JOB_H

#include "base/str.h"
#include "coordinator/effects.h"
#include "coordinator/steps.h"
#include "proto/msg.h"

#include <stdbool.h>
#include <stdint.h>

struct ranking;

enum outcome {
	OUTCOME_none,
	OUTCOME_moved,
	OUTCOME_stayed,
	OUTCOME_held,
	OUTCOME_lost,
	OUTCOME_stopped /* where it is, until it is started again: then it stayed */
};

#define JOB_RECORD_FORMAT 1
#define JOB_CANDIDATES_MAX 3 /* targets that are tried before the first freeze */
#define JOB_LOG_MAX 16383

/* The ask of one side in the present stage. */
struct slot {
	enum step step; /* STEP_none: this side is not asked */
	uint64_t attempt;
	bool answered;
	uint64_t next_ms; /* when it is sent (again) */
};

struct job {
	/* durable */
	char id[ULID_SIZE]; /* also the migration's id */
	char container[NAME_SIZE], source[NAME_SIZE], target[NAME_SIZE];
	char chosen[NAME_SIZE]; /* target that the user named, or "" */
	char user[NAME_SIZE];
	char parent[ULID_SIZE]; /* the drain that it is part of, or "" */
	char group[ULID_SIZE];  /* it moves as one with others, or "": the id of the first */
	char group_name[NAME_SIZE];
	uint64_t group_size;
	char runtime[32];
	enum stage stage, failed;
	enum outcome outcome;
	char runs_on[NAME_SIZE];
	uint64_t epoch;   /* of this handover */
	uint64_t attempt; /* how many targets were tried */
	int code;
	char error[1024], fix[256];
	uint64_t started_ms, finished_ms; /* wall clock */
	uint64_t predicted_frozen_ms, predicted_total_ms;
	double score;
	bool cold;             /* stopped, moved and started */
	bool stops;            /* and it goes nowhere: it is stopped where it is */
	char mode_reason[256]; /* why it is so, "" for a live one */
	char forced[512];      /* a person's decision as history tells it, or "" */
	uint64_t forced_ms;
	struct msg_figures figures;
	struct msg *work;    /* ask: the working set */
	struct msg *reasons; /* answer with reasons: what a check said, or NULL */
	char *log[PARTY_COUNT];

	/* volatile */
	bool probe; /* a live check for a client: never recorded, moves nothing */
	bool cancelled, past_deadline;
	bool ready;       /* its stage is done, the group's is not */
	bool still_held;  /* S answered release as HELD: it has to be told to abort */
	bool wants_proof; /* S answered abort as RELEASED */
	struct slot slot[PARTY_COUNT];
	uint64_t entered_ms; /* into the stage */
	uint64_t heard_ms;   /* last progress within it */
	uint64_t waiting_ms; /* since when it waits for a host, 0 = it does not */
	uint64_t held_ms;    /* when hold was answered, and how long it was frozen then */
	uint64_t held_frozen_us;
	uint64_t held_wall_ms; /* the same moment, for a coordinator that comes back */
	bool source_gone;      /* S says that it ended while it was held */
	uint64_t told_progress_ms;
	enum outcome told; /* what followers were last told as the end */
	bool told_end;
	bool dirty_job, dirty_work, dirty_log[PARTY_COUNT];
	bool entered; /* in this turn: its asks have the stage's crash points */
	char tried[JOB_CANDIDATES_MAX][NAME_SIZE];
	char phase[32];
	uint64_t done_bytes, total_bytes, bytes_s, round;
	struct ranking *judged;         /* all hosts, as they were ranked for it; or NULL */
	uint64_t client;                /* probe: who asked */
	char client_request[ULID_SIZE]; /* probe: its request */
};

struct job *job_new(const char *id);
void job_free(struct job **job);

/* Replaces the working set by a copy of *work (which may borrow from the old one). */
void job_set_work(struct job *job, const struct msg_ask *work);
void job_set_reasons(struct job *job, const struct msg_reason *v, size_t n);
void job_set_log(struct job *job, enum party party, const char *log);

/* Takes the ranking's contents; NULL: what was judged does not stand any more. */
void job_set_judged(struct job *job, struct ranking *judged);

/* "alpha" for the source, "beta" for the target. */
const char *job_node(const struct job *job, enum party party);

const char *outcome_name(enum outcome outcome); /* "" for none */
enum outcome outcome_find(const char *name);

/* The public state; borrows from the job, `waiting` and `log` are the caller's buffers (log may be
 * NULL: left out). */
struct job_text {
	char waiting[256];
	char log[JOB_LOG_MAX + 1];
};
void job_view(const struct job *job, struct msg_job *ret, struct job_text *text, bool with_log);

/* Queues records for whatever changed since the last call; marks them as closing when done. */
void job_records(struct job *job, struct effects *effects);

/* Takes one replayed record in. -ERR_corrupt when it makes no sense. */
int job_replay(struct job *job, enum record_kind kind, const void *data, size_t len,
	       struct err *err);

/* Adds the figures of one side: what is set wins over what is not. */
void figures_merge(struct msg_figures *into, const struct msg_figures *from);

#endif
