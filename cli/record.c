/* SPDX-License-Identifier: MPL-2.0
 *
 * drover simulate --record: every ten seconds the coordinator is asked what its hosts and their
 * containers use, and a line of the recording is written. */
#include "cli/cli.h"
#include "cli/pages.h"
#include "cli/report.h"
#include "cli/session.h"
#include "simulate/recording.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define EVERY_MS 10000
#define FOR_MS (10ull * 60 * 1000)

static int ask(struct cli *cli, struct session *session, const char *command,
	       const struct noun *noun, struct joined *ret, struct err *err)
{
	struct msg_request request = {.command = command, .user = *cli->user ? cli->user : NULL};

	if (pages_join(cli, session, &request, noun, ret, err))
		return -err->code;
	if (!ret->reply.code)
		return 0;
	fail(err, (enum err_code)ret->reply.code, "%s",
	     ret->reply.error ? ret->reply.error : "refused");
	joined_done(ret);
	return -err->code;
}

/* One that has not beaten yet has no load. */
static bool is_known(const struct msg_host *h)
{
	return str_eq(h->state, "up") && h->cpus && h->mem_total_bytes && h->mem_available_bytes &&
	       name_ok(h->id);
}

static void take_hosts(const struct msg_reply *reply, struct moment_of *m)
{
	m->host = mem_new(reply->hosts.n + 1, sizeof(*m->host));
	for (size_t i = 0; i < reply->hosts.n; i++) {
		const struct msg_host *h = &reply->hosts.v[i];
		struct rec_host *host = &m->host[m->n_hosts];

		if (!is_known(h))
			continue;
		m->n_hosts++;
		str_copy(host->id, sizeof(host->id), h->id);
		host->cpus = h->cpus;
		host->cpu_permille = h->cpu_permille < 1000 ? h->cpu_permille : 1000;
		host->mem_total_bytes = h->mem_total_bytes;
		host->mem_available_bytes = h->mem_available_bytes < h->mem_total_bytes
						    ? h->mem_available_bytes
						    : h->mem_total_bytes;
	}
}

static void take_containers(const struct msg_reply *reply, struct moment_of *m)
{
	m->container = mem_new(reply->places.n + 1, sizeof(*m->container));
	for (size_t i = 0; i < reply->places.n; i++) {
		const struct msg_container *ct = reply->places.v[i].container;
		struct rec_container *c = &m->container[m->n_containers];

		if (!ct || !str_eq(ct->status, "running") || !name_ok(ct->id) ||
		    !reply->places.v[i].host || !name_ok(reply->places.v[i].host))
			continue;
		m->n_containers++;
		str_copy(c->id, sizeof(c->id), ct->id);
		str_copy(c->host, sizeof(c->host), reply->places.v[i].host);
		c->cpu_permille = ct->cpu_permille;
		c->rss_bytes = ct->rss_bytes;
		c->limit_bytes = ct->limit_bytes;
		c->cpu_limit_permille = ct->cpu_limit_permille;
	}
}

static int record_one(struct cli *cli, struct session *session, uint64_t at_ms, FILE *out,
		      struct err *err)
{
	struct joined hosts, places;
	struct moment_of m = {.at_ms = at_ms};

	if (ask(cli, session, "hosts", &noun_hosts, &hosts, err))
		return -err->code;
	take_hosts(&hosts.reply, &m);
	joined_done(&hosts);
	if (!ask(cli, session, "ps", &noun_places, &places, err)) {
		take_containers(&places.reply, &m);
		joined_done(&places);
	}
	if (err->code) {
		free(m.host);
		return -err->code;
	}
	if (m.n_hosts)
		recording_write(out, &m);
	free(m.host);
	free(m.container);
	return ferror(out) ? fail(err, ERR_io, "%s cannot be written", cli->in.record_file) : 0;
}

/* Until it is time, or somebody interrupts. */
static bool wait_until(struct session *session, uint64_t ms)
{
	for (;;) {
		uint64_t now_ms = clock_mono_ms();
		auto_msg struct msg *msg = NULL;
		struct err err = {0};

		if (now_ms >= ms)
			return true;
		if (session_next(session, (int)(ms - now_ms), &msg, &err) == HEARD_interrupt)
			return false;
	}
}

static int record_all(struct cli *cli, struct session *session, FILE *out, struct err *err)
{
	uint64_t began_ms = clock_mono_ms(), at_ms = 0;
	uint64_t for_ms = cli->in.for_ms ? cli->in.for_ms : FOR_MS;

	recording_begin(out);
	do {
		if (record_one(cli, session, at_ms, out, err))
			return -err->code;
		at_ms += EVERY_MS;
	} while (at_ms < for_ms && wait_until(session, began_ms + at_ms));
	return 0;
}

int record_run(struct cli *cli)
{
	auto_fclose FILE *out = fopen(cli->in.record_file, "we");
	struct session *session = NULL;
	struct err err = {0};

	if (!out)
		fail_errno(&err, ERR_io, "%s", cli->in.record_file);
	else if (!session_open(cli, &session, &err))
		record_all(cli, session, out, &err);
	session_close(&session);
	return err.code && err.code != ERR_canceled
		       ? report_err(cli, "the recording ended early", &err)
		       : 0;
}
