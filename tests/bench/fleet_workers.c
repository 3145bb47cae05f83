/* SPDX-License-Identifier: MPL-2.0
 *
 * Many workers in one process: each has a CURVE key, a DEALER and a PUB of its own and says what a
 * worker says, as often: hello, beats at the interval that it is told, CAPS every 30 s, answers to
 * check and to probes. Sockets and messages are real; hosts and containers are made up.
 *
 *   fleet_workers keys DIR N              DIR/ctl.key, DIR/roster, DIR/keys
 *   fleet_workers run DIR FIRST COUNT CTS COMMANDS BEATS
 *                                         BEATS "-": over the one connection for commands
 *
 * While it runs, a line on stdin is "mute I" (worker I of all falls silent, and is not reached by
 * others), "again" (the coordinator was started again: all say hello) or "count" (prints beats
 * sent, workers welcomed, the interval in ms). It ends with stdin. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "proto/keys.h"
#include "proto/msg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#define MIB (UINT64_C(1) << 20)
#define CAPS_EVERY_MS 30000
#define HELLO_EVERY_MS 2000
#define FEATURES_MAX 512
#define NODES_MAX 16384

struct key {
	char public[KEY_Z85_SIZE], secret[KEY_Z85_SIZE];
};

struct worker {
	unsigned number;
	char id[NAME_SIZE];
	char instance[ULID_SIZE];
	void *dealer, *pub;
	bool welcomed;
	uint64_t seq;
	uint64_t interval_ms, beat_ms, caps_ms, hello_ms; /* the last three: when next */
};

struct fleet {
	void *zmq;
	int epoll;
	struct worker *v;
	struct key *keys;
	unsigned first, n, containers;
	unsigned dialled, welcomed; /* of n */
	uint64_t beats;
	bool muted[NODES_MAX];
	const char *features[FEATURES_MAX];
	size_t n_features;
	const char *server, *commands, *beats_to;
};

static void die(const char *what)
{
	fprintf(stderr, "fleet_workers: %s: %s\n", what, zmq_strerror(errno));
	exit(1);
}

/* --- keys --- */

static int make_keys(const char *dir, unsigned n)
{
	struct curve_keys ctl;
	struct err err = {0};
	char path[4096];
	FILE *roster, *keys;

	str_fmt(path, sizeof(path), "%s/ctl.key", dir);
	if (keys_generate(path, true, &ctl, &err))
		die(err.text);
	str_fmt(path, sizeof(path), "%s/roster", dir);
	roster = fopen(path, "w");
	str_fmt(path, sizeof(path), "%s/keys", dir);
	keys = fopen(path, "w");
	if (!roster || !keys)
		die(path);
	fprintf(roster, "[ctl]\nrole = coordinator\ncurve = %s\n", ctl.public);
	fprintf(keys, "%s %s\n", ctl.public, "-");
	for (unsigned i = 0; i < n; i++) {
		struct key key;

		if (zmq_curve_keypair(key.public, key.secret))
			die("zmq_curve_keypair");
		fprintf(roster, "\n[w%05u]\nrole = worker\ncurve = %s\naddress = 127.0.0.1\n", i,
			key.public);
		fprintf(keys, "%s %s\n", key.public, key.secret);
	}
	return fclose(roster) | fclose(keys);
}

static struct key *read_keys(const char *dir, unsigned first, unsigned n, char *ret_server)
{
	struct key *keys = mem_new(n, sizeof(*keys));
	char path[4096], line[200];
	FILE *in;

	str_fmt(path, sizeof(path), "%s/keys", dir);
	in = fopen(path, "r");
	if (!in || !fgets(line, sizeof(line), in) || sscanf(line, "%40s", ret_server) != 1)
		die(path);
	for (unsigned i = 0; i < first + n; i++) {
		struct key *key = &keys[i < first ? 0 : i - first];

		if (!fgets(line, sizeof(line), in) ||
		    sscanf(line, "%40s %40s", key->public, key->secret) != 2)
			die(path);
	}
	fclose(in);
	return keys;
}

/* --- sockets, as proto/bus_sock.c makes them --- */

