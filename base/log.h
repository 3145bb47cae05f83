/* SPDX-License-Identifier: MPL-2.0
 *
 * logfmt lines on stderr with the journald "<N>" priority prefix (sd-daemon(3)). Libraries return
 * errors and log at debug only; the caller that handles an error logs it once. A line about a
 * migration carries migration=, step= and node= keys. */
#ifndef DROVER_BASE_LOG_H
#define DROVER_BASE_LOG_H

enum log_level { LOG_LEVEL_ERR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Program name that starts each line, and the least important level that is printed. */
void log_init(const char *program, enum log_level level);
int log_level_parse(const char *s); /* err warn info debug → level, or -1 */

/* The message is the msg= value (quoted, escaped); the format may itself carry key=value pairs
 * after a tab: log_info("migration starts\tmigration=%s step=%s node=%s", …). */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...) log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* An error and, where it has one, its fix; `before` is put in front of its text ("" for nothing).
 */
struct err;
void log_error(enum log_level level, const char *before, const struct err *err);

/* True at most `burst` times in each `period_ms`, for lines that a peer can trigger. Keep one
 * struct per call site. */
struct log_limit {
	unsigned long long window_ms;
	unsigned used;
};
int log_allowed(struct log_limit *limit, unsigned burst, unsigned period_ms);

#endif
