/* SPDX-License-Identifier: MPL-2.0
 *
 * Each reason against a host is found with its stable code and its values. */
#include "test_score_world.h"

static void judge(struct world *w)
{
	struct score_query query = query_of(w);

	score_verdict(&query, nodes_find(&w->nodes, "beta"), &w->verdict);
}

static bool has(const struct world *w, const char *code)
{
	for (size_t i = 0; i < w->verdict.n; i++)
		if (str_eq(w->verdict.v[i].row->code, code))
			return true;
	return false;
}

static void a_good_host_has_no_reason_against_it(void **state)
{
	struct world w;

	(void)state;
	good_world(&w);
	hear_all(&w);
	judge(&w);
	assert_int_equal(w.verdict.n, 0);
	assert_true(verdict_feasible(&w.verdict));
	assert_string_equal(verdict_word(verdict_kind(&w.verdict)), "live");
	end_world(&w);
}

static void ask_much(struct world *w);

/* All that a policy can allow is allowed, and an older worker's policy is not guessed. */
static void what_the_targets_policy_allows_is_no_reason(void **state)
{
	static const char *all[] = {"/srv/", "/run/x"}, *dev[] = {"/dev"}, *images[] = {"/images"};
	struct world w;

	(void)state;
	for (int told = 0; told < 2; told++) {
		good_world(&w);
		ask_much(&w);
		if (told) {
			w.caps[1].allow_privileged = "yes";
			w.caps[1].allow_binds = (struct msg_strs){all, 2};
			w.caps[1].allow_devices = (struct msg_strs){dev, 1};
			w.caps[1].allow_lower = (struct msg_strs){images, 1};
			w.caps[1].allow_hooks = w.caps[1].allow_criu_config = true;
		}
		hear_all(&w);
		judge(&w);
		assert_false(has(&w, "E-POLICY"));
		end_world(&w);
	}
}

/* Each case bends one thing and expects one code. */
static void bend_cordon(struct world *w)
{
	nodes_find(&w->nodes, "beta")->cordoned = true;
}

static void bend_suspect(struct world *w)
{
	nodes_judge(&w->nodes, nodes_find(&w->nodes, "beta"), 5000);
}

static void bend_source_down(struct world *w)
{
	nodes_judge(&w->nodes, nodes_find(&w->nodes, "alpha"), 50000);
}

#define BEND(name, ...) \
	static void name(struct world *w) \
	{ \
		__VA_ARGS__; \
	}
BEND(bend_runtime, w->runtime[1].name = "crun")
BEND(bend_checkpoint, w->runtime[1].checkpoint = false)
BEND(bend_no_criu, w->caps[1].criu_version = 0)
BEND(bend_older_criu, w->caps[1].criu_version = 40101)
BEND(bend_ancient_criu, w->caps[0].criu_version = w->caps[1].criu_version = 31701)
BEND(bend_criu_check, w->caps[1].criu_check = "no freezer")
BEND(bend_arch, w->caps[1].arch = "aarch64")
BEND(bend_features, w->features[1][0] = "avx")
BEND(bend_xsave, w->caps[1].xsave_bytes = 832)
BEND(bend_mem, w->beat[1].mem_available_bytes = 250 * MIB)
BEND(bend_disk, w->beat[1].storage_free_bytes = 20 * MIB)
BEND(bend_staging, w->beat[1].staging_free_bytes = 100 * MIB)
BEND(bend_cgroup, w->caps[1].cgroup_version = 1)
BEND(bend_crun_v1, w->caps[0].cgroup_version = w->caps[1].cgroup_version = 1;
     w->container.runtime = w->runtime[0].name = w->runtime[1].name = "crun")
BEND(bend_bridge, w->network[1].bridge = "br1")
BEND(bend_subnet, w->network[1].subnet = "10.8.0.0/24")
BEND(bend_name, w->other = (struct msg_container){.id = "web", .status = "stopped"};
     w->caps[1].containers.v = &w->other; w->caps[1].containers.n = 1)
BEND(bend_stopped, w->container.status = "stopped")
BEND(bend_busy, w->busy = true)
BEND(bend_io_uring, w->container.io_uring = true)
BEND(bend_tty, w->container.tty = true)
BEND(bend_terminal, w->container.tty = w->container.terminal = true)
BEND(bend_unix, w->container.external_unix = true)
BEND(bend_netns, w->container.shares_netns = true)
BEND(bend_tied_netns, w->container.shares_netns = w->container.netns_tied = true;
     w->container.file_locks = 2)
