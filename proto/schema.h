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
 * F(list, key, name, struct, max items) list of records */
#ifndef DROVER_PROTO_SCHEMA_H
#define DROVER_PROTO_SCHEMA_H

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
	X(force,   15, "ST") /* an operator says that the other host is off: this side has it */

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
	F(str,  5, skip, 31)           /* name that --skip takes, empty: cannot be skipped */

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
	F(str,  3, status, 15)         /* created running paused stopped */ \
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
	F(str, 23, authority, 15)      /* own held released prepared running lost, from the journal */ \
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
	F(flag,44, dirty_known)

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
	F(flag,43, allow_criu_config)

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
	F(u64, 24, bandwidth)          /* bytes/s this move may use, 0 = no limit */ \
	F(u64, 25, rounds)             /* most pre-copy rounds */ \
	F(str, 26, operator, 63)       /* force: who has signed it, proto/force.h */ \
	F(bin, 27, statement, 128)     /* … and the signature; it travels as proof */ \
	F(u64, 28, offset)             /* log: from this byte on */ \
	F(u64, 32, max_downtime_ms)    /* kept in a job's working set; 0 = what its policy says */ \
	F(str, 36, mode, 15)           /* live (also when absent), cold: stopped, moved, started */ \
	F(str, 37, group, 26)          /* moves as one with others: the group's id, */ \
	F(u64, 38, group_size)         /* … and how many they are */

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
	F(str, 20, log_name, 31)

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

/* Command line ↔ coordinator. */
#define MSG_request(F) \
	F(str,  1, command, 31)        /* cli/commands name */ \
	F(str,  2, container, 63) \
	F(str,  3, host, 63)           /* --to, --host, or the host acted on */ \
	F(str,  4, job, 63)            /* ULID, a unique tail of one, or a container's name */ \
	F(strs, 5, skip, 32, 31) \
	F(flag, 6, force) \
	F(flag, 7, follow) \
	F(u64,  8, limit) \
	F(str,  9, reason, 255) \
	F(flag,10, yes) \
	F(strs,11, hosts, 64, 63) \
	F(u64, 12, deadline_ms) \
	F(str, 13, from, 63)           /* only containers on this host */ \
	F(flag,14, all) \
	F(str, 15, mode, 15) \
	F(u64, 16, parallel) \
	F(str, 17, user, 63)           /* who asked, as the CLI believes; for the audit */ \
	/* 18 reserved: a plan as text */ \
	F(flag,19, dry_run) \
	F(flag,20, no_return)          /* restore: only uncordon */ \
	F(str, 21, operator, 63)       /* force: who signs, */ \
	F(bin, 22, statement, 128)     /* … the signature, */ \
	F(str, 23, owner, 15)          /* … and who shall have the container: source or target */ \
	F(u64, 30, offset)             /* job, mode log: from this byte of the log on */ \
	F(u64, 31, max_downtime_ms)    /* 0 = what the policy says */ \
	F(u64, 32, at_ms)              /* wall clock when an evacuation is to begin */ \
	F(obj, 33, saved, plan)         /* apply: what is to be done, from a file */

#define MSG_term(F) \
	F(str, 1, name, 31) \
	F(f64, 2, weight) \
	F(f64, 3, value)               /* 0..1 */ \
	F(f64, 4, points)              /* weight times value, of 100 */

#define MSG_candidate(F) \
	F(str,  1, host, 63) \
	F(str,  2, verdict, 15)        /* live warn cold no */ \
	F(f64,  3, score)              /* 0..100 */ \
	F(list, 4, terms, term, 16) \
	F(list, 5, reasons, reason, 32) \
	F(u64,  6, predicted_frozen_ms) \
	F(u64,  7, predicted_total_ms) \
	F(i64,  8, tier)               /* of its policy: 1 preferred, -1 avoided */ \
	F(u64, 11, predicted_pending_bytes) /* that will have changed when it is frozen */ \
	F(u64, 12, predicted_rounds) \
	F(u64, 13, dirty_bytes_s) \
	F(str, 14, dirty_from, 15)     /* sampled, learned, unknown */

#define MSG_host(F) \
	F(str,  1, id, 63) \
	F(str,  2, role, 15) \
	F(str,  3, state, 15)          /* up suspect dead unknown */ \
	F(str,  4, address, 63) \
	F(u64,  5, age_ms)             /* since its last word */ \
	F(str,  6, kernel, 127) \
	F(u64,  7, criu_version) \
	F(list, 8, runtimes, runtime, 8) \
	F(u64,  9, cpus) \
	F(f64, 10, load1) \
	F(u64, 11, cpu_permille) \
	F(u64, 12, mem_total_bytes) \
	F(u64, 13, mem_available_bytes) \
	F(f64, 14, psi_cpu) \
	F(f64, 15, psi_mem) \
	F(f64, 16, psi_io) \
	F(u64, 17, containers) \
	F(flag,18, cordoned) \
	F(str, 19, note, 255) \
	F(f64, 20, hot)                /* 0..1, the fullest resource */ \
	F(str, 21, version, 31) \
	F(strs,22, labels, 32, 255) \
	F(list,23, problems, reason, 32) \
	F(u64, 24, storage_free_bytes) \
	F(u64, 25, staging_free_bytes) \
	F(str, 26, arch, 15) \
	F(flag,27, maintenance)        /* it was evacuated, or is being so */ \
	F(str, 28, seen_by, 63)        /* the host that reaches it while the coordinator does not */

