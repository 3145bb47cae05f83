/* SPDX-License-Identifier: MPL-2.0
 *
 * Which container goes where: a whole evacuation, or the next few moves of a rebalance, decided at
 * once from one picture of the cluster. Pure and deterministic: the same picture gives the same
 * plan; ties go to the lower index. A plan is feasible at each of its steps and in any order of
 * them: what arrives at a host counts from the first move on, what leaves one frees nothing before
 * the end. */
#ifndef DROVER_COORDINATOR_PLAN_H
#define DROVER_COORDINATOR_PLAN_H

#include "coordinator/nodes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_NONE UINT32_MAX

/* clang-format off */
/* X(identifier, code, text) Why a container moves, or why it does not. */
#define PLAN_CODE_TABLE(X) \
	X(evacuate, "P-EVACUATE", "its host is emptied") \
	X(overload, "P-OVERLOAD", "its host is overloaded") \
	X(balance,  "P-BALANCE",  "it evens the load") \
	X(memory,   "P-MEMORY",   "no host that may have it has the memory") \
	X(spread,   "P-SPREAD",   "every host that may have it is near another of its spread group") \
	X(together, "P-TOGETHER", "the group that it moves with cannot move") \
	X(refused,  "P-REFUSED",  "no host may have it") \
	X(no_host,  "P-NO-HOST",  "no other host is up and open") \
	X(pinned,   "P-PINNED",   "it cannot be moved")
/* clang-format on */

enum plan_code {
#define X(id, code, text) PLAN_##id,
	PLAN_CODE_TABLE(X)
#undef X
		PLAN_CODE_COUNT
};

const char *plan_code_name(enum plan_code code);
const char *plan_code_text(enum plan_code code);

enum plan_host_flag {
	PLAN_HOST_up = 1,
	PLAN_HOST_cordoned = 2, /* no target */
	PLAN_HOST_briefly =
		4, /* overloaded, but not for long enough: the overload lane lets it be */
};

enum plan_ct_flag {
	PLAN_CT_pinned = 1,  /* never moves */
	PLAN_CT_resting = 2, /* a rebalance leaves it: its cooldown, a job of its own, our own */
};

/* Whether a host may have a container: the verdict. Called only for hosts that would be chosen. */
typedef bool plan_allowed(const void *arg, uint32_t container, uint32_t host);

/* The cluster, borrowed for the call. Each array has n_hosts or n_containers entries. A resource's
 * capacity, load and size share one unit; memory is in bytes (below 2^53). */
struct plan_world {
	uint32_t n_hosts, n_containers;
	struct {
		const uint64_t *capacity[RESOURCE_COUNT]; /* 0: not known, never hot by it */
		const uint64_t *load[RESOURCE_COUNT]; /* containers and arrivals in flight with it
						       */
		const uint64_t *reserve;              /* of memory, stays free; NULL: nothing */
		const uint8_t *flags;
		const uint32_t *domain; /* what a group is spread over, ids below n_hosts; NULL:
					   hosts */
	} host;
	struct {
		const uint32_t *host;
		const uint64_t *size[RESOURCE_COUNT];
		const uint8_t *priority; /* higher goes first; NULL: all the same */
		const uint8_t *flags;    /* NULL: none */
		/* Group ids below n_containers, PLAN_NONE for none; NULL: no groups. */
		const uint32_t *spread;   /* no two of a group in one domain */
		const uint32_t *together; /* all of a group on one host, and moved as one */
		const uint32_t *unit; /* of a rebalance: all of a unit are on one host, and move as
					 one or not at all */
	} ct;
	plan_allowed *allowed; /* NULL: all */
	const void *arg;
};

struct plan_move {
	uint32_t container, from, to;
	enum plan_code why;
};

struct plan_stay {
	uint32_t container;
	enum plan_code why;
	uint64_t missing_bytes; /* of memory, on the host that lacks least; else 0 */
	uint32_t nearest;       /* that host, or PLAN_NONE */
};

/* Of hosts that are up and hold or may hold guests: the drained ones are left out. */
struct plan_evenness {
	double hottest;   /* the largest hot: a host's fullest resource, 0..1 and above */
	double imbalance; /* coefficient of variation: standard deviation of hot over its mean */
};

struct plan {
	struct plan_move *moves; /* in order */
	struct plan_stay *stays; /* of an evacuation: who is left and why */
	size_t n_moves, n_stays;
	struct plan_evenness before, after;
};

/* Empties the hosts whose `drained` byte is set (n_hosts of them); none of them becomes a target.
 * Priority first, then the largest. The caller frees the plan. */
void plan_evacuate(const struct plan_world *world, const uint8_t *drained, struct plan *ret);

/* Why a rebalance has no moves. */
enum plan_quiet {
	PLAN_QUIET_moves,     /* it has */
	PLAN_QUIET_even,      /* no host is overloaded, and they are even enough */
	PLAN_QUIET_comfort,   /* uneven, but no host is loaded enough to care */
	PLAN_QUIET_hold,      /* uneven, but not for long enough */
	PLAN_QUIET_gain,      /* the whole plan would gain too little */
	PLAN_QUIET_candidate, /* nothing that may move would help */
};

/* What they are, and why: docs/decisions/0011. plan_limits has the defaults of [balance]. */
struct plan_limits {
	double overload;  /* a host's hot from which the overload lane acts */
	double relief;    /* so far below it is cool enough: cooling further is worth nothing, and
			     no target comes nearer */
	double saturated; /* a host as hot as this may give to any that stays below overload */
	double comfort;   /* hot below which all hosts may stay uneven */
	double imbalance; /* from which the balance lane acts */
	double gain;      /* of the imbalance, that a whole balance plan must bring */
	unsigned hold;    /* ticks that it must have lasted */
	uint32_t moves;   /* at most, of one tick, a unit being one; the overload lane makes one a
			     host */
};

extern const struct plan_limits plan_limits;

/* One tick. *uneven_ticks is the caller's, 0 at the start: how long the balance lane has been asked
 * for. Returns why there are no moves. The caller frees the plan. */
enum plan_quiet plan_rebalance(const struct plan_world *world, const struct plan_limits *limits,
			       unsigned *uneven_ticks, struct plan *ret);

void plan_free(struct plan *plan);

#endif
