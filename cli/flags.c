/* SPDX-License-Identifier: MPL-2.0
 *
 * The option rows, and how each kind of value is checked and stored. */
#include "cli/flags.h"

#include "base/mem.h"
#include "base/options.h"
#include "base/str.h"

#include <string.h>
#include <time.h>

const struct flag flag_rows[FLAG_COUNT] = {
#define X(id, ...) [FLAG_ID_##id] = {__VA_ARGS__},
	FLAG_TABLE(X)
#undef X
};

#define WORDS_MAX 32

/* Splits at any character of seps into at most max borrowed copies in buf; returns the count. */
static size_t split(const char *text, const char *seps, char buf[][WORD_SIZE], size_t max)
{
	size_t n = 0;

	for (;;) {
		size_t len = strcspn(text, seps);

		if (n < max && len < WORD_SIZE) {
			memcpy(buf[n], text, len);
			buf[n++][len] = '\0';
		}
		if (!text[len])
			return n;
		text += len + 1;
	}
}

const char *words_nearest(const char *words, const char *text, char *buf, size_t size)
{
	char copies[WORDS_MAX][WORD_SIZE];
	const char *list[WORDS_MAX];
	size_t n = split(words, " ", copies, WORDS_MAX);

	for (size_t i = 0; i < n; i++)
		list[i] = copies[i];
	str_copy(buf, size, str_nearest(text, list, n));
	return buf;
}

static int store_choice(const char *said, unsigned *place, const char *words, const char *text,
			struct err *err)
{
	char copies[WORDS_MAX][WORD_SIZE], near[WORD_SIZE];
	size_t n = split(words, " ", copies, WORDS_MAX);

	for (size_t i = 0; i < n; i++) {
		if (str_eq(copies[i], text)) {
			*place = (unsigned)i;
			return 0;
		}
	}
	fail(err, ERR_usage, "%s takes one of: %s; not \"%s\"", said, words, text);
	if (*words_nearest(words, text, near, sizeof(near)))
		err_fix(err, "did you mean %s %s?", said, near);
	return -err->code;
}

static int store_name(const char *said, const char **place, const char *text, struct err *err)
{
	if (!name_ok(text)) {
		fail(err, ERR_usage, "%s: \"%.80s\" is not a name", said, text);
		return err_fix(err,
			       "letters, digits, _ . and -, at most %d, a letter or digit first",
			       NAME_MAX_LEN);
	}
	*place = text;
	return 0;
}

static int store_list(const char *said, struct msg_strs *place, uint64_t max, const char *text,
		      struct err *err)
{
	const char **v = mem_grow(mem_take(place->v), place->n + max, sizeof(*v));

	place->v = v;
	while (*text) {
		size_t len = strcspn(text, ",");
		auto_free char *word = str_new("%.*s", (int)len, text);

		if (!name_ok(word))
			return fail(err, ERR_usage, "%s: \"%s\" is not a name", said, word);
		if (place->n == max)
			return fail(err, ERR_usage, "%s takes at most %d names", said, (int)max);
		v[place->n++] = mem_take(word);
		text += len + (text[len] == ',');
	}
	return 0;
}

static int store_repeat(const char *said, struct msg_strs *place, uint64_t max, const char *text,
			struct err *err)
{
	const char **v = mem_grow(mem_take(place->v), place->n + 1, sizeof(*v));

	place->v = v;
	if (place->n == max)
		return fail(err, ERR_usage, "%s is given more than %d times", said, (int)max);
	v[place->n++] = str_dup(text);
	return 0;
}

static int store_text(const char *said, const char **place, uint64_t max, const char *text,
		      struct err *err)
{
	if (strlen(text) > max)
		return fail(err, ERR_usage, "%s is longer than %d bytes", said, (int)max);
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return fail(err, ERR_usage, "%s holds a control character", said);
	}
	*place = text;
	return 0;
}

static int store_number(const char *said, uint64_t *place, uint64_t max, const char *text,
			struct err *err)
{
	if (!str_u64(text, 1, max, place))
		return fail(err, ERR_usage, "%s takes a number from 1 to %d, not \"%.40s\"", said,
			    (int)max, text);
	return 0;
}

static int store_duration(const char *said, uint64_t *place, const char *text, struct err *err)
{
	if (!str_duration(text, place) || *place == 0) {
		fail(err, ERR_usage, "%s takes a time, not \"%.40s\"", said, text);
		return err_fix(err, "write it with its unit: 250ms, 10s, 15m, 1h");
	}
	return 0;
}

/* The next moment at which a clock on the wall shows this. */
static int store_time(const char *said, uint64_t *place, const char *text, struct err *err)
{
	time_t now = time(NULL), at;
	struct tm tm, today;
	const char *end;
	uint64_t ms;

	if (*text == '+' && str_duration(text + 1, &ms)) {
		*place = (uint64_t)now * 1000 + ms;
		return 0;
	}
	localtime_r(&now, &today);
	today.tm_sec = 0;
	today.tm_isdst = -1;
	tm = today;
	end = strptime(text, "%Y-%m-%d %H:%M", &tm);
	if (!end || *end) {
		tm = today; /* what did not fit has left traces */
		end = strptime(text, "%H:%M", &tm);
	}
	if (!end || *end) {
		fail(err, ERR_usage, "%s takes a time, not \"%.40s\"", said, text);
		return err_fix(err, "write 22:30, '2026-11-30 02:00' or +2h");
	}
	at = mktime(&tm);
	if (at <= now && !strchr(text, '-')) { /* tomorrow; a day may have 23 or 25 hours */
		tm.tm_mday++;
		tm.tm_isdst = -1;
		at = mktime(&tm);
	}
	if (at <= now)
		return fail(err, ERR_usage, "%s: %s is past", said, text);
	*place = (uint64_t)at * 1000;
	return 0;
}

int value_store(struct invocation *in, const char *said, enum value_kind kind, size_t place,
		const char *words, uint64_t max, const char *text, struct err *err)
{
	void *at = (char *)in + place;

	switch (kind) {
	case VALUE_flag:
		*(bool *)at = true;
		return 0;
	case VALUE_constant:
		*(unsigned *)at = (unsigned)max;
		return 0;
	case VALUE_choice:
		return store_choice(said, at, words, text, err);
	case VALUE_name:
	case VALUE_container:
	case VALUE_host:
	case VALUE_job:
		return store_name(said, at, text, err);
	case VALUE_text:
	case VALUE_file:
		return store_text(said, at, max ? max : 4095, text, err);
	case VALUE_list:
	case VALUE_hosts:
		return store_list(said, at, max, text, err);
	case VALUE_repeat:
		return store_repeat(said, at, max, text, err);
	case VALUE_number:
		return store_number(said, at, max, text, err);
	case VALUE_period:
		if (text)
			return store_number(said, at, max, text, err);
		*(uint64_t *)at = WATCH_EVENTS;
		return 0;
	case VALUE_duration:
		return store_duration(said, at, text, err);
	case VALUE_time:
		return store_time(said, at, text, err);
	}
	return 0;
}
