/* SPDX-License-Identifier: MPL-2.0
 *
 * A cluster in one process and in virtual time. The coordinators' core, the executors' state
 * machine, their recovery, their journal and their proofs are the production sources; what they
 * call (acts, disks, network, clocks, processes) is here. One seed decides everything: own random
 * numbers, no wall clock, no address in any decision. */
#ifndef DROVER_TESTS_SIM_H
#define DROVER_TESTS_SIM_H

#include "base/mem.h"
#include "base/str.h"
#include "coordinator/core_impl.h"
#include "transfer/tell.h"
#include "worker/executor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define HOSTS_MAX 4
#define COORDS_MAX 2
#define CTS_MAX 3
#define STAGINGS_MAX 64
#define ROWS_MAX 160
#define GHOSTS_MAX 160
#define PROOFS_KEPT 8
#define START_MS 1000000
#define TRIPS_MAX 4
#define SAID_SLOTS 8192
#define PICKS_MAX 64
#define HOT_POINTS 32
#define ROGUE (-1)   /* as a coordinator's number */
#define PLAN_MAX 200 /* events of chaos in one seed */

/* --- the world's things --- */

/* The tasks and the bundle of one container on one host. */
struct copy {
	bool there; /* its tasks exist */
	bool frozen;
	bool armed; /* restored, held back by the hook */
	bool hook;  /* the hook still listens */
	bool gate_open, bundle;
	bool home;        /* it is this host's container: started at boot */
	uint64_t version; /* of its memory: grows whenever it has run */
	char by[ULID_SIZE];
};

/* What one migration keeps on one host besides the journal. */
struct staging {
	char migration[ULID_SIZE];
	bool source, images, received, unpacked;
	uint64_t version; /* of the image */
	uint8_t digest[32];
};

/* What is durable in a host's journal, as the disk says. */
struct kept_row {
	char migration[ULID_SIZE], container[NAME_SIZE], group[ULID_SIZE];
	uint8_t side, state, forced;
	uint64_t epoch, term;
};

struct file {
	uint8_t *data;
	size_t len, synced, allocated;
	size_t lost_from, lost_to; /* a failed fsync: the cache has them, the disk never will */
	bool exists, dir_synced, locked, open;
};

struct ct {
	char name[NAME_SIZE];
	const char *label; /* "group=…", NULL = it moves alone */
	uint64_t latest;   /* the newest version that any copy has run at */
	const char *ended; /* why nothing has to be recoverable, or NULL */
};

/* All that ever happened in one migration, whoever asked for it. */
struct ghost {
	char migration[ULID_SIZE];
	char group[ULID_SIZE];  /* as its source has journalled it, "" = alone */
	int ct, source, target; /* target -1: none yet */
	uint64_t epoch, term, attempt;
	bool went;                       /* the target's tasks were let run */
	bool lost_kept, done_kept, gone; /* it ended while it was held */
	int released_by;                 /* host, -1: nobody */
	unsigned running_on, refused_on, held_on, reserved_on, prepared_on; /* bit a host */
	bool forced, taken_back; /* taken_back: the source's journal has it after its release */
	uint8_t source_kept;     /* last durable state of the source */
	int owner;               /* coordinator */
	enum outcome told;
	bool told_held;
	uint8_t ticket[64], digest[32];
	struct {
		uint8_t data[64];
		uint32_t len;
	} proof[PROOFS_KEPT];
	unsigned n_proofs;
};

/* A child process of a worker. */
struct run {
	struct host *host;
	char migration[ULID_SIZE];
	uint64_t token; /* of the event that ends it */
	uint8_t act;
	unsigned refs; /* its handover, and events on their way */
	bool killed, bad;
};

struct host {
	int n;
	char name[NAME_SIZE];
	bool powered, up; /* the machine; its worker */
	bool gone;        /* powered off for good */
	bool full;        /* no space on the journal's disk */
	unsigned boots, instances;
	uint64_t boot_at_ms, boot_jump_ms, lag_ms, busy_until_ms;
	uint64_t jumped_ms; /* when its clock or its disk last changed its mind */
	uint64_t hung_ms;   /* until when its worker hung, last */
	uint64_t up_since_ms, next_beat_ms, next_caps_ms, next_hello_ms, wake_ms, wake_token;
	uint64_t caps_sum, seen_term;
	int asker;
	jmp_buf jmp;
	bool starting; /* it goes through its journal */
	bool inside;   /* worker code is running: it may die in the middle */
	bool dying_power;
	struct executor *x;
	struct copy copy[CTS_MAX];
	struct staging staging[STAGINGS_MAX];
	struct file journal;
	struct kept_row kept[ROWS_MAX];
	size_t n_kept;
	uint64_t said[SAID_SLOTS]; /* answers that may be repeated as they were recorded */
	unsigned n_said;
	struct trip *trip[TRIPS_MAX]; /* direct asks that wait for our answer */
	const struct wire_ask *asked; /* while mig_ask runs */
	bool fenced;                  /* asked may not have any effect */
};

