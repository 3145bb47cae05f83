/* SPDX-License-Identifier: MPL-2.0
 *
 * Turns what the runtime folder reads of this host into the messages that a coordinator gets: beat
 * and caps. The containers in caps are worker/lookout.c's. */
#include "worker/facts.h"
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
#define IMAGES_MAX 128
#define NETWORKS_MAX 8

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
	struct scratch *scratch = NULL;
	struct booking booked;
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
	booking_outstanding(x, NULL, &booked);
	beat.reserved_mem_bytes = booking_mem(x, &booked);
	beat.reserved_storage_bytes = booked.storage;
	lookout_usage(x->lookout, now_ms, &scratch, &beat);
	tell_body(x, MSG_TYPE_beat, &beat);
	scratch_done(&scratch);
}

void facts_bye(struct executor *x, const char *reason)
{
	tell_body(x, MSG_TYPE_bye, &(struct msg_bye){.reason = reason});
}

static bool has(const struct msg_strs *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i], text))
			return true;
	return false;
}

/* Features that CRIU was asked for and does not have. */
static void caps_lacks(struct executor *x, struct scratch **scratch, struct msg_caps *caps)
{
	static const char *const asked[] = {
#define X(name) name,
		CRIU_FEATURE_TABLE(X)
#undef X
	};

	caps->criu_lacks.v = scratch_texts(scratch, ARRAY_LEN(asked));
	for (size_t i = 0; x->criu.version && i < ARRAY_LEN(asked); i++)
		if (!has(&caps->criu_features, asked[i]))
			caps->criu_lacks.v[caps->criu_lacks.n++] = asked[i];
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
	caps_lacks(x, scratch, caps);
	caps->cpuinfo = (struct msg_bin){x->criu.cpuinfo, x->criu.cpuinfo_len};
	caps->version = DROVER_VERSION;
	memcpy(flags, x->host.cpu_flags, sizeof(x->host.cpu_flags));
	caps->cpu_features.v = scratch_texts(scratch, 512);
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
	struct msg_strs ret = {scratch_texts(scratch, max), 0};
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
	caps->evacuate_hooks = true;
	caps->allow_hooks = options_flag(x->options, OPT_worker_allow_hooks);
	caps->allow_criu_config = options_flag(x->options, OPT_worker_allow_criu_config);
	caps->allow_privileged =
		options_flag(x->options, OPT_worker_allow_privileged) ? "yes" : "no";
	caps->headroom_percent = options_u64(x->options, OPT_worker_headroom);
	facts_config(x, scratch, caps);
}

static void add_network(const char *name, struct scratch **scratch, struct msg_caps *caps)
{
	struct msg_network *out = &caps->networks.v[caps->networks.n];
	struct net_bridge bridge;
	char buf[NET_TEXT];

	if (caps->networks.n == NETWORKS_MAX || net_bridge_read(name, &bridge, NULL))
		return;
	out->bridge = scratch_fmt(scratch, "%s", bridge.name);
	out->subnet = bridge.subnet.family
			      ? scratch_fmt(scratch, "%s", net_addr_text(&bridge.subnet, buf))
			      : NULL;
	out->mtu = bridge.mtu;
	out->speed_mbit = bridge.speed_mbit;
	caps->networks.n++;
}

/* sysfs shows the network namespace that it was mounted in, which is the host's. */
static void caps_networks(struct executor *x, struct scratch **scratch, struct msg_caps *caps)
{
	const char *first = options_str(x->options, OPT_worker_bridge);
	auto_closedir DIR *dir = opendir("/sys/class/net");
	const struct dirent *e;
	char path[128];

	caps->networks.v = scratch_take(scratch, NETWORKS_MAX * sizeof(*caps->networks.v));
	add_network(first, scratch, caps);
	while (dir && (e = readdir(dir)))
		if (!str_eq(e->d_name, first) &&
		    str_fmt(path, sizeof(path), "/sys/class/net/%.32s/bridge", e->d_name) &&
		    access(path, F_OK) == 0)
			add_network(e->d_name, scratch, caps);
}

static void caps_images(struct scratch **scratch, struct msg_caps *caps)
{
	caps->images.v = scratch_texts(scratch, IMAGES_MAX);
	for (size_t i = 0; i < caps->allow_lower.n; i++) {
		auto_closedir DIR *dir = opendir(caps->allow_lower.v[i]);
		const struct dirent *e;

		while (dir && caps->images.n < IMAGES_MAX && (e = readdir(dir)))
			if (e->d_name[0] != '.' && e->d_type == DT_DIR &&
			    strlen(caps->allow_lower.v[i]) + strlen(e->d_name) < 254)
				caps->images.v[caps->images.n++] = scratch_fmt(
					scratch, "%s/%s", caps->allow_lower.v[i], e->d_name);
	}
}

/* FNV-1a over the record without what changes by itself. Containers are copied for that: a record
 * that is encoded has all of them or none. */
static uint64_t caps_sum(const struct msg_caps *caps, struct scratch **scratch)
{
	struct msg_caps calm = *caps;
	uint64_t h = 0xcbf29ce484222325;
	auto_free void *body = NULL;
	size_t len = 0;

	calm.wall_ms = calm.storage_free_bytes = calm.staging_free_bytes = calm.revision = 0;
	calm.containers.v =
		scratch_take(scratch, (caps->containers.n + 1) * sizeof(*calm.containers.v));
	for (size_t i = 0; i < caps->containers.n; i++) {
		struct msg_container *c = &calm.containers.v[i];

		*c = caps->containers.v[i];
		c->rss_bytes = c->cpu_permille = c->tasks = c->tcp_established = c->tree_bytes = 0;
		c->inotify = c->file_locks = c->dirty_bytes_s = 0;
		c->dirty_known = false;
	}
	if (msg_encode_body(MSG_TYPE_caps, &calm, &body, &len, NULL))
		return 0;
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)body)[i]) * 0x100000001b3;
	return h;
}

void facts_caps(struct executor *x, uint64_t now_ms)
{
	static uint64_t sent_ms;
	struct scratch *scratch = NULL;
	struct msg_caps caps = {.wall_ms = clock_wall_ms()};
	uint64_t sum;
	bool settled;

	caps_host(x, &scratch, &caps);
	caps_config(x, &scratch, &caps);
	caps_networks(x, &scratch, &caps);
	caps_images(&scratch, &caps);
	settled = lookout_caps(x, now_ms, &scratch, &caps);
	sum = caps_sum(&caps, &scratch);
	if (sum != x->caps_sum || !sent_ms || now_ms - sent_ms >= CAPS_EVERY_MS) {
		x->revision += sum != x->caps_sum || !sent_ms;
		x->caps_sum = sum;
		sent_ms = now_ms;
		caps.revision = x->revision;
		tell_body(x, MSG_TYPE_caps, &caps);
	}
	x->next_caps_ms = now_ms + (settled ? CAPS_LOOK_MS : CAPS_SETTLE_MS);
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
	x->lookout = lookout_new();
	watch_runtimes(x);
	host_facts_read(&x->host);
	str_fmt(work, sizeof(work), "%s/probe", options_str(x->options, OPT_node_run));
	if (criu_facts_sync(options_str(x->options, OPT_worker_criu), work, &x->criu, &err))
		log_warn("criu: %s", err.text);
	conf.criu_version = x->criu.version;
	if (criuconf_ensure(&conf, &err))
		log_error(LOG_LEVEL_WARN, "", &err);
}
