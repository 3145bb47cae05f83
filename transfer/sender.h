/* SPDX-License-Identifier: MPL-2.0
 *
 * The sender: an unprivileged process that lives for one migration, driven by its parent over a
 * SEQPACKET socketpair. Every message is one struct sender_msg.
 *
 *   parent                                   sender
 *   CONNECT + pace.h's descriptor (check) --> SSH up, key pinned
 *                   <------------------------ CONNECTED | ERROR
 *   OPEN (reserve has given a ticket) ------> exec channels, handshakes
 *                   <------------------------ OPENED | ERROR
 *   PASS + reader descriptor (sync) --------> trees, memory
 *                   <------------------------ PROGRESS*, PASSED
 *   PASS + reader descriptor, final (hold) -> trees, images, seal
 *                   <------------------------ PROGRESS*, PASSED{digest}
 *   CLOSE or end of the socket -------------> ends at once, whatever it does
 *
 * After a PASSED with a code the stream is dead: CLOSE, and begin with a new ticket. */
#ifndef DROVER_TRANSFER_SENDER_H
#define DROVER_TRANSFER_SENDER_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum sender_kind {
	SENDER_connect = 1,
	SENDER_open,
	SENDER_pass,
	SENDER_close,
	SENDER_connected,
	SENDER_opened,
	SENDER_progress,
	SENDER_passed,
	SENDER_error,
};

struct sender_connect {
	char address[64];
	uint16_t port;
	char host_key[1024]; /* "TYPE BASE64", pinned */
	char user[32];
	char key_path[1024]; /* empty: ssh-agent by SSH_AUTH_SOCK */
};

struct sender_open {
	char migration[ULID_SIZE];
	uint64_t epoch;
	uint8_t secret[32];
	uint8_t codec;      /* enum codec of transfer/frame.h; CODEC_auto */
	uint8_t sessions;   /* 1..8 */
	uint64_t rate;      /* bytes/s, 0 = no limit */
	uint64_t link_rate; /* bytes/s expected, 0 = unknown */
};

struct sender_pass {
	bool final;
	uint32_t rounds;       /* most rounds over the memory */
	uint64_t budget_bytes; /* a memory round that finds less than this is the last */
	uint64_t total_bytes;  /* hint for progress, 0 = unknown */
};

struct sender_progress {
	char phase[16]; /* tree, memory, images */
	uint64_t done_bytes, total_bytes, sent_bytes, bytes_s;
	uint32_t round;
};

/* Figures count from OPEN on, so the last PASSED has those of the whole migration. */
struct sender_passed {
	uint32_t code; /* base/err.h, 0 = done */
	char text[ERR_TEXT_MAX];
	uint8_t digest[32]; /* of the sealed manifest, when final */
	uint64_t image_bytes, tree_bytes, sent_bytes, pages, zero_pages, known_pages, bytes_s;
	uint64_t round_bytes; /* new bytes of the last memory round: the dirty rate's numerator */
	uint64_t dirty_bytes_s;
	uint32_t rounds;
	uint64_t took_us;
};

struct sender_error {
	uint32_t code;
	char text[ERR_TEXT_MAX];
	char fix[256];
};

struct sender_msg {
	uint32_t kind;
	union {
		struct sender_connect connect;
		struct sender_open open;
		struct sender_pass pass;
		struct sender_progress progress;
		struct sender_passed passed;
		struct sender_error error;
	};
};

/* Either side: sends one message, with a descriptor beside it unless pass_fd is -1 (it stays the
 * caller's). -ERR_unreachable when the other side is gone. */
int sender_ctl_send(int fd, const struct sender_msg *msg, int pass_fd, struct err *err);

/* Either side: receives one message, checked (kind, lengths, terminated strings); *ret_fd gets the
 * descriptor or -1, and the caller owns it. Does not wait: -ERR_busy when there is none,
 * -ERR_unreachable at the end. */
int sender_ctl_recv(int fd, struct sender_msg *ret, int *ret_fd, struct err *err);

/* drover-worker --role=sender --fd N: the process's life on its end of the socketpair. Returns the
 * exit code. */
int sender_run(int control_fd);
int sender_main(int argc, char **argv);

#endif
