/* SPDX-License-Identifier: MPL-2.0
 *
 * One bounded walker over proto/schema.h that validates, decodes, encodes and prints messages.
 * On the wire a message is one frame: a fixed head (magic "DRVR", version, type, epoch, request
 * id), then a msgpack map with integer keys. Lengths, depth and counts are checked against the
 * bytes that are there before anything is allocated; unknown keys are skipped, duplicate keys,
 * trailing bytes and values outside their row's limits are refused. */
#ifndef DROVER_PROTO_MSG_H
#define DROVER_PROTO_MSG_H

#include "base/err.h"
#include "base/str.h"
#include "proto/schema.h"

#define MSG_VERSION 1
#define MSG_SIZE_MAX (1024 * 1024) /* one frame; also the sockets' MAXMSGSIZE */
#define MSG_DEPTH_MAX 8

struct msg_head {
	enum msg_type type;
	uint64_t epoch;          /* the sender's term or instance; 0 = none */
	char request[ULID_SIZE]; /* ties answers to requests; may be empty */
};

/* A decoded message: everything it points to lives in one zone and dies with it. */
struct msg {
	struct msg_head head;
	union {
		const void *body;
#define X(name, number) const struct msg_##name *name;
		MESSAGE_TABLE(X)
#undef X
	};
	struct msg_zone *zone;
};

/* Encodes body (struct msg_<type>) into a heap frame that the caller frees. -ERR_invalid when a
 * value is outside its row's limits. */
int msg_encode(const struct msg_head *head, const void *body, void **ret_data, size_t *ret_len,
	       struct err *err);

/* Decodes one frame from an untrusted peer; copies everything it keeps. -ERR_protocol with the
 * field's path when it is malformed. */
int msg_decode(const void *data, size_t len, struct msg **ret, struct err *err);
void msg_free(struct msg **msg);

#define auto_msg __attribute__((cleanup(msg_free)))

/* Body alone ("records" of a store, saved plans): the same encoding without the head. */
int msg_encode_body(enum msg_type type, const void *body, void **ret_data, size_t *ret_len,
		    struct err *err);
int msg_decode_body(enum msg_type type, const void *data, size_t len, struct msg **ret,
		    struct err *err);

/* Deep copy of a body into a new message, for keeping it past its source's life: one block of just
 * the size that it needs. Limits are not looked at; sending does that. msg_copy is never
 * NULL: without memory the process aborts, as with mem_new. For what can be done without, and for
 * what a peer chose, there is msg_copy_try. */
struct msg *msg_copy(enum msg_type type, const void *body);
struct msg *msg_copy_try(enum msg_type type, const void *body);

/* JSON text of a body (RFC 8259, keys are the rows' names, absent fields left out, bin as hex);
 * heap, the caller frees. The record form prints a nested record such as "job" or "host". */
char *msg_json(enum msg_type type, const void *body);
char *msg_json_record(const char *record, const void *body);

const char *msg_type_name(enum msg_type type);

/* Copies the steps' request id and a fresh ULID; a shorthand for filling a head. */
struct msg_head msg_head_new(enum msg_type type, uint64_t epoch, const char *request);

#endif
