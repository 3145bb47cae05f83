/* SPDX-License-Identifier: MPL-2.0
 *
 * The root half of a worker: journal, plans of every handover on this host, children, holds. One
 * thread, one poll loop. It reads fixed-size structs from the bus side and nothing from the
 * network. This header is for the files of the executor only. */
#ifndef DROVER_WORKER_EXECUTOR_H
#define DROVER_WORKER_EXECUTOR_H

#include "base/options.h"
#include "proto/msg.h"
#include "runtime/bundle.h"
#include "runtime/hostfacts.h"
#include "runtime/run.h"
#include "runtime/runtime.h"
#include "worker/booking.h"
#include "worker/dirty.h"
#include "worker/handover.h"
#include "worker/journal.h"
#include "worker/launch.h"
#include "worker/proof.h"
#include "worker/trash.h"

#include <poll.h>

#define ANSWERS_KEPT 16

/* An answer that was given, for a repeated ask. */
struct given {
	uint32_t step;
	uint64_t attempt;
	void *body;
	size_t len;
};

/* One handover in which this host takes part. */
struct mig {
	struct mig *next;
	struct handover_row row; /* as journalled, or to be journalled next */
	bool journalled;

	struct wire_ask ask;              /* the step that is being done */
	struct wire_ask *queued;          /* abort or refuse that waits for an interrupted plan */
	const struct handover_plan *plan; /* NULL: idle */
	size_t at;
	bool failed;
	bool dead;       /* lost, but the journal could not be told: RUNNING is proved to nobody */
	bool stuck;      /* an act of a plan that ends has failed: what it left is tried again */
	bool found;      /* an earlier worker wrote the row, or its undoing could not be recorded */
	bool self;       /* the plan was begun by this host itself, nobody is answered */
	uint8_t batched; /* this state was recorded for it with another of its group, 0 = none */
	struct err failure;

	struct run *child;   /* of the current act */
	struct run *restore; /* on a target, from arm to go */
	int hook_listen, hook;
	char hook_last[NAME_SIZE]; /* the program that runs, or ran last (worker/hooks.h) */
	bool arrived;              /* on a target: its payload came, a restore was to follow */
	bool sender_open;
	bool passing;             /* a pass is under way in the sender */
	uint64_t act_deadline_ms; /* of a pending act without a child, 0 = none */
	bool net_shared;          /* others were in its network namespace at check */
	int init;                 /* cold: pidfd of the container's first process while it is
				     waited for: to end (source), or not to (armed target) */
	uint64_t stop_until_ms;   /* cold: then what was told to stop is killed */
	enum launch launch;       /* worker/launch.h: what child is doing */
	unsigned launches;        /* that have failed */

	struct runtime_container container;
	struct bundle bundle;
	struct rootfs_mount rootfs;
	struct msg_figures figures;
	uint64_t asked_ms, told_ms; /* CLOCK_MONOTONIC: last word of a coordinator, of ours to T */
	uint64_t alive_ms;          /* T's host answered by the direct path; 0 = never */
	bool peer_lost;             /* … and T said that it has lost the container */
	uint64_t tell_after_ms;     /* then it is asked ever more seldom; 0 = as usual */
	uint64_t retry_ms, retry_after_ms; /* when a plan that is stuck is tried again, doubling */
	struct booking booked;             /* on a target, from reserve to arm */
	uint64_t gate_closed_us, gate_opened_us, act_began_us;
	uint8_t digest[32];
	bool has_digest;
	char log_tail[6144];       /* of an answer: error lines, and the end of CRIU's log */
	char runtime_said[5120];   /* kept behind the log */
	struct scratch *scratch;   /* texts of the answer */
	struct msg_container gone; /* facts of a container that ended while held */
	struct msg_answer answer;
	struct given given[ANSWERS_KEPT];
	size_t n_given;
};

struct executor {
	const struct options *options;
	struct options *reloaded; /* the same, for worker/reload.h */
	const struct options_loader *loader;
	struct drain_hooks *drain_hooks; /* worker/drain_hooks.h; NULL until the first */
	char config_problem[256]; /* why the file on disk is not what is in force, "" = it is */
	int bus;
	struct journal *journal;
	struct prover *prover;
	struct trash *trash;
	struct mig *migs;
	uint64_t term;
	char self[NAME_SIZE];
	char libexec_worker[PATH_MAX]; /* this program, for its roles */
	char boot_id[37];
	uid_t uid; /* of the unprivileged user */
	gid_t gid;
	bool stopping;
	struct host_facts host;
	struct criu_facts criu;
	struct beat_sample sample;
	struct dirty_watch *dirty; /* dirty rates of the containers here */
	char instance[ULID_SIZE];
	uint64_t interval_ms; /* of beats */
	uint64_t seq, revision, next_beat_ms, next_caps_ms;
	struct lookout *lookout; /* worker/facts.h */
	int watch;               /* inotify on the runtimes' state directories */
	uint64_t caps_sum;       /* of the last capability record, to see a change */
};

