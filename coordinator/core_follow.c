/* SPDX-License-Identifier: MPL-2.0
 *
 * Who hears events. A follower is a client's request; a client that is gone is dropped, its jobs go
 * on. */
#include "coordinator/drain_impl.h"

#include "base/mem.h"

#include <string.h>

void core_follow(struct core *c, uint64_t client, const char *request, const struct job *job)
{
	const char *id = job && job->group[0] ? job->group : job ? job->id : "";

	core_follow_id(c, client, request, id);
}

void core_follow_id(struct core *c, uint64_t client, const char *request, const char *id)
{
	struct follower *f;

	for (size_t i = 0; i < c->n_followers; i++)
		if (c->followers[i].client == client && str_eq(c->followers[i].request, request) &&
		    str_eq(c->followers[i].job, id))
			return;
	if (c->n_followers == FOLLOWERS_MAX) { /* the oldest is the likeliest to be gone */
		c->n_followers--;
		memmove(c->followers, c->followers + 1, c->n_followers * sizeof(*c->followers));
	}
	c->followers = mem_grow(c->followers, c->n_followers + 1, sizeof(*c->followers));
	f = &c->followers[c->n_followers++];
	*f = (struct follower){.client = client};
	str_copy(f->request, sizeof(f->request), request);
	str_copy(f->job, sizeof(f->job), id);
}

void core_forget_client(struct core *c, uint64_t client)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_followers; i++)
		if (c->followers[i].client != client)
			c->followers[kept++] = c->followers[i];
	c->n_followers = kept;
}

void core_end_followers(struct core *c, const struct job *job)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_followers; i++) {
		struct follower f = c->followers[i];

		if (str_eq(f.job, job->id) || (job->group[0] && str_eq(f.job, job->group)))
			core_reply_job(c, f.client, f.request, job, true, false);
		else
			c->followers[kept++] = f;
	}
	c->n_followers = kept;
}

void core_end_drain_followers(struct core *c, struct drain *drain)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_followers; i++) {
		struct follower f = c->followers[i];
		struct msg_reply reply = {.final = true};

		if (str_eq(f.job, drain->id)) {
			core_show_drain(c, drain, &reply);
			core_reply(c, f.client, f.request, &reply);
		} else {
			c->followers[kept++] = f;
		}
	}
	c->n_followers = kept;
}
