/* SPDX-License-Identifier: MPL-2.0
 *
 * Many moves under one id: an evacuation empties hosts, a restore brings their guests home. A drain
 * owns its list of containers and what became of each; every move is a job of its own (job->parent)
 * that the step machine walks. Pure, as all of the core.
 *
 *         evacuate, restore, or its time   nothing waits, nothing moves
 *   planned ────────────────────▶ running ─────────────────────────────▶ done
 *                                 │    ▲                                  ▲
 *                           pause │    │ resume       cancel, deadline    │
 *                                 ▼    │             ┌───────▶ ending ────┘
 *                                 paused ────────────┘   (what moves is finished)
 *
 * An evacuation of hosts that have hooks (drain_hooks.c) is `preparing` before it runs, until their
 * pre-evacuate has answered, and `telling` after its end, until their post-evacuate has.
 *
 *   item:  waiting ──▶ moving ──▶ moved
 *             ▲          │──▶ held, lost       the move says so; a HELD one may still end otherwise
 *             └──────────┤                     once, for another target
 *                        └──▶ stays            with code and reason
 *          waiting ──▶ gone                    it ended or left by itself
 *          waiting ──▶ moving ──▶ stopped      it can go nowhere (drain_stop.c); and started, by
 *                                              the restore of its host
 *
 * A drain moves nothing onto a cordoned host, and stops no container unless it was asked to: then
 * an item that cannot move live steps down to a cold move (drain_step_down), once and for good,
 * with the reason; and, where that was asked for too, to being stopped where it is. Its record is
 * written at each change of an item, so that a restarted coordinator goes on where it was. */
#ifndef DROVER_COORDINATOR_DRAIN_H
#define DROVER_COORDINATOR_DRAIN_H

#include "base/err.h"
#include "base/str.h"
#include "coordinator/effects.h"
#include "proto/msg.h"

#include <stdbool.h>
#include <stdint.h>

#define DRAIN_ITEMS_MAX 2048
#define DRAIN_HOSTS_MAX 64
#define DRAIN_ATTEMPTS_MAX 2 /* targets that one container is tried on */
#define DRAIN_HOST_MOVES 2   /* out of one host, and into one host, at a time */
#define DRAIN_MOVES 5        /* in the cluster at a time, unless --parallel says */

/* clang-format off */
#define DRAIN_STATE_TABLE(X) X(planned) X(preparing) X(running) X(paused) X(ending) X(telling) X(done)
#define ITEM_STATE_TABLE(X) X(waiting) X(moving) X(moved) X(stays) X(gone) X(held) X(lost) \
	X(stopped) X(started)
/* clang-format on */

enum drain_state {
#define X(name) DRAIN_##name,
	DRAIN_STATE_TABLE(X)
#undef X
		DRAIN_STATES
};

enum item_state {
#define X(name) ITEM_##name,
	ITEM_STATE_TABLE(X)
#undef X
		ITEM_STATES
};

struct drain_item {
	char container[NAME_SIZE], runtime[32];
	char source[NAME_SIZE];
	char target[NAME_SIZE]; /* planned, then actual; "" = none can take it */
	char verdict[16];
	enum item_state state;
	char job[ULID_SIZE]; /* its latest move */
	uint64_t rss_bytes, predicted_frozen_ms, predicted_total_ms, frozen_us, attempts;
	char code[32], why[200]; /* why it stays */
	char tried[NAME_SIZE];   /* the target of the attempt that failed */
	char home[NAME_SIZE];    /* the only target that it may have, "" = any */
	bool cold;               /* stopped, moved and started */
	bool stop;               /* stopped where it is; in a restore: started there */
	char mode_reason[256];   /* why */
	double score;
	uint64_t since_ms; /* volatile: no host can take it and nothing is under way */
	unsigned priority; /* of its policy, when it was planned */
};

struct drain_room {
	char host[NAME_SIZE], boot_id[37];
	uint64_t containers, containers_after, available, available_after;
	double hot, hot_after;
	int64_t cpu_permille; /* volatile: what arrives less what leaves */
};

struct drain {
	char id[ULID_SIZE];
	char kind[16]; /* evacuate, restore, rebalance */
	char hosts[DRAIN_HOSTS_MAX][NAME_SIZE];
	size_t n_hosts;
	char reason[256], user[NAME_SIZE];
	enum drain_state state;
	char ended[16];                   /* cancel, deadline */
	uint64_t started_ms, finished_ms; /* wall clock */
	uint64_t deadline_ms, parallel;
	uint64_t at_ms; /* wall clock when it is to begin; 0 = it was begun at once */
	char skip[16][32];
	size_t n_skip;
	bool cold; /* what cannot move live is stopped, moved and started; else it stays */
	bool stop; /* and what cannot move at all is stopped where it is */
	struct drain_item *items;
	size_t n_items;
	struct drain_room *rooms;
	size_t n_rooms;
	uint64_t eta_ms;
	double hottest, hottest_after, imbalance, imbalance_after; /* of a rebalance, plan.h */
	char note[1024];
	char log[8192]; /* what its hooks said */

	/* volatile */
	bool hooked[DRAIN_HOSTS_MAX];          /* whose hooks have answered, before or after it */
	uint64_t hooks_since_ms, hooks_ask_ms; /* since when, and when they are asked again */
	bool dirty;
	uint64_t begun;   /* jobs, for their ids */
	uint64_t look_ms; /* when it is looked at again (monotonic) */
};

struct drain *drain_new(const char *id, const char *kind);
void drain_free(struct drain **drain);
struct drain_item *drain_add(struct drain *drain);

bool drain_has_host(const struct drain *drain, const char *host);

/* How many items are in this state. */
size_t drain_count(const struct drain *drain, enum item_state state);

const char *drain_state_name(enum drain_state state);
const char *item_state_name(enum item_state state);

/* The plan as a message; its lists live in *text, its texts in the drain. drain_view_done frees
 * items and rooms. */
struct drain_text {
	struct msg_item *items;
	struct msg_room *rooms;
	const char *hosts[DRAIN_HOSTS_MAX];
	const char *skip[16];
};
void drain_view(const struct drain *drain, struct msg_plan *ret, struct drain_text *text);
void drain_view_done(struct drain_text *text);

/* As a job in lists: kind, hosts as source, how many have moved as phase. `buf` is the caller's. */
#define DRAIN_PHASE_SIZE 32
void drain_job_view(const struct drain *drain, struct msg_job *ret, char buf[DRAIN_PHASE_SIZE]);

/* Queues its record if it changed; and takes one in. -ERR_corrupt when it makes no sense. */
void drain_record(struct drain *drain, struct effects *effects);
int drain_replay(struct drain *drain, const void *data, size_t len, struct err *err);

/* What is told at its end: 0 when nothing is left, ERR_partly when something is, ERR_refused when
 * it has not begun. */
int drain_code(const struct drain *drain);

#endif
