/* SPDX-License-Identifier: MPL-2.0
 *
 * Prints a record as JSON (RFC 8259) from the same tables that encode it. */
#include "base/mem.h"
#include "proto/msg.h"
#include "proto/table.h"

#include <inttypes.h>
#include <stdio.h>

static void put_text(FILE *out, const char *s)
{
	fputc('"', out);
	for (; s && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void put_record(FILE *out, const struct table *t, const void *record);

static void put_list(FILE *out, const struct field *f, const struct field_list *list)
{
	fputc('[', out);
	for (size_t i = 0; i < list->n; i++) {
		if (i)
			fputc(',', out);
		put_record(out, f->sub, (const char *)list->v + i * f->sub->size);
	}
	fputc(']', out);
}

static void put_strs(FILE *out, const struct msg_strs *strs)
{
	fputc('[', out);
	for (size_t i = 0; i < strs->n; i++) {
		if (i)
			fputc(',', out);
		put_text(out, strs->v[i]);
	}
	fputc(']', out);
}

static void put_bin(FILE *out, const struct msg_bin *bin)
{
	fputc('"', out);
	for (size_t i = 0; i < bin->len; i++)
		fprintf(out, "%02x", bin->data[i]);
	fputc('"', out);
}

static void put_value(FILE *out, const struct field *f, const void *at)
{
	switch (f->kind) {
	case FIELD_u64:
		fprintf(out, "%" PRIu64, *(const uint64_t *)at);
		break;
	case FIELD_i64:
		fprintf(out, "%" PRId64, *(const int64_t *)at);
		break;
	case FIELD_f64:
		fprintf(out, "%.10g", *(const double *)at);
		break;
	case FIELD_flag:
		fputs("true", out);
		break;
	case FIELD_str:
		put_text(out, *(const char *const *)at);
		break;
	case FIELD_bin:
		put_bin(out, at);
		break;
	case FIELD_strs:
		put_strs(out, at);
		break;
	case FIELD_obj:
		put_record(out, f->sub, *(const void *const *)at);
		break;
	case FIELD_list:
		put_list(out, f, at);
		break;
	}
}

static void put_record(FILE *out, const struct table *t, const void *record)
{
	const char *comma = "";

	fputc('{', out);
	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];

		if (!field_present(f, field_at(record, f)))
			continue;
		fprintf(out, "%s\"%s\":", comma, f->name);
		comma = ",";
		put_value(out, f, field_at(record, f));
	}
	fputc('}', out);
}

static char *print(const struct table *t, const void *record)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	put_record(out, t, record);
	fclose(out);
	return text;
}

char *msg_json(enum msg_type type, const void *body)
{
	return print(table_of_type(type), body);
}

char *msg_json_record(const char *record, const void *body)
{
	return print(table_of_record(record), body);
}
