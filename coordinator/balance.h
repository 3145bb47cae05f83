/* SPDX-License-Identifier: MPL-2.0
 *
 * Keeping the cluster even: the planner (plan.h) is shown the node table, what it proposes becomes
 * a drain of kind "rebalance". By itself (coordinator.rebalance = auto) it acts in two lanes,
 * one move off each overloaded host, the sooner the hotter it is, and a few moves when the cluster
 * has been uneven for a while (docs/decisions/0011). A container that it has moved rests: for
 * minutes from the overload lane, for hours from the balance lane, twice as long each time, and
 * does not go back meanwhile to any host that it was moved off, so that no chain of hosts becomes a
 * circle. What was once moved to or from the coordinator's own host is not moved again. */
#ifndef DROVER_COORDINATOR_BALANCE_H
#define DROVER_COORDINATOR_BALANCE_H

#include "base/str.h"
#include "coordinator/plan.h"

struct core;
struct drain;
struct options;

enum balance_mode { BALANCE_off, BALANCE_suggest, BALANCE_auto };

/* Which resources count. */
enum balance_by { BY_all, BY_cpu, BY_mem, BY_psi };

#define SETTLE_BEATS 10 /* after a move nothing is decided for so long */
#define REST_OVERLOAD_MS (5u * 60 * 1000)
#define REST_BALANCE_MS (6ull * 3600 * 1000)
#define REST_DOUBLINGS_MAX 6
#define REST_LEFT_MAX 4

/* A container that was moved by us lately. */
struct rest {
	char container[NAME_SIZE];
	char left[REST_LEFT_MAX][NAME_SIZE]; /* hosts that it must not go back to, latest first */
	uint64_t moved_ms;                   /* wall clock */
	unsigned moves;
};

struct balance {
	enum balance_mode mode;
	uint64_t every_ms, next_ms; /* between looks, monotonic */
	struct plan_limits limits;
	double patience; /* node.hot_excess from which a host is relieved */
	unsigned uneven_ticks;
	struct rest *rests;
	size_t n_rests;
	char told[256]; /* the last suggestion, so that it is told once */
};

struct balance_wish {
	enum balance_by by;
	uint32_t max_moves;  /* 0 = the planner's limit */
	bool overload, even; /* which lanes */
	bool held;           /* the balance lane waits for the unevenness to last */
	bool rested;         /* containers at rest are left alone */
};

/* Fills the drain's items and figures with the planner's moves; why there are none. */
enum plan_quiet balance_propose(struct core *c, const struct balance_wish *wish,
				struct drain *drain);

/* Words for it. */
const char *balance_quiet_text(enum plan_quiet quiet);
bool balance_by_parse(const char *word, enum balance_by *ret);
bool balance_mode_parse(const char *word, enum balance_mode *ret);

/* Takes the mode, the interval and the limits of [balance]; NULL: off, with the defaults. */
void balance_configure(struct balance *balance, const struct options *options);

/* Time has passed: suggests or acts, as the mode says. */
void balance_tick(struct core *c);

/* It must not go back to that host yet. */
bool rest_forbids(const struct rest *rest, const char *host, uint64_t wall_ms);

/* A move of a rebalance has arrived: its container rests now. */
void balance_moved(struct core *c, const char *container, const char *left);

/* A stored rest ("rest/CONTAINER", text). */
#define REST_KEY "rest/"
void balance_replay(struct core *c, const char *container, const char *text);

void balance_done(struct balance *balance);

#endif
