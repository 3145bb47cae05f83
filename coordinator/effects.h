/* SPDX-License-Identifier: MPL-2.0
 *
 * What a turn of the core wants done, in the order in which it must be done: records made durable,
 * then messages sent, then a timer set. Nothing may leave before the records are on disk. */
#ifndef DROVER_COORDINATOR_EFFECTS_H
#define DROVER_COORDINATOR_EFFECTS_H

#include "base/str.h"
#include "proto/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a record's bytes are. Numbers are on disk: never reuse one. */
enum record_kind {
	RECORD_job = 1,        /* msg_event: a job's public state and its stage, see job.h */
	RECORD_work = 2,       /* msg_ask: a job's working set */
	RECORD_log_source = 3, /* msg_answer: log tail */
	RECORD_log_target = 4,
	RECORD_drain = 5,  /* msg_reply: the plan of many moves, see drain.h */
	RECORD_value = 16, /* text under a key of its own; the last one counts */
};

#define EFFECT_KEY_SIZE 160
#define EFFECT_POINT_SIZE 24

struct effect_record {
	enum record_kind kind;
	char key[EFFECT_KEY_SIZE]; /* job id, or the value's key */
	bool closes; /* the job is over: it becomes history with this turn's records */
	void *data;
	size_t len;
	char point[EFFECT_POINT_SIZE]; /* stage whose crash points surround it, or "" */
};

struct effect_send {
	char node[NAME_SIZE]; /* to this worker, or when empty … */
	uint64_t client;      /* … to this client */
	struct msg *msg;      /* with its head filled */
	char point[EFFECT_POINT_SIZE];
};

struct effects {
	struct effect_record *records;
	size_t n_records;
	struct effect_send *sends;
	size_t n_sends;
	uint64_t timer_ms; /* monotonic time of the next tick that matters */
};

/* Frees everything queued; the struct can be used again. */
void effects_reset(struct effects *effects);

/* Queues body (a struct of that type) as a record. The core's own bodies fit their schema; one that
 * does not is a bug and aborts. */
void effects_record(struct effects *effects, enum record_kind kind, const char *key,
		    enum msg_type type, const void *body, const char *point);
void effects_value(struct effects *effects, const char *key, const char *text);

/* Queues a message to a worker. */
void effects_ask(struct effects *effects, const char *node, struct msg_head head, const void *body,
		 const char *point);

/* Queues a message to a client. A reply that is over the frame's limit becomes an error reply. */
void effects_tell(struct effects *effects, uint64_t client, struct msg_head head, const void *body);

#endif
