/* SPDX-License-Identifier: MPL-2.0
 *
 * The checks, one small function each. They add reasons and go on: a person who mends one thing
 * wants to know the others, too. */
#include "worker/arrival.h"

#include "base/clock.h"
#include "base/codes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/cgroup.h"
#include "runtime/demands.h"
#include "runtime/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define REASONS_MAX 32
#define PROBE_LIMIT_MS 200
#define PROBE_OUT_MAX 4096
#define PROBE_MACS 4

static const struct runtime_driver *driver_of(const struct mig *m)
{
	return runtime_find(m->row.runtime);
}

/* --- reasons --- */

bool arrival_skips(const struct mig *m, const char *name)
{
	for (size_t i = 0; *name && i < WIRE_SKIPS && m->ask.skip[i][0]; i++)
		if (str_eq(m->ask.skip[i], name) || str_eq(m->ask.skip[i], "all"))
			return true;
	return false;
}

static void note(struct mig *m, enum code_id id, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void note(struct mig *m, enum code_id id, const char *fmt, ...)
{
	const struct code_row *row = code_row(id);
	struct msg_reason *reason;
	char why[501];
	va_list args;

	if (!m->answer.reasons.v)
		m->answer.reasons.v =
			scratch_take(&m->scratch, REASONS_MAX * sizeof(*m->answer.reasons.v));
	if (m->answer.reasons.n == REASONS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	reason = &m->answer.reasons.v[m->answer.reasons.n++];
	reason->code = row->code;
	reason->skip = row->skip;
	reason->fix = row->fix;
	reason->why = scratch_fmt(&m->scratch, "%s", why);
	reason->warning = row->bars == BARS_none || arrival_skips(m, row->skip);
}

/* 0, or the first reason that refuses as the error. */
static int verdict(const struct mig *m, struct err *err)
{
	for (size_t i = 0; i < m->answer.reasons.n; i++) {
		const struct msg_reason *reason = &m->answer.reasons.v[i];

		if (reason->warning)
			continue;
		fail(err, ERR_refused, "%s: %s", reason->code, reason->why);
		return err_fix(err, "%s", reason->fix);
	}
	return 0;
}

/* --- names and paths --- */

/* Whether each part of a path that is there already is a directory, and no symlink. */
static bool is_plain(int top, char *path)
{
	for (char *slash = path; slash;) {
		int fd;

		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		fd = file_open_beneath(top, path, O_PATH | O_DIRECTORY, 0);
		if (slash)
			*slash++ = '/';
		if (fd < 0)
			return fd == -ENOENT;
		close(fd);
	}
	return true;
}

/* The receiver's own directories below .drover are another user's. */
bool arrival_in_storage(const struct executor *x, const char *path)
{
	const char *storage = options_str(x->options, OPT_worker_storage);
	auto_close int top = open(storage, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char below[PATH_MAX];
	size_t len = strlen(storage);

	return top >= 0 && path_ok(path) && str_starts(path, storage) && path[len] == '/' &&
	       str_copy(below, sizeof(below), path + len + 1) && below[0] && below[0] != '.' &&
	       is_plain(top, below);
}

static void check_name(struct executor *x, struct mig *m)
{
	struct runtime_container found;
	const struct runtime_driver *driver = driver_of(m);

	if (!driver)
		note(m, CODE_runtime, "%s does not know the runtime %s", x->self, m->row.runtime);
	else if (!runtime_state_sync(driver, NULL, m->row.container, &found, NULL) &&
		 !str_eq(found.status, "stopped"))
		note(m, CODE_name_taken, "%s has a container %s already (%s)", x->self,
		     m->row.container, found.status);
	if (!arrival_in_storage(x, m->row.bundle))
		note(m, CODE_storage, "%s is not in %s, the container storage of %s", m->row.bundle,
		     options_str(x->options, OPT_worker_storage), x->self);
}

static const char *kind_of(mode_t mode)
{
	return S_ISDIR(mode)    ? "dir"
	       : S_ISREG(mode)  ? "file"
	       : S_ISCHR(mode)  ? "char"
	       : S_ISBLK(mode)  ? "block"
	       : S_ISSOCK(mode) ? "socket"
				: "fifo";
}

static void rdev_text(dev_t rdev, char buf[24])
{
	str_fmt(buf, 24, "%u:%u", major(rdev), minor(rdev));
}

static void check_mounts(struct executor *x, struct mig *m)
{
	for (uint32_t i = 0; i < m->ask.uses.n_mounts; i++) {
		const struct wire_mount *mount = &m->ask.uses.mounts[i];
		char rdev[24];
		struct stat st;

		if (!mount->source[0])
			continue;
		if (stat(mount->source, &st) < 0) {
			note(m, CODE_mount, "%s, which is mounted into it, is not on %s",
			     mount->source, x->self);
			continue;
		}
		rdev_text(st.st_rdev, rdev);
		if (mount->kind[0] && !str_eq(mount->kind, "missing") &&
		    !str_eq(mount->kind, kind_of(st.st_mode)))
			note(m, CODE_mount,
			     "%s, which is mounted into it, is a %s on %s and a %s "
			     "on %s",
			     mount->source, kind_of(st.st_mode), x->self, mount->kind, m->row.peer);
		else if (mount->rdev[0] && !str_eq(mount->rdev, rdev))
			note(m, CODE_dev, "%s is device %s on %s and %s on %s", mount->source, rdev,
			     x->self, mount->rdev, m->row.peer);
	}
}

static void check_devices(struct executor *x, struct mig *m)
{
	for (uint32_t i = 0; i < m->ask.uses.n_devices; i++) {
		const struct wire_device *device = &m->ask.uses.devices[i];
		struct stat st;

		if (stat(device->path, &st) < 0)
			note(m, CODE_dev, "%s is not on %s", device->path, x->self);
		else if (device->kind[0] &&
			 (!str_eq(device->kind, kind_of(st.st_mode)) ||
			  major(st.st_rdev) != device->major || minor(st.st_rdev) != device->minor))
			note(m, CODE_dev, "%s is %s %u:%u on %s and %s %u:%u on %s", device->path,
			     kind_of(st.st_mode), major(st.st_rdev), minor(st.st_rdev), x->self,
			     device->kind, device->major, device->minor, m->row.peer);
	}
}

static void check_image(struct executor *x, struct mig *m)
{
	char lowers[sizeof(m->ask.uses.image)];
	char *rest = lowers, *one;

	str_copy(lowers, sizeof(lowers), m->ask.uses.image);
	while ((one = strsep(&rest, ":")))
		if (*one == '/' && access(one, F_OK) < 0)
			note(m, CODE_image, "%s lacks the image directory %s", x->self, one);
}

/* --- policy --- */

static void judge(struct executor *x, struct mig *m, const struct demand *demand)
{
	char text[DEMAND_TEXT + 64];
	const char *option;

	switch (demand_judge(demand, x->options, m->row.bundle, m->row.net.netns, &option)) {
	case DEMAND_refused:
		note(m, CODE_target_policy, "%.300s: not allowed on %s%s%s",
		     demand_text(demand, text, sizeof(text)), x->self, *option ? ", see " : "",
		     option);
		break;
	case DEMAND_warned:
		note(m, CODE_privileged, "%s has on %s, too: %.300s", m->row.container, x->self,
		     demand_text(demand, text, sizeof(text)));
		break;
	case DEMAND_allowed:
		if (demand->kind == DEMAND_privilege)
			note(m, CODE_privileged, "%s has on %s, too: %.300s", m->row.container,
			     x->self, demand_text(demand, text, sizeof(text)));
		break;
	}
}

static void judge_lowers(struct executor *x, struct mig *m, const char *lowers)
{
	char which[PATH_MAX];

	if (*lowers && !demand_lowers_allowed(lowers, x->options, which, sizeof(which)))
		note(m, CODE_target_policy,
		     "image directory %.300s: not allowed on %s, see "
		     "worker.allow_lower",
		     which, x->self);
}

/* What the source says that the configuration asks for. It is not believed: arrival_policy looks
 * at the configuration itself, when it is here. */
static void check_policy(struct executor *x, struct mig *m)
{
	const struct wire_uses *uses = &m->ask.uses;
	auto_free struct demand *d = mem_new_of(struct demand);

	for (uint32_t i = 0; i < uses->n_mounts; i++) {
		d->kind = DEMAND_bind;
		str_copy(d->text, sizeof(d->text), uses->mounts[i].source);
		judge(x, m, d);
	}
	for (uint32_t i = 0; i < uses->n_devices; i++) {
		d->kind = DEMAND_device;
		d->dev_kind = uses->devices[i].kind[0];
		d->major = d->dev_kind ? (int)uses->devices[i].major : DEMAND_ANY;
		d->minor = (int)uses->devices[i].minor;
		str_copy(d->text, sizeof(d->text), uses->devices[i].path);
		judge(x, m, d);
	}
	for (uint32_t i = 0; i < uses->n_security; i++) {
		demand_parse(uses->security[i], d);
		if (d->kind != DEMAND_netns)
			judge(x, m, d);
	}
	str_copy(d->text, sizeof(d->text), "that it has");
	d->kind = DEMAND_hook;
	if (uses->hooks)
		judge(x, m, d);
	d->kind = DEMAND_criu;
	if (uses->criu_config)
		judge(x, m, d);
	if (uses->image[0] == '/')
		judge_lowers(x, m, uses->image);
}

/* What only the files that are here now can tell: that the root leads nowhere else, and that the
 * control group is nobody's. */
static void check_bundle(struct executor *x, struct mig *m)
{
	auto_bundle struct bundle b = {0};
	size_t len = strlen(m->row.bundle);
	pid_t pid;

	if (bundle_read(m->row.bundle, &b, NULL)) {
		note(m, CODE_target_policy, "config.json has no root path that can be used");
		return;
	}
	if (!str_starts(b.rootfs, m->row.bundle) || b.rootfs[len] != '/' ||
	    !arrival_in_storage(x, b.rootfs))
		note(m, CODE_target_policy, "root path %.300s leads out of the bundle", b.rootfs);
	if (b.cgroups_path && cgroup_populated(b.cgroups_path, &pid))
		note(m, CODE_target_policy, "control group %.300s: process %d of %s is in it",
		     b.cgroups_path, (int)pid, x->self);
}

int arrival_policy(struct executor *x, struct mig *m, const char *lower, struct err *err)
{
	auto_free struct demands *demands = mem_new_of(struct demands);

	if (demands_read(m->row.bundle, demands, err)) {
		err->code = ERR_refused;
		return err_wrap(err, "%s", code_row(CODE_target_policy)->code);
	}
	for (size_t i = 0; i < demands->n; i++)
		judge(x, m, &demands->v[i]);
	judge_lowers(x, m, lower);
	check_bundle(x, m);
	return verdict(m, err);
}

/* --- CPU and room --- */

static void check_cpu(struct executor *x, struct mig *m)
{
	char work[PATH_MAX];
	struct err why;

	if (m->ask.cold || !m->ask.cpuinfo_len || arrival_skips(m, "cpu"))
		return;
	str_fmt(work, sizeof(work), "%s/probe", options_str(x->options, OPT_node_run));
	if (criu_cpuinfo_check(x->criu.path, work, m->ask.cpuinfo, m->ask.cpuinfo_len, &why))
		note(m, CODE_cpu_features, "criu cpuinfo check on %s: %s", x->self, why.text);
}

/* A cold move has no image. */
static void need_of(const struct mig *m, struct booking *ret)
{
	booking_need(m->ask.rss_bytes, m->ask.tree_bytes, ret);
	if (m->ask.cold)
		ret->staging = 0;
}

static void check_room(struct executor *x, struct mig *m, const struct booking *need)
{
	char a[STR_HUMAN_SIZE], b[STR_HUMAN_SIZE];
	struct booking room;

	booking_room(x, m, &room);
	if (booking_mem(x, need) > room.mem)
		note(m, CODE_mem, "it needs %s of memory, %s has %s for it",
		     str_human_bytes(a, booking_mem(x, need)), x->self,
		     str_human_bytes(b, room.mem));
	if (need->staging > room.staging)
		note(m, CODE_staging, "its image needs %s, %s has %s for it in %s",
		     str_human_bytes(a, need->staging), x->self, str_human_bytes(b, room.staging),
		     options_str(x->options, OPT_node_run));
	if (need->storage > room.storage)
		note(m, CODE_disk, "its files need %s, %s has %s for it in %s",
		     str_human_bytes(a, need->storage), x->self, str_human_bytes(b, room.storage),
		     options_str(x->options, OPT_worker_storage));
}

/* --- network --- */

static void check_ports(struct executor *x, struct mig *m)
{
	if (!m->ask.has_net || m->ask.net.kind != NET_HOST)
		return;
	for (uint32_t i = 0; i < m->ask.uses.n_listening; i++)
		if (port_taken(m->ask.uses.listening[i]))
			note(m, CODE_port, "%s is in use on %s", m->ask.uses.listening[i], x->self);
}

static void check_bridge(struct executor *x, struct mig *m)
{
	const struct net_state *net = &m->ask.net;
	char a[NET_TEXT], b[NET_TEXT];
	struct net_bridge bridge;

	if (net_bridge_read(net->bridge, &bridge, NULL)) {
		note(m, CODE_net_bridge, "%s has no bridge %s", x->self, net->bridge);
		return;
	}
	for (uint32_t i = 0; i < net->n_addrs; i++)
		if (bridge.subnet.family == net->addrs[i].family &&
		    !net_addr_within(&net->addrs[i], &bridge.subnet))
			note(m, CODE_net_subnet,
			     "its address %s is outside of %s on bridge %s of %s",
			     net_addr_text(&net->addrs[i], a), net_addr_text(&bridge.subnet, b),
			     net->bridge, x->self);
}

static int begin_probe(struct executor *x, struct mig *m, struct err *err)
{
	auto_argv struct run_argv argv = {0};
	struct run_spec spec = {.timeout_ms = 10000, .stdout_max = PROBE_OUT_MAX};
	char text[NET_TEXT];
	size_t n = 0;
	int rc;

	argv_add(&argv, x->libexec_worker);
	argv_add(&argv, "--role=probe");
	argv_add(&argv, m->ask.net.bridge);
	for (uint32_t i = 0; i < m->ask.net.n_addrs; i++)
		if (m->ask.net.addrs[i].family == AF_INET) {
			argv_add(&argv, net_addr_text(&m->ask.net.addrs[i], text));
			n++;
		}
	if (!n)
		return 0;
	spec.argv = (const char *const *)argv.v;
	rc = run_start(&spec, clock_mono_ms(), &m->child, err);
	return rc ? rc : 1;
}

/* Whoever answers must be the container itself, where it still is: then the target is on its
 * network, too. */
static void judge_address(struct executor *x, struct mig *m, const char *out,
			  const struct net_addr *addr)
{
	char own[NET_TEXT], text[NET_TEXT], wanted[NET_TEXT + 2], mac[32];
	const char *line = out;
	size_t n = 0;

	net_mac_text(m->ask.net.mac, own);
	str_fmt(wanted, sizeof(wanted), "%s ", net_addr_text(addr, text));
	while ((line = strstr(line, wanted))) {
		line += strlen(wanted);
		n++;
		str_fmt(mac, sizeof(mac), "%.17s", line);
		if (!str_eq(mac, own))
			note(m, CODE_address, "%s has %s on bridge %s of %s; the container is %s",
			     mac, text, m->ask.net.bridge, x->self, own);
	}
	if (!n)
		note(m, CODE_net_silent, "nobody answers for %s on bridge %s of %s", text,
		     m->ask.net.bridge, x->self);
}

static void judge_probe(struct executor *x, struct mig *m, const char *out)
{
	for (uint32_t i = 0; i < m->ask.net.n_addrs; i++)
		if (m->ask.net.addrs[i].family == AF_INET)
			judge_address(x, m, out, &m->ask.net.addrs[i]);
}

/* --- the acts --- */

int arrival_check(struct executor *x, struct mig *m, struct err *err)
{
	bool named = m->ask.has_net && m->ask.net.kind == NET_NAMED;
	struct booking need;
	struct net_bridge bridge;
	int rc = prover_knows(x->prover, m->row.peer, err);

	if (rc)
		return rc;
	need_of(m, &need);
	check_name(x, m);
	check_mounts(x, m);
	check_devices(x, m);
	check_policy(x, m);
	check_image(x, m);
	check_cpu(x, m);
	check_room(x, m, &need);
	check_ports(x, m);
	if (named)
		check_bridge(x, m);
	if (!named || net_bridge_read(m->ask.net.bridge, &bridge, NULL))
		return verdict(m, err);
	rc = begin_probe(x, m, err);
	return rc ? rc : verdict(m, err);
}

int arrival_checked(struct executor *x, struct mig *m, struct err *err)
{
	if (!m->child || !run_step(m->child, clock_mono_ms()))
		return 1;
	if (run_check(run_result(m->child), "asking for its addresses", err))
		log_warn("%s\tmigration=%s", err->text, m->row.migration);
	else
		judge_probe(x, m, run_result(m->child)->out);
	run_free(&m->child);
	return verdict(m, err);
}

/* Check may have been long ago, or never. */
int arrival_book(struct executor *x, struct mig *m, struct err *err)
{
	struct booking need;
	int rc;

	need_of(m, &need);
	check_name(x, m);
	check_room(x, m, &need);
	rc = verdict(m, err);
	if (!rc)
		m->booked = need;
	return rc;
}

int probe_main(int argc, char **argv)
{
	struct net_addr addr;
	uint8_t macs[PROBE_MACS][6];
	char text[NET_TEXT];
	struct err err;
	int rc = 0;

	for (int i = 2; i < argc && rc >= 0; i++) {
		rc = net_addr_parse(argv[i], &addr, &err);
		if (!rc)
			rc = net_probe(argv[1], &addr, PROBE_LIMIT_MS, macs, PROBE_MACS, &err);
		for (int k = 0; k < rc; k++)
			printf("%s %s\n", argv[i], net_mac_text(macs[k], text));
	}
	if (rc >= 0)
		return 0;
	fprintf(stderr, "%s\n", err.text);
	return err_exit_code(err.code);
}
