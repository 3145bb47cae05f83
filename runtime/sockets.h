/* SPDX-License-Identifier: MPL-2.0
 *
 * Sockets of a network namespace, as tasks.c needs them. Only for files of this folder. */
#ifndef DROVER_RUNTIME_SOCKETS_H
#define DROVER_RUNTIME_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Inode numbers or pids, sorted. */
struct id_set {
	uint64_t *v;
	size_t n, cap;
};

void id_set_add(struct id_set *set, uint64_t id); /* then id_set_sort before id_set_has */
void id_set_sort(struct id_set *set);
bool id_set_has(const struct id_set *set, uint64_t id);
void id_set_done(struct id_set *set);
#define auto_id_set __attribute__((cleanup(id_set_done)))

/* States of a socket in /proc/net/tcp (include/net/tcp_states.h). */
#define SOCKET_ESTABLISHED 1
#define SOCKET_TIME_WAIT 6
#define SOCKET_CLOSE 7 /* an unconnected UDP socket */
#define SOCKET_LISTEN 10

struct inet_socket {
	char local[64]; /* "0.0.0.0:80", "[::]:80" */
	unsigned state;
	uint64_t inode; /* 0 = nobody has it open: not accepted yet, or closed */
};

/* One line of /proc/net/tcp, tcp6, udp or udp6; pure. False when it is none (the heading). */
bool socket_parse(const char *line, struct inet_socket *ret);

/* Calls each for every TCP socket (TIME_WAIT left out) of the network namespace behind path, both
 * families: sock_diag(7) answers in a fraction of a millisecond, where /proc/net/tcp walks a hash
 * table for 4 ms. -ERR_io when the kernel has no tcp_diag. */
typedef void socket_each(void *arg, const struct inet_socket *sock);
int tcp_each(const char *netns, socket_each *each, void *arg);

/* How many unix sockets of ours (by inode) are connected to one that is not ours, in the network
 * namespace behind path (sock_diag(7), the peer's inode), and the different names of the first of
 * those: a path, "@name", or "?" for one without a name. 0 when the kernel does not tell. */
#define UNIX_NAME_SIZE 108
uint64_t unix_external(const char *netns, const struct id_set *ours,
		       char (*ret_names)[UNIX_NAME_SIZE], size_t max, size_t *ret_n);

#endif
