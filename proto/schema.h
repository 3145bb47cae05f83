/* SPDX-License-Identifier: MPL-2.0
 *
 * Every message and every field, once. The C structs, the validator, the encoder, the decoder and
 * the JSON printer come from these rows (proto/msg.c). A key is never reused for another meaning
 * within its struct: a removed field leaves its number in a "reserved" comment. Limits are part of
 * the row and are enforced before anything is allocated.
 *
 * F(u64|i64|f64|flag, key, name)        plain values, absent = 0 / false
 * F(str|bin, key, name, max)            text without NUL / bytes; max in bytes; absent = NULL / 0
 * F(strs, key, name, max items, max)    list of texts
 * F(obj, key, name, struct)             nested record, absent = NULL
 * F(list, key, name, struct, max items) list of records
 *
 * What hosts and the coordinator say to each other is here; what the command line asks and is told
 * is in proto/schema_cli.h. */
#ifndef DROVER_PROTO_SCHEMA_H
#define DROVER_PROTO_SCHEMA_H

#include "proto/schema_cli.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */

/* What a coordinator asks of a worker, DESIGN.md §4. X(name, wire number, who: S source, T target) */
#define STEP_TABLE(X) \
	X(check,    1, "ST") /* facts and verdict; S opens the warm session to T */ \
	X(reserve,  2, "T")  /* memory, disk, staging, ticket, closed network */ \
	X(sync,     3, "S")  /* root filesystem while it runs */ \
	X(precopy,  4, "S")  /* memory while it runs */ \
	X(hold,     5, "S")  /* HELD: gate, freeze, dump, the rest, sealed manifest */ \
	X(arm,      6, "T")  /* verify, restore up to the blocked hook: PREPARED */ \
	X(release,  7, "S")  /* RELEASED: gives GRANT */ \
	X(start,    8, "T")  /* RUNNING: the point of no return */ \
	X(retire,   9, "S")  /* DONE: destroys the frozen copy */ \
	X(clean,   10, "ST") /* staging wiped, ticket burnt */ \
	X(abort,   11, "S")  /* before RELEASED: thaw; after it only with a REFUSED proof */ \
	X(refuse,  12, "T")  /* REFUSED: kill what was armed, drop what was reserved */ \
	X(report,  13, "ST") /* what the journal says of this migration; changes nothing */ \
	X(log,     14, "ST") /* the tail of the dump or restore log */ \
	X(force,   15, "ST") /* an operator says that the other host is off: this side has it */ \
	X(stop,    16, "S")  /* STOPPED: it is stopped where it is, and goes nowhere; abort starts it */ \
	X(hook,    17, "S")  /* a host that is evacuated runs its programs: migration is the evacuation */

/* One value for one network address or route is text: "10.0.0.2/24", "default via 10.0.0.1". */
#define MSG_net(F) \
	F(str,  1, kind, 15)           /* named, private, host, none */ \
	F(str,  2, netns, 255)         /* path in config.json */ \
	F(str,  3, ifname, 15)         /* inside */ \
	F(str,  4, host_ifname, 15)    /* outside end of the veth */ \
	F(str,  5, mac, 17) \
	F(u64,  6, mtu) \
	F(strs, 7, addrs, 8, 63) \
	F(strs, 8, routes, 8, 127) \
	F(strs, 9, neigh, 64, 79)      /* "10.0.0.1 02:00:00:00:00:01" */ \
	F(str, 10, bridge, 15)

#define MSG_reason(F) \
	F(str,  1, code, 31)           /* E-CPU-XSAVE … */ \
	F(str,  2, why, 500) \
	F(str,  3, fix, 500) \
	F(flag, 4, warning)            /* may move all the same */ \
	F(str,  5, skip, 31)           /* name that --skip takes, empty: cannot be skipped */ \
	F(str,  6, of, 63)             /* the container that it is about, when it is another one that \
	                                  moves with this one */

#define MSG_mount(F) \
	F(str, 1, target, 1023) \
	F(str, 2, source, 1023) \
	F(str, 3, type, 31)            /* bind, or the filesystem's name */ \
	F(str, 4, kind, 15)            /* what a bind's source is: dir file char block socket fifo, \
	                                  missing */ \
	F(flag,5, readonly) \
	F(str, 6, rdev, 23)            /* of a device node: "10:229" */

