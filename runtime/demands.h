/* SPDX-License-Identifier: MPL-2.0
 *
 * What a config.json asks of the host beyond what a runtime gives to any container: paths and
 * device nodes of the host, programs that run as root, privileges. A target believes nothing that
 * it was sent: what is not known to be harmless is a demand, and worker.allow_… decides.
 *
 * Runtimes in Go find members of JSON objects without regard to case, so only the spelling of the
 * OCI runtime-spec passes; every other member of the objects that matter is a demand itself. */
#ifndef DROVER_RUNTIME_DEMANDS_H
#define DROVER_RUNTIME_DEMANDS_H

#include "base/err.h"
#include "base/options.h"

#include <stdbool.h>
#include <stddef.h>

enum demand_kind {
	DEMAND_bind,        /* text: the source, absolute */
	DEMAND_device,      /* text: the node's path; a standard one is no demand */
	DEMAND_device_rule, /* text: as read, "c 10:229 rwm" */
	DEMAND_privilege,   /* text: what it is, "cap SYS_ADMIN", "host pid namespace" */
	DEMAND_hook,        /* text: the kind of hook */
	DEMAND_criu,        /* text: value of the annotation org.criu.config */
	DEMAND_root,        /* text: a root path outside the bundle */
	DEMAND_netns,       /* text: path of the network namespace that it joins */
	DEMAND_join,        /* text: another namespace that it joins, "pid /proc/1/ns/pid" */
	DEMAND_notice       /* text: worth a warning only, "apparmor unconfined" */
};

#define DEMANDS_MAX 128
#define DEMAND_TEXT 1024
#define DEMAND_ANY (-1) /* a device rule without this number */

struct demand {
	enum demand_kind kind;
	char dev_kind; /* c b p, 'a' = any: DEVICE, DEVICE_RULE */
	int major, minor;
	char text[DEMAND_TEXT];
};

struct demands {
	struct demand v[DEMANDS_MAX];
	size_t n;
};

/* Reads dir/config.json. -ERR_invalid for what is no JSON object, has a member twice, is larger
 * than BUNDLE_CONFIG_MAX, or asks for more than DEMANDS_MAX things or for one that
 * DEMAND_TEXT does not hold. */
int demands_read(const char *dir, struct demands *ret, struct err *err);

/* Whether a device node is one that every runtime makes: null zero full random urandom tty console
 * ptmx and pseudo-terminals. Pure. */
bool demand_device_standard(char kind, int major, int minor);

enum demand_answer { DEMAND_allowed, DEMAND_warned, DEMAND_refused };

/* What the options worker.allow_… say to one demand. bundle: the directory that it came with, whose
 * own files it may mount; netns: the network namespace that was made for it, "" = none. Looks at
 * the files named: symlinks are followed first, a device node must be the host's own of that path.
 * For a refusal ret_option gets the option that would allow it, "" when none does. */
enum demand_answer demand_judge(const struct demand *demand, const struct options *options,
				const char *bundle, const char *netns, const char **ret_option);

/* A sentence's object: "bind mount of /etc", "device /dev/kvm (char 10:232)", "cap SYS_ADMIN". */
const char *demand_text(const struct demand *demand, char *buf, size_t size);

/* The demand that such a text tells of, as far as the text goes: a privilege when it is of no other
 * form. A device comes back without its numbers. Pure. */
void demand_parse(const char *text, struct demand *ret);

/* Whether each of the lower directories "a:b:c" of an overlay may be mounted here: below
 * worker.allow_lower, or below images in worker.storage when that is not set; symlinks are followed
 * first. The first that may not is copied to ret[size]. */
bool demand_lowers_allowed(const char *lowers, const struct options *options, char *ret,
			   size_t size);

#endif
