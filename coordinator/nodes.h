/* SPDX-License-Identifier: MPL-2.0
 *
 * What the coordinator knows of the cluster's hosts: the last words of each worker, whether it is
 * alive, smoothed loads, the cordon flag, and which container is where. Pure: time comes in as
 * `now_ms` (monotonic). Nodes are kept sorted by id, so that every listing has one order.
 *
 *            a word      silence, liveness.h     nobody reaches it, or bye
 *   unknown ───────▶ up ─────────────────▶ suspect ────────────────────▶ dead
 *                    ▲                        │                           │
 *                    └────────────── a word ──┴───────────────────────────┘
 *
 * Missed beats authorise nothing: a host that is not up is no target, and that is all. A lost
 * host's containers are unknown, not dead. */
#ifndef DROVER_COORDINATOR_NODES_H
#define DROVER_COORDINATOR_NODES_H

#include "base/err.h"
#include "base/str.h"
#include "coordinator/digest.h"
#include "coordinator/phi.h"
#include "proto/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum node_state { NODE_unknown, NODE_up, NODE_suspect, NODE_dead };

enum resource { RESOURCE_cpu, RESOURCE_mem, RESOURCE_io, RESOURCE_net, RESOURCE_COUNT };

#define NODE_ADDRESS_SIZE 64

/* A container that a finished move put on (or took from) this host, until its CAPS say so. */
struct shift {
	char id[NAME_SIZE];
	bool here;
	uint64_t made_ms;
	struct msg *facts; /* answer with facts; NULL unless here */
	struct shift *next;
};

#define BOOKED_GROUPS 4

/* What is on its way to a host, set by the core before each decision. */
struct bookings {
	uint64_t bytes; /* of memory */
	uint64_t cpu_permille;
	uint64_t storage_bytes;
	uint64_t staging_bytes;         /* of others that arrive at the same moment */
	uint64_t groups[BOOKED_GROUPS]; /* hashes, as in node.groups */
	size_t n_groups;
};

/* What a ranking of all hosts reads comes first. */
struct node {
	enum node_state state;
	bool enrolled; /* in the roster */
	bool cordoned;
	bool load_known;
	bool is_booked;   /* the core has a booking to take back */
	struct msg *beat; /* last, NULL before the first */
	struct msg *caps;
	struct shift *shifts;
	double load[RESOURCE_COUNT];
	struct bookings booked;
	uint64_t moves, moves_failed; /* to this host, of those remembered */
	uint64_t beat_ms;             /* when its last beat came */
	struct hash_set groups;       /* that its containers belong to (policy.h) */
	struct digest digest;
	char id[NAME_SIZE];
	char role[16];
	char address[NODE_ADDRESS_SIZE]; /* for peers' SSH */
	uint16_t ssh_port;
	bool maintenance;  /* it was evacuated, or is being so */
	double hot_excess; /* above the overload limit, summed over the looks of balance.c */
	bool left;         /* said bye: more words of that process are late ones */
	uint64_t heard_ms; /* its last word */
	uint64_t since_ms; /* in this state */
	struct arrivals arrivals;
	struct enquiry *enquiry; /* while it is suspect, liveness.h */
	uint64_t beat_seq;
	char boot_id[37];
	char instance[ULID_SIZE];
	char version[32];
	char note[160];
	char cordon_reason[256];
	uint64_t features_digest; /* of caps' CPU features, independent of their order */
};

struct nodes {
	struct node **v;
	size_t n;
	uint64_t interval_ms;  /* that workers beat at */
	uint64_t listening_ms; /* silence before this moment is the coordinator's own */
	uint64_t grace_ms;     /* until then hosts without a beat are not judged */
	uint64_t turn_ms, swept_ms;
	bool mass_loss; /* too many fell silent at once: nobody becomes dead */
	size_t silent, living;
};

void nodes_init(struct nodes *nodes, uint64_t interval_ms);
void nodes_done(struct nodes *nodes);

/* Borrowed; NULL when there is none. */
struct node *nodes_find(const struct nodes *nodes, const char *id);

/* The index of the first node whose id is not before this one; n when there is none. */
size_t nodes_seek(const struct nodes *nodes, const char *id);

/* Finds or adds. Borrowed for the table's life. */
struct node *nodes_add(struct nodes *nodes, const char *id);

/* What a word of a node meant beyond itself. */
enum node_news {
	NODE_NEWS_none = 0,
	NODE_NEWS_up = 1,        /* it was not up before */
	NODE_NEWS_restarted = 2, /* another worker process: what it was doing is lost */
	NODE_NEWS_rebooted = 4,  /* another boot of the host */
};

/* Notes any message of a node, and the contents of those that describe it (hello, beat, caps, bye).
 * A beat older than one already seen is only a sign of life; what a worker that said bye had still
 * on its way is nothing. Returns enum node_news bits. */
unsigned nodes_hear(struct nodes *nodes, struct node *node, const struct msg *msg, uint64_t now_ms);

/* Judges one node's silence (liveness.c); true when its state changed. Drain the sockets first. */
bool nodes_judge(const struct nodes *nodes, struct node *node, uint64_t now_ms);

/* Changes the state; one that is not suspect any more has no enquiry. */
void node_become(struct node *node, enum node_state state, uint64_t now_ms);

const char *node_state_name(enum node_state state);

/* A finished move: `id` is on `to` (with these facts) and not on `from` any more, until the CAPS of
 * each say something newer. */
void nodes_moved(struct nodes *nodes, const char *id, const char *from, const char *to,
		 const struct msg_container *facts, uint64_t now_ms);

/* A container and the host it runs on; both borrowed until the next message is fed. */
struct place {
	const struct node *node;
	const struct msg_container *container;
	bool secondary; /* a released source copy or an armed one: not the container itself */
};

/* Calls fn for every container of every node, in order of node id; copies of migrations included.
 */
typedef void place_fn(void *arg, const struct place *place);
void nodes_each_place(const struct nodes *nodes, place_fn *fn, void *arg);

/* Looks a container up by "id" or "host/id"; `from` (may be NULL) chooses the host. -ERR_nosuch
 * with the nearest known name, -ERR_refused when several hosts have it. */
int nodes_find_container(const struct nodes *nodes, const char *name, const char *from,
			 struct place *ret, struct err *err);

/* One host by name, -ERR_nosuch with the nearest known one. */
int nodes_find_host(const struct nodes *nodes, const char *id, struct node **ret, struct err *err);

/* Sets or takes back the mark; the reason may be NULL and goes with the mark. */
void nodes_cordon(struct node *node, bool cordoned, const char *reason);

/* The container `id` as listed on one node, NULL when it is not; copies of migrations included. */
const struct msg_container *node_container(const struct node *node, const char *id);

/* The host's journal has it as the copy of a migration that is not the container itself. */
bool container_is_copy(const struct msg_container *container);

/* Last usage of a container from the beat, NULL when there is none. */
const struct msg_usage *node_usage(const struct node *node, const char *id);

/* Whether text is in a list. */
bool strs_have(const struct msg_strs *strs, const char *text);

/* Decoded messages have NULL for absent texts. */
static inline const char *given(const char *s)
{
	return s ? s : "";
}

#endif