/* A device node of config.json; the standard ones that each runtime makes are left out. */
#define MSG_device(F) \
	F(str, 1, path, 255)           /* inside */ \
	F(str, 2, kind, 7)             /* char block fifo */ \
	F(u64, 3, major) \
	F(u64, 4, minor)

#define MSG_container(F) \
	F(str,  1, id, 63) \
	F(str,  2, runtime, 31) \
	F(str,  3, status, 15)         /* created running paused stopped removed */ \
	F(str,  4, image, 1023)        /* lower directory, or image id */ \
	F(str,  5, bundle, 1023) \
	F(u64,  6, pid) \
	F(u64,  7, rss_bytes) \
	F(u64,  8, limit_bytes)        /* 0 = none */ \
	F(u64,  9, cpu_permille)       /* of one core */ \
	F(obj, 10, net, net) \
	F(strs,11, labels, 32, 255)    /* annotations drover.KEY, without the prefix: "move=never" */ \
	F(list,12, mounts, mount, 64)  /* what a target must have too: binds from outside the \
	                                  bundle, and types that are not a kernel's own */ \
	/* 13 reserved: devices as text */ \
	F(u64, 14, tasks) \
	F(flag,15, io_uring) \
	F(flag,16, tty) \
	F(flag,17, external_unix) \
	F(flag,18, shares_netns) \
	F(flag,19, inet_sockets) \
	F(u64, 20, tree_bytes)         /* overlay upper or plain root filesystem, 0 = not measured */ \
	F(u64, 21, tcp_established) \
	F(str, 22, migration, 26)      /* this host's journal holds it for this migration */ \
	F(str, 23, authority, 15)      /* own held released prepared running lost stopped, from the journal; \
	                                  stopping, started: of one that is stopped here */ \
	F(u64, 24, started_ms) \
	F(strs,25, listening, 64, 63)  /* "tcp 0.0.0.0:80" */ \
	F(list,26, devices, device, 32) \
	F(u64, 27, inotify)            /* instances */ \
	F(u64, 28, file_locks) \
	F(strs,29, shares, 8, 15)      /* namespaces that others are in too: net ipc pid … */ \
	F(strs,30, shares_with, 16, 63) /* ids of containers here that it shares those with */ \
	F(strs,31, shared_volumes, 16, 255) /* bind sources that other containers here use too */ \
	F(strs,32, external_sockets, 8, 127) /* the far ends of external_unix: a path, or "?" */ \
	F(strs,33, security, 32, 127)  /* more than a runtime gives by default: "cap SYS_ADMIN", \
	                                  "device rule c 10:229 rwm", "apparmor unconfined" … */ \
	F(flag,34, hooks)              /* config.json has OCI hooks */ \
	F(flag,35, criu_config)        /* annotation org.criu.config */ \
	F(u64, 36, cpu_limit_permille) /* of one core, 0 = none */ \
	F(u64, 37, pids_limit)         /* 0 = none */ \
	F(str, 38, image_name, 255)    /* annotation drover.image or org.opencontainers.image.ref.name */ \
	F(u64, 43, dirty_bytes_s)      /* how fast it changes its memory, from pages read twice */ \
	F(flag,44, dirty_known) \
	F(flag,45, netns_tied)         /* all others in its network namespace are running containers \
	                                  here that name it by the same path, as it does */ \
	F(flag,46, terminal)           /* config.json asks for one */

#define MSG_runtime(F) \
	F(str, 1, name, 31) \
	F(str, 2, version, 63) \
	F(str, 3, path, 1023) \
	F(flag,4, checkpoint)          /* can checkpoint here */

#define MSG_network(F) \
	F(str, 1, bridge, 15) \
	F(str, 2, subnet, 63)          /* the bridge's own address and prefix */ \
	F(u64, 3, mtu) \
	F(u64, 4, speed_mbit)          /* of its fastest port out of the host */

#define MSG_usage(F) \
	F(str, 1, id, 63) \
	F(str, 2, status, 15) \
	F(u64, 3, rss_bytes) \
	F(u64, 4, cpu_permille)

/* Worker → coordinator, and back. */
#define MSG_hello(F) \
	F(str, 1, node, 63) \
	F(str, 2, version, 31) \
	F(str, 3, boot_id, 36) \
	F(str, 4, instance, 26)        /* ULID of this worker process */ \
	F(u64, 5, wall_ms)

