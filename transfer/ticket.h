/* SPDX-License-Identifier: MPL-2.0
 *
 * The one-use permission to fill one migration's staging directories. A ticket is a file
 * <run>/tickets/<migration>, mode 0600, owned by the user that drover-receive runs as.
 *
 *   <migration>          waiting for its sender; written by ticket_create
 *   <migration>.claimed  after ticket_claim renamed it: the rename is the single use
 *   <migration>.cookie   what further sessions of the same sender have to show
 *
 * All three vanish with ticket_burn. Secrets are compared in constant time. */
#ifndef DROVER_TRANSFER_TICKET_H
#define DROVER_TRANSFER_TICKET_H

#include "base/err.h"
#include "base/str.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define TICKET_SECRET 32

struct ticket {
	char migration[ULID_SIZE]; /* any name_ok of at most ULID_LEN characters */
	uint64_t epoch;
	uint8_t secret[TICKET_SECRET];
	uint64_t quota_bytes;
	uint64_t expiry_boot_ms; /* CLOCK_BOOTTIME; claims after it are refused */
	char images[PATH_MAX];   /* staging directory of images, on tmpfs */
	char tree[PATH_MAX]; /* staging directory of file contents, on the storage's file system */
};

/* Fills secret with 32 random bytes. */
void ticket_new_secret(struct ticket *ticket);

/* Writes <dir>/<migration> for uid:gid; an older ticket of the same migration is burnt first. */
int ticket_create(const char *dir, const struct ticket *ticket, uid_t uid, gid_t gid,
		  struct err *err);

/* Reads a ticket that nobody has claimed. -ERR_nosuch. */
int ticket_load(const char *dir, const char *migration, struct ticket *ret, struct err *err);

/* First session: secret, epoch and expiry must fit, then the ticket is claimed and ret_cookie
 * handed out. -ERR_denied for all that does not fit (the text does not say what). */
int ticket_claim(const char *dir, const char *migration, uint64_t epoch,
		 const uint8_t secret[TICKET_SECRET], uint64_t now_boot_ms, struct ticket *ret,
		 uint8_t ret_cookie[TICKET_SECRET], struct err *err);

/* Further sessions: secret, epoch and the cookie must fit a claimed ticket. */
int ticket_join(const char *dir, const char *migration, uint64_t epoch,
		const uint8_t secret[TICKET_SECRET], const uint8_t cookie[TICKET_SECRET],
		struct ticket *ret, struct err *err);

/* Removes the ticket in whatever state it is; an absent one is fine. */
int ticket_burn(const char *dir, const char *migration, struct err *err);

bool secret_eq(const uint8_t a[TICKET_SECRET], const uint8_t b[TICKET_SECRET]);

#endif
