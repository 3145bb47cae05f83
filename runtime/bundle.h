/* SPDX-License-Identifier: MPL-2.0
 *
 * An OCI bundle as far as moving it needs: what config.json (OCI runtime-spec) says, and how its
 * root filesystem is put together on this host. */
#ifndef DROVER_RUNTIME_BUNDLE_H
#define DROVER_RUNTIME_BUNDLE_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUNDLE_CONFIG_MAX (1u << 20)
#define BUNDLE_MOUNTS 64
#define BUNDLE_DEVICES 32
#define BUNDLE_LABELS 32
#define BUNDLE_ARGS 64

enum bundle_netns {
	BUNDLE_NETNS_HOST,    /* no network namespace in config.json */
	BUNDLE_NETNS_PRIVATE, /* made by the runtime */
	BUNDLE_NETNS_NAMED,   /* a path below /run/netns or /var/run/netns */
	BUNDLE_NETNS_SHARED,  /* any other path: /proc/PID/ns/net, a pod's */
};

/* A bind mount or device node that a target must have too. */
struct bundle_mount {
	char *target;
	char *source;
	char *type;
	bool readonly;
};

/* Texts are heap and owned; absent ones are NULL. */
struct bundle {
	char *dir;    /* of the bundle */
	char *rootfs; /* absolute */
	bool rootfs_readonly;
	char *args[BUNDLE_ARGS];
	size_t n_args;
	bool terminal;
	char *hostname;
	enum bundle_netns netns;
	char *netns_path;            /* NAMED and SHARED */
	char *cgroups_path;          /* as written: "/x", "x" or "slice:prefix:name" */
	uint64_t memory_limit;       /* bytes, 0 = none */
	uint64_t cpu_limit_permille; /* of one core, 0 = none */
	uint64_t pids_limit;         /* 0 = none */
	struct bundle_mount mounts[BUNDLE_MOUNTS]; /* binds only */
	size_t n_mounts;
	char *devices[BUNDLE_DEVICES]; /* linux.devices[].path */
	size_t n_devices;
	char *labels[BUNDLE_LABELS]; /* annotations "drover.*" as "key=value" without the prefix */
	size_t n_labels;
	bool hooks;        /* some hook is configured */
	char *criu_config; /* annotation org.criu.config */
	char *image;       /* annotation drover.image or org.opencontainers.image.ref.name */
	int stop_signal;   /* annotation org.opencontainers.image.stopSignal (image-spec), else
			      SIGTERM */
	bool cut;          /* a list had more items than fit */
};

/* Reads dir/config.json. -ERR_nosuch, -ERR_invalid (larger than BUNDLE_CONFIG_MAX, not JSON, no
 * root path). The caller ends *ret with bundle_done whatever the result. */
int bundle_read(const char *dir, struct bundle *ret, struct err *err);
void bundle_done(struct bundle *bundle);
#define auto_bundle __attribute__((cleanup(bundle_done)))

/* A signal by its name, with or without SIG, or its number; 0 when it is none. */
int bundle_signal(const char *text);

enum rootfs_kind { ROOTFS_PLAIN, ROOTFS_OVERLAY };

#define ROOTFS_LOWERS_SIZE (4 * PATH_MAX)

struct rootfs_mount {
	enum rootfs_kind kind;
	bool mounted; /* something is mounted on the path itself */
	char path[PATH_MAX];
	char lower[ROOTFS_LOWERS_SIZE]; /* "a:b:c", topmost first; OVERLAY only */
	char upper[PATH_MAX];           /* "" for a read-only overlay */
	char work[PATH_MAX];
};

/* How path is mounted in the host's mount namespace: the last mount on it in /proc/1/mountinfo
 * (ours when that cannot be read). A plain directory is ROOTFS_PLAIN, not mounted. */
int rootfs_read(const char *path, struct rootfs_mount *ret, struct err *err);

/* The same from the text of a mountinfo file; pure. False when nothing is mounted on path. */
bool rootfs_parse(const char *mountinfo, const char *path, struct rootfs_mount *ret);

/* Mounts an overlay as described (mount(2)); makes path, upper and work; -ERR_nosuch when a lower
 * directory is missing. Mounted already with the same directories: 0; with others: -ERR_busy. A
 * plain one needs only its directory. */
int rootfs_mount(const struct rootfs_mount *rootfs, struct err *err);

/* Bytes on disk of the files that belong to one container: the upper directory of an overlay, else
 * all of it. Less than that when it took limit_ms to count so far. */
uint64_t rootfs_bytes(const struct rootfs_mount *rootfs, uint64_t limit_ms);

/* Unmounts whatever is on path (lazily when it is busy); nothing mounted is fine. */
int rootfs_unmount(const char *path, struct err *err);

#endif
