/* SPDX-License-Identifier: MPL-2.0
 *
 * A tree arrives as it was: every kind of entry, attributes, links, holes; what changed or vanished
 * between the passes too. Anything damaged or added on the way is refused. */
#include "transfer_rig.h"

#include "transfer/manifest.h"

#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static bool is_root(void)
{
	return geteuid() == 0;
}

static void path_in(char *out, const char *dir, const char *name)
{
	str_fmt(out, PATH_MAX, "%s/%s", dir, name);
}

static void make_tree(struct rig *rig)
{
	char p[PATH_MAX], q[PATH_MAX];
	struct timespec times[2] = {{1000000000, 123456789}, {1000000000, 123456789}};
	int fd;

	path_in(p, rig->src, "etc");
	assert_int_equal(mkdir(p, 0755), 0);
	rig_text(rig->src, "etc/motd", "hello\n");
	rig_text(rig->src, "empty", "");
	rig_text(rig->src, "odd name %=\n\xff", "odd");
	path_in(p, rig->src, "etc/motd");
	assert_int_equal(chown(p, 1000, 1001), 0);
	assert_int_equal(chmod(p, 04755), 0);
	assert_int_equal(setxattr(p, "user.note", "a=b\0c", 5, 0), 0);
	path_in(q, rig->src, "etc/motd.hard");
	assert_int_equal(link(p, q), 0);
	path_in(p, rig->src, "etc/link");
	assert_int_equal(symlink("../empty", p), 0);
	path_in(p, rig->src, "dangling");
	assert_int_equal(symlink("/nowhere/at all", p), 0);
	path_in(p, rig->src, "fifo");
	assert_int_equal(mkfifo(p, 0640), 0);
	path_in(p, rig->src, "whiteout");
	assert_int_equal(mknod(p, S_IFCHR | 0600, makedev(0, 0)), 0);
	path_in(p, rig->src, "null");
	assert_int_equal(mknod(p, S_IFCHR | 0666, makedev(1, 3)), 0);
	path_in(p, rig->src, "opaque");
	assert_int_equal(mkdir(p, 0700), 0);
	assert_int_equal(setxattr(p, "trusted.overlay.opaque", "y", 1, 0), 0);
	path_in(p, rig->src, "sparse");
	fd = open(p, O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	assert_int_equal(pwrite(fd, "middle", 6, 33 << 20), 6);
	close(fd);
	path_in(p, rig->src, "etc");
	assert_int_equal(utimensat(AT_FDCWD, p, times, 0), 0);
}

static void same_stat(struct rig *rig, const char *name)
{
	char p[PATH_MAX], q[PATH_MAX];
	struct stat a, b;

	path_in(p, rig->src, name);
	path_in(q, rig->dst, name);
	assert_int_equal(lstat(p, &a), 0);
	assert_int_equal(lstat(q, &b), 0);
	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_uid, b.st_uid);
	assert_int_equal(a.st_gid, b.st_gid);
	assert_int_equal(a.st_rdev, b.st_rdev);
	assert_int_equal(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
	assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	if (!S_ISDIR(a.st_mode))
		assert_int_equal(a.st_size, b.st_size);
}

static void check_tree(struct rig *rig)
{
	static const char *const names[] = {"etc",   "etc/motd", "etc/motd.hard", "etc/link",
					    "empty", "dangling", "fifo",          "whiteout",
					    "null",  "opaque",   "sparse",        "."};
	char p[PATH_MAX], value[16];
	struct stat a, b;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		same_stat(rig, names[i]);
	rig_same(rig->dst, "etc/motd", "hello\n", 6);
	rig_same(rig->dst, "odd name %=\n\xff", "odd", 3);
	path_in(p, rig->dst, "etc/motd");
	assert_int_equal(getxattr(p, "user.note", value, sizeof(value)), 5);
	assert_memory_equal(value, "a=b\0c", 5);
	stat(p, &a);
	path_in(p, rig->dst, "etc/motd.hard");
	stat(p, &b);
	assert_int_equal(a.st_ino, b.st_ino);
	path_in(p, rig->dst, "opaque");
	assert_int_equal(getxattr(p, "trusted.overlay.opaque", value, sizeof(value)), 1);
	path_in(p, rig->dst, "dangling");
	assert_int_equal(readlink(p, value, sizeof(value)), 15);
	path_in(p, rig->dst, "sparse");
	stat(p, &a);
	assert_true(a.st_blocks * 512 < 1 << 20);
}

static void every_kind_of_entry_arrives(void **state)
{
	struct rig rig;

	(void)state;
	if (!is_root())
		skip();
	rig_init(&rig);
	make_tree(&rig);
	rig_tree(&rig, "rootfs");
	rig_open(&rig, 1, CODEC_zstd);
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	assert_int_equal(rig_close(&rig), 0);
	assert_int_equal(rig_unpack(&rig), 0);
	check_tree(&rig);
	rig_done(&rig);
}

static void second_pass_sends_only_what_changed(void **state)
{
	enum { BIG = 8 << 20 };
	auto_free uint8_t *big = mem_new(1, BIG);
	char p[PATH_MAX];
	struct rig rig;
	uint64_t sent;

	(void)state;
	if (!is_root())
		skip();
	rig_init(&rig);
	rig_random(big, BIG, 1);
	make_tree(&rig);
	rig_write(rig.src, "same", big, BIG);
	big[0]++;
	rig_write(rig.src, "changes", big, BIG);
	rig_text(rig.src, "goes", "away");
	rig_text(rig.dst, "stale", "from an earlier stay");
	path_in(p, rig.dst, "olddir");
	assert_int_equal(mkdir(p, 0700), 0);
	rig_text(rig.dst, "olddir/file", "x");
	rig_tree(&rig, "rootfs");
	rig_open(&rig, 1, CODEC_none);
	rig_settle();
	assert_int_equal(rig_pass(&rig, false, 0), 0);
	sent = push_figures(rig.push)->sent_bytes;
	/* "changes" differs from "same" in one page. */
	assert_in_range(sent, BIG, BIG + BIG / 4);

	big[BIG / 2] ^= 1;
	rig_write(rig.src, "changes", big, BIG);
	rig_text(rig.src, "comes", "new");
	path_in(p, rig.src, "goes");
	assert_int_equal(unlink(p), 0);
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	sent = push_figures(rig.push)->sent_bytes - sent;
	assert_true(sent < 200 * 1024);
	assert_int_equal(rig_close(&rig), 0);
	assert_int_equal(rig_unpack(&rig), 0);
	check_tree(&rig);
	rig_same(rig.dst, "changes", big, BIG);
	rig_same(rig.dst, "comes", "new", 3);
	assert_false(rig_exists(rig.dst, "goes"));
	assert_false(rig_exists(rig.dst, "stale"));
	assert_false(rig_exists(rig.dst, "olddir"));
	rig_done(&rig);
}

static void writes_through_a_mapping_are_seen(void **state)
{
	enum { LEN = 1 << 20 };
	auto_free uint8_t *want = mem_new(1, LEN);
	pid_t self = getpid();
	char p[PATH_MAX];
	uint8_t *map;
	struct rig rig;
	int fd;

	(void)state;
	if (!is_root())
		skip();
	rig_init(&rig);
	rig_random(want, LEN, 5);
	rig_write(rig.src, "database", want, LEN);
	path_in(p, rig.src, "database");
	fd = open(p, O_RDWR | O_CLOEXEC);
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	map[5000] = 1; /* from here on the page is writable without the kernel's notice */
	rig_settle();
	rig_tree(&rig, "rootfs");
	rig.plan.pids = &self;
	rig.plan.n_pids = 1;
	rig_open(&rig, 1, CODEC_none);
	assert_int_equal(rig_pass(&rig, false, 0), 0);
	map[5000] = 2;
	memcpy(want, map, LEN);
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	assert_true(push_figures(rig.push)->sent_bytes < LEN + 100 * 1024);
	munmap(map, LEN);
	rig_close(&rig);
	assert_int_equal(rig_unpack(&rig), 0);
	rig_same(rig.dst, "database", want, LEN);
	rig_done(&rig);
}

static void it_is_copied_across_file_systems(void **state)
{
	struct stat a, b;
	struct rig rig;

	(void)state;
	if (!is_root() || stat("/dev/shm", &a) || stat("/tmp", &b) || a.st_dev == b.st_dev)
		skip();
	rig_init_at(&rig, "/dev/shm", 1ull << 30);
	str_copy(rig.dst, sizeof(rig.dst), "/tmp/drover-dst-XXXXXX");
	assert_non_null(mkdtemp(rig.dst));
	make_tree(&rig);
	rig_tree(&rig, "rootfs");
	rig_open(&rig, 1, CODEC_zstd);
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	rig_close(&rig);
	assert_int_equal(rig_unpack(&rig), 0);
	check_tree(&rig);
	assert_int_equal(file_rmtree(rig.dst, NULL), 0);
	rig_done(&rig);
}

/* A source that lies: its manifest leads through a symlink that it makes itself. */
static void a_symlink_leads_nowhere(void **state)
{
	struct rig rig;
	FILE *out;
	char *text;
	size_t len;

	(void)state;
	if (!is_root())
		skip();
	rig_init(&rig);
	out = open_memstream(&text, &len);
	manifest_put_head(out, RIG_MIGRATION, RIG_EPOCH);
	manifest_put_root(out, 0, "rootfs");
	manifest_put_entry(out, &(struct manifest_entry){.type = 'd', .mode = 0700, .path = "."});
	manifest_put_entry(out,
			   &(struct manifest_entry){.type = 'l', .path = "out", .link = rig.src});
	manifest_put_entry(out,
			   &(struct manifest_entry){.type = 'd', .mode = 0777, .path = "out/made"});
	fclose(out);
	rig_write(rig.images, "manifest", text, len);
	seal_of(text, len, rig.result.seal);
	free(text);
	rig_tree(&rig, "rootfs");
	assert_int_equal(rig_unpack(&rig), -ERR_io);
	assert_false(rig_exists(rig.src, "made"));
	rig_done(&rig);
}

static void excluded_paths_stay_on_both_sides(void **state)
{
	char p[PATH_MAX];
	struct rig rig;

	(void)state;
	if (!is_root())
		skip();
	rig_init(&rig);
	path_in(p, rig.src, "upper");
	assert_int_equal(mkdir(p, 0700), 0);
	rig_text(rig.src, "upper/secret", "s");
	path_in(p, rig.dst, "upper");
	assert_int_equal(mkdir(p, 0700), 0);
	rig_text(rig.dst, "upper/mine", "m");
	rig_text(rig.src, "config.json", "{\"ociVersion\":\"1.0.0\"}");
	rig_tree(&rig, "bundle");
	rig.plan.excludes[rig.plan.n_excludes++] = (struct reader_pair){"bundle", "upper"};
	rig_open(&rig, 1, CODEC_auto);
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	rig_close(&rig);
	assert_int_equal(rig_unpack(&rig), 0);
	assert_true(rig_exists(rig.dst, "upper/mine"));
	assert_false(rig_exists(rig.dst, "upper/secret"));
	rig_done(&rig);
}

static int unpack_after(const char *config, void (*harm)(struct rig *rig))
{
	struct rig rig;
	int r;

	rig_init(&rig);
	rig_text(rig.src, "config.json", config);
	rig_text(rig.src, "data", "some data that is long enough to be damaged");
	rig_text(rig.dump, "inventory.img", "an image");
	rig_tree(&rig, "bundle");
	rig.plan.images = rig.dump;
	rig_open(&rig, 1, CODEC_auto);
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	rig_close(&rig);
	if (harm)
		harm(&rig);
	r = rig_unpack(&rig);
	if (!harm && !r)
		rig_same(rig.images, "inventory.img", "an image", 8);
	else
		assert_false(rig_exists(rig.dst, "data"));
	rig_done(&rig);
	return r;
}

static void flip(const char *dir, const char *name)
{
	char p[PATH_MAX];
	int fd;

	path_in(p, dir, name);
	fd = open(p, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "X", 1, 3), 1);
	close(fd);
}

