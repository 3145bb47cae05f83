/* SPDX-License-Identifier: MPL-2.0
 *
 * Reading of the manifest, in place: strings are decoded where they stand. Its bytes have passed
 * the seal, but they came from another host: every field is checked. */
#include "transfer/manifest.h"

#include "base/mem.h"
#include "base/str.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define ROOTS_MAX 64
#define ROOM(list, n) \
	do { \
		if (((n) & ((n)-1)) == 0) \
			(list) = mem_grow((list), (n) ? 2 * (n) : 1, sizeof(*(list))); \
	} while (0)

struct cursor {
	char *rest; /* of the line, NULL at its end */
	unsigned line;
};

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes in place; -1 when malformed, else the length. A NUL follows. */
static long decode(char *text)
{
	char *out = text;

	for (const char *p = text; *p; p++) {
		int hi, lo;

		if (*p != '%') {
			*out++ = *p;
			continue;
		}
		hi = hex_digit(p[1]);
		lo = hi < 0 ? -1 : hex_digit(p[2]);
		if (lo < 0)
			return -1;
		*out++ = (char)(hi << 4 | lo);
		p += 2;
	}
	*out = '\0';
	return out - text;
}

static bool take_text(struct cursor *c, const char **ret)
{
	char *token = strsep(&c->rest, " ");
	long len = token ? decode(token) : -1;

	*ret = token;
	return len >= 0 && strlen(token) == (size_t)len;
}

static bool take_u64(struct cursor *c, uint64_t max, uint64_t *ret)
{
	char *token = strsep(&c->rest, " ");

	return token && str_u64(token, 0, max, ret);
}

