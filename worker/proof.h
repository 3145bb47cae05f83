/* SPDX-License-Identifier: MPL-2.0
 *
 * What one side of a handover can prove to the other by whatever path the words come: PREPARED,
 * RUNNING and REFUSED by the target, GRANT by the source. A proof is the signature of the whole
 * claim, so it fits one migration, epoch, container and pair of hosts only. */
#ifndef DROVER_WORKER_PROOF_H
#define DROVER_WORKER_PROOF_H

#include "proto/sign.h"
#include "worker/handover.h"

/* The word that a side's state proves, NULL where it proves nothing. */
const char *proof_word(enum handover_side side, enum handover_state state);

/* The word that a step wants of the other side, NULL for none. */
const char *proof_wanted(enum step step);

struct prover;

/* Reads the node's key and the roster (paths are borrowed); the roster is read again when a
 * signer is unknown and the file has changed. */
int prover_new(const char *key_path, const char *roster_path, const char *self, struct prover **ret,
	       struct err *err);
void prover_free(struct prover **prover);

/* Signs word for row as this node. */
void prover_sign(const struct prover *prover, const struct handover_row *row, const char *word,
		 uint8_t ret[SIGN_BYTES]);

/* Whether sig is the peer's word for row. */
bool prover_check(struct prover *prover, const struct handover_row *row, const char *word,
		  const uint8_t *sig, size_t len);

/* Whether an operator of the roster has signed that row's container is this side's now: 0, or
 * -ERR_denied with what is wrong. */
int prover_force(struct prover *prover, const struct handover_row *row, const char *operator,
		 const char * reason, const uint8_t *sig, size_t len, struct err *err);

/* Whether the roster has a signing key of that node; -ERR_refused with the fix otherwise. */
int prover_knows(struct prover *prover, const char *node, struct err *err);

#endif
