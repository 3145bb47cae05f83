/* SPDX-License-Identifier: MPL-2.0
 *
 * Policy on a received config.json: hooks and org.criu.config run or read what they name, as root,
 * on this host. */
#include "transfer/verify.h"

#include "base/mem.h"
#include "base/str.h"
#include "transfer/receiver.h"
#include "transfer/unpack.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#define CONFIG_MAX (4 * 1024 * 1024)

static int look(const json_t *config, struct err *err)
{
	const json_t *hooks = json_object_get(config, "hooks");
	const json_t *annotations = json_object_get(config, "annotations");
	int r = 0;

	if (!json_is_object(config))
		return fail(err, ERR_refused, "config.json is no JSON object");
	if (json_object_get(annotations, "org.criu.config"))
		r = fail(err, ERR_refused, "config.json carries the annotation org.criu.config");
	else if (hooks && !json_is_null(hooks) &&
		 !(json_is_object(hooks) && !json_object_size(hooks)))
		r = fail(err, ERR_refused, "config.json carries hooks");
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
