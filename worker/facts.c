/* SPDX-License-Identifier: MPL-2.0
 *
 * Turns what the runtime folder reads into the messages that a coordinator gets: beat, caps, and
 * the facts of one container. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/cgroup.h"
#include "runtime/criuconf.h"
#include "runtime/freezer.h"
#include "runtime/tasks.h"
#include "worker/executor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#define CAPS_EVERY_MS 30000
#define CAPS_LOOK_MS 2000
#define CAPS_SETTLE_MS 100 /* a runtime makes the directory first and fills it then */
#define CONTAINERS_MAX 512

void *scratch_take(struct scratch **scratch, size_t size)
{
	struct scratch *block = mem_new(1, sizeof(*block) + size + 16);

	block->next = *scratch;
	*scratch = block;
	return (void *)(((uintptr_t)block->text + 15) & ~(uintptr_t)15);
}

const char *scratch_fmt(struct scratch **scratch, const char *fmt, ...)
{
	va_list args, again;
	char *text;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	text = scratch_take(scratch, (size_t)n + 1);
	vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(args);
	return text;
}

void scratch_done(struct scratch **scratch)
{
	while (*scratch) {
		struct scratch *next = (*scratch)->next;

		free(*scratch);
		*scratch = next;
	}
}

static const char **texts(struct scratch **scratch, size_t n)
{
	return scratch_take(scratch, (n + 1) * sizeof(char *));
}

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
	ret->addrs.v = texts(scratch, net->n_addrs);
	for (; ret->addrs.n < net->n_addrs; ret->addrs.n++)
		ret->addrs.v[ret->addrs.n] =
			scratch_fmt(scratch, "%s", net_addr_text(&net->addrs[ret->addrs.n], buf));
	ret->routes.v = texts(scratch, net->n_routes);
	for (; ret->routes.n < net->n_routes; ret->routes.n++)
		ret->routes.v[ret->routes.n] = scratch_fmt(
			scratch, "%s", net_route_text(&net->routes[ret->routes.n], buf));
	ret->neigh.v = texts(scratch, net->n_neigh);
	for (; ret->neigh.n < net->n_neigh; ret->neigh.n++)
		ret->neigh.v[ret->neigh.n] =
			scratch_fmt(scratch, "%s", net_neigh_text(&net->neigh[ret->neigh.n], buf));
}

static void facts_journal(struct executor *x, const char *id, struct msg_container *ret)
{
	for (struct mig *m = x->migs; m; m = m->next)
		if (str_eq(m->row.container, id) && m->row.state != HANDOVER_none &&
		    m->row.state != HANDOVER_closed && m->row.state != HANDOVER_refused) {
			ret->migration = m->row.migration;
			ret->authority = handover_state_name(m->row.state);
			return;
		}
	ret->authority = "own";
}

/* Sources of binds that a target must have; what lies in the bundle travels with it. */
static void facts_mounts(const struct bundle *b, struct scratch **scratch,
			 struct msg_container *ret)
{
	size_t len = strlen(b->dir);

	ret->mounts.v = scratch_take(scratch, b->n_mounts * sizeof(*ret->mounts.v));
	for (size_t i = 0; i < b->n_mounts; i++) {
		const struct bundle_mount *mount = &b->mounts[i];
		struct msg_mount *out = &ret->mounts.v[ret->mounts.n];

		if (mount->source && strncmp(mount->source, b->dir, len) == 0 &&
		    mount->source[len] == '/')
			continue;
		out->target = scratch_fmt(scratch, "%s", mount->target ? mount->target : "");
		out->source = scratch_fmt(scratch, "%s", mount->source ? mount->source : "");
		out->type = scratch_fmt(scratch, "%.31s", mount->type ? mount->type : "bind");
		ret->mounts.n++;
	}
}

static void facts_devices(const struct bundle *b, struct scratch **scratch,
			  struct msg_container *ret)
{
	ret->devices.v = scratch_take(scratch, b->n_devices * sizeof(*ret->devices.v));
	for (; ret->devices.n < b->n_devices; ret->devices.n++)
		ret->devices.v[ret->devices.n] = (struct msg_device){
			.path = scratch_fmt(scratch, "%.255s", b->devices[ret->devices.n])};
}

static void facts_bundle(const struct runtime_container *c, struct scratch **scratch,
			 struct msg_container *ret)
{
	auto_bundle struct bundle b = {0};
	struct rootfs_mount *fs = scratch_take(scratch, sizeof(*fs));
	static const char *const kinds[] = {"host", "private", "named", "shared"};
	struct net_state net = {0};
	struct msg_net *out = scratch_take(scratch, sizeof(*out));