/* Thousands of handshakes share one thread here: no worker gives up for that, and they come in
 * order. A real one has its host to itself. */
#define HANDSHAKE_MS 60000
#define DIALLING_MAX 150

static void *dial(struct fleet *f, int type, const struct key *key, const char *endpoint)
{
	static const int options[][2] = {
		{ZMQ_LINGER, 0},
		{ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
		{ZMQ_RECONNECT_IVL, 200},
		{ZMQ_RECONNECT_IVL_MAX, 5000},
		{ZMQ_CONNECT_TIMEOUT, 5000},
		{ZMQ_TCP_KEEPALIVE, 1},
	};
	int hwm = type == ZMQ_PUB ? 2 : 32;
	void *s = zmq_socket(f->zmq, type);

	if (!s)
		die("zmq_socket");
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		zmq_setsockopt(s, options[i][0], &options[i][1], sizeof(int));
	zmq_setsockopt(s, ZMQ_SNDHWM, &hwm, sizeof(hwm));
	if (zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, f->server, KEY_Z85_SIZE) ||
	    zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, key->public, KEY_Z85_SIZE) ||
	    zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, key->secret, KEY_Z85_SIZE) ||
	    zmq_connect(s, endpoint))
		die(endpoint);
	return s;
}

static void tell(void *socket, enum msg_type type, const char *request, const void *body)
{
	struct msg_head head = msg_head_new(type, 0, request);
	auto_free void *data = NULL;
	struct err err = {0};
	size_t len;

	if (msg_encode(&head, body, &data, &len, &err))
		die(err.text);
	zmq_send(socket, data, len, ZMQ_DONTWAIT);
}

/* --- what a worker says --- */

static void say_hello(const struct worker *w)
{
	tell(w->dealer, MSG_TYPE_hello, NULL,
	     &(struct msg_hello){.node = w->id,
				 .version = DROVER_VERSION,
				 .boot_id = "7f3c6a1e-0000-4000-8000-000000000000",
				 .instance = w->instance,
				 .wall_ms = clock_wall_ms()});
}

/* Texts and records of one container; they live as long as the caller's arrays. */
struct made {
	char id[NAME_SIZE], bundle[96], netns[64], address[24], mac[18], veth[16];
	const char *addrs[1], *routes[1], *labels[2];
	struct msg_net net;
};

static void make_container(const struct worker *w, unsigned i, struct made *m,
			   struct msg_container *ret)
{
	unsigned n = w->number * 20 + i;

	str_fmt(m->id, sizeof(m->id), "web-%05u-%02u", w->number, i);
	str_fmt(m->bundle, sizeof(m->bundle), "/var/lib/ct/%s", m->id);
	str_fmt(m->netns, sizeof(m->netns), "/run/netns/%s", m->id);
	str_fmt(m->address, sizeof(m->address), "10.%u.%u.%u/8", n >> 16 & 255, n >> 8 & 255,
		n & 255);
	str_fmt(m->mac, sizeof(m->mac), "02:00:00:%02x:%02x:%02x", n >> 16 & 255, n >> 8 & 255,
		n & 255);
	str_fmt(m->veth, sizeof(m->veth), "v%u", n);
	m->addrs[0] = m->address;
	m->routes[0] = "default via 10.0.0.1";
	m->labels[0] = "app=web";
	m->labels[1] = "tier=front";
	m->net = (struct msg_net){.kind = "named",
				  .netns = m->netns,
				  .ifname = "eth0",
				  .host_ifname = m->veth,
				  .mac = m->mac,
				  .mtu = 1500,
				  .addrs = {m->addrs, 1},
				  .routes = {m->routes, 1},
				  .bridge = "br0"};
	*ret = (struct msg_container){.id = m->id,
				      .runtime = n % 3 ? "runc" : "crun",
				      .status = "running",
				      .image = "/var/lib/ct/images/base",
				      .bundle = m->bundle,
				      .pid = 1000 + n % 30000,
				      .rss_bytes = (32 + n % 200) * MIB,
				      .limit_bytes = 512 * MIB,
				      .net = &m->net,
				      .labels = {m->labels, 2},
				      .tasks = 4,
				      .io_uring = i == 19,
				      .inet_sockets = true,
				      .tree_bytes = 10 * MIB,
				      .tcp_established = n % 7,
				      .authority = "own",
				      .started_ms = 1700000000000};
}

