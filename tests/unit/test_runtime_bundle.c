/* SPDX-License-Identifier: MPL-2.0
 *
 * A bundle's config.json and the mount of its root filesystem are read as they are, whatever they
 * contain; an overlay is mounted on another host as it was on the first. */
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/bundle.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static char dir[64];

#define ok(call) \
	do { \
		struct err err = {0}; \
		if ((call) < 0) \
			fail_msg("%s", err.text); \
	} while (0)

static int read_text(const char *config, struct bundle *ret, struct err *err)
{
	char path[128];

	str_fmt(path, sizeof(path), "%s/config.json", dir);
	assert_int_equal(file_write_atomic(path, config, strlen(config), 0600, err), 0);
	return bundle_read(dir, ret, err);
}

/* What `runc spec` writes, shortened, with what drover's lab adds. */
static const char config[] =
	"{\"ociVersion\":\"1.2.0\",\"process\":{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":0},"
	"\"args\":[\"/bin/srv\",\"7000\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":false},\"hostname\":\"ct1\","
	"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
	"{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"/srv/"
	"data\",\"options\":[\"rbind\"]},"
	"{\"destination\":\"/etc/"
	"x\",\"type\":\"none\",\"source\":\"x\",\"options\":[\"ro\",\"bind\"]}],"
	"\"annotations\":{\"drover.prio\":\"high\",\"drover.image\":\"/img/base\",\"other\":\"x\","
	"\"org.criu.config\":\"/etc/criu/mine.conf\"},"
	"\"hooks\":{\"prestart\":[],\"poststop\":[{\"path\":\"/bin/true\"}]},"
	"\"linux\":{\"cgroupsPath\":\"/ct-ct1\",\"resources\":{\"memory\":{\"limit\":67108864}},"
	"\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229}],"
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/var/run/netns/"
	"ct1\"}]}}";

static void a_config_is_read(void **state)
{
	auto_bundle struct bundle b = {0};
	struct err err;
	char path[128];

	(void)state;
	assert_int_equal(read_text(config, &b, &err), 0);
	str_fmt(path, sizeof(path), "%s/rootfs", dir);
	assert_string_equal(b.rootfs, path);
	assert_int_equal(b.n_args, 2);
	assert_string_equal(b.args[1], "7000");
	assert_false(b.terminal);
	assert_string_equal(b.hostname, "ct1");
	assert_int_equal(b.netns, BUNDLE_NETNS_NAMED);
	assert_string_equal(b.netns_path, "/var/run/netns/ct1");
	assert_string_equal(b.cgroups_path, "/ct-ct1");
	assert_int_equal(b.memory_limit, 67108864);
	assert_int_equal(b.n_mounts, 2);
	assert_string_equal(b.mounts[0].target, "/data");
	assert_string_equal(b.mounts[0].source, "/srv/data");
	str_fmt(path, sizeof(path), "%s/x", dir);
	assert_string_equal(b.mounts[1].source, path);
	assert_int_equal(b.n_devices, 1);
	assert_string_equal(b.devices[0], "/dev/fuse");
	assert_int_equal(b.n_labels, 2);
	assert_string_equal(b.labels[0], "prio=high");
	assert_string_equal(b.image, "/img/base");
	assert_string_equal(b.criu_config, "/etc/criu/mine.conf");
	assert_true(b.hooks);
	assert_false(b.cut);
}

static enum bundle_netns netns_of(const char *namespaces)
{
	auto_bundle struct bundle b = {0};
	auto_free char *text =
		str_new("{\"root\":{\"path\":\"/r\"},\"linux\":{\"namespaces\":[%s]}}", namespaces);
	struct err err;

	assert_int_equal(read_text(text, &b, &err), 0);
	return b.netns;
}

