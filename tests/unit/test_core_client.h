/* SPDX-License-Identifier: MPL-2.0
 *
 * What a client asks of the cluster of test_core_lab.h, what it was told, and what a test expects
 * of a job in the end. */
#ifndef DROVER_TESTS_TEST_CORE_CLIENT_H
#define DROVER_TESTS_TEST_CORE_CLIENT_H

#include "test_core_lab.h"

#define LAB_CLIENT 7
#define LAB_MIGRATE_ID "01HY0000000000000000000001" /* request ids */
#define LAB_OTHER_ID "01HY0000000000000000000002"

static void lab_ask(struct lab *lab, const struct msg_request *request)
{
	struct msg *msg = msg_copy(MSG_TYPE_request, request);
	char id[ULID_SIZE];

	lab_ulid(lab, id);
	str_copy(msg->head.request, ULID_SIZE,
		 str_eq(request->command, "migrate") ? LAB_MIGRATE_ID : LAB_OTHER_ID);
	lab_feed(lab, &(struct core_event){
			      .kind = CORE_request, .client = LAB_CLIENT, .msg = msg, .id = id});
	msg_free(&msg);
}

/* The last final reply, NULL when there is none. */
static const struct msg_reply *lab_reply(const struct lab *lab)
{
	for (size_t i = lab->n_heard; i-- > 0;)
		if (lab->heard[i]->head.type == MSG_TYPE_reply && lab->heard[i]->reply->final)
			return lab->heard[i]->reply;
	return NULL;
}

/* The code of the last final reply to a migrate, -1 while there is none. */
static int lab_told(const struct lab *lab)
{
	for (size_t i = lab->n_heard; i-- > 0;)
		if (lab->heard[i]->head.type == MSG_TYPE_reply && lab->heard[i]->reply->final &&
		    str_eq(lab->heard[i]->head.request, LAB_MIGRATE_ID))
			return (int)lab->heard[i]->reply->code;
	return -1;
}

static unsigned lab_events(const struct lab *lab, const char *kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < lab->n_heard; i++)
		n += lab->heard[i]->head.type == MSG_TYPE_event &&
		     str_eq(lab->heard[i]->event->kind, kind);
	return n;
}

static void lab_migrate(struct lab *lab, const char *to)
{
	lab_ask(lab, &(struct msg_request){
			     .command = "migrate", .container = "web", .host = to, .follow = true});
}

static const struct msg_job *lab_job(struct lab *lab)
{
	lab_ask(lab, &(struct msg_request){.command = "job", .job = "web"});
	if (!lab_reply(lab)->jobs.n)
		print_error("%s\n", lab_reply(lab)->error);
	assert_int_equal(lab_reply(lab)->jobs.n, 1);
	return &lab_reply(lab)->jobs.v[0];
}

static void lab_expect(struct lab *lab, const char *outcome, const char *runs_on, int code)
{
	const struct msg_job *job = lab_job(lab);

	assert_string_equal(job->outcome ? job->outcome : "", outcome);
	assert_string_equal(job->runs_on ? job->runs_on : "", runs_on);
	assert_int_equal(job->code, code);
	for (int i = 0; i < LAB_HOSTS; i++)
		if (str_eq(runs_on, lab_names[i]))
			assert_true(lab->host[i].has_web && !lab->host[i].frozen);
}

static void lab_expect_done(struct lab *lab)
{
	assert_string_equal(lab_job(lab)->state, "done");
	assert_int_equal(core_jobs_running(lab->core), 0);
}

static const struct CMUnitTest *lab_client_keep_quiet(void) __attribute__((unused));
static const struct CMUnitTest *lab_client_keep_quiet(void)
{
	(void)lab_events;
	(void)lab_told;
	(void)lab_migrate;
	(void)lab_expect;
	(void)lab_expect_done;
	return NULL;
}

#endif
