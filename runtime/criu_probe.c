/* SPDX-License-Identifier: MPL-2.0
 *
 * Asking CRIU what it can do: version, `criu check`, each feature, the image of this CPU. One child
 * at a time; each question is a row, and a question without an answer is a fact too. */
#include "runtime/hostfacts.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "runtime/drivers.h"
#include "runtime/run.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUESTION_MS 15000

static const char *const feature_names[] = {
#define X(name) name,
	CRIU_FEATURE_TABLE(X)
#undef X
};

enum question { ASK_VERSION, ASK_CHECK, ASK_CPUINFO, ASK_FEATURE }; /* then one a feature */

struct criu_probe {
	char work_dir[PATH_MAX];
	size_t question;
	struct run *run;
	struct criu_facts facts;
};

unsigned criu_parse_version(const char *out)
{
	const char *p = out ? strstr(out, "Version: ") : NULL;

	/* A line without its end may lack part of the number. */
	return p && strchr(p, '\n') ? driver_version_number(p + strlen("Version: ")) : 0;
}

void criu_facts_done(struct criu_facts *facts)
{
	free(facts->cpuinfo);
	memset(facts, 0, sizeof(*facts));
}

static void words_of(const struct criu_probe *p, struct run_argv *argv)
{
	argv_add(argv, p->facts.path);
	switch (p->question) {
	case ASK_VERSION:
		argv_add(argv, "--version");
		return;
	case ASK_CHECK:
		argv_add(argv, "check");
		return;
	case ASK_CPUINFO:
		argv_add(argv, "cpuinfo");
		argv_add(argv, "dump");
		argv_add(argv, "-D");
		argv_add(argv, p->work_dir);
		return;
	default:
		argv_add(argv, "check");
		argv_add(argv, "--feature");
		argv_add(argv, feature_names[p->question - ASK_FEATURE]);
	}
}

static int ask(struct criu_probe *p, uint64_t now_ms, struct err *err)
{
	auto_argv struct run_argv argv = {0};
	struct run_spec spec = {
		.argv = (const char *const *)argv.v,
		.cwd = p->work_dir,
		.stdout_max = 16384,
		.timeout_ms = QUESTION_MS,
		.new_session = true,
	};

	words_of(p, &argv);
	return run_start(&spec, now_ms, &p->run, err);
}

int criu_probe_start(const char *criu, const char *work_dir, uint64_t now_ms,
		     struct criu_probe **ret, struct err *err)
{
	struct criu_probe *p;
	int rc;

	*ret = NULL;
	if (!path_ok(work_dir))
		return fail(err, ERR_invalid, "not a work directory: %.100s", work_dir);
	p = mem_new_of(struct criu_probe);
	str_copy(p->work_dir, sizeof(p->work_dir), work_dir);
	rc = run_find(criu, p->facts.path, sizeof(p->facts.path), err);
	if (rc == 0)
		rc = ask(p, now_ms, err);
	if (rc < 0)
		criu_probe_free(&p);
	*ret = p;
	return rc;
}

int criu_probe_fd(const struct criu_probe *probe)
{
	return probe->run ? run_fd(probe->run) : -1;
}

uint64_t criu_probe_deadline_ms(const struct criu_probe *probe)
{
	return probe->run ? run_deadline_ms(probe->run) : UINT64_MAX;
}

static void take_cpuinfo(struct criu_probe *p)
{
	char path[PATH_MAX + 16];
	char *data = NULL;

	str_fmt(path, sizeof(path), "%s/cpuinfo.img", p->work_dir);
	if (file_read(path, CRIU_CPUINFO_MAX, &data, &p->facts.cpuinfo_len, NULL) == 0)
		p->facts.cpuinfo = (uint8_t *)data;
	unlink(path);
}

/* `criu check` ends its list of what is missing with a summary; the last line is the best one line.
 */
