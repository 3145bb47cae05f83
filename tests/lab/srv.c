/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The program in the lab's containers: a counter server whose whole state can be checked from
 * outside after a move.
 *
 *  - Each connection counts its own request lines: "WORD…\n" is answered "N WORD…\n", N from 1.
 *    "stat" and "verify" are answered with one line too, and are counted like any other line.
 *  - A ballast of pages, each word known from page number and generation, is rewritten at a rate.
 *  - It may append to a log file in its rootfs: a line for each reply, or one each tick.
 *  - It may hold an unlinked file whose content it knows.
 *  - It may have what CRIU cannot dump, or not restore elsewhere: an io_uring ring, a connection to
 *    a unix socket, any file or device.
 *  - It may keep a CPU busy for a part of the time, as a clock sees it: where it has to wait for
 *    the CPU it runs less, and wanted to all the same.
 *  - It may answer datagrams on the same port with one number for all that it ever answered: a copy
 *    that is older than one that has run shows by it, whatever became of the connections.
 *
 * One thread, one poll; it never sleeps. Nothing here is robust against hostile clients.
 */
#define _GNU_SOURCE
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
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAGE_WORDS 512
#define PAGE_BYTES 4096
#define CLIENTS_MAX 64
#define HOLD_BYTES (256 * 1024)
#define DIRTY_TICK_MS 10
#define CATCH_UP_MS 500
#define BURN_PERIOD_US 20000
#define POLL_PROBE 1 /* its place among the polls, behind the listener */
#define POLL_CLIENTS 2

struct ballast {
	uint64_t *words;
	uint32_t *generation; /* of each page */
	size_t pages;
	size_t hot; /* pages that are rewritten: the first so many */
	size_t next;
	long rate; /* pages a second */
	uint64_t last_ms;
	uint64_t found_bad;
};

/* While a part of a reply does not fit into the socket nothing more is read. */
struct client {
	uint64_t count;
	size_t have, left;
	char in[4096], out[512];
};

