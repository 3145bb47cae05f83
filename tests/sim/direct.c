/* SPDX-License-Identifier: MPL-2.0
 *
 * The direct path between source and target (worker/tell.h): a grant goes over SSH, the target's
 * word comes back, and either may be lost on its way. */
#include "tests/sim/sim.h"

#include <string.h>

struct trip {
	int source, target;
	char request[ULID_SIZE];
	struct tell tell;
	struct told told;
};

void direct_start(struct host *h, const struct wire_out *out, const void *body)
{
	struct trip *trip;

	if (!acts_link(h, out->peer) || chance(sim.weather.loss))
		return;
	trip = mem_new_of(struct trip);
	trip->source = h->n;
	trip->target = out->peer[1] - '0';
	memcpy(&trip->tell, body, sizeof(trip->tell));
	event_push(EV_tell, sim.now_ms + rnd_range(30, 3000), trip->target, trip->source, 0, trip);
}

static void answer_later(struct trip *trip)
{
	event_push(EV_told, sim.now_ms + rnd_range(5, 1000), trip->source, trip->target, 0, trip);
}

bool direct_asked(const struct host *h, const char *request)
{
	for (size_t i = 0; i < TRIPS_MAX; i++)
		if (h->trip[i] && str_eq(h->trip[i]->request, request))
			return true;
	return false;
}

/* An answer of the executor to a direct ask; false when it is for a coordinator. */
bool direct_answer(struct host *h, const char *request, const struct msg_answer *answer)
{
	struct trip *trip = NULL;
	size_t i = 0;

	for (; i < TRIPS_MAX; i++)
		if (h->trip[i] && str_eq(h->trip[i]->request, request)) {
			trip = h->trip[i];
			break;
		}
	if (!trip)
		return false;
	h->trip[i] = NULL;
	str_copy(trip->told.migration, ULID_SIZE, answer->migration);
	str_copy(trip->told.state, sizeof(trip->told.state), answer->state);
	trip->told.code = (uint32_t)answer->code;
	trip->told.proof_len = (uint32_t)answer->proof.len;
	if (answer->proof.len && answer->proof.len <= sizeof(trip->told.proof))
		memcpy(trip->told.proof, answer->proof.data, answer->proof.len);
	answer_later(trip);
	return true;
}

/* The grant arrives at the target. */
void direct_tell(struct host *h, struct trip *trip)
{
	static struct wire_ask ask;
	size_t i = 0;

	while (i < TRIPS_MAX && h->trip[i])
		i++;
	if (!h->up || i == TRIPS_MAX || !acts_link(&sim.host[trip->source], h->name)) {
		free(trip);
		return;
	}
	memset(&ask, 0, sizeof(ask));
	ask.head = (struct wire_in_head){WIRE_MAGIC, WIRE_ASK};
	ask.step = STEP_start;
	ask.direct = true;
	ask.epoch = trip->tell.epoch;
	sim_ulid(trip->request);
	str_copy(ask.request, sizeof(ask.request), trip->request);
	str_copy(ask.migration, sizeof(ask.migration), trip->tell.migration);
	str_copy(ask.container, sizeof(ask.container), trip->tell.container);
	str_copy(ask.source, sizeof(ask.source), trip->tell.source);
	str_copy(ask.target, sizeof(ask.target), trip->tell.target);
	memcpy(ask.proof, trip->tell.grant, sizeof(trip->tell.grant));
	ask.proof_len = sizeof(trip->tell.grant);
	h->trip[i] = trip;
	trace("%s: is told the grant of %s directly", h->name, ask.migration + 20);
	tally.direct++;
	worker_ask(h, &ask);
}

/* The target's word arrives at the source. */
void direct_told(struct host *h, struct trip *trip)
{
	if (h->up && acts_link(h, sim.host[trip->target].name)) {
		trace("%s: is told %s of %s directly", h->name, trip->told.state,
		      trip->told.migration + 20);
		worker_told(h, &trip->told);
	}
	free(trip);
}

void direct_drop(struct host *h)
{
	for (size_t i = 0; i < TRIPS_MAX; i++) {
		free(h->trip[i]);
		h->trip[i] = NULL;
	}
}
