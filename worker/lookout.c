/* SPDX-License-Identifier: MPL-2.0
 *
 * The containers of this host, looked at often and cheaply: nothing is started and no process is
 * looked into while a runtime's files and its containers' first processes are what they were. What
 * a container holds open changes without a trace, so each is looked at again after LOOK_EVERY_MS,
 * a slice of them at a time. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONTAINERS_MAX 512
#define RUNTIMES_MAX 8
#define LOOK_EVERY_MS 10000
#define YOUNG_MS 30000 /* one that was seen first so lately still opens what it needs */
#define LOOK_YOUNG_MS 1500
#define LIST_EVERY_MS 30000 /* asked anew though nothing shows that it must be */
#define SLICE_MS 40         /* other work waits meanwhile */

/* One container as it was looked at last. */
struct seen {
	struct seen *next;
	char id[NAME_SIZE], status[16];
	pid_t pid;
	uint64_t born;   /* start time of pid: another process may get its number */
	uint64_t config; /* of config.json: when and which */
	uint64_t first_ms, looked_ms;
	bool here;
	int frozen; /* descriptor of cgroup.freeze or freezer.state, -1 = none */
	struct cgroup cgroup;
	uint64_t cpu_us, cpu_ms; /* CPU time that it had had then; cpu_ms 0 = not known yet */
	unsigned cpu_permille;   /* of one CPU, between the two last beats */
	struct scratch *texts;
	struct msg_container facts;
	uint64_t ns[CENSUS_NAMESPACES];
	struct net_sharers sharers;
};

struct runtime_seen {
	const struct runtime_driver *driver;
	uint64_t program; /* sum of the file's identity; 0 = not asked */
	struct runtime_version version;
	bool works;
	uint64_t files, tasks; /* sums of its state directory and of its containers' processes */
	uint64_t listed_ms;    /* 0 = ask again */
	struct runtime_list list;
	struct seen *containers;
};

struct lookout {
	struct runtime_seen runtimes[RUNTIMES_MAX];
	size_t n;
};

struct lookout *lookout_new(void)
{
	return mem_new_of(struct lookout);
}

static void seen_free(struct seen *s)
{
	if (s->frozen >= 0)
		close(s->frozen);
	cgroup_done(&s->cgroup);
	scratch_done(&s->texts);
	free(s);
}

void lookout_free(struct lookout **lookout)
{
	struct lookout *l = *lookout;

	for (size_t i = 0; l && i < l->n; i++) {
		runtime_list_done(&l->runtimes[i].list);
		for (struct seen *s = l->runtimes[i].containers, *next; s; s = next) {
			next = s->next;
			seen_free(s);
		}
	}
	free(l);
	*lookout = NULL;
}

/* --- what may have changed --- */

static uint64_t mix(uint64_t h, uint64_t value)
{
	return (h ^ value) * 0x100000001b3;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = mix(h, (uint8_t)*text);
	return h;
}

/* 0 when it is not there. */
static uint64_t file_sum(int dir, const char *path)
{
	struct stat st;

	if (fstatat(dir, path, &st, 0) < 0)
		return 0;
	return mix(mix(mix(mix(1, st.st_ino), (uint64_t)st.st_mtim.tv_sec),
		       (uint64_t)st.st_mtim.tv_nsec),
		   (uint64_t)st.st_size);
}

/* When a process began, in ticks since the boot; 0 = there is none (proc_pid_stat(5)). */
static uint64_t birth(pid_t pid)
{
	unsigned long long ticks = 0;
	char path[64], line[1024], *p;

	str_fmt(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (pid > 0 && file_read_line(AT_FDCWD, path, line, sizeof(line)) > 0 &&
	    (p = strrchr(line, ')')) && !strchr("ZX", p[2]))
		sscanf(p + 2,
		       "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
		       "%*d %*d %*d %llu",
		       &ticks);
	return ticks;
}

static bool is_frozen(const struct seen *s)
{
	char text[16] = "";

	return s->frozen >= 0 && pread(s->frozen, text, sizeof(text) - 1, 0) > 0 &&
	       (text[0] == '1' || text[0] == 'F');
}

/* A runtime's own records of its containers are rewritten when it does something to them. */
static uint64_t files_sum(const struct runtime_seen *r)
{
	static const char *const records[] = {"state.json", "status"};
	auto_closedir DIR *dir = opendir(r->driver->default_root);
	const struct dirent *e;
	char path[NAME_MAX + 32];
	uint64_t all = 1;

	while (dir && (e = readdir(dir))) {
		uint64_t h = mix_text(1, e->d_name);

		for (size_t i = 0; i < ARRAY_LEN(records) && e->d_name[0] != '.'; i++)
			if (str_fmt(path, sizeof(path), "%s/%s", e->d_name, records[i]))
				h = mix(h, file_sum(dirfd(dir), path));
		all += h; /* in whatever order they come */
	}
	return all;
}

/* What happens to a container by itself, or by others than its runtime. */
static uint64_t tasks_sum(const struct runtime_seen *r)
{
	uint64_t all = 1;

	for (const struct seen *s = r->containers; s; s = s->next)
		all += mix(mix(mix_text(3, s->id), birth(s->pid)), is_frozen(s));
	return all;
}

/* --- runtimes --- */

static struct runtime_seen *runtime_seen(struct lookout *l, const struct runtime_driver *driver)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->runtimes[i].driver == driver)
			return &l->runtimes[i];
	if (l->n == RUNTIMES_MAX)
		return NULL;
	l->runtimes[l->n] = (struct runtime_seen){.driver = driver};
	return &l->runtimes[l->n++];
}

