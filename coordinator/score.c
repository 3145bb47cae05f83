/* SPDX-License-Identifier: MPL-2.0
 *
 * The verdict: one small check a line, each adding at most a few reasons. */
#include "coordinator/score.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024u * 1024u)

static const struct reason_row rows[] = {
#define X(id, code_, about_, skip_, fix_) \
	[REASON_##id] = {.code = code_, .about = ABOUT_##about_, .skip = skip_, .fix = fix_},
	REASON_TABLE(X)
#undef X
};

const struct reason_row *reason_row(enum reason_id id)
{
	return &rows[id];
}

const struct reason_row *reason_find(const char *code)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(rows[i].code, code))
			return &rows[i];
	return NULL;
}

bool score_skips(const struct msg_strs *skip, const char *name)
{
	if (!name || !*name)
		return false;
	return strs_have(skip, name) || strs_have(skip, "all");
}

/* One verdict in the making. */
struct judge {
	const struct score_query *query;
	const struct msg_container *ct;
	const struct node *source, *target;
	const struct msg_caps *from, *to; /* never NULL within the checks */
	struct verdict *verdict;
};

__attribute__((format(printf, 4, 5))) static void note(const struct judge *j, enum reason_id id,
						       bool warning, const char *fmt, ...)
{
	struct verdict *verdict = j->verdict;
	struct reason *reason;
	char why[500];
	va_list args;

	if (verdict->n == VERDICT_REASONS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	reason = &verdict->v[verdict->n++];
	*reason = (struct reason){.row = &rows[id], .why = str_dup(why)};
	reason->warning = warning || score_skips(&j->query->skip, rows[id].skip);
	if (!reason->warning)
		verdict->feasible = false;
}

#define refuse(j, id, ...) note(j, REASON_##id, false, __VA_ARGS__)
#define warn(j, id, ...) note(j, REASON_##id, true, __VA_ARGS__)

static const char *version_text(char buf[24], uint64_t version)
{
	snprintf(buf, 24, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, version / 10000, version / 100 % 100,
		 version % 100);
	return buf;
}

/* --- the container --- */

static void check_container(const struct judge *j)
{
	const struct msg_container *ct = j->ct;

	if (!str_eq(ct->status, "running"))
		refuse(j, stopped, "%s is %s, not running", given(ct->id), given(ct->status));
	if (j->query->busy)
		refuse(j, busy, "another job is moving %s", given(ct->id));
	if (ct->io_uring)
		refuse(j, io_uring, "a process of %s has an io_uring open", given(ct->id));
	if (ct->tty)
		refuse(j, tty, "%s has a terminal as its stdio", given(ct->id));
	if (ct->external_unix)
		refuse(j, ext_unix, "%s is connected to a unix socket outside of it",
		       given(ct->id));
	if (ct->shares_netns)
		refuse(j, shared_netns, "others share the network namespace of %s", given(ct->id));
	if (ct->net && str_eq(ct->net->kind, "host") && ct->inet_sockets)
		refuse(j, net_host, "%s uses the network of its host and has sockets open",
		       given(ct->id));
}

/* --- CRIU and the kernel --- */

/* A CRIU that fails on kernels from some version on. `sockets`: only when the container has
 * internet sockets; `dump`: only on the source. */
static const struct kernel_row {
	unsigned major, minor; /* from this kernel on */
	uint64_t criu_below;   /* CRIU older than this */
	bool sockets, dump;
	const char *what;
} kernel_rows[] = {
	/* https://github.com/checkpoint-restore/criu/issues/2532 */
	{6, 13, 40100, false, false, "it stops at start: unexpected rt vDSO area bounds"},
	/* https://github.com/checkpoint-restore/criu/issues/2705 */
	{6, 16, 40200, true, true, "its dump fails on internet sockets: can't get 1:16 opt"},
};

static void check_kernel(const struct judge *j, const struct msg_caps *caps, bool dumps)
{
	unsigned major = 0, minor = 0;
	char version[24];

	if (!caps->criu_version || sscanf(given(caps->kernel), "%u.%u", &major, &minor) != 2)
		return;
	for (size_t i = 0; i < ARRAY_LEN(kernel_rows); i++) {
		const struct kernel_row *row = &kernel_rows[i];

		if (major < row->major || (major == row->major && minor < row->minor) ||
		    caps->criu_version >= row->criu_below)
			continue;
		if ((row->sockets && !j->ct->inet_sockets) || (row->dump && !dumps))
			continue;
		note(j, dumps ? REASON_source_kernel : REASON_kernel_criu, false,
		     "criu %s on kernel %s: %s", version_text(version, caps->criu_version),
		     given(caps->kernel), row->what);
	}
}

static const struct msg_runtime *runtime_of(const struct msg_caps *caps, const char *name)
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
}

