/* SPDX-License-Identifier: MPL-2.0
 *
 * May this container live on that host, and which host is best. The verdict lists every reason
 * against with a stable code, the actual values and what to do; the rank orders the hosts that are
 * left by the weighted terms of DESIGN.md §5, each term kept. Pure: it reads the node table and
 * nothing else. */
#ifndef DROVER_COORDINATOR_SCORE_H
#define DROVER_COORDINATOR_SCORE_H

#include "coordinator/nodes.h"
#include "coordinator/predict.h"

/* clang-format off */
/* X(identifier, code, about, skip name ("": cannot be skipped), fix)
 *   about: ct   the container itself, wherever it goes
 *          src  the host it is on
 *          dst  the candidate host
 *          path the way between the two */
#define REASON_TABLE(X) \
	X(host_down,      "E-HOST-DOWN",     dst, "",        "see drover hosts; start drover-worker there") \
	X(host_cordoned,  "E-HOST-CORDONED", dst, "cordon",  "drover uncordon HOST") \
	X(same_host,      "E-SAME-HOST",     dst, "",        "name another host with --to, or leave it out") \
	X(runtime,        "E-RUNTIME",       dst, "",        "install the container's runtime on that host") \
	X(criu_missing,   "E-CRIU-MISSING",  dst, "",        "install criu there, or set worker.criu") \
	X(criu_version,   "E-CRIU-VERSION",  dst, "version", "install the same criu version on both hosts") \
	X(criu_old,       "E-CRIU-OLD",      dst, "",        "install criu 3.19 or later on the target") \
	X(criu_check,     "E-CRIU-CHECK",    dst, "criu",    "run criu check there and mend what it names") \
	X(kernel_criu,    "E-KERNEL-CRIU",   dst, "kernel",  "install a criu that knows this kernel") \
	X(arch,           "E-ARCH",          dst, "",        "choose a host of the same architecture") \
	X(cpu_features,   "E-CPU-FEATURES",  dst, "cpu",     "choose a host whose CPU has them, or start the container with fewer") \
	X(cpu_xsave,      "E-CPU-XSAVE",     dst, "cpu",     "choose a host with at least this xsave area") \
	X(mem,            "E-MEM",           dst, "memory",  "free memory there, or choose another host") \
	X(disk,           "E-DISK",          dst, "disk",    "free space in worker.storage there") \
	X(staging,        "E-STAGING",       dst, "disk",    "free space in node.run there") \
	X(cgroup,         "E-CGROUP",        dst, "cgroup",  "boot both hosts with cgroup v2") \
	X(net_bridge,     "E-NET-BRIDGE",    dst, "network", "make the bridge there, or set worker.bridge") \
	X(net_subnet,     "E-NET-SUBNET",    dst, "network", "choose a host on the same subnet") \
	X(net_host,       "E-NET-HOST",      ct,  "network", "give it a network namespace: a host's addresses cannot follow") \
	X(mount,          "E-MOUNT",         dst, "mounts",  "copy the missing path there first") \
	X(image,          "E-IMAGE",         dst, "",        "put the image there, or choose another target") \
	X(storage,        "E-STORAGE",       dst, "",        "set worker.storage to the same place on both hosts") \
	X(name_taken,     "E-NAME-TAKEN",    dst, "",        "remove or rename the container there") \
	X(stopped,        "E-STOPPED",       ct,  "",        "start it first; only running containers move live") \
	X(busy,           "E-BUSY",          ct,  "",        "wait for the other job, or cancel it") \
	X(io_uring,       "E-IOURING",       ct,  "iouring", "run it with io_uring off: CRIU cannot dump a ring") \
	X(tty,            "E-TTY",           ct,  "tty",     "start it with stdio on /dev/null or pipes") \
	X(ext_unix,       "E-EXT-UNIX",      ct,  "unix",    "close its unix sockets to the outside first") \
	X(shared_netns,   "E-SHARED-NETNS",  ct,  "netns",   "move or stop those that share its network namespace") \
	X(source_down,    "E-SOURCE-DOWN",   src, "",        "see drover hosts; its containers are unknown, not dead") \
	X(source_criu,    "E-SOURCE-CRIU",   src, "",        "install criu on the container's host, or set worker.criu there") \
	X(source_check,   "E-SOURCE-CHECK",  src, "criu",    "run criu check on the container's host and mend what it names") \
	X(source_kernel,  "E-SOURCE-KERNEL", src, "kernel",  "install a criu that knows the kernel of the container's host") \
	X(source_runtime, "E-SOURCE-RUNTIME",src, "",        "this runtime cannot checkpoint on the container's host") \
	X(ssh,            "E-SSH",           path,"",        "check sshd on the target and the roster's ssh keys") \
	X(no_answer,      "E-NO-ANSWER",     path,"",        "see drover hosts and the worker's log there")
/* clang-format on */

enum reason_id {
#define X(id, ...) REASON_##id,
	REASON_TABLE(X)
#undef X
		REASON_COUNT
};

enum reason_about { ABOUT_ct, ABOUT_src, ABOUT_dst, ABOUT_path };

struct reason_row {
	const char *code;
	enum reason_about about;
	const char *skip;
	const char *fix;
};

const struct reason_row *reason_row(enum reason_id id);

/* The row of a code that a worker sent, NULL when it is not in the table. */
const struct reason_row *reason_find(const char *code);

struct reason {
	const struct reason_row *row;
	char *why; /* owned */
	bool warning;
};

#define VERDICT_REASONS_MAX 32

struct verdict {
	struct reason v[VERDICT_REASONS_MAX];
	size_t n;
	bool feasible;
};

/* What is asked: one container, where it is, and what the user chose to skip. All borrowed. */
struct score_query {
	const struct msg_container *container;
	const struct node *source;
	struct msg_strs skip; /* skip names; "all" stands for every one that can be skipped */
	unsigned headroom_percent;
	uint64_t frozen_budget_ms; /* 0 = 2 s */
	const struct pairs *pairs;
	bool busy; /* another job moves it already */
};

/* Whether a reason with this skip name is skipped by the query's list. */
bool score_skips(const struct msg_strs *skip, const char *name);

/* Every reason that applies on this host; skipped ones stay as warnings. verdict_done frees. */
void score_verdict(const struct score_query *query, const struct node *target, struct verdict *ret);
void verdict_done(struct verdict *verdict);

/* The same reasons as message records; they borrow from verdict. Returns their number. */
size_t verdict_reasons(const struct verdict *verdict, struct msg_reason ret[VERDICT_REASONS_MAX]);

/* "live", "warn" or "no". */
const char *verdict_word(const struct verdict *verdict);

/* One line: "E-MEM: needs …; E-ARCH: …" of what refuses. */
void verdict_print(const struct verdict *verdict, char *ret_text, size_t size);

/* What to do about the first reason that refuses, "" when none does. */
const char *verdict_fix(const struct verdict *verdict);

#define SCORE_TERMS 6

struct candidate {
	const struct node *node;
	struct verdict verdict;
	double score; /* 0..100 */
	struct msg_term terms[SCORE_TERMS];
	struct prediction prediction;
};

/* Every worker of the table except the source, feasible ones first, then by score, then by id.
 * *ret is heap; candidates_free takes it. Returns their number. */
size_t score_rank(const struct score_query *query, const struct nodes *nodes,
		  struct candidate **ret);
void candidates_free(struct candidate **candidates, size_t n);

/* The terms of one host, as if the container were there. */
void score_terms(const struct score_query *query, struct candidate *candidate);

/* The fullest resource of a host, 0..1: a maximum, never a mean. */
double node_hot(const struct node *node);

#endif
