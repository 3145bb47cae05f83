/* SPDX-License-Identifier: MPL-2.0
 *
 * The SEQPACKET socketpair between the worker's two processes. Towards the executor (root) travel
 * only the fixed-size structs below: what came from the network was decoded, bounded and checked by
 * the bus side, and the executor checks every id again. Towards the bus side travel a struct
 * wire_out and, behind it, an encoded message body that the bus side decodes and sends on. */
#ifndef DROVER_WORKER_WIRE_H
#define DROVER_WORKER_WIRE_H

#include "base/str.h"
#include "proto/schema.h"
#include "runtime/net.h"
#include "transfer/tell.h"

#include <stdint.h>

#define WIRE_MAGIC 0x44525831 /* "DRX1" */
#define WIRE_MOUNTS 32
#define WIRE_DEVICES 32
#define WIRE_SKIPS 16
#define WIRE_LISTENING 64
#define WIRE_PATH 512
#define WIRE_CPUINFO 8192
#define WIRE_OUT_MAX (512 * 1024) /* a wire_out with its body; SO_SNDBUF is set to twice this */

enum wire_in_kind {
	WIRE_ASK = 1, /* a coordinator asks for a step: struct wire_ask */
	WIRE_TOLD,    /* the target said this by the direct path: struct wire_told */
	WIRE_SENT,    /* the sender ended or progressed with something: struct wire_sent */
	WIRE_PACE,    /* how often to beat: struct wire_pace */
};

struct wire_in_head {
	uint32_t magic;
	uint32_t kind; /* enum wire_in_kind */
};

/* What a container uses of its host, as its source says. */
struct wire_mount {
	char source[WIRE_PATH];
	char kind[16]; /* of the source there: dir file char block socket fifo missing, "" = not
			  told */
	char rdev[24]; /* "10:229" */
};

struct wire_device {
	char path[256];
	char kind[8]; /* char block */
	uint32_t major, minor;
};

struct wire_uses {
	uint32_t n_mounts, n_devices, n_security, n_listening;
	uint8_t hooks, criu_config;
	struct wire_mount mounts[WIRE_MOUNTS]; /* binds whose source is not in the bundle */
	struct wire_device devices[WIRE_DEVICES];
	char security[WIRE_DEVICES][128];   /* forms of demand_text */
	char listening[WIRE_LISTENING][64]; /* "tcp 0.0.0.0:80" */
	char image[2 * WIRE_PATH];          /* overlay lower directories, "a:b" */
};

/* msg_ask with every text in a fixed array; cut or over-long values never get here: the bus side
 * answers them with ERR_protocol itself. */
struct wire_ask {
	struct wire_in_head head;
	char migration[ULID_SIZE];
	char request[ULID_SIZE]; /* head.request of the ask, returned in wire_out */
	char container[NAME_SIZE];
	char source[NAME_SIZE];
	char target[NAME_SIZE];
	char runtime[32];
	char bundle[WIRE_PATH];
	char peer_address[64];
	char reason[256];
	char operator[NAME_SIZE];
	char group[ULID_SIZE];       /* "": it moves alone */
	char event[16], outcome[16]; /* STEP_hook */
	uint32_t group_size;
	uint32_t step;
	uint32_t peer_port;
	uint64_t attempt, epoch, term, deadline_ms;
	uint64_t rss_bytes, tree_bytes, rounds, offset;
	uint64_t moved, left; /* STEP_hook */
	uint8_t ticket[64], digest[32], proof[128];
	uint32_t ticket_len, digest_len, proof_len;
	uint8_t has_net;
	uint8_t cold;   /* it is stopped, moved and started */
	uint8_t direct; /* the source itself says it, by SSH; terms do not count */
	struct net_state net;
	char skip[WIRE_SKIPS][32]; /* names of --skip, "" ends the list early */
	struct wire_uses uses;
	uint32_t cpuinfo_len;
	uint8_t cpuinfo[WIRE_CPUINFO];
};

struct wire_pace {
	struct wire_in_head head;
	uint64_t interval_ms;
};

enum wire_sent_what {
	WIRE_CONNECTED = 1,
	WIRE_OPENED,
	WIRE_PASSED,
	WIRE_SEND_PROGRESS,
	WIRE_SEND_FAILED
};

/* What the sender of one migration says; WIRE_SEND_FAILED ends it (code, error). */
struct wire_sent {
	struct wire_in_head head;
	char migration[ULID_SIZE];
	uint32_t what; /* enum wire_sent_what */
	int32_t code;  /* of PASSED and FAILED: enum err_code, 0 = good */
	char error[512];
	char phase[32];
	uint8_t digest[32]; /* of the sealed manifest, after the final pass */
	uint64_t image_bytes, tree_bytes, sent_bytes, pages, zero_pages, known_pages, bytes_s;
	uint64_t done_bytes, total_bytes, rounds, round_bytes, dirty_bytes_s;
};

struct wire_told {
	struct wire_in_head head;
	struct told told;
};

enum wire_out_kind {
	WIRE_MESSAGE = 1, /* body = msgpack body of message `type`, to every coordinator (beat,
			     caps) or to the one that asked (answer, ack, progress) */
	WIRE_CONNECT,     /* start a sender for migration and connect it to node `peer` */
	WIRE_OPEN,        /* its ticket: open the stream */
	WIRE_PASS,        /* one pass: the reader's socket comes as SCM_RIGHTS */
	WIRE_TELL,        /* body = struct tell: take the grant to `peer` directly */
	WIRE_CLOSE,       /* end the sender of migration; none is fine */
};

struct wire_out {
	uint32_t magic;
	uint32_t kind; /* enum wire_out_kind */
	uint32_t type; /* enum msg_type of a WIRE_MESSAGE */
	uint32_t body_len;
	char request[ULID_SIZE]; /* of the ask that this answers, empty for others */
	char migration[ULID_SIZE];
	char peer[NAME_SIZE]; /* node id in the roster: address, host key and port come from there
				 unless address says otherwise */
	char address[64];
	uint32_t port;
	uint8_t ticket[64];
	uint32_t ticket_len;
	uint64_t epoch;
	uint8_t final_pass;
};

#endif
