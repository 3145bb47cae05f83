/* SPDX-License-Identifier: MPL-2.0
 *
 * One migration's transfer without SSH: staging directories, a ticket, receivers in child processes
 * behind socketpairs, readers in child processes. Everything lives below one temporary directory.
 */
#ifndef TESTS_TRANSFER_RIG_H
#define TESTS_TRANSFER_RIG_H

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "transfer/pass.h"
#include "transfer/push.h"
#include "transfer/reader.h"
#include "transfer/receiver.h"
#include "transfer/ticket.h"
#include "transfer/unpack.h"
#include "transfer/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RIG_MIGRATION "01JTESTTESTTESTTESTTESTTES"
#define RIG_EPOCH 7

struct rig {
	uid_t uid; /* receivers run as; another one than ours when we are root, as in real life */
	char dir[64];
	char tickets[96], images[96], tree[96], src[96], dst[96], dump[96];
	struct ticket ticket;
	struct push *push;
	struct passes *passes;
	pid_t receivers[8];
	unsigned n_receivers;
	struct reader_plan plan;
	struct pass_result result;
	struct err err;
};

static inline void rig_path(struct rig *rig, char *out, const char *name)
{
	assert_true(str_fmt(out, 96, "%s/%s", rig->dir, name));
	assert_int_equal(mkdir(out, 0700), 0);
}

static inline void rig_new_ticket(struct rig *rig, uint64_t quota)
{
	rig->ticket = (struct ticket){.epoch = RIG_EPOCH,
				      .quota_bytes = quota,
				      .expiry_boot_ms = clock_boot_ms() + 60000};
	str_copy(rig->ticket.migration, sizeof(rig->ticket.migration), RIG_MIGRATION);
	ticket_new_secret(&rig->ticket);
	str_copy(rig->ticket.images, PATH_MAX, rig->images);
	str_copy(rig->ticket.tree, PATH_MAX, rig->tree);
	assert_int_equal(ticket_create(rig->tickets, &rig->ticket, rig->uid, rig->uid, &rig->err),
			 0);
}

static inline void rig_give(struct rig *rig)
{
	assert_int_equal(chown(rig->tickets, rig->uid, rig->uid), 0);
	assert_int_equal(chown(rig->images, rig->uid, rig->uid), 0);
	assert_int_equal(chown(rig->tree, rig->uid, rig->uid), 0);
}

static inline void rig_init_at(struct rig *rig, const char *base, uint64_t quota)
{
	*rig = (struct rig){0};
	signal(SIGPIPE, SIG_IGN);
	str_fmt(rig->dir, sizeof(rig->dir), "%s/drover-test-XXXXXX", base);
	assert_non_null(mkdtemp(rig->dir));
	rig->uid = geteuid() ? geteuid() : 65534;
	assert_int_equal(chmod(rig->dir, 0711), 0);
	rig_path(rig, rig->tickets, "tickets");
	rig_path(rig, rig->images, "images");
	rig_path(rig, rig->tree, "tree");
	rig_path(rig, rig->src, "src");
	rig_path(rig, rig->dst, "dst");
	rig_path(rig, rig->dump, "dump");
	if (geteuid() == 0)
		rig_give(rig);
	rig_new_ticket(rig, quota);
}

static inline void rig_init(struct rig *rig)
{
	rig_init_at(rig, "/tmp", 1ull << 30);
}

static inline struct frame_hello rig_hello(const struct rig *rig)
{
	struct frame_hello hello = {.epoch = rig->ticket.epoch};

	str_copy(hello.migration, sizeof(hello.migration), rig->ticket.migration);
	memcpy(hello.secret, rig->ticket.secret, sizeof(hello.secret));
	return hello;
}

