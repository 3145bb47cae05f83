/* SPDX-License-Identifier: MPL-2.0
 *
 * The authenticator (ZAP, https://rfc.zeromq.org/spec/27): one thread per process, bound to
 * inproc://zeromq.zap.01 of czmq's context, which owns a table of public keys and shares nothing.
 * It answers 200 with User-Id = node id, 300 (the peer tries again after its HANDSHAKE_IVL) for
 * keys that are not enrolled yet, 400 (the peer gives up) for revoked ones, wrong mechanisms and
 * roles that have no business in the socket's domain. */
#ifndef DROVER_PROTO_ZAP_H
#define DROVER_PROTO_ZAP_H

#include "base/err.h"
#include "proto/roster.h"

#define ZAP_DOMAIN_COMMANDS "drover.commands" /* every role */
#define ZAP_DOMAIN_BEATS "drover.beats"       /* workers */

/* Metadata that an accepted peer's frames carry besides User-Id: the key it proved to hold. Both
 * win over properties of the same name that the peer itself sends in its handshake. */
#define ZAP_PROPERTY_KEY "X-Drover-Key"

struct zap;

/* Starts the thread with a copy of roster's keys. -ERR_busy when this process has one already. */
int zap_start(const struct roster *roster, struct zap **ret, struct err *err);

/* Hands over a copy of another roster; handshakes from now on are judged by it. Connections that
 * stand are judged by bus.h, on every message. */
void zap_update(struct zap *zap, const struct roster *roster);

void zap_stop(struct zap **zap);

#endif
