/* SPDX-License-Identifier: MPL-2.0
 *
 * One list of programs an ask; what they said is kept for whoever asks again. */
#include "worker/drain_hooks.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "worker/hooks.h"

#include <inttypes.h>
#include <string.h>

#define OUTPUT_MAX 4096

struct drain_hook {
	struct wire_ask ask; /* the latest one for it; ask.migration "" = free */
	bool post, over;
	struct run *child;
	char last[NAME_SIZE]; /* the program that runs, or ran last */
	char said[OUTPUT_MAX];
	struct err failure; /* code 0 = none */
};

struct drain_hooks {
	struct drain_hook v[DRAIN_HOOKS];
};

static const char *event_of(const struct drain_hook *h)
{
	return h->post ? "post-evacuate" : "pre-evacuate";
}

/* --- answers --- */

static void answer(struct executor *x, const struct wire_ask *ask, const struct err *failure,
		   const char *said)
{
	struct msg_answer body = {.migration = ask->migration,
				  .step = STEP_hook,
				  .attempt = ask->attempt,
				  .event = ask->event,
				  .log = said};
	struct wire_out out = {.kind = WIRE_MESSAGE, .type = MSG_TYPE_answer};
	auto_free void *data = NULL;
	struct err err = {0};
	size_t len;

	if (failure && failure->code) {
		body.code = (uint64_t)failure->code;
		body.error = failure->text;
	}
	str_copy(out.request, sizeof(out.request), ask->request);
	if (msg_encode_body(MSG_TYPE_answer, &body, &data, &len, &err))
		return;
	out.body_len = (uint32_t)len;
	exec_tell(x, &out, data, -1, &err);
}

static void end(struct executor *x, struct drain_hook *h)
{
	h->over = true;
	if (h->failure.code)
		log_warn("%s\tjob=%s node=%s", h->failure.text, h->ask.migration, x->self);
	answer(x, &h->ask, &h->failure, h->said);
}

/* --- programs --- */

/* What people wrote, as one line. */
static void add_text(struct run_argv *env, const char *name, const char *text)
{
	char line[256];

	str_copy(line, sizeof(line), text);
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
	argv_addf(env, "%s=%s", name, line);
}

static int start(struct executor *x, struct drain_hook *h, const char *path, struct err *err)
{
	auto_argv struct run_argv argv = {0}, env = {0};
	const struct wire_ask *ask = &h->ask;

	argv_add(&argv, path);
	argv_add(&argv, event_of(h));
	argv_add(&argv, x->self);
	argv_addf(&env, "DROVER_EVENT=%s", event_of(h));
	argv_addf(&env, "DROVER_HOST=%s", x->self);
	argv_addf(&env, "DROVER_JOB=%s", ask->migration);
	add_text(&env, "DROVER_REASON", ask->reason);
	add_text(&env, "DROVER_USER", ask->operator);
	argv_addf(&env, "DROVER_CONTAINERS=%" PRIu64, ask->moved + ask->left);
	if (h->post) {
		add_text(&env, "DROVER_OUTCOME", ask->outcome);
		argv_addf(&env, "DROVER_MOVED=%" PRIu64, ask->moved);
		argv_addf(&env, "DROVER_LEFT=%" PRIu64, ask->left);
	}
	return hooks_start(x, &argv, &env, &h->child, err);
}

static void say(struct drain_hook *h, const char *fmt, const char *text)
{
	size_t used = strlen(h->said);

	str_fmt(h->said + used, sizeof(h->said) - used, fmt, text);
}

/* True when it ends the list. */
static bool failed(struct drain_hook *h, const struct err *err)
{
	if (h->post) {
		say(h, "%s; passed over\n", err->text);
		return false;
	}
	h->failure = *err;
	return true;
}

/* Starts the next program, or ends. */
static void go_on(struct executor *x, struct drain_hook *h)
{
	char path[PATH_MAX];
	struct err err = {0};
	int rc;

	for (;;) {
		rc = hooks_next(x, event_of(h), h->last, path, &err);
		if (rc == 1 && !start(x, h, path, &err))
			return;
		if (rc == 0 || failed(h, &err) || !*path)
			break;
	}
	end(x, h);
}

