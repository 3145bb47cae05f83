/* SPDX-License-Identifier: MPL-2.0
 *
 * Zero pages never travel, known pages travel as references, memory sent ahead is not sent again;
 * several sessions carry one migration; a full or used-up staging area is said so. */
#include "transfer_rig.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#define MIB (1024 * 1024)

/* What the victim has besides the memory under test; a sanitizer's own memory is large. */
#if defined(__SANITIZE_ADDRESS__)
#define OTHER (512 * MIB)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OTHER (512 * MIB)
#endif
#endif
#ifndef OTHER
#define OTHER (8 * MIB)
#endif

static void fill(uint8_t *data, size_t size)
{
	/* 1/4 zero, 1/4 one page again and again, 1/2 random */
	const size_t len = size / PAGE_BYTES / 4 * 4 * PAGE_BYTES;

	rig_random(data, size, 42);
	memset(data, 0, len / 4);
	for (size_t at = len / 4; at < len / 2; at += PAGE_BYTES)
		memmove(data + at, data + len / 2, PAGE_BYTES);
}

static void images_arrive_without_zero_and_double_pages(void **state)
{
	const size_t len = 32 * MIB + 1234;
	auto_free uint8_t *data = mem_new(1, len);
	const struct push_figures *f;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	fill(data, len);
	rig_write(rig.dump, "pages-1.img", data, len);
	rig_text(rig.dump, "inventory.img", "small");
	rig_text(rig.dump, "empty.img", "");
	for (int i = 0; i < 300; i++) {
		char name[32];

		str_fmt(name, sizeof(name), "core-%d.img", i);
		rig_text(rig.dump, name, name);
	}
	rig.plan.images = rig.dump;
	rig_open(&rig, 1, CODEC_none);
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	f = push_figures(rig.push);
	assert_in_range(f->sent_bytes, len / 2, len / 2 + len / 64);
	assert_in_range(f->zero_pages, 8 * MIB / PAGE_BYTES, 8 * MIB / PAGE_BYTES + 1);
	assert_int_equal(f->image_bytes > len, 1);
	assert_int_equal(rig_close(&rig), 0);
	if (geteuid() == 0) {
		assert_int_equal(rig_unpack(&rig), 0);
		rig_same(rig.images, "pages-1.img", data, len);
		rig_same(rig.images, "inventory.img", "small", 5);
		rig_same(rig.images, "empty.img", "", 0);
		rig_same(rig.images, "core-299.img", "core-299.img", 12);
	}
	rig_done(&rig);
}

static void two_sessions_carry_one_migration(void **state)
{
	const size_t len = 48 * MIB;
	auto_free uint8_t *data = mem_new(1, len);
	struct rig rig;

	(void)state;
	rig_init(&rig);
	fill(data, len);
	rig_write(rig.dump, "pages-1.img", data, len);
	rig_write(rig.dump, "pages-2.img", data, len / 2);
	for (int i = 0; i < 100; i++) {
		char name[32];

		str_fmt(name, sizeof(name), "file%d", i);
		rig_write(rig.src, name, data + len - 100000, (size_t)i * 997);
	}
	rig.plan.images = rig.dump;
	rig_tree(&rig, "rootfs");
	rig_open(&rig, 3, CODEC_lz4);
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	assert_int_equal(rig_close(&rig), 0);
	if (geteuid() == 0) {
		assert_int_equal(rig_unpack(&rig), 0);
		rig_same(rig.images, "pages-1.img", data, len);
		rig_same(rig.images, "pages-2.img", data, len / 2);
		rig_same(rig.dst, "file99", data + len - 100000, 99 * 997);
	}
	rig_done(&rig);
}

/* A child with known private memory, changed on request. */
struct victim {
	pid_t pid;
	uint8_t *memory; /* at the same address there */
	size_t len;
};

static void victim_new(struct victim *v, size_t len)
{
	int ready[2];
	char c;

	v->len = len;
	v->memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(pipe(ready), 0);
	v->pid = fork();
	if (v->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fill(v->memory, len);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
}

static void victim_done(struct victim *v)
{
	kill(v->pid, SIGKILL);
	waitpid(v->pid, NULL, 0);
	munmap(v->memory, v->len);
}

/* What criu would write of the victim: its memory, from elsewhere. */
static void victim_dump(struct rig *rig, const struct victim *v)
{
	auto_free uint8_t *copy = mem_new(1, v->len);
	char path[64];
	int fd;

	str_fmt(path, sizeof(path), "/proc/%d/mem", v->pid);
	fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, copy, v->len, (off_t)(uintptr_t)v->memory), v->len);
	close(fd);
	rig_write(rig->dump, "pages-1.img", copy, v->len);
}

