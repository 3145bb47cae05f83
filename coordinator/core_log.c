/* SPDX-License-Identifier: MPL-2.0
 *
 * A host's own log of a migration, piece by piece: a client's question goes on to the worker, whose
 * answer goes back to the client. Nothing of it is recorded; who asks again gets the same piece. */
#include "coordinator/core_requests.h"

#include "base/mem.h"

#include <string.h>

#define FETCHES_MAX 64
#define FETCH_MS 5000

struct fetch {
	uint64_t client;
	char request[ULID_SIZE]; /* "" = free */
	char job[ULID_SIZE], host[NAME_SIZE];
	uint64_t offset, until_ms;
};

struct fetches {
	struct fetch v[FETCHES_MAX];
};

static void tell_failure(struct core *c, struct fetch *fetch, const struct err *err)
{
	core_reply_error(c, fetch->client, fetch->request, err);
	fetch->request[0] = '\0';
}

static void send_ask(struct core *c, const struct job *job, const struct fetch *fetch)
{
	struct msg_ask ask = {.migration = job->id,
			      .container = job->container,
			      .step = STEP_log,
			      .epoch = job->epoch,
			      .term = c->config.term,
			      .source = job->source,
			      .target = job->target,
			      .offset = fetch->offset};
	struct msg_head head = {.type = MSG_TYPE_ask, .epoch = c->config.term};

	str_copy(head.request, sizeof(head.request), job->id);
	effects_ask(c->effects, fetch->host, head, &ask, "");
}

int core_log_ask(struct asked *a, const struct job *job, struct err *err)
{
	struct core *c = a->c;
	const char *host = a->body->host;
	const struct node *node = nodes_find(&c->nodes, host);
	struct fetch *fetch = NULL;

	if (!str_eq(host, job->source) && !str_eq(host, job->target)) {
		fail(err, ERR_usage, "%s has no part in job %s", host, job->id);
		return err_fix(err, "its hosts are %s and %s", job->source,
			       job->target[0] ? job->target : "?");
	}
	if (!node || node->state != NODE_up) {
		fail(err, ERR_unreachable, "%s is %s: its log cannot be read now", host,
		     node ? node_state_name(node->state) : "unknown");
		return err_fix(err, "what the coordinator kept of it: drover job %s --log",
			       job->id);
	}
	if (!c->fetches)
		c->fetches = mem_new_of(struct fetches);
	for (size_t i = 0; i < FETCHES_MAX && !fetch; i++)
		if (!c->fetches->v[i].request[0])
			fetch = &c->fetches->v[i];
	if (!fetch)
		return fail(err, ERR_busy, "%d logs are being read already", FETCHES_MAX);
	fetch->client = a->client;
	fetch->offset = a->body->offset;
	fetch->until_ms = c->now.mono_ms + FETCH_MS;
	str_copy(fetch->request, sizeof(fetch->request), a->request);
	str_copy(fetch->job, sizeof(fetch->job), job->id);
	str_copy(fetch->host, sizeof(fetch->host), host);
	send_ask(c, job, fetch);
	a->reply.final = false; /* answered later */
	return 0;
}

static void tell_piece(struct core *c, struct fetch *fetch, const struct msg_answer *answer)
{
	struct job *job = core_job_find(c, fetch->job);
	struct job_text *text = core_scratch(c, 1, sizeof(*text));
	struct msg_job view;
	struct msg_reply reply = {.jobs = {&view, 1}, .final = true};

	if (job) {
		job_view(job, &view, text, false);
		view.log = answer->log;
		view.log_host = fetch->host;
		view.log_name = answer->log_name;
		view.log_offset = answer->log_offset;
		view.log_total = answer->log_total;
		core_reply(c, fetch->client, fetch->request, &reply);
	}
	fetch->request[0] = '\0';
}

void core_log_answer(struct core *c, const struct node *node, const struct msg_answer *answer)
{
	struct err err;

	for (size_t i = 0; c->fetches && i < FETCHES_MAX; i++) {
		struct fetch *fetch = &c->fetches->v[i];

		if (!fetch->request[0] || !str_eq(fetch->host, node->id) ||
		    !str_eq(fetch->job, answer->migration) || fetch->offset != answer->log_offset)
			continue;
		if (!answer->code) {
			tell_piece(c, fetch, answer);
			continue;
		}
		fail(&err, (enum err_code)answer->code, "%s", given(answer->error));
		err_fix(&err, "%s", given(answer->fix));
		tell_failure(c, fetch, &err);
	}
}

void core_log_tick(struct core *c)
{
	struct err err;

	for (size_t i = 0; c->fetches && i < FETCHES_MAX; i++) {
		struct fetch *fetch = &c->fetches->v[i];

		if (!fetch->request[0] || c->now.mono_ms < fetch->until_ms)
			continue;
		fail(&err, ERR_timeout, "%s has not sent its log for %d s", fetch->host,
		     FETCH_MS / 1000);
		err_fix(&err, "see drover hosts and the worker's log there");
		tell_failure(c, fetch, &err);
	}
}

uint64_t core_log_next(const struct core *c, uint64_t next_ms)
{
	for (size_t i = 0; c->fetches && i < FETCHES_MAX; i++)
		if (c->fetches->v[i].request[0] && c->fetches->v[i].until_ms < next_ms)
			next_ms = c->fetches->v[i].until_ms;
	return next_ms;
}

void core_log_forget(struct core *c, uint64_t client)
{
	for (size_t i = 0; c->fetches && i < FETCHES_MAX; i++)
		if (c->fetches->v[i].client == client)
			c->fetches->v[i].request[0] = '\0';
}