static bool runtime_works(struct runtime_seen *r)
{
	char path[PATH_MAX];
	uint64_t program = 1;

	if (!run_find(r->driver->program, path, sizeof(path), NULL))
		program = file_sum(AT_FDCWD, path);
	if (program != r->program) {
		r->works = program != 1 && !runtime_version_sync(r->driver, &r->version, NULL);
		r->program = r->works || program == 1 ? program : 0;
		r->listed_ms = 0;
	}
	return r->works;
}

static void list_again(struct runtime_seen *r, uint64_t now_ms)
{
	struct runtime_list list = {0};
	struct err err;

	if (runtime_list_sync(r->driver, NULL, &list, &err)) {
		log_debug("%s: %s", r->driver->name, err.text);
		r->listed_ms = 0;
		return;
	}
	runtime_list_done(&r->list);
	r->list = list;
	r->listed_ms = now_ms;
}

/* --- containers --- */

static struct seen *seen_of(struct runtime_seen *r, const struct runtime_container *c)
{
	struct seen *s = r->containers;

	while (s && !str_eq(s->id, c->id))
		s = s->next;
	if (s)
		return s;
	s = mem_new_of(struct seen);
	s->frozen = -1;
	s->cgroup.dir = -1;
	str_copy(s->id, sizeof(s->id), c->id);
	s->next = r->containers;
	r->containers = s;
	return s;
}

static void open_cgroup(struct seen *s, pid_t pid)
{
	if (s->frozen >= 0)
		close(s->frozen);
	s->frozen = -1;
	cgroup_done(&s->cgroup);
	if (s->pid != pid)
		s->cpu_ms = 0;
	if (pid > 0 && !cgroup_open(pid, NULL, &s->cgroup, NULL))
		s->frozen = openat(s->cgroup.dir,
				   s->cgroup.version == 2 ? "cgroup.freeze" : "freezer.state",
				   O_RDONLY | O_CLOEXEC);
}

static uint64_t config_sum(const struct runtime_container *c)
{
	char path[PATH_MAX + 16];

	str_fmt(path, sizeof(path), "%s/config.json", c->bundle);
	return file_sum(AT_FDCWD, path);
}

/* Whether it is what it was; what it holds may still be another. */
static bool same(const struct seen *s, const struct runtime_container *c)
{
	return s->looked_ms && s->pid == c->pid && str_eq(s->status, c->status) &&
	       s->born == birth(c->pid) && s->config == config_sum(c);
}

struct looking {
	struct executor *x;
	struct lookout *l;
	struct census census;
	bool counted, behind;
	uint64_t now_ms, end_ms;
};

static void look(struct looking *g, struct runtime_seen *r, const struct runtime_container *c,
		 struct seen *s)
{
	const struct census_row *row;
	struct err err;

	if (!g->counted)
		census_take(&g->census);
	g->counted = true;
	scratch_done(&s->texts);
	s->born = birth(c->pid);
	s->config = config_sum(c);
	s->looked_ms = g->now_ms;
	open_cgroup(s, c->pid);
	s->pid = c->pid;
	str_copy(s->status, sizeof(s->status), c->status);
	s->sharers.n = 0;
	s->here = !facts_look(g->x, r->driver, c, &g->census, &s->texts, &s->facts, &s->sharers,
			      &err);
	if (s->here && s->facts.net)
		s->facts.net->neigh.n = 0; /* they come and go; check and hold read them anew */
	if (!s->here)
		s->looked_ms = 0; /* it is being made, or has just ended */
	/* The list is older than its end, or than its freeze. */
	if (c->pid > 0 && (!s->born || is_frozen(s) != str_eq(c->status, "paused")))
		r->listed_ms = 0;
	row = census_find(&g->census, c->pid);
	for (size_t k = 0; k < CENSUS_NAMESPACES; k++)
		s->ns[k] = row ? row->ns[k] : 0;
}