	if (bundle_read(c->bundle, &b, NULL))
		return;
	ret->limit_bytes = b.memory_limit;
	ret->tty = b.terminal;
	ret->shares_netns = b.netns == BUNDLE_NETNS_SHARED;
	ret->hooks = b.hooks;
	ret->criu_config = b.criu_config != NULL;
	if (b.image)
		ret->image_name = scratch_fmt(scratch, "%.255s", b.image);
	facts_mounts(&b, scratch, ret);
	facts_devices(&b, scratch, ret);
	ret->labels.v = texts(scratch, b.n_labels);
	for (; ret->labels.n < b.n_labels; ret->labels.n++)
		ret->labels.v[ret->labels.n] =
			scratch_fmt(scratch, "%.255s", b.labels[ret->labels.n]);
	if (!rootfs_read(b.rootfs, fs, NULL) && fs->kind == ROOTFS_OVERLAY)
		ret->image = scratch_fmt(scratch, "%.1023s", fs->lower);
	out->kind = kinds[b.netns];
	if (b.netns == BUNDLE_NETNS_NAMED && !net_read(b.netns_path, &net, NULL))
		facts_net(&net, scratch, out);
	ret->net = out;
}

int facts_container(struct executor *x, const struct runtime_driver *driver,
		    const struct runtime_container *c, struct scratch **scratch,
		    struct msg_container *ret, struct err *err)
{
	struct tasks_facts *tasks = scratch_take(scratch, sizeof(*tasks));
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	struct cgroup_usage usage = {0};

	memset(ret, 0, sizeof(*ret));
	ret->id = scratch_fmt(scratch, "%s", c->id);
	ret->runtime = driver->name;
	ret->status = scratch_fmt(scratch, "%s", c->status);
	ret->bundle = scratch_fmt(scratch, "%.1023s", c->bundle);
	ret->pid = (uint64_t)c->pid;
	facts_journal(x, c->id, ret);
	facts_bundle(c, scratch, ret);
	if (!c->pid || str_eq(c->status, "stopped"))
		return 0;
	if (cgroup_open(c->pid, NULL, &cgroup, err))
		return -err->code;
	if (!cgroup_usage(&cgroup, &usage, NULL))
		ret->rss_bytes = usage.rss_bytes;
	if (tasks_read(&cgroup, c->pid, tasks, NULL))
		return 0;
	if (tasks->rss_bytes > ret->rss_bytes)
		ret->rss_bytes = tasks->rss_bytes;
	ret->tasks = tasks->threads;
	ret->io_uring = tasks->io_uring > 0;
	ret->tty = ret->tty || tasks->ttys > 0;
	ret->external_unix = tasks->external_unix > 0;
	ret->shares_netns = ret->shares_netns || (tasks->own_netns && tasks->foreign_in_netns);
	ret->inet_sockets = tasks->inet_sockets > 0;
	ret->tcp_established = tasks->tcp_established;
	ret->inotify = tasks->inotify;
	ret->file_locks = tasks->file_locks;
	ret->listening.v = texts(scratch, tasks->n_listening);
	for (; ret->listening.n < tasks->n_listening; ret->listening.n++)
		ret->listening.v[ret->listening.n] = tasks->listening[ret->listening.n];
	return 0;
}

/* --- to the bus side --- */

static void tell_body(struct executor *x, enum msg_type type, const void *record)
{
	struct wire_out out = {.kind = WIRE_MESSAGE, .type = type};
	auto_free void *body = NULL;
	struct err err;
	size_t len;

	if (msg_encode_body(type, record, &body, &len, &err)) {
		log_err("%s cannot be encoded: %s", msg_type_name(type), err.text);
		return;
	}
	out.body_len = (uint32_t)len;
	if (exec_tell(x, &out, body, -1, &err))
		log_debug("%s not passed on: %s", msg_type_name(type), err.text);
}

void facts_beat(struct executor *x, uint64_t now_ms)
{
	struct beat_facts f;
	uint64_t total;
	struct msg_beat beat = {.boot_id = x->host.boot_id,
				.instance = x->instance,
				.seq = ++x->seq,
				.caps_revision = x->revision,
				.wall_ms = clock_wall_ms()};

	beat_facts_read(now_ms, &x->sample, &f);
	beat.load1 = f.load1;
	beat.cpus = f.cpus;
	beat.cpu_permille = f.cpu_permille;
	beat.psi_cpu = f.psi_cpu;
	beat.psi_mem = f.psi_mem;
	beat.psi_io = f.psi_io;
	beat.mem_total_bytes = f.mem_total_bytes;
	beat.mem_available_bytes = f.mem_available_bytes;
	beat.net_bytes_s = f.net_bytes_s;
	disk_facts(options_str(x->options, OPT_worker_storage), &total, &beat.storage_free_bytes,
		   NULL);
	disk_facts(options_str(x->options, OPT_node_run), &total, &beat.staging_free_bytes, NULL);
	tell_body(x, MSG_TYPE_beat, &beat);
}

