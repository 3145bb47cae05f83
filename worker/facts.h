/* SPDX-License-Identifier: MPL-2.0
 *
 * What the files share that tell a coordinator what is here. */
#ifndef DROVER_WORKER_FACTS_H
#define DROVER_WORKER_FACTS_H

#include "runtime/tasks.h"
#include "worker/executor.h"

/* Room for n texts and a NULL; zeroed. */
const char **scratch_texts(struct scratch **scratch, size_t n);

/* The look at one container, all of it: milliseconds. census and ret_sharers may be NULL. Texts are
 * in *scratch; migration and authority are as the journal has them now. -ERR when it has gone
 * meanwhile. */
int facts_look(struct executor *x, const struct runtime_driver *driver,
	       const struct runtime_container *container, const struct census *census,
	       struct scratch **scratch, struct msg_container *ret, struct net_sharers *ret_sharers,
	       struct err *err);

/* Whether those that are in its network namespace are running containers that name it as it does,
 * and so can move with it: as of the last looks at them. */
bool facts_tied(struct executor *x, const struct net_sharers *sharers,
		const struct msg_container *container);

/* A container that runs here although the journal says that it is another host's: authority "away",
 * and a problem of the host, E-AWAY. Nothing is done about it: a person has started it. */
void facts_astray(struct executor *x, struct scratch **scratch, struct msg_container *container,
		  struct msg_caps *caps);

/* A configuration that was not taken (worker/reload.h): a problem of the host, E-CONFIG. */
void facts_config(const struct executor *x, struct scratch **scratch, struct msg_caps *caps);

/* Fills migration and authority, which are the journal's to say. */
void facts_journal(struct executor *x, struct msg_container *ret);

/* What drover has stopped here and caps does not list yet: no runtime knows it after a reboot.
 * Status "removed" when somebody has deleted it since. False for any other. Borrows from m. */
bool facts_stopped(const struct executor *x, const struct mig *m, const struct msg_caps *caps,
		   struct msg_container *ret);

/* What is remembered of runtimes and containers between two looks. */
struct lookout *lookout_new(void);
void lookout_free(struct lookout **lookout);

/* Fills the runtimes and containers of caps. A runtime is asked again only when its files or one of
 * its containers has changed, a container is looked at again after some seconds, and only so many
 * at a time: false when more are due already. */
bool lookout_caps(struct executor *x, uint64_t now_ms, struct scratch **scratch,
		  struct msg_caps *caps);

/* Whether a running container whose processes are in this PID namespace (an inode) has this path as
 * its network namespace, as of the last looks. */
bool lookout_names_netns(const struct lookout *lookout, uint64_t pidns, const char *netns);

/* What each container uses now, for a beat: its CPU time since the last beat, its memory as it was
 * when it was looked at. */
void lookout_usage(struct lookout *lookout, uint64_t now_ms, struct scratch **scratch,
		   struct msg_beat *beat);

#endif
