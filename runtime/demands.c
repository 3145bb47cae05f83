/* SPDX-License-Identifier: MPL-2.0
 *
 * config.json → demands. One table a JSON object says which members it may have and who reads them;
 * a member without a row is a demand. Member names and meanings: OCI runtime-spec, config.md and
 * config-linux.md. */
#include "runtime/demands.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/bundle.h"
#include "runtime/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

struct reading {
	struct demands *to;
	const char *dir;
	const json_t *linux_;
	bool userns; /* its root is not the host's */
	bool too_much;
};

/* One member of an object: read is NULL for what asks nothing of the host. */
struct member {
	const char *name;
	void (*read)(struct reading *r, const json_t *value);
};

static struct demand *more(struct reading *r, enum demand_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The last slot takes what there is no room for: demands_read fails then. */
static struct demand *more(struct reading *r, enum demand_kind kind, const char *fmt, ...)
{
	struct demand *d = &r->to->v[r->to->n];
	va_list args;

	va_start(args, fmt);
	if (vsnprintf(d->text, sizeof(d->text), fmt, args) >= (int)sizeof(d->text))
		r->too_much = true;
	va_end(args);
	d->kind = kind;
	if (r->to->n + 1 < DEMANDS_MAX)
		r->to->n++;
	else
		r->too_much = true;
	return d;
}

static void walk(struct reading *r, const char *where, const json_t *object,
		 const struct member *rows, size_t n)
{
	const char *key;
	json_t *value;

	if (object && !json_is_object(object))
		more(r, DEMAND_privilege, "%s, which is no object", where);
	json_object_foreach((json_t *)object, key, value)
	{
		size_t i = 0;

		while (i < n && !str_eq(rows[i].name, key))
			i++;
		if (i == n)
			more(r, DEMAND_privilege, "%s.%.200s, which is not known here", where, key);
		else if (rows[i].read)
			rows[i].read(r, value);
	}
}

#define WALK(r, where, object, rows) walk(r, where, object, rows, ARRAY_LEN(rows))

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

/* --- mounts --- */

static void read_bind(struct reading *r, const json_t *mount)
{
	const char *source = json_text(mount, "source");

	if (!source)
		more(r, DEMAND_privilege, "a bind mount without a source");
	else if (*source == '/')
		more(r, DEMAND_bind, "%s", source);
	else
		more(r, DEMAND_bind, "%s/%s", r->dir, source);
}

/* Filesystems of the kernel's own, and what makes one harmless. */
static const struct fs_row {
	const char *type;
	const char *only_at; /* destination: /proc elsewhere is without its read-only paths */
	bool readonly;       /* a writable one changes the host */
} fs_rows[] = {
	{"proc", "/proc", false}, {"sysfs", NULL, true},   {"tmpfs", NULL, false},
	{"devpts", NULL, false},  {"mqueue", NULL, false}, {"cgroup", NULL, true},
	{"cgroup2", NULL, true},
};

static void read_fs(struct reading *r, const json_t *mount, const char *type, const char *at)
{
	const struct fs_row *row = fs_rows, *end = fs_rows + ARRAY_LEN(fs_rows);

	while (row < end && !str_eq(row->type, type))
		row++;
	if (row == end)
		more(r, DEMAND_privilege, "a mount of type %.60s", type ? type : "(none)");
	else if (row->only_at && !str_eq(row->only_at, at) && !r->userns)
		more(r, DEMAND_privilege, "a mount of %s at %.200s", type, at);
	else if (row->readonly && !has_option(mount, "ro") && !r->userns)
		more(r, DEMAND_privilege, "a writable mount of %s at %.200s", type, at);
}

static void read_mount(struct reading *r, const json_t *mount)
{
	static const struct member rows[] = {
		{"destination", NULL}, {"type", NULL},        {"source", NULL},
		{"options", NULL},     {"uidMappings", NULL}, {"gidMappings", NULL},
	};
	const char *type = json_text(mount, "type"), *at = json_text(mount, "destination");

	WALK(r, "mounts", mount, rows);
	if (str_eq(type, "bind") || has_option(mount, "bind") || has_option(mount, "rbind"))
		read_bind(r, mount);
	else
		read_fs(r, mount, type, at ? at : "(nowhere)");
	if (has_option(mount, "shared") || has_option(mount, "rshared"))
		more(r, DEMAND_privilege, "mounts that spread to the host, at %.200s",
		     at ? at : "(nowhere)");
}

#define EACH(name, what) \
	static void name##s(struct reading *r, const json_t *list) \
	{ \
		const json_t *item; \
		size_t i; \
\
		if (!json_is_array(list) && !json_is_null(list)) \
			more(r, DEMAND_privilege, "%s, which is no list", what); \
		json_array_foreach(list, i, item) name(r, item); \
	}

EACH(read_mount, "mounts")

/* --- devices --- */

static char device_kind(const json_t *item)
{
	const char *type = json_text(item, "type");

	return !type || !*type ? 'a' : *type == 'u' ? 'c' : *type;
}

static int number(const json_t *item, const char *key)
{
	const json_t *v = json_object_get(item, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? (int)json_integer_value(v)
								: DEMAND_ANY;
}

static void read_device(struct reading *r, const json_t *item)
{
	static const struct member rows[] = {
		{"path", NULL},     {"type", NULL}, {"major", NULL}, {"minor", NULL},
		{"fileMode", NULL}, {"uid", NULL},  {"gid", NULL},
	};
	const char *path = json_text(item, "path");
	int major = number(item, "major"), minor = number(item, "minor");
	char kind = device_kind(item);
	struct demand *d;

	WALK(r, "linux.devices", item, rows);
	if (kind == 'p' || demand_device_standard(kind, major, minor))
		return;
	d = more(r, DEMAND_device, "%s", path ? path : "");
	d->dev_kind = kind;
	d->major = major;
	d->minor = minor;
}

EACH(read_device, "linux.devices")

/* What the device controller lets it do: making nodes is nothing without reading or writing. */
static void read_rule(struct reading *r, const json_t *item)
{
	static const struct member rows[] = {
		{"allow", NULL}, {"type", NULL}, {"major", NULL}, {"minor", NULL}, {"access", NULL},
	};
	const char *access = json_text(item, "access");
	int major = number(item, "major"), minor = number(item, "minor");
	char kind = device_kind(item), a[16] = "*", b[16] = "*";
	struct demand *d;

	WALK(r, "linux.resources.devices", item, rows);
	if (!json_is_true(json_object_get(item, "allow")) || (access && !strpbrk(access, "rw")) ||
	    demand_device_standard(kind, major, minor))
		return;
	if (major != DEMAND_ANY)
		str_fmt(a, sizeof(a), "%d", major);
	if (minor != DEMAND_ANY)
		str_fmt(b, sizeof(b), "%d", minor);
	d = more(r, DEMAND_device_rule, "%c %s:%s %.8s", kind, a, b, access ? access : "rwm");
	d->dev_kind = kind;
	d->major = major;
	d->minor = minor;
}

EACH(read_rule, "linux.resources.devices")

static void read_resources(struct reading *r, const json_t *resources)
{
	static const struct member rows[] = {
		{"devices", read_rules}, {"memory", NULL},  {"cpu", NULL},
		{"pids", NULL},          {"blockIO", NULL}, {"hugepageLimits", NULL},
		{"network", NULL},       {"rdma", NULL},    {"unified", NULL},
	};

	WALK(r, "linux.resources", resources, rows);
}

/* --- namespaces --- */

static void read_namespace(struct reading *r, const json_t *item)
{
	static const struct member rows[] = {{"type", NULL}, {"path", NULL}};
	const char *type = json_text(item, "type"), *path = json_text(item, "path");

	WALK(r, "linux.namespaces", item, rows);
	if (!path || !*path)
		return;
	if (str_eq(type, "network"))
		more(r, DEMAND_netns, "%s", path);
	else
		more(r, DEMAND_join, "%.20s %s", type ? type : "(none)", path);
}

static bool makes_namespace(const json_t *linux_, const char *type)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(linux_, "namespaces"), i, item)
	{
		if (str_eq(json_text(item, "type"), type))
			return true;
	}
	return false;
}

