/* SPDX-License-Identifier: MPL-2.0
 *
 * The error object and the one table of error codes. A function that can fail returns 0 or -ERR_x
 * and fills the caller's struct err with a sentence; callers branch on the class, never on text.
 * A code's class says what is known about the world after the failure. */
#ifndef DROVER_BASE_ERR_H
#define DROVER_BASE_ERR_H

#include <stddef.h>

enum err_class {
	ERR_CLASS_GIVE_UP,  /* the request is wrong or refused; asking again changes nothing */
	ERR_CLASS_RETRY,    /* nothing was done; the same request may succeed later */
	ERR_CLASS_NOT_DONE, /* it was tried, failed, and was undone */
	ERR_CLASS_UNKNOWN,  /* it may or may not have been done; ask */
	ERR_CLASS_OPERATOR, /* a person has to decide */
};

/* clang-format off */
/* X(name, wire number, class, exit code, text) */
#define ERR_TABLE(X) \
	X(usage,        1, GIVE_UP,  2, "usage error") \
	X(invalid,      2, GIVE_UP,  2, "invalid value") \
	X(config,       3, GIVE_UP,  2, "configuration error") \
	X(refused,      4, GIVE_UP,  3, "refused, nothing was touched") \
	X(nosuch,       5, GIVE_UP,  7, "no such thing") \
	X(denied,       6, GIVE_UP,  3, "permission denied") \
	X(protocol,     7, GIVE_UP,  1, "protocol error") \
	X(corrupt,      8, OPERATOR, 9, "stored data is damaged") \
	X(busy,         9, RETRY,    1, "busy") \
	X(unreachable, 10, RETRY,    5, "unreachable") \
	X(timeout,     11, UNKNOWN,  6, "deadline passed") \
	X(io,          12, NOT_DONE, 1, "input/output error") \
	X(nospace,     13, NOT_DONE, 1, "no space left") \
	X(nomem,       14, NOT_DONE, 1, "out of memory") \
	X(child,       15, NOT_DONE, 1, "a program failed") \
	X(rolledback,  16, NOT_DONE, 8, "failed and rolled back") \
	X(held,        17, OPERATOR, 9, "held: a person has to decide") \
	X(canceled,    18, NOT_DONE, 8, "canceled") \
	X(partly,      19, NOT_DONE, 4, "partly done") \
	X(lost,        20, OPERATOR, 9, "lost")
/* clang-format on */

enum err_code {
	ERR_ok = 0,
#define X(name, wire, class_, exit_, text) ERR_##name = wire,
	ERR_TABLE(X)
#undef X
};

#define ERR_TEXT_MAX 1024

struct err {
	int code;                /* enum err_code, 0 when nothing failed */
	char text[ERR_TEXT_MAX]; /* one line, no trailing newline; truncated with "…" */
	char fix[256];           /* what the reader can do about it, may be empty */
};

/* Records code and a formatted sentence in *err (which may be NULL) and returns -code, so that
 * `return fail(err, ERR_busy, "…")` is the usual form. Saves nothing else. */
int fail(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* The same, with ": strerror(errno)" appended. ENOSPC and EDQUOT become ERR_nospace, ENOMEM
 * ERR_nomem whatever code was given. */
int fail_errno(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* Puts a formatted "context: " before err's text; returns -err->code (0 stays 0). */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* Sets the advice that is printed after the sentence; returns -err->code. */
int err_fix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* Name ("refused"), default text, class and process exit code (DESIGN.md §9) of a code; an unknown
 * number is answered as "protocol". */
const char *err_name(int code);
const char *err_text(int code);
enum err_class err_class_of(int code);
int err_exit_code(int code);

#endif
