/* SPDX-License-Identifier: MPL-2.0
 *
 * What speaks against moving a container wherever it goes: what it holds, where it is, its rules.
 */
#include "coordinator/judge.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* "ipc, pid" of the namespaces that others are in too; the network's has a code of its own. */
static const char *shared_text(const struct msg_container *ct, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ct->shares.n; i++) {
		if (str_eq(ct->shares.v[i], "net"))
			continue;
		str_fmt(buf + used, size - used, "%s%s", used ? ", " : "", ct->shares.v[i]);
		used = strlen(buf);
	}
	return buf;
}

static const char *joined(const struct msg_strs *strs, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < strs->n; i++) {
		str_fmt(buf + used, size - used, "%s%s", used ? ", " : "", strs->v[i]);
		used = strlen(buf);
	}
	return buf;
}

static void check_shared(const struct judge *j)
{
	const struct msg_container *ct = j->ct;
	char names[80], others[200];

	joined(&ct->shares_with, others, sizeof(others));
	if (ct->shares_netns && !ct->netns_tied)
		refuse(j, shared_netns, "%s share%s the network namespace of %s",
		       *others ? others : "others", ct->shares_with.n == 1 ? "s" : "",
		       given(ct->id));
	if (*shared_text(ct, names, sizeof(names)))
		refuse(j, shared_ns, "%s shares its %s namespace%s with %s", given(ct->id), names,
		       strchr(names, ',') ? "s" : "", *others ? others : "others");
}

/* What CRIU cannot take along. */
static void check_open(const struct judge *j)
{
	const struct msg_container *ct = j->ct;
	char ends[300];

	/* One that nobody else has was made anew under its name: a person should say so. */
	if (str_eq(ct->authority, "away") && j->query->elsewhere)
		refuse(j, away, "%s runs on a host that it has moved away from", given(ct->id));
	else if (str_eq(ct->authority, "away"))
		warn(j, away, "%s runs where it has moved away from, and nowhere else",
		     given(ct->id));
	if (ct->io_uring)
		refuse(j, io_uring, "a process of %s has an io_uring open", given(ct->id));
	if (ct->terminal)
		refuse(j, terminal, "config.json of %s asks for a terminal", given(ct->id));
	else if (ct->tty)
		refuse(j, tty, "%s has a terminal as its stdio", given(ct->id));
	if (ct->external_unix)
		refuse(j, ext_unix, "%s is connected to a unix socket outside of it%s%s",
		       given(ct->id), ct->external_sockets.n ? ": " : "",
		       joined(&ct->external_sockets, ends, sizeof(ends)));
	if (ct->net && str_eq(ct->net->kind, "host") && ct->inet_sockets)
		refuse(j, net_host, "%s uses the network of its host and has sockets open",
		       given(ct->id));
	if (ct->file_locks)
		warn(j, locks, "%s holds %" PRIu64 " file lock%s", given(ct->id), ct->file_locks,
		     ct->file_locks == 1 ? "" : "s");
	if (ct->inotify)
		warn(j, inotify, "%s has %" PRIu64 " inotify instance%s", given(ct->id),
		     ct->inotify, ct->inotify == 1 ? "" : "s");
}

static void check_local_mounts(const struct judge *j)
{
	for (size_t i = 0; i < j->ct->mounts.n; i++) {
		const struct msg_mount *mount = &j->ct->mounts.v[i];

		if (!mount->readonly && (str_eq(mount->kind, "dir") || str_eq(mount->kind, "file")))
			warn(j, mount_local, "%s of %s is mounted at %s and stays behind",
			     given(mount->source), j->source->id, given(mount->target));
	}
}

static void check_rules(const struct judge *j)
{
	const struct rules *rules = j->query->rules;
	char from[NAME_SIZE + 16];

	if (!rules)
		return;
	if (rules->move == MOVE_never)
		refuse(j, policy_never, "%s: move = never",
		       rules_source(rules, from, sizeof(from)));
	if (rules->move == MOVE_cold)
		refuse(j, policy_cold, "%s: move = cold", rules_source(rules, from, sizeof(from)));
	if (*rules->problem)
		warn(j, policy_label, "%s", rules->problem);
}

const struct msg_runtime *runtime_of(const struct msg_caps *caps, const char *name)
{
	for (size_t i = 0; i < caps->runtimes.n; i++)
		if (str_eq(caps->runtimes.v[i].name, name))
			return &caps->runtimes.v[i];
	return NULL;
}

static void check_source(const struct judge *j)
{
	const struct msg_runtime *runtime = runtime_of(j->from, j->ct->runtime);
	const char *id = j->source->id;

	if (j->source->state != NODE_up)
		refuse(j, source_down, "%s, where it is, is %s", id,
		       node_state_name(j->source->state));
	if (!j->from->criu_version)
		refuse(j, source_criu, "%s has no criu", id);
	if (given(j->from->criu_check)[0])
		refuse(j, source_check, "criu check on %s: %s", id, j->from->criu_check);
	if (!runtime || !runtime->checkpoint)
		refuse(j, source_runtime, "%s on %s cannot checkpoint", given(j->ct->runtime), id);
	check_kernel(j, j->from, true);
	if (str_eq(j->from->thp, "always") && (j->from->soft_dirty || j->from->pagemap_scan))
		warn(j, thp,
		     "transparent huge pages are always on at %s: one written byte dirties "
		     "2 MiB",
		     id);
}

void judge_container(const struct judge *j)
{
	const struct msg_container *ct = j->ct;

	if (!str_eq(ct->status, "running"))
		refuse(j, stopped, "%s is %s, not running", given(ct->id), given(ct->status));
	if (j->query->busy)
		refuse(j, busy, "another job is moving %s", given(ct->id));
	check_open(j);
	check_shared(j);
	check_local_mounts(j);
	check_rules(j);
	check_source(j);
}
