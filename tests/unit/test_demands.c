/* SPDX-License-Identifier: MPL-2.0
 *
 * A config.json that was received asks a target for nothing that its own policy does not allow: no
 * path, node, program or privilege of the host, however it is spelt. */
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/demands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], bundle[96];
static struct options *options;

#define HEAD "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
#define NS(more) \
	"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":" \
	"\"uts\"},{\"type\":\"network\"}" more "]"
#define RO "\"readonlyPaths\":[\"/proc/bus\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]"
#define LINUX(more) "\"linux\":{" NS("") "," RO more "}}"

static void write_config(const char *text)
{
	auto_free char *path = str_new("%s/config.json", bundle);
	struct err err;

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, &err), 0);
}

static struct demands *read_config(const char *text)
{
	struct demands *d = mem_new_of(struct demands);
	struct err err = {0};

	write_config(text);
	if (demands_read(bundle, d, &err))
		fail_msg("%s: %s", text, err.text);
	return d;
}

/* The configuration asks for one thing, which is refused, and option is what would allow it. */
static void refused(const char *config, const char *text, const char *option)
{
	auto_free struct demands *d = read_config(config);
	const char *by;
	char buf[DEMAND_TEXT + 64];

	if (d->n != 1)
		fail_msg("%zu demands in %s", d->n, config);
	assert_string_equal(demand_text(&d->v[0], buf, sizeof(buf)), text);
	assert_int_equal(demand_judge(&d->v[0], options, bundle, "/run/netns/ct1", &by),
			 DEMAND_refused);
	assert_string_equal(by, option);
}

static void allowed(const char *config)
{
	auto_free struct demands *d = read_config(config);
	const char *by;
	char buf[DEMAND_TEXT + 64];

	for (size_t i = 0; i < d->n; i++)
		if (demand_judge(&d->v[i], options, bundle, "/run/netns/ct1", &by) !=
		    DEMAND_allowed)
			fail_msg("refused: %s", demand_text(&d->v[i], buf, sizeof(buf)));
}

static void set(const char *assignment)
{
	struct err err;

	assert_int_equal(options_set(options, assignment, &err), 0);
}

static void an_ordinary_container_asks_for_nothing(void **state)
{
	auto_free struct demands *d = NULL;

	(void)state;
	d = read_config(HEAD
			"\"process\":{\"args\":[\"sh\"],\"capabilities\":{\"bounding\":"
			"[\"CAP_KILL\",\"CAP_AUDIT_WRITE\"],\"effective\":[\"CAP_KILL\"]}},"
			"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":"
			"\"proc\"},{\"destination\":\"/dev\",\"type\":\"tmpfs\"},{\"destination\":"
			"\"/sys\",\"type\":\"sysfs\",\"options\":[\"ro\"]}],\"hooks\":{},"
			"\"annotations\":{\"drover.prio\":\"high\"}," LINUX(
				",\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
				"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":"
				"\"rw\"},{\"allow\":true,\"type\":\"c\",\"access\":\"m\"}]}"));
	assert_int_equal(d->n, 0);
}

#define MOUNT(fields) HEAD "\"mounts\":[{\"destination\":\"/x\"," fields "}]," LINUX("")

static void binds_are_of_its_own_files_or_of_allowed_paths(void **state)
{
	auto_free char *own = str_new(MOUNT("\"type\":\"bind\",\"source\":\"%s/data\""), bundle);
	auto_free char *link = str_new(MOUNT("\"type\":\"bind\",\"source\":\"%s/out\""), bundle);
	auto_free char *below = str_new(MOUNT("\"type\":\"bind\",\"source\":\"%s/srv/a\""), dir);
	auto_free char *gone = str_new(MOUNT("\"type\":\"bind\",\"source\":\"%s/srv/l/no\""), dir);
	auto_free char *text = NULL, *path = NULL, *way = NULL;

	(void)state;
	allowed(own);
	refused(MOUNT("\"type\":\"bind\",\"source\":\"/etc\""), "bind mount of /etc",
		"worker.allow_binds");
	refused(MOUNT("\"type\":\"none\",\"source\":\"/etc\",\"options\":[\"ro\",\"rbind\"]"),
		"bind mount of /etc", "worker.allow_binds");
	refused(MOUNT("\"type\":\"bind\",\"source\":\"../../etc\""),
		(text = str_new("bind mount of %s/../../etc", bundle)), "worker.allow_binds");
	/* The tree that came along has a link that leads out of it. */
	path = str_new("%s/out", bundle);
	assert_int_equal(symlink("/etc", path), 0);
	free(text);
	refused(link, (text = str_new("bind mount of %s/out", bundle)), "worker.allow_binds");
	assert_int_equal(unlink(path), 0);
	refused(below, (way = str_new("bind mount of %s/srv/a", dir)), "worker.allow_binds");
	free(path);
	set((path = str_new("worker.allow_binds=/nowhere, %s/srv", dir)));
	allowed(below);
	refused(MOUNT("\"type\":\"bind\",\"source\":\"/etc\""), "bind mount of /etc",
		"worker.allow_binds");
	/* What is not there yet is judged by the directory that it would be in. */
	free(path);
	path = str_new("%s/srv/l", dir);
	assert_int_equal(symlink("/etc", path), 0);
	free(way);
	refused(gone, (way = str_new("bind mount of %s/srv/l/no", dir)), "worker.allow_binds");
	assert_int_equal(unlink(path), 0);
	allowed(gone);
	set("worker.allow_binds=");
}