BEND(bend_host_net, w->net.kind = "host"; w->container.inet_sockets = true)
BEND(bend_kernel_vdso, w->caps[1].kernel = "6.14.0"; w->caps[1].criu_version = 31701;
     w->caps[0].criu_version = 31701)
BEND(bend_source_vdso, w->caps[0].kernel = "6.13.0"; w->caps[0].criu_version = 31900)
BEND(bend_source_sockopt, w->caps[0].kernel = "6.18.1"; w->caps[0].criu_version = 40101;
     w->container.inet_sockets = true)

BEND(bend_thp, w->caps[0].thp = "always"; w->caps[0].soft_dirty = true)
BEND(bend_shared_ipc, w->text = "ipc"; w->container.shares = (struct msg_strs){&w->text, 1})
BEND(bend_local_mount,
     w->mount = (struct msg_mount){.source = "/srv", .target = "/data", .kind = "dir"};
     w->container.mounts.v = &w->mount; w->container.mounts.n = 1)
BEND(bend_locks, w->container.file_locks = 2)
BEND(bend_inotify, w->container.inotify = 1)
BEND(bend_version, w->runtime[0].version = "1.3.6"; w->runtime[1].version = "1.1.15")
BEND(bend_no_version, w->runtime[0].version = "1.3.6")
BEND(bend_cpus, w->container.cpu_limit_permille = 8000; w->caps[1].cpus = 4)
BEND(bend_controllers, w->caps[0].cgroup_controllers = "cpu,memory,pids";
     w->caps[1].cgroup_controllers = "cpu")
BEND(bend_lsm, w->caps[0].lsm = "capability,apparmor"; w->caps[1].lsm = "capability,selinux")
BEND(bend_mtu, w->net.mtu = 1500; w->network[1].mtu = 1400)
BEND(bend_psi, w->beat[1].psi_mem = 31)
BEND(bend_image, w->container.image = "/images/deb:/images/app"; w->text = "/images/deb";
     w->caps[1].images = (struct msg_strs){&w->text, 1})
BEND(bend_headroom, w->caps[1].headroom_percent = 70)
BEND(bend_reserved, w->beat[1].reserved_mem_bytes = 600 * MIB)
BEND(bend_reserved_disk, w->beat[1].reserved_storage_bytes = 890 * MIB)

/* beta's policy: what it lists, and what the container asks for. */
static const char *binds[] = {"/srv"}, *nothing_more[] = {"/var/lib/drover/images"};
static const char *security[1];
static struct msg_device kmsg = {.path = "/dev/kmsg", .kind = "char", .major = 1, .minor = 11};

static void tell_policy(struct world *w)
{
	w->caps[1].allow_privileged = "no";
	w->caps[1].allow_binds = (struct msg_strs){binds, 1};
	w->caps[1].allow_lower = (struct msg_strs){nothing_more, 1};
}

static void ask_for(struct world *w, const char *text)
{
	tell_policy(w);
	security[0] = text;
	w->container.security = (struct msg_strs){security, 1};
}

BEND(bend_bind, tell_policy(w);
     w->mount = (struct msg_mount){.source = "/srvx", .target = "/data", .readonly = true};
     w->container.mounts.v = &w->mount; w->container.mounts.n = 1)
BEND(bend_device, tell_policy(w); w->container.devices.v = &kmsg; w->container.devices.n = 1)
BEND(bend_lower, tell_policy(w); w->container.image = "/var/lib/drover/images/a:/opt/b")
BEND(bend_rule, ask_for(w, "device rule c 10:229 rwm"))
BEND(bend_cap, ask_for(w, "cap SYS_ADMIN"))
BEND(bend_join, ask_for(w, "namespace pid /proc/1/ns/pid"))
BEND(bend_hooks, tell_policy(w); w->container.hooks = true)
BEND(bend_criu_config, tell_policy(w); w->container.criu_config = true)

static void ask_much(struct world *w)
{
	static const char *texts[] = {"cap SYS_ADMIN", "device rule c 1:11 rwm",
				      "network namespace /run/netns/x", "notice: no seccomp"};
	static struct msg_mount mounts[] = {
		{.source = "/srv/a", .target = "/a", .readonly = true},
		{.source = "/var/run/x/s", .target = "/s", .readonly = true}};

	w->container.security = (struct msg_strs){texts, 4};
	w->container.mounts.v = mounts;
	w->container.mounts.n = 2;
	w->container.devices.v = &kmsg;
	w->container.devices.n = 1;
	w->container.image = "/images/deb:/images/app";
	w->container.hooks = w->container.criu_config = true;
}

static void bend_beat_old(struct world *w)
{
	w->now_ms = 7000;
}