#define MSG_welcome(F) \
	F(u64, 1, interval_ms) \
	F(u64, 2, epoch) \
	F(str, 3, coordinator, 63) \
	F(str, 4, version, 31)

#define MSG_beat(F) \
	F(str,  1, boot_id, 36) \
	F(str,  2, instance, 26) \
	F(u64,  3, seq) \
	F(f64,  4, load1) \
	F(u64,  5, cpus) \
	F(u64,  6, cpu_permille)       /* of the whole host */ \
	F(f64,  7, psi_cpu)            /* some avg10, percent */ \
	F(f64,  8, psi_mem) \
	F(f64,  9, psi_io) \
	F(u64, 10, mem_total_bytes) \
	F(u64, 11, mem_available_bytes) \
	F(u64, 12, net_bytes_s) \
	F(u64, 13, caps_revision) \
	F(u64, 14, wall_ms) \
	F(list,15, usage, usage, 512) \
	F(u64, 16, storage_free_bytes) \
	F(u64, 17, staging_free_bytes) \
	F(u64, 18, reserved_mem_bytes) /* held here for arrivals that do not run yet */ \
	F(u64, 19, reserved_storage_bytes)

#define MSG_caps(F) \
	F(u64,  1, revision) \
	F(str,  2, boot_id, 36) \
	F(str,  3, kernel, 127) \
	F(str,  4, arch, 15) \
	F(str,  5, cpu_model, 127) \
	F(strs, 6, cpu_features, 512, 31) \
	F(u64,  7, xsave_bytes) \
	F(u64,  8, criu_version)       /* major × 10000 + minor × 100 + sub; 0 = none */ \
	F(strs, 9, criu_features, 32, 31) /* `criu check --feature`: has; see criu_lacks */ \
	F(str, 10, criu_path, 1023) \
	F(list,11, runtimes, runtime, 8) \
	F(u64, 12, cgroup_version) \
	F(flag,13, soft_dirty) \
	F(flag,14, userfaultfd) \
	F(str, 15, thp, 15)            /* always madvise never */ \
	F(u64, 16, storage_total_bytes) \
	F(u64, 17, storage_free_bytes) \
	F(u64, 18, staging_total_bytes) \
	F(u64, 19, staging_free_bytes) \
	F(list,20, networks, network, 8) /* bridges; worker.bridge first */ \
	F(strs,21, labels, 32, 255)    /* worker.labels: "rack=a" */ \
	F(list,22, containers, container, 512) \
	F(bin, 23, cpuinfo, 65536)     /* criu cpuinfo image of this host */ \
	F(list,24, problems, reason, 32) \
	F(str, 25, version, 31) \
	F(u64, 26, mem_total_bytes) \
	F(u64, 27, cpus) \
	F(u64, 28, wall_ms) \
	F(u64, 29, ssh_port) \
	F(strs,30, images, 128, 255)   /* directories right below worker.allow_lower; a lower directory \
	                                  elsewhere, or past 128, is not listed */ \
	F(str, 31, criu_check, 500)    /* what `criu check` said, empty = good */ \
	F(str, 32, instance, 26) \
	F(strs,33, criu_lacks, 32, 31) /* features that were asked for and are not there */ \
	F(flag,34, pagemap_scan) \
	F(str, 35, cgroup_controllers, 255) /* "cpu,memory,pids" */ \
	F(str, 36, lsm, 127)           /* "capability,apparmor" */ \
	F(u64, 37, headroom_percent)   /* worker.headroom: of memory, kept free here; 0 = the \
	                                  coordinator's */ \
	F(flag,38, psi)                /* the kernel tells pressure */ \
	F(strs,39, allow_binds, 32, 255)   /* this host's policy for what it is sent: prefixes of \
	                                      paths, worker.allow_… */ \
	F(strs,40, allow_devices, 32, 255) \
	F(strs,41, allow_lower, 32, 255) \
	F(flag,42, allow_hooks) \
	F(flag,43, allow_criu_config) \
	F(str, 47, allow_privileged, 3) /* yes, no; empty: a worker that does not tell its policy */ \
	F(flag,48, evacuate_hooks)     /* it takes the step hook */