static void a_path_is_below_another_by_its_parts(void **state)
{
	(void)state;
	set("worker.allow_binds=/et,/etcetera,/usr/lib/");
	refused(MOUNT("\"type\":\"bind\",\"source\":\"/etc\""), "bind mount of /etc",
		"worker.allow_binds");
	allowed(MOUNT("\"type\":\"bind\",\"source\":\"/usr/lib/os-release\""));
	set("worker.allow_binds=/");
	allowed(MOUNT("\"type\":\"bind\",\"source\":\"/etc\""));
	set("worker.allow_binds=");
}

#define DEVICE(fields) HEAD LINUX(",\"devices\":[{" fields "}]")
#define RULE(fields) HEAD LINUX(",\"resources\":{\"devices\":[{\"allow\":true" fields "}]}")

static void devices_are_standard_or_allowed_with_the_hosts_own_numbers(void **state)
{
	static const char random_[] =
		DEVICE("\"path\":\"/dev/kmsg\",\"type\":\"c\",\"major\":1,\"minor\":11");
	static const char lying[] =
		DEVICE("\"path\":\"/dev/kmsg\",\"type\":\"b\",\"major\":8,\"minor\":0");

	(void)state;
	allowed(DEVICE("\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3"));
	refused(random_, "device /dev/kmsg (c 1:11)", "worker.allow_devices");
	refused(RULE(",\"access\":\"rwm\""), "device rule a *:* rwm", "worker.allow_devices");
	refused(RULE(",\"type\":\"b\",\"major\":8,\"access\":\"r\""), "device rule b 8:* r",
		"worker.allow_devices");
	allowed(RULE(",\"type\":\"b\",\"access\":\"m\""));
	set("worker.allow_devices=/dev/kmsg");
	if (access("/dev/kmsg", F_OK) == 0) {
		allowed(random_);
		refused(lying, "device /dev/kmsg (b 8:0)", "worker.allow_devices");
		allowed(RULE(",\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"rw\""));
	}
	refused(RULE(",\"access\":\"rwm\""), "device rule a *:* rwm", "worker.allow_devices");
	set("worker.allow_devices=/dev");
	allowed(RULE(",\"access\":\"rwm\""));
	set("worker.allow_devices=");
}

