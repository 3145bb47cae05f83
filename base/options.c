/* SPDX-License-Identifier: MPL-2.0
 *
 * Owns the values of the option table; refuses lines that fit no row. */
#include "base/options.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <string.h>

enum option_type {
	TYPE_str,
	TYPE_path,
	TYPE_name,
	TYPE_u64,
	TYPE_bytes,
	TYPE_ms,
	TYPE_flag,
	TYPE_list
};

static const char *const type_names[] = {"text", "path", "name",      "number",
					 "size", "time", "yes or no", "list"};

struct row {
	const char *section, *name;
	enum option_type type;
	const char *def;
	uint64_t min, max;
	const char *help;
};

static const struct row rows[OPTION_COUNT] = {
#define X(section, name, type, def, min, max, help) \
	{#section, #name, TYPE_##type, def, min, max, help},
	OPTION_TABLE(X)
#undef X
};

struct value {
	char *text;
	uint64_t number;
};

struct options {
	struct value values[OPTION_COUNT];
	struct sections policies, windows;
	/* Of the file that is being read: */
	int line;
	option_filter *mine; /* NULL: all of it */
};

static bool parse_flag(const char *s, uint64_t *ret)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(s, words[i])) {
			*ret = i & 1;
			return true;
		}
	return false;
}

static bool in_limits(const struct row *row, uint64_t n)
{
	return n >= row->min && (!row->max || n <= row->max);
}

static int check_text(const struct row *row, const char *s, struct err *err)
{
	if (strlen(s) > row->max)
		return fail(err, ERR_config, "%s.%s: longer than %" PRIu64 " characters",
			    row->section, row->name, row->max);
	if (row->type == TYPE_name && *s && !name_ok(s))
		return fail(err, ERR_config, "%s.%s: \"%s\" is not a name", row->section, row->name,
			    s);
	if (row->type == TYPE_path && *s && !path_ok(s))
		return fail(err, ERR_config, "%s.%s: \"%s\" is not an absolute path", row->section,
			    row->name, s);
	return 0;
}

static int parse(const struct row *row, const char *s, struct value *ret, struct err *err)
{
	uint64_t n = 0;
	bool good = true;
	int rc;

	switch (row->type) {
	case TYPE_u64:
		good = str_u64(s, 0, UINT64_MAX, &n) && in_limits(row, n);
		break;
	case TYPE_bytes:
		good = str_bytes(s, &n) && in_limits(row, n);
		break;
	case TYPE_ms:
		good = str_duration(s, &n) && in_limits(row, n);
		break;
	case TYPE_flag:
		good = parse_flag(s, &n);
		break;
	default:
		rc = check_text(row, s, err);
		if (rc)
			return rc;
	}
	if (!good)
		return fail(err, ERR_config, "%s.%s: \"%s\" is not a %s within its limits",
			    row->section, row->name, s, type_names[row->type]);
	free(ret->text);
	ret->text = str_dup(s);
	ret->number = n;
	return 0;
}

struct options *options_new(void)
{
	struct options *options = mem_new_of(struct options);

	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (parse(&rows[i], rows[i].def, &options->values[i], NULL))
			abort(); /* a default outside its own row */
	return options;
}

void options_free(struct options **options)
{
	if (!*options)
		return;
	for (size_t i = 0; i < OPTION_COUNT; i++)
		free((*options)->values[i].text);
	sections_done(&(*options)->policies);
	sections_done(&(*options)->windows);
	free(*options);
	*options = NULL;
}

static int unknown_row(const char *section, const char *name, struct err *err)
{
	const char *names[OPTION_COUNT + 2] = {NULL};
	const char *near;
	size_t n = 0;
	bool section_known = false;

	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (str_eq(rows[i].section, section)) {
			section_known = true;
			names[n++] = rows[i].name;
		}
	if (!section_known) {
		for (size_t i = 0; i < OPTION_COUNT; i++)
			names[i] = rows[i].section;
		names[OPTION_COUNT] = "policy NAME";
		names[OPTION_COUNT + 1] = "window NAME";
		near = str_nearest(section, names, OPTION_COUNT + 2);
		return near ? fail(err, ERR_config, "there is no section [%s] (did you mean [%s]?)",
				   section, near)
			    : fail(err, ERR_config, "there is no section [%s]", section);
	}
	near = str_nearest(name, names, n);
	return near ? fail(err, ERR_config, "[%s] has no option \"%s\" (did you mean \"%s\"?)",
			   section, name, near)
		    : fail(err, ERR_config, "[%s] has no option \"%s\"", section, name);
}

