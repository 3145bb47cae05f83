/* SPDX-License-Identifier: MPL-2.0
 *
 * Writing of the manifest. */
#include "transfer/manifest.h"

#include <string.h>

static void put_bytes(FILE *out, const void *data, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		if (p[i] > ' ' && p[i] <= '~' && p[i] != '%' && p[i] != '=') {
			putc_unlocked(p[i], out);
			continue;
		}
		putc_unlocked('%', out);
		putc_unlocked(hex[p[i] >> 4], out);
		putc_unlocked(hex[p[i] & 15], out);
	}
}

static void put_text(FILE *out, const char *text)
{
	putc_unlocked(' ', out);
	put_bytes(out, text, strlen(text));
}

static void put_digest(FILE *out, struct digest digest)
{
	char text[DIGEST_TEXT_SIZE];

	digest_text(text, digest);
	put_text(out, text);
}

void manifest_put_head(FILE *out, const char *migration, uint64_t epoch)
{
	fprintf(out, "drover-manifest 1\nmigration");
	put_text(out, migration);
	fprintf(out, "\nepoch %llu\n", (unsigned long long)epoch);
}

void manifest_put_meta(FILE *out, const char *key, const char *value)
{
	fputs("meta", out);
	put_text(out, key);
	put_text(out, value);
	putc_unlocked('\n', out);
}

void manifest_put_image(FILE *out, const struct manifest_image *image)
{
	fprintf(out, "image %u %llu", image->id, (unsigned long long)image->size);
	put_digest(out, image->digest);
	put_text(out, image->name);
	putc_unlocked('\n', out);
}

void manifest_put_root(FILE *out, uint32_t index, const char *name)
{
	fprintf(out, "root %u", index);
	put_text(out, name);
	putc_unlocked('\n', out);
}

void manifest_put_skip(FILE *out, uint32_t index, const char *path)
{
	fprintf(out, "skip %u", index);
	put_text(out, path);
	putc_unlocked('\n', out);
}

void manifest_put_entry(FILE *out, const struct manifest_entry *e)
{
	fprintf(out, "%c %u %o %u %u %lld %u", e->type, e->root, e->mode, e->uid, e->gid,
		(long long)e->mtime_s, e->mtime_ns);
	put_text(out, e->path);
	if (e->type == 'f') {
		fprintf(out, " %u %llu", e->id, (unsigned long long)e->size);
		put_digest(out, e->digest);
	} else if (e->type == 'l' || e->type == 'h') {
		put_text(out, e->link);
	} else if (e->type != 'd') {
		fprintf(out, " %u %u", e->major, e->minor);
	}
	for (size_t i = 0; i < e->n_xattrs; i++) {
		put_text(out, e->xattrs[i].name);
		putc_unlocked('=', out);
		put_bytes(out, e->xattrs[i].value, e->xattrs[i].len);
	}
	putc_unlocked('\n', out);
}
