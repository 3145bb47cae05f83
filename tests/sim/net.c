/* SPDX-License-Identifier: MPL-2.0
 *
 * Messages on their way: lost, doubled, late, out of order, and cut off in one direction or both.
 */
#include "tests/sim/sim.h"

#include <string.h>

static bool counts(const struct packet *packet)
{
	return packet->msg->head.type == MSG_TYPE_ask || packet->msg->head.type == MSG_TYPE_answer;
}

void packet_drop(struct packet *packet)
{
	sim.in_flight -= counts(packet);
	if (--packet->refs)
		return;
	msg_free(&packet->msg);
	free(packet);
}

static void deliver(enum event_kind kind, int to, int from, struct packet *packet)
{
	unsigned copies = 1;

	packet->refs = 1;
	sim.in_flight += counts(packet);
	if (chance(sim.weather.loss))
		copies = 0;
	else if (chance(sim.weather.dup))
		copies = 2;
	for (unsigned i = 0; i < copies; i++) {
		uint64_t delay_ms = rnd_range(1, i || coin() ? sim.weather.delay_ms : 3);

		packet->refs++;
		sim.in_flight += counts(packet);
		if (i)
			delay_ms += rnd_below(20000); /* a copy may be very late */
		event_push(kind, sim.now_ms + delay_ms, to, from, 0, packet);
	}
	packet_drop(packet);
}

static void put_on(enum event_kind kind, int to, int from, struct msg **msg)
{
	struct packet *packet = mem_new_of(struct packet);

	packet->msg = mem_take(*msg);
	deliver(kind, to, from, packet);
}

void net_to_host(int from, int host, struct msg **msg)
{
	if (sim.cut_down[from] & 1u << host)
		return;
	if (!sim.calm && sim.weather.lost_step && (*msg)->head.type == MSG_TYPE_ask &&
	    (*msg)->ask->step == sim.weather.lost_step)
		return;
	put_on(EV_to_host, host, from, msg);
}

void net_to_coord(int host, int to, struct msg **msg)
{
	if (!(sim.cut_up[to] & 1u << host))
		put_on(EV_to_coord, to, host, msg);
}

void net_calm(void)
{
	memset(sim.cut_up, 0, sizeof(sim.cut_up));
	memset(sim.cut_down, 0, sizeof(sim.cut_down));
	memset(sim.cut, 0, sizeof(sim.cut));
	sim.weather.delay_ms = sim.weather.delay_ms < 50 ? sim.weather.delay_ms : 50;
}

static void set(uint32_t *word, uint32_t bits, bool on)
{
	*word = on ? *word | bits : *word & ~bits;
}

/* which: kind of partition in the low bits, host or coordinator above. */
void net_cut(int which, bool cut)
{
	int kind = which % 8, a = which / 8 % sim.n_hosts, b = which / 64 % sim.n_hosts;
	int c = which / 512 % COORDS_MAX;

	trace("%s: cut %d of h%d, h%d, c%d", cut ? "partition" : "healed", kind, a, b, c);
	if (kind < 3) { /* a host and a coordinator: up, down, both */
		if (kind != 1)
			set(&sim.cut_up[c], 1u << a, cut);
		if (kind != 0)
			set(&sim.cut_down[c], 1u << a, cut);
	} else if (kind < 5) { /* two hosts */
		set(&sim.cut[a], 1u << b, cut);
		if (kind == 4)
			set(&sim.cut[b], 1u << a, cut);
	} else if (kind == 5) { /* a host from all */
		for (int i = 0; i < COORDS_MAX; i++) {
			set(&sim.cut_up[i], 1u << a, cut);
			set(&sim.cut_down[i], 1u << a, cut);
		}
		set(&sim.cut[a], ~0u, cut);
	} else { /* a coordinator from all */
		set(&sim.cut_up[c], ~0u, cut);
		set(&sim.cut_down[c], ~0u, cut);
	}
}
