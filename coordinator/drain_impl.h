/* SPDX-License-Identifier: MPL-2.0
 *
 * What the files of the drain share with the core: planning, the queue, the requests. */
#ifndef DROVER_COORDINATOR_DRAIN_IMPL_H
#define DROVER_COORDINATOR_DRAIN_IMPL_H

#include "coordinator/core_group.h"
#include "coordinator/core_impl.h"
#include "coordinator/drain.h"

/* --- drain_plan.c --- */

/* The query for one container of a drain; skip is the caller's room for its list. */
struct score_query drain_query(struct core *c, const struct drain *drain,
			       const struct drain_item *item, const struct place *place,
			       const char *skip[16]);

/* The mode ladder: from now on it is moved cold, for this reason. False where nobody has asked for
 * that, or it is so already. */
bool drain_step_down(const struct drain *drain, struct drain_item *item, const char *code,
		     const char *why);

/* Not cordoned (whatever is skipped), not a host that is being emptied, not the one that has failed
 * already. */
bool drain_may_use(const struct drain *drain, const struct drain_item *item,
		   const struct node *node);

/* The same for a host whose reasons are told, be it the one that has failed. */
bool drain_may_ask(const struct drain *drain, const struct drain_item *item,
		   const struct node *node);

/* Notes the target of an item, with what its move is to cost. */
void drain_use(struct drain_item *item, const struct candidate *best);

/* Code and sentence for a container that no candidate can take. */
void drain_say_why(const struct drain *drain, struct drain_item *item,
		   const struct ranking *ranking);

/* Adds the running containers of the drain's hosts that it does not have yet; how many. */
size_t drain_collect(struct core *c, struct drain *drain);

/* Gives each waiting item a target, feasible together with those before it, or says why none; fills
 * rooms and eta. */
void drain_place(struct core *c, struct drain *drain);

/* --- drain_group.c: items that move as one --- */

/* Whether a host takes all that move as one with this item. */
bool drain_takes_group(struct core *c, const struct drain *drain, const struct drain_item *item,
		       const struct group *group, const struct node *node);

/* One target for the waiting items of a group, booked, or why there is none. */
void drain_place_group(struct core *c, struct drain *drain, struct drain_item *lead,
		       const struct group *group);

/* Code and sentence for each of them: of the member that bars it, and who that is. */
void drain_group_say_why(struct core *c, struct drain *drain, const struct drain_item *lead,
			 const struct group *group);

/* --- drain_sum.c --- */

/* What became of it all, as its note. */
void drain_sum_up(struct drain *drain);

/* --- drain_run.c --- */

/* Looks after every drain: moves that ended, moves that may begin, ends. */
void drains_run(struct core *c);

/* When the drains want their next turn (monotonic), UINT64_MAX for never. */
uint64_t drains_next_ms(const struct core *c);

/* Dispatches no more: what waits stays, what moves is finished (or, before its freeze and with
 * `also_moving`, canceled). */
void drain_end(struct core *c, struct drain *drain, const char *why, bool also_moving);

/* Tells its followers how it stands, and of its end. */
void drain_emit(struct core *c, struct drain *drain, const char *kind, const char *text);

struct drain *core_drain_find(struct core *c, const char *id);
struct drain *core_drain_add(struct core *c, const char *id, const char *kind);

/* False shortly after our start, while hosts and what they have are still to be heard of. */
bool core_hosts_heard(const struct core *c);

/* An id for a drain that nobody has asked for. */
void core_own_id(struct core *c, char ret_id[ULID_SIZE]);

/* The drain that is not done and has this host, or NULL. */
struct drain *core_drain_of_host(struct core *c, const char *host);

/* --- drain_stop.c --- */

/* The foot of the mode ladder: from now on it is to be stopped where it is, for this reason. False
 * where nobody has asked for that, or it may not be; then why is added to. */
bool drain_step_to_stop(struct core *c, const struct drain *drain, struct drain_item *item);

/* Begins to stop it (and its group), or, in a restore, to start it. */
void drain_do_stop(struct core *c, struct drain *drain, struct drain_item *item);

/* The job of a stopped or started one has something to say. True when the item changed. */
bool drain_watch_stop(struct drain_item *item, const struct job *job);

/* In a restore: what an evacuation has stopped on this host, to be started there if it still is. */
void drain_collect_stopped(struct core *c, struct drain *drain, const struct drain_item *stopped);

/* --- drain_run.c --- */

/* Takes note of a move, or stop, that has begun for this item. */
void drain_moves(struct core *c, struct drain *drain, struct drain_item *item,
		 const struct job *job);

/* The waiting item of a container that goes with another's, or NULL. */
struct drain_item *drain_item_of(struct drain *drain, const struct job *job);

/* An id for the next job of the drain. */
void drain_next_id(struct core *c, struct drain *drain, char ret[ULID_SIZE]);

/* --- drain_hooks.c --- */

/* Whether it is an evacuation of hosts that have hooks; and the asking for them begins. */
bool drain_hooks_wanted(const struct core *c, const struct drain *drain);
void drain_hooks_begin(struct core *c, struct drain *drain, bool post);

/* A look at one that is preparing or telling. */
void drain_hooks_run(struct core *c, struct drain *drain);

/* It does not begin, for this reason; its hosts are told so. */
void drain_unbegun(struct core *c, struct drain *drain, const char *why);

/* Its end, once everybody was told. drain_run.c */
void drain_close(struct core *c, struct drain *drain);

/* --- core_drain.c --- */

/* Nothing keeps an evacuation from beginning any more. */
void core_drain_prepared(struct core *c, struct drain *drain);

void core_drain_begin(struct core *c, struct drain *drain);
void core_drain_drop(struct core *c, struct drain *drain);

/* The time of a planned one has come: it begins, or says why it cannot. */
void core_begin_planned(struct core *c, struct drain *drain);

/* A reply with the plan and the drain as its job; it borrows from the drain and the turn. */
void core_show_drain(struct core *c, struct drain *drain, struct msg_reply *reply);

#endif
