/* SPDX-License-Identifier: MPL-2.0
 *
 * A worker as the coordinator's core sees it: a journal kept as docs/protocol.md says, and what a
 * good one answers to each step. */
#ifndef DROVER_TESTS_TEST_CORE_WORKER_H
#define DROVER_TESTS_TEST_CORE_WORKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* base/err.h has one */

#include "base/mem.h"
#include "base/str.h"
#include "proto/msg.h"

#include <string.h>

#define LAB_HOSTS 3
#define LAB_MIB (1024u * 1024u)

static const char *const lab_names[LAB_HOSTS] = {"alpha", "beta", "gamma"};

struct lab_host {
	bool up; /* beats and answers */
	bool has_web, frozen;
	char journal[16]; /* none own held released done reserved prepared running refused closed */
	unsigned instance;
	uint64_t seq, beat_ms;
	uint64_t mem_available;
	bool io_uring;
	/* Of a pair: web here, and api in the lab's twin of this host, move as one. */
	const char *label;
	bool is_api;
	bool gathered; /* asked to release, with its proof */
};

static bool lab_proves(const struct msg_ask *ask, const char *word)
{
	return ask->proof.len == strlen(word) && !memcmp(ask->proof.data, word, ask->proof.len);
}

static int lab_source_step(struct lab_host *h, const struct msg_ask *ask)
{
	const char *j = h->journal;
	bool own = str_eq(j, "own") || str_eq(j, "none") || str_eq(j, "closed");

	switch (ask->step) {
	case STEP_check:
		return own ? 0 : ERR_refused;
	case STEP_sync:
		if (!own)
			return ERR_refused;
		str_copy(h->journal, 16, "own");
		return 0;
	case STEP_hold:
		if (!own && !str_eq(j, "held"))
			return ERR_canceled;
		str_copy(h->journal, 16, "held");
		h->frozen = true;
		return 0;
	case STEP_release:
		if (own)
			return ERR_canceled;
		if (str_eq(j, "held") && !lab_proves(ask, "PREPARED"))
			return ERR_refused;
		str_copy(h->journal, 16, "released");
		return 0;
	case STEP_abort:
		if (str_eq(j, "released") && !lab_proves(ask, "REFUSED"))
			return ERR_held;
		if (str_eq(j, "done"))
			return ERR_refused;
		str_copy(h->journal, 16, "own");
		h->frozen = false;
		return 0;
	case STEP_force:
		if (!str_eq(j, "released") || !lab_proves(ask, "signed") ||
		    !str_eq(ask->operator, "ops"))
			return own ? 0 : ERR_denied;
		str_copy(h->journal, 16, "own");
		h->frozen = false;
		return 0;
	case STEP_retire:
		if (str_eq(j, "done") || str_eq(j, "closed"))
			return 0;
		if (!str_eq(j, "released") || !lab_proves(ask, "RUNNING"))
			return ERR_refused;
		str_copy(h->journal, 16, "done");
		h->has_web = h->frozen = false;
		return 0;
	case STEP_clean:
		if (str_eq(j, "held") || str_eq(j, "released"))
			return ERR_refused;
		str_copy(h->journal, 16, "closed");
		return 0;
	default:
		return ERR_protocol;
	}
}

static int lab_target_step(struct lab_host *h, const struct msg_ask *ask)
{
	const char *j = h->journal;
	bool none = str_eq(j, "none") || str_eq(j, "closed");

	switch (ask->step) {
	case STEP_check:
		assert_non_null(ask->container_facts);
		return 0;
	case STEP_reserve:
		if (!none && !str_eq(j, "reserved"))
			return ERR_canceled;
		str_copy(h->journal, 16, "reserved");
		return 0;
	case STEP_arm:
		if (!str_eq(j, "reserved") && !str_eq(j, "prepared"))
			return ERR_canceled;
		assert_int_equal(ask->digest.len, 32);
		h->has_web = true;
		str_copy(h->journal, 16, "prepared");
		return 0;
	case STEP_start:
		if (str_eq(j, "running"))
			return 0;
		if (!str_eq(j, "prepared"))
			return ERR_canceled;
		assert_true(lab_proves(ask, "GRANT"));
		str_copy(h->journal, 16, "running");
		return 0;
	case STEP_force:
		if (str_eq(j, "running"))
			return 0;
		if (!str_eq(j, "prepared") || !lab_proves(ask, "signed"))
			return ERR_denied;
		str_copy(h->journal, 16, "running");
		return 0;
	case STEP_refuse:
		if (str_eq(j, "running"))
			return ERR_refused;
		if (str_eq(j, "prepared"))
			h->has_web = false;
		str_copy(h->journal, 16, "refused");
		return 0;
	case STEP_clean:
		if (str_eq(j, "prepared"))
			return ERR_refused;
		str_copy(h->journal, 16, "closed");
		return 0;
	default:
		return ERR_protocol;
	}
}

/* What one ask means for both of a pair (docs/protocol.md, Groups). False: this one waits for the
 * other's. */
static bool lab_pair_step(struct lab_host *h, struct lab_host *other, const struct msg_ask *ask)
{
	bool held = str_eq(h->journal, "held") && str_eq(other->journal, "held");

	if (ask->step == STEP_release && str_eq(h->journal, "held")) {
		h->gathered |= lab_proves(ask, "PREPARED");
		if (held && h->gathered && !other->gathered)
			return false;
		/* One of them has left: so does this one. */
		str_copy(h->journal, 16, held && h->gathered ? "released" : "own");
		h->frozen = str_eq(h->journal, "released");
		if (h->frozen)
			str_copy(other->journal, 16, "released");
		h->gathered = other->gathered = false;
	} else if (ask->step == STEP_start && str_eq(h->journal, "prepared")) {
		bool both = str_eq(other->journal, "prepared");

		assert_true(lab_proves(ask, "GRANT"));
		str_copy(h->journal, 16, both ? "running" : "refused");
		if (both)
			str_copy(other->journal, 16, "running");
		h->has_web = both;
	} else if (ask->step == STEP_refuse && !str_eq(h->journal, "running") &&
		   (str_eq(other->journal, "prepared") || str_eq(other->journal, "reserved"))) {
		str_copy(other->journal, 16, "refused");
		other->has_web = false;
	}
	return true;
}

static void lab_fill(const struct lab_host *h, const struct msg_ask *ask, struct msg_answer *a)
{
	static const uint8_t digest[32] = {1};
	static struct msg_container ct;
	static struct msg_figures held = {.frozen_us = 100000, .send_us = 20000};
	const char *word = str_eq(h->journal, "prepared")   ? "PREPARED"
			   : str_eq(h->journal, "released") ? "GRANT"
			   : str_eq(h->journal, "running")  ? "RUNNING"
			   : str_eq(h->journal, "refused")  ? "REFUSED"
							    : "";

	a->proof = (struct msg_bin){(const uint8_t *)word, strlen(word)};
	if (ask->step == STEP_reserve)
		a->ticket = (struct msg_bin){(const uint8_t *)"ticket", 6};
	if (ask->step == STEP_hold) {
		a->digest = (struct msg_bin){digest, 32};
		a->figures = &held;
	}
	if (ask->step != STEP_check || !str_eq(ask->source, lab_names[0]))
		return;
	ct = (struct msg_container){.id = h->is_api ? "api" : "web",
				    .runtime = "runc",
				    .status = "running",
				    .bundle = h->is_api ? "/var/lib/ct/api" : "/var/lib/ct/web",
				    .rss_bytes = 64 * LAB_MIB,
				    .labels = {(const char **)&h->label, h->label != NULL}};
	a->facts = &ct;
}

#endif