void facts_bye(struct executor *x, const char *reason)
{
	tell_body(x, MSG_TYPE_bye, &(struct msg_bye){.reason = reason});
}

static void caps_host(struct executor *x, struct scratch **scratch, struct msg_caps *caps)
{
	char *flags = scratch_take(scratch, sizeof(x->host.cpu_flags)), *one;

	caps->boot_id = x->host.boot_id;
	caps->instance = x->instance;
	caps->kernel = x->host.kernel;
	caps->arch = x->host.arch;
	caps->cpu_model = x->host.cpu_model;
	caps->cpus = x->host.cpus;
	caps->mem_total_bytes = x->host.mem_total_bytes;
	caps->xsave_bytes = x->host.xsave_bytes;
	caps->cgroup_version = (uint64_t)x->host.cgroup_version;
	caps->soft_dirty = x->host.soft_dirty;
	caps->userfaultfd = x->host.userfaultfd;
	caps->thp = x->host.thp;
	caps->pagemap_scan = x->host.pagemap_scan;
	caps->cgroup_controllers = x->host.cgroup_controllers;
	caps->lsm = x->host.lsm;
	caps->psi = x->host.psi;
	caps->criu_version = x->criu.version;
	caps->criu_path = x->criu.path;
	caps->criu_check = x->criu.problem[0] ? x->criu.problem : NULL;
	caps->criu_features.v = x->criu.features;
	caps->criu_features.n = x->criu.n_features;
	caps->cpuinfo = (struct msg_bin){x->criu.cpuinfo, x->criu.cpuinfo_len};
	caps->version = DROVER_VERSION;
	memcpy(flags, x->host.cpu_flags, sizeof(x->host.cpu_flags));
	caps->cpu_features.v = texts(scratch, 512);
	while ((one = strsep(&flags, " ")) && caps->cpu_features.n < 512)
		if (*one && strlen(one) <= 31)
			caps->cpu_features.v[caps->cpu_features.n++] = one;
	disk_facts(options_str(x->options, OPT_worker_storage), &caps->storage_total_bytes,
		   &caps->storage_free_bytes, NULL);
	disk_facts(options_str(x->options, OPT_node_run), &caps->staging_total_bytes,
		   &caps->staging_free_bytes, NULL);
}

/* At most `max` items of a list option that fit their field's `size`. */
static struct msg_strs caps_list(struct executor *x, enum option_id option, size_t max, size_t size,
				 struct scratch **scratch)
{
	struct msg_strs ret = {texts(scratch, max), 0};
	char item[PATH_MAX];

	for (size_t i = 0; ret.n < max && options_list_get(x->options, option, i, item, size); i++)
		ret.v[ret.n++] = scratch_fmt(scratch, "%s", item);
	return ret;
}

static void caps_config(struct executor *x, struct scratch **scratch, struct msg_caps *caps)
{
	caps->labels = caps_list(x, OPT_worker_labels, 32, 256, scratch);
	caps->allow_binds = caps_list(x, OPT_worker_allow_binds, 32, 256, scratch);
	caps->allow_devices = caps_list(x, OPT_worker_allow_devices, 32, 256, scratch);
	caps->allow_lower = caps_list(x, OPT_worker_allow_lower, 32, 256, scratch);
	if (!caps->allow_lower.n) {
		caps->allow_lower.v[0] = scratch_fmt(scratch, "%.240s/images",
						     options_str(x->options, OPT_worker_storage));
		caps->allow_lower.n = 1;
	}
	caps->allow_hooks = options_flag(x->options, OPT_worker_allow_hooks);
	caps->allow_criu_config = options_flag(x->options, OPT_worker_allow_criu_config);
	caps->headroom_percent = options_u64(x->options, OPT_worker_headroom);
}

static void caps_network(struct executor *x, struct scratch **scratch, struct msg_caps *caps)
{
	struct net_bridge bridge;
	struct msg_network *out;
	char buf[NET_TEXT];

	if (net_bridge_read(options_str(x->options, OPT_worker_bridge), &bridge, NULL))
		return;
	out = scratch_take(scratch, sizeof(*out));
	out->bridge = scratch_fmt(scratch, "%s", bridge.name);
	out->subnet = scratch_fmt(scratch, "%s", net_addr_text(&bridge.subnet, buf));
	out->mtu = bridge.mtu;
	out->speed_mbit = bridge.speed_mbit;
	caps->networks.v = out;
	caps->networks.n = 1;
}