EACH(read_namespace, "linux.namespaces")

/* Those without which a task is one of the host's; the network is judged by its sockets. */
static void read_missing_namespaces(struct reading *r)
{
	static const char *const types[] = {"mount", "pid", "ipc", "uts"};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!makes_namespace(r->linux_, types[i]))
			more(r, DEMAND_privilege, "the %s namespace of the host", types[i]);
}

/* A user namespace whose root is somebody else on the host. */
static bool unprivileged_root(const json_t *linux_)
{
	const json_t *item, *maps = json_object_get(linux_, "uidMappings");
	size_t i;

	json_array_foreach(maps, i, item)
	{
		if (!json_is_integer(json_object_get(item, "hostID")) ||
		    json_integer_value(json_object_get(item, "hostID")) == 0)
			return false;
	}
	return makes_namespace(linux_, "user") && json_array_size(maps);
}

/* --- privileges --- */

/* What docker, podman and `runc spec` give at most to a container that nobody asked more for. */
static bool is_default_capability(const char *name)
{
	static const char *const names[] = {
		"CAP_AUDIT_WRITE", "CAP_CHOWN",      "CAP_DAC_OVERRIDE", "CAP_FOWNER",
		"CAP_FSETID",      "CAP_KILL",       "CAP_MKNOD",        "CAP_NET_BIND_SERVICE",
		"CAP_NET_RAW",     "CAP_SETFCAP",    "CAP_SETGID",       "CAP_SETPCAP",
		"CAP_SETUID",      "CAP_SYS_CHROOT",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

static bool told_already(const struct demands *demands, const char *text)
{
	for (size_t i = 0; i < demands->n; i++)
		if (demands->v[i].kind == DEMAND_privilege && str_eq(demands->v[i].text, text))
			return true;
	return false;
}

static void read_capability_set(struct reading *r, const json_t *list)
{
	const json_t *item;
	char text[80];
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(item);

		if (!name || is_default_capability(name) || r->userns)
			continue;
		str_fmt(text, sizeof(text), "cap %.60s", name + 4 * str_starts(name, "CAP_"));
		if (!told_already(r->to, text))
			more(r, DEMAND_privilege, "%s", text);
	}
}

static void read_capabilities(struct reading *r, const json_t *capabilities)
{
	static const struct member rows[] = {
		{"bounding", read_capability_set},    {"effective", read_capability_set},
		{"inheritable", read_capability_set}, {"permitted", read_capability_set},
		{"ambient", read_capability_set},
	};

	WALK(r, "process.capabilities", capabilities, rows);
}

static void read_apparmor(struct reading *r, const json_t *profile)
{
	if (str_eq(json_string_value(profile), "unconfined"))
		more(r, DEMAND_notice, "apparmor unconfined");
}

static void read_process(struct reading *r, const json_t *process)
{
	static const struct member rows[] = {
		{"terminal", NULL},
		{"consoleSize", NULL},
		{"user", NULL},
		{"args", NULL},
		{"commandLine", NULL},
		{"env", NULL},
		{"cwd", NULL},
		{"capabilities", read_capabilities},
		{"rlimits", NULL},
		{"noNewPrivileges", NULL},
		{"apparmorProfile", read_apparmor},
		{"oomScoreAdj", NULL},
		{"selinuxLabel", NULL},
		{"ioPriority", NULL},
		{"scheduler", NULL},
		{"execCPUAffinity", NULL},
	};

	WALK(r, "process", process, rows);
}

static void read_propagation(struct reading *r, const json_t *value)
{
	const char *s = json_string_value(value);

	if (s && strstr(s, "shared"))
		more(r, DEMAND_privilege, "mounts that spread to the host, at /");
}

static void read_cgroup(struct reading *r, const json_t *value)
{
	const char *s = json_string_value(value);

	if (s && *s && (strspn(s, "/.") == strlen(s) || strstr(s, "..")))
		more(r, DEMAND_privilege, "the control group %.200s", s);
}

static void read_seccomp(struct reading *r, const json_t *value)
{
	static const struct member rows[] = {
		{"defaultAction", NULL}, {"defaultErrnoRet", NULL}, {"architectures", NULL},
		{"flags", NULL},         {"syscalls", NULL},
	};

	WALK(r, "linux.seccomp", value, rows);
}

/* Without these read-only its root writes the host's kernel settings: no capability is asked. */
static void read_proc(struct reading *r)
{
	static const char *const wanted[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq",
					     "/proc/bus"};
	const json_t *list = json_object_get(r->linux_, "readonlyPaths"), *item;

	for (size_t k = 0; k < ARRAY_LEN(wanted) && !r->userns; k++) {
		bool found = false;
		size_t i;

		json_array_foreach(list, i, item) found |=
			str_eq(json_string_value(item), wanted[k]);
		if (!found)
			more(r, DEMAND_privilege, "%s writable", wanted[k]);
	}
}

static void read_linux(struct reading *r, const json_t *value)
{
	static const struct member rows[] = {
		{"namespaces", read_namespaces},
		{"uidMappings", NULL},
		{"gidMappings", NULL},
		{"timeOffsets", NULL},
		{"devices", read_devices},
		{"cgroupsPath", read_cgroup},
		{"rootfsPropagation", read_propagation},
		{"resources", read_resources},
		{"sysctl", NULL},
		{"seccomp", read_seccomp},
		{"maskedPaths", NULL},
		{"readonlyPaths", NULL},
		{"mountLabel", NULL},
		{"intelRdt", NULL},
		{"personality", NULL},
		{"memoryPolicy", NULL},
	};

	WALK(r, "linux", value, rows);
}

/* --- the rest --- */

static void read_root(struct reading *r, const json_t *root)
{
	static const struct member rows[] = {{"path", NULL}, {"readonly", NULL}};
	const char *path = json_text(root, "path");
	size_t len = strlen(r->dir);

	WALK(r, "root", root, rows);
	if (!path || !*path || strstr(path, "..") ||
	    (*path == '/' && !(str_starts(path, r->dir) && path[len] == '/')))
		more(r, DEMAND_root, "%s", path ? path : "(none)");
}

static void read_hooks(struct reading *r, const json_t *hooks)
{
	const char *key;
	json_t *list;

	json_object_foreach((json_t *)hooks, key, list)
	{
		if (!json_is_array(list) || json_array_size(list))
			more(r, DEMAND_hook, "%.60s", key);
	}
}

/* Annotations that a runtime, CRIU or systemd acts on as root. */
static void read_annotations(struct reading *r, const json_t *annotations)
{
	static const char *const prefixes[] = {"org.criu.", "run.oci.", "org.systemd.property."};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)annotations, key, value)
	{
		if (str_eq(key, "org.criu.config")) {
			more(r, DEMAND_criu, "%.200s",
			     json_is_string(value) ? json_string_value(value) : "?");
			continue;
		}
		for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
			if (strncasecmp(key, prefixes[i], strlen(prefixes[i])) == 0)
				more(r, DEMAND_privilege, "annotation %.200s", key);
	}
}

