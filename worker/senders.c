/* SPDX-License-Identifier: MPL-2.0
 *
 * Owns the sender processes: a control socket and a child each. Translates between the executor's
 * structs and the sender's; decides nothing. */
#include "worker/senders.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runtime/run.h"
#include "transfer/frame.h"
#include "transfer/pace.h"
#include "transfer/sender.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_MAX 4

struct slot {
	char migration[ULID_SIZE]; /* "" = free */
	int control;
	struct run *run;
	/* A sender takes one command at a time: anything that comes while it is busy breaks it off.
	 * What follows waits here for CONNECTED, OPENED or PASSED. */
	bool busy;
	struct sender_msg queue[QUEUE_MAX];
	int queue_fds[QUEUE_MAX];
	size_t queued;
};

struct senders {
	const struct options *options;
	const struct roster *roster;
	int executor;
	int pace; /* of all senders, transfer/pace.h */
	struct slot slots[SENDERS_MAX];
};

struct senders *senders_new(const struct options *options, const struct roster *roster,
			    int executor)
{
	struct senders *s = mem_new_of(struct senders);
	struct err err;

	s->options = options;
	s->roster = roster;
	s->executor = executor;
	s->pace = pace_new(&err);
	if (s->pace < 0)
		log_warn("each migration has the rate limit for itself\twhy=%s", err.text);
	for (size_t i = 0; i < SENDERS_MAX; i++)
		s->slots[i].control = -1;
	return s;
}

static void close_slot(struct slot *slot)
{
	if (slot->control >= 0)
		close(slot->control);
	run_free(&slot->run);
	for (size_t i = 0; i < slot->queued; i++)
		if (slot->queue_fds[i] >= 0)
			close(slot->queue_fds[i]);
	*slot = (struct slot){.control = -1};
}

void senders_free(struct senders **senders)
{
	if (!*senders)
		return;
	for (size_t i = 0; i < SENDERS_MAX; i++)
		close_slot(&(*senders)->slots[i]);
	if ((*senders)->pace >= 0)
		close((*senders)->pace);
	free(*senders);
	*senders = NULL;
}

static void tell(struct senders *s, const char *migration, struct wire_sent *sent)
{
	sent->head = (struct wire_in_head){WIRE_MAGIC, WIRE_SENT};
	str_copy(sent->migration, sizeof(sent->migration), migration);
	if (send(s->executor, sent, sizeof(*sent), MSG_NOSIGNAL) < 0)
		log_warn("executor not told about a sender\tmigration=%s", migration);
}

static void tell_failure(struct senders *s, const char *migration, int code, const char *text)
{
	struct wire_sent sent = {.what = WIRE_SEND_FAILED, .code = code};

	str_copy(sent.error, sizeof(sent.error), text);
	tell(s, migration, &sent);
}

static struct slot *find(struct senders *s, const char *migration)
{
	for (size_t i = 0; i < SENDERS_MAX; i++)
		if (str_eq(s->slots[i].migration, migration))
			return &s->slots[i];
	return NULL;
}

static int next(struct slot *slot, struct err *err)
{
	auto_close int fd = -1;
	struct sender_msg msg;

	if (slot->busy || !slot->queued)
		return 0;
	msg = slot->queue[0];
	fd = slot->queue_fds[0];
	slot->queued--;
	memmove(slot->queue, slot->queue + 1, slot->queued * sizeof(slot->queue[0]));
	memmove(slot->queue_fds, slot->queue_fds + 1, slot->queued * sizeof(slot->queue_fds[0]));
	slot->busy = true;
	return sender_ctl_send(slot->control, &msg, fd, err);
}

/* Takes fd. */
static int command(struct slot *slot, const struct sender_msg *msg, int fd, struct err *err)
{
	if (slot->queued == QUEUE_MAX) {
		if (fd >= 0)
			close(fd);
		return fail(err, ERR_busy, "too many commands wait for the sender");
	}
	slot->queue[slot->queued] = *msg;
	slot->queue_fds[slot->queued++] = fd;
	return next(slot, err);
}

static int spawn(struct slot *slot, struct err *err)
{
	const char *argv[] = {"/proc/self/exe", "--role=sender", "--fd", "3", NULL};
	auto_close int theirs = -1;
	struct run_fd fds[] = {{-1, 3}};
	struct run_spec spec = {.argv = argv, .fds = fds, .n_fds = 1};
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail_errno(err, ERR_io, "socketpair");
	slot->control = pair[0];
	theirs = fds[0].parent = pair[1];
	rc = run_start(&spec, clock_mono_ms(), &slot->run, err);
	return rc;
}

/* The host key comes from the roster by id; the address may come from the coordinator: a wrong one
 * leads to a host with another key, where the session ends. */
static int connect_to(struct senders *s, struct slot *slot, const struct wire_out *out,
		      struct err *err)
{
	const struct roster_node *node = roster_find(s->roster, out->peer);
	struct sender_msg msg = {.kind = SENDER_connect};
	struct sender_connect *c = &msg.connect;
	int rc;

	if (!node || node->revoked || !node->ssh_host_key[0])
		return fail(err, ERR_refused, "the roster has no SSH host key of %s", out->peer);
	rc = spawn(slot, err);
	if (rc)
		return rc;
	str_copy(c->address, sizeof(c->address), out->address[0] ? out->address : node->address[0]);
	c->port = out->port ? (uint16_t)out->port : node->ssh_port;
	str_copy(c->host_key, sizeof(c->host_key), node->ssh_host_key);
	str_copy(c->user, sizeof(c->user), options_str(s->options, OPT_node_user));
	str_copy(c->key_path, sizeof(c->key_path), options_str(s->options, OPT_transfer_key));
	return command(slot, &msg, s->pace < 0 ? -1 : fcntl(s->pace, F_DUPFD_CLOEXEC, 3), err);
}