#define MSG_ask(F) \
	F(str,  1, migration, 26) \
	F(str,  2, container, 63) \
	F(u64,  3, step) \
	F(u64,  4, attempt)            /* of this step; a repeat carries the same number */ \
	F(u64,  5, epoch)              /* of this migration's handover */ \
	F(u64,  6, term)               /* coordinator's; older terms are refused */ \
	F(u64,  7, deadline_ms)        /* from receipt */ \
	F(str,  8, source, 63) \
	F(str,  9, target, 63) \
	F(str, 10, runtime, 31) \
	F(str, 11, bundle, 1023) \
	F(str, 12, peer_address, 63) \
	F(u64, 13, peer_port) \
	F(bin, 14, ticket, 64) \
	F(bin, 15, digest, 32)         /* of the sealed manifest */ \
	F(bin, 16, proof, 128)         /* PREPARED, GRANT, REFUSED or RUNNING of the other side */ \
	F(obj, 17, net, net) \
	F(u64, 18, rss_bytes) \
	F(u64, 19, tree_bytes) \
	F(strs,20, skip, 16, 31) \
	F(str, 21, reason, 255) \
	F(bin, 22, cpuinfo, 65536) \
	F(obj, 23, container_facts, container) \
	/* 24 reserved: a rate of one move */ \
	F(u64, 25, rounds)             /* most pre-copy rounds */ \
	F(str, 26, operator, 63)       /* force: who has signed it, proto/force.h */ \
	F(bin, 27, statement, 128)     /* … and the signature; it travels as proof */ \
	F(u64, 28, offset)             /* log: from this byte on */ \
	F(u64, 32, max_downtime_ms)    /* kept in a job's working set; 0 = what its policy says */ \
	F(str, 36, mode, 15)           /* live (also when absent), cold: stopped, moved, started; \
	                                  ladder, in a job's working set: may become cold */ \
	F(str, 37, group, 26)          /* moves as one with others: the group's id, */ \
	F(u64, 38, group_size)         /* … and how many they are */ \
	F(str, 39, event, 15)          /* hook: pre-evacuate or post-evacuate; reason and operator too, */ \
	F(str, 40, outcome, 15)        /* … after it EMPTY, PARTLY or NOT_BEGUN, */ \
	F(u64, 41, moved)              /* … and how many have left */ \
	F(u64, 42, left)

#define MSG_ack(F) \
	F(str, 1, migration, 26) \
	F(u64, 2, step) \
	F(u64, 3, attempt)

#define MSG_progress(F) \
	F(str, 1, migration, 26) \
	F(u64, 2, step) \
	F(u64, 3, attempt) \
	F(str, 4, phase, 31)           /* tree, memory, freeze, dump, send, verify, restore */ \
	F(u64, 5, done_bytes) \
	F(u64, 6, total_bytes) \
	F(u64, 7, bytes_s) \
	F(u64, 8, frozen_us)           /* so far, 0 = runs */ \
	F(u64, 9, sent_bytes) \
	F(u64,10, round) \
	F(u64,11, dirty_bytes_s)

/* Where the frozen time went and what travelled; all of one migration, filled by both sides. */
#define MSG_figures(F) \
	F(u64,  1, frozen_us)          /* gate closed to gate open or thaw, as this side saw it */ \
	F(u64,  2, freeze_us) \
	F(u64,  3, dump_us) \
	F(u64,  4, send_us) \
	F(u64,  5, verify_us) \
	F(u64,  6, restore_us) \
	F(u64,  7, start_us) \
	F(u64,  8, image_bytes) \
	F(u64,  9, tree_bytes) \
	F(u64, 10, sent_bytes)         /* on the wire */ \
	F(u64, 11, pages) \
	F(u64, 12, zero_pages) \
	F(u64, 13, known_pages)        /* target had them */ \
	F(u64, 14, rounds) \
	F(u64, 15, bytes_s) \
	F(u64, 16, frozen_bytes)       /* part of sent_bytes: since the freeze */ \
	F(u64, 17, running_us)         /* T: it had been running for so long at the answer */ \
	F(u64, 20, round_bytes)        /* that the last round over the memory had found changed */ \
	F(u64, 21, dirty_bytes_s)      /* … by the time since the round before it */ \
	F(u64, 22, total_us)           /* from the request until it ran at T */