struct server {
	struct ballast ballast;
	struct pollfd polls[POLL_CLIENTS + CLIENTS_MAX];
	struct client clients[POLL_CLIENTS + CLIENTS_MAX];
	int n_polls;
	int log_fd;
	int hold_fd;
	uint64_t served; /* lines and datagrams that were answered */
	uint64_t log_lines;
	uint64_t tick_ms;
	uint64_t next_tick_ms;
	uint64_t burn_us; /* of each period */
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t now_ms(void)
{
	return now_us() / 1000;
}

/* splitmix64: a word that depends on all of x. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* Only the first and the last word change with the generation: a torn page shows. */
static uint64_t page_word(const struct ballast *b, size_t page, size_t i)
{
	uint64_t head = mix((uint64_t)page << 32 | b->generation[page]);

	if (i == 0)
		return head;
	return i == PAGE_WORDS - 1 ? ~head : mix((uint64_t)page * PAGE_WORDS + i);
}

static bool page_good(const struct ballast *b, size_t page)
{
	const uint64_t *p = b->words + page * PAGE_WORDS;

	for (size_t i = 0; i < PAGE_WORDS; i++)
		if (p[i] != page_word(b, page, i))
			return false;
	return true;
}

static void page_rewrite(struct ballast *b, size_t page)
{
	uint64_t *p = b->words + page * PAGE_WORDS;

	b->generation[page]++;
	p[0] = page_word(b, page, 0);
	p[PAGE_WORDS - 1] = page_word(b, page, PAGE_WORDS - 1);
}

static void ballast_init(struct ballast *b, size_t mib, size_t hot_mib, long rate)
{
	b->pages = mib * 256;
	b->hot = hot_mib && hot_mib < mib ? hot_mib * 256 : b->pages;
	b->rate = b->pages ? rate : 0;
	b->last_ms = now_ms();
	if (!b->pages)
		return;
	b->words = mmap(NULL, b->pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	b->generation = calloc(b->pages, sizeof *b->generation);
	if (b->words == MAP_FAILED || !b->generation) {
		perror("srv: ballast");
		exit(1);
	}
	for (size_t page = 0; page < b->pages; page++)
		for (size_t i = 0; i < PAGE_WORDS; i++)
			b->words[page * PAGE_WORDS + i] = page_word(b, page, i);
}

/* Rewrites what is due at now; a long stop is not made up for. */
static void ballast_dirty(struct ballast *b, uint64_t now)
{
	uint64_t past = now - b->last_ms;
	size_t due;

	if (past > CATCH_UP_MS)
		past = CATCH_UP_MS;
	due = (size_t)(past * (uint64_t)b->rate / 1000);
	if (!due)
		return;
	b->last_ms = now;
	while (due--) {
		if (!page_good(b, b->next))
			b->found_bad++;
		page_rewrite(b, b->next);
		b->next = (b->next + 1) % b->hot;
	}
}

static size_t ballast_errors(const struct ballast *b)
{
	size_t errors = 0;

	for (size_t page = 0; page < b->pages; page++)
		errors += !page_good(b, page);
	return errors;
}

static int hold_open(const char *path)
{
	static uint64_t words[HOLD_BYTES / 8];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (size_t i = 0; i < HOLD_BYTES / 8; i++)
		words[i] = mix(i);
	if (fd < 0 || write(fd, words, HOLD_BYTES) != HOLD_BYTES || unlink(path)) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* "none", "good" or "bad". */
static const char *hold_state(int fd)
{
	static uint64_t words[HOLD_BYTES / 8];

	if (fd < 0)
		return "none";
	if (pread(fd, words, HOLD_BYTES, 0) != HOLD_BYTES)
		return "bad";
	for (size_t i = 0; i < HOLD_BYTES / 8; i++)
		if (words[i] != mix(i))
			return "bad";
	return "good";
}

static void log_line(struct server *s, const char *text)
{
	if (s->log_fd >= 0)
		dprintf(s->log_fd, "%llu %s\n", (unsigned long long)++s->log_lines, text);
}

static void client_answer(struct server *s, int at, const char *line)
{
	struct client *c = &s->clients[at];
	unsigned long long n = ++c->count;
	char out[sizeof c->out];
	ssize_t sent;
	int len;

	s->served++;
	if (!strcmp(line, "verify"))
		len = snprintf(out, sizeof out, "%llu verify pages=%zu errors=%zu hold=%s\n", n,
			       s->ballast.pages, ballast_errors(&s->ballast) + s->ballast.found_bad,
			       hold_state(s->hold_fd));
	else if (!strcmp(line, "stat"))
		len = snprintf(out, sizeof out, "%llu stat pid=%d clients=%d log=%llu\n", n,
			       getpid(), s->n_polls - POLL_CLIENTS,
			       (unsigned long long)s->log_lines);
	else
		len = snprintf(out, sizeof out, "%llu %.400s\n", n, line);
	sent = send(s->polls[at].fd, out, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	c->left = (size_t)len - (sent > 0 ? (size_t)sent : 0);
	memcpy(c->out, out + len - c->left, c->left);
	if (!s->tick_ms) {
		out[len - 1] = '\0';
		log_line(s, out);
	}
}

static void client_close(struct server *s, int at)
{
	close(s->polls[at].fd);
	s->n_polls--;
	s->polls[at] = s->polls[s->n_polls];
	s->clients[at] = s->clients[s->n_polls];
}

/* Answers the lines that have come, as far as the answers fit. */
static void client_work(struct server *s, int at)
{
	struct client *c = &s->clients[at];
	char *line = c->in, *end;

	c->in[c->have] = '\0';
	for (; !c->left && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		client_answer(s, at, line);
	}
	c->have -= (size_t)(line - c->in);
	memmove(c->in, line, c->have);
	s->polls[at].events = c->left ? POLLOUT : POLLIN;
}

static void client_write(struct server *s, int at)
{
	struct client *c = &s->clients[at];
	ssize_t sent = send(s->polls[at].fd, c->out, c->left, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent <= 0) {
		client_close(s, at);
		return;
	}
	c->left -= (size_t)sent;
	memmove(c->out, c->out + sent, c->left);
	client_work(s, at);
}

static void client_read(struct server *s, int at)
{
	struct client *c = &s->clients[at];
	ssize_t got = read(s->polls[at].fd, c->in + c->have, sizeof c->in - 1 - c->have);

	if (got <= 0) {
		client_close(s, at);
		return;
	}
	c->have += (size_t)got;
	client_work(s, at);
	if (c->have == sizeof c->in - 1 && !c->left)
		client_close(s, at); /* no end of line in all of it */
}

static void client_accept(struct server *s)
{
	int fd = accept4(s->polls[0].fd, NULL, NULL, SOCK_CLOEXEC), one = 1;

	if (fd < 0)
		return;
	if (s->n_polls == POLL_CLIENTS + CLIENTS_MAX) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	s->clients[s->n_polls] = (struct client){0};
	s->polls[s->n_polls++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void probe_answer(struct server *s)
{
	struct sockaddr_in from;
	socklen_t len = sizeof from;
	char text[32];

	if (recvfrom(s->polls[POLL_PROBE].fd, text, sizeof text, MSG_DONTWAIT,
		     (struct sockaddr *)&from, &len) < 0)
		return;
	snprintf(text, sizeof text, "%llu", (unsigned long long)++s->served);
	sendto(s->polls[POLL_PROBE].fd, text, strlen(text), MSG_DONTWAIT, (struct sockaddr *)&from,
	       len);
}

static int probe_on(int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr)) {
		perror("srv: probe");
		exit(1);
	}
	return fd;
}

static int listen_on(int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) || listen(fd, 16)) {
		perror("srv: listen");
		exit(1);
	}
	return fd;
}

/* Is busy for its part of the period that has begun. */
static void burn(const struct server *s)
{
	while (now_us() % BURN_PERIOD_US < s->burn_us)
		;
}

static int poll_timeout_ms(const struct server *s, uint64_t now)
{
	int64_t wait = -1;

	if (s->burn_us)
		return (int)((BURN_PERIOD_US - now_us() % BURN_PERIOD_US) / 1000 + 1);
	if (s->ballast.rate)
		wait = DIRTY_TICK_MS;
	if (s->tick_ms) {
		int64_t tick = s->next_tick_ms > now ? (int64_t)(s->next_tick_ms - now) : 0;

		if (wait < 0 || tick < wait)
			wait = tick;
	}
	return (int)wait;
}

static void serve(struct server *s)
{
	for (;;) {
		if (s->burn_us)
			burn(s);
		int ready = poll(s->polls, (nfds_t)s->n_polls, poll_timeout_ms(s, now_ms()));
		uint64_t now = now_ms();

		if (s->ballast.rate)
			ballast_dirty(&s->ballast, now);
		if (s->tick_ms && now >= s->next_tick_ms) {
			log_line(s, "tick");
			s->next_tick_ms = now + s->tick_ms;
		}
		if (ready <= 0)
			continue;
		/* Backwards: a client that leaves is replaced by the last, already seen. */
		for (int i = s->n_polls - 1; i >= POLL_CLIENTS; i--)
			if (s->polls[i].revents && s->clients[i].left)
				client_write(s, i);
			else if (s->polls[i].revents)
				client_read(s, i);
		if (s->polls[POLL_PROBE].revents)
			probe_answer(s);
		if (s->polls[0].revents)
			client_accept(s);
	}
}

/* All three stay open for good. */
static int open_ring(void)
{
	char params[120] = {0};

	return (int)syscall(SYS_io_uring_setup, 8, params);
}

static int open_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : fd;
}

static int or_die(int fd, const char *what)
{
	if (fd >= 0)
		return fd;
	perror(what);
	exit(1);
}

static const struct option options[] = {
	{"port", required_argument, NULL, 'p'},
	{"mb", required_argument, NULL, 'm'},
	{"hot", required_argument, NULL, 'o'},
	{"rate", required_argument, NULL, 'r'},
	{"log", required_argument, NULL, 'l'},
	{"tick", required_argument, NULL, 't'},
	{"hold", required_argument, NULL, 'h'},
	{"open", required_argument, NULL, 'f'},
	{"unix", required_argument, NULL, 'u'},
	{"ring", no_argument, NULL, 'i'},
	{"probe", no_argument, NULL, 'q'},
	{"burn", required_argument, NULL, 'b'},
	{0},
};

int main(int argc, char **argv)
{
	static struct server s = {.n_polls = POLL_CLIENTS, .log_fd = -1, .hold_fd = -1};
	long mib = 1, hot_mib = 0, rate = 0, port = 7000;
	bool probe = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
			port = atol(optarg);
			break;
		case 'm':
			mib = atol(optarg);
			break;
		case 'o':
			hot_mib = atol(optarg);
			break;
		case 'r':
			rate = atol(optarg);
			break;
		case 't':
			s.tick_ms = (uint64_t)atol(optarg);
			break;
		case 'h':
			s.hold_fd = hold_open(optarg);
			break;
		case 'f':
			or_die(open(optarg, O_RDWR | O_CLOEXEC), optarg);
			break;
		case 'u':
			or_die(open_unix(optarg), optarg);
			break;
		case 'i':
			or_die(open_ring(), "io_uring");
			break;
		case 'q':
			probe = true;
			break;
		case 'b':
			s.burn_us = (uint64_t)atol(optarg) * BURN_PERIOD_US / 100;
			break;
		case 'l':
			s.log_fd = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
			if (s.log_fd < 0) {
				perror(optarg);
				return 1;
			}
			break;
		default:
			fputs("usage: srv [--port P] [--mb N] [--hot N] [--rate PAGES/S] "
			      "[--log FILE] [--tick MS] [--hold FILE] [--open FILE] "
			      "[--unix SOCKET] [--ring] [--probe] [--burn PERCENT]\n",
			      stderr);
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	ballast_init(&s.ballast, (size_t)mib, (size_t)hot_mib, rate);
	s.polls[0] = (struct pollfd){.fd = listen_on((int)port), .events = POLLIN};
	s.polls[POLL_PROBE].fd = -1;
	if (probe)
		s.polls[POLL_PROBE] = (struct pollfd){.fd = probe_on((int)port), .events = POLLIN};
	s.next_tick_ms = now_ms() + s.tick_ms;
	serve(&s);
}