static void check_criu(const struct judge *j)
{
	uint64_t source = j->from->criu_version, target = j->to->criu_version;
	char has[24], wants[24];

	if (!target) {
		refuse(j, criu_missing, "%s has no criu", j->target->id);
		return;
	}
	version_text(has, target);
	version_text(wants, source);
	if (target < 31900)
		refuse(j, criu_old,
		       "criu %s on %s has no post-restore hook that can hold a container", has,
		       j->target->id);
	if (source && target / 100 < source / 100)
		refuse(j, criu_version, "criu %s on %s is older than %s on %s", has, j->target->id,
		       wants, j->source->id);
	else if (source && target / 100 != source / 100)
		warn(j, criu_version, "criu %s on %s, %s on %s", has, j->target->id, wants,
		     j->source->id);
	if (given(j->to->criu_check)[0])
		refuse(j, criu_check, "criu check on %s: %s", j->target->id, j->to->criu_check);
	check_kernel(j, j->to, false);
}

/* --- the machine --- */

static void check_features(const struct judge *j)
{
	char missing[200] = "";
	size_t n = 0;

	if (j->source->features_digest == j->target->features_digest)
		return;
	for (size_t i = 0; i < j->from->cpu_features.n; i++) {
		const char *feature = j->from->cpu_features.v[i];
		size_t used = strlen(missing);

		if (strs_have(&j->to->cpu_features, feature))
			continue;
		if (n++ < 6)
			str_fmt(missing + used, sizeof(missing) - used, " %s", feature);
	}
	if (n)
		refuse(j, cpu_features, "the CPU of %s lacks %zu feature%s of %s:%s%s",
		       j->target->id, n, n == 1 ? "" : "s", j->source->id, missing,
		       n > 6 ? " …" : "");
}

static void check_machine(const struct judge *j)
{
	const struct msg_runtime *runtime = runtime_of(j->to, j->ct->runtime);

	if (!str_eq(given(j->from->arch), given(j->to->arch))) {
		refuse(j, arch, "%s is %s, %s is %s", j->source->id, given(j->from->arch),
		       j->target->id, given(j->to->arch));
		return; /* the CPUs' features cannot be compared */
	}
	check_features(j);
	if (j->to->xsave_bytes < j->from->xsave_bytes)
		refuse(j, cpu_xsave, "xsave area of %" PRIu64 " bytes on %s, %" PRIu64 " on %s",
		       j->to->xsave_bytes, j->target->id, j->from->xsave_bytes, j->source->id);
	if (!runtime)
		refuse(j, runtime, "%s has no %s", j->target->id, given(j->ct->runtime));
	else if (!runtime->checkpoint)
		refuse(j, runtime, "%s on %s cannot restore", given(j->ct->runtime), j->target->id);
	if (j->from->cgroup_version != j->to->cgroup_version)
		refuse(j, cgroup, "cgroup v%" PRIu64 " on %s, v%" PRIu64 " on %s",
		       j->to->cgroup_version, j->target->id, j->from->cgroup_version,
		       j->source->id);
	else if (j->to->cgroup_version == 1 && str_eq(j->ct->runtime, "crun"))
		refuse(j, cgroup, "crun cannot restore on cgroup v1, which %s has", j->target->id);
}