static const struct member top[] = {
	{"ociVersion", NULL},      {"root", read_root},
	{"process", read_process}, {"hostname", NULL},
	{"domainname", NULL},      {"mounts", read_mounts},
	{"hooks", read_hooks},     {"annotations", read_annotations},
	{"linux", read_linux},
};

int demands_read(const char *dir, struct demands *ret, struct err *err)
{
	auto_free char *text = NULL, *path = NULL;
	auto_json json_t *config = NULL;
	struct reading r = {.to = ret, .dir = dir};
	json_error_t at;
	size_t len;
	int rc;

	ret->n = 0;
	if (!path_ok(dir))
		return fail(err, ERR_invalid, "not a path of a bundle: %.100s", dir);
	path = str_new("%s/config.json", dir);
	rc = file_read(path, BUNDLE_CONFIG_MAX, &text, &len, err);
	if (rc < 0)
		return rc;
	config = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (!json_is_object(config))
		return fail(err, ERR_invalid, "%s: %s", path, config ? "not an object" : at.text);
	r.linux_ = json_object_get(config, "linux");
	r.userns = unprivileged_root(r.linux_);
	WALK(&r, "config.json", config, top);
	read_missing_namespaces(&r);
	read_proc(&r);
	if (!json_object_get(config, "root"))
		more(&r, DEMAND_root, "(none)");
	return r.too_much ? fail(err, ERR_invalid, "%s asks for too much to be judged", path) : 0;
}