static void take_answer(struct criu_probe *p, const struct run_result *r)
{
	struct criu_facts *f = &p->facts;
	struct err err = {0};
	bool ok = run_check(r, "criu", &err) == 0;

	switch (p->question) {
	case ASK_VERSION:
		f->version = ok ? criu_parse_version(r->out) : 0;
		if (!f->version)
			str_copy(f->problem, sizeof(f->problem), ok ? "no version" : err.text);
		return;
	case ASK_CHECK:
		f->check_ok = ok;
		if (!ok)
			str_copy(f->problem, sizeof(f->problem), err.text);
		return;
	case ASK_CPUINFO:
		if (ok)
			take_cpuinfo(p);
		return;
	default:
		if (ok && f->n_features < CRIU_FEATURES_MAX)
			f->features[f->n_features++] = feature_names[p->question - ASK_FEATURE];
	}
}

int criu_probe_step(struct criu_probe *probe, uint64_t now_ms)
{
	struct err err;

	if (!probe->run)
		return 1;
	if (!run_step(probe->run, now_ms))
		return 0;
	take_answer(probe, run_result(probe->run));
	run_free(&probe->run);
	/* A CRIU that does not even start answers nothing else. */
	if (!probe->facts.version || ++probe->question == ASK_FEATURE + ARRAY_LEN(feature_names))
		return 1;
	if (ask(probe, now_ms, &err) == 0)
		return 0;
	str_copy(probe->facts.problem, sizeof(probe->facts.problem), err.text);
	return 1;
}

void criu_probe_take(struct criu_probe *probe, struct criu_facts *ret)
{
	*ret = probe->facts;
	memset(&probe->facts, 0, sizeof(probe->facts));
}

void criu_probe_free(struct criu_probe **probe)
{
	if (!*probe)
		return;
	run_free(&(*probe)->run);
	criu_facts_done(&(*probe)->facts);
	free(*probe);
	*probe = NULL;
}

int criu_facts_sync(const char *criu, const char *work_dir, struct criu_facts *ret, struct err *err)
{
	struct criu_probe *probe;
	int rc = criu_probe_start(criu, work_dir, clock_mono_ms(), &probe, err);

	memset(ret, 0, sizeof(*ret));
	if (rc < 0)
		return rc;
	while (!criu_probe_step(probe, clock_mono_ms())) {
		struct pollfd p = {.fd = criu_probe_fd(probe), .events = POLLIN};

		poll(&p, 1, 1000);
	}
	criu_probe_take(probe, ret);
	criu_probe_free(&probe);
	return 0;
}

static int check_in(const char *criu, const char *dir, struct err *err)
{
	const char *const argv[] = {criu, "cpuinfo", "check", "-D", dir, NULL};
	struct run_spec spec = {.argv = argv, .cwd = dir, .timeout_ms = QUESTION_MS};
	struct run_result result = {0};
	char line[400];
	int rc = run_sync(&spec, &result, err);

	if (rc == 0 && (result.timed_out || result.exit_code < 0))
		rc = run_check(&result, "criu cpuinfo check", err);
	else if (rc == 0 && result.exit_code != 0)
		rc = fail(err, ERR_refused, "this CPU cannot continue the image: %s",
			  run_last_line(&result, line, sizeof(line)));
	run_result_done(&result);
	return rc;
}

int criu_cpuinfo_check(const char *criu, const char *work_dir, const uint8_t *image, size_t len,
		       struct err *err)
{
	char dir[PATH_MAX], path[PATH_MAX + 16];
	int rc;

	if (!path_ok(work_dir) || !str_fmt(dir, sizeof(dir), "%s/cpuinfo-XXXXXX", work_dir))
		return fail(err, ERR_invalid, "not a work directory: %.100s", work_dir);
	if (!len || len > CRIU_CPUINFO_MAX)
		return fail(err, ERR_invalid, "a cpuinfo image of %zu bytes", len);
	if (!mkdtemp(dir))
		return fail_errno(err, ERR_io, "making %s", dir);
	str_fmt(path, sizeof(path), "%s/cpuinfo.img", dir);
	rc = file_write_atomic(path, image, len, 0600, err);
	if (rc == 0)
		rc = check_in(criu, dir, err);
	file_rmtree(dir, NULL);
	return rc;
}