static struct rules never, cold, require, avoid, spread, together, downtime, problem;

#define BEND_RULES(variable, field, value) \
	static void bend_##variable(struct world *w) \
	{ \
		variable = some_rules(); \
		variable.field = value; \
		w->rules = &variable; \
	}
BEND_RULES(never, move, MOVE_never)
BEND_RULES(cold, move, MOVE_cold)
BEND_RULES(require, require, "disk=ssd, rack=a")
BEND_RULES(downtime, max_downtime_ms, 500)

static void bend_problem(struct world *w)
{
	problem = some_rules();
	str_copy(problem.problem, sizeof(problem.problem), "label drover.move: no such");
	w->rules = &problem;
}

static void bend_avoid(struct world *w)
{
	avoid = some_rules();
	avoid.avoid = "disk=hdd";
	w->rules = &avoid;
	w->text = "disk=hdd";
	w->caps[1].labels = (struct msg_strs){&w->text, 1};
}

static void bend_spread(struct world *w)
{
	struct node *beta = nodes_find(&w->nodes, "beta");
	uint64_t *v = mem_new(1, sizeof(*v));

	spread = some_rules();
	spread.spread = "webs";
	w->rules = &spread;
	v[0] = spread_hash("webs");
	hash_set_fill(&beta->groups, v, 1);
}

static void bend_booked_spread(struct world *w)
{
	struct node *beta = nodes_find(&w->nodes, "beta");

	spread = some_rules();
	spread.spread = "webs";
	w->rules = &spread;
	beta->booked.groups[beta->booked.n_groups++] = spread_hash("webs");
}

static void bend_together(struct world *w)
{
	together = some_rules();
	together.together = "shop";
	w->rules = &together;
	w->has_peers = true;
}