static void harm_blob(struct rig *rig)
{
	flip(rig->tree, "b00000002");
}

static void harm_image(struct rig *rig)
{
	flip(rig->images, "i00000001");
}

static void harm_manifest(struct rig *rig)
{
	flip(rig->images, "manifest");
}

static void harm_extra(struct rig *rig)
{
	rig_text(rig->tree, "b00000009", "extra");
}

static void harm_missing(struct rig *rig)
{
	char p[PATH_MAX];

	path_in(p, rig->tree, "b00000002");
	assert_int_equal(unlink(p), 0);
}

static void harm_link(struct rig *rig)
{
	char p[PATH_MAX], q[PATH_MAX];

	path_in(p, rig->tree, "b00000002");
	path_in(q, rig->dir, "elsewhere");
	assert_int_equal(link(p, q), 0);
}

static int harm_fd = -1;

static void harm_writer(struct rig *rig)
{
	char p[PATH_MAX];

	path_in(p, rig->tree, "b00000002");
	harm_fd = open(p, O_WRONLY | O_CLOEXEC);
}

static void unpack_refuses_what_is_not_as_sealed(void **state)
{
	const char *plain = "{\"ociVersion\":\"1.0.0\"}";

	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(unpack_after(plain, NULL), 0);
	assert_int_equal(unpack_after(plain, harm_blob), -ERR_corrupt);
	assert_int_equal(unpack_after(plain, harm_image), -ERR_corrupt);
	assert_int_equal(unpack_after(plain, harm_manifest), -ERR_corrupt);
	assert_int_equal(unpack_after(plain, harm_extra), -ERR_corrupt);
	assert_int_equal(unpack_after(plain, harm_missing), -ERR_corrupt);
	assert_int_equal(unpack_after(plain, harm_link), -ERR_corrupt);
	assert_int_equal(unpack_after(plain, harm_writer), -ERR_busy);
	close(harm_fd);
}