/* A receiver in a child; the returned wire leads to it. */
static inline struct wire *rig_receiver(struct rig *rig, uint64_t now_boot_ms)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		struct receiver_config config = {.tickets = rig->tickets,
						 .now_boot_ms = now_boot_ms};
		struct wire *wire = wire_fd_new(pair[1], pair[1]);
		struct err err = {0};
		int r;

		/* Other receivers' sockets must not stay open here. */
		for (int fd = 3; fd < 200; fd++)
			if (fd != pair[1])
				close(fd);
		if (setresgid(rig->uid, rig->uid, rig->uid) ||
		    setresuid(rig->uid, rig->uid, rig->uid))
			_exit(99);
		umask(077);
		r = receiver_run(wire, &config, &err);
		wire_free(&wire);
		_exit(r ? -r : 0);
	}
	close(pair[1]);
	rig->receivers[rig->n_receivers++] = pid;
	return wire_fd_new(pair[0], pair[0]);
}

static inline int rig_join(struct rig *rig)
{
	struct frame_hello hello = rig_hello(rig);

	return push_join(rig->push, rig_receiver(rig, clock_boot_ms()), &hello, &rig->err);
}

static inline void rig_open(struct rig *rig, unsigned sessions, enum codec codec)
{
	struct push_config config = {.codec = codec};

	rig->push = push_new(&config);
	for (unsigned i = 0; i < sessions; i++)
		assert_int_equal(rig_join(rig), 0);
	rig->passes = passes_new(rig->push, RIG_MIGRATION, RIG_EPOCH);
}

/* One pass of the plan; the code is that of pass_run. */
static inline int rig_pass(struct rig *rig, bool final, unsigned rounds)
{
	struct pass_options options = {.final = final, .rounds = rounds};
	int pair[2], r, status;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		_exit(reader_run(pair[1], &rig->plan, NULL) ? 1 : 0);
	}
	close(pair[1]);
	r = pass_run(rig->passes, pair[0], &options, &rig->result, &rig->err);
	close(pair[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return r;
}

/* Ends the sessions; answers the worst exit code of the receivers. */
static inline int rig_close(struct rig *rig)
{
	int worst = 0, status;

	passes_free(&rig->passes);
	push_free(&rig->push);
	for (unsigned i = 0; i < rig->n_receivers; i++) {
		assert_int_equal(waitpid(rig->receivers[i], &status, 0), rig->receivers[i]);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) > worst)
			worst = WEXITSTATUS(status);
	}
	rig->n_receivers = 0;
	return worst;
}

static inline int rig_unpack(struct rig *rig)
{
	struct unpack_plan plan = {.images = rig->images,
				   .tree = rig->tree,
				   .migration = RIG_MIGRATION,
				   .epoch = RIG_EPOCH,
				   .n_roots = rig->plan.n_trees};

	memcpy(plan.digest, rig->result.seal, sizeof(plan.digest));
	for (size_t i = 0; i < rig->plan.n_trees; i++)
		plan.roots[i] = (struct unpack_root){rig->plan.trees[i].name, rig->dst};
	return unpack_run(&plan, &rig->err);
}

static inline void rig_done(struct rig *rig)
{
	rig_close(rig);
	assert_int_equal(file_rmtree(rig->dir, NULL), 0);
}

static inline void rig_tree(struct rig *rig, const char *name)
{
	rig->plan.trees[rig->plan.n_trees++] = (struct reader_pair){name, rig->src};
}

static inline void rig_write(const char *dir, const char *name, const void *data, size_t len)
{
	char path[PATH_MAX];
	int fd;

	str_fmt(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, data, len, NULL), 0);
	close(fd);
}

static inline void rig_text(const char *dir, const char *name, const char *text)
{
	rig_write(dir, name, text, strlen(text));
}

static inline void rig_random(void *data, size_t len, uint64_t seed)
{
	uint64_t *p = data;

	seed = seed * 2654435761u + 1;
	for (size_t i = 0; i < len / 8; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		p[i] = seed;
	}
}

static inline void rig_same(const char *dir, const char *name, const void *want, size_t want_len)
{
	char path[PATH_MAX];
	char *data;
	size_t len;

	str_fmt(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(file_read(path, 1u << 30, &data, &len, NULL), 0);
	assert_int_equal(len, want_len);
	assert_memory_equal(data, want, len);
	free(data);
}

static inline bool rig_exists(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	str_fmt(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) == 0;
}

/* Makes what was just written old enough to count as settled. */
static inline void rig_settle(void)
{
	usleep(150 * 1000);
}

#endif
