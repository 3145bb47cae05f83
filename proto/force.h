/* SPDX-License-Identifier: MPL-2.0
 *
 * A person's word that decides a handover in place of the host that is gone: an operator of the
 * roster signs it, and the worker that acts on it checks it. No coordinator can make one. */
#ifndef DROVER_PROTO_FORCE_H
#define DROVER_PROTO_FORCE_H

#include "base/str.h"
#include "proto/roster.h"
#include "proto/sign.h"

#define FORCE_REASON_SIZE 256
#define FORCE_TEXT_SIZE 1024

struct force {
	const char *migration, *container;
	const char *source, *target;
	const char *owner;    /* "source" or "target": who has the container from now on */
	const char *operator; /* who says so: an id of the roster */
	const char *reason;   /* without control characters, fewer than FORCE_REASON_SIZE bytes */
	uint64_t epoch;
};

/* The bytes that are signed; their number. The other host is named, so that a statement that it is
 * off fits no other. */
size_t force_text(const struct force *force, char ret[FORCE_TEXT_SIZE]);

/* Whether this node may say it: an operator with a signing key that was not taken back. */
bool force_may(const struct roster_node *node);

/* 0, or -ERR_denied with what is wrong: who is not known, may not, or has not signed this. */
int force_check(const struct force *force, const struct roster_node *node, const uint8_t *sig,
		size_t len, struct err *err);

#endif
