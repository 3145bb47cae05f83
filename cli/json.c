/* SPDX-License-Identifier: MPL-2.0
 *
 * JSON as people and jq like it. The names are the schema's: proto/msg.h makes the text, jansson
 * lays it out. */
#include "cli/print.h"

#include "base/mem.h"

#include <jansson.h>

#define HOW (JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY)

static void dump(FILE *out, json_t *value, size_t how)
{
	json_dumpf(value, out, HOW | how);
	fputc('\n', out);
	json_decref(value);
}

/* Text that jansson cannot hold, such as numbers past 2^63, is printed as it came. */
static void print(FILE *out, char *text, size_t how)
{
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	if (value)
		dump(out, value, how);
	else
		fprintf(out, "%s\n", text ? text : "null");
	free(text);
}

void json_print(FILE *out, char *text)
{
	print(out, text, JSON_INDENT(2));
}

void json_object_print(FILE *out, json_t *object)
{
	dump(out, object, JSON_INDENT(2));
}

void json_line_print(FILE *out, char *text)
{
	print(out, text, JSON_COMPACT);
	fflush(out);
}

/* An element of an array, as jansson would lay it out within one. */
static void put_item(FILE *out, const char *text, bool first)
{
	fputs(first ? "[\n  " : ",\n  ", out);
	for (; *text; text++) {
		fputc(*text, out);
		if (*text == '\n')
			fputs("  ", out);
	}
}

size_t json_list_more(FILE *out, size_t before, const char *record, const void *first,
		      size_t stride, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_free char *text = msg_json_record(record, (const char *)first + i * stride);
		json_t *value = text ? json_loads(text, 0, NULL) : NULL;
		auto_free char *laid_out = value ? json_dumps(value, HOW | JSON_INDENT(2)) : NULL;

		put_item(out, laid_out ? laid_out : "null", before + i == 0);
		json_decref(value);
	}
	return before + n;
}

void json_list_end(FILE *out, size_t n)
{
	fputs(n ? "\n]\n" : "[]\n", out);
}

void json_list_print(FILE *out, const char *record, const void *first, size_t stride, size_t n)
{
	json_list_end(out, json_list_more(out, 0, record, first, stride, n));
}
