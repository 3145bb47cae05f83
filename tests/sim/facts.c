/* SPDX-License-Identifier: MPL-2.0
 *
 * What workers tell by themselves, and how their words get on the network. */
#include "tests/sim/sim.h"

#include <string.h>

#define CAPS_EVERY_MS 30000
#define HELLO_EVERY_MS 10000

/* --- messages of the executor --- */

static void remember_proof(const struct msg_answer *answer)
{
	struct ghost *g = ghost_find(answer->migration ? answer->migration : "");
	size_t len = answer->proof.len;

	if (!g || !len || len > sizeof(g->proof[0].data))
		return;
	for (unsigned i = 0; i < g->n_proofs && i < PROOFS_KEPT; i++)
		if (g->proof[i].len == len && !memcmp(g->proof[i].data, answer->proof.data, len))
			return;
	memcpy(g->proof[g->n_proofs % PROOFS_KEPT].data, answer->proof.data, len);
	g->proof[g->n_proofs++ % PROOFS_KEPT].len = (uint32_t)len;
}

/* An answer is judged when it is given; its repetition tells the past. */
static void judge(struct host *h, const struct msg_answer *answer, uint64_t hash)
{
	size_t i = hash % SAID_SLOTS;

	for (; h->said[i]; i = (i + 1) % SAID_SLOTS)
		if (h->said[i] == hash)
			return;
	if (++h->n_said == SAID_SLOTS)
		broken("SIM", "%s has too much to say", h->name);
	h->said[i] = hash;
	check_answer(h, answer);
}

int exec_tell(struct executor *x, struct wire_out *out, const void *body, int fd, struct err *err)
{
	auto_msg struct msg *msg = NULL;
	struct host *h = sim.cur;

	(void)x;
	(void)fd;
	if (out->kind == WIRE_TELL)
		direct_start(h, out, body);
	if (out->kind != WIRE_MESSAGE)
		return 0;
	if (msg_decode_body((enum msg_type)out->type, body, out->body_len, &msg, err))
		broken("SIM", "the executor's message cannot be read: %s", err->text);
	if (out->type == MSG_TYPE_answer) {
		trace("%s: answers %s (attempt %llu) of %s: code %llu, %s%s%s", h->name,
		      step_name(msg->answer->step), (unsigned long long)msg->answer->attempt,
		      msg->answer->migration + 20, (unsigned long long)msg->answer->code,
		      msg->answer->state ? msg->answer->state : "", msg->answer->error ? ": " : "",
		      msg->answer->error ? msg->answer->error : "");
		if (direct_asked(h, out->request))
			check_answer(h, msg->answer); /* it is told how things stand now */
		else
			judge(h, msg->answer, hash_of(body, out->body_len));
		remember_proof(msg->answer);
		note_digest(msg->answer->code + 100 * msg->answer->step);
	}
	if (out->type == MSG_TYPE_answer && direct_answer(h, out->request, msg->answer))
		return 0;
	if (h->asker != ROGUE)
		net_to_coord(h->n, h->asker, &msg);
	return 0;
}

/* --- beats and capabilities --- */

static void say_all(struct host *h, int to, enum msg_type type, const void *body)
{
	for (int i = 0; i < COORDS_MAX; i++)
		if (sim.coord[i].exists && (to < 0 || to == i)) {
			auto_msg struct msg *msg = msg_copy(type, body);

			net_to_coord(h->n, i, &msg);
		}
}

static bool quiet(const struct host *h)
{
	for (const struct mig *m = h->x->migs; m; m = m->next)
		if (m->plan || m->row.state == HANDOVER_held || m->row.state == HANDOVER_prepared)
			return false;
	return true;
}

static void list(const struct host *h, int ct, struct msg_container *ret)
{
	*ret = (struct msg_container){.id = sim.ct[ct].name,
				      .runtime = "runc",
				      .status = h->copy[ct].frozen ? "paused" : "running",
				      .bundle = "/var/lib/ct/x",
				      .rss_bytes = 64u << 20,
				      .labels = {&sim.ct[ct].label, sim.ct[ct].label != NULL},
				      .authority = "own"};
	for (const struct mig *m = h->x->migs; m; m = m->next)
		if (str_eq(m->row.container, ret->id) && m->row.state != HANDOVER_none &&
		    m->row.state != HANDOVER_closed && m->row.state != HANDOVER_refused) {
			ret->migration = m->row.migration;
			ret->authority = handover_state_name(m->row.state);
			return;
		}
}

void facts_send_caps(struct host *h, int to)
{
	static const char *features[] = {"avx2", "sse4_2"};
	struct msg_runtime runc = {.name = "runc", .version = "1.1", .checkpoint = true};
	struct msg_container listed[CTS_MAX];
	struct msg_caps caps = {.boot_id = h->x->boot_id,
				.kernel = "6.12.0",
				.arch = "x86_64",
				.cpu_features = {features, 2},
				.xsave_bytes = 2696,
				.criu_version = 40201,
				.runtimes = {&runc, 1},
				.cgroup_version = 2,
				.containers = {listed, 0},
				.instance = h->x->instance};

	for (int ct = 0; ct < sim.n_cts; ct++)
		if (h->copy[ct].there)
			list(h, ct, &listed[caps.containers.n++]);
	trace("%s: caps, %zu containers", h->name, caps.containers.n);
	say_all(h, to, MSG_TYPE_caps, &caps);
}

static uint64_t caps_sum(const struct host *h)
{
	uint64_t sum = 17;

	for (int ct = 0; ct < sim.n_cts; ct++)
		sum = sum * 31 + h->copy[ct].there * 4u + h->copy[ct].frozen * 2u +
		      h->copy[ct].armed;
	for (const struct mig *m = h->x->migs; m; m = m->next)
		sum = sum * 31 + m->row.state;
	return sum;
}

void facts_send_beat(struct host *h)
{
	struct msg_beat beat = {.boot_id = h->x->boot_id,
				.instance = h->x->instance,
				.seq = ++h->x->seq,
				.cpus = 4,
				.cpu_permille = 100,
				.mem_total_bytes = 4ull << 30,
				.mem_available_bytes = (3ull << 30) - ((uint64_t)h->n << 24)};
	struct msg_hello hello = {
		.node = h->name, .boot_id = h->x->boot_id, .instance = h->x->instance};
	uint64_t sum = caps_sum(h);

	h->next_beat_ms = sim.now_ms + sim.interval_ms;
	if (sim.now_ms >= h->next_hello_ms) {
		h->next_hello_ms = sim.now_ms + HELLO_EVERY_MS;
		say_all(h, -1, MSG_TYPE_hello, &hello);
	}
	say_all(h, -1, MSG_TYPE_beat, &beat);
	if (quiet(h) && (sim.now_ms >= h->next_caps_ms || sum != h->caps_sum)) {
		h->next_caps_ms = sim.now_ms + CAPS_EVERY_MS;
		h->caps_sum = sum;
		facts_send_caps(h, -1);
	}
}
