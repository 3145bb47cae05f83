/* SPDX-License-Identifier: MPL-2.0
 *
 * Named sections: their values and their memory. */
#include "base/sections.h"

#include "base/calendar.h"
#include "base/mem.h"

#include <string.h>

static bool is_word(const char *words, const char *text, uint64_t *ret)
{
	size_t len = strlen(text);

	*ret = 0;
	for (const char *at = words; *at; at += strcspn(at, " "), at += *at == ' ', ++*ret)
		if (len && strcspn(at, " ") == len && !strncmp(at, text, len))
			return true;
	return false;
}

/* "key=value, key=value": neither part empty. */
static bool are_labels(const char *text)
{
	size_t n = 0;

	for (const char *at = text; *at; at += *at == ',') {
		size_t len, key;

		at += strspn(at, " \t");
		len = strcspn(at, ",");
		key = strcspn(at, "=");
		if (!key || key + 1 >= len)
			return false;
		at += len;
		n++;
	}
	return n > 0;
}

static bool are_names(const char *text)
{
	char name[NAME_SIZE];

	for (const char *at = text;; at++) {
		size_t len, end;

		at += strspn(at, " \t");
		len = end = strcspn(at, ",");
		while (end && strchr(" \t", at[end - 1]))
			end--;
		if (!str_fmt(name, sizeof(name), "%.*s", (int)end, at) || !name_ok(name))
			return false;
		at += len;
		if (!*at)
			return true;
	}
}

static bool is_value(const struct section_row *row, const char *text, uint64_t *ret)
{
	if (str_eq(row->type, "choice"))
		return is_word(row->words, text, ret);
	if (str_eq(row->type, "u64"))
		return str_u64(text, 0, row->max, ret);
	if (str_eq(row->type, "ms"))
		return str_duration(text, ret) && *ret <= row->max;
	if (strlen(text) > row->max)
		return false;
	if (str_eq(row->type, "labels"))
		return are_labels(text);
	if (str_eq(row->type, "names"))
		return are_names(text);
	if (str_eq(row->type, "name"))
		return name_ok(text);
	return *text != '\0';
}

int section_value(const struct section_row *row, const char *text, uint64_t *ret, struct err *err)
{
	struct calendar calendar;
	uint64_t number = 0;
	int rc = 0;

	if (str_eq(row->type, "calendar"))
		rc = calendar_parse(text, &calendar, err);
	else if (str_eq(row->type, "time"))
		rc = calendar_parse_time(text, "UTC", &calendar, err);
	if (rc)
		return err_wrap(err, "%s", row->name);
	if (!is_value(row, text, &number))
		return fail(err, ERR_config, "%s: \"%.200s\" is not right: %s", row->name, text,
			    row->help);
	if (ret)
		*ret = number;
	return 0;
}

size_t section_key(const struct section_kind *kind, const char *name)
{
	size_t i = 0;

	while (i < kind->n && !str_eq(kind->rows[i].name, name))
		i++;
	return i;
}

static int unknown_key(const struct section_kind *kind, const char *name, const char *key,
		       struct err *err)
{
	const char *names[SECTION_KEYS_MAX], *near;

	for (size_t i = 0; i < kind->n; i++)
		names[i] = kind->rows[i].name;
	near = str_nearest(key, names, kind->n);
	return fail(err, ERR_config, "[%s %s] has no option \"%s\"%s%s%s", kind->word, name, key,
		    near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

static struct section *section_at(struct sections *sections, const char *name, int line)
{
	struct section *section;

	for (size_t i = 0; i < sections->n; i++)
		if (str_eq(sections->v[i].name, name))
			return &sections->v[i];
	sections->v = mem_grow(sections->v, sections->n + 1, sizeof(*section));
	section = &sections->v[sections->n++];
	*section = (struct section){.line = line};
	str_copy(section->name, sizeof(section->name), name);
	return section;
}

int sections_set(struct sections *sections, const struct section_kind *kind, const char *name,
		 const char *key, const char *value, int line, struct err *err)
{
	size_t i = section_key(kind, key);
	struct section *section;

	if (!name_ok(name))
		return fail(err, ERR_config, "\"%s\" is not a name for a %s", name, kind->word);
	if (i == kind->n)
		return unknown_key(kind, name, key, err);
	if (section_value(&kind->rows[i], value, NULL, err))
		return err_wrap(err, "[%s %s]", kind->word, name);
	section = section_at(sections, name, line);
	free(section->text[i]);
	section->text[i] = str_dup(value);
	return 0;
}

void sections_copy(struct sections *to, const struct sections *from)
{
	for (size_t i = 0; i < from->n; i++) {
		struct section *section = section_at(to, from->v[i].name, from->v[i].line);

		for (size_t key = 0; key < SECTION_KEYS_MAX; key++)
			if (from->v[i].text[key])
				section->text[key] = str_dup(from->v[i].text[key]);
	}
}

void sections_done(struct sections *sections)
{
	for (size_t i = 0; i < sections->n; i++)
		for (size_t key = 0; key < SECTION_KEYS_MAX; key++)
			free(sections->v[i].text[key]);
	free(sections->v);
	*sections = (struct sections){0};
}
