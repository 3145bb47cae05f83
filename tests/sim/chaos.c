/* SPDX-License-Identifier: MPL-2.0
 *
 * What a seed makes of the world: how many hosts, how bad the weather, what people ask for, and
 * what breaks when. */
#include "tests/sim/sim.h"

#include <string.h>

enum { HEAL_cut, HEAL_full };

static unsigned often(unsigned max)
{
	return rnd_below(3) ? 0 : (unsigned)rnd_range(max / 20, max);
}

static void choose_faults(struct weather *w)
{
	w->loss = often(300000);
	w->dup = often(300000);
	w->point_crash = often(40000);
	w->hot_point = (unsigned)rnd_below(2 * HOT_POINTS);
	w->power = rnd_below(3) == 0;
	w->power_of_crash = 300000;
	w->sync_crash = often(30000);
	w->sync_fails = often(15000);
	w->torn = rnd_below(12) ? often(30000) : 400000;
	w->torn_first = often(500000);
	w->act_fails = often(60000);
	w->undo_fails = rnd_below(12) ? often(60000) : 400000;
	w->act_slow = often(60000);
	w->coord_crash = often(80000);
	w->fault_every_ms = coin() ? 0 : (unsigned)rnd_range(1000, 20000);
	w->doubled = rnd_below(5) == 0;
	w->rogue = rnd_below(5) == 0;
	w->rogue_every_ms = (unsigned)rnd_range(20, 2000);
	w->nag = w->rogue && coin();
	w->absent = rnd_below(6) == 0;
	w->orphans = rnd_below(3) ? 0 : 400000;
	w->hangs = rnd_below(4) == 0;
	w->cordons = coin();
	w->partitions = coin();
	w->jumps = rnd_below(3) == 0;
	w->exits = rnd_below(4) == 0;
	w->full_disks = rnd_below(3) == 0;
	w->lost_step = rnd_below(6) ? STEP_none : coin() ? STEP_clean : rnd_below(STEP_COUNT);
	w->dead_host = rnd_below(20) == 0;
}

static void choose_weather(struct weather *w)
{
	w->fair = rnd_below(16) == 0;
	w->delay_ms = (unsigned)(coin() || w->fair ? 20 : rnd_range(20, 3000));
	w->slow_ms = (unsigned)(coin() || w->fair ? 5 : rnd_range(5, 1500));
	w->hot_point = HOT_POINTS;
	if (!w->fair)
		choose_faults(w);
}

/* One seed of three has a group, of two or three; how many of its containers are one. */
static int choose_group(void)
{
	uint64_t hash = hash_of(&sim.seed, sizeof(sim.seed));

	if (hash % 3)
		return 0;
	sim.n_cts = hash / 3 % 2 ? 3 : 2;
	return hash / 6 % 2 ? 2 : sim.n_cts;
}

void chaos_init(void)
{
	uint64_t chaos_ms = rnd_range(20000, 120000);
	int grouped;

	sim.interval_ms = rnd_range(1, 4) * 1000;
	sim.hold_ms = rnd_range(3000, 60000);
	sim.n_hosts = (int)rnd_range(2, HOSTS_MAX);
	sim.n_cts = (int)rnd_range(1, 2);
	grouped = choose_group();
	choose_weather(&sim.weather);
	if (sim.weather.fair)
		sim.hold_ms = 60000;
	for (int i = 0; i < sim.n_cts; i++) {
		static const char *const names[CTS_MAX] = {"web", "db", "api"};

		str_copy(sim.ct[i].name, NAME_SIZE, names[i]);
		sim.ct[i].label = grouped && i >= sim.n_cts - grouped ? "group=shop" : NULL;
		sim.host[0].copy[i] = (struct copy){
			.there = true, .gate_open = true, .bundle = true, .home = true};
	}
	for (int i = 0; i < COORDS_MAX; i++)
		sim.coord[i].n = i;
	for (int i = 0; i < sim.n_hosts; i++)
		str_fmt(sim.host[i].name, NAME_SIZE, "h%d", i);
	sim.calm_ms = START_MS + chaos_ms;
	sim.end_ms = sim.calm_ms + 400000;
	coord_start(&sim.coord[0]);
	for (int i = 0; i < sim.n_hosts; i++)
		host_init(i);
	sim.clients_left = (unsigned)rnd_range(1, coin() ? 4 : 10);
	event_push(EV_client, START_MS + rnd_range(1000, 5000), 0, 0, 0, NULL);
	event_push(EV_calm, sim.calm_ms, 0, 0, 0, NULL);
	if (sim.weather.fault_every_ms)
		event_push(EV_fault, START_MS + rnd_range(1000, 20000), 0, 0, 0, NULL);
	if (sim.weather.rogue)
		event_push(EV_rogue, START_MS + rnd_range(2000, 10000), 0, 0, 0, NULL);
}

