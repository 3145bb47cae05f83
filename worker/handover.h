/* SPDX-License-Identifier: MPL-2.0
 *
 * The handover of one container, as the journal of one host knows it. Pure: no clock, file or
 * socket; the executor performs what a plan says, the simulator does so in virtual time.
 *
 *          source                                         target
 *   OWN ──hold──▶ HELD ──release──▶ RELEASED       (none) ──reserve──▶ RESERVED ──arm──▶ PREPARED
 *    ▲             │ abort,             │                                 │ refuse,        │ start
 *    │             │ hold deadline      │                                 │ restart        ▼
 *    └─────────────┘                    │                                 ▼             RUNNING
 *    ▲                                  │                              REFUSED             │ go
 * failed └───── abort with REFUSED ─────────┤                                                  ▼
 *                                       └─retire─▶ DONE                                   LOST
 *
 * Members of a group (worker/group.h) take release, start and refuse together, in one append.
 *
 * stop: OWN ─▶ STOPPED, with no target and no deadline. It is this host's, and does not run: abort
 * starts it again. clean drops the row and leaves it as it is.
 *
 * force, signed by an operator, stands for the word of a host that is gone: RELEASED ─▶ OWN,
 * PREPARED ─▶ RUNNING. The row keeps it.
 *
 * A step is a plan: records and acts in order. A record is durable before the next act begins.
 * HELD: the source alone may thaw. RELEASED: only the target can give authority back. RUNNING is
 * the single point of no return; REFUSED and LOST are tombstones. */
#ifndef DROVER_WORKER_HANDOVER_H
#define DROVER_WORKER_HANDOVER_H

#include "base/err.h"
#include "proto/sign.h"
#include "worker/wire.h"

#include <limits.h>

/* clang-format off */
#define HANDOVER_STATE_TABLE(X) \
	X(none) X(own) X(held) X(released) X(done) \
	X(reserved) X(prepared) X(running) X(refused) X(lost) X(closed) X(stopped)
#define HANDOVER_ACT_TABLE(X) \
	X(none) X(check_source) X(check_target) X(reserve) X(sync) X(gate_close) X(freeze) X(dump) \
	X(send) X(gather) X(invalidate) X(thaw) X(gate_open) X(retire) X(unpack) X(hook_before) X(arm) X(go) X(plug) X(settle) X(kill) \
	X(unreserve) X(clean_source) X(hook_after) X(clean_target) X(stop)
/* clang-format on */

enum handover_state {
#define X(name) HANDOVER_##name,
	HANDOVER_STATE_TABLE(X)
#undef X
		HANDOVER_STATES
};

enum handover_act {
#define X(name) ACT_##name,
	HANDOVER_ACT_TABLE(X)
#undef X
		ACT_COUNT
};

enum handover_side { SIDE_source = 1, SIDE_target };

/* What the journal keeps of a handover: enough to undo or finish it after a restart. */
struct handover_row {
	char migration[ULID_SIZE];
	char container[NAME_SIZE];
	char peer[NAME_SIZE];
	char runtime[32];
	char bundle[WIRE_PATH];
	char cgroup[WIRE_PATH];
	char boot_id[37];
	uint8_t side;  /* enum handover_side */
	uint8_t state; /* enum handover_state */
	uint64_t epoch, term;
	uint64_t
		hold_until_boot_ms; /* CLOCK_BOOTTIME; HELD, RESERVED, PREPARED: then it gives up */
	int32_t pid;                /* init of the container */
	uint8_t made_bundle;        /* target: the bundle directory was made by us */
	uint8_t arming;             /* target: a restore under the container's name was begun */
	uint8_t settled; /* what the state asks for has been done: a restart adds nothing */
	uint8_t last;    /* closed: the state before, which can still be proved */
	uint8_t gone;    /* source: it ended by itself, or with the host, while it was held */
	uint8_t gave_up; /* source: its hold is over, none begins under this epoch again */
	uint8_t forced;  /* an operator gave it to this side without the other's word */
	uint8_t cold;    /* the container is stopped, moved and started, not frozen and restored */
	uint8_t told;    /* source, cold: it was told to stop; undoing that means starting it */
	uint8_t ran;     /* target, cold: it was seen to be started, and its files are durable */
	/* Of one that moves with others (worker/group.h); group "" = alone. */
	uint8_t group_size;
	char group[ULID_SIZE];
	uint8_t group_sum[SIGN_DIGEST_BYTES]; /* of its members, once this side has decided */
	struct net_state net;
};

/* One operation of a plan: a record to make, or an act to perform. */
struct handover_op {
	uint8_t state; /* enum handover_state to record, or 0 */
	uint8_t act;   /* enum handover_act to perform, or 0 */
};

/* A plan with what happens when one of its acts fails. */
struct handover_plan {
	const char *name;
	const struct handover_op *ops;          /* ends with {0, 0} */
	const struct handover_plan *on_failure; /* NULL: stay as it is */
	bool ends; /* abort, refuse, retire: each act is tried whatever another did, and the row
		      stays unsettled until all have been done */
};

/* The plan for a step in a state. *ret_plan NULL with 0: it was done already, answer so. -ERR when
 * the journal does not allow it: ERR_canceled when this side has given up the epoch, ERR_held when
 * only the other side may decide, ERR_refused for anything else that does not fit. proof_good says
 * that the ask carries the other side's proof that this step wants. */
int handover_plan(enum handover_side side, enum handover_state state, enum step step,
		  bool proof_good, const struct handover_plan **ret_plan, struct err *err);

/* What to do with a row found at start: the plan that brings it to a safe end, NULL = nothing
 * (it waits for the other side). same_boot: the host has not been restarted since. */
const struct handover_plan *handover_recover(enum handover_side side, enum handover_state state,
					     bool same_boot);

/* The same for the RUNNING of a cold move, whose start can be made good: nothing was lost with the
 * process that was to begin it. */
const struct handover_plan *handover_recover_cold(const struct handover_row *row, bool same_boot);

/* The plan of a source that gives up by itself (hold deadline, lost sender). */
const struct handover_plan *handover_abort_plan(void);

/* The plan of a source that is told to abort what it never held: a hold that comes late finds it
 * given up. And whether a plan gives the source's handover up. */
const struct handover_plan *handover_decline_plan(void);
bool handover_gives_up(const struct handover_plan *plan);

/* Whether a plan rests on a person's word alone. */
bool handover_forces(const struct handover_plan *plan);

/* The plan of a target that gives up by itself (nobody came with the grant). */
const struct handover_plan *handover_refuse_plan(void);

/* The plans of one that moves with others: release waits for them all, start has none of its own.
 */
const struct handover_plan *handover_release_plan(bool group);
const struct handover_plan *handover_start_plan(void);

/* The plan of a source that has the target's RUNNING. */
const struct handover_plan *handover_retire_plan(void);

/* What a row, closed ones too, says of its container's place: nothing, that it is this host's, that
 * it is another's, that a handover is under way, or that it was stopped here. Of several rows the
 * greatest epoch counts. */
enum handover_right { RIGHT_unknown, RIGHT_here, RIGHT_away, RIGHT_undecided, RIGHT_stopped };
enum handover_right handover_right(const struct handover_row *row);

/* Whether the container of a source in this state must not run here. */
bool handover_is_away(enum handover_state state);

const char *handover_state_name(unsigned state);
const char *handover_act_name(unsigned act);

#endif