static void caps_containers(struct executor *x, const struct runtime_driver *driver,
			    struct scratch **scratch, struct msg_caps *caps)
{
	auto_runtime_list struct runtime_list list = {0};
	struct err err;

	if (runtime_list_sync(driver, NULL, &list, &err)) {
		log_debug("%s: %s", driver->name, err.text);
		return;
	}
	for (size_t i = 0; i < list.n && caps->containers.n < CONTAINERS_MAX; i++)
		if (!facts_container(x, driver, &list.v[i], scratch,
				     &caps->containers.v[caps->containers.n], &err))
			caps->containers.n++;
}

static void caps_runtimes(struct executor *x, struct scratch **scratch, struct msg_caps *caps)
{
	char name[64];

	caps->runtimes.v = scratch_take(scratch, 8 * sizeof(*caps->runtimes.v));
	caps->containers.v = scratch_take(scratch, CONTAINERS_MAX * sizeof(*caps->containers.v));
	for (size_t i = 0; caps->runtimes.n < 8 &&
			   options_list_get(x->options, OPT_worker_runtimes, i, name, sizeof(name));
	     i++) {
		const struct runtime_driver *driver = runtime_find(name);
		struct msg_runtime *out = &caps->runtimes.v[caps->runtimes.n];
		struct runtime_version version;

		if (!driver || runtime_version_sync(driver, &version, NULL))
			continue;
		out->name = driver->name;
		out->version = scratch_fmt(scratch, "%s", version.version);
		out->path = driver->program;
		out->checkpoint = version.criu && x->criu.version;
		caps->runtimes.n++;
		caps_containers(x, driver, scratch, caps);
	}
}

/* FNV-1a over what changes rarely: the containers' ids, states and authorities. */
static uint64_t caps_sum(const struct msg_caps *caps)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < caps->containers.n; i++) {
		const struct msg_container *c = &caps->containers.v[i];
		const char *parts[] = {c->id, c->status, c->authority, c->runtime};

		for (size_t k = 0; k < ARRAY_LEN(parts); k++)
			for (const char *p = parts[k]; p && *p; p++)
				h = (h ^ (uint8_t)*p) * 0x100000001b3;
		h = (h ^ c->pid) * 0x100000001b3;
	}
	return h;
}

void facts_caps(struct executor *x, uint64_t now_ms)
{
	static uint64_t sent_ms;
	struct scratch *scratch = NULL;
	struct msg_caps caps = {.wall_ms = clock_wall_ms()};
	uint64_t sum;

	caps_host(x, &scratch, &caps);
	caps_config(x, &scratch, &caps);
	caps_network(x, &scratch, &caps);
	caps_runtimes(x, &scratch, &caps);
	sum = caps_sum(&caps);
	if (sum != x->caps_sum || !sent_ms || now_ms - sent_ms >= CAPS_EVERY_MS) {
		x->revision += sum != x->caps_sum || !sent_ms;
		x->caps_sum = sum;
		sent_ms = now_ms;
		caps.revision = x->revision;
		tell_body(x, MSG_TYPE_caps, &caps);
	}
	x->next_caps_ms = now_ms + CAPS_LOOK_MS;
	scratch_done(&scratch);
}

/* runc and crun keep a directory a container below these (their --root), so a new or ended one
 * shows at once; /run itself tells when a runtime is used for the first time. */
static void watch_runtimes(struct executor *x)
{
	static const char *const dirs[] = {"/run", "/run/runc", "/run/crun"};

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		inotify_add_watch(x->watch, dirs[i], IN_CREATE | IN_DELETE | IN_MOVED_TO);
}

void facts_watched(struct executor *x, uint64_t now_ms)
{
	char events[4096] __attribute__((aligned(8)));

	while (read(x->watch, events, sizeof(events)) > 0)
		;
	watch_runtimes(x);
	if (x->next_caps_ms > now_ms + CAPS_SETTLE_MS)
		x->next_caps_ms = now_ms + CAPS_SETTLE_MS;
}

void facts_start(struct executor *x)
{
	struct criuconf conf = {"/etc/criu", DROVER_LIBEXEC "/drover-hook", 0};
	char work[PATH_MAX];
	struct err err;

	x->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	watch_runtimes(x);
	host_facts_read(&x->host);
	str_fmt(work, sizeof(work), "%s/probe", options_str(x->options, OPT_node_run));
	if (criu_facts_sync(options_str(x->options, OPT_worker_criu), work, &x->criu, &err))
		log_warn("criu: %s", err.text);
	conf.criu_version = x->criu.version;
	if (criuconf_ensure(&conf, &err))
		log_warn("%s\tfix=\"%s\"", err.text, err.fix);
}
