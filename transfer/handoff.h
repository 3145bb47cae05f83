/* SPDX-License-Identifier: MPL-2.0
 *
 * What the reader (root) tells the sender (unprivileged) over their SEQPACKET socketpair: one
 * datagram a record, a fixed struct and its tail (name, link target, xattrs), with open
 * descriptors beside it. The reader only writes, the sender only reads. */
#ifndef DROVER_TRANSFER_HANDOFF_H
#define DROVER_TRANSFER_HANDOFF_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define HANDOFF_TAIL_MAX (128 * 1024)
#define HANDOFF_FDS 3

/* clang-format off */
enum handoff_kind {
	HANDOFF_meta = 1, /* name, link = value */
	HANDOFF_root,     /* root, name */
	HANDOFF_skip,     /* root, name: left alone on the target too */
	HANDOFF_mapped,   /* dev, ino: a file that a process maps shared and writable */
	HANDOFF_image,    /* name, size + descriptor */
	HANDOFF_entry,    /* root, name = path, stat fields, link, xattrs + descriptor if regular */
	HANDOFF_memory,   /* pid + descriptors of /proc/PID/{mem,pagemap,maps} */
	HANDOFF_end,      /* code, name = error text */
};
/* clang-format on */

struct handoff {
	uint32_t kind;
	uint32_t root;
	uint32_t mode, uid, gid;
	int32_t pid;
	uint32_t code;
	uint32_t mtime_ns, ctime_ns;
	uint32_t name_len, link_len, xattr_len; /* of the tail's parts, without their NULs */
	uint64_t dev, ino, nlink, size, rdev;
	int64_t mtime_s, ctime_s;
	uint64_t seen_ms;     /* wall clock when the entry was looked at */
	uint64_t total_bytes; /* known so far, for progress */
};

/* A received record; strings and xattrs borrow from tail. The xattrs are a sequence of
 * {uint32_t name_len, value_len; name with its NUL; value}. */
struct handoff_in {
	struct handoff head;
	const char *name, *link;
	const uint8_t *xattrs;
	int fds[HANDOFF_FDS]; /* owned by the receiver of the record, -1 when absent */
	char tail[HANDOFF_TAIL_MAX];
};

/* Sends one record; the head's lengths are filled in. The descriptors stay the caller's. */
int handoff_send(int fd, struct handoff *head, const char *name, const char *link,
		 const void *xattrs, size_t xattr_len, const int *fds, size_t n_fds,
		 struct err *err);

/* Receives one record, waiting for it. -ERR_child at the end of the stream: the reader died. */
int handoff_recv(int fd, struct handoff_in *ret, struct err *err);

/* Closes what descriptors are left in a record. */
void handoff_close(struct handoff_in *in);

struct handoff_xattr {
	const char *name;
	const uint8_t *value;
	uint32_t name_len, value_len; /* name_len counts the NUL */
};

/* Walks xattrs; false at the end or at malformed bytes. */
int handoff_xattr_next(const uint8_t *xattrs, size_t len, size_t *at, struct handoff_xattr *ret);

#endif
