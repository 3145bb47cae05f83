/* SPDX-License-Identifier: MPL-2.0
 *
 * What the command line asks of the coordinator and is told: the rows of its request, its reply,
 * its events and their records, in the notation of proto/schema.h, which includes this. Records of
 * hosts and containers are there. */
#ifndef DROVER_PROTO_SCHEMA_CLI_H
#define DROVER_PROTO_SCHEMA_CLI_H

/* clang-format off */

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
	F(obj, 33, saved, plan)        /* apply: what is to be done, from a file */ \
	F(flag,40, paged)              /* hosts, ps: a page at a time */ \
	F(str, 41, page, 191)          /* … and this one: next of the reply before, empty: the first */

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
	F(str,  2, kind, 15)           /* migrate stop evacuate rebalance restore */ \
	F(str,  3, container, 63) \
	F(str,  4, source, 63) \
	F(str,  5, target, 63) \
	F(str,  6, state, 15)          /* queued running waiting stopped done */ \
	F(str,  7, step, 15) \
	F(str,  8, outcome, 15)        /* MOVED STAYED HELD LOST STOPPED, empty while it goes on */ \
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
	F(str, 45, mode, 15)           /* live cold stop */ \
	F(str, 46, mode_reason, 255)   /* why it is cold, or stopped; empty: live */ \
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
	F(u64, 11, priority) \
	F(str, 12, group, 63)          /* moves as one with others: its name, */ \
	F(u64, 13, group_size)         /* … how many they are, */ \
	F(str, 14, barred_by, 63)      /* … and the first of them that keeps all from moving live */

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
	F(u64, 10, max_downtime_ms) \
	F(str, 11, group, 63)          /* it moves as one with others: its name, */ \
	F(strs,12, moves_with, 8, 63)  /* … and who they are */

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
	F(str,11, warning, 255) \
	F(str,12, config_problem, 255) /* why its file is not what is in force */

/* One container of a plan: where it is, where it is to go, and what became of it. */
#define MSG_item(F) \
	F(str,  1, container, 63) \
	F(str,  2, runtime, 31) \
	F(str,  3, source, 63) \
	F(str,  4, target, 63)         /* planned, later actual; empty: none can take it */ \
	F(str,  5, verdict, 15)        /* live warn cold no; stop, start (restore) */ \
	F(str,  6, state, 15)          /* waiting moving moved stays gone held lost stopped started */ \
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
	F(str, 20, mode, 15)           /* live cold stop */ \
	F(str, 21, mode_reason, 255)   /* why it is cold or stopped */

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
	F(str,  6, state, 15)          /* planned preparing running paused ending telling done */ \
	F(u64,  7, started_ms) \
	F(u64,  8, finished_ms) \
	F(u64,  9, deadline_ms)        /* from its start; 0 = none */ \
	F(u64, 10, parallel)           /* moves at a time; 0 = the cluster's limit */ \
	F(list,11, items, item, 2048) \
	F(list,12, rooms, room, 1024) \
	F(u64, 13, eta_ms)             /* the whole of it, as predicted */ \
	F(str, 14, note, 1023)         /* what is missing; how it ended */ \
	F(strs,15, skip, 16, 31) \
	F(str, 16, ended, 15)          /* why it dispatches no more: cancel deadline unbegun */ \
	F(u64, 17, at_ms)              /* wall clock when it is to begin; 0 = at once */ \
	F(str, 20, on_stuck, 15)       /* what cannot move live: stay cold stop */ \
	F(str, 21, log, 8191)          /* what its hooks said */

/* A maintenance window of the configuration: the occurrence that is open, or the next. */
#define MSG_window_host(F) \
	F(str, 1, host, 63) \
	F(str, 2, state, 15)           /* waits; of one that is open: open closed busy */ \
	F(str, 3, drain, 26)           /* its evacuation; busy: what was there before */ \
	F(str, 4, note, 63)            /* why nothing could begin there now */

#define MSG_window(F) \
	F(str,  1, name, 63) \
	F(str,  2, when, 127) \
	F(str,  3, reason, 255) \
	F(flag, 4, open) \
	F(u64,  5, start_ms)           /* 0: never again */ \
	F(u64,  6, end_ms) \
	F(str,  7, starts, 47)         /* the same in the window's time zone */ \
	F(str,  8, ends, 47) \
	F(flag, 9, restore) \
	F(list,10, hosts, window_host, 64)

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
	F(obj, 14, tally, tally) \
	F(list,15, windows, window, 64) \
	F(str, 20, next, 191)          /* where the next page begins; empty: this was the last */
/* clang-format on */

#endif
