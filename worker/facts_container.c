/* SPDX-License-Identifier: MPL-2.0
 *
 * The facts of one container: what its configuration says, what its tasks hold, what the journal
 * knows of it. */
#include "base/clock.h"
#include "base/codes.h"
#include "base/mem.h"
#include "runtime/demands.h"
#include "worker/facts.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PROBLEMS_MAX 32 /* proto/schema.h */

void facts_net(const struct net_state *net, struct scratch **scratch, struct msg_net *ret)
{
	char buf[NET_TEXT];

	memset(ret, 0, sizeof(*ret));
	ret->kind = net_kind_text(net->kind);
	if (net->kind != NET_NAMED)
		return;
	ret->netns = scratch_fmt(scratch, "%s", net->netns);
	ret->ifname = scratch_fmt(scratch, "%s", net->ifname);
	ret->host_ifname = scratch_fmt(scratch, "%s", net->host_ifname);
	ret->bridge = scratch_fmt(scratch, "%s", net->bridge);
	ret->mac = scratch_fmt(scratch, "%s", net_mac_text(net->mac, buf));
	ret->mtu = net->mtu;
	ret->addrs.v = scratch_texts(scratch, net->n_addrs);
	for (; ret->addrs.n < net->n_addrs; ret->addrs.n++)
		ret->addrs.v[ret->addrs.n] =
			scratch_fmt(scratch, "%s", net_addr_text(&net->addrs[ret->addrs.n], buf));
	ret->routes.v = scratch_texts(scratch, net->n_routes);
	for (; ret->routes.n < net->n_routes; ret->routes.n++)
		ret->routes.v[ret->routes.n] = scratch_fmt(
			scratch, "%s", net_route_text(&net->routes[ret->routes.n], buf));
	ret->neigh.v = scratch_texts(scratch, net->n_neigh);
	for (; ret->neigh.n < net->n_neigh; ret->neigh.n++)
		ret->neigh.v[ret->neigh.n] =
			scratch_fmt(scratch, "%s", net_neigh_text(&net->neigh[ret->neigh.n], buf));
}

/* It runs, and the journal says that it is another's: something else has started it. While a plan
 * is at work, or has something left to do, that is the plan's matter. */
static bool is_astray(struct executor *x, const struct msg_container *c, struct handover_row *ret)
{
	struct handover_row closed, *found = NULL;

	if (!str_eq(c->status, "running"))
		return false;
	for (struct mig *m = x->migs; m; m = m->next) {
		if (!str_eq(m->row.container, c->id) || handover_right(&m->row) == RIGHT_unknown ||
		    (found && m->row.epoch < found->epoch))
			continue;
		if (m->plan || (!m->row.settled && (m->row.state == HANDOVER_done ||
						    m->row.state == HANDOVER_refused)))
			return false;
		found = &m->row;
	}
	if (journal_closed_of(x->journal, c->id, &closed) &&
	    (!found || closed.epoch > found->epoch))
		found = &closed;
	if (!found || !(handover_right(found) == RIGHT_away || found->state == HANDOVER_released))
		return false;
	*ret = *found;
	return true;
}

static void add_problem(struct scratch **scratch, struct msg_caps *caps, enum code_id id,
			const char *why)
{
	const struct code_row *code = code_row(id);
	struct msg_reason *out;

	if (!caps->problems.v)
		caps->problems.v = scratch_take(scratch, PROBLEMS_MAX * sizeof(*out));
	if (caps->problems.n == PROBLEMS_MAX)
		return;
	out = &caps->problems.v[caps->problems.n++];
	*out = (struct msg_reason){.code = code->code, .fix = code->fix};
	out->why = scratch_fmt(scratch, "%s: %s", code->code, why);
}

void facts_config(const struct executor *x, struct scratch **scratch, struct msg_caps *caps)
{
	char why[320];

	if (!*x->config_problem)
		return;
	str_fmt(why, sizeof(why), "its configuration was not taken: %s", x->config_problem);
	add_problem(scratch, caps, CODE_config, why);
}

