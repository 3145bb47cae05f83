/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The witness of a move: one TCP connection to srv, one numbered line each interval whether or not
 * the last was answered, and each reply required exactly once and in order. It never reconnects.
 *
 * With --probe it also sends a datagram each interval, which srv answers with the number of all
 * that it ever answered. That number may only grow: when it goes back, an older copy runs after a
 * newer one. Probes go on when the connection has broken.
 *
 * At the end (time over, SIGTERM, SIGINT) it waits for what is outstanding, asks for a verify and
 * prints one JSON line. Exit 0: exact. 1: something was lost, repeated, reordered, broken or bad,
 * or went back.
 * 2: usage, or never connected.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GAPS_MAX 256
#define FOLLOW_MS 200
#define SEND_BUFFER (8 << 20)

struct gap {
	uint64_t at_ms; /* since the epoch: the last reply before it */
	uint64_t length_ms;
};

struct run {
	int fd;
	int probe_fd; /* -1: none */
	uint64_t probes, probe_replies, probe_last, went_back;
	uint64_t sent, received, repeated, reordered;
	uint64_t last_number;
	uint64_t last_reply_ms, last_reply_epoch_ms;
	uint64_t max_gap_ms, gap_from_ms, n_gaps;
	struct gap gaps[GAPS_MAX];
	const char *broken; /* why the connection ended, or NULL */
	char verify[128];   /* the server's words, "" before */
	size_t have;
	char in[65536];
};

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void run_break(struct run *r, const char *why)
{
	if (!r->broken)
		r->broken = why;
}

static void run_send(struct run *r, const char *word)
{
	char line[64];
	int len;

	if (*word)
		len = snprintf(line, sizeof line, "%s\n", word);
	else
		len = snprintf(line, sizeof line, "%llu\n", (unsigned long long)++r->sent);
	/* A full send buffer is thousands of lines without a reply: count it as broken. */
	if (send(r->fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len)
		run_break(r, errno == EAGAIN ? "send buffer full" : strerror(errno));
}

static void run_gap(struct run *r, uint64_t now)
{
	uint64_t length = now - r->last_reply_ms;

	if (length > r->max_gap_ms)
		r->max_gap_ms = length;
	if (length >= r->gap_from_ms) {
		if (r->n_gaps < GAPS_MAX)
			r->gaps[r->n_gaps] = (struct gap){r->last_reply_epoch_ms, length};
		r->n_gaps++;
	}
}

/* A reply is "N K": the server's count of this connection and our own number back. */
static void run_reply(struct run *r, const char *line)
{
	char *rest;
	uint64_t count = strtoull(line, &rest, 10), number;

	if (!strncmp(rest, " verify ", 8)) {
		snprintf(r->verify, sizeof r->verify, "%s", rest + 8);
		return;
	}
	number = strtoull(rest, NULL, 10);
	if (number <= r->last_number)
		r->repeated++;
	else if (number != r->last_number + 1 || count != number)
		r->reordered++;
	else
		r->received++;
	if (number > r->last_number)
		r->last_number = number;
}

static void run_read(struct run *r, uint64_t now)
{
	ssize_t got = recv(r->fd, r->in + r->have, sizeof r->in - 1 - r->have, MSG_DONTWAIT);
	char *line = r->in, *end;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		run_break(r, got ? strerror(errno) : "closed by the server");
		return;
	}
	r->have += (size_t)got;
	r->in[r->have] = '\0';
	run_gap(r, now);
	r->last_reply_ms = now;
	r->last_reply_epoch_ms = clock_ms(CLOCK_REALTIME);
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		run_reply(r, line);
	}
	r->have -= (size_t)(line - r->in);
	memmove(r->in, line, r->have);
}

static void probe_send(struct run *r)
{
	if (r->probe_fd >= 0 && send(r->probe_fd, "?", 1, MSG_DONTWAIT) == 1)
		r->probes++;
}

static void probe_read(struct run *r)
{
	char text[32];
	ssize_t got;

	/* An error is an ICMP answer of a host that has no such container now. */
	while ((got = recv(r->probe_fd, text, sizeof text - 1, MSG_DONTWAIT)) > 0) {
		uint64_t served;

		text[got] = '\0';
		served = strtoull(text, NULL, 10);
		r->probe_replies++;
		if (served <= r->probe_last)
			r->went_back++;
		r->probe_last = served;
	}
}

/* Reads until now_ms reaches until_ms or a signal comes; true when the signal came. */
static bool run_wait(struct run *r, int signals, uint64_t until_ms)
{
	struct pollfd polls[3] = {{.fd = r->fd, .events = POLLIN},
				  {.fd = signals, .events = POLLIN},
				  {.fd = r->probe_fd, .events = POLLIN}};

	for (;;) {
		uint64_t now = clock_ms(CLOCK_MONOTONIC);

		if (r->broken)
			polls[0].fd = -1;
		if (now >= until_ms || (r->broken && r->probe_fd < 0))
			return false;
		if (poll(polls, 3, (int)(until_ms - now)) <= 0)
			continue;
		if (polls[2].revents)
			probe_read(r);
		if (polls[0].revents)
			run_read(r, clock_ms(CLOCK_MONOTONIC));
		if (polls[1].revents)
			return true;
		if (*r->verify)
			return false;
	}
}

static void follow(const struct run *r, uint64_t now)
{
	printf("\rsent %llu  received %llu  max gap %llu ms  silent %llu ms   ",
	       (unsigned long long)r->sent, (unsigned long long)r->received,
	       (unsigned long long)r->max_gap_ms, (unsigned long long)(now - r->last_reply_ms));
	fflush(stdout);
}

