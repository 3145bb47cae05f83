/* SPDX-License-Identifier: MPL-2.0
 *
 * What worker.allow_… says to a demand. Names are judged by what they lead to: symlinks first. */
#include "base/demand_forms.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/demands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

bool demand_device_standard(char kind, int major, int minor)
{
	static const struct {
		int major, minor;
	} rows[] = {
		{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, /* null zero full random urandom */
		{5, 0}, {5, 1}, {5, 2},                 /* tty console ptmx */
	};

	if (kind != 'c')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].major == major && rows[i].minor == minor)
			return true;
	return major >= 136 && major <= 143; /* pseudo-terminals (devices.txt) */
}

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	while (len > 1 && top[len - 1] == '/')
		len--;
	return strncmp(path, top, len) == 0 && (!path[len] || path[len] == '/' || len == 1);
}

static bool listed(const struct options *options, enum option_id option, const char *path)
{
	char item[PATH_MAX];

	for (size_t i = 0; options_list_get(options, option, i, item, sizeof(item)); i++)
		if (path_ok(item) && is_below(path, item))
			return true;
	return false;
}

/* Where path leads, as far as it is there. False when it cannot be followed. */
static bool follow(const char *path, char ret[PATH_MAX])
{
	char there[PATH_MAX];
	char *slash;

	if (!path_ok(path) || !str_copy(there, sizeof(there), path))
		return false;
	while (!realpath(there, ret)) {
		if (errno != ENOENT || !(slash = strrchr(there, '/')) || slash == there)
			return errno == ENOENT && str_copy(ret, PATH_MAX, path);
		*slash = '\0';
	}
	return str_fmt(there, sizeof(there), "%s%s", str_eq(ret, "/") ? "" : ret,
		       path + strlen(there)) &&
	       str_copy(ret, PATH_MAX, there);
}

static bool bind_allowed(const struct demand *d, const struct options *options, const char *bundle)
{
	char real[PATH_MAX], own[PATH_MAX];

	if (!follow(d->text, real))
		return false;
	if (listed(options, OPT_worker_allow_binds, real))
		return true;
	/* Its own files only, and only where the bundle itself leads nowhere else. */
	return follow(bundle, own) && is_below(real, own) && !str_eq(real, own);
}

static bool is_host_node(const struct demand *d, const char *path)
{
	char real[PATH_MAX];
	struct stat st;

	if (!follow(path, real) || stat(real, &st) < 0)
		return false;
	return (S_ISCHR(st.st_mode)   ? 'c'
		: S_ISBLK(st.st_mode) ? 'b'
				      : '?') == d->dev_kind &&
	       (int)major(st.st_rdev) == d->major && (int)minor(st.st_rdev) == d->minor;
}

/* A node must be listed by the path that it has on this host, with the numbers that it has here.
 * Without numbers (a check asked by an older coordinator) only its path is judged. */
static bool device_allowed(const struct demand *d, const struct options *options)
{
	struct stat st;

	if (!listed(options, OPT_worker_allow_devices, d->text))
		return false;
	return stat(d->text, &st) < 0 || is_host_node(d, d->text);
}

/* A rule is for one node that is listed; all of a kind only where /dev itself is. */
static bool rule_allowed(const struct demand *d, const struct options *options)
{
	char item[PATH_MAX];

	for (size_t i = 0;
	     options_list_get(options, OPT_worker_allow_devices, i, item, sizeof(item)); i++)
		if (str_eq(item, "/dev") || is_host_node(d, item))
			return true;
	return false;
}

/* /var/run is a link to /run. */
static bool same_netns(const char *a, const char *b)
{
	a += str_starts(a, "/var/run/") ? 4 : 0;
	b += str_starts(b, "/var/run/") ? 4 : 0;
	return *b && str_eq(a, b);
}

enum demand_answer demand_judge(const struct demand *d, const struct options *options,
				const char *bundle, const char *netns, const char **ret_option)
{
	bool yes = false;

	*ret_option = "";
	switch (d->kind) {
	case DEMAND_bind:
		*ret_option = "worker.allow_binds";
		yes = bind_allowed(d, options, bundle);
		break;
	case DEMAND_device:
		*ret_option = "worker.allow_devices";
		yes = device_allowed(d, options);
		break;
	case DEMAND_device_rule:
		*ret_option = "worker.allow_devices";
		yes = rule_allowed(d, options);
		break;
	case DEMAND_privilege:
		*ret_option = "worker.allow_privileged";
		yes = options_flag(options, OPT_worker_allow_privileged);
		break;
	case DEMAND_hook:
		*ret_option = "worker.allow_hooks";
		yes = options_flag(options, OPT_worker_allow_hooks);
		break;
	case DEMAND_criu:
		*ret_option = "worker.allow_criu_config";
		yes = options_flag(options, OPT_worker_allow_criu_config);
		break;
	case DEMAND_netns:
		yes = same_netns(d->text, netns);
		break;
	case DEMAND_root:
	case DEMAND_join:
		break;
	case DEMAND_notice:
		return DEMAND_warned;
	}
	return yes ? DEMAND_allowed : DEMAND_refused;
}

static const char *const forms[] = {
#define X(kind, text) [DEMAND_##kind] = text,
	DEMAND_FORMS(X)
#undef X
};

const char *demand_text(const struct demand *d, char *buf, size_t size)
{
	if (d->kind == DEMAND_device && d->major != DEMAND_ANY)
		snprintf(buf, size, "device %s (%c %d:%d)", d->text, d->dev_kind, d->major,
			 d->minor);
	else
		snprintf(buf, size, "%s%s", forms[d->kind], d->text);
	return buf;
}

static int rule_number(const char *text)
{
	uint64_t n;

	return str_u64(text, 0, INT_MAX, &n) ? (int)n : DEMAND_ANY;
}

static void parse_rule(struct demand *d)
{
	char a[16] = "", b[16] = "";

	d->dev_kind = 'a';
	sscanf(d->text, "%c %15[^:]:%15s", &d->dev_kind, a, b);
	d->major = rule_number(a);
	d->minor = rule_number(b);
}

/* The longest form that fits: "device rule " is more than "device ". */
void demand_parse(const char *text, struct demand *ret)
{
	size_t best = 0;

	*ret = (struct demand){.kind = DEMAND_privilege, .major = DEMAND_ANY, .minor = DEMAND_ANY};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (strlen(forms[i]) > best && str_starts(text, forms[i])) {
			best = strlen(forms[i]);
			ret->kind = (enum demand_kind)i;
		}
	str_copy(ret->text, sizeof(ret->text), text + best);
	if (ret->kind == DEMAND_device_rule)
		parse_rule(ret);
}

bool demand_lowers_allowed(const char *lowers, const struct options *options, char *ret,
			   size_t size)
{
	auto_free char *list = str_dup(lowers);
	char images[PATH_MAX], real[PATH_MAX], *rest = list, *one;

	str_fmt(images, sizeof(images), "%s/images", options_str(options, OPT_worker_storage));
	while ((one = strsep(&rest, ":"))) {
		bool yes = false;

		str_copy(ret, size, one);
		if (!follow(one, real))
			return false;
		if (options_list_len(options, OPT_worker_allow_lower))
			yes = listed(options, OPT_worker_allow_lower, real);
		else
			yes = is_below(real, images);
		if (!yes)
			return false;
	}
	return true;
}