void facts_astray(struct executor *x, struct scratch **scratch, struct msg_container *c,
		  struct msg_caps *caps)
{
	struct handover_row row;
	char why[256];

	if (!is_astray(x, c, &row))
		return;
	c->migration = scratch_fmt(scratch, "%s", row.migration);
	c->authority = "away";
	str_fmt(why, sizeof(why), "%s runs here, and is %s's since migration %s", c->id, row.peer,
		row.migration);
	add_problem(scratch, caps, CODE_away, why);
}

/* "stopping", "stopped", or "started": it runs, and not by drover's doing. */
static const char *word_of_stopped(const struct executor *x, const struct mig *m,
				   const struct msg_container *c)
{
	bool another = (int32_t)c->pid != m->row.pid || !str_eq(m->row.boot_id, x->boot_id);

	if (m->plan || !m->row.settled)
		return str_eq(m->row.boot_id, x->boot_id) ? "stopping" : "stopped";
	return str_eq(c->status, "running") && c->pid && another ? "started" : "stopped";
}

void facts_journal(struct executor *x, struct msg_container *ret)
{
	for (struct mig *m = x->migs; m; m = m->next)
		if (str_eq(m->row.container, ret->id) && m->row.state != HANDOVER_none &&
		    m->row.state != HANDOVER_closed && m->row.state != HANDOVER_refused) {
			ret->migration = m->row.migration;
			ret->authority = m->row.state == HANDOVER_stopped
						 ? word_of_stopped(x, m, ret)
						 : handover_state_name(m->row.state);
			return;
		}
	ret->authority = "own";
}

/* Somebody has deleted it: its runtime knows it no more although this boot has seen it, or its
 * bundle is gone. */
static bool was_removed(const struct executor *x, const struct mig *m)
{
	const struct runtime_driver *driver = runtime_find(m->row.runtime);
	struct runtime_container found;
	char config[WIRE_PATH + 16];

	str_fmt(config, sizeof(config), "%s/config.json", m->row.bundle);
	if (access(config, F_OK) < 0)
		return true;
	return driver && m->row.settled && !m->plan && str_eq(m->row.boot_id, x->boot_id) &&
	       runtime_state_sync(driver, NULL, m->row.container, &found, NULL) == -ERR_nosuch;
}

bool facts_stopped(const struct executor *x, const struct mig *m, const struct msg_caps *caps,
		   struct msg_container *ret)
{
	if (m->row.state != HANDOVER_stopped)
		return false;
	for (size_t i = 0; i < caps->containers.n; i++)
		if (str_eq(caps->containers.v[i].id, m->row.container))
			return false;
	*ret = (struct msg_container){.id = m->row.container,
				      .runtime = m->row.runtime,
				      .status = was_removed(x, m) ? "removed" : "stopped",
				      .bundle = m->row.bundle,
				      .migration = m->row.migration,
				      .authority = "stopped"};
	return true;
}

/* --- what the configuration says --- */

static const char *kind_of(mode_t mode)
{
	return S_ISDIR(mode)    ? "dir"
	       : S_ISREG(mode)  ? "file"
	       : S_ISCHR(mode)  ? "char"
	       : S_ISBLK(mode)  ? "block"
	       : S_ISSOCK(mode) ? "socket"
				: "fifo";
}

/* Sources of binds that a target must have; what lies in the bundle travels with it. */
static void facts_mounts(const struct bundle *b, struct scratch **scratch,
			 struct msg_container *ret)
{
	size_t len = strlen(b->dir);

	ret->mounts.v = scratch_take(scratch, (b->n_mounts + 1) * sizeof(*ret->mounts.v));
	for (size_t i = 0; i < b->n_mounts; i++) {
		const struct bundle_mount *mount = &b->mounts[i];
		struct msg_mount *out = &ret->mounts.v[ret->mounts.n];
		struct stat st;

		if (strncmp(mount->source, b->dir, len) == 0 && mount->source[len] == '/')
			continue;
		out->target = scratch_fmt(scratch, "%.1023s", mount->target);
		out->source = scratch_fmt(scratch, "%.1023s", mount->source);
		out->type = scratch_fmt(scratch, "%.31s", mount->type);
		out->readonly = mount->readonly;
		out->kind = "missing";
		if (stat(mount->source, &st) == 0) {
			out->kind = kind_of(st.st_mode);
			if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
				out->rdev = scratch_fmt(scratch, "%u:%u", major(st.st_rdev),
							minor(st.st_rdev));
		}
		ret->mounts.n++;
	}
}

