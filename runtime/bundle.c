/* SPDX-License-Identifier: MPL-2.0
 *
 * config.json → struct bundle. Members are those of the OCI runtime-spec's config.md; what is
 * missing or has another type is left at its default. */
#include "runtime/bundle.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/json.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

#define LABEL_PREFIX "drover."

static char *dup_text(const json_t *object, const char *key)
{
	const char *s = json_text(object, key);

	return s ? str_dup(s) : NULL;
}

static void read_args(const json_t *process, struct bundle *b)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(process, "args"), i, item)
	{
		if (!json_is_string(item))
			continue;
		if (b->n_args == BUNDLE_ARGS) {
			b->cut = true;
			return;
		}
		b->args[b->n_args++] = str_dup(json_string_value(item));
	}
}

static int read_root(const json_t *config, struct bundle *b, struct err *err)
{
	const json_t *root = json_object_get(config, "root");
	const char *path = json_text(root, "path");

	if (!path || !*path)
		return fail(err, ERR_invalid, "%s/config.json: no root path", b->dir);
	b->rootfs = *path == '/' ? str_dup(path) : str_new("%s/%s", b->dir, path);
	b->rootfs_readonly = json_is_true(json_object_get(root, "readonly"));
	if (!path_ok(b->rootfs))
		return fail(err, ERR_invalid, "%s/config.json: root path %.100s", b->dir, path);
	return 0;
}

/* No namespace of type network: the host's. */
static void read_netns(const json_t *linux_, struct bundle *b)
{
	const json_t *item;
	size_t i;

	b->netns = BUNDLE_NETNS_HOST;
	json_array_foreach(json_object_get(linux_, "namespaces"), i, item)
	{
		const char *type = json_text(item, "type"), *path = json_text(item, "path");

		if (!str_eq(type, "network"))
			continue;
		b->netns = BUNDLE_NETNS_PRIVATE;
		if (!path || !*path)
			continue;
		b->netns = str_starts(path, "/run/netns/") || str_starts(path, "/var/run/netns/")
				   ? BUNDLE_NETNS_NAMED
				   : BUNDLE_NETNS_SHARED;
		free(b->netns_path);
		b->netns_path = str_dup(path);
	}
}

static bool has_option(const json_t *mount, const char *name)
{
	const json_t *option;
	size_t i;

	json_array_foreach(json_object_get(mount, "options"), i, option)
	{
		if (str_eq(json_string_value(option), name))
			return true;
	}
	return false;
}

static bool is_bind(const json_t *mount)
{
	return str_eq(json_text(mount, "type"), "bind") || has_option(mount, "bind") ||
	       has_option(mount, "rbind");
}

static void read_mounts(const json_t *config, struct bundle *b)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(config, "mounts"), i, item)
	{
		struct bundle_mount *m = &b->mounts[b->n_mounts];
		const char *source = json_text(item, "source");
		const char *target = json_text(item, "destination");

		if (!source || !target || !is_bind(item))
			continue;
		if (b->n_mounts == BUNDLE_MOUNTS) {
			b->cut = true;
			return;
		}
		m->target = str_dup(target);
		m->source = *source == '/' ? str_dup(source) : str_new("%s/%s", b->dir, source);
		m->type = str_dup("bind");
		m->readonly = has_option(item, "ro");
		b->n_mounts++;
	}
}

static void read_devices(const json_t *linux_, struct bundle *b)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(linux_, "devices"), i, item)
	{
		const char *path = json_text(item, "path");

		if (!path)
			continue;
		if (b->n_devices == BUNDLE_DEVICES) {
			b->cut = true;
			return;
		}
		b->devices[b->n_devices++] = str_dup(path);
	}
}

int bundle_signal(const char *text)
{
	uint64_t number;

	if (str_u64(text, 1, SIGRTMAX, &number))
		return (int)number;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int i = 1; i < NSIG; i++)
		if (sigabbrev_np(i) && strcasecmp(sigabbrev_np(i), text) == 0)
			return i;
	return 0;
}

