/* SPDX-License-Identifier: MPL-2.0
 *
 * The option table: every setting of every program is one row, with type, default, limits and help.
 * The config file (INI, read by inih), the defaults and the manual page come from the rows; a line
 * that fits no row is refused with file, line and the nearest known name. */
#ifndef DROVER_BASE_OPTIONS_H
#define DROVER_BASE_OPTIONS_H

#include "base/err.h"
#include "base/policies.h"
#include "base/windows.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DROVER_CONFIG "/etc/drover/drover.conf"

/* clang-format off */
/* X(section, name, type, default, min, max, help)
 * types: str (max = length), path, name, u64, bytes, ms (duration), flag, list (comma separated) */
#define OPTION_TABLE(X) \
	X(node,        id,            name,  "",                    0, 63,   "this node's id in the roster; default: the host name") \
	X(node,        key,           path,  "/etc/drover/node.key",0, 4095, "CURVE key file (mode 0600)") \
	X(node,        roster,        path,  "/etc/drover/roster",  0, 4095, "nodes and their public keys") \
	X(node,        state,         path,  "/var/lib/drover",     0, 4095, "durable state: journals, store, logs") \
	X(node,        run,           path,  "/run/drover",         0, 4095, "volatile state on tmpfs: sockets, images") \
	X(node,        user,          name,  "drover",              0, 31,   "user of everything that touches the network") \
	X(node,        log,           name,  "info",                0, 8,    "err, warn, info or debug") \
	X(coordinator, commands,      str,   "tcp://*:7400",        0, 255,  "endpoint that workers and remote operators dial") \
	X(coordinator, beats,         str,   "tcp://*:7401",        0, 255,  "endpoint that heartbeats come to") \
	X(coordinator, local,         str,   "ipc:///run/drover/coordinator.sock", 0, 100, "endpoint of the local command line") \
	X(coordinator, interval,      ms,    "1s",                  100, 10000, "heartbeat interval asked of workers") \
	X(coordinator, headroom,      u64,   "10",                  0, 90,   "memory kept free on a target, percent of its total") \
	X(coordinator, rebalance,     name,  "off",                 0, 8,    "off, suggest (told as an event) or auto: an uneven cluster is evened") \
	X(coordinator, rebalance_every, ms,  "10s",                 1000, 3600000, "between its looks") \
	X(balance,     overload,      u64,   "85",                  10, 100, "percent of a host's fullest resource from which containers are moved off it") \
	X(balance,     relief,        u64,   "10",                  0, 50,   "percent below that: cool enough, and no target comes nearer") \
	X(balance,     patience,      u64,   "15",                  0, 1000, "percent that a host has been above it, summed over looks, before it is relieved") \
	X(balance,     comfort,       u64,   "65",                  0, 100,  "uneven hosts are left alone while none is above this percent") \
	X(balance,     uneven,        u64,   "30",                  1, 1000, "standard deviation of hosts' fullest resources, percent of its mean, above which they are evened") \
	X(balance,     hold,          ms,    "5m",                  1000, 86400000, "for how long they must have been that uneven") \
	X(balance,     gain,          u64,   "10",                  0, 100,  "percent of the unevenness that evening it must take away") \
	X(balance,     moves,         u64,   "3",                   1, 100,  "begun at one look, at most") \
	X(worker,      coordinators,  list,  "",                    0, 1023, "coordinator addresses, host or host:port; empty: found over mDNS") \
	X(worker,      storage,       path,  "/var/lib/ct",         0, 4095, "where bundles and root filesystems live") \
	X(worker,      bridge,        name,  "br0",                 0, 15,   "bridge that containers' veths are plugged into") \
	X(worker,      runtimes,      list,  "runc,crun",           0, 255,  "runtimes to look for, in this order") \
	X(worker,      hold,          ms,    "60s",                 1000, 3600000, "a held source thaws by itself after this") \
	X(worker,      stop_timeout,  ms,    "10s",                 100, 3600000, "a container that is stopped for a cold move is killed after this") \
	X(worker,      criu,          path,  "/usr/sbin/criu",      0, 4095, "the criu program") \
	X(worker,      labels,        list,  "",                    0, 1023, "key=value labels of this host") \
	X(worker,      headroom,      u64,   "0",                   0, 99,   "memory kept free here, percent of the total; 0: coordinator.headroom") \
	X(worker,      allow_binds,   list,  "",                    0, 4095, "paths that an arriving container may bind-mount; what lies below them, too") \
	X(worker,      allow_devices, list,  "",                    0, 4095, "device nodes that it may have besides the standard ones") \
	X(worker,      allow_lower,   list,  "",                    0, 4095, "where the read-only layers of its root may lie; empty: images in worker.storage") \
	X(worker,      allow_privileged, flag, "no",                0, 1,    "take containers that ask for more than a runtime gives by default: capabilities, namespaces of the host") \
	X(worker,      allow_hooks,   flag,  "no",                  0, 1,    "take OCI hooks of a container that arrives: its programs run as root") \
	X(worker,      allow_criu_config, flag, "no",               0, 1,    "take its annotation org.criu.config: it names files and programs to CRIU") \
	X(worker,      hooks,         path,  "/etc/drover/hooks",   0, 4095, "where pre-restore.d, post-restore.d, failed-restore.d (around an arrival), pre-evacuate.d and post-evacuate.d are: this host's own programs") \
	X(worker,      hook_timeout,  ms,    "10s",                 100, 300000, "one such program may take this long; pre-restore's time is frozen time") \
	X(discovery,   mdns,          flag,  "yes",                 0, 1,    "advertise and browse over Avahi") \
	X(transfer,    key,           path,  "/etc/drover/transfer_key", 0, 4095, "SSH private key of user drover") \
	X(transfer,    sessions,      u64,   "1",                   1, 8,    "SSH sessions a migration uses") \
	X(transfer,    codec,         name,  "auto",                0, 8,    "auto, none, lz4 or zstd") \
	X(transfer,    rate,          bytes, "0",                   0, 0,    "bytes a second that this host's migrations may send, together; 0: no limit") \
	X(cli,         coordinator,   str,   "",                    0, 255,  "endpoint to dial; default: the local coordinator") \
	X(cli,         key,           path,  "/etc/drover/operator.key", 0, 4095, "key file of the operator who uses this command line (mode 0600)") \
	X(cli,         server,        name,  "",                    0, 63,   "roster id of the coordinator at a tcp endpoint")