/* --- space --- */

/* The restored memory, and its image in the staging area, which is memory too (tmpfs). */
static void check_memory(const struct judge *j)
{
	const struct msg_beat *beat = j->target->beat ? j->target->beat->beat : NULL;
	uint64_t rss = j->ct->rss_bytes, need = rss + rss / 10 + rss, reserve, has;
	char a[STR_HUMAN_SIZE], b[STR_HUMAN_SIZE], c[STR_HUMAN_SIZE], d[STR_HUMAN_SIZE];

	if (!beat || !beat->mem_total_bytes)
		return;
	reserve = beat->mem_total_bytes / 100 * j->query->headroom_percent;
	has = beat->mem_available_bytes;
	if (need + reserve + j->target->booked_bytes <= has)
		return;
	refuse(j, mem,
	       "%s needs %s (image and copy) and %s keeps %s free: %s is available, %s is booked",
	       given(j->ct->id), str_human_bytes(a, need), j->target->id,
	       str_human_bytes(b, reserve), str_human_bytes(c, has),
	       str_human_bytes(d, j->target->booked_bytes));
}

static void check_space(const struct judge *j)
{
	const struct msg_beat *beat = j->target->beat ? j->target->beat->beat : NULL;
	uint64_t storage = j->to->storage_free_bytes, staging = j->to->staging_free_bytes;
	uint64_t tree = j->ct->tree_bytes + j->ct->tree_bytes / 10 + 16 * MIB;
	uint64_t image = j->ct->rss_bytes + j->ct->rss_bytes / 10 + 16 * MIB;
	char a[STR_HUMAN_SIZE], b[STR_HUMAN_SIZE];

	if (beat && beat->storage_free_bytes)
		storage = beat->storage_free_bytes;
	if (beat && beat->staging_free_bytes)
		staging = beat->staging_free_bytes;
	if (j->to->storage_total_bytes && storage < tree)
		refuse(j, disk, "its files need %s, %s has %s free", str_human_bytes(a, tree),
		       j->target->id, str_human_bytes(b, storage));
	if (j->to->staging_total_bytes && staging < image)
		refuse(j, staging, "its image needs %s, the staging area of %s has %s free",
		       str_human_bytes(a, image), j->target->id, str_human_bytes(b, staging));
}

/* --- network --- */