/* --- people --- */

static void request(struct coord *c, const struct msg_request *body)
{
	auto_msg struct msg *msg = msg_copy(MSG_TYPE_request, body);
	char id[ULID_SIZE];

	sim_ulid(id);
	msg->head.type = MSG_TYPE_request;
	str_copy(msg->head.request, ULID_SIZE, id);
	sim_ulid(id);
	trace("c%d: %s %s to %s", c->n, body->command, body->container ? body->container : "",
	      body->host ? body->host : "any");
	coord_feed(c,
		   &(struct core_event){.kind = CORE_request, .client = 7, .msg = msg, .id = id});
}

static void ask_to_cordon(struct coord *c)
{
	struct msg_request body = {.command = coin() ? "cordon" : "uncordon"};

	body.host = sim.host[rnd_below((uint64_t)sim.n_hosts)].name;
	request(c, &body);
}

static void ask_to_drain(struct coord *c)
{
	const char *host = sim.host[rnd_below((uint64_t)sim.n_hosts)].name;
	struct msg_request body = {.command = rnd_below(3) ? "evacuate" : "restore",
				   .hosts = {&host, 1},
				   .deadline_ms = rnd_range(5000, 60000)};

	request(c, &body);
}

static void ask_for(struct coord *c, int ct)
{
	struct msg_request body = {.command = "migrate", .container = sim.ct[ct].name};
	bool fair = sim.weather.fair;

	if (rnd_below(5) == 0 && !fair)
		body.command = "cancel";
	else if (coin())
		body.host = sim.host[rnd_below((uint64_t)sim.n_hosts)].name;
	if (rnd_below(8) == 0 && !fair)
		body.deadline_ms = rnd_range(100, 20000);
	request(c, &body);
}

void chaos_client(void)
{
	struct coord *c = &sim.coord[sim.weather.doubled && coin() ? 1 : 0];
	int ct = (int)rnd_below((uint64_t)sim.n_cts);

	if (!c->up)
		c = &sim.coord[0];
	if (c->up) {
		if (sim.weather.cordons && rnd_below(4) == 0)
			coin() ? ask_to_cordon(c) : ask_to_drain(c);
		if (c->up)
			ask_for(c, ct);
		sim.clients_left--;
	}
	c = &sim.coord[1 - c->n];
	if (c->up && coin())
		ask_for(c, ct);
	if (sim.clients_left)
		event_push(EV_client, sim.now_ms + rnd_range(200, coin() ? 5000 : 30000), 0, 0, 0,
			   NULL);
}

/* --- faults --- */

void chaos_heal(int what, int which)
{
	if (what == HEAL_cut && !sim.calm)
		net_cut(which, false);
	if (what == HEAL_full) {
		sim.host[which].full = false;
		sim.host[which].jumped_ms = sim.now_ms;
	}
}

static void cut_something(void)
{
	int which = (int)rnd_below(1024);

	net_cut(which, true);
	event_push(EV_heal, sim.now_ms + rnd_range(500, 60000), HEAL_cut, which, 0, NULL);
}

static struct mig *some_mig(struct host *h)
{
	struct mig *m = h->up ? h->x->migs : NULL;

	for (uint64_t n = rnd_below(4); n && m && m->next; n--)
		m = m->next;
	return m;
}

/* A killed criu may take the tasks that it has restored with it, leave them parked, or, told to go,
 * leave them running. */
static void leave_tasks(struct host *h, int ct)
{
	struct copy *copy = &h->copy[ct];

	if (coin())
		copy_destroy(h, ct, "criu was killed");
	else if (copy->armed)
		copy->hook = false;
}