/* The i-th item of a comma separated text without the blanks around it. */
static bool list_item(const char *text, size_t i, const char **ret_start, size_t *ret_len)
{
	const char *p = text;

	for (;; p++) {
		size_t len = strcspn(p, ",");
		const char *start = p + strspn(p, " \t");
		const char *end = p + len;

		while (end > start && strchr(" \t", end[-1]))
			end--;
		if (end > start && i-- == 0) {
			*ret_start = start;
			*ret_len = (size_t)(end - start);
			return true;
		}
		p += len;
		if (!*p)
			return false;
	}
}

/* --- named sections --- */

const char *options_policy_name(const struct options *options, size_t i)
{
	return i < options->policies.n ? options->policies.v[i].name : NULL;
}

const char *options_policy(const struct options *options, size_t i, enum policy_key key)
{
	const char *text = options->policies.v[i].text[key];

	return text ? text : "";
}

const struct section *options_window(const struct options *options, size_t i)
{
	return i < options->windows.n ? &options->windows.v[i] : NULL;
}

static int check_windows(const struct options *options, const char *path, struct err *err)
{
	for (size_t i = 0; i < options->windows.n; i++)
		if (window_check(&options->windows.v[i], err))
			return err_wrap(err, "%s:%d", path, options->windows.v[i].line);
	return 0;
}

static int set_row(void *arg, const char *section, const char *name, const char *value,
		   struct err *err)
{
	struct options *options = arg;

	if (options->mine && !options->mine(section, name))
		return 0;
	if (str_starts(section, "policy "))
		return sections_set(&options->policies, &policy_kind, section + strlen("policy "),
				    name, value, options->line, err);
	if (str_starts(section, "window "))
		return sections_set(&options->windows, &window_kind, section + strlen("window "),
				    name, value, options->line, err);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (str_eq(rows[i].section, section) && str_eq(rows[i].name, name))
			return parse(&rows[i], value, &options->values[i], err);
	return unknown_row(section, name, err);
}

static void copy_value(struct options *to, const struct options *from, size_t i)
{
	free(to->values[i].text);
	to->values[i].text = str_dup(from->values[i].text);
	to->values[i].number = from->values[i].number;
}

static void copy_sections(struct options *to, const struct options *from)
{
	sections_done(&to->policies);
	sections_done(&to->windows);
	sections_copy(&to->policies, &from->policies);
	sections_copy(&to->windows, &from->windows);
}

static void copy_values(struct options *to, const struct options *from)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		copy_value(to, from, i);
	copy_sections(to, from);
}

bool option_reloads(enum option_id option)
{
	static const bool reloads[OPTION_COUNT] = {
#define X(section, name) [OPT_##section##_##name] = true,
		OPTION_RELOAD_TABLE(X)
#undef X
	};

	return reloads[option];
}

void options_take(struct options *options, const struct options *fresh, char *ret_restart,
		  size_t size)
{
	*ret_restart = '\0';
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		size_t used = strlen(ret_restart);

		if (option_reloads((enum option_id)i))
			copy_value(options, fresh, i);
		else if (!str_eq(options->values[i].text, fresh->values[i].text))
			str_fmt(ret_restart + used, size - used, "%s%s.%s", used ? ", " : "",
				rows[i].section, rows[i].name);
	}
	copy_sections(options, fresh);
}

struct options *options_copy(const struct options *options)
{
	struct options *copy = options_new();

	copy_values(copy, options);
	return copy;
}

/* --- files --- */

