/* SPDX-License-Identifier: MPL-2.0
 *
 * What a target's own policy (worker.allow_…, decision 0005) says to what the container asks of its
 * host, as far as it can be told from here: by the texts. The target follows symlinks, knows its
 * device nodes and looks at the configuration itself; its word is the last one. A path that leads
 * into an allowed directory only by a symlink has to be listed as it is written, too. */
#include "coordinator/judge.h"

#include "base/demand_forms.h"
#include "base/mem.h"

#include <string.h>

#define LIST_MAX 32 /* of CAPS: a list that is full may be cut */

enum form {
#define X(kind, text) FORM_##kind,
	DEMAND_FORMS(X)
#undef X
		FORM_COUNT
};

/* The longest one that fits. */
static enum form form_of(const char *text)
{
	static const char *const forms[] = {
#define X(kind, text) text,
		DEMAND_FORMS(X)
#undef X
	};
	enum form best = FORM_privilege;

	for (size_t i = 0; i < FORM_COUNT; i++)
		if (strlen(forms[i]) > strlen(forms[best]) && str_starts(text, forms[i]))
			best = (enum form)i;
	return best;
}

/* /var/run is a link to /run everywhere. */
static const char *plain(const char *path)
{
	return str_starts(path, "/var/run/") ? path + 4 : path;
}

static bool is_below(const char *path, size_t path_len, const char *top)
{
	size_t len = strlen(top);

	while (len > 1 && top[len - 1] == '/')
		len--;
	return path_len >= len && !strncmp(path, top, len) &&
	       (path_len == len || path[len] == '/' || len == 1);
}

static bool listed(const struct msg_strs *list, const char *path, size_t len)
{
	const char *same = plain(path);

	for (size_t i = 0; i < list->n; i++)
		if (is_below(same, len - (size_t)(same - path), plain(list->v[i])))
			return true;
	return list->n >= LIST_MAX;
}

static void refuse_demand(const struct judge *j, const char *form, const char *text,
			  const char *option)
{
	refuse(j, target_policy, "%s%.300s: not allowed on %s%s%s", form, text, j->target->id,
	       *option ? ", see worker." : "", option);
}

static void check_paths(const struct judge *j)
{
	const struct msg_container *ct = j->ct;

	for (size_t i = 0; i < ct->mounts.n; i++) {
		const char *source = given(ct->mounts.v[i].source);

		if (!listed(&j->to->allow_binds, source, strlen(source)))
			refuse_demand(j, "bind mount of ", source, "allow_binds");
	}
	for (size_t i = 0; i < ct->devices.n; i++) {
		const char *path = given(ct->devices.v[i].path);

		if (!listed(&j->to->allow_devices, path, strlen(path)))
			refuse_demand(j, "device ", path, "allow_devices");
	}
}

/* The lower directories "a:b:c" of its overlay. */
static void check_lowers(const struct judge *j)
{
	const char *at = given(j->ct->image);
	char one[256];

	if (*at != '/')
		return; /* an image's id */
	while (*at) {
		size_t len = strcspn(at, ":");

		if (len && !listed(&j->to->allow_lower, at, len)) {
			str_fmt(one, sizeof(one), "%.*s", (int)len, at);
			refuse_demand(j, "image directory ", one, "allow_lower");
			return;
		}
		at += len + (at[len] == ':');
	}
}

/* A rule names numbers: only the target knows whether they are those of a node that it lists. */
static void check_security(const struct judge *j, const char *text)
{
	switch (form_of(text)) {
	case FORM_device_rule:
		if (!j->to->allow_devices.n)
			refuse_demand(j, "", text, "allow_devices");
		break;
	case FORM_privilege:
		if (!str_eq(j->to->allow_privileged, "yes"))
			refuse_demand(j, "", text, "allow_privileged");
		break;
	case FORM_root:
	case FORM_join:
		refuse_demand(j, "", text, "");
		break;
	default:
		break;
	}
}

void check_policy(const struct judge *j)
{
	if (!given(j->to->allow_privileged)[0])
		return; /* an older worker does not tell */
	check_paths(j);
	check_lowers(j);
	for (size_t i = 0; i < j->ct->security.n; i++)
		check_security(j, j->ct->security.v[i]);
	if (j->ct->hooks && !j->to->allow_hooks)
		refuse_demand(j, "OCI hook that it has", "", "allow_hooks");
	if (j->ct->criu_config && !j->to->allow_criu_config)
		refuse_demand(j, "annotation org.criu.config that it has", "", "allow_criu_config");
}