/* The program of a pending act is killed, or the one that holds an armed container. The worker
 * hears of it, mostly. */
static void kill_criu(struct host *h)
{
	struct mig *m = some_mig(h);
	struct run *run = m ? m->child ? m->child : m->restore : NULL;
	int ct = m ? ct_find(m->row.container) : -1;

	if (!run || ct < 0)
		return;
	trace("%s: the child of %s is killed", h->name, m->row.migration + 20);
	run->bad = true;
	if (run == m->restore && str_eq(h->copy[ct].by, m->row.migration) &&
	    (h->copy[ct].armed || run->token))
		leave_tasks(h, ct);
	if (!run->token && coin())
		return;
	run->token = token_new();
	run->refs++;
	event_push(EV_child, sim.now_ms, h->n, 0, run->token, run);
}

static void lose_sender(struct host *h)
{
	struct mig *m = some_mig(h);
	enum handover_act act = m ? mig_act(m) : ACT_none;

	if (act != ACT_sync && act != ACT_dump && act != ACT_send)
		return;
	trace("%s: the sender is lost", h->name);
	worker_sender_lost(h, m);
}

static void end_container(struct host *h)
{
	int ct = (int)rnd_below((uint64_t)sim.n_cts);

	if (!sim.weather.exits)
		return;
	if (copy_runs(&h->copy[ct]))
		copy_destroy(h, ct, "it ended by itself");
	else if (h->copy[ct].there && h->copy[ct].frozen && coin())
		copy_destroy(h, ct, "somebody killed it while it was held");
}

/* A process that does not run for a while, and then goes on as if nothing had happened. */
static void hang(struct host *h, struct coord *c)
{
	uint64_t until_ms = sim.now_ms + rnd_range(500, coin() ? 20000 : 200000);

	if (!sim.weather.hangs)
		return;
	if (coin()) {
		trace("c%d: hangs", c->n);
		c->busy_until_ms = until_ms > c->busy_until_ms ? until_ms : c->busy_until_ms;
		return;
	}
	trace("%s: its worker hangs", h->name);
	h->busy_until_ms = until_ms > h->busy_until_ms ? until_ms : h->busy_until_ms;
	h->hung_ms = h->busy_until_ms;
}

static void jump(struct host *h, struct coord *c)
{
	if (!sim.weather.jumps)
		return;
	h->boot_jump_ms += rnd_range(1000, 100000);
	h->jumped_ms = sim.now_ms;
	c->wall_jump_ms = (int64_t)rnd_below(7200000) - 3600000;
}

static void double_coordinator(void)
{
	if (sim.weather.doubled && !sim.coord[1].exists)
		coord_clone(&sim.coord[0], &sim.coord[1], coin() && sim.coord[0].term);
}

void chaos_fault(void)
{
	struct host *h = &sim.host[rnd_below((uint64_t)sim.n_hosts)];
	struct coord *c = &sim.coord[rnd_below(COORDS_MAX)];
	uint64_t down_ms = rnd_range(50, coin() ? 2000 : 60000);

	if (sim.calm)
		return;
	switch (rnd_below(13)) {
	case 0:
	case 1:
		worker_kill(h, down_ms);
		break;
	case 2:
		coord_kill(c, sim.weather.absent ? 200000 : down_ms);
		break;
	case 3:
		if (sim.weather.power && h->powered) {
			h->gone = sim.weather.dead_host;
			sim.weather.dead_host = false;
			host_power_cut(h, down_ms);
		}
		break;
	case 4:
	case 5:
	case 6:
		if (sim.weather.partitions)
			cut_something();
		break;
	case 7:
		jump(h, c);
		break;
	case 8:
		if (sim.weather.full_disks) {
			h->full = true;
			event_push(EV_heal, sim.now_ms + down_ms, HEAL_full, h->n, 0, NULL);
		}
		break;
	case 9:
		kill_criu(h);
		break;
	case 10:
		lose_sender(h);
		break;
	case 11:
		hang(h, c);
		break;
	default:
		end_container(h);
		double_coordinator();
		break;
	}
	tally.faults++;
	event_push(EV_fault, sim.now_ms + rnd_range(1, sim.weather.fault_every_ms), 0, 0, 0, NULL);
}