static void read_annotations(json_t *annotations, struct bundle *b)
{
	const char *signal = json_text(annotations, "org.opencontainers.image.stopSignal");
	const char *key;
	json_t *value;

	json_object_foreach(annotations, key, value)
	{
		const char *text = json_string_value(value);

		if (!text || !str_starts(key, LABEL_PREFIX))
			continue;
		if (b->n_labels == BUNDLE_LABELS) {
			b->cut = true;
			break;
		}
		b->labels[b->n_labels++] = str_new("%s=%s", key + strlen(LABEL_PREFIX), text);
	}
	if (signal)
		b->stop_signal = bundle_signal(signal);
	if (!b->stop_signal)
		b->stop_signal = SIGTERM;
	b->criu_config = dup_text(annotations, "org.criu.config");
	b->image = dup_text(annotations, LABEL_PREFIX "image");
	if (!b->image)
		b->image = dup_text(annotations, "org.opencontainers.image.ref.name");
}

/* An empty list of hooks is none. */
static bool has_hooks(json_t *hooks)
{
	const char *key;
	json_t *list;

	json_object_foreach(hooks, key, list)
	{
		if (json_array_size(list))
			return true;
	}
	return false;
}

static void read_limits(const json_t *linux_, struct bundle *b)
{
	const json_t *resources = json_object_get(linux_, "resources");
	const json_t *cpu = json_object_get(resources, "cpu");
	uint64_t quota = json_count(cpu, "quota"), period = json_count(cpu, "period");

	b->memory_limit = json_count(json_object_get(resources, "memory"), "limit");
	b->pids_limit = json_count(json_object_get(resources, "pids"), "limit");
	/* Without a period the kernel's is 100 ms (Documentation/admin-guide/cgroup-v2.rst). */
	b->cpu_limit_permille =
		quota < UINT64_MAX / 1000 ? quota * 1000 / (period ? period : 100000) : 0;
}

int bundle_read(const char *dir, struct bundle *ret, struct err *err)
{
	auto_free char *path = NULL, *text = NULL;
	auto_json json_t *config = NULL;
	const json_t *process, *linux_;
	json_error_t at;
	size_t len;
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (!path_ok(dir))
		return fail(err, ERR_invalid, "not a path of a bundle: %.100s", dir);
	ret->dir = str_dup(dir);
	path = str_new("%s/config.json", dir);
	if ((rc = file_read(path, BUNDLE_CONFIG_MAX, &text, &len, err)) < 0)
		return rc;
	config = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (!json_is_object(config))
		return fail(err, ERR_invalid, "%s: %s", path, config ? "not an object" : at.text);
	if ((rc = read_root(config, ret, err)) < 0)
		return rc;
	process = json_object_get(config, "process");
	linux_ = json_object_get(config, "linux");
	read_args(process, ret);
	ret->terminal = json_is_true(json_object_get(process, "terminal"));
	ret->hostname = dup_text(config, "hostname");
	ret->cgroups_path = dup_text(linux_, "cgroupsPath");
	read_limits(linux_, ret);
	ret->hooks = has_hooks(json_object_get(config, "hooks"));
	read_netns(linux_, ret);
	read_mounts(config, ret);
	read_devices(linux_, ret);
	read_annotations(json_object_get(config, "annotations"), ret);
	return 0;
}

void bundle_done(struct bundle *b)
{
	for (size_t i = 0; i < b->n_args; i++)
		free(b->args[i]);
	for (size_t i = 0; i < b->n_mounts; i++) {
		free(b->mounts[i].target);
		free(b->mounts[i].source);
		free(b->mounts[i].type);
	}
	for (size_t i = 0; i < b->n_devices; i++)
		free(b->devices[i]);
	for (size_t i = 0; i < b->n_labels; i++)
		free(b->labels[i]);
	free(b->dir);
	free(b->rootfs);
	free(b->hostname);
	free(b->netns_path);
	free(b->cgroups_path);
	free(b->criu_config);
	free(b->image);
	memset(b, 0, sizeof(*b));
}