/* X(section, name): what a running daemon takes when it reads its file again (SIGHUP); the named
 * sections, too. What is open, dialled or owned by then stays until a restart. */
#define OPTION_RELOAD_TABLE(X) \
	X(coordinator, headroom) X(coordinator, rebalance) X(coordinator, rebalance_every) \
	X(balance, overload) X(balance, relief) X(balance, patience) X(balance, comfort) \
	X(balance, uneven) X(balance, hold) X(balance, gain) X(balance, moves) \
	X(worker, labels) X(worker, headroom) X(worker, hooks) X(worker, hook_timeout) \
	X(worker, allow_binds) X(worker, allow_devices) X(worker, allow_lower) \
	X(worker, allow_privileged) X(worker, allow_hooks) X(worker, allow_criu_config)
/* clang-format on */

enum option_id {
#define X(section, name, type, def, min, max, help) OPT_##section##_##name,
	OPTION_TABLE(X)
#undef X
		OPTION_COUNT
};

struct options; /* one value for every row */

/* Defaults only. */
struct options *options_new(void);
void options_free(struct options **options);

/* The same values and named sections; the caller frees. */
struct options *options_copy(const struct options *options);

/* Reads an INI file over what is set. An absent file is -ERR_nosuch; any wrong line is -ERR_config
 * with "file:line: what (did you mean …?)" and leaves *options as it was. */
int options_load(struct options *options, const char *path, struct err *err);

/* Only what `mine` wants of the file: what else is wrong in it is another program's matter. */
typedef bool option_filter(const char *section, const char *name);
int options_load_part(struct options *options, const char *path, option_filter *mine,
		      struct err *err);

/* How a program reads its configuration into fresh options, for one that reads it again. */
struct options_loader {
	int (*load)(void *arg, struct options *fresh, struct err *err);
	void *arg;
};

/* Whether a running daemon takes this option when it reads its file again. */
bool option_reloads(enum option_id option);

/* Takes those and the named sections from fresh; what was borrowed of them is gone. ret_restart
 * gets the names of the others that differ: they need a restart. */
void options_take(struct options *options, const struct options *fresh, char *ret_restart,
		  size_t size);

/* One assignment "section.name=value" from a command line. */
int options_set(struct options *options, const char *assignment, struct err *err);

/* Values; str and list options as text, borrowed until the next load. */
const char *options_str(const struct options *options, enum option_id option);
uint64_t options_u64(const struct options *options, enum option_id option);
bool options_flag(const struct options *options, enum option_id option);

/* Number of comma separated items of a list option, and a copy of the i-th in buf[size]. */
size_t options_list_len(const struct options *options, enum option_id option);
bool options_list_get(const struct options *options, enum option_id option, size_t i, char *buf,
		      size_t size);

/* The i-th [policy NAME] section in the order of the file: its name (NULL past the last), and what
 * it says under a key ("" when it does not). */
const char *options_policy_name(const struct options *options, size_t i);
const char *options_policy(const struct options *options, size_t i, enum policy_key key);

/* The i-th [window NAME] section, NULL past the last; what it says makes a window. */
const struct section *options_window(const struct options *options, size_t i);

/* Every row with its type, default, limits and help, as the manual page prints it. */
void options_print(const struct options *options, FILE *out);

/* Generic INI reading under the same rules of error text: calls row for each line; row returns 0 or
 * -ERR with err set, and the file and line are put before it. */
typedef int ini_row(void *arg, const char *section, const char *name, const char *value,
		    struct err *err);
int ini_read(const char *path, ini_row *row, void *arg, struct err *err);

#endif
