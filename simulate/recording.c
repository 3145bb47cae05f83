/* SPDX-License-Identifier: MPL-2.0
 *
 * Lines of JSON in and out. A file is somebody else's: every number and name is checked. */
#include "simulate/recording.h"

#include "base/mem.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define HOW (JSON_COMPACT | JSON_PRESERVE_ORDER)

/* --- out --- */

static void put_line(FILE *out, json_t *object)
{
	json_dumpf(object, out, HOW);
	fputc('\n', out);
	fflush(out);
	json_decref(object);
}

void recording_begin(FILE *out)
{
	put_line(out, json_pack("{s:s, s:i}", "drover", "recording", "version", RECORDING_VERSION));
}

void recording_write(FILE *out, const struct moment_of *moment)
{
	json_t *hosts = json_array(), *containers = json_array();

	for (size_t i = 0; i < moment->n_hosts; i++) {
		const struct rec_host *h = &moment->host[i];

		json_array_append_new(
			hosts,
			json_pack("{s:s, s:I, s:I, s:I, s:I}", "id", h->id, "cpus",
				  (json_int_t)h->cpus, "cpu_permille", (json_int_t)h->cpu_permille,
				  "mem_total_bytes", (json_int_t)h->mem_total_bytes,
				  "mem_available_bytes", (json_int_t)h->mem_available_bytes));
	}
	for (size_t i = 0; i < moment->n_containers; i++) {
		const struct rec_container *c = &moment->container[i];

		json_array_append_new(
			containers, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "id", c->id, "host",
					      c->host, "cpu_permille", (json_int_t)c->cpu_permille,
					      "rss_bytes", (json_int_t)c->rss_bytes, "limit_bytes",
					      (json_int_t)c->limit_bytes, "cpu_limit_permille",
					      (json_int_t)c->cpu_limit_permille));
	}
	put_line(out, json_pack("{s:I, s:o, s:o}", "at_ms", (json_int_t)moment->at_ms, "hosts",
				hosts, "containers", containers));
}

/* --- in --- */

static int take_name(const json_t *object, const char *key, char ret[NAME_SIZE], struct err *err)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (!text || !name_ok(text))
		return fail(err, ERR_invalid, "\"%s\" is no name", key);
	str_copy(ret, NAME_SIZE, text);
	return 0;
}

/* Absent is 0. */
static int take_number(const json_t *object, const char *key, uint64_t max, uint64_t *ret,
		       struct err *err)
{
	const json_t *value = json_object_get(object, key);

	*ret = value ? (uint64_t)json_integer_value(value) : 0;
	if (value && (!json_is_integer(value) || json_integer_value(value) < 0 || *ret > max))
		return fail(err, ERR_invalid, "\"%s\" is no number within its limits", key);
	return 0;
}

#define BYTES_MAX (UINT64_C(1) << 52)
#define CPUS_MAX 65536

static int take_host(const json_t *object, struct rec_host *h, struct err *err)
{
	if (take_name(object, "id", h->id, err) ||
	    take_number(object, "cpus", CPUS_MAX, &h->cpus, err) ||
	    take_number(object, "cpu_permille", 1000, &h->cpu_permille, err) ||
	    take_number(object, "mem_total_bytes", BYTES_MAX, &h->mem_total_bytes, err) ||
	    take_number(object, "mem_available_bytes", BYTES_MAX, &h->mem_available_bytes, err))
		return -err->code;
	if (!h->cpus || !h->mem_total_bytes || h->mem_available_bytes > h->mem_total_bytes)
		return fail(err, ERR_invalid, "host %s has no processors or no memory", h->id);
	return 0;
}