static bool is_due(const struct seen *s, uint64_t now_ms)
{
	bool young = now_ms - s->first_ms < YOUNG_MS;

	return s->looked_ms && now_ms - s->looked_ms >= (young ? LOOK_YOUNG_MS : LOOK_EVERY_MS);
}

/* The first look at each comes before the next one at any, so that a new one shows at once. */
static void look_at_all(struct looking *g, struct runtime_seen *r)
{
	for (size_t i = 0; i < r->list.n; i++) {
		const struct runtime_container *c = &r->list.v[i];
		struct seen *s = seen_of(r, c);

		if (!s->first_ms || s->pid != c->pid)
			s->first_ms = g->now_ms;
		if (!same(s, c))
			look(g, r, c, s);
	}
	for (struct seen *s = r->containers; s; s = s->next) {
		size_t i = 0;

		if (!is_due(s, g->now_ms))
			continue;
		if (clock_mono_ms() >= g->end_ms) {
			g->behind = true;
			return;
		}
		while (i < r->list.n && !str_eq(r->list.v[i].id, s->id))
			i++;
		if (i < r->list.n)
			look(g, r, &r->list.v[i], s);
	}
}

static void drop_gone(struct runtime_seen *r)
{
	for (struct seen **at = &r->containers, *s; (s = *at);) {
		size_t i = 0;

		while (i < r->list.n && !str_eq(r->list.v[i].id, s->id))
			i++;
		if (i < r->list.n) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		seen_free(s);
	}
}

/* --- what several have in common --- */

bool lookout_names_netns(const struct lookout *lookout, uint64_t pidns, const char *netns)
{
	for (size_t i = 0; lookout && pidns && i < lookout->n; i++)
		for (const struct seen *s = lookout->runtimes[i].containers; s; s = s->next) {
			const struct msg_net *net = s->facts.net;

			if (s->ns[CENSUS_pid] == pidns && s->here && net &&
			    str_eq(s->status, "running") && str_eq(net->kind, "named") &&
			    str_eq(net->netns, netns))
				return true;
		}
	return false;
}

struct everyone {
	struct seen *v[CONTAINERS_MAX];
	size_t n;
};

/* Only those that share something with somebody are compared. */
static void name_sharers(const struct everyone *all, struct scratch **scratch,
			 struct msg_caps *caps)
{
	for (size_t i = 0; i < all->n; i++) {
		struct msg_container *c = &caps->containers.v[i];

		if (!c->shares.n)
			continue;
		c->shares_with.v = scratch_texts(scratch, 16);
		for (size_t k = 0; k < all->n && c->shares_with.n < 16; k++) {
			const uint64_t *a = all->v[i]->ns, *b = all->v[k]->ns;
			bool shared = false;

			for (size_t n = 0; n < CENSUS_NAMESPACES; n++)
				shared |= a[n] && a[n] == b[n];
			if (k != i && shared)
				c->shares_with.v[c->shares_with.n++] = all->v[k]->id;
		}
	}
}

struct use {
	const char *source;
	size_t who;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct use *)a)->source, ((const struct use *)b)->source);
}

static void add_volume(struct msg_container *c, const char *source, struct scratch **scratch)
{
	if (!c->shared_volumes.v)
		c->shared_volumes.v = scratch_texts(scratch, 16);
	if (c->shared_volumes.n < 16 && strlen(source) < 256)
		c->shared_volumes.v[c->shared_volumes.n++] = source;
}

static void name_volumes(struct scratch **scratch, struct msg_caps *caps)
{
	struct use *uses;
	size_t n = 0;

	for (size_t i = 0; i < caps->containers.n; i++)
		n += caps->containers.v[i].mounts.n;
	uses = scratch_take(scratch, (n + 1) * sizeof(*uses));
	n = 0;
	for (size_t i = 0; i < caps->containers.n; i++)
		for (size_t k = 0; k < caps->containers.v[i].mounts.n; k++)
			uses[n++] = (struct use){caps->containers.v[i].mounts.v[k].source, i};
	qsort(uses, n, sizeof(*uses), compare);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && str_eq(uses[end].source, uses[i].source);)
			end++;
		for (size_t k = i; k < end && uses[end - 1].who != uses[i].who; k++)
			add_volume(&caps->containers.v[uses[k].who], uses[k].source, scratch);
	}
}

