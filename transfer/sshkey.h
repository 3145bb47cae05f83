/* SPDX-License-Identifier: MPL-2.0
 *
 * Host keys as text: parsing of the pinned one. Private to ssh.c and its tests. */
#ifndef DROVER_TRANSFER_SSHKEY_H
#define DROVER_TRANSFER_SSHKEY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define HOST_KEY_MAX 2048

struct host_key {
	const char *methods; /* host key algorithms that use this type of key */
	uint8_t blob[HOST_KEY_MAX];
	size_t len;
};

/* Parses "TYPE BASE64 [comment]"; -ERR_config when it is malformed or of a type not in use. */
int host_key_parse(const char *line, struct host_key *ret, struct err *err);

#endif