static const struct {
	void (*early)(struct world *w); /* before the hosts speak */
	void (*late)(struct world *w);  /* after */
	const char *code;
	const char *word;  /* the verdict */
	const char *value; /* in the sentence */
} cases[] = {
	{NULL, bend_cordon, "E-HOST-CORDONED", "no", "beta"},
	{NULL, bend_suspect, "E-HOST-DOWN", "no", "suspect"},
	{NULL, bend_source_down, "E-SOURCE-DOWN", "no", "dead"},
	{bend_runtime, NULL, "E-RUNTIME", "no", "runc"},
	{bend_checkpoint, NULL, "E-RUNTIME-RESTORE", "cold", "cannot restore"},
	{bend_version, NULL, "E-RUNTIME-VERSION", "warn", "1.1.15"},
	{bend_no_version, NULL, "E-RUNTIME-VERSION", "warn", "not known"},
	{bend_no_criu, NULL, "E-CRIU-MISSING", "cold", "beta"},
	{bend_older_criu, NULL, "E-CRIU-VERSION", "cold", "4.1.1"},
	{bend_ancient_criu, NULL, "E-CRIU-OLD", "cold", "3.17.1"},
	{bend_criu_check, NULL, "E-CRIU-CHECK", "cold", "no freezer"},
	{bend_arch, NULL, "E-ARCH", "no", "aarch64"},
	{bend_features, NULL, "E-CPU-FEATURES", "cold", "avx2"},
	{bend_xsave, NULL, "E-CPU-XSAVE", "cold", "832"},
	{bend_cpus, NULL, "E-CPUS", "warn", "8.0 CPUs, beta has 4"},
	{bend_mem, NULL, "E-MEM", "no", "250 MiB"},
	{bend_headroom, NULL, "E-MEM", "no", "700 MiB free"},
	{bend_reserved, NULL, "E-MEM", "no", "600 MiB is booked"},
	{bend_psi, NULL, "E-PRESSURE", "warn", "31%"},
	{bend_disk, NULL, "E-DISK", "no", "20.0 MiB"},
	{bend_reserved_disk, NULL, "E-DISK", "no", "reserved"},
	{bend_staging, NULL, "E-STAGING", "cold", "100 MiB"},
	{bend_cgroup, NULL, "E-CGROUP", "cold", "v1 on beta"},
	{bend_crun_v1, NULL, "E-CGROUP", "cold", "crun"},
	{bend_controllers, NULL, "E-CONTROLLERS", "warn", "memory, pids"},
	{bend_lsm, NULL, "E-LSM", "warn", "alpha has apparmor, beta has selinux"},
	{bend_thp, NULL, "E-THP", "warn", "2 MiB"},
	{bend_bridge, NULL, "E-NET-BRIDGE", "no", "br0"},
	{bend_subnet, NULL, "E-NET-SUBNET", "no", "10.8.0.0/24"},
	{bend_mtu, NULL, "E-NET-MTU", "no", "MTU 1400"},
	{bend_image, NULL, "E-IMAGE", "no", "/images/app"},
	{bend_name, NULL, "E-NAME-TAKEN", "no", "stopped"},
	{bend_stopped, NULL, "E-STOPPED", "cold", "stopped"},
	{bend_busy, NULL, "E-BUSY", "no", "web"},
	{bend_io_uring, NULL, "E-IOURING", "cold", "web"},
	{bend_tty, NULL, "E-TTY", "cold", "web"},
	{bend_terminal, NULL, "E-TERMINAL", "no", "config.json of web"},
	{bend_unix, NULL, "E-EXT-UNIX", "cold", "web"},
	{bend_netns, NULL, "E-SHARED-NETNS", "no", "web"},
	{bend_tied_netns, NULL, "E-LOCKS", "warn", "2 file locks"}, /* and nothing else */
	{bend_shared_ipc, NULL, "E-SHARED-NS", "no", "ipc"},
	{bend_host_net, NULL, "E-NET-HOST", "cold", "web"},
	{bend_local_mount, NULL, "E-MOUNT-LOCAL", "warn", "/srv of alpha is mounted at /data"},
	{bend_locks, NULL, "E-LOCKS", "warn", "2 file locks"},
	{bend_inotify, NULL, "E-INOTIFY", "warn", "1 inotify instance"},
	{bend_kernel_vdso, NULL, "E-KERNEL-CRIU", "cold", "6.14.0"},
	{bend_source_vdso, NULL, "E-SOURCE-KERNEL", "cold", "vDSO"},
	{bend_source_sockopt, NULL, "E-SOURCE-KERNEL", "cold", "1:16"},
	{bend_bind, NULL, "E-POLICY", "no",
	 "bind mount of /srvx: not allowed on beta, see worker."},
	{bend_device, NULL, "E-POLICY", "no", "device /dev/kmsg"},
	{bend_lower, NULL, "E-POLICY", "no", "image directory /opt/b: not"},
	{bend_rule, NULL, "E-POLICY", "no", "device rule c 10:229 rwm"},
	{bend_cap, NULL, "E-POLICY", "no",
	 "cap SYS_ADMIN: not allowed on beta, see worker.allow_pri"},
	{bend_join, NULL, "E-POLICY", "no", "namespace pid"},
	{bend_hooks, NULL, "E-POLICY", "no", "worker.allow_hooks"},
	{bend_criu_config, NULL, "E-POLICY", "no", "worker.allow_criu_config"},
	{NULL, bend_beat_old, "E-BEAT-OLD", "no", "6.0 s ago"},
	{bend_never, NULL, "E-POLICY-NEVER", "no", "policy db"},
	{bend_cold, NULL, "E-POLICY-COLD", "cold", "policy db"},
	{bend_problem, NULL, "E-POLICY-LABEL", "warn", "drover.move"},
	{bend_require, NULL, "E-REQUIRE", "no", "disk=ssd"},
	{bend_avoid, NULL, "E-AVOID", "warn", "disk=hdd"},
	{NULL, bend_spread, "E-SPREAD", "no", "webs"},
	{NULL, bend_booked_spread, "E-SPREAD", "no", "webs"},
	{NULL, bend_together, "E-TOGETHER", "warn", "shop"},
	{bend_downtime, NULL, "E-DOWNTIME", "cold", "500 ms"},
};

static void begin_case(struct world *w, size_t i)
{
	good_world(w);
	if (cases[i].early)
		cases[i].early(w);
	hear_all(w);
	if (cases[i].late)
		cases[i].late(w);
}

static const char *why_of(const struct world *w, const char *code)
{
	for (size_t i = 0; i < w->verdict.n; i++)
		if (str_eq(w->verdict.v[i].row->code, code))
			return w->verdict.v[i].why;
	return "";
}

static void each_reason_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;
		const char *word;

		begin_case(&w, i);
		judge(&w);
		word = verdict_word(verdict_kind(&w.verdict));
		if (!strstr(why_of(&w, cases[i].code), cases[i].value) ||
		    !str_eq(word, cases[i].word))
			print_error("%s: %s, %s\n", cases[i].code, word, why_of(&w, cases[i].code));
		assert_non_null(strstr(why_of(&w, cases[i].code), cases[i].value));
		assert_string_equal(word, cases[i].word);
		assert_int_equal(verdict_feasible(&w.verdict), !*verdict_fix(&w.verdict));
		end_world(&w);
	}
}

