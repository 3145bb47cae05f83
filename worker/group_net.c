/* SPDX-License-Identifier: MPL-2.0
 *
 * Mates are the migrations of one group at this side. */
#include "worker/group_net.h"

#include "base/codes.h"
#include "base/mem.h"
#include "runtime/census.h"
#include "runtime/cgroup.h"
#include "worker/arrival.h"
#include "worker/group.h"

#include <stdlib.h>
#include <string.h>

static bool same_netns(const struct net_state *a, const struct net_state *b)
{
	return a->kind == NET_NAMED && b->kind == NET_NAMED && str_eq(a->netns, b->netns);
}

static bool is_shared(const struct executor *x, const struct mig *m)
{
	for (const struct mig *o = x->migs; o; o = o->next)
		if (o != m && group_same(o, m) && same_netns(&o->row.net, &m->row.net))
			return true;
	return false;
}

/* --- made --- */

static const struct mig *maker(const struct executor *x, const struct mig *m)
{
	for (const struct mig *o = x->migs; o; o = o->next)
		if (o != m && group_same(o, m) && same_netns(&o->row.net, &m->ask.net) &&
		    (o->row.state == HANDOVER_reserved || o->row.state == HANDOVER_prepared))
			return o;
	return NULL;
}

static bool is_alike(const struct net_state *a, const struct net_state *b)
{
	return str_eq(a->ifname, b->ifname) && str_eq(a->bridge, b->bridge) &&
	       !memcmp(a->mac, b->mac, sizeof(a->mac)) && a->n_addrs == b->n_addrs &&
	       !memcmp(a->addrs, b->addrs, a->n_addrs * sizeof(a->addrs[0]));
}

int group_net_make(struct executor *x, struct mig *m, struct err *err)
{
	const struct mig *mate = maker(x, m);
	int rc;

	if (!mate) {
		rc = net_create(m->row.container, &m->ask.net, &m->row.net, err);
		if (rc == -ERR_busy)
			m->row.net.kind = NET_NONE; /* somebody else's: not ours to remove */
		return rc;
	}
	if (!is_alike(&mate->row.net, &m->ask.net)) {
		m->row.net.kind = NET_NONE;
		return fail(err, ERR_invalid, "%s and %s name one network namespace with %s",
			    mate->row.container, m->row.container, "different networks");
	}
	m->row.net = mate->row.net;
	return m->row.cold ? 0 : net_local_lock(&m->row.net, err);
}

/* --- locked --- */

struct pids {
	pid_t *v;
	size_t n;
};

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* Processes of m and its mates, in order. The caller frees. */
static void take_ours(const struct executor *x, const struct mig *m, struct pids *ret)
{
	*ret = (struct pids){0};
	for (const struct mig *o = x->migs; o; o = o->next) {
		auto_cgroup struct cgroup cgroup = {.dir = -1};
		ssize_t n;

		if ((o != m && !group_same(o, m)) || cgroup_open_path(o->row.cgroup, &cgroup, NULL))
			continue;
		ret->v = mem_grow(ret->v, ret->n + CGROUP_PIDS_MAX, sizeof(*ret->v));
		n = cgroup_pids(&cgroup, ret->v + ret->n, CGROUP_PIDS_MAX);
		ret->n += n < 0 ? 0 : n > CGROUP_PIDS_MAX ? CGROUP_PIDS_MAX : (size_t)n;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_number);
}

/* A process in the namespace of m that does not move with it; 0: there is none. */
static pid_t stranger(const struct executor *x, const struct mig *m)
{
	auto_census struct census census = {0};
	const struct census_row *own;
	struct pids ours;
	pid_t found = 0;

	census_take(&census);
	take_ours(x, m, &ours);
	own = census_find(&census, m->row.pid);
	for (size_t i = 0; own && own->ns[CENSUS_net] && !found && i < census.n; i++)
		if (census.v[i].ns[CENSUS_net] == own->ns[CENSUS_net] &&
		    !bsearch(&census.v[i].pid, ours.v, ours.n, sizeof(*ours.v), by_number))
			found = census.v[i].pid;
	free(ours.v);
	return found;
}

int group_net_lock(struct executor *x, struct mig *m, struct err *err)
{
	pid_t other;

	if (!m->net_shared && !is_shared(x, m))
		return 0;
	other = arrival_skips(m, code_row(CODE_shared_netns)->skip) ? 0 : stranger(x, m);
	if (other) {
		fail(err, ERR_refused, "%s: process %d is in the network namespace of %s",
		     code_row(CODE_shared_netns)->code, (int)other, m->row.container);
		return err_fix(err, "%s", code_row(CODE_shared_netns)->fix);
	}
	return is_shared(x, m) && !m->row.cold ? net_local_lock(&m->row.net, err) : 0;
}

int group_net_unlock(struct executor *x, struct mig *m, struct err *err)
{
	return is_shared(x, m) && !m->row.cold ? net_local_unlock(&m->row.net, err) : 0;
}

/* --- removed --- */

/* Another arrival has found it, or made it, since. */
static bool is_awaited(const struct executor *x, const struct mig *m)
{
	for (const struct mig *o = x->migs; o; o = o->next)
		if (o != m && !group_same(o, m) && same_netns(&o->row.net, &m->row.net) &&
		    (o->row.state == HANDOVER_reserved || o->row.state == HANDOVER_prepared ||
		     o->row.state == HANDOVER_running))
			return true;
	return false;
}

int group_net_destroy(struct executor *x, const struct mig *m, struct err *err)
{
	if (m->row.group[0] && (net_in_use(&m->row.net) || is_awaited(x, m)))
		return 0;
	return net_destroy(&m->row.net, err);
}
