/* SPDX-License-Identifier: MPL-2.0
 *
 * Tones, signs and bars. ECMA-48 sequences are written literally: terminals that people use today
 * understand them, and the few that do not say TERM=dumb. */
#include "cli/style.h"

#include "base/str.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* clang-format off */
static const char *const tone_sequence[] = {
	[TONE_plain] = "",
	[TONE_good]  = "\033[32m",
	[TONE_warn]  = "\033[33m",
	[TONE_bad]   = "\033[1;31m",
	[TONE_live]  = "\033[36m",
	[TONE_dim]   = "\033[2m",
	[TONE_bold]  = "\033[1m",
};

static const struct {
	const char *utf8, *ascii;
} signs[SIGN_COUNT] = {
	[SIGN_arrow]    = { "→", "->" },
	[SIGN_dot]      = { "·", "," },
	[SIGN_yes]      = { "✓", "+" },
	[SIGN_no]       = { "✗", "x" },
	[SIGN_warn]     = { "!", "!" },
	[SIGN_ellipsis] = { "…", "~" },
};
/* clang-format on */

static unsigned terminal_width(int fd)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");

	if (!ioctl(fd, TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	return columns && atoi(columns) > 0 ? (unsigned)atoi(columns) : 80;
}

struct style style_of(FILE *stream, enum color_when when)
{
	const char *term = getenv("TERM");
	const char *no_color = getenv("NO_COLOR");
	int fd = fileno(stream);
	bool dumb = !term || str_eq(term, "dumb");
	struct style style = {.tty = fd >= 0 && isatty(fd) && !dumb};

	style.utf8 = str_eq(nl_langinfo(CODESET), "UTF-8");
	style.color = style.tty && (!no_color || !*no_color);
	if (when != COLOR_auto)
		style.color = when == COLOR_always;
	style.width = style.tty ? terminal_width(fd) : 0;
	return style;
}

const char *style_tone(const struct style *style, enum tone tone)
{
	return style->color ? tone_sequence[tone] : "";
}

const char *style_end(const struct style *style)
{
	return style->color ? "\033[0m" : "";
}

const char *style_sign(const struct style *style, enum sign sign)
{
	return style->utf8 ? signs[sign].utf8 : signs[sign].ascii;
}

static char *append(char *at, const char *end, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(end - at) <= len)
		return at;
	memcpy(at, text, len + 1);
	return at + len;
}

void style_bar(const struct style *style, char *buf, size_t size, unsigned cells, double share,
	       bool paint)
{
	const char *end = buf + size;
	double clamped = share > 1 ? 1 : share > 0 ? share : 0;
	unsigned halves = (unsigned)(clamped * cells * 2 + 0.5);
	unsigned full = halves / 2;
	bool half = style->utf8 && halves % 2;
	char *at = buf;

	*buf = '\0';
	if (paint)
		at = append(at, end, style_tone(style, TONE_live));
	for (unsigned i = 0; i < full; i++)
		at = append(at, end, style->utf8 ? "━" : "#");
	if (half)
		at = append(at, end, "╸");
	if (paint) {
		at = append(at, end, style_end(style));
		at = append(at, end, style_tone(style, TONE_dim));
	}
	for (unsigned i = full + half; i < cells; i++)
		at = append(at, end, style->utf8 ? "─" : "-");
	if (paint)
		append(at, end, style_end(style));
}

/* Steps over one character or escape sequence; *ret_columns is what it takes on the terminal. */
static const char *step(const char *at, size_t *ret_columns)
{
	mbstate_t state = {0};
	wchar_t wide;
	size_t len;
	int columns;

	*ret_columns = 0;
	if (*at == '\033' && at[1] == '[') {
		for (at += 2; *at && (*at < '@' || *at > '~'); at++)
			;
		return *at ? at + 1 : at;
	}
	len = mbrtowc(&wide, at, MB_CUR_MAX, &state);
	*ret_columns = 1;
	if (len == 0 || len == (size_t)-1 || len == (size_t)-2)
		return at + 1;
	columns = wcwidth(wide);
	*ret_columns = columns > 0 ? (size_t)columns : 0;
	return at + len;
}

size_t style_columns(const char *text)
{
	size_t total = 0, columns;

	while (*text) {
		text = step(text, &columns);
		total += columns;
	}
	return total;
}

void style_cut(const struct style *style, char *text, size_t columns)
{
	const char *sign = style_sign(style, SIGN_ellipsis);
	const char *at = text;
	char *cut = text;
	size_t total = 0, wide;

	if (columns == 0 || style_columns(text) <= columns)
		return;
	for (; *at; cut = text + (at - text)) {
		const char *next = step(at, &wide);

		if (total + wide > columns - 1)
			break;
		total += wide;
		at = next;
	}
	/* What is cut off is at least one column, so that the sign's bytes may not fit in place. */
	if (strlen(cut) >= strlen(sign) + strlen(style_end(style)))
		sprintf(cut, "%s%s", sign, style_end(style));
	else
		*cut = '\0';
}

/* C0 but for tab and newline, DEL, and C1, whose UTF-8 form is C2 80..9F (ECMA-48 5.3). */
static size_t obeyed(const char *at)
{
	unsigned char c = (unsigned char)at[0], next = (unsigned char)at[1];

	if (c == 0xc2 && next >= 0x80 && next <= 0x9f)
		return 2;
	return (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
}

void style_clean(char *text)
{
	for (size_t len; *text; text++) {
		len = obeyed(text);
		if (len)
			memset(text, '?', len);
	}
}

void style_put(FILE *out, const char *text)
{
	for (size_t len; text && *text; text += len ? len : 1) {
		len = obeyed(text);
		fputc(len ? '?' : *text, out);
	}
}
