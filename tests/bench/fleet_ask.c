/* SPDX-License-Identifier: MPL-2.0
 *
 * Asks a coordinator over its local socket, as the command line does, and takes the time.
 *
 *   fleet_ask ENDPOINT up N SECS         prints ms until N hosts are up
 *   fleet_ask ENDPOINT check HOSTS CTS COUNT LAST PID
 *                                        COUNT checks, one after the other; LAST: only of each
 *                                        host's last container, which no host can take. Prints p50
 *                                        and p99 in µs by the clock, the same of the CPU that the
 *                                        loop of the coordinator PID took meanwhile, and how many
 *                                        containers could be taken
 *   fleet_ask ENDPOINT watch KIND N SECS prints ms until N events of that kind came */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "proto/bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct asker {
	struct bus *bus;
	struct bus_sock *sock;
	struct err err;
};

static int complain(const char *what)
{
	fprintf(stderr, "fleet_ask: %s\n", what);
	return 1;
}

/* The next message within the time, NULL when there is none. */
static struct msg *next(struct asker *a, uint64_t end_ms)
{
	for (;;) {
		struct bus_poll_item item = {.sock = a->sock, .fd = -1};
		uint64_t now_ms = clock_mono_ms();
		struct bus_from from;
		struct msg *msg;
		int got = bus_recv(a->sock, &from, &msg, &a->err);

		if (got > 0)
			return msg;
		if (got < 0)
			continue;
		if (now_ms >= end_ms)
			return NULL;
		bus_poll(&item, 1, (int)(end_ms - now_ms), &a->err);
	}
}

static struct msg *ask(struct asker *a, const struct msg_request *request)
{
	struct msg_head head = msg_head_new(MSG_TYPE_request, 0, NULL);
	uint64_t end_ms = clock_mono_ms() + 30000;
	struct msg *msg;

	if (bus_send(a->sock, NULL, &head, request, &a->err))
		return NULL;
	while ((msg = next(a, end_ms))) {
		if (msg->head.type == MSG_TYPE_reply && msg->reply->final &&
		    str_eq(msg->head.request, head.request))
			return msg;
		msg_free(&msg);
	}
	return NULL;
}

static int wait_up(struct asker *a, uint64_t n, uint64_t secs)
{
	uint64_t began_ms = clock_mono_ms();
	struct bus_poll_item pause = {.fd = -1};

	while (clock_mono_ms() - began_ms < secs * 1000) {
		auto_msg struct msg *reply = ask(a, &(struct msg_request){.command = "version"});

		if (reply && reply->reply->cluster && reply->reply->cluster->hosts_up >= n) {
			printf("%" PRIu64 "\n", clock_mono_ms() - began_ms);
			return 0;
		}
		bus_poll(&pause, 1, 250, &a->err);
	}
	return complain("not all hosts came up");
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* What the first thread of a process has run for: the beats of the fleet that it hears in between
 * are in it. Documentation/scheduler/sched-stats.rst */
static uint64_t cpu_us(uint64_t pid)
{
	uint64_t ns = 0;
	char path[64];
	FILE *in;

	str_fmt(path, sizeof(path), "/proc/%" PRIu64 "/task/%" PRIu64 "/schedstat", pid, pid);
	in = fopen(path, "r");
	if (!in || fscanf(in, "%" SCNu64, &ns) != 1)
		ns = 0;
	if (in)
		fclose(in);
	return ns / 1000;
}

static void print_spread(uint64_t *v, uint64_t n)
{
	qsort(v, n, sizeof(*v), by_size);
	printf("%" PRIu64 " %" PRIu64 " ", v[n / 2], v[n * 99 / 100]);
}

/* argument: hosts, containers of each, how many checks, whether of the last ones, pid */
static int checks(struct asker *a, const uint64_t argument[5])
{
	uint64_t hosts = argument[0], cts = argument[1], count = argument[2], able = 0;
	bool last = argument[3];
	auto_free uint64_t *us = mem_new(count, sizeof(*us));
	auto_free uint64_t *cpu = mem_new(count, sizeof(*cpu));

	for (uint64_t i = 0; i < count; i++) {
		uint64_t host = i * 7919 % hosts, ct = last ? cts - 1 : i % (cts - 1), began_us;
		char name[NAME_SIZE];
		auto_msg struct msg *reply = NULL;

		str_fmt(name, sizeof(name), "web-%05u-%02u", (unsigned)host, (unsigned)ct);
		cpu[i] = cpu_us(argument[4]);
		began_us = clock_mono_us();
		reply = ask(a, &(struct msg_request){.command = "check", .container = name});
		us[i] = clock_mono_us() - began_us;
		cpu[i] = cpu_us(argument[4]) - cpu[i];
		if (!reply)
			return complain("no answer to check");
		if (!reply->reply->candidates.n)
			return complain(reply->reply->error ? reply->reply->error : "no ranking");
		able += !reply->reply->code;
	}
	if (last ? able : able * 10 < count * 7)
		return complain("the verdicts are not those of this fleet");
	print_spread(us, count);
	print_spread(cpu, count);
	printf("%" PRIu64 "\n", able);
	return 0;
}

static int watch(struct asker *a, const char *kind, uint64_t n, uint64_t secs)
{
	struct msg_head head = msg_head_new(MSG_TYPE_request, 0, NULL);
	uint64_t began_ms = clock_mono_ms(), end_ms = began_ms + secs * 1000;
	struct msg *msg;

	bus_send(a->sock, NULL, &head, &(struct msg_request){.command = "watch"}, &a->err);
	while (n && (msg = next(a, end_ms))) {
		n -= msg->head.type == MSG_TYPE_event && str_eq(msg->event->kind, kind);
		msg_free(&msg);
	}
	if (n)
		return complain("not as many events as there should be");
	printf("%" PRIu64 "\n", clock_mono_ms() - began_ms);
	return 0;
}

int main(int argc, char **argv)
{
	struct asker a = {0};
	uint64_t n[5] = {0};
	int rc = 2;

	for (int i = 3; i < argc && i < 8; i++)
		str_u64(argv[i], 0, UINT32_MAX, &n[i - 3]);
	a.bus = bus_new(NULL, NULL, &a.err);
	a.sock = argc > 4 && a.bus ? bus_local_dealer(a.bus, argv[1], &a.err) : NULL;
	if (!a.sock)
		return complain(a.err.text);
	if (str_eq(argv[2], "up"))
		rc = wait_up(&a, n[0], n[1]);
	else if (str_eq(argv[2], "check") && argc == 8 && n[0] && n[1] > 1 && n[2])
		rc = checks(&a, n);
	else if (str_eq(argv[2], "watch") && argc == 6)
		rc = watch(&a, argv[3], n[1], n[2]);
	bus_sock_free(&a.sock);
	bus_free(&a.bus);
	return rc;
}