static void add_device(const struct demand *d, struct scratch **scratch, struct msg_container *ret)
{
	if (ret->devices.n == BUNDLE_DEVICES || d->major < 0 || d->minor < 0)
		return;
	ret->devices.v[ret->devices.n++] =
		(struct msg_device){.path = scratch_fmt(scratch, "%.255s", d->text),
				    .kind = d->dev_kind == 'b' ? "block" : "char",
				    .major = (uint64_t)d->major,
				    .minor = (uint64_t)d->minor};
}

/* What a target's policy is asked for, besides mounts. A network namespace that drover makes itself
 * is nothing to ask for. */
static void facts_demands(const struct bundle *b, struct scratch **scratch,
			  struct msg_container *ret)
{
	auto_free struct demands *demands = mem_new_of(struct demands);
	char text[DEMAND_TEXT + 64];

	ret->devices.v = scratch_take(scratch, BUNDLE_DEVICES * sizeof(*ret->devices.v));
	ret->security.v = scratch_texts(scratch, 32);
	if (demands_read(b->dir, demands, NULL)) {
		ret->security.v[ret->security.n++] = "a configuration that cannot be judged";
		return;
	}
	for (size_t i = 0; i < demands->n; i++) {
		const struct demand *d = &demands->v[i];

		if (d->kind == DEMAND_device)
			add_device(d, scratch, ret);
		else if (d->kind != DEMAND_bind && d->kind != DEMAND_hook &&
			 d->kind != DEMAND_criu && ret->security.n < 32 &&
			 (d->kind != DEMAND_netns || b->netns == BUNDLE_NETNS_SHARED))
			ret->security.v[ret->security.n++] =
				scratch_fmt(scratch, "%.127s", demand_text(d, text, sizeof(text)));
	}
}

static void facts_root(const struct bundle *b, struct scratch **scratch, struct msg_container *ret)
{
	auto_free struct rootfs_mount *fs = mem_new_of(struct rootfs_mount);

	if (!rootfs_read(b->rootfs, fs, NULL) && fs->kind == ROOTFS_OVERLAY)
		ret->image = scratch_fmt(scratch, "%.1023s", fs->lower);
}

static void facts_bundle(const struct runtime_container *c, struct scratch **scratch,
			 struct msg_container *ret)
{
	static const char *const kinds[] = {"host", "private", "named", "shared"};
	struct msg_net *out = scratch_take(scratch, sizeof(*out));
	auto_bundle struct bundle b = {0};
	struct net_state net = {0};

	if (bundle_read(c->bundle, &b, NULL))
		return;
	ret->limit_bytes = b.memory_limit;
	ret->cpu_limit_permille = b.cpu_limit_permille;
	ret->pids_limit = b.pids_limit;
	ret->tty = ret->terminal = b.terminal;
	ret->shares_netns = b.netns == BUNDLE_NETNS_SHARED;
	ret->hooks = b.hooks;
	ret->criu_config = b.criu_config != NULL;
	if (b.image)
		ret->image_name = scratch_fmt(scratch, "%.255s", b.image);
	facts_mounts(&b, scratch, ret);
	facts_demands(&b, scratch, ret);
	facts_root(&b, scratch, ret);
	ret->labels.v = scratch_texts(scratch, b.n_labels);
	for (; ret->labels.n < b.n_labels; ret->labels.n++)
		ret->labels.v[ret->labels.n] =
			scratch_fmt(scratch, "%.255s", b.labels[ret->labels.n]);
	out->kind = kinds[b.netns];
	if (b.netns == BUNDLE_NETNS_NAMED && !net_read(b.netns_path, &net, NULL))
		facts_net(&net, scratch, out);
	ret->net = out;
}

/* --- what its tasks hold --- */