static void privileges_are_refused_unless_allowed(void **state)
{
	static const struct {
		const char *config, *text;
	} rows[] = {
		{HEAD "\"process\":{\"capabilities\":{\"bounding\":[\"CAP_SYS_ADMIN\"],"
		      "\"effective\":[\"CAP_SYS_ADMIN\"]}}," LINUX(""),
		 "cap SYS_ADMIN"},
		{MOUNT("\"type\":\"proc\""), "a mount of proc at /x"},
		{MOUNT("\"type\":\"sysfs\""), "a writable mount of sysfs at /x"},
		{MOUNT("\"type\":\"ext4\",\"source\":\"/dev/sda1\""), "a mount of type ext4"},
		{MOUNT("\"type\":\"tmpfs\",\"options\":[\"rshared\"]"),
		 "mounts that spread to the host, at /x"},
		{HEAD LINUX(",\"rootfsPropagation\":\"shared\""),
		 "mounts that spread to the host, at /"},
		{HEAD LINUX(",\"cgroupsPath\":\"/a/../..\""), "the control group /a/../.."},
		{HEAD LINUX(",\"cgroupsPath\":\"/\""), "the control group /"},
		{HEAD LINUX(",\"seccomp\":{\"listenerPath\":\"/run/x\"}"),
		 "linux.seccomp.listenerPath, which is not known here"},
		{HEAD LINUX(",\"netDevices\":{\"eth0\":{}}"),
		 "linux.netDevices, which is not known here"},
		{HEAD "\"annotations\":{\"run.oci.handler\":\"x\"}," LINUX(""),
		 "annotation run.oci.handler"},
		{HEAD "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"ipc\"},"
		      "{\"type\":\"uts\"}]," RO "}}",
		 "the pid namespace of the host"},
		{HEAD
		 "\"linux\":{" NS("") ",\"readonlyPaths\":[\"/proc/bus\",\"/proc/irq\",\"/proc/"
				      "sysrq-trigger\"]}}",
		 "/proc/sys writable"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		refused(rows[i].config, rows[i].text, "worker.allow_privileged");
		set("worker.allow_privileged=yes");
		allowed(rows[i].config);
		set("worker.allow_privileged=no");
	}
}

/* encoding/json of Go takes any of these for the member of the specification. */
static void members_are_known_by_their_exact_names_only(void **state)
{
	(void)state;
	refused(HEAD "\"Mounts\":[{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"/"
		     "etc\"}]," LINUX(""),
		"config.json.Mounts, which is not known here", "worker.allow_privileged");
	refused(MOUNT("\"type\":\"tmpfs\",\"OPTIONS\":[\"bind\"],\"source\":\"/etc\""),
		"mounts.OPTIONS, which is not known here", "worker.allow_privileged");
	refused(HEAD "\"hoo\\u212as\":{\"prestart\":[{\"path\":\"/bin/sh\"}]}," LINUX(""),
		"config.json.hoo\u212as, which is not known here", "worker.allow_privileged");
	refused(HEAD "\"mounts\":{\"a\":1}," LINUX(""), "mounts, which is no list",
		"worker.allow_privileged");
}

static void programs_of_others_need_a_word_of_their_own(void **state)
{
	static const char hook[] =
		HEAD "\"hooks\":{\"poststop\":[{\"path\":\"/bin/true\"}]}," LINUX("");
	static const char criu[] =
		HEAD "\"annotations\":{\"org.criu.config\":\"/tmp/x\"}," LINUX("");

	(void)state;
	set("worker.allow_privileged=yes");
	refused(hook, "OCI hook poststop", "worker.allow_hooks");
	refused(criu, "annotation org.criu.config /tmp/x", "worker.allow_criu_config");
	set("worker.allow_hooks=yes");
	set("worker.allow_criu_config=yes");
	allowed(hook);
	allowed(criu);
	set("worker.allow_hooks=no");
	set("worker.allow_criu_config=no");
	set("worker.allow_privileged=no");
}

static void what_cannot_be_the_targets_is_never_allowed(void **state)
{
	(void)state;
	set("worker.allow_privileged=yes");
	refused("{\"root\":{\"path\":\"/\"}," LINUX(""), "root path /", "");
	refused("{\"root\":{\"path\":\"../other/rootfs\"}," LINUX(""), "root path ../other/rootfs",
		"");
	refused(HEAD
		"\"linux\":{" NS(",{\"type\":\"cgroup\",\"path\":\"/proc/1/ns/cgroup\"}") "," RO
											  "}}",
		"namespace cgroup /proc/1/ns/cgroup", "");
	refused(HEAD "\"linux\":{" NS(",{\"type\":\"network\",\"path\":\"/proc/1/ns/net\"}") "," RO
											     "}}",
		"network namespace /proc/1/ns/net", "");
	allowed(HEAD "\"linux\":{" NS(
		",{\"type\":\"network\",\"path\":\"/var/run/netns/ct1\"}") "," RO "}}");
	set("worker.allow_privileged=no");
}

static void a_user_namespace_makes_privileges_its_own(void **state)
{
	static const char caps[] =
		"\"process\":{\"capabilities\":{\"bounding\":[\"CAP_SYS_ADMIN\"]}},";
	auto_free char *mapped = str_new(
		HEAD "%s\"linux\":{" NS(",{\"type\":\"user\"}") ",\"uidMappings\":[{"
								"\"containerID\":0,\"hostID\":"
								"100000,\"size\":65536}]}}",
		caps);
	auto_free char *root =
		str_new(HEAD "%s\"linux\":{" RO
			     "," NS(",{\"type\":\"user\"}") ",\"uidMappings\":[{"
							    "\"containerID\":0,"
							    "\"hostID\":0,\"size\":1}]}}",
			caps);

	(void)state;
	allowed(mapped);
	refused(root, "cap SYS_ADMIN", "worker.allow_privileged");
}

static void what_is_no_configuration_is_no_answer(void **state)
{
	static const char *const texts[] = {"", "[]", "{", "{\"a\":1,\"a\":2}", "{} x"};
	auto_free struct demands *d = mem_new_of(struct demands);
	auto_free char *many = str_dup(HEAD "\"annotations\":{");
	char *next;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		write_config(texts[i]);
		assert_int_equal(demands_read(bundle, d, &err), -ERR_invalid);
	}
	for (int i = 0; i < DEMANDS_MAX; i++) {
		next = str_new("%s\"run.oci.%d\":\"\",", many, i);
		free(many);
		many = next;
	}
	next = str_new("%s\"z\":\"\"}," LINUX(""), many);
	free(many);
	many = next;
	write_config(many);
	assert_int_equal(demands_read(bundle, d, &err), -ERR_invalid);
}