static void talk(struct run *r, int signals, uint64_t secs, uint64_t interval_ms, bool progress)
{
	uint64_t now = clock_ms(CLOCK_MONOTONIC), shown = now;
	uint64_t end = secs ? now + secs * 1000 : UINT64_MAX, next = now;

	r->last_reply_ms = now;
	r->last_reply_epoch_ms = clock_ms(CLOCK_REALTIME);
	while (now < end && (!r->broken || r->probe_fd >= 0)) {
		if (!r->broken)
			run_send(r, "");
		probe_send(r);
		next += interval_ms;
		if (run_wait(r, signals, next))
			return;
		now = clock_ms(CLOCK_MONOTONIC);
		if (progress && now - shown >= FOLLOW_MS) {
			follow(r, now);
			shown = now;
		}
	}
}

/* The last replies, then the verify; signals no longer count, drain_ms bounds the wait. */
static void finish(struct run *r, uint64_t drain_ms)
{
	uint64_t now;

	if (r->broken)
		return;
	run_send(r, "verify");
	run_wait(r, -1, clock_ms(CLOCK_MONOTONIC) + drain_ms);
	now = clock_ms(CLOCK_MONOTONIC);
	if (!*r->verify) {
		run_gap(r, now);
		run_break(r, "no answer at the end");
	}
}

static bool report(const struct run *r, FILE *out)
{
	uint64_t lost = r->sent > r->received ? r->sent - r->received : 0;
	bool good = strstr(r->verify, " errors=0 ") && !strstr(r->verify, "hold=bad");
	bool exact = good && !lost && !r->repeated && !r->reordered && !r->broken && !r->went_back;

	fprintf(out,
		"{\"exact\":%s,\"sent\":%llu,\"received\":%llu,\"lost\":%llu,\"repeated\":%llu,"
		"\"reordered\":%llu,\"reconnects\":0,\"broken\":",
		exact ? "true" : "false", (unsigned long long)r->sent,
		(unsigned long long)r->received, (unsigned long long)lost,
		(unsigned long long)r->repeated, (unsigned long long)r->reordered);
	if (r->broken)
		fprintf(out, "\"%s\"", r->broken);
	else
		fputs("null", out);
	fprintf(out, ",\"max_gap_ms\":%llu,\"n_gaps\":%llu,\"gaps\":[",
		(unsigned long long)r->max_gap_ms, (unsigned long long)r->n_gaps);
	for (uint64_t i = 0; i < r->n_gaps && i < GAPS_MAX; i++)
		fprintf(out, "%s{\"at_ms\":%llu,\"gap_ms\":%llu}", i ? "," : "",
			(unsigned long long)r->gaps[i].at_ms,
			(unsigned long long)r->gaps[i].length_ms);
	fprintf(out, "],\"verify\":\"%s\",\"verified\":%s", r->verify, good ? "true" : "false");
	fprintf(out, ",\"probes\":%llu,\"probe_replies\":%llu,\"went_back\":%llu}\n",
		(unsigned long long)r->probes, (unsigned long long)r->probe_replies,
		(unsigned long long)r->went_back);
	fflush(out);
	return exact;
}

/* Connects a socket of that type; -1 when it says why not. */
static int dial(const char *target, int type)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(7000)};
	struct timeval wait = {.tv_sec = 5};
	char host[64];
	char *colon;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1, bytes = SEND_BUFFER;

	snprintf(host, sizeof host, "%s", target);
	colon = strchr(host, ':');
	if (colon) {
		*colon = '\0';
		addr.sin_port = htons((uint16_t)atoi(colon + 1));
	}
	if (inet_pton(AF_INET, host, &addr.sin_addr) != 1) {
		fprintf(stderr, "client: not an IPv4 address: %s\n", host);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr)) {
		fprintf(stderr, "client: %s: %s\n", target, strerror(errno));
		close(fd);
		return -1;
	}
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	/* Each line that is on its way costs two kilobytes of it. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
	return fd;
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static const struct option options[] = {
	{"secs", required_argument, NULL, 's'},
	{"interval-ms", required_argument, NULL, 'i'},
	{"drain-ms", required_argument, NULL, 'd'},
	{"gap-ms", required_argument, NULL, 'g'},
	{"follow", no_argument, NULL, 'f'},
	{"probe", no_argument, NULL, 'p'},
	{0},
};

int main(int argc, char **argv)
{
	static struct run r = {.probe_fd = -1};
	uint64_t secs = 0, interval_ms = 20, drain_ms = 10000, gap_ms = 0;
	bool progress = false, probe = false;
	int signals = signals_open(), opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			secs = strtoull(optarg, NULL, 10);
			break;
		case 'i':
			interval_ms = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			drain_ms = strtoull(optarg, NULL, 10);
			break;
		case 'g':
			gap_ms = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			progress = true;
			break;
		case 'p':
			probe = true;
			break;
		default:
			optind = argc + 1;
			break;
		}
	}
	if (optind != argc - 1 || !interval_ms) {
		fputs("usage: client [--secs S] [--interval-ms M] [--drain-ms M] [--gap-ms M] "
		      "[--follow] [--probe] IP[:PORT]\n",
		      stderr);
		return 2;
	}
	r.gap_from_ms = gap_ms ? gap_ms : (interval_ms * 3 > 60 ? interval_ms * 3 : 60);
	r.fd = dial(argv[optind], SOCK_STREAM);
	if (r.fd < 0)
		return 2;
	if (probe)
		r.probe_fd = dial(argv[optind], SOCK_DGRAM);
	talk(&r, signals, secs, interval_ms, progress);
	finish(&r, drain_ms);
	if (progress)
		putchar('\n');
	return report(&r, stdout) ? 0 : 1;
}