static void say_caps(struct fleet *f, const struct worker *w)
{
	static struct msg_container containers[512];
	static struct made made[512];
	static const char *criu[] = {"mem_dirty_track", "tcp", "lazy-pages", "pidfd_store"};
	static const char *images[] = {"/var/lib/ct/images/base", "/var/lib/ct/images/db"};
	static const uint8_t cpuinfo[200];
	struct msg_runtime runtimes[] = {
		{.name = "runc", .version = "1.3.6", .path = "/usr/bin/runc", .checkpoint = true},
		{.name = "crun", .version = "1.28", .path = "/usr/bin/crun", .checkpoint = true}};
	struct msg_network network = {
		.bridge = "br0", .subnet = "10.0.0.0/8", .mtu = 1500, .speed_mbit = 10000};
	struct msg_caps caps = {
		.revision = 1,
		.boot_id = "7f3c6a1e-0000-4000-8000-000000000000",
		.instance = w->instance,
		.kernel = "6.18.5-cloud-amd64",
		.arch = "x86_64",
		.cpu_model = "AMD EPYC 9754 128-Core Processor",
		.cpu_features = {f->features, f->n_features},
		.xsave_bytes = 2696,
		.criu_version = w->number % 11 == 5 ? 40101 : 40201, /* some hosts are older */
		.criu_features = {criu, ARRAY_LEN(criu)},
		.criu_path = "/usr/sbin/criu",
		.runtimes = {runtimes, w->number % 13 == 7 ? 1 : 2},
		.cgroup_version = 2,
		.userfaultfd = true,
		.thp = "madvise",
		.storage_total_bytes = 500000 * MIB,
		.storage_free_bytes = 300000 * MIB,
		.staging_total_bytes = 16000 * MIB,
		.staging_free_bytes = 15000 * MIB,
		.networks = {&network, 1},
		.images = {images, ARRAY_LEN(images)},
		.cpuinfo = {cpuinfo, sizeof(cpuinfo)},
		.containers = {containers, f->containers},
		.version = DROVER_VERSION,
		.mem_total_bytes = 64000 * MIB,
		.cpus = 32,
		.ssh_port = 22,
		.wall_ms = clock_wall_ms()};

	for (unsigned i = 0; i < f->containers; i++)
		make_container(w, i, &made[i], &containers[i]);
	tell(w->dealer, MSG_TYPE_caps, NULL, &caps);
}

static void say_beat(struct fleet *f, struct worker *w)
{
	static struct msg_usage usage[512];
	static char ids[512][NAME_SIZE];
	bool full = w->number % 10 == 3; /* a tenth of the hosts has no memory to give */

	for (unsigned i = 0; i < f->containers; i++) {
		str_fmt(ids[i], NAME_SIZE, "web-%05u-%02u", w->number, i);
		usage[i] = (struct msg_usage){.id = ids[i],
					      .status = "running",
					      .rss_bytes = (32 + (w->number * 20 + i) % 200) * MIB,
					      .cpu_permille = 20 + i};
	}
	tell(w->pub, MSG_TYPE_beat, NULL,
	     &(struct msg_beat){.boot_id = "7f3c6a1e-0000-4000-8000-000000000000",
				.instance = w->instance,
				.seq = ++w->seq,
				.load1 = 1.5,
				.cpus = 32,
				.cpu_permille = 100 + (w->number * 37 + w->seq) % 700,
				.psi_io = 0.5,
				.mem_total_bytes = 64000 * MIB,
				.mem_available_bytes = (full ? 100 : 20000 + w->number % 997) * MIB,
				.net_bytes_s = 1000000 + w->number,
				.caps_revision = 1,
				.wall_ms = clock_wall_ms(),
				.usage = {usage, f->containers},
				.storage_free_bytes = 300000 * MIB,
				.staging_free_bytes = 15000 * MIB});
	f->beats++;
}

/* --- what it is told --- */