/* Texts that live until the next answer is built. */
struct scratch {
	struct scratch *next;
	char text[];
};
const char *scratch_fmt(struct scratch **scratch, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void *scratch_take(struct scratch **scratch, size_t size);
void scratch_done(struct scratch **scratch);

/* An act begins: 0 done, 1 pending (a child, the sender or the hook will say), -ERR failed. */
typedef int act_begin(struct executor *x, struct mig *m, struct err *err);
/* Something happened to a pending act: same answers. */
typedef int act_event(struct executor *x, struct mig *m, struct err *err);
/* Its child is about to be killed. */
typedef void act_stop(struct executor *x, struct mig *m);

struct act {
	act_begin *begin;
	act_event *event;
	act_stop *stop;
};

extern const struct act acts_source[ACT_COUNT];
extern const struct act acts_target[ACT_COUNT];

/* The acts that a cold move does in another way; empty rows: as a live one does them. */
extern const struct act acts_source_cold[ACT_COUNT];
extern const struct act acts_target_cold[ACT_COUNT];

/* worker/cold_source.c: -ERR_refused, with E-TERMINAL among the answer's reasons. */
int cold_refuse_terminal(struct mig *m, struct err *err);

/* worker/acts_source.c: freezes the container of a HELD row again, around the end of a checkpoint
 * that is killed; CRIU had thawed it. Waits until it is frozen, limit_ms at most. */
void source_hold(const struct mig *m, uint64_t limit_ms);

/* Shared by the files of acts. */
int source_pass(struct executor *x, struct mig *m, bool final, struct err *err);
int source_image_dirs(struct executor *x, struct mig *m, char images[PATH_MAX], char work[PATH_MAX],
		      struct err *err);
/* It ended while it was held, and cannot be set going here again: the row keeps that. */
void source_gone(struct executor *x, struct mig *m);
/* worker/acts_target.c: what was armed is still held back by its hook. */
bool target_holds(struct executor *x, struct mig *m);

/* Directories of one migration. */
void mig_images_dir(const struct executor *x, const struct mig *m, char ret[PATH_MAX]);
void mig_staging_dir(const struct executor *x, const struct mig *m, char ret[PATH_MAX]);
void mig_tree_dir(const struct executor *x, const struct mig *m, char ret[PATH_MAX]);

/* Tells the coordinator how far a step is. */
void exec_progress(struct executor *x, struct mig *m, const struct wire_sent *sent);

/* Tells the bus side; fd is passed along when it is ≥ 0 (and stays the caller's). */
int exec_tell(struct executor *x, struct wire_out *out, const void *body, int fd, struct err *err);

/* worker/asks.c: begins the step that is asked for, or answers why not. */
void mig_ask(struct executor *x, const struct wire_ask *ask);
/* Answers m->ask with the migration's state, its proof and what is in m->answer; kept, for an ask
 * that is repeated. */
void mig_answer(struct executor *x, struct mig *m, const struct err *failure);

/* worker/engine.c: begins a plan and carries it on until it waits or ends. */
void mig_begin(struct executor *x, struct mig *m, const struct handover_plan *plan, bool self);
void mig_event(struct executor *x, struct mig *m);
void mig_fail(struct executor *x, struct mig *m, const struct err *why);
struct mig *mig_find(struct executor *x, const char *migration);
struct mig *mig_new(struct executor *x, const struct handover_row *row);
void mig_drop(struct executor *x, struct mig *m);
void mig_unwatch(struct mig *m); /* nothing of its container is waited for any more */
/* Whether it holds its container, or still has to undo or delete something of it. */
bool mig_has_hold(const struct mig *m);
/* Whether nothing but its undoing may follow, which could not be recorded yet: a hold of an earlier
 * worker (it may run again by now, after a reboot), or a RUNNING that is LOST. */
bool mig_must_end(const struct mig *m);
enum handover_act mig_act(const struct mig *m); /* the pending act, ACT_none when idle */

/* worker/force.c: a person's word. Why an ask for force is turned down, or 0; rc is what the
 * journal alone says of it. And the same of what comes too late, because a person has decided
 * before. */
int force_check_ask(struct executor *x, const struct mig *m, const struct wire_ask *ask, int rc,
		    struct err *err);
int force_overridden(const struct handover_row *row, enum step step, int rc, struct err *err);

/* worker/recover.c: a row of the journal as journal_open finds it; then whatever the journal knows
 * is brought to a safe end, or waits for the other side; waits that have lasted too long; and the
 * target's word by the direct path. runs
 * says whether the target's container is there. */
typedef bool recover_runs(struct executor *x, const struct mig *m);
void recover_row(void *arg, const struct handover_row *row);
void recover_all(struct executor *x, recover_runs *runs);
void recover_waits(struct executor *x, uint64_t now_ms);
void recover_stop(struct executor *x); /* the worker ends: what it still holds runs on */
void recover_told(struct executor *x, const struct told *told);

/* worker/orphans.c: ends checkpoints and creations that outlived the worker which began them. */
void orphans_end(struct executor *x);

/* worker/facts.c */
void facts_start(struct executor *x);
void facts_watched(struct executor *x, uint64_t now_ms); /* x->watch is readable */
void facts_beat(struct executor *x, uint64_t now_ms);
void facts_caps(struct executor *x, uint64_t now_ms);
void facts_bye(struct executor *x, const char *reason);
void facts_net(const struct net_state *net, struct scratch **scratch, struct msg_net *ret);

/* Never returns before the worker is told to stop, or the bus side is gone: then -1. Returns the
 * process's exit code. */
int executor_main(int bus_fd, struct options *options, const struct options_loader *loader,
		  const char *instance);

#endif