#define MSG_job(F) \
	F(str,  1, id, 26) \
	F(str,  2, kind, 15)           /* migrate evacuate rebalance restore */ \
	F(str,  3, container, 63) \
	F(str,  4, source, 63) \
	F(str,  5, target, 63) \
	F(str,  6, state, 15)          /* queued running waiting done */ \
	F(str,  7, step, 15) \
	F(str,  8, outcome, 15)        /* MOVED STAYED HELD LOST, empty while it goes on */ \
	F(str,  9, runs_on, 63)        /* where the container runs now; empty = nowhere or unknown */ \
	F(u64, 10, code) \
	F(str, 11, error, 1023) \
	F(str, 12, fix, 255) \
	F(u64, 13, started_ms) \
	F(u64, 14, finished_ms) \
	F(u64, 15, attempt) \
	F(u64, 16, epoch) \
	F(obj, 17, figures, figures) \
	F(u64, 18, predicted_frozen_ms) \
	F(str, 19, phase, 31) \
	F(u64, 20, done_bytes) \
	F(u64, 21, total_bytes) \
	F(u64, 22, bytes_s) \
	F(u64, 23, eta_ms) \
	F(flag,24, frozen) \
	F(str, 25, runtime, 31) \
	F(str, 26, user, 63) \
	F(str, 27, log, 16383) \
	F(list,28, reasons, reason, 32) \
	F(str, 29, parent, 26) \
	F(f64, 30, score) \
	F(str, 31, waiting_for, 255) \
	F(u64, 32, held_ms)            /* wall clock when the source answered hold */ \
	F(str, 33, forced, 511)        /* who gave it to whom, and why; empty = nobody had to */ \
	F(u64, 34, forced_ms) \
	F(str, 35, log_host, 63)       /* whose log this is a piece of, empty: what is kept here */ \
	F(str, 36, log_name, 31) \
	F(u64, 37, log_offset) \
	F(u64, 38, log_total) \
	F(flag,39, has_log)            /* the coordinator has the end of a log of it */ \
	F(u64, 42, predicted_total_ms) /* from the request until it runs at the target */ \
	F(i64, 43, frozen_error_percent) /* measured against predicted; 0 also: not measured */ \
	F(i64, 44, total_error_percent) \
	F(str, 45, mode, 15)           /* live cold */ \
	F(str, 46, mode_reason, 255)   /* why it is cold; empty: live */ \
	F(str, 47, group, 26)          /* moves as one with others: the id of the first of them */ \
	F(str, 48, group_name, 63)     /* … and what makes them one: the label drover.group */ \
	F(u64, 49, group_size)

#define MSG_event(F) \
	F(u64, 1, seq) \
	F(u64, 2, wall_ms) \
	F(str, 3, kind, 31)            /* job.step job.progress job.end host.up host.suspect … */ \
	F(str, 4, host, 63) \
	F(str, 5, text, 1023) \
	F(obj, 6, job, job)

/* An event as history lists it. */
#define MSG_line(F) MSG_event(F)

#define MSG_place(F) \
	F(str,  1, host, 63) \
	F(obj,  2, container, container) \
	F(str,  3, job, 26) \
	F(u64,  4, age_ms) \
	F(str,  5, host_state, 15) \
	F(str,  6, verdict, 15)        /* over all hosts: live warn cold no; empty: not asked for */ \
	F(list, 7, reasons, reason, 32) /* on the best host, or on the one that comes nearest */ \
	F(str,  8, note, 255)          /* why nothing is known of it now */ \
	F(obj,  9, best, candidate)    /* where it would go; absent when nowhere */ \
	F(str, 10, policy, 63) \
	F(u64, 11, priority)

/* What policies and labels say of a container (base/options.h). */
#define MSG_rules(F) \
	F(str,  1, policy, 63)         /* the one that matched, empty: none */ \
	F(flag, 2, labeled)            /* its labels had a say */ \
	F(str,  3, move, 15) \
	F(str,  4, prefer, 1023) \
	F(str,  5, avoid, 1023) \
	F(str,  6, require, 1023) \
	F(str,  7, spread, 63) \
	F(str,  8, keep_together, 63) \
	F(u64,  9, priority) \
	F(u64, 10, max_downtime_ms)