struct coord {
	int n;
	bool up, exists;
	struct core *core;
	struct effects fx;
	struct effect_record *records;
	bool *closed;
	size_t n_records;
	uint64_t term, tick_token;
	uint64_t busy_until_ms; /* it hangs */
	int64_t wall_jump_ms;   /* its clock is wrong by so much */
	uint32_t cordoned;      /* bit a host, as its store says */
	struct pick {
		char job[ULID_SIZE], target[NAME_SIZE];
	} pick[PICKS_MAX]; /* the targets of its newest jobs */
	unsigned n_picks;
};

/* One message on its way, to a worker or to a coordinator. */
struct packet {
	unsigned refs;
	struct msg *msg;
};

enum event_kind {
	EV_none,
	EV_to_host,
	EV_to_coord,
	EV_child, /* a child has ended */
	EV_tell,  /* a grant by the direct path */
	EV_told,  /* and the answer */
	EV_wake,  /* a worker's timer */
	EV_worker_start,
	EV_boot,
	EV_tick, /* a coordinator's timer */
	EV_coord_start,
	EV_client,
	EV_fault,
	EV_rogue,
	EV_calm, /* no fault from here on */
	EV_heal,
	EV_KINDS
};

struct event {
	uint64_t at_ms, seq;
	enum event_kind kind;
	int a, b;
	uint64_t token;
	void *p;
};

/* How bad the world is, chosen by the seed; chances are per million. */
struct weather {
	unsigned loss, dup, delay_ms, slow_ms;
	unsigned hot_point; /* the points of this class are more dangerous, if any is */
	unsigned point_crash, power_of_crash; /* at a point of a worker; of those: power cut */
	unsigned sync_crash, sync_fails, torn, torn_first; /* torn_first: as a worker starts */
	unsigned act_fails, undo_fails, act_slow;
	unsigned coord_crash;
	enum step lost_step; /* its asks never arrive */
	unsigned fault_every_ms, rogue_every_ms;
	unsigned orphans; /* coordinators vanish for long when a source has released */
	bool fair;        /* nothing goes wrong */
	bool absent;      /* a coordinator that dies stays away for long */
	bool nag;         /* the rogue goes on in calm weather, with nonsense */
	bool hangs, cordons;
	bool doubled, rogue, power, partitions, jumps, exits, full_disks, dead_host;
};

struct trip;

struct sim {
	uint64_t seed, rng;
	uint64_t now_ms, calm_ms, end_ms, seq, events, digest, tokens, ids;
	uint64_t interval_ms, hold_ms;
	struct event *heap;
	size_t n_heap;
	struct weather weather;
	struct host host[HOSTS_MAX];
	struct coord coord[COORDS_MAX];
	struct ct ct[CTS_MAX];
	struct ghost ghost[GHOSTS_MAX];
	int n_hosts, n_cts, n_ghosts;
	uint32_t cut_up[COORDS_MAX],
		cut_down[COORDS_MAX]; /* bit a host: to, from the coordinator */
	uint32_t cut[HOSTS_MAX];      /* bit b of a: a cannot send to b */
	struct host *cur;             /* whose code is running */
	unsigned clients_left;
	bool calm;
	unsigned in_flight; /* asks and answers */
	jmp_buf over;       /* an invariant is broken */
	char broken[16], why[512];
	bool tracing;
};

/* What has happened in all seeds so far: a simulation in which nothing happens proves nothing. */
struct tally {
	uint64_t migrations, moved, stayed, held, lost, deaths, coord_deaths, power_cuts, faults,
		rogue_asks, acts, acts_failed, journal_failures, direct;
};

extern struct sim sim;
extern struct tally tally;

/* --- sim.c --- */

uint64_t rnd(void);
uint64_t rnd_below(uint64_t n);
uint64_t rnd_range(uint64_t min, uint64_t max);
bool chance(unsigned per_million); /* never in calm weather */
bool coin(void);
void note_digest(uint64_t value);
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trace_print(size_t last);
void trace_share(void); /* once, before the first trace */

