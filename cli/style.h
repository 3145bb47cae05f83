/* SPDX-License-Identifier: MPL-2.0
 *
 * What the place that is printed to can show: colours, UTF-8, width. Every printing function takes
 * a style, so that tests can ask for any of them. */
#ifndef DROVER_CLI_STYLE_H
#define DROVER_CLI_STYLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct style {
	bool tty;       /* a person watches: bars, lines drawn in place */
	bool color;     /* escape sequences are understood and wanted */
	bool utf8;      /* symbols outside ASCII may be printed */
	unsigned width; /* columns; 0 = no limit */
};

enum color_when { COLOR_auto, COLOR_always, COLOR_never };

/* Looks at the stream, the locale, TERM and NO_COLOR (https://no-color.org). */
struct style style_of(FILE *stream, enum color_when when);

enum tone { TONE_plain, TONE_good, TONE_warn, TONE_bad, TONE_live, TONE_dim, TONE_bold };

/* Escape sequence that starts a tone, and the one that ends it; "" without colours. */
const char *style_tone(const struct style *style, enum tone tone);
const char *style_end(const struct style *style);

/* Symbols with their ASCII form. */
enum sign { SIGN_arrow, SIGN_dot, SIGN_yes, SIGN_no, SIGN_warn, SIGN_ellipsis, SIGN_COUNT };
const char *style_sign(const struct style *style, enum sign sign);

/* A bar of exactly `cells` columns with `share` (0..1, clamped) of it filled, in buf[size]; size
 * BAR_SIZE(cells) holds any. The tones of both parts are put in when `paint` and colours are on. */
#define BAR_SIZE(cells) ((cells)*3 + 64)
void style_bar(const struct style *style, char *buf, size_t size, unsigned cells, double share,
	       bool paint);

/* The columns that text takes on a terminal: escape sequences take none, wide characters two. */
size_t style_columns(const char *text);

/* Texts come from logs and containers: what a terminal would obey is replaced by "?", but for
 * newlines and tabs. In place; and printed, NULL as nothing. */
void style_clean(char *text);
void style_put(FILE *out, const char *text);

/* Cuts text in place to at most `columns` columns, with an ellipsis where something was lost. */
void style_cut(const struct style *style, char *text, size_t columns);

#endif