static void network_namespaces_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(netns_of("{\"type\":\"pid\"}"), BUNDLE_NETNS_HOST);
	assert_int_equal(netns_of("{\"type\":\"network\"}"), BUNDLE_NETNS_PRIVATE);
	assert_int_equal(netns_of("{\"type\":\"network\",\"path\":\"/run/netns/a\"}"),
			 BUNDLE_NETNS_NAMED);
	assert_int_equal(netns_of("{\"type\":\"network\",\"path\":\"/proc/12/ns/net\"}"),
			 BUNDLE_NETNS_SHARED);
}

static void strange_configs_are_survived(void **state)
{
	static const char *const bad[] = {"",
					  "[]",
					  "{",
					  "{}",
					  "{\"root\":5}",
					  "{\"root\":{\"path\":7}}",
					  "{\"root\":{\"path\":\"\"}}",
					  "{\"root\":{\"path\":\"../x\"}}",
					  "{\"root\":{\"path\":\"a\"},\"root\":{\"path\":\"b\"}}"};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_bundle struct bundle b = {0};

		assert_int_equal(read_text(bad[i], &b, &err), -ERR_invalid);
	}
	{
		auto_bundle struct bundle b = {0};

		assert_int_equal(
			read_text("{\"root\":{\"path\":\"/r\"},\"process\":[],\"mounts\":{},"
				  "\"linux\":{\"namespaces\":[1,{\"type\":2}],\"devices\":"
				  "[null]},\"annotations\":[],\"hooks\":\"x\"}",
				  &b, &err),
			0);
		assert_int_equal(b.netns, BUNDLE_NETNS_HOST);
	}
	{
		auto_bundle struct bundle b = {0};

		assert_int_equal(bundle_read("/no/such/bundle", &b, &err), -ERR_nosuch);
	}
	{
		auto_bundle struct bundle b = {0};

		assert_int_equal(bundle_read("relative", &b, &err), -ERR_invalid);
	}
}

static void long_lists_are_cut_and_say_so(void **state)
{
	auto_bundle struct bundle b = {0};
	auto_free char *text = str_dup("{\"root\":{\"path\":\"/r\"},\"process\":{\"args\":[\"a\"");
	struct err err;

	(void)state;
	for (int i = 0; i < 100; i++) {
		char *longer = str_new("%s,\"a\"", text);

		free(text);
		text = longer;
	}
	{
		char *longer = str_new("%s]}}", text);

		free(text);
		text = longer;
	}
	assert_int_equal(read_text(text, &b, &err), 0);
	assert_int_equal(b.n_args, BUNDLE_ARGS);
	assert_true(b.cut);
}

static const char mountinfo[] =
	"22 28 0:20 / /proc rw - proc proc rw\n"
	"128 230 0:115 / /var/lib/ct/r1/rootfs rw,relatime shared:7 - overlay overlay "
	"rw,lowerdir=/var/lib/ct/r1/lower,upperdir=/var/lib/ct/r1/upper,workdir=/var/lib/ct/r1/"
	"work,"
	"uuid=on\n"
	"129 230 0:116 / /many rw - overlay overlay rw,lowerdir=/a:/b\\040c:/d\n"
	"130 230 0:117 / /new rw - overlay none "
	"rw,lowerdir+=/a,lowerdir+=/b,upperdir=/u,workdir=/w\n"
	"131 230 8:1 /x /bind rw - ext4 /dev/sda1 rw\n"
	"132 230 0:118 / /twice rw - tmpfs tmpfs rw\n"
	"133 132 0:119 / /twice rw - overlay overlay rw,lowerdir=/z\n"
	"broken line\n";