/* The named invariant does not hold: the run ends. */
void broken(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

void event_push(enum event_kind kind, uint64_t at_ms, int a, int b, uint64_t token, void *p);
bool event_pop(struct event *ret);
uint64_t token_new(void);
uint64_t hash_of(const void *data, size_t len);
void sim_ulid(char ret[ULID_SIZE]);

/* --- disk.c --- */

void disk_power_cut(struct host *h);
void disk_free(struct host *h);
const struct kept_row *disk_row(const struct host *h, const char *migration);

/* --- world.c --- */

int ct_find(const char *name);
struct ghost *ghost_find(const char *migration);
struct ghost *ghost_of(const struct wire_ask *ask);
struct staging *staging_find(struct host *h, const char *migration);
struct staging *staging_new(struct host *h, const char *migration);
void staging_drop(struct host *h, const char *migration);
bool copy_runs(const struct copy *copy);
void copy_run(struct host *h, int ct, const char *why);        /* its tasks go on */
void copy_destroy(struct host *h, int ct, const char *excuse); /* NULL: somebody chose to */
void copy_autostart(struct host *h);
void world_kept(struct host *h, const struct kept_row *row, uint8_t was); /* a row became durable */

/* --- check.c --- */

void check_event(void); /* after every event */
void check_act(struct host *h, const struct mig *m, enum handover_act act);
void check_answer(struct host *h, const struct msg_answer *answer);
void check_outcome(const struct coord *c, const struct job *job);
void check_drains(const struct coord *c);
void check_target(struct coord *c, const struct job *job, uint32_t cordoned);
bool check_settled(void); /* nothing is under way any more */
void check_quiescence(void);

/* --- host.c --- */

void host_init(int n);
void host_boot(struct host *h);
void host_power_cut(struct host *h, uint64_t down_ms);
void worker_start(struct host *h);
void worker_kill(struct host *h, uint64_t down_ms);    /* from outside of its code */
void worker_die(bool power) __attribute__((noreturn)); /* from within it */
void worker_message(struct host *h, int from, const struct msg *msg);
void worker_ask(struct host *h, const struct wire_ask *ask);
void worker_told(struct host *h, const struct told *told);
void worker_child(struct host *h, struct run *run, uint64_t token);
void worker_sender_lost(struct host *h, struct mig *m);
void worker_wake(struct host *h, uint64_t token);
void worker_free(struct host *h);
void worker_point(const char *name); /* it may die here */

/* --- acts.c --- */

bool acts_link(const struct host *from, const char *to); /* SSH works */
void run_drop(struct run *run);
struct host *act_host(const struct mig *m, int *ret_ct);

/* The rules, then the chance to fail before anything was done. */
int act_enter(struct mig *m, enum handover_act act, bool undoes, struct err *err);
int act_leave(void); /* 0, unless the worker dies here */
struct run *act_child(const struct mig *m, enum handover_act act);
void act_ends_later(struct run *run, uint64_t min_ms, uint64_t max_ms);
int act_pend(struct mig *m, enum handover_act act, uint64_t min_ms, uint64_t max_ms); /* 1 */
int act_ended(struct mig *m, struct err *err); /* 1: not yet, 0: well */
void act_bundle_drop(struct host *h, int ct);

/* --- facts.c --- */

void facts_send_caps(struct host *h, int to);
void facts_send_beat(struct host *h);

/* --- direct.c --- */

void direct_start(struct host *h, const struct wire_out *out, const void *body);
bool direct_asked(const struct host *h, const char *request);
bool direct_answer(struct host *h, const char *request, const struct msg_answer *answer);
void direct_tell(struct host *h, struct trip *trip);
void direct_told(struct host *h, struct trip *trip);
void direct_drop(struct host *h);

/* --- coord.c --- */

void coord_start(struct coord *c);
void coord_kill(struct coord *c, uint64_t down_ms);
void coord_clone(const struct coord *from, struct coord *to, bool same_term);
void coord_feed(struct coord *c, const struct core_event *event);
void coord_free(struct coord *c);

/* --- net.c --- */

/* Both take the message, unless a partition does. */
void net_to_host(int from, int host, struct msg **msg);
void net_to_coord(int host, int to, struct msg **msg);
void packet_drop(struct packet *packet);
void net_calm(void);
void net_cut(int which, bool cut); /* one of the possible partitions */

/* --- chaos.c --- */

void chaos_init(void);
void chaos_fault(void);
void chaos_client(void);
void chaos_heal(int what, int which);

/* --- rogue.c --- */

void rogue_ask(void);

/* Runs one seed; false when an invariant was broken (sim.broken, sim.why). again: in other memory,
 * which has to come to the same digest. */
bool sim_run(uint64_t seed, bool tracing, bool again);

/* --- heap.c --- */

void heap_begin(bool again); /* forgets the memory of the seed before */

/* --- jobs.c --- */

/* Many seeds, in several processes. */
struct batch {
	uint64_t first, n, progress; /* progress: a line on stderr after so many, 0: none */
	unsigned jobs;
	bool twice; /* one seed of so many is run again */
};

struct batch_result {
	bool bad;
	uint64_t seed; /* bad: the lowest one that fails, whatever the number of jobs */
	char broken[16], why[512];
	uint64_t seeds, events, virtual_ms, again, digest; /* digest: of all seeds, in any order */
	double took_s;
	struct tally tally;
};

void batch_run(const struct batch *batch, struct batch_result *ret);

/* Runs fn(arg) in a process of its own; its exit status, or minus the signal that killed it. */
int apart(void (*fn)(void *arg), void *arg);

/* Zeroed memory that processes made later share. */
void *share_new(size_t size);

#endif
