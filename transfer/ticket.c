/* SPDX-License-Identifier: MPL-2.0
 *
 * Ticket files are KEY=VALUE lines of at most TICKET_MAX bytes. */
#include "transfer/ticket.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICKET_MAX (3 * PATH_MAX)

bool secret_eq(const uint8_t a[TICKET_SECRET], const uint8_t b[TICKET_SECRET])
{
	volatile uint8_t differ = 0;

	for (int i = 0; i < TICKET_SECRET; i++)
		differ |= a[i] ^ b[i];
	return !differ;
}

static void random_bytes(uint8_t *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		abort();
}

void ticket_new_secret(struct ticket *ticket)
{
	random_bytes(ticket->secret, sizeof(ticket->secret));
}

static int open_dir(const char *dir, struct err *err)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? fail_errno(err, ERR_io, "opening %s", dir) : fd;
}

/* Writes a new file name in the directory; it appears complete, under an unused name only. */
static int put_file(int dirfd, const char *name, const char *text, size_t len, uid_t uid, gid_t gid,
		    struct err *err)
{
	char temp[NAME_SIZE + 32];
	auto_close int fd = -1;
	int r;

	str_fmt(temp, sizeof(temp), ".%s.new", name);
	unlinkat(dirfd, temp, 0);
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(err, ERR_io, "creating the ticket");
	r = file_write_all(fd, text, len, err);
	if (!r && (fchown(fd, uid, gid) || renameat(dirfd, temp, dirfd, name)))
		r = fail_errno(err, ERR_io, "writing the ticket");
	if (r)
		unlinkat(dirfd, temp, 0);
	return r;
}

int ticket_create(const char *dir, const struct ticket *ticket, uid_t uid, gid_t gid,
		  struct err *err)
{
	char secret[2 * TICKET_SECRET + 1];
	auto_free char *text = NULL;
	auto_close int dirfd = open_dir(dir, err);
	int r;

	if (dirfd < 0)
		return dirfd;
	if (!name_ok(ticket->migration) || !path_ok(ticket->images) || !path_ok(ticket->tree))
		return fail(err, ERR_invalid, "ticket with a malformed name or path");
	r = ticket_burn(dir, ticket->migration, err);
	if (r)
		return r;
	str_hex(secret, ticket->secret, sizeof(ticket->secret));
	text = str_new("epoch=%llu\nsecret=%s\nquota=%llu\nexpiry=%llu\nimages=%s\ntree=%s\n",
		       (unsigned long long)ticket->epoch, secret,
		       (unsigned long long)ticket->quota_bytes,
		       (unsigned long long)ticket->expiry_boot_ms, ticket->images, ticket->tree);
	r = put_file(dirfd, ticket->migration, text, strlen(text), uid, gid, err);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(text, strlen(text));
	return r;
}

static bool take_line(struct ticket *t, const char *key, const char *value)
{
	if (str_eq(key, "epoch"))
		return str_u64(value, 0, UINT64_MAX, &t->epoch);
	if (str_eq(key, "secret"))
		return str_unhex(t->secret, sizeof(t->secret), value);
	if (str_eq(key, "quota"))
		return str_u64(value, 0, UINT64_MAX, &t->quota_bytes);
	if (str_eq(key, "expiry"))
		return str_u64(value, 0, UINT64_MAX, &t->expiry_boot_ms);
	if (str_eq(key, "images"))
		return path_ok(value) && str_copy(t->images, sizeof(t->images), value);
	if (str_eq(key, "tree"))
		return path_ok(value) && str_copy(t->tree, sizeof(t->tree), value);
	return false;
}

static int load_name(const char *dir, const char *migration, const char *suffix, struct ticket *ret,
		     struct err *err)
{
	auto_free char *text = NULL;
	char *line, *rest;
	char path[PATH_MAX];
	unsigned seen = 0;
	int r;

