/* SPDX-License-Identifier: MPL-2.0
 *
 * Owns the error table's lookups and the formatting of sentences into a fixed buffer; never
 * allocates, so that "out of memory" can be told too. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int code;
	enum err_class class;
	int exit_code;
	const char *name;
	const char *text;
} table[] = {
#define X(name, wire, class_, exit_, text) {ERR_##name, ERR_CLASS_##class_, exit_, #name, text},
	ERR_TABLE(X)
#undef X
};

static size_t row_of(int code)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].code == code)
			return i;
	return row_of(ERR_protocol);
}

const char *err_name(int code)
{
	return code ? table[row_of(code)].name : "ok";
}

const char *err_text(int code)
{
	return code ? table[row_of(code)].text : "done";
}

enum err_class err_class_of(int code)
{
	return table[row_of(code)].class;
}

int err_exit_code(int code)
{
	return code ? table[row_of(code)].exit_code : 0;
}

/* Ends a text that did not fit with an ellipsis. */
static void mark_cut(char *text, size_t size, int wanted)
{
	if (wanted >= (int)size)
		memcpy(text + size - 4, "\xe2\x80\xa6", 4);
}

int fail(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list args;

	if (err) {
		err->code = code;
		err->fix[0] = '\0';
		va_start(args, fmt);
		mark_cut(err->text, sizeof(err->text),
			 vsnprintf(err->text, sizeof(err->text), fmt, args));
		va_end(args);
	}
	return -(int)code;
}

static enum err_code code_of_errno(int number, enum err_code code)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
		return ERR_nospace;
	case ENOMEM:
		return ERR_nomem;
	default:
		return code;
	}
}

int fail_errno(struct err *err, enum err_code code, const char *fmt, ...)
{
	int number = errno;
	va_list args;

	code = code_of_errno(number, code);
	if (err) {
		char what[ERR_TEXT_MAX];

		va_start(args, fmt);
		vsnprintf(what, sizeof(what), fmt, args);
		va_end(args);
		fail(err, code, "%s: %s", what, strerror(number));
	}
	errno = number;
	return -(int)code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char context[ERR_TEXT_MAX], whole[2 * ERR_TEXT_MAX + 4];
	va_list args;

	if (!err)
		return -ERR_protocol;
	va_start(args, fmt);
	vsnprintf(context, sizeof(context), fmt, args);
	va_end(args);
	snprintf(whole, sizeof(whole), "%s: %s", context, err->text);
	mark_cut(err->text, sizeof(err->text), snprintf(err->text, sizeof(err->text), "%s", whole));
	return -err->code;
}

int err_fix(struct err *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return -ERR_protocol;
	va_start(args, fmt);
	mark_cut(err->fix, sizeof(err->fix), vsnprintf(err->fix, sizeof(err->fix), fmt, args));
	va_end(args);
	return -err->code;
}