static bool take_u32(struct cursor *c, uint32_t *ret)
{
	uint64_t n;

	if (!take_u64(c, UINT32_MAX, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool take_mode(struct cursor *c, uint32_t *ret)
{
	char *token = strsep(&c->rest, " ");

	*ret = 0;
	if (!token || !*token || strlen(token) > 4)
		return false;
	for (; *token >= '0' && *token <= '7'; token++)
		*ret = *ret << 3 | (uint32_t)(*token - '0');
	return !*token;
}

static bool take_seconds(struct cursor *c, int64_t *ret)
{
	char *token = strsep(&c->rest, " ");
	bool negative = token && *token == '-';
	uint64_t n;

	if (!token || !str_u64(token + negative, 0, INT64_MAX, &n))
		return false;
	*ret = negative ? -(int64_t)n : (int64_t)n;
	return true;
}

static bool take_digest(struct cursor *c, struct digest *ret)
{
	char *token = strsep(&c->rest, " ");

	return token && digest_parse(token, ret);
}

static bool relative_ok(const char *path)
{
	if (str_eq(path, "."))
		return true;
	if (!*path || strlen(path) >= PATH_MAX)
		return false;
	for (const char *p = path; p;) {
		const char *end = strchr(p, '/');
		size_t len = end ? (size_t)(end - p) : strlen(p);

		if (!len || len > NAME_MAX || (len == 1 && *p == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p = end ? end + 1 : NULL;
	}
	return true;
}

bool manifest_image_name_ok(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				"0123456789._-");

	return n && n <= 128 && !name[n] && !strchr("._-", name[0]);
}

static bool parse_image(struct manifest *m, struct cursor *c)
{
	struct manifest_image image = {0};

	if (!take_u32(c, &image.id) || !take_u64(c, INT64_MAX, &image.size) ||
	    !take_digest(c, &image.digest) || !take_text(c, &image.name) ||
	    !manifest_image_name_ok(image.name))
		return false;
	ROOM(m->images, m->n_images);
	m->images[m->n_images++] = image;
	return true;
}

static bool parse_root(struct manifest *m, struct cursor *c)
{
	struct manifest_pair root = {0};

	if (!take_u32(c, &root.root) || root.root != m->n_roots || root.root >= ROOTS_MAX ||
	    !take_text(c, &root.name) || !name_ok(root.name))
		return false;
	ROOM(m->roots, m->n_roots);
	m->roots[m->n_roots++] = root;
	return true;
}

static bool parse_skip(struct manifest *m, struct cursor *c)
{
	struct manifest_pair skip = {0};

	if (!take_u32(c, &skip.root) || skip.root >= m->n_roots || !take_text(c, &skip.name) ||
	    !relative_ok(skip.name))
		return false;
	ROOM(m->skips, m->n_skips);
	m->skips[m->n_skips++] = skip;
	return true;
}

static bool parse_meta(struct manifest *m, struct cursor *c)
{
	struct manifest_pair meta = {0};

	if (!take_text(c, &meta.name) || !name_ok(meta.name) || !take_text(c, &meta.value) ||
	    strpbrk(meta.value, "\n"))
		return false;
	ROOM(m->metas, m->n_metas);
	m->metas[m->n_metas++] = meta;
	return true;
}

/* The rest of the line: name=value… */
static bool parse_xattrs(struct manifest *m, struct cursor *c, struct manifest_entry *e)
{
	while (c->rest) {
		char *name = strsep(&c->rest, " "), *value = strchr(name, '=');
		long len;

		if (!value)
			return false;
		*value++ = '\0';
		len = decode(value);
		if (len < 0 || decode(name) <= 0 || strlen(name) > NAME_MAX)
			return false;
		ROOM(m->xattrs, m->n_xattrs);
		m->xattrs[m->n_xattrs++] = (struct manifest_xattr){name, value, (size_t)len};
		e->n_xattrs++;
	}
	return true;
}

static bool parse_entry(struct manifest *m, struct cursor *c, char type)
{
	struct manifest_entry e = {.type = type};
	bool ok = take_u32(c, &e.root) && e.root < m->n_roots && take_mode(c, &e.mode) &&
		  take_u32(c, &e.uid) && take_u32(c, &e.gid) && take_seconds(c, &e.mtime_s) &&
		  take_u32(c, &e.mtime_ns) && e.mtime_ns < 1000000000 && take_text(c, &e.path) &&
		  relative_ok(e.path) && (type == 'd' || !str_eq(e.path, "."));

	if (ok && type == 'f')
		ok = take_u32(c, &e.id) && take_u64(c, INT64_MAX, &e.size) &&
		     take_digest(c, &e.digest);
	else if (ok && (type == 'l' || type == 'h'))
		ok = take_text(c, &e.link) && (type == 'l' ? *e.link : relative_ok(e.link));
	else if (ok && type != 'd')
		ok = take_u32(c, &e.major) && take_u32(c, &e.minor);
	if (!ok || !parse_xattrs(m, c, &e))
		return false;
	ROOM(m->entries, m->n_entries);
	m->entries[m->n_entries++] = e;
	return true;
}

static bool parse_line(struct manifest *m, char *line, unsigned number)
{
	struct cursor c = {.rest = line};
	const char *word = strsep(&c.rest, " ");

	if (number == 1)
		return str_eq(word, "drover-manifest") && c.rest && str_eq(c.rest, "1");
	if (number == 2)
		return str_eq(word, "migration") && take_text(&c, &m->migration) &&
		       name_ok(m->migration);
	if (number == 3)
		return str_eq(word, "epoch") && take_u64(&c, UINT64_MAX, &m->epoch);
	if (strlen(word) == 1)
		return strchr("dflcbph", *word) && parse_entry(m, &c, *word);
	if (str_eq(word, "meta"))
		return parse_meta(m, &c);
	if (str_eq(word, "image"))
		return parse_image(m, &c);
	if (str_eq(word, "root"))
		return parse_root(m, &c);
	return str_eq(word, "skip") && parse_skip(m, &c);
}

/* The list of xattrs moves while it grows: entries get their part of it at the end. */
static void place_xattrs(struct manifest *m)
{
	const struct manifest_xattr *at = m->xattrs;

	for (size_t i = 0; i < m->n_entries; i++) {
		if (!m->entries[i].n_xattrs)
			continue;
		m->entries[i].xattrs = at;
		at += m->entries[i].n_xattrs;
	}
}

int manifest_parse(char *text, size_t len, struct manifest *ret, struct err *err)
{
	char *rest = text, *line;
	unsigned number = 0;

	*ret = (struct manifest){.text = text};
	if (len > MANIFEST_SIZE_MAX || strlen(text) != len || !len || text[len - 1] != '\n') {
		manifest_done(ret);
		return fail(err, ERR_corrupt, "the manifest is cut short or too long");
	}
	text[len - 1] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (!parse_line(ret, line, ++number)) {
			manifest_done(ret);
			return fail(err, ERR_corrupt, "manifest line %u is malformed", number);
		}
	if (number < 3) {
		manifest_done(ret);
		return fail(err, ERR_corrupt, "the manifest has no head");
	}
	place_xattrs(ret);
	return 0;
}

void manifest_done(struct manifest *m)
{
	free(m->metas);
	free(m->roots);
	free(m->skips);
	free(m->images);
	free(m->entries);
	free(m->xattrs);
	free(m->text);
	*m = (struct manifest){0};
}