/* How many hosts (or containers) were judged, and how. */
#define MSG_tally(F) \
	F(u64, 1, judged) \
	F(u64, 2, live) \
	F(u64, 3, warn) \
	F(u64, 4, cold) \
	F(u64, 5, no)

#define MSG_cluster(F) \
	F(str, 1, coordinator, 63) \
	F(str, 2, version, 31) \
	F(u64, 3, epoch) \
	F(u64, 4, up_ms) \
	F(u64, 5, hosts_up) \
	F(u64, 6, hosts_total) \
	F(u64, 7, containers) \
	F(u64, 8, jobs_running) \
	F(u64, 9, held) \
	F(u64,10, interval_ms) \
	F(str,11, warning, 255)

/* One container of a plan: where it is, where it is to go, and what became of it. */
#define MSG_item(F) \
	F(str,  1, container, 63) \
	F(str,  2, runtime, 31) \
	F(str,  3, source, 63) \
	F(str,  4, target, 63)         /* planned, later actual; empty: none can take it */ \
	F(str,  5, verdict, 15)        /* live warn cold no */ \
	F(str,  6, state, 15)          /* waiting moving moved stays gone held lost */ \
	F(str,  7, job, 26)            /* its latest migration */ \
	F(u64,  8, rss_bytes) \
	F(u64,  9, predicted_frozen_ms) \
	F(u64, 10, frozen_us) \
	F(str, 11, code, 31)           /* why it stays or waits: E-MEM … */ \
	F(str, 12, why, 500) \
	F(u64, 13, attempts) \
	F(str, 14, tried, 63)          /* the target of the attempt that failed */ \
	F(f64, 15, score) \
	F(u64, 16, predicted_total_ms) \
	F(str, 17, home, 63)           /* restore: the host that it came from */ \
	F(str, 20, mode, 15)           /* live cold */ \
	F(str, 21, mode_reason, 255)   /* why it is cold */

/* A host before and after a plan. */
#define MSG_room(F) \
	F(str, 1, host, 63) \
	F(u64, 2, containers) \
	F(u64, 3, containers_after) \
	F(f64, 4, hot)                 /* 0..1, the fullest resource */ \
	F(f64, 5, hot_after) \
	F(u64, 6, mem_available_bytes) \
	F(u64, 7, mem_available_after) \
	F(str, 8, boot_id, 36)         /* apply: refused when it is another one by then */

/* Many moves under one id: an evacuation, a restore, a rebalancing. */
#define MSG_plan(F) \
	F(str,  1, id, 26) \
	F(str,  2, kind, 15)           /* evacuate restore rebalance */ \
	F(strs, 3, hosts, 64, 63)      /* emptied, or brought home to */ \
	F(str,  4, reason, 255) \
	F(str,  5, user, 63) \
	F(str,  6, state, 15)          /* planned running paused ending done */ \
	F(u64,  7, started_ms) \
	F(u64,  8, finished_ms) \
	F(u64,  9, deadline_ms)        /* from its start; 0 = none */ \
	F(u64, 10, parallel)           /* moves at a time; 0 = the cluster's limit */ \
	F(list,11, items, item, 2048) \
	F(list,12, rooms, room, 1024) \
	F(u64, 13, eta_ms)             /* the whole of it, as predicted */ \
	F(str, 14, note, 1023)         /* what is missing; how it ended */ \
	F(strs,15, skip, 16, 31) \
	F(str, 16, ended, 15)          /* why it dispatches no more: cancel deadline */ \
	F(u64, 17, at_ms)              /* wall clock when it is to begin; 0 = at once */ \
	F(str, 20, on_stuck, 15)       /* what cannot move live: stay cold */

/* The last reply to a request has final set; with follow, events come in between. */
#define MSG_reply(F) \
	F(u64,  1, code) \
	F(str,  2, error, 1023) \
	F(str,  3, fix, 255) \
	F(flag, 4, final) \
	F(obj,  5, cluster, cluster) \
	F(list, 6, hosts, host, 16384) \
	F(list, 7, places, place, 4096) \
	F(list, 8, jobs, job, 1024) \
	F(list, 9, candidates, candidate, 16384) \
	F(list,10, events, line, 1024) \
	F(str, 11, text, 262143) \
	F(obj, 12, plan, plan) \
	F(obj, 13, rules, rules) \
	F(obj, 14, tally, tally)

/* Records, in order of use, and messages: X(name, wire number). */
#define RECORD_TABLE(X) \
	X(net) X(reason) X(mount) X(device) X(container) X(runtime) X(network) X(usage) X(figures) X(term) \
	X(candidate) X(host) X(job) X(line) X(place) X(rules) X(tally) X(cluster) X(item) X(room) X(plan)

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