static void ended(struct executor *x, struct drain_hook *h)
{
	const struct run_result *result = run_result(h->child);
	char what[NAME_SIZE + 32];
	struct err err = {0};
	int rc;

	str_fmt(what, sizeof(what), "the %s hook %s", event_of(h), h->last);
	rc = run_check(result, what, &err);
	say(h, "--- %s", what);
	say(h, rc ? ": failed\n%s" : "\n%s", result->out ? result->out : "");
	say(h, "%s", result->err_tail);
	if (h->said[0] && h->said[strlen(h->said) - 1] != '\n')
		say(h, "\n%s", "");
	run_free(&h->child);
	if (rc && failed(h, &err))
		end(x, h);
	else
		go_on(x, h);
}

void drain_hooks_turn(struct executor *x)
{
	for (size_t i = 0; x->drain_hooks && i < DRAIN_HOOKS; i++) {
		struct drain_hook *h = &x->drain_hooks->v[i];

		if (h->child && run_step(h->child, clock_mono_ms()))
			ended(x, h);
	}
}

int drain_hooks_fd(const struct executor *x, size_t i)
{
	const struct drain_hook *h = x->drain_hooks ? &x->drain_hooks->v[i] : NULL;

	return h && h->child ? run_fd(h->child) : -1;
}

uint64_t drain_hooks_deadline_ms(const struct executor *x)
{
	uint64_t at_ms = UINT64_MAX;

	for (size_t i = 0; x->drain_hooks && i < DRAIN_HOOKS; i++) {
		const struct drain_hook *h = &x->drain_hooks->v[i];

		if (h->child && run_deadline_ms(h->child) < at_ms)
			at_ms = run_deadline_ms(h->child);
	}
	return at_ms;
}

/* --- asks --- */

static int check(const struct executor *x, const struct wire_ask *ask, struct err *err)
{
	if (!ulid_ok(ask->migration) || !str_eq(ask->source, x->self) ||
	    (!str_eq(ask->event, "pre-evacuate") && !str_eq(ask->event, "post-evacuate")))
		return fail(err, ERR_invalid, "the request for hooks is malformed");
	if (ask->term < x->term)
		return fail(err, ERR_refused, "a newer coordinator (term %" PRIu64 ") leads",
			    x->term);
	return 0;
}

/* The one of this ask, or a place for it: what ended longest ago has the lowest attempt. */
static struct drain_hook *place_for(struct executor *x, const struct wire_ask *ask, bool post)
{
	struct drain_hook *place = NULL;

	if (!x->drain_hooks)
		x->drain_hooks = mem_new_of(struct drain_hooks);
	for (size_t i = 0; i < DRAIN_HOOKS; i++) {
		struct drain_hook *h = &x->drain_hooks->v[i];

		if (str_eq(h->ask.migration, ask->migration) && h->post == post)
			return h;
		if ((!h->ask.migration[0] || h->over) &&
		    (!place || strcmp(h->ask.migration, place->ask.migration) < 0))
			place = h;
	}
	if (place)
		*place = (struct drain_hook){.post = post};
	return place;
}

void drain_hooks_ask(struct executor *x, const struct wire_ask *ask)
{
	bool post = str_eq(ask->event, "post-evacuate");
	struct drain_hook *h;
	struct err err = {0};
	bool known;

	if (check(x, ask, &err)) {
		answer(x, ask, &err, NULL);
		return;
	}
	x->term = ask->term;
	h = place_for(x, ask, post);
	if (!h) {
		fail(&err, ERR_busy, "hooks of %d evacuations run already", DRAIN_HOOKS);
		answer(x, ask, &err, NULL);
		return;
	}
	known = h->ask.migration[0];
	h->ask = *ask;
	if (!known)
		go_on(x, h);
	else if (h->over)
		answer(x, ask, &h->failure, h->said);
}