	*ret = (struct ticket){0};
	if (!name_ok(migration) || !str_copy(ret->migration, sizeof(ret->migration), migration))
		return fail(err, ERR_invalid, "malformed migration id");
	if (!str_fmt(path, sizeof(path), "%s/%s%s", dir, migration, suffix))
		return fail(err, ERR_invalid, "path too long");
	r = file_read_secret(path, TICKET_MAX, &text, NULL, err);
	if (r)
		return r;
	for (rest = text; (line = strsep(&rest, "\n")) && *line; seen++) {
		char *value = strchr(line, '=');

		if (value)
			*value++ = '\0';
		if (!value || !take_line(ret, line, value))
			return fail(err, ERR_corrupt, "malformed ticket %s", path);
	}
	return seen == 6 ? 0 : fail(err, ERR_corrupt, "malformed ticket %s", path);
}

int ticket_load(const char *dir, const char *migration, struct ticket *ret, struct err *err)
{
	return load_name(dir, migration, "", ret, err);
}

static int denied(struct ticket *ticket, struct err *err)
{
	explicit_bzero(ticket, sizeof(*ticket));
	return fail(err, ERR_denied, "the ticket does not admit this transfer");
}

static bool fits(const struct ticket *ticket, uint64_t epoch, const uint8_t *secret)
{
	bool same = secret_eq(ticket->secret, secret);

	return same && ticket->epoch == epoch;
}

int ticket_claim(const char *dir, const char *migration, uint64_t epoch,
		 const uint8_t secret[TICKET_SECRET], uint64_t now_boot_ms, struct ticket *ret,
		 uint8_t ret_cookie[TICKET_SECRET], struct err *err)
{
	char claimed[NAME_SIZE + 16], cookie[NAME_SIZE + 16];
	char text[2 * TICKET_SECRET + 1];
	auto_close int dirfd = open_dir(dir, err);

	if (dirfd < 0)
		return dirfd;
	if (ticket_load(dir, migration, ret, err) || !fits(ret, epoch, secret) ||
	    now_boot_ms > ret->expiry_boot_ms)
		return denied(ret, err);
	str_fmt(claimed, sizeof(claimed), "%s.claimed", migration);
	str_fmt(cookie, sizeof(cookie), "%s.cookie", migration);
	if (renameat2(dirfd, migration, dirfd, claimed, RENAME_NOREPLACE))
		return denied(ret, err);
	random_bytes(ret_cookie, TICKET_SECRET);
	str_hex(text, ret_cookie, TICKET_SECRET);
	return put_file(dirfd, cookie, text, strlen(text), geteuid(), getegid(), err);
}

int ticket_join(const char *dir, const char *migration, uint64_t epoch,
		const uint8_t secret[TICKET_SECRET], const uint8_t cookie[TICKET_SECRET],
		struct ticket *ret, struct err *err)
{
	uint8_t want[TICKET_SECRET];
	auto_free char *text = NULL;
	char path[PATH_MAX];

	if (load_name(dir, migration, ".claimed", ret, err) || !fits(ret, epoch, secret))
		return denied(ret, err);
	if (!str_fmt(path, sizeof(path), "%s/%s.cookie", dir, migration) ||
	    file_read_secret(path, 2 * TICKET_SECRET, &text, NULL, err) ||
	    !str_unhex(want, sizeof(want), text) || !secret_eq(want, cookie))
		return denied(ret, err);
	return 0;
}

int ticket_burn(const char *dir, const char *migration, struct err *err)
{
	static const char *const suffixes[] = {"", ".claimed", ".cookie"};
	auto_close int dirfd = open_dir(dir, err);

	if (dirfd < 0)
		return dirfd;
	if (!name_ok(migration))
		return fail(err, ERR_invalid, "malformed migration id");
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		char name[NAME_SIZE + 16];

		str_fmt(name, sizeof(name), "%s%s", migration, suffixes[i]);
		if (unlinkat(dirfd, name, 0) && errno != ENOENT)
			return fail_errno(err, ERR_io, "burning the ticket");
	}
	return 0;
}
