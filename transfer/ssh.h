/* SPDX-License-Identifier: MPL-2.0
 *
 * SSH sessions by libssh2: one pinned host key, one private key, one exec channel each. A session
 * and its channel belong to one thread at a time. Anything but the pinned key ends the attempt
 * before authentication. */
#ifndef DROVER_TRANSFER_SSH_H
#define DROVER_TRANSFER_SSH_H

#include "base/err.h"
#include "transfer/wire.h"

#include <stdint.h>

struct ssh_target {
	const char *address; /* numeric, "%iface" allowed; names are looked up and may block */
	uint16_t port;
	const char *host_key; /* "TYPE BASE64 [comment]" as in a .pub file; pinned */
	const char *user;
	const char *key_path; /* private key of ssh-keygen, NULL or "": ssh-agent */
	int cancel_fd;        /* readable ends any wait; -1 = none */
};

struct ssh;

/* Initialises libssh2; -ERR_refused on 1.11.0 (CVE-2023-48795). Call once. */
int ssh_init(struct err *err);

/* Connects, checks the key and authenticates. -ERR_unreachable, -ERR_denied (key or login),
 * -ERR_canceled, -ERR_timeout. */
int ssh_connect(const struct ssh_target *target, struct ssh **ret, struct err *err);
void ssh_free(struct ssh **ssh);

/* Opens the exec channel and turns the session into a wire, which takes it (also on failure). */
int ssh_exec(struct ssh **ssh, const char *command, struct wire **ret, struct err *err);

/* Decodes base64; number of bytes, or -1. */
long base64_decode(const char *text, size_t len, uint8_t *out, size_t size);

#endif
