/* SPDX-License-Identifier: MPL-2.0
 *
 * The roster: which nodes there are, in what role, and the public keys they are known by. It is one
 * INI file with a section a node, and the only source of trust: the ZAP table, the keys that
 * dialling sockets expect, ssh host keys and authorized_keys lines all come from it. Anything in
 * the file that is not understood refuses the whole file. */
#ifndef DROVER_PROTO_ROSTER_H
#define DROVER_PROTO_ROSTER_H

#include "base/err.h"
#include "base/str.h"
#include "proto/keys.h"
#include "proto/sign.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Roles are single bits, so that a table can hold sets of them. A caller on the local socket has no
 * roster entry; it is ROLE_operator with the id "local". */
enum role {
	ROLE_none = 0,
	ROLE_worker = 1,
	ROLE_coordinator = 2,
	ROLE_operator = 4,
};

#define ROSTER_ADDRESS_MAX 8
#define ROSTER_ADDRESS_SIZE 64
#define ROSTER_SSH_KEY_SIZE 192 /* ed25519 takes 81, ecdsa up to 180; RSA is refused */
#define ROSTER_ID_LEN 48        /* the INI reader cuts section names at 49 */
#define ROSTER_NODES_MAX 16384

struct roster_node {
	char id[NAME_SIZE]; /* at most ROSTER_ID_LEN */
	enum role role;
	bool revoked;                           /* refused for good, and dropped when connected */
	char curve[KEY_Z85_SIZE];               /* public; always set */
	char sign[SIGN_PUBLIC_SIZE];            /* public signing key, or "" */
	char ssh_host_key[ROSTER_SSH_KEY_SIZE]; /* "type base64" without comment, or "" */
	char ssh_transfer_key[ROSTER_SSH_KEY_SIZE];            /* the same */
	char address[ROSTER_ADDRESS_MAX][ROSTER_ADDRESS_SIZE]; /* hosts or IPs, no ports */
	size_t addresses;
	uint16_t ssh_port; /* 22 unless set */
};

struct roster; /* immutable after loading */

/* -ERR_nosuch when the file is absent, -ERR_config with "file:line: what (did you mean …?)" when
 * any line is wrong, a node lacks its curve key, or two nodes share a key. */
int roster_load(const char *path, struct roster **ret, struct err *err);
void roster_free(struct roster **roster);

/* Number of nodes, and the i-th in file order (NULL past the end). A NULL roster is empty. */
size_t roster_len(const struct roster *roster);
const struct roster_node *roster_at(const struct roster *roster, size_t i);

/* Borrowed until roster_free; NULL when there is none. Revoked nodes are found too. */
const struct roster_node *roster_find(const struct roster *roster, const char *id);
const struct roster_node *roster_find_curve(const struct roster *roster, const char *public);

/* One authorized_keys(5) line for each worker that is not revoked and has a transfer key:
 * restrict,command="<libexec>/drover-receive" <key> <id> */
void roster_authorized_keys(const struct roster *roster, FILE *out);

/* Prints a node as the section that roster_load reads back. */
void roster_print(const struct roster_node *node, FILE *out);

const char *role_name(enum role role);
enum role role_find(const char *name); /* ROLE_none when unknown */

#endif
