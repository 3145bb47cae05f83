/* SPDX-License-Identifier: MPL-2.0
 *
 * drover force: what the job waits for is shown, the person names the host that is off, and an
 * operator's key signs the statement. The coordinator refuses while that host may live, the owner's
 * worker unless the signature is good. */
#include "cli/print.h"
#include "cli/report.h"
#include "cli/session.h"

#include "base/mem.h"
#include "proto/force.h"

#include <string.h>
#include <unistd.h>

struct decision {
	char migration[ULID_SIZE], container[NAME_SIZE];
	char source[NAME_SIZE], target[NAME_SIZE];
	char other[NAME_SIZE]; /* the host that is off */
	char operator[NAME_SIZE];
	uint64_t epoch;
	uint8_t sig[SIGN_BYTES];
};

static const char *or_none(const char *text)
{
	return text ? text : "";
}

static int check_flags(const struct cli *cli, struct err *err)
{
	const char *owner = or_none(cli->in.owner);

	if (!str_eq(owner, "source") && !str_eq(owner, "target")) {
		fail(err, ERR_usage,
		     *owner ? "--owner takes source or target, not \"%s\"" : "force needs --owner",
		     owner);
		return err_fix(err, "--owner source thaws the original, --owner target starts the "
				    "restored copy");
	}
	if (or_none(cli->in.request.reason)[0])
		return 0;
	fail(err, ERR_usage, "force needs --reason TEXT: it is signed and kept");
	return err_fix(err, "for example: %s", cli->in.command->examples[0].line);
}

/* --- the job --- */

static int ask_job(struct cli *cli, struct decision *d, struct err *err)
{
	struct msg_request request = {.command = "job", .job = cli->in.request.job};
	struct session *session = NULL;
	auto_msg struct msg *msg = NULL;
	char id[ULID_SIZE] = "";
	const struct msg_job *job;
	int rc = session_open(cli, &session, err);

	if (!rc)
		rc = session_ask(session, &request, id, err);
	if (!rc)
		rc = session_answer(session, id, cli->in.timeout_ms, &msg, err);
	session_close(&session);
	if (rc)
		return rc;
	job = msg->reply->jobs.n ? &msg->reply->jobs.v[0] : NULL;
	if (!job || msg->reply->code) {
		fail(err, msg->reply->code ? (int)msg->reply->code : ERR_protocol, "%s",
		     or_none(msg->reply->error));
		return err_fix(err, "%s", or_none(msg->reply->fix));
	}
	if (!ulid_ok(or_none(job->id)) || !name_ok(or_none(job->source)) ||
	    !name_ok(or_none(job->target)))
		return fail(err, ERR_refused, "job %s has no two hosts", or_none(job->id));
	str_copy(d->migration, sizeof(d->migration), job->id);
	str_copy(d->container, sizeof(d->container), job->container);
	str_copy(d->source, sizeof(d->source), job->source);
	str_copy(d->target, sizeof(d->target), job->target);
	str_copy(d->other, sizeof(d->other),
		 str_eq(cli->in.owner, "source") ? job->target : job->source);
	d->epoch = job->epoch;
	return 0;
}

/* --- the person --- */

static int confirm(struct cli *cli, const struct decision *d, struct err *err)
{
	char said[2 * NAME_SIZE] = "";

	if (cli->in.confirm) {
		str_copy(said, sizeof(said), cli->in.confirm);
	} else if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		fail(err, ERR_usage, "there is no terminal to name the host on that is off");
		return err_fix(err, "--confirm HOST, when it is really off");
	} else {
		fprintf(cli->err,
			"%s is frozen on %s and armed on %s, or was.\n"
			"Should the other host still run it, it will run twice, and what both do "
			"cannot be joined again.\nWhich host is off, unplugged, and stays so? ",
			d->container, d->source, d->target);
		fflush(cli->err);
		if (!fgets(said, sizeof(said), stdin))
			said[0] = '\0';
		said[strcspn(said, "\n")] = '\0';
	}
	if (str_eq(said, d->other))
		return 0;
	fail(err, ERR_refused, "the host that has to be off is %s, not \"%.63s\"", d->other, said);
	return err_fix(err, "nothing was done");
}

/* --- the signature --- */

static const struct roster_node *owner_of(const struct roster *roster, const char *public)
{
	for (size_t i = 0; i < roster_len(roster); i++)
		if (str_eq(roster_at(roster, i)->sign, public))
			return roster_at(roster, i);
	return NULL;
}

static int no_key(const char *path, struct err *err)
{
	fail(err, ERR_denied, "force needs an operator's key, and there is none in %s", path);
	return err_fix(err,
		       "drover keygen %s; then a section of the roster on every node: role = "
		       "operator, curve and sign as it prints",
		       path);
}

static int no_operator(const char *path, const char *roster, struct err *err)
{
	fail(err, ERR_denied, "the key in %s is no operator's of the roster %s", path, roster);
	return err_fix(err,
		       "add a section with role = operator, curve and sign on every node: "
		       "drover keygen --public --json %s prints both",
		       path);
}

static int sign(struct cli *cli, struct decision *d, struct err *err)
{
	const char *path = cli->in.key ? cli->in.key : options_str(cli->options, OPT_cli_key);
	const char *roster_path = options_str(cli->options, OPT_node_roster);
	const struct roster_node *operator= NULL;
	struct force force = {.migration = d->migration,
			      .container = d->container,
			      .source = d->source,
			      .target = d->target,
			      .owner = cli->in.owner,
			      .operator= d->operator,
			      .reason = cli->in.request.reason,
			      .epoch = d->epoch};
	char text[FORCE_TEXT_SIZE];
	struct curve_keys keys = {0};
	struct sign_keys keys_sign = {0};
	struct roster *roster = NULL;
	int rc = keys_load(path, &keys, err);

	if (rc == -ERR_nosuch)
		return no_key(path, err);
	if (!rc)
		rc = sign_derive(&keys, &keys_sign, err);
	if (!rc)
		rc = roster_load(roster_path, &roster, err);
	if (!rc) {
		operator= owner_of(roster, keys_sign.public);
		if (!force_may(operator))
			rc = no_operator(path, roster_path, err);
	}
	if (!rc) {
		str_copy(d->operator, sizeof(d->operator), operator->id);
		sign_make(&keys_sign, text, force_text(&force, text), d->sig);
	}
	keys_wipe(&keys);
	sign_wipe(&keys_sign);
	roster_free(&roster);
	return rc;
}

int force_run(struct cli *cli)
{
	struct msg_request *request = &cli->in.request;
	struct decision d = {0};
	struct err err = {0};
	int rc = check_flags(cli, &err);

	if (!rc)
		rc = ask_job(cli, &d, &err);
	if (!rc)
		rc = confirm(cli, &d, &err);
	if (!rc)
		rc = sign(cli, &d, &err);
	if (rc)
		return report_err(cli, NULL, &err);
	request->job = d.migration;
	request->host = d.other;
	request->owner = cli->in.owner;
	request->operator= d.operator;
	request->statement = (struct msg_bin){d.sig, sizeof(d.sig)};
	request->follow = true;
	return follow_run(cli);
}
