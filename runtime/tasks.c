/* SPDX-License-Identifier: MPL-2.0
 *
 * One pass over the descriptors of a container's processes, one over the sockets of its network
 * namespace. */
#include "runtime/tasks.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROCESSES_MAX 4096
#define FDS_MAX 65536

struct scan {
	struct tasks_facts *facts;
	struct id_set sockets; /* inodes that the container has open */
	struct id_set pids;
	size_t fds;
};

/* What a descriptor's link says. Names of anonymous inodes differ in brackets between kernels. */
static void look_at_fd(struct scan *s, const char *link)
{
	unsigned long long inode;

	if (sscanf(link, "socket:[%llu]", &inode) == 1)
		id_set_add(&s->sockets, inode);
	else if (str_starts(link, "anon_inode:") && strstr(link, "io_uring"))
		s->facts->io_uring++;
	else if (str_starts(link, "anon_inode:") && strstr(link, "inotify"))
		s->facts->inotify++;
	else if (str_starts(link, "/dev/pts/") || str_starts(link, "/dev/tty") ||
		 str_eq(link, "/dev/console"))
		s->facts->ttys++;
}

static void look_at_fds(struct scan *s, int proc)
{
	int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	while (dir && s->fds < FDS_MAX && (e = readdir(dir))) {
		char link[256];
		ssize_t n = readlinkat(fd, e->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = 0;
		s->fds++;
		look_at_fd(s, link);
	}
}

static void look_at_process(struct scan *s, pid_t pid)
{
	char path[64], line[256], *p;
	auto_close int proc = -1;
	unsigned long long pages = 0, threads = 0;
	auto_free char *status = NULL;

	str_fmt(path, sizeof(path), "/proc/%d", (int)pid);
	proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return;
	s->facts->processes++;
	if (file_read_line(proc, "statm", line, sizeof(line)) > 0)
		sscanf(line, "%*u %llu", &pages);
	s->facts->rss_bytes += pages * (uint64_t)sysconf(_SC_PAGESIZE);
	str_fmt(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (file_read(path, 65536, &status, NULL, NULL) == 0 && (p = strstr(status, "\nThreads:")))
		sscanf(p, "\nThreads: %llu", &threads);
	s->facts->threads += threads;
	look_at_fds(s, proc);
}

static void listen_on(struct tasks_facts *f, const char *proto, const struct inet_socket *sock)
{
	if (f->n_listening == TASKS_LISTENING)
		return;
	str_fmt(f->listening[f->n_listening++], sizeof(f->listening[0]), "%s %.50s", proto,
		sock->local);
}

static void look_at_socket(struct scan *s, const char *proto, const struct inet_socket *sock)
{
	bool tcp = str_starts(proto, "tcp");

	if (sock->state == SOCKET_TIME_WAIT && tcp)
		return;
	/* In a namespace of its own, all are the container's, also those not accepted yet. */
	if (!s->facts->own[CENSUS_net] && !id_set_has(&s->sockets, sock->inode))
		return;
	s->facts->inet_sockets++;
	if (tcp && sock->state == SOCKET_ESTABLISHED)
		s->facts->tcp_established++;
	if (sock->state == (tcp ? SOCKET_LISTEN : SOCKET_CLOSE))
		listen_on(s->facts, tcp ? "tcp" : "udp", sock);
}

static void look_at_tcp(void *arg, const struct inet_socket *sock)
{
	look_at_socket(arg, "tcp", sock);
}

static void look_at_table(struct scan *s, pid_t init, const char *proto)
{
	char path[64], line[512];
	auto_fclose FILE *f = NULL;
	struct inet_socket sock;

	str_fmt(path, sizeof(path), "/proc/%d/net/%s", (int)init, proto);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (socket_parse(line, &sock))
			look_at_socket(s, proto, &sock);
}

/* "1: POSIX  ADVISORY  WRITE PID 08:01:123 0 EOF" (proc_locks(5)). */
static void look_at_locks(struct scan *s)
{
	auto_fclose FILE *f = fopen("/proc/locks", "re");
	char line[256];
	int pid;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d: %*s %*s %*s %d", &pid) == 1 && pid > 0 &&
		    id_set_has(&s->pids, (uint64_t)pid))
			s->facts->file_locks++;
}

static void add_sharer(struct net_sharers *sharers, uint64_t pidns)
{
	for (size_t i = 0; i < sharers->n; i++)
		if (sharers->pidns[i] == pidns)
			return;
	if (sharers->n < TASKS_SHARERS)
		sharers->pidns[sharers->n++] = pidns;
	else
		sharers->pidns[0] = 0;
}

static void look_at_namespaces(struct scan *s, pid_t init, const struct census *census)
{
	const struct census_row *own = census_find(census, init);

	for (size_t k = 0; own && k < CENSUS_NAMESPACES; k++) {
		s->facts->own[k] = own->ns[k] != census->host[k];
		for (size_t i = 0; i < census->n; i++) {
			const struct census_row *row = &census->v[i];

			if (!own->ns[k] || row->ns[k] != own->ns[k] ||
			    id_set_has(&s->pids, (uint64_t)row->pid))
				continue;
			s->facts->foreign[k]++;
			if (k == CENSUS_net)
				add_sharer(&s->facts->net_sharers,
					   row->ns[CENSUS_pid] == census->host[CENSUS_pid]
						   ? 0
						   : row->ns[CENSUS_pid]);
		}
	}
}

bool task_is_parked(pid_t pid)
{
	unsigned long long pc = 0, from, to, inode;
	char path[64], line[512], *last, kind[5];
	auto_fclose FILE *maps = NULL;
	long number;

	str_fmt(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	if (file_read_line(AT_FDCWD, path, line, sizeof(line)) <= 0 || !(last = strrchr(line, ' ')))
		return false;
	if (sscanf(line, "%ld", &number) != 1 || number != SYS_futex ||
	    sscanf(last, " %llx", &pc) != 1)
		return false;
	str_fmt(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx %4s %*x %*s %llu", &from, &to, kind, &inode) == 4 &&
		    pc >= from && pc < to)
			return str_eq(kind, "rwxp") && !inode;
	return false;
}

int tasks_read(const struct cgroup *cgroup, pid_t init, const struct census *census,
	       struct tasks_facts *ret, struct err *err)
{
	static const char *const tables[] = {"udp", "udp6", "tcp", "tcp6"};
	auto_free pid_t *pids = mem_new(PROCESSES_MAX, sizeof(*pids));
	struct scan s = {.facts = ret};
	auto_census struct census taken = {0};
	ssize_t n = cgroup_pids(cgroup, pids, PROCESSES_MAX);
	size_t n_tables;
	char netns[64];

	memset(ret, 0, sizeof(*ret));
	if (n < 0)
		return fail(err, ERR_io, "reading %s", cgroup->path);
	if (n == 0)
		return fail(err, ERR_nosuch, "%s has no processes", cgroup->path);
	n = n > PROCESSES_MAX ? PROCESSES_MAX : n;
	for (ssize_t i = 0; i < n; i++)
		id_set_add(&s.pids, (uint64_t)pids[i]);
	for (ssize_t i = 0; i < n; i++)
		look_at_process(&s, pids[i]);
	id_set_sort(&s.pids);
	id_set_sort(&s.sockets);
	if (!census)
		census_take(&taken);
	look_at_namespaces(&s, init, census ? census : &taken);
	str_fmt(netns, sizeof(netns), "/proc/%d/ns/net", (int)init);
	n_tables = tcp_each(netns, look_at_tcp, &s) < 0 ? 4 : 2;
	for (size_t i = 0; i < n_tables; i++)
		look_at_table(&s, init, tables[i]);
	look_at_locks(&s);
	ret->external_unix = unix_external(netns, &s.sockets, ret->external_names, TASKS_SOCKETS,
					   &ret->n_external_names);
	id_set_done(&s.sockets);
	id_set_done(&s.pids);
	return 0;
}