static void overlays_are_recognised(void **state)
{
	auto_free struct rootfs_mount *r = mem_new_of(struct rootfs_mount);

	(void)state;
	assert_true(rootfs_parse(mountinfo, "/var/lib/ct/r1/rootfs", r));
	assert_int_equal(r->kind, ROOTFS_OVERLAY);
	assert_true(r->mounted);
	assert_string_equal(r->lower, "/var/lib/ct/r1/lower");
	assert_string_equal(r->upper, "/var/lib/ct/r1/upper");
	assert_string_equal(r->work, "/var/lib/ct/r1/work");
	assert_true(rootfs_parse(mountinfo, "/many", r));
	assert_string_equal(r->lower, "/a:/b c:/d");
	assert_string_equal(r->upper, "");
	assert_true(rootfs_parse(mountinfo, "/new", r));
	assert_string_equal(r->lower, "/a:/b");
	assert_string_equal(r->upper, "/u");
	assert_true(rootfs_parse(mountinfo, "/bind", r));
	assert_int_equal(r->kind, ROOTFS_PLAIN);
	assert_true(rootfs_parse(mountinfo, "/twice", r));
	assert_string_equal(r->lower, "/z");
	assert_false(rootfs_parse(mountinfo, "/nothing", r));
	assert_false(rootfs_parse("", "/", r));
}

static void paths_of(struct rootfs_mount *r)
{
	memset(r, 0, sizeof(*r));
	r->kind = ROOTFS_OVERLAY;
	str_fmt(r->path, sizeof(r->path), "%s/mnt/ct/rootfs", dir);
	str_fmt(r->lower, sizeof(r->lower), "%s/mnt/img1:%s/mnt/img2", dir, dir);
	str_fmt(r->upper, sizeof(r->upper), "%s/mnt/ct/upper", dir);
	str_fmt(r->work, sizeof(r->work), "%s/mnt/ct/work", dir);
}

/* In a mount namespace of its own, on a tmpfs: an overlay cannot lie on an overlay. */
static void an_overlay_is_mounted_as_it_was(void **state)
{
	auto_free struct rootfs_mount *wanted = mem_new_of(struct rootfs_mount);
	auto_free struct rootfs_mount *found = mem_new_of(struct rootfs_mount);
	auto_free char *text = NULL;
	struct err err;
	char path[128];

	(void)state;
	str_fmt(path, sizeof(path), "%s/mnt", dir);
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 || mkdir(path, 0700) < 0 ||
	    mount("tmpfs", path, "tmpfs", 0, NULL) < 0)
		skip();
	paths_of(wanted);
	assert_int_equal(rootfs_mount(wanted, &err), -ERR_nosuch);
	str_fmt(path, sizeof(path), "%s/mnt/img1", dir);
	mkdir(path, 0755);
	str_fmt(path, sizeof(path), "%s/mnt/img2", dir);
	mkdir(path, 0755);
	str_fmt(path, sizeof(path), "%s/mnt/img2/file", dir);
	ok(file_write_atomic(path, "x", 1, 0644, &err));
	ok(rootfs_mount(wanted, &err));
	str_fmt(path, sizeof(path), "%s/mnt/ct/rootfs/file", dir);
	assert_int_equal(access(path, F_OK), 0);
	ok(file_read("/proc/self/mountinfo", 1u << 20, &text, NULL, &err));
	assert_true(rootfs_parse(text, wanted->path, found));
	assert_string_equal(found->lower, wanted->lower);
	assert_string_equal(found->upper, wanted->upper);
	assert_string_equal(found->work, wanted->work);
	umount2(wanted->path, MNT_DETACH);
	str_copy(wanted->lower, sizeof(wanted->lower), "/a,upperdir=/b");
	assert_int_equal(rootfs_mount(wanted, &err), -ERR_invalid);
}

static int set_up(void **state)
{
	(void)state;
	str_copy(dir, sizeof(dir), "/tmp/drover-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int clean_up(void **state)
{
	char path[128];

	(void)state;
	str_fmt(path, sizeof(path), "%s/mnt", dir);
	umount2(path, MNT_DETACH);
	return file_rmtree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_config_is_read),
		cmocka_unit_test(network_namespaces_are_told_apart),
		cmocka_unit_test(strange_configs_are_survived),
		cmocka_unit_test(long_lists_are_cut_and_say_so),
		cmocka_unit_test(overlays_are_recognised),
		cmocka_unit_test(an_overlay_is_mounted_as_it_was),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