/* Whether an IPv4 or IPv6 address (a prefix length after it is ignored) lies in "net/len". */
static bool in_subnet(const char *address, const char *subnet)
{
	uint8_t a[16], s[16];
	char host[64], net[64];
	unsigned bits = 0, family;

	if (!str_copy(host, sizeof(host), address) ||
	    sscanf(subnet, "%63[0-9a-fA-F.:]/%u", net, &bits) != 2)
		return false;
	host[strcspn(host, "/")] = '\0';
	family = strchr(net, ':') ? AF_INET6 : AF_INET;
	if (bits > (family == AF_INET6 ? 128u : 32u) || inet_pton((int)family, host, a) != 1 ||
	    inet_pton((int)family, net, s) != 1)
		return false;
	if (bits / 8 && memcmp(a, s, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a[bits / 8] ^ s[bits / 8]) >> (8 - bits % 8) == 0;
}

static void check_addresses(const struct judge *j, const struct msg_network *network)
{
	const struct msg_net *net = j->ct->net;
	bool v6 = given(network->subnet)[0] && strchr(network->subnet, ':');

	if (!given(network->subnet)[0])
		return; /* a bridge without an address of its own: any subnet may live on it */
	for (size_t i = 0; i < net->addrs.n; i++) {
		const char *address = net->addrs.v[i];

		if (!!strchr(address, ':') != v6 || in_subnet(address, network->subnet))
			continue;
		refuse(j, net_subnet, "its address %s is outside of %s on bridge %s of %s", address,
		       network->subnet, given(network->bridge), j->target->id);
	}
}

static void check_network(const struct judge *j)
{
	const struct msg_net *net = j->ct->net;

	if (!net || !str_eq(net->kind, "named") || !given(net->bridge)[0])
		return;
	for (size_t i = 0; i < j->to->networks.n; i++)
		if (str_eq(j->to->networks.v[i].bridge, net->bridge)) {
			check_addresses(j, &j->to->networks.v[i]);
			return;
		}
	refuse(j, net_bridge, "%s has no bridge %s", j->target->id, net->bridge);
}

static void check_names(const struct judge *j)
{
	const struct msg_container *other = node_container(j->target, given(j->ct->id));

	if (other && !container_is_copy(other))
		refuse(j, name_taken, "%s has a container %s already (%s)", j->target->id,
		       given(j->ct->id), given(other->status));
	/* Only a host that lists its images can be found to lack one; its own check looks again. */
	if (given(j->ct->image)[0] && j->to->images.n && !strs_have(&j->to->images, j->ct->image))
		refuse(j, image, "%s lacks the image %s", j->target->id, j->ct->image);
}

static bool check_host(const struct judge *j)
{
	if (j->target == j->source) {
		refuse(j, same_host, "it is on %s already", j->target->id);
		return false;
	}
	if (j->target->state != NODE_up || !j->target->caps || !j->target->enrolled) {
		refuse(j, host_down, "%s is %s%s%s", j->target->id,
		       node_state_name(j->target->state), j->target->note[0] ? ": " : "",
		       j->target->state == NODE_up ? " but has not told its capabilities"
						   : j->target->note);
		return false;
	}
	if (j->target->cordoned)
		refuse(j, host_cordoned, "%s is cordoned%s%s", j->target->id,
		       *j->target->cordon_reason ? ": " : "", j->target->cordon_reason);
	return true;
}

void score_verdict(const struct score_query *query, const struct node *target, struct verdict *ret)
{
	static const struct msg_caps nothing;
	const struct node *source = query->source;
	struct judge j = {.query = query,
			  .ct = query->container,
			  .source = source,
			  .target = target,
			  .from = source->caps ? source->caps->caps : &nothing,
			  .to = target->caps ? target->caps->caps : &nothing,
			  .verdict = ret};

	*ret = (struct verdict){.feasible = true};
	check_container(&j);
	check_source(&j);
	if (!check_host(&j))
		return;
	check_criu(&j);
	check_machine(&j);
	check_memory(&j);
	check_space(&j);
	check_network(&j);
	check_names(&j);
}

void verdict_done(struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->n; i++)
		free(verdict->v[i].why);
	*verdict = (struct verdict){0};
}

size_t verdict_reasons(const struct verdict *verdict, struct msg_reason ret[VERDICT_REASONS_MAX])
{
	for (size_t i = 0; i < verdict->n; i++)
		ret[i] = (struct msg_reason){.code = verdict->v[i].row->code,
					     .why = verdict->v[i].why,
					     .fix = verdict->v[i].row->fix,
					     .warning = verdict->v[i].warning,
					     .skip = verdict->v[i].row->skip};
	return verdict->n;
}

const char *verdict_word(const struct verdict *verdict)
{
	return !verdict->feasible ? "no" : verdict->n ? "warn" : "live";
}

void verdict_print(const struct verdict *verdict, char *ret_text, size_t size)
{
	size_t used = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < verdict->n; i++) {
		if (verdict->v[i].warning)
			continue;
		str_fmt(ret_text + used, size - used, "%s%s: %s", used ? "; " : "",
			verdict->v[i].row->code, verdict->v[i].why);
		used = strlen(ret_text);
	}
}

const char *verdict_fix(const struct verdict *verdict)
{
	for (size_t i = 0; i < verdict->n; i++)
		if (!verdict->v[i].warning)
			return verdict->v[i].row->fix;
	return "";
}