#define MSG_answer(F) \
	F(str,  1, migration, 26) \
	F(u64,  2, step) \
	F(u64,  3, attempt) \
	F(u64,  4, epoch) \
	F(u64,  5, code)               /* base/err.h, 0 = done */ \
	F(str,  6, error, 1023) \
	F(str,  7, fix, 255) \
	F(str,  8, state, 15)          /* journal state after the step */ \
	F(bin,  9, ticket, 64) \
	F(bin, 10, digest, 32) \
	F(bin, 11, proof, 128) \
	F(obj, 12, net, net) \
	F(obj, 13, figures, figures) \
	F(str, 14, log, 16383) \
	F(list,15, reasons, reason, 32) \
	F(obj, 16, facts, container) \
	F(bin, 17, cpuinfo, 65536) \
	F(u64, 18, log_offset)         /* of the piece in log, when a log was asked for */ \
	F(u64, 19, log_total)          /* length of the whole */ \
	F(str, 20, log_name, 31) \
	F(str, 21, event, 15)          /* hook: which one log and code are of */

#define MSG_cancel(F) \
	F(str, 1, migration, 26) \
	F(str, 2, reason, 255)

#define MSG_bye(F) \
	F(str, 1, reason, 255)

/* Does that host answer you? Asked by a coordinator that does not hear it. */
#define MSG_probe(F) \
	F(str, 1, host, 63)            /* in the roster */ \
	F(str, 2, address, 63)         /* as the coordinator knows it */ \
	F(u64, 3, port) \
	F(u64, 4, deadline_ms)         /* from receipt */

#define MSG_sight(F) \
	F(str, 1, host, 63) \
	F(flag,2, reached)             /* its SSH server greeted, or its kernel refused */ \
	F(flag,3, tried)               /* absent: nobody can say, and error tells why */ \
	F(str, 4, error, 255)

/* Records, in order of use, and messages: X(name, wire number). */
#define RECORD_TABLE(X) \
	X(net) X(reason) X(mount) X(device) X(container) X(runtime) X(network) X(usage) X(figures) X(term) \
	X(candidate) X(host) X(job) X(line) X(place) X(rules) X(tally) X(cluster) X(item) X(room) X(plan) \
	X(window_host) X(window)

#define MESSAGE_TABLE(X) \
	X(hello,    1) \
	X(welcome,  2) \
	X(beat,     3) \
	X(caps,     4) \
	X(ask,      5) \
	X(ack,      6) \
	X(progress, 7) \
	X(answer,   8) \
	X(cancel,   9) \
	X(bye,     10) \
	X(request, 11) \
	X(reply,   12) \
	X(event,   13) \
	X(probe,   14) \
	X(sight,   15)
/* clang-format on */

struct msg_bin {
	const uint8_t *data;
	size_t len;
};

struct msg_strs {
	const char **v;
	size_t n;
};

#define SCHEMA_u64(name, ...) uint64_t name;
#define SCHEMA_i64(name, ...) int64_t name;
#define SCHEMA_f64(name, ...) double name;
#define SCHEMA_flag(name, ...) bool name;
#define SCHEMA_str(name, ...) const char *name;
#define SCHEMA_bin(name, ...) struct msg_bin name;
#define SCHEMA_strs(name, ...) struct msg_strs name;
#define SCHEMA_obj(name, record, ...) struct msg_##record *name;
#define SCHEMA_list(name, record, ...) \
	struct { \
		struct msg_##record *v; \
		size_t n; \
	} name;
#define SCHEMA_FIELD(kind, key, name, ...) SCHEMA_##kind(name, ##__VA_ARGS__)
#define SCHEMA_STRUCT(record) \
	struct msg_##record { \
		MSG_##record(SCHEMA_FIELD) \
	};
RECORD_TABLE(SCHEMA_STRUCT)
#undef SCHEMA_STRUCT
#define SCHEMA_STRUCT(message, number) \
	struct msg_##message { \
		MSG_##message(SCHEMA_FIELD) \
	};
MESSAGE_TABLE(SCHEMA_STRUCT)
#undef SCHEMA_STRUCT

enum msg_type {
#define X(message, number) MSG_TYPE_##message = number,
	MESSAGE_TABLE(X)
#undef X
};

enum step {
	STEP_none = 0,
#define X(name, number, who) STEP_##name = number,
	STEP_TABLE(X)
#undef X
	/* clang-format off */
	STEP_COUNT
	/* clang-format on */
};

/* "hold", or "?" for a number that is no step; and back (STEP_none when unknown). */
const char *step_name(uint64_t step);
enum step step_find(const char *name);

#endif