static int take_container(const json_t *object, struct rec_container *c, struct err *err)
{
	uint64_t cores = 1000ull * CPUS_MAX;

	return take_name(object, "id", c->id, err) || take_name(object, "host", c->host, err) ||
			       take_number(object, "cpu_permille", cores, &c->cpu_permille, err) ||
			       take_number(object, "rss_bytes", BYTES_MAX, &c->rss_bytes, err) ||
			       take_number(object, "limit_bytes", BYTES_MAX, &c->limit_bytes,
					   err) ||
			       take_number(object, "cpu_limit_permille", cores,
					   &c->cpu_limit_permille, err)
		       ? -err->code
		       : 0;
}

static int take_moment(const json_t *line, struct moment_of *m, struct err *err)
{
	const json_t *hosts = json_object_get(line, "hosts");
	const json_t *containers = json_object_get(line, "containers");
	size_t n_hosts = json_array_size(hosts), n = json_array_size(containers);

	if (take_number(line, "at_ms", UINT64_C(1) << 40, &m->at_ms, err))
		return -err->code;
	if (!n_hosts)
		return fail(err, ERR_invalid, "there are no \"hosts\"");
	m->host = mem_new(n_hosts, sizeof(*m->host));
	m->container = mem_new(n + 1, sizeof(*m->container));
	for (; m->n_hosts < n_hosts; m->n_hosts++)
		if (take_host(json_array_get(hosts, m->n_hosts), &m->host[m->n_hosts], err))
			return -err->code;
	for (; m->n_containers < n; m->n_containers++)
		if (take_container(json_array_get(containers, m->n_containers),
				   &m->container[m->n_containers], err))
			return -err->code;
	return 0;
}

static int check_first(const json_t *line, struct err *err)
{
	const char *kind = json_string_value(json_object_get(line, "drover"));

	if (!str_eq(kind, "recording"))
		return fail(err, ERR_invalid, "this is no recording of drover simulate --record");
	if (json_integer_value(json_object_get(line, "version")) != RECORDING_VERSION)
		return fail(err, ERR_invalid, "this drover reads recordings of version %d only",
			    RECORDING_VERSION);
	return 0;
}

static int take_line(const char *text, size_t number, struct recording *r, struct err *err)
{
	json_t *line = json_loads(text, 0, NULL);
	struct moment_of *m;
	int rc;

	if (!line)
		return fail(err, ERR_invalid, "this is no JSON");
	if (number == 1) {
		rc = check_first(line, err);
	} else if (r->n == RECORDING_MOMENTS_MAX) {
		rc = fail(err, ERR_invalid, "there are more than %d moments",
			  RECORDING_MOMENTS_MAX);
	} else {
		r->v = mem_grow(r->v, r->n + 1, sizeof(*r->v));
		m = &r->v[r->n++];
		*m = (struct moment_of){0};
		rc = take_moment(line, m, err);
		if (!rc && r->n > 1 && m->at_ms <= m[-1].at_ms)
			rc = fail(err, ERR_invalid, "\"at_ms\" does not grow");
	}
	json_decref(line);
	return rc;
}

int recording_read(const char *path, struct recording *ret, struct err *err)
{
	auto_fclose FILE *in = fopen(path, "re");
	auto_free char *text = NULL;
	size_t size = 0, number = 0;
	ssize_t len;

	*ret = (struct recording){0};
	if (!in)
		return errno == ENOENT ? fail(err, ERR_nosuch, "there is no file %s", path)
				       : fail_errno(err, ERR_io, "%s", path);
	while ((len = getline(&text, &size, in)) > 0) {
		number++;
		if ((size_t)len > RECORDING_LINE_MAX)
			fail(err, ERR_invalid, "the line is too long");
		if ((size_t)len > RECORDING_LINE_MAX || take_line(text, number, ret, err))
			return err_wrap(err, "%s:%zu", path, number);
	}
	if (!ret->n)
		return fail(err, ERR_invalid, "%s holds no moment", path);
	return 0;
}

void recording_free(struct recording *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].host);
		free(r->v[i].container);
	}
	free(r->v);
	*r = (struct recording){0};
}

uint64_t recording_length_ms(const struct recording *r)
{
	return r->v[r->n - 1].at_ms - r->v[0].at_ms + 10000;
}