static int open_stream(struct senders *s, struct slot *slot, const struct wire_out *out,
		       struct err *err)
{
	static const struct {
		const char *name;
		uint8_t codec;
	} codecs[] = {{"auto", CODEC_auto},
		      {"none", CODEC_none},
		      {"lz4", CODEC_lz4},
		      {"zstd", CODEC_zstd}};
	struct sender_msg msg = {.kind = SENDER_open};
	const char *codec = options_str(s->options, OPT_transfer_codec);

	if (out->ticket_len != sizeof(msg.open.secret))
		return fail(err, ERR_protocol, "a ticket of %u bytes", out->ticket_len);
	str_copy(msg.open.migration, sizeof(msg.open.migration), out->migration);
	memcpy(msg.open.secret, out->ticket, sizeof(msg.open.secret));
	msg.open.epoch = out->epoch;
	msg.open.rate = options_u64(s->options, OPT_transfer_rate);
	msg.open.sessions = (uint8_t)options_u64(s->options, OPT_transfer_sessions);
	msg.open.codec = CODEC_auto;
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
		if (str_eq(codecs[i].name, codec))
			msg.open.codec = codecs[i].codec;
	return command(slot, &msg, -1, err);
}

static int pass(struct slot *slot, const struct wire_out *out, int *fd, struct err *err)
{
	struct sender_msg msg = {.kind = SENDER_pass};

	if (*fd < 0)
		return fail(err, ERR_protocol, "a pass without its reader");
	msg.pass.final = out->final_pass;
	msg.pass.rounds = 4;
	msg.pass.budget_bytes = 4 << 20;
	return command(slot, &msg, mem_take_fd(fd), err);
}

void senders_command(struct senders *s, const struct wire_out *out, int pass_fd)
{
	auto_close int fd = pass_fd;
	struct slot *slot = find(s, out->migration);
	struct err err;
	int rc = 0;

	if (out->kind == WIRE_CONNECT && slot)
		close_slot(slot);
	if (out->kind == WIRE_CONNECT)
		slot = find(s, "");
	if (!slot && out->kind == WIRE_CLOSE)
		return;
	if (!slot) {
		tell_failure(s, out->migration, ERR_busy, "there is no sender for it");
		return;
	}
	str_copy(slot->migration, sizeof(slot->migration), out->migration);
	if (out->kind == WIRE_CONNECT)
		rc = connect_to(s, slot, out, &err);
	else if (out->kind == WIRE_OPEN)
		rc = open_stream(s, slot, out, &err);
	else if (out->kind == WIRE_PASS)
		rc = pass(slot, out, &fd, &err);
	else
		close_slot(slot);
	if (rc) {
		tell_failure(s, out->migration, err.code, err.text);
		close_slot(slot);
	}
}

int senders_fd(const struct senders *senders, size_t i)
{
	return senders->slots[i].control;
}

static void on_passed(struct senders *s, const struct slot *slot, const struct sender_passed *p)
{
	struct wire_sent sent = {.what = WIRE_PASSED,
				 .code = (int32_t)p->code,
				 .image_bytes = p->image_bytes,
				 .tree_bytes = p->tree_bytes,
				 .sent_bytes = p->sent_bytes,
				 .pages = p->pages,
				 .zero_pages = p->zero_pages,
				 .known_pages = p->known_pages,
				 .bytes_s = p->bytes_s,
				 .dirty_bytes_s = p->dirty_bytes_s,
				 .round_bytes = p->round_bytes,
				 .rounds = p->rounds};

	memcpy(sent.digest, p->digest, sizeof(sent.digest));
	str_copy(sent.error, sizeof(sent.error), p->text);
	tell(s, slot->migration, &sent);
}

static void on_progress(struct senders *s, const struct slot *slot, const struct sender_progress *p)
{
	struct wire_sent sent = {.what = WIRE_SEND_PROGRESS,
				 .done_bytes = p->done_bytes,
				 .total_bytes = p->total_bytes,
				 .sent_bytes = p->sent_bytes,
				 .bytes_s = p->bytes_s,
				 .rounds = p->round};

	str_copy(sent.phase, sizeof(sent.phase), p->phase);
	tell(s, slot->migration, &sent);
}

void senders_dispatch(struct senders *s, size_t i)
{
	struct slot *slot = &s->slots[i];

	for (int n = 0; n < 64 && slot->control >= 0; n++) {
		struct sender_msg msg;
		auto_close int fd = -1;
		struct err err;
		int rc = sender_ctl_recv(slot->control, &msg, &fd, &err);

		if (rc == -ERR_busy)
			return;
		if (rc) {
			tell_failure(s, slot->migration, ERR_unreachable, "the sender has died");
			close_slot(slot);
		} else if (msg.kind == SENDER_passed) {
			on_passed(s, slot, &msg.passed);
		} else if (msg.kind == SENDER_progress) {
			on_progress(s, slot, &msg.progress);
		} else if (msg.kind == SENDER_error) {
			tell_failure(s, slot->migration, (int)msg.error.code, msg.error.text);
			close_slot(slot);
		}
		if (rc || msg.kind == SENDER_progress || msg.kind == SENDER_error)
			continue;
		slot->busy = false;
		if (next(slot, &err)) {
			tell_failure(s, slot->migration, err.code, err.text);
			close_slot(slot);
		}
	}
}
