/* SPDX-License-Identifier: MPL-2.0
 *
 * The coordinator's mind: events in, effects out, no clock, no socket, no file. The daemon and the
 * simulator drive the same code. One turn: core_feed some events, make the effects' records
 * durable, send the effects' messages, come back at the effects' timer at the latest. */
#ifndef DROVER_COORDINATOR_CORE_H
#define DROVER_COORDINATOR_CORE_H

#include "base/options.h"
#include "coordinator/effects.h"
#include "proto/msg.h"

struct core;

struct core_config {
	char id[NAME_SIZE];
	uint64_t term; /* of this coordinator's leadership, from the store; grows at each start */
	uint64_t interval_ms; /* of beats at least; grows with the number of hosts */
	unsigned headroom_percent;
	char boot_id[37]; /* of the host that this coordinator runs on; "" = not known */
	const struct options
		*options; /* for its policies; borrowed for the core's life, may be NULL */
};

/* Both clocks at one moment. */
struct moment {
	uint64_t mono_ms; /* deadlines, liveness */
	uint64_t wall_ms; /* what people read */
};

enum core_event_kind {
	CORE_tick,    /* time has passed; behind: there is more to be heard than was fed */
	CORE_roster,  /* node: is a worker of the roster, at address, ssh_port */
	CORE_unlist,  /* node: is not any more */
	CORE_message, /* msg from the authenticated worker node, at address (may be NULL) */
	CORE_request, /* msg (a request) from client; id: a fresh ULID for what it may start */
	CORE_gone,    /* client: cannot be reached any more */
	CORE_config,  /* the options have changed; problem: they have not, for this reason */
};

/* All pointers are borrowed for the call. */
struct core_event {
	enum core_event_kind kind;
	const char *node;
	const char *address;
	uint16_t ssh_port;
	const struct msg *msg;
	uint64_t client; /* opaque, not 0 */
	const char *id;
	bool behind;
	const char *problem; /* NULL = none */
};

struct core *core_new(const struct core_config *config);
void core_free(struct core **core);

/* Before the first event: everything the store replays, in order. -ERR_corrupt when a record makes
 * no sense. */
int core_replay(struct core *core, enum record_kind kind, const char *key, const void *data,
		size_t len, struct err *err);

/* After the last replayed record: jobs in flight go on with the ask that they were at. */
void core_resume(struct core *core, struct moment now, struct effects *effects);

/* Appends to *effects and sets its timer. Bytes in msg are decoded and bounded but otherwise
 * anybody's: nothing in them can do worse than fail one job. */
void core_feed(struct core *core, const struct core_event *event, struct moment now,
	       struct effects *effects);

/* How many jobs are not done; for the daemon's farewell and for tests. */
size_t core_jobs_running(const struct core *core);

#endif
