/* SPDX-License-Identifier: MPL-2.0
 *
 * The course of a migration as data: which stage asks whom for what, how long, what follows and
 * what undoes it. docs/protocol.md is the text of this table; the step machine (migrate.c) only
 * walks it. A stage asks one side or both for one step each and ends when all asked have answered.
 *
 *   check → admit → reserve → sync → hold → arm → release → start → retire → clean → done
 *     │       │        │        │      │     │       │         │
 *     └ forget┘    unreserve    └─ rollback ─┘    withdraw  giveback
 *         │            └──────────────┴──────────────┴─────────┴──▶ tidy → done
 *         └──▶ done
 *
 *   HELD, and an operator decides (migrate_force.c):
 *     takeback → overrule → tidy → done        takeover → retire → clean → done
 *
 *   It goes nowhere (migrate_stop.c): stop → stopped ─ until a restore ─▶ launch → tidy → done
 *                                      └────────┴▶ rollback
 */
#ifndef DROVER_COORDINATOR_STEPS_H
#define DROVER_COORDINATOR_STEPS_H

#include "base/err.h"
#include "proto/schema.h"

#include <stdbool.h>
#include <stdint.h>

enum party { PARTY_source, PARTY_target, PARTY_COUNT };

/* A host in this state (or worse) counts as a passed deadline of the stage. */
enum patience { PATIENCE_suspect, PATIENCE_dead, PATIENCE_endless };

/* What of the job's working set an ask carries besides names, epoch, term and deadline. */
enum carry {
	CARRY_peer = 1,  /* peer_address, peer_port */
	CARRY_facts = 2, /* container_facts, net */
	CARRY_cpuinfo = 4,
	CARRY_size = 8, /* rss_bytes, tree_bytes */
	CARRY_ticket = 16,
	CARRY_digest = 32, /* digest, net */
	CARRY_proof = 64,
	CARRY_reason = 128,
	CARRY_skip = 256,
	CARRY_force = 512, /* operator, reason, and the statement as proof */
};

#define STAGE_SECOND 1000u
#define STAGE_HOUR (3600u * STAGE_SECOND)
#define STAGE_DAY (24u * STAGE_HOUR)

/* clang-format off */
/* X(stage, S is asked, S carries, T is asked, T carries, wait, cap, patience, next, undo, code, frozen)
 *   wait   without an answer or progress for this long the stage has failed; 0 = asked for ever
 *   cap    the same, whatever the progress; 0 = none
 *   undo   the stage that a failure leads to; `none`: it cannot fail, only wait
 *   code   how a failure here is told (docs/protocol.md, "When a step fails")
 *   frozen the container is frozen while this stage lasts */
#define STAGE_TABLE(X) \
	X(check,     check,   CARRY_peer | CARRY_skip, none, 0, \
	  15 * STAGE_SECOND, 15 * STAGE_SECOND, suspect, admit, forget, refused, false) \
	X(admit,     none,    0, check, CARRY_facts | CARRY_cpuinfo | CARRY_size | CARRY_skip, \
	  15 * STAGE_SECOND, 15 * STAGE_SECOND, suspect, reserve, forget, refused, false) \
	X(reserve,   none,    0, reserve, CARRY_facts | CARRY_size | CARRY_skip, \
	  15 * STAGE_SECOND, 60 * STAGE_SECOND, suspect, sync, unreserve, refused, false) \
	X(sync,      sync,    CARRY_peer | CARRY_ticket | CARRY_size, none, 0, \
	  60 * STAGE_SECOND, STAGE_DAY, dead, hold, rollback, io, false) \
	X(hold,      hold,    CARRY_peer | CARRY_ticket, none, 0, \
	  30 * STAGE_SECOND, STAGE_HOUR, suspect, arm, rollback, rolledback, true) \
	X(arm,       none,    0, arm, CARRY_digest | CARRY_facts | CARRY_size, \
	  60 * STAGE_SECOND, STAGE_HOUR, suspect, release, rollback, rolledback, true) \
	X(release,   release, CARRY_proof, none, 0, \
	  10 * STAGE_SECOND, 10 * STAGE_SECOND, endless, start, withdraw, rolledback, true) \
	X(start,     none,    0, start, CARRY_proof, \
	  30 * STAGE_SECOND, 30 * STAGE_SECOND, endless, retire, giveback, rolledback, true) \
	X(retire,    retire,  CARRY_proof, none, 0, \
	  0, 0, endless, clean, none, ok, false) \
	X(clean,     clean,   0, clean, 0, \
	  0, STAGE_DAY, endless, done, none, ok, false) \
	X(forget,    clean,   0, none, 0, \
	  5 * STAGE_SECOND, 5 * STAGE_SECOND, suspect, done, none, ok, false) \
	X(unreserve, clean,   0, refuse, CARRY_reason, \
	  0, STAGE_DAY, endless, tidy, none, ok, false) \
	X(rollback,  abort,   CARRY_proof | CARRY_reason, refuse, CARRY_reason, \
	  0, 0, endless, tidy, none, ok, false) \
	X(withdraw,  none,    0, refuse, CARRY_reason, \
	  0, STAGE_DAY, endless, tidy, none, ok, false) \
	X(giveback,  abort,   CARRY_proof | CARRY_reason, refuse, CARRY_reason, \
	  0, 0, endless, tidy, none, ok, true) \
	X(tidy,      clean,   0, clean, 0, \
	  0, STAGE_DAY, endless, done, none, ok, false) \
	X(takeback,  force,   CARRY_force, none, 0, \
	  0, 0, endless, overrule, none, ok, true) \
	X(overrule,  none,    0, refuse, CARRY_reason, \
	  0, STAGE_DAY, endless, tidy, none, ok, false) \
	X(takeover,  none,    0, force, CARRY_force, \
	  0, 0, endless, retire, none, ok, true) \
	X(stop,      stop,    0, none, 0, \
	  30 * STAGE_SECOND, STAGE_HOUR, dead, stopped, rollback, rolledback, false) \
	X(stopped,   none,    0, none, 0, \
	  0, 0, endless, launch, rollback, rolledback, false) \
	X(launch,    abort,   CARRY_reason, none, 0, \
	  0, 0, endless, tidy, none, ok, false)
/* clang-format on */

enum stage {
	STAGE_none,
#define X(name, ...) STAGE_##name,
	STAGE_TABLE(X)
#undef X
		STAGE_done,
	STAGE_COUNT
};

struct stage_row {
	const char *name;
	enum step ask[PARTY_COUNT];
	unsigned carries[PARTY_COUNT];
	uint32_t wait_ms, cap_ms;
	enum patience patience;
	enum stage next, undo;
	enum err_code code;
	bool frozen;
};

/* The row of a stage; STAGE_none and STAGE_done have one that asks nobody. */
const struct stage_row *stage_row(enum stage stage);
const char *stage_name(enum stage stage);
enum stage stage_find(const char *name); /* STAGE_none when unknown */

/* The step that people see while a stage lasts: what S is asked, else what T is asked. */
const char *stage_step(enum stage stage);

/* A user may cancel, and a lost peer rolls back, up to here: nothing was released yet. */
bool stage_before_release(enum stage stage);

/* The stage belongs to undoing a failure. */
bool stage_undoes(enum stage stage);

/* The other side. */
enum party party_other(enum party party);

#endif