/* Debian's inih tells handlers no line number, so the reader counts the lines it hands out. */
struct ini_job {
	ini_row *row;
	void *arg;
	struct err *err;
	const char *path;
	FILE *file;
	int *line;
	int rc;
};

static char *next_line(char *buf, int size, void *stream)
{
	struct ini_job *job = stream;
	char *got = fgets(buf, size, job->file);

	*job->line += got != NULL;
	if (got && strlen(got) == (size_t)size - 1 && got[size - 2] != '\n' && !job->rc)
		job->rc = fail(job->err, ERR_config, "%s:%d: line longer than %d characters",
			       job->path, *job->line, size - 2);
	return got;
}

static int on_line(void *user, const char *section, const char *name, const char *value)
{
	struct ini_job *job = user;

	if (job->rc)
		return 1; /* the first error is the one that is told */
	job->rc = job->row(job->arg, section, name, value, job->err);
	if (job->rc)
		err_wrap(job->err, "%s:%d", job->path, *job->line);
	return 1;
}

static int read_lines(const char *path, ini_row *row, void *arg, int *line, struct err *err)
{
	struct err local = {0};
	auto_fclose FILE *file = fopen(path, "re");
	struct ini_job job = {row, arg, err ? err : &local, path, file, line, 0};
	int bad_line;

	if (!file)
		return fail_errno(err, errno == ENOENT ? ERR_nosuch : ERR_io, "opening %s", path);
	bad_line = ini_parse_stream(next_line, &job, on_line, &job);
	if (!job.rc && bad_line)
		return fail(err, ERR_config, "%s:%d: neither [section] nor name = value", path,
			    bad_line);
	return job.rc;
}

int ini_read(const char *path, ini_row *row, void *arg, struct err *err)
{
	int line = 0;

	return read_lines(path, row, arg, &line, err);
}

int options_load(struct options *options, const char *path, struct err *err)
{
	return options_load_part(options, path, NULL, err);
}

int options_load_part(struct options *options, const char *path, option_filter *mine,
		      struct err *err)
{
	struct options *copy = options_copy(options);
	int rc;

	copy->mine = mine;
	rc = read_lines(path, set_row, copy, &copy->line, err);
	if (!rc)
		rc = check_windows(copy, path, err);
	if (!rc)
		copy_values(options, copy);
	options_free(&copy);
	return rc;
}

int options_set(struct options *options, const char *assignment, struct err *err)
{
	char section[32], name[32];
	const char *dot = strchr(assignment, '.');
	const char *equals = dot ? strchr(dot, '=') : NULL;

	if (!equals ||
	    !str_fmt(section, sizeof(section), "%.*s", (int)(dot - assignment), assignment) ||
	    !str_fmt(name, sizeof(name), "%.*s", (int)(equals - dot - 1), dot + 1))
		return fail(err, ERR_usage, "\"%s\" is not section.name=value", assignment);
	return set_row(options, section, name, equals + 1, err);
}

const char *options_str(const struct options *options, enum option_id option)
{
	return options->values[option].text;
}

uint64_t options_u64(const struct options *options, enum option_id option)
{
	return options->values[option].number;
}

bool options_flag(const struct options *options, enum option_id option)
{
	return options->values[option].number != 0;
}

size_t options_list_len(const struct options *options, enum option_id option)
{
	const char *start;
	size_t len, n = 0;

	while (list_item(options->values[option].text, n, &start, &len))
		n++;
	return n;
}

bool options_list_get(const struct options *options, enum option_id option, size_t i, char *buf,
		      size_t size)
{
	const char *start;
	size_t len;

	if (!list_item(options->values[option].text, i, &start, &len) || len >= size)
		return false;
	memcpy(buf, start, len);
	buf[len] = '\0';
	return true;
}

void options_print(const struct options *options, FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct row *row = &rows[i];

		if (!str_eq(section, row->section))
			fprintf(out, "%s[%s]\n", i ? "\n" : "", row->section);
		section = row->section;
		fprintf(out, "; %s (%s, default \"%s\")\n%s = %s\n", row->help,
			type_names[row->type], row->def, row->name, options->values[i].text);
	}
}
