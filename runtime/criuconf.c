/* SPDX-License-Identifier: MPL-2.0
 *
 * Which line belongs in which file is one table. CRIU below 4.2 crashes on network-lock in a
 * runtime's own file and takes it in default.conf; from 4.2 on the runtime's file is the narrower
 * place. */
#include "runtime/criuconf.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define MARKER "# Written by drover: changes are overwritten.\n"
#define CONF_MAX 65536
#define LOCK_IN_RUNTIME_FILE 40200

struct conf_file {
	const char *name;
	bool hook;
	bool lock;
};

static const char *blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* The word at *p, quotes taken off, *p moved past it. */
static bool word_is(const char **p, const char *word)
{
	const char *start = *p;
	size_t n;

	if (*start == '"' || *start == '\'') {
		const char *end = strchr(start + 1, *start);

		if (!end)
			return false;
		n = (size_t)(end - start - 1);
		start++;
		*p = end + 1;
	} else {
		n = strcspn(start, " \t\n#");
		*p = start + n;
	}
	return strlen(word) == n && strncmp(start, word, n) == 0;
}

bool criuconf_has(const char *text, const char *option, const char *argument)
{
	for (const char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		const char *at = blanks(p);

		if (*at == '#' || *at == '\n' || !word_is(&at, option))
			continue;
		at = blanks(at);
		if (word_is(&at, argument))
			return true;
	}
	return false;
}

static char *wanted_text(const struct criuconf *conf, const struct conf_file *file)
{
	return str_new("%s%s%s%s%s", MARKER, file->hook ? "action-script " : "",
		       file->hook ? conf->hook : "", file->hook ? "\n" : "",
		       file->lock ? "network-lock skip\n" : "");
}

static int foreign(const char *path, const char *text, const struct criuconf *conf,
		   const struct conf_file *file, struct err *err)
{
	if (file->hook && !criuconf_has(text, "action-script", conf->hook)) {
		fail(err, ERR_config, "%s is not drover's and lacks drover's restore hook", path);
		return err_fix(err, "add the line: action-script %s", conf->hook);
	}
	if (file->lock && !criuconf_has(text, "network-lock", "skip")) {
		fail(err, ERR_config, "%s is not drover's and leaves CRIU's network lock on", path);
		return err_fix(err, "add the line: network-lock skip");
	}
	return 0;
}

static int ensure_file(const struct criuconf *conf, const struct conf_file *file, struct err *err)
{
	auto_free char *path = str_new("%s/%s", conf->dir, file->name);
	auto_free char *wanted = wanted_text(conf, file), *text = NULL;
	int rc = file_read(path, CONF_MAX, &text, NULL, err);

	if (rc < 0 && rc != -ERR_nosuch)
		return rc;
	if (rc == 0 && !str_starts(text, MARKER))
		return foreign(path, text, conf, file, err);
	if (rc == 0 && str_eq(text, wanted))
		return 0;
	return file_write_atomic(path, wanted, strlen(wanted), 0644, err);
}

int criuconf_ensure(const struct criuconf *conf, struct err *err)
{
	bool own = conf->criu_version >= LOCK_IN_RUNTIME_FILE;
	const struct conf_file files[] = {
		{"runc.conf", true, own},
		{"crun.conf", true, own},
		{"default.conf", false, !own},
	};
	struct err first = {0};
	int rc;

	if (!path_ok(conf->dir) || !path_ok(conf->hook) || strpbrk(conf->hook, " \t#\"'"))
		return fail(err, ERR_invalid, "not a hook path: %.100s", conf->hook);
	if ((rc = file_mkdirs(conf->dir, 0755, err)) < 0)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct err one = {0};

		if (!files[i].hook && !files[i].lock)
			continue;
		if (ensure_file(conf, &files[i], &one) < 0 && !first.code)
			first = one;
	}
	if (first.code && err)
		*err = first;
	return -first.code;
}
