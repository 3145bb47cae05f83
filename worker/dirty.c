/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/dirty.h"

#include "base/mem.h"
#include "runtime/dirty.h"

#include <string.h>

#define WATCHED_MAX 512
#define FORGET_MS 120000
#define LOOK_MAX_MS 15000 /* a second look that comes later than this says nothing */

struct watched {
	char id[NAME_SIZE];
	pid_t pid;
	uint64_t said_ms, bytes_s;
	bool known;
};

struct dirty_watch {
	struct watched v[WATCHED_MAX];
	size_t n, next;
	bool looking; /* at v[next] */
	struct dirty_look look;
};

struct dirty_watch *dirty_new(void)
{
	return mem_new_of(struct dirty_watch);
}

void dirty_free(struct dirty_watch **watch)
{
	free(*watch);
	*watch = NULL;
}

void dirty_say(struct dirty_watch *watch, const char *id, pid_t pid, uint64_t now_ms)
{
	size_t i = 0;

	while (i < watch->n && !str_eq(watch->v[i].id, id))
		i++;
	if (i == WATCHED_MAX)
		return;
	if (i == watch->n || watch->v[i].pid != pid) {
		watch->v[i] = (struct watched){.pid = pid};
		str_copy(watch->v[i].id, sizeof(watch->v[i].id), id);
		watch->n += i == watch->n;
	}
	watch->v[i].said_ms = now_ms;
}

static void finish_look(struct dirty_watch *watch, uint64_t now_ms)
{
	struct watched *w = &watch->v[watch->next];
	uint64_t found;

	watch->looking = false;
	if (now_ms * 1000 - watch->look.at_us > LOOK_MAX_MS * 1000)
		return;
	found = dirty_rate(&watch->look, now_ms * 1000);
	w->bytes_s = w->known ? (w->bytes_s + found) / 2 : found;
	w->known = true;
}

static void forget(struct dirty_watch *watch, uint64_t now_ms)
{
	for (size_t i = 0; i < watch->n;)
		if (watch->v[i].said_ms + FORGET_MS < now_ms)
			watch->v[i] = watch->v[--watch->n];
		else
			i++;
}

void dirty_turn(struct dirty_watch *watch, uint64_t now_ms)
{
	auto_cgroup struct cgroup cgroup = {.dir = -1};
	struct watched *w;

	if (watch->looking)
		finish_look(watch, now_ms);
	forget(watch, now_ms);
	if (!watch->n)
		return;
	watch->next = (watch->next + 1) % watch->n;
	w = &watch->v[watch->next];
	if (!cgroup_open(w->pid, NULL, &cgroup, NULL))
		watch->looking = dirty_look(&cgroup, now_ms * 1000, now_ms, &watch->look) > 0;
}

bool dirty_find(const struct dirty_watch *watch, const char *id, uint64_t *ret)
{
	for (size_t i = 0; i < watch->n; i++)
		if (watch->v[i].known && str_eq(watch->v[i].id, id)) {
			*ret = watch->v[i].bytes_s;
			return true;
		}
	return false;
}