/* What bars live moves only does not speak of a cold one, and all else does as before. */
static void a_cold_move_minds_what_bars_any_move(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct score_query query;
		struct world w;
		bool counts =
			str_eq(cases[i].code, "E-STOPPED") || str_eq(cases[i].code, "E-DOWNTIME");

		begin_case(&w, i);
		query = query_of(&w);
		query.cold = true;
		score_verdict(&query, nodes_find(&w.nodes, "beta"), &w.verdict);
		if (str_eq(cases[i].word, "cold") && !counts)
			assert_true(verdict_feasible(&w.verdict) && !has(&w, cases[i].code));
		if (str_eq(cases[i].word, "no") && !str_eq(cases[i].code, "E-MEM"))
			assert_false(verdict_feasible(&w.verdict));
		if (str_eq(cases[i].code, "E-STOPPED"))
			assert_false(verdict_feasible(&w.verdict));
		end_world(&w);
	}
}

/* A ranking judges without sentences, by digests, and asks what hosts have in common once: it must
 * come to what the full verdict comes to. */
static void a_ranking_judges_as_the_verdict_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct score_query query;
		struct ranking r;
		struct world w;
		size_t kinds[VERDICT_no + 1] = {0};

		begin_case(&w, i);
		query = query_of(&w);
		score_rank(&query, &w.nodes, &r);
		assert_int_equal(r.hosts, 2);
		assert_int_equal(r.n, 2);
		for (size_t k = 0; k < r.n; k++)
			kinds[verdict_kind(&r.v[k].verdict)]++;
		if (memcmp(kinds, r.kinds, sizeof(kinds)))
			print_error("%s\n", cases[i].code);
		assert_memory_equal(kinds, r.kinds, sizeof(kinds));
		ranking_done(&r);
		end_world(&w);
	}
}

/* By name each is skipped that can be, and all of those at once; nothing that cannot is. */
static void what_can_be_skipped_is_skipped_by_its_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct code_row *row = code_find(cases[i].code);
		const char *all[] = {"all"};

		for (int pass = 0; pass < 2; pass++) {
			struct world w;

			begin_case(&w, i);
			w.skip = (struct msg_strs){pass ? all : (const char **)&row->skip, 1};
			judge(&w);
			for (size_t k = 0; k < w.verdict.n; k++)
				if (w.verdict.v[k].row == row && row->bars)
					assert_int_equal(w.verdict.v[k].warning, *row->skip != 0);
			end_world(&w);
		}
	}
}

static void a_newer_criu_is_only_a_warning(void **state)
{
	struct world w;

	(void)state;
	good_world(&w);
	w.caps[0].criu_version = 40101;
	hear_all(&w);
	judge(&w);
	assert_string_equal(verdict_word(verdict_kind(&w.verdict)), "warn");
	assert_true(verdict_feasible(&w.verdict));
	end_world(&w);
}

/* What would lose data cannot be skipped, by any name. */
static void skipping_turns_reasons_into_warnings(void **state)
{
	const char *names[] = {"cpu"}, *all[] = {"all"};
	struct world w;

	(void)state;
	good_world(&w);
	bend_xsave(&w);
	w.skip = (struct msg_strs){names, 1};
	hear_all(&w);
	judge(&w);
	assert_true(verdict_feasible(&w.verdict));
	assert_true(has(&w, "E-CPU-XSAVE"));
	end_world(&w);
	good_world(&w);
	bend_xsave(&w);
	bend_name(&w);
	w.skip = (struct msg_strs){all, 1};
	hear_all(&w);
	judge(&w);
	assert_false(verdict_feasible(&w.verdict));
	assert_false(verdict_skips(&w.skip, ""));
	end_world(&w);
}

static void bookings_count_against_memory(void **state)
{
	struct world w;

	(void)state;
	good_world(&w);
	hear_all(&w);
	nodes_find(&w.nodes, "beta")->booked.bytes = 600 * MIB;
	judge(&w);
	assert_true(has(&w, "E-MEM"));
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_host_has_no_reason_against_it),
		cmocka_unit_test(what_the_targets_policy_allows_is_no_reason),
		cmocka_unit_test(each_reason_is_found),
		cmocka_unit_test(a_newer_criu_is_only_a_warning),
		cmocka_unit_test(skipping_turns_reasons_into_warnings),
		cmocka_unit_test(bookings_count_against_memory),
		cmocka_unit_test(a_cold_move_minds_what_bars_any_move),
		cmocka_unit_test(a_ranking_judges_as_the_verdict_does),
		cmocka_unit_test(what_can_be_skipped_is_skipped_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