/* --- all of it --- */

static void add_containers(struct executor *x, struct runtime_seen *r, struct everyone *all,
			   struct scratch **scratch, struct msg_caps *caps)
{
	for (struct seen *s = r->containers; s && all->n < CONTAINERS_MAX; s = s->next) {
		struct msg_container *out;

		if (!s->here)
			continue;
		out = &caps->containers.v[caps->containers.n++];
		*out = s->facts;
		out->migration = NULL;
		facts_journal(x, out);
		out->netns_tied = facts_tied(x, &s->sharers, out);
		facts_astray(x, scratch, out, caps);
		all->v[all->n++] = s;
	}
}

/* What drover has stopped and no runtime has listed: it was forgotten at a reboot, or removed. */
static void add_stopped(struct executor *x, struct msg_caps *caps)
{
	for (struct mig *m = x->migs; m && caps->containers.n < CONTAINERS_MAX; m = m->next)
		if (facts_stopped(x, m, caps, &caps->containers.v[caps->containers.n]))
			caps->containers.n++;
}

static void add_runtime(struct executor *x, const struct runtime_seen *r, struct msg_caps *caps)
{
	struct msg_runtime *out = &caps->runtimes.v[caps->runtimes.n++];

	out->name = r->driver->name;
	out->version = r->version.version;
	out->path = r->driver->program;
	out->checkpoint = r->version.criu && x->criu.version;
}

static void look_at_runtime(struct looking *g, struct runtime_seen *r)
{
	uint64_t files = files_sum(r); /* before the list, which may be newer than it */

	if (files != r->files || tasks_sum(r) != r->tasks || !r->listed_ms ||
	    g->now_ms - r->listed_ms >= LIST_EVERY_MS) {
		list_again(r, g->now_ms);
		drop_gone(r);
	}
	r->files = files;
	look_at_all(g, r);
	r->tasks = tasks_sum(r);
}

bool lookout_caps(struct executor *x, uint64_t now_ms, struct scratch **scratch,
		  struct msg_caps *caps)
{
	struct looking g = {.x = x, .l = x->lookout, .now_ms = now_ms};
	struct everyone *all = scratch_take(scratch, sizeof(*all));
	char name[64];

	g.end_ms = clock_mono_ms() + SLICE_MS;
	caps->runtimes.v = scratch_take(scratch, RUNTIMES_MAX * sizeof(*caps->runtimes.v));
	caps->containers.v = scratch_take(scratch, CONTAINERS_MAX * sizeof(*caps->containers.v));
	for (size_t i = 0; options_list_get(x->options, OPT_worker_runtimes, i, name, sizeof(name));
	     i++) {
		const struct runtime_driver *driver = runtime_find(name);
		struct runtime_seen *r = driver ? runtime_seen(g.l, driver) : NULL;

		if (!r || !runtime_works(r))
			continue;
		look_at_runtime(&g, r);
		add_runtime(x, r, caps);
		add_containers(x, r, all, scratch, caps);
	}
	name_sharers(all, scratch, caps);
	name_volumes(scratch, caps);
	add_stopped(x, caps);
	census_done(&g.census);
	return !g.behind;
}

/* --- what they use --- */

static void measure(struct seen *s, uint64_t now_ms)
{
	uint64_t cpu_us;

	if (s->cgroup.dir < 0 || !cgroup_cpu(&s->cgroup, &cpu_us)) {
		s->cpu_ms = s->cpu_permille = 0;
		return;
	}
	s->cpu_permille = s->cpu_ms && now_ms > s->cpu_ms && cpu_us >= s->cpu_us
				  ? (unsigned)((cpu_us - s->cpu_us) / (now_ms - s->cpu_ms))
				  : 0;
	s->cpu_us = cpu_us;
	s->cpu_ms = now_ms;
}

void lookout_usage(struct lookout *lookout, uint64_t now_ms, struct scratch **scratch,
		   struct msg_beat *beat)
{
	beat->usage.v = scratch_take(scratch, CONTAINERS_MAX * sizeof(*beat->usage.v));
	for (size_t i = 0; i < lookout->n; i++)
		for (struct seen *s = lookout->runtimes[i].containers;
		     s && beat->usage.n < CONTAINERS_MAX; s = s->next) {
			if (!s->here)
				continue;
			measure(s, now_ms);
			beat->usage.v[beat->usage.n++] =
				(struct msg_usage){.id = s->id,
						   .status = s->status,
						   .rss_bytes = s->facts.rss_bytes,
						   .cpu_permille = s->cpu_permille};
		}
}