static void answer_ask(struct fleet *f, const struct worker *w, const struct msg *m)
{
	static struct made made;
	struct msg_container facts;
	struct msg_answer answer = {.migration = m->ask->migration,
				    .step = m->ask->step,
				    .attempt = m->ask->attempt,
				    .epoch = m->ask->epoch,
				    .state = "none"};
	unsigned number, i;

	if (m->ask->step != STEP_check)
		answer.code = m->ask->step == STEP_clean ? 0 : ERR_refused;
	if (m->ask->step == STEP_check && str_eq(m->ask->source, w->id) &&
	    sscanf(m->ask->container, "web-%u-%u", &number, &i) == 2 && i < f->containers) {
		make_container(w, i, &made, &facts);
		answer.facts = &facts;
		answer.net = facts.net;
	}
	tell(w->dealer, MSG_TYPE_answer, m->head.request, &answer);
}

static void answer_probe(struct fleet *f, const struct worker *w, const struct msg_probe *probe)
{
	unsigned number;
	bool known = sscanf(probe->host, "w%u", &number) == 1 && number < NODES_MAX;

	tell(w->dealer, MSG_TYPE_sight, NULL,
	     &(struct msg_sight){
		     .host = probe->host, .tried = known, .reached = known && !f->muted[number]});
}

static void take(struct fleet *f, struct worker *w, const void *data, size_t len)
{
	auto_msg struct msg *m = NULL;
	struct err err = {0};

	if (f->muted[w->number] || msg_decode(data, len, &m, &err))
		return;
	if (m->head.type == MSG_TYPE_welcome) {
		w->interval_ms = m->welcome->interval_ms;
		if (!w->pub)
			w->pub = str_eq(f->beats_to, "-")
					 ? w->dealer
					 : dial(f, ZMQ_PUB, &f->keys[w->number - f->first],
						f->beats_to);
		if (!w->welcomed)
			w->caps_ms = 0;
		f->welcomed += !w->welcomed;
		w->welcomed = true;
	} else if (m->head.type == MSG_TYPE_ask) {
		answer_ask(f, w, m);
	} else if (m->head.type == MSG_TYPE_probe) {
		answer_probe(f, w, m->probe);
	}
}

static void drain(struct fleet *f, struct worker *w)
{
	static char frame[128 * 1024];
	int len;

	while ((len = zmq_recv(w->dealer, frame, sizeof(frame), ZMQ_DONTWAIT)) >= 0)
		if ((size_t)len <= sizeof(frame))
			take(f, w, frame, (size_t)len);
}

/* --- time --- */

static void timers(struct fleet *f, struct worker *w, uint64_t now_ms)
{
	uint64_t hello_ms = 5 * w->interval_ms < 10000 ? 10000 : 5 * w->interval_ms;

	if (now_ms >= w->hello_ms) {
		say_hello(w);
		w->hello_ms = now_ms + (w->welcomed ? hello_ms : HELLO_EVERY_MS);
	}
	if (w->welcomed && now_ms >= w->caps_ms) {
		say_caps(f, w);
		w->caps_ms = now_ms + CAPS_EVERY_MS;
	}
	if (!w->pub)
		return;
	if (w->beat_ms > now_ms + w->interval_ms)
		w->beat_ms = now_ms + w->interval_ms;
	if (now_ms >= w->beat_ms) {
		say_beat(f, w);
		w->beat_ms += w->interval_ms;
		if (w->beat_ms <= now_ms)
			w->beat_ms = now_ms + w->interval_ms;
	}
}

static void all_timers(struct fleet *f)
{
	uint64_t now_ms = clock_mono_ms();

	for (unsigned i = 0; i < f->dialled; i++) {
		struct worker *w = &f->v[i];

		if (f->muted[w->number])
			continue;
		timers(f, w, now_ms);
		drain(f, w); /* a send may have taken the edge of its descriptor */
	}
}

/* --- life --- */

static void count(const struct fleet *f)
{
	printf("%" PRIu64 " %u %" PRIu64 "\n", f->beats, f->welcomed, f->v[0].interval_ms);
	fflush(stdout);
}