static uint64_t staged_bytes(const struct rig *rig)
{
	char path[PATH_MAX];
	struct stat st;

	str_fmt(path, sizeof(path), "%s/pages.store", rig->images);
	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void __attribute__((unused)) memory_sent_ahead_is_not_sent_again(void **state)
{
	const size_t len = 64 * MIB;
	auto_free uint8_t *data = mem_new(1, len);
	struct victim v;
	struct rig rig;
	uint64_t seeded;

	(void)state;
	if (geteuid())
		skip();
	victim_new(&v, len);
	rig_init(&rig);
	fill(data, len);
	rig.plan.pids = &v.pid;
	rig.plan.n_pids = 1;
	rig.plan.memory = true;
	rig_open(&rig, 2, CODEC_none);
	assert_int_equal(rig_pass(&rig, false, 4), 0);
	seeded = push_figures(rig.push)->sent_bytes;
	/* Nothing changed: the second round found nothing and was the last. */
	assert_int_equal(rig.result.rounds, 2);
	assert_int_equal(rig.result.round_bytes, 0);
	assert_in_range(seeded, len / 2, len / 2 + OTHER);
	assert_in_range(staged_bytes(&rig), len / 2, len / 2 + OTHER);

	kill(v.pid, SIGSTOP);
	victim_dump(&rig, &v);
	rig.plan.memory = false;
	rig.plan.images = rig.dump;
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	assert_true(push_figures(rig.push)->sent_bytes - seeded < MIB);
	/* What lies in the image is given back to the store's file system. */
	assert_true(staged_bytes(&rig) < OTHER);
	assert_int_equal(rig_close(&rig), 0);
	assert_int_equal(rig_unpack(&rig), 0);
	rig_same(rig.images, "pages-1.img", data, len);
	victim_done(&v);
	rig_done(&rig);
}

static void what_an_earlier_attempt_left_is_known(void **state)
{
	const size_t len = 16 * MIB;
	struct victim v;
	struct rig rig;

	(void)state;
	if (geteuid())
		skip();
	victim_new(&v, len);
	rig_init(&rig);
	rig.plan.pids = &v.pid;
	rig.plan.n_pids = 1;
	rig.plan.memory = true;
	rig_open(&rig, 1, CODEC_none);
	assert_int_equal(rig_pass(&rig, false, 1), 0);
	assert_int_equal(rig_close(&rig), 0);
	rig_new_ticket(&rig, 1ull << 30);
	rig_open(&rig, 1, CODEC_none);
	assert_int_equal(rig_pass(&rig, false, 1), 0);
	assert_true(push_figures(rig.push)->sent_bytes < MIB);
	rig_close(&rig);
	victim_done(&v);
	rig_done(&rig);
}

static void the_quota_is_kept(void **state)
{
	const size_t len = 8 * MIB;
	auto_free uint8_t *data = mem_new(1, len);
	struct rig rig;

	(void)state;
	rig_init_at(&rig, "/tmp", 4 * MIB);
	rig_random(data, len, 9);
	rig_write(rig.dump, "pages-1.img", data, len);
	rig.plan.images = rig.dump;
	rig_open(&rig, 1, CODEC_none);
	assert_int_equal(rig_pass(&rig, true, 0), -ERR_nospace);
	assert_non_null(strstr(rig.err.text, "reserved"));
	assert_int_equal(rig_close(&rig), ERR_nospace);
	rig_done(&rig);
}

static void a_full_staging_area_is_said_so(void **state)
{
	const size_t len = 8 * MIB;
	auto_free uint8_t *data = mem_new(1, len);
	char base[] = "/tmp/drover-full-XXXXXX";
	struct rig rig;

	(void)state;
	assert_non_null(mkdtemp(base));
	if (geteuid() || mount("tmpfs", base, "tmpfs", 0, "size=4m")) {
		rmdir(base);
		skip();
	}
	rig_random(data, len, 9);
	rig_init_at(&rig, base, 16 * MIB);
	str_copy(rig.dump, sizeof(rig.dump), "/tmp/drover-dump-XXXXXX");
	assert_non_null(mkdtemp(rig.dump));
	rig_write(rig.dump, "pages-1.img", data, len);
	rig.plan.images = rig.dump;
	rig_open(&rig, 1, CODEC_none);
	assert_int_equal(rig_pass(&rig, true, 0), -ERR_nospace);
	assert_int_equal(rig_close(&rig), ERR_nospace);
	file_rmtree(rig.dump, NULL);
	rig_done(&rig);
	umount(base);
	rmdir(base);
}

static void a_dead_receiver_ends_the_pass(void **state)
{
	const size_t len = 64 * MIB;
	auto_free uint8_t *data = mem_new(1, len);
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_random(data, len, 9);
	rig_write(rig.dump, "pages-1.img", data, len);
	rig.plan.images = rig.dump;
	rig_open(&rig, 1, CODEC_none);
	kill(rig.receivers[0], SIGKILL);
	assert_int_equal(rig_pass(&rig, true, 0), -ERR_unreachable);
	passes_free(&rig.passes);
	push_free(&rig.push);
	waitpid(rig.receivers[0], NULL, 0);
	rig.n_receivers = 0;
	rig_done(&rig);
}

static void a_rate_limit_is_kept(void **state)
{
	struct push_config config = {.codec = CODEC_none, .rate = 8 * MIB};
	const size_t len = 4 * MIB;
	auto_free uint8_t *data = mem_new(1, len);
	uint64_t start = clock_mono_ms();
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_random(data, len, 9);
	rig_write(rig.dump, "pages-1.img", data, len);
	rig.plan.images = rig.dump;
	rig.push = push_new(&config);
	assert_int_equal(rig_join(&rig), 0);
	rig.passes = passes_new(rig.push, RIG_MIGRATION, RIG_EPOCH);
	assert_int_equal(rig_pass(&rig, true, 0), 0);
	assert_in_range(clock_mono_ms() - start, 400, 2000);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_arrive_without_zero_and_double_pages),
		cmocka_unit_test(two_sessions_carry_one_migration),
#ifndef __SANITIZE_ADDRESS__ /* its shadow is memory of the process, too */
		cmocka_unit_test(memory_sent_ahead_is_not_sent_again),
#endif
		cmocka_unit_test(what_an_earlier_attempt_left_is_known),
		cmocka_unit_test(the_quota_is_kept),
		cmocka_unit_test(a_full_staging_area_is_said_so),
		cmocka_unit_test(a_dead_receiver_ends_the_pass),
		cmocka_unit_test(a_rate_limit_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
