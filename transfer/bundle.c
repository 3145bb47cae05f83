/* SPDX-License-Identifier: MPL-2.0
 *
 * Policy on a received config.json: hooks and org.criu.config run or read what they name, as root,
 * on this host. Runtimes in Go find members without regard to case, and fold U+017F and U+212A to s
 * and k (encoding/json): what is not plain ASCII is refused, the rest is compared without case. */
#include "transfer/verify.h"

#include "base/mem.h"
#include "base/str.h"
#include "transfer/receiver.h"
#include "transfer/unpack.h"

#include <fcntl.h>
#include <jansson.h>
#include <strings.h>
#include <unistd.h>

#define CONFIG_MAX (4 * 1024 * 1024)

static int look_member(const char *key, const json_t *value, struct err *err)
{
	for (const char *p = key; *p; p++)
		if ((unsigned char)*p >= 0x80)
			return fail(err, ERR_refused, "config.json has a member with an odd name");
	if (strcasecmp(key, "annotations") == 0 && json_object_get(value, "org.criu.config"))
		return fail(err, ERR_refused, "config.json carries the annotation org.criu.config");
	if (strcasecmp(key, "hooks") == 0 && !json_is_null(value) &&
	    !(json_is_object(value) && !json_object_size(value)))
		return fail(err, ERR_refused, "config.json carries hooks");
	return 0;
}

static int look(json_t *config, struct err *err)
{
	const char *key;
	json_t *value;
	int r = json_is_object(config) ? 0
				       : fail(err, ERR_refused, "config.json is no JSON object");

	json_object_foreach(config, key, value)
	{
		if (!r)
			r = look_member(key, value, err);
	}
	if (r)
		err_fix(err, "remove it from the bundle, or allow it on this host");
	return r;
}

static int look_file(int dirfd, const struct manifest_entry *e, struct err *err)
{
	char name[RECEIVER_NAME_SIZE];
	auto_free char *text = NULL;
	auto_close int fd = -1;
	json_t *config;
	int r;

	if (e->type != 'f' || e->size > CONFIG_MAX)
		return fail(err, ERR_refused, "config.json is not a file of reasonable size");
	receiver_name(name, e->id);
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	text = mem_new(1, e->size + 1);
	if (fd < 0 || read(fd, text, e->size) != (ssize_t)e->size)
		return fail_errno(err, ERR_io, "reading config.json");
	config = json_loadb(text, e->size, JSON_REJECT_DUPLICATES, NULL);
	r = config ? look(config, err) : fail(err, ERR_refused, "config.json is no JSON");
	json_decref(config);
	return r;
}

int verify_bundle(int dirfd, const struct manifest *m, struct err *err)
{
	for (size_t i = 0; i < m->n_entries; i++) {
		const struct manifest_entry *e = &m->entries[i];

		if (str_eq(e->path, "config.json") &&
		    str_eq(m->roots[e->root].name, UNPACK_BUNDLE)) {
			int r = look_file(dirfd, e, err);

			if (r)
				return r;
		}
	}
	return 0;
}