static void hooks_and_criu_config_are_refused(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(unpack_after("{\"hooks\":{\"prestart\":[{\"path\":\"/x\"}]}}", NULL),
			 -ERR_refused);
	/* runc would take these for hooks: Go's JSON does not mind case, nor U+017F for s. */
	assert_int_equal(unpack_after("{\"HooKs\":{\"prestart\":[{\"path\":\"/x\"}]}}", NULL),
			 -ERR_refused);
	assert_int_equal(unpack_after("{\"hook\\u017f\":{\"prestart\":[{\"path\":\"/x\"}]}}", NULL),
			 -ERR_refused);
	assert_int_equal(unpack_after("{\"Annotations\":{\"org.criu.config\":\"/x\"}}", NULL),
			 -ERR_refused);
	assert_int_equal(unpack_after("{\"annotations\":{\"org.criu.config\":\"/x\"}}", NULL),
			 -ERR_refused);
	assert_int_equal(unpack_after("not json", NULL), -ERR_refused);
	assert_int_equal(unpack_after("{\"hooks\":{}}", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_entry_arrives),
		cmocka_unit_test(second_pass_sends_only_what_changed),
		cmocka_unit_test(writes_through_a_mapping_are_seen),
		cmocka_unit_test(it_is_copied_across_file_systems),
		cmocka_unit_test(a_symlink_leads_nowhere),
		cmocka_unit_test(excluded_paths_stay_on_both_sides),
		cmocka_unit_test(unpack_refuses_what_is_not_as_sealed),
		cmocka_unit_test(hooks_and_criu_config_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