static void lower_directories_are_images(void **state)
{
	auto_free char *both = str_new("%s/images/a:%s/images/b", dir, dir);
	auto_free char *one = str_new("%s/images/a:/etc", dir);
	auto_free char *out = str_new("%s/images/out", dir);
	char which[PATH_MAX];

	(void)state;
	assert_true(demand_lowers_allowed(both, options, which, sizeof(which)));
	assert_false(demand_lowers_allowed(one, options, which, sizeof(which)));
	assert_string_equal(which, "/etc");
	assert_false(demand_lowers_allowed("", options, which, sizeof(which)));
	assert_int_equal(symlink("/etc", out), 0);
	assert_false(demand_lowers_allowed(out, options, which, sizeof(which)));
	assert_int_equal(unlink(out), 0);
	set("worker.allow_lower=/etc");
	assert_true(demand_lowers_allowed("/etc/x", options, which, sizeof(which)));
	assert_false(demand_lowers_allowed(both, options, which, sizeof(which)));
	set("worker.allow_lower=");
}

static void a_demand_is_read_back_from_its_text(void **state)
{
	static const struct {
		const char *text;
		enum demand_kind kind;
		int major, minor;
	} rows[] = {
		{"cap SYS_ADMIN", DEMAND_privilege, DEMAND_ANY, DEMAND_ANY},
		{"device rule c 10:229 rwm", DEMAND_device_rule, 10, 229},
		{"device rule a *:* rwm", DEMAND_device_rule, DEMAND_ANY, DEMAND_ANY},
		{"network namespace /proc/1/ns/net", DEMAND_netns, DEMAND_ANY, DEMAND_ANY},
		{"namespace pid /proc/1/ns/pid", DEMAND_join, DEMAND_ANY, DEMAND_ANY},
		{"notice: apparmor unconfined", DEMAND_notice, DEMAND_ANY, DEMAND_ANY},
		{"root path /", DEMAND_root, DEMAND_ANY, DEMAND_ANY},
	};
	char buf[DEMAND_TEXT + 64];
	struct demand d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		demand_parse(rows[i].text, &d);
		assert_int_equal(d.kind, rows[i].kind);
		assert_int_equal(d.major, rows[i].major);
		assert_int_equal(d.minor, rows[i].minor);
		assert_string_equal(demand_text(&d, buf, sizeof(buf)), rows[i].text);
	}
}

static int before(void **state)
{
	char sub[128];

	(void)state;
	str_fmt(dir, sizeof(dir), "/tmp/drover-test-demands-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	str_fmt(bundle, sizeof(bundle), "%s/ct1", dir);
	if (mkdir(bundle, 0700) < 0)
		return -1;
	str_fmt(sub, sizeof(sub), "%s/srv", dir);
	if (mkdir(sub, 0700) < 0)
		return -1;
	str_fmt(sub, sizeof(sub), "%s/images", dir);
	if (mkdir(sub, 0700) < 0)
		return -1;
	str_fmt(sub, sizeof(sub), "worker.storage=%s", dir);
	options = options_new();
	set(sub);
	return 0;
}

static int after(void **state)
{
	(void)state;
	options_free(&options);
	return file_rmtree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ordinary_container_asks_for_nothing),
		cmocka_unit_test(binds_are_of_its_own_files_or_of_allowed_paths),
		cmocka_unit_test(a_path_is_below_another_by_its_parts),
		cmocka_unit_test(devices_are_standard_or_allowed_with_the_hosts_own_numbers),
		cmocka_unit_test(privileges_are_refused_unless_allowed),
		cmocka_unit_test(members_are_known_by_their_exact_names_only),
		cmocka_unit_test(programs_of_others_need_a_word_of_their_own),
		cmocka_unit_test(what_cannot_be_the_targets_is_never_allowed),
		cmocka_unit_test(a_user_namespace_makes_privileges_its_own),
		cmocka_unit_test(what_is_no_configuration_is_no_answer),
		cmocka_unit_test(lower_directories_are_images),
		cmocka_unit_test(a_demand_is_read_back_from_its_text),
	};

	return cmocka_run_group_tests(tests, before, after);
}