/* A namespace of the host itself counts as shared, but for the network's: that is a kind of its
 * own. */
static void facts_shares(const struct tasks_facts *tasks, struct scratch **scratch,
			 struct msg_container *ret)
{
	ret->shares.v = scratch_texts(scratch, CENSUS_NAMESPACES);
	for (size_t k = 0; k < CENSUS_NAMESPACES; k++)
		if (tasks->foreign[k] && (tasks->own[k] || k != CENSUS_net))
			ret->shares.v[ret->shares.n++] = census_name((enum census_ns)k);
	ret->shares_netns |= tasks->own[CENSUS_net] && tasks->foreign[CENSUS_net];
}

bool facts_tied(struct executor *x, const struct net_sharers *sharers,
		const struct msg_container *c)
{
	if (!sharers->n || !c->net || !str_eq(c->net->kind, "named") || !c->net->netns)
		return false;
	for (size_t i = 0; i < sharers->n; i++)
		if (!lookout_names_netns(x->lookout, sharers->pidns[i], c->net->netns))
			return false;
	return true;
}

static void facts_tasks(const struct tasks_facts *tasks, struct scratch **scratch,
			struct msg_container *ret)
{
	if (tasks->rss_bytes > ret->rss_bytes)
		ret->rss_bytes = tasks->rss_bytes;
	ret->tasks = tasks->threads;
	ret->io_uring = tasks->io_uring > 0;
	ret->tty = ret->tty || tasks->ttys > 0;
	ret->external_unix = tasks->external_unix > 0;
	ret->inet_sockets = tasks->inet_sockets > 0;
	ret->tcp_established = tasks->tcp_established;
	ret->inotify = tasks->inotify;
	ret->file_locks = tasks->file_locks;
	facts_shares(tasks, scratch, ret);
	ret->listening.v = scratch_texts(scratch, tasks->n_listening);
	for (; ret->listening.n < tasks->n_listening; ret->listening.n++)
		ret->listening.v[ret->listening.n] =
			scratch_fmt(scratch, "%.63s", tasks->listening[ret->listening.n]);
	ret->external_sockets.v = scratch_texts(scratch, tasks->n_external_names);
	for (; ret->external_sockets.n < tasks->n_external_names; ret->external_sockets.n++)
		ret->external_sockets.v[ret->external_sockets.n] =
			scratch_fmt(scratch, "%s", tasks->external_names[ret->external_sockets.n]);
}

int facts_look(struct executor *x, const struct runtime_driver *driver,
	       const struct runtime_container *c, const struct census *census,
	       struct scratch **scratch, struct msg_container *ret, struct net_sharers *ret_sharers,
	       struct err *err)
{
	auto_free struct tasks_facts *tasks = mem_new_of(struct tasks_facts);
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	struct cgroup_usage usage = {0};

	memset(ret, 0, sizeof(*ret));
	ret->id = scratch_fmt(scratch, "%s", c->id);
	ret->runtime = driver->name;
	ret->status = scratch_fmt(scratch, "%s", c->status);
	ret->bundle = scratch_fmt(scratch, "%.1023s", c->bundle);
	ret->pid = (uint64_t)c->pid;
	facts_journal(x, ret);
	facts_bundle(c, scratch, ret);
	if (!c->pid || str_eq(c->status, "stopped"))
		return 0;
	if (cgroup_open(c->pid, NULL, &cgroup, err))
		return -err->code;
	ret->dirty_known = dirty_find(x->dirty, c->id, &ret->dirty_bytes_s);
	if (str_eq(c->status, "running"))
		dirty_say(x->dirty, c->id, c->pid, clock_mono_ms());
	if (!cgroup_usage(&cgroup, &usage, NULL))
		ret->rss_bytes = usage.rss_bytes;
	if (!tasks_read(&cgroup, c->pid, census, tasks, NULL)) {
		facts_tasks(tasks, scratch, ret);
		ret->netns_tied = facts_tied(x, &tasks->net_sharers, ret);
		if (ret_sharers)
			*ret_sharers = tasks->net_sharers;
	}
	return 0;
}