/* False at the end of stdin. */
static bool command(struct fleet *f)
{
	char line[64];
	unsigned number;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (sscanf(line, "mute %u", &number) == 1 && number < NODES_MAX)
		f->muted[number] = true;
	else if (str_starts(line, "count"))
		count(f);
	if (str_starts(line, "again"))
		f->welcomed = 0;
	for (unsigned i = 0; str_starts(line, "again") && i < f->dialled; i++) {
		f->v[i].welcomed = false;
		f->v[i].hello_ms = 0;
	}
	return true;
}

static void enlist(struct fleet *f, unsigned i, const struct key *key)
{
	struct worker *w = &f->v[i];
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = i};
	uint64_t now_ms = clock_mono_ms();
	size_t len = sizeof(int);
	int fd;

	*w = (struct worker){.number = f->first + i, .interval_ms = 1000};
	str_fmt(w->id, sizeof(w->id), "w%05u", w->number);
	ulid_new(w->instance, clock_wall_ms());
	w->dealer = dial(f, ZMQ_DEALER, key, f->commands);
	w->beat_ms = now_ms + w->number * 7919u % 1000;
	if (zmq_getsockopt(w->dealer, ZMQ_FD, &fd, &len) ||
	    epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll");
}

static void enlist_some(struct fleet *f)
{
	while (f->dialled < f->n && f->dialled < f->welcomed + DIALLING_MAX) {
		enlist(f, f->dialled, &f->keys[f->dialled]);
		f->dialled++;
	}
}

static void read_features(struct fleet *f)
{
	static char line[16384];
	FILE *in = fopen("/proc/cpuinfo", "r");
	char *at = NULL;

	while (in && fgets(line, sizeof(line), in) && !str_starts(line, "flags"))
		;
	if (in)
		fclose(in);
	for (char *word = strtok_r(line, " \t:\n", &at); word; word = strtok_r(NULL, " \t:\n", &at))
		if (f->n_features < FEATURES_MAX && !str_eq(word, "flags"))
			f->features[f->n_features++] = word;
}

static int run(int argc, char **argv)
{
	char server[KEY_Z85_SIZE] = "";
	struct epoll_event in = {.events = EPOLLIN, .data.u32 = UINT32_MAX}, events[256];
	uint64_t numbers[3], next_ms = 0;
	struct fleet f = {.zmq = zmq_ctx_new(), .epoll = epoll_create1(EPOLL_CLOEXEC)};

	for (int i = 0; i < 3; i++)
		if (argc != 8 || !str_u64(argv[3 + i], 0, NODES_MAX, &numbers[i]))
			return 2;
	f.first = (unsigned)numbers[0];
	f.n = (unsigned)numbers[1];
	f.containers = numbers[2] > 512 ? 512 : (unsigned)numbers[2];
	f.commands = argv[6];
	f.beats_to = argv[7];
	f.server = server;
	f.keys = read_keys(argv[2], f.first, f.n, server);
	f.v = mem_new(f.n, sizeof(*f.v));
	read_features(&f);
	setvbuf(stdin, NULL, _IONBF, 0);
	zmq_ctx_set(f.zmq, ZMQ_MAX_SOCKETS, (int)(2 * f.n + 16));
	epoll_ctl(f.epoll, EPOLL_CTL_ADD, 0, &in);
	for (;;) {
		int n = epoll_wait(f.epoll, events, ARRAY_LEN(events), 20);

		for (int i = 0; i < n; i++)
			if (events[i].data.u32 != UINT32_MAX)
				drain(&f, &f.v[events[i].data.u32]);
			else if (!command(&f))
				_exit(0); /* closing each socket in order takes longer than all it
					     did */
		if (clock_mono_ms() >= next_ms) {
			enlist_some(&f);
			all_timers(&f);
			next_ms = clock_mono_ms() + 20;
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t n;

	if (argc == 4 && str_eq(argv[1], "keys") && str_u64(argv[3], 1, NODES_MAX, &n))
		return make_keys(argv[2], (unsigned)n);
	if (argc > 1 && str_eq(argv[1], "run"))
		return run(argc, argv);
	fprintf(stderr,
		"usage: fleet_workers keys DIR N | run DIR FIRST COUNT CTS COMMANDS BEATS\n");
	return 2;
}
