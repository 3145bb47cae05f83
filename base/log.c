/* SPDX-License-Identifier: MPL-2.0
 *
 * Formats one line and writes it with one write(2), so that lines of several processes do not mix.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *program_name = "drover";
static enum log_level least = LOG_LEVEL_INFO;

void log_init(const char *program, enum log_level level)
{
	program_name = program;
	least = level;
}

int log_level_parse(const char *s)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {{"err", LOG_LEVEL_ERR},
		     {"warn", LOG_LEVEL_WARN},
		     {"info", LOG_LEVEL_INFO},
		     {"debug", LOG_LEVEL_DEBUG}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(s, names[i].name))
			return (int)names[i].level;
	return -1;
}

static size_t put_quoted(char *out, size_t size, const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 3 < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			out[n++] = '\\';
		out[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
	}
	out[n] = '\0';
	return n;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[2048], quoted[2560], line[6000], stamp[32];
	const char *pairs;
	uint64_t ms = clock_wall_ms();
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	va_list args;
	int n;

	if (level > least)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	pairs = strchr(text, '\t');
	put_quoted(quoted, sizeof(quoted), text, pairs ? (size_t)(pairs - text) : strlen(text));
	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line, sizeof(line), "<%d>time=%s.%03uZ program=%s msg=\"%s\"%s%s\n", level,
		     stamp, (unsigned)(ms % 1000), program_name, quoted, pairs ? " " : "",
		     pairs ? pairs + 1 : "");
	for (char *p = line; *p && p < line + n - 1; p++)
		if (*p == '\n')
			*p = ' ';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nowhere left to say it */
}

void log_error(enum log_level level, const char *before, const struct err *err)
{
	if (*err->fix)
		log_line(level, "%s%s\tfix=\"%s\"", before, err->text, err->fix);
	else
		log_line(level, "%s%s", before, err->text);
}

int log_allowed(struct log_limit *limit, unsigned burst, unsigned period_ms)
{
	uint64_t now = clock_mono_ms();

	if (now - limit->window_ms >= period_ms) {
		limit->window_ms = now;
		limit->used = 0;
	}
	return limit->used++ < burst;
}
