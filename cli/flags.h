/* SPDX-License-Identifier: MPL-2.0
 *
 * The options that commands share: one row each, with the place in struct invocation that its
 * value goes to. A command names the rows that it takes; parsing, help, the manual page and shell
 * completion read the same rows. */
#ifndef DROVER_CLI_FLAGS_H
#define DROVER_CLI_FLAGS_H

#include "base/err.h"
#include "proto/schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct command;

enum format { FORMAT_table, FORMAT_wide, FORMAT_json, FORMAT_plain };
#define FORMAT_WORDS "table wide json plain"

#define BY_WORDS "all cpu mem psi"
#define ON_STUCK_WORDS "stay cold stop"

/* Of the simulator, for completion; simulate/ has the tables. */
#define SHAPE_WORDS "steady overload wave noisy added"
#define SIM_POLICY_WORDS "nothing drover incus incus-coded proxmox descheduler"

#define WORD_SIZE 64 /* of one option's name or choice */

#define WATCH_EVENTS UINT64_MAX /* --watch without SECS */

/* A parsed command line. Texts borrow from argv; lists are owned. */
struct invocation {
	const struct command *command;
	struct msg_request request;
	const char *config;
	const char *coordinator;
	const char *server;
	uint64_t timeout_ms;
	unsigned color; /* enum color_when */
	bool quiet;
	bool verbose;
	bool help;
	bool version;
	unsigned format; /* enum format */
	const char *columns;
	bool no_headings;
	uint64_t watch_s; /* 0 = once, WATCH_EVENTS, or a period */
	bool detach;
	bool cold, allow_cold; /* migrate: its mode */
	bool events;           /* migrate --json --follow */
	bool movable, stuck;   /* ps */
	const char *family;    /* of a bare first word and --help: "roster" */
	bool log;
	bool public_only;
	const char *file;
	const char *check_file;
	bool example;
	const char *save_file;
	bool apply;
	unsigned by;       /* index in BY_WORDS */
	unsigned on_stuck; /* index in ON_STUCK_WORDS */
	const char *word;
	const char *second_word;
	const char *owner;
	const char *confirm;
	const char *key;
	/* simulate */
	struct msg_strs shapes, policies, settings;
	uint64_t sim_hosts, sim_containers, sim_seeds, sim_seed, for_ms;
	const char *record_file;
};

/* How a value is written and checked. */
enum value_kind {
	VALUE_flag,     /* bool, no value */
	VALUE_constant, /* unsigned, no value: stores the row's max */
	VALUE_choice,   /* unsigned: index in the row's words */
	VALUE_name,     /* name_ok */
	VALUE_container,
	VALUE_host,
	VALUE_job,  /* ULID, a tail of one, or a container's name */
	VALUE_text, /* at most max bytes, no control characters */
	VALUE_file,
	VALUE_list,   /* names separated by commas */
	VALUE_hosts,  /* the same, of hosts */
	VALUE_repeat, /* texts, one each time that it is given; at most max */
	VALUE_number, /* max is the limit */
	VALUE_period, /* seconds, may be left out */
	VALUE_duration,
	VALUE_time, /* "22:30", "2026-11-30 02:00", "+2h": to wall clock ms, in the local zone */
};

/* clang-format off */
#define AT(field) offsetof(struct invocation, field)
/* X(id, letter, long name, value's name, kind, place, words, max, help) */
#define FLAG_TABLE(X) \
	X(to,        0,  "to",         "HOST", VALUE_host,     AT(request.host), NULL, 63, \
	  "move to this host; without it the best one is chosen") \
	X(from,      0,  "from",       "HOST", VALUE_host,     AT(request.from), NULL, 63, \
	  "only if the container runs on this host") \
	X(on,        0,  "host",       "HOST", VALUE_host,     AT(request.host), NULL, 63, \
	  "only what is on this host") \
	X(skip,      0,  "skip",       "LIST", VALUE_list,     AT(request.skip), NULL, 32, \
	  "leave out these checks, for example cpu,version") \
	X(force,     0,  "force",      NULL,   VALUE_flag,     AT(request.force), NULL, 0, \
	  "leave out every check that can be left out") \
	X(ready,     0,  "host",       "HOST", VALUE_host,     AT(request.from), NULL, 63, \
	  "all containers of this host, as its evacuation would find them") \
	X(movable,   0,  "movable",    NULL,   VALUE_flag,     AT(movable), NULL, 0, \
	  "only those that some host can take live, with the best one") \
	X(stuck,     0,  "stuck",      NULL,   VALUE_flag,     AT(stuck), NULL, 0, \
	  "only those that no host can take live, with the reason") \
	X(deadline,  0,  "deadline",   "TIME", VALUE_duration, AT(request.deadline_ms), NULL, 0, \
	  "give up, and stay, after this long (30s, 5m)") \
	X(maxdown,   0,  "max-downtime", "TIME", VALUE_duration, AT(request.max_downtime_ms), NULL, 0, \
	  "move only if it will be frozen for less than this, as predicted (2s, 500ms)") \
	X(cold,      0,  "cold",       NULL,   VALUE_flag,     AT(cold), NULL, 0, \
	  "stop it, move its files, start it there: memory and connections end") \
	X(allowcold, 0,  "allow-cold", NULL,   VALUE_flag,     AT(allow_cold), NULL, 0, \
	  "cold if no host can take it live, or not within its downtime; the job says why") \
	X(detach,    'd', "detach",    NULL,   VALUE_flag,     AT(detach), NULL, 0, \
	  "print the job's id and return at once") \
	X(follow,    'f', "follow",    NULL,   VALUE_flag,     AT(request.follow), NULL, 0, \
	  "show progress until it ends") \
	X(events,    0,  "follow",     NULL,   VALUE_flag,     AT(events), NULL, 0, \
	  "with --json: each event as a line, then the job") \
	X(log,       0,  "log",        NULL,   VALUE_flag,     AT(log), NULL, 0, \
	  "print the dump and restore logs, whole, from the hosts") \
	X(logof,     0,  "host",       "HOST", VALUE_host,     AT(request.host), NULL, 63, \
	  "with --log: only this host's") \
	X(limit,     'n', "limit",     "N",    VALUE_number,   AT(request.limit), NULL, 1024, \
	  "at most this many") \
	X(all,       'a', "all",       NULL,   VALUE_flag,     AT(request.all), NULL, 0, \
	  "the finished ones too") \
	X(copies,    'a', "all",       NULL,   VALUE_flag,     AT(request.all), NULL, 0, \
	  "copies that a migration holds too") \
	X(reason,    'm', "message",   "TEXT", VALUE_text,     AT(request.reason), NULL, 255, \
	  "why, for those who look later") \
	X(why,       0,  "reason",     "TEXT", VALUE_text,     AT(request.reason), NULL, 255, \
	  "why; it is signed, and kept in the history") \
	X(owner,     0,  "owner",      "SIDE", VALUE_name,     AT(owner), "source target", 6, \
	  "who has the container from now on: source or target") \
	X(confirm,   0,  "confirm",    "HOST", VALUE_host,     AT(confirm), NULL, 63, \
	  "the host that is off, where there is no terminal to type it on") \
	X(key,       0,  "key",        "FILE", VALUE_file,     AT(key), NULL, 4095, \
	  "the operator's key file; default: key in [cli]") \
	X(replace,   0,  "force",      NULL,   VALUE_flag,     AT(request.force), NULL, 0, \
	  "replace a file that is there") \
	X(public,    0,  "public",     NULL,   VALUE_flag,     AT(public_only), NULL, 0, \
	  "print the public half of an existing key file") \
	X(yes,       'y', "yes",       NULL,   VALUE_flag,     AT(request.yes), NULL, 0, \
	  "do not ask; needed where no terminal is there to answer") \
	X(dryrun,    0,  "dry-run",    NULL,   VALUE_flag,     AT(request.dry_run), NULL, 0, \
	  "print the plan and do nothing") \
	X(parallel,  0,  "parallel",   "N",    VALUE_number,   AT(request.parallel), NULL, 32, \
	  "moves at a time in the cluster (5)") \
	X(within,    0,  "deadline",   "TIME", VALUE_duration, AT(request.deadline_ms), NULL, 0, \
	  "begin no more moves after this long (1h); those under way are finished") \
	X(apply,     0,  "apply",      NULL,   VALUE_flag,     AT(apply), NULL, 0, \
	  "carry it out, after a question") \
	X(by,        0,  "by",         "WHAT", VALUE_choice,   AT(by), BY_WORDS, 0, \
	  "all, cpu, mem or psi: which load counts") \
	X(onstuck,   0,  "on-stuck",   "WHAT", VALUE_choice,   AT(on_stuck), ON_STUCK_WORDS, 0, \
	  "stay (as it is); cold: what cannot move live is stopped, moved and started; stop: what cannot move so either is stopped where it is") \
	X(maxmoves,  0,  "max-moves",  "N",    VALUE_number,   AT(request.limit), NULL, 100, \
	  "at most this many (3)") \
	X(at,        0,  "at",         "TIME", VALUE_time,     AT(request.at_ms), NULL, 0, \
	  "begin then: 22:30, '2026-11-30 02:00' or +2h") \
	X(noreturn,  0,  "no-return",  NULL,   VALUE_flag,     AT(request.no_return), NULL, 0, \
	  "only lift the mark: bring nothing home") \
	X(save,      0,  "save",       "FILE", VALUE_file,     AT(save_file), NULL, 4095, \
	  "write the plan to this file, as JSON") \
	X(shape,     0,  "shape",      "LIST", VALUE_list,     AT(shapes), SHAPE_WORDS, 16, \
	  "generated loads: steady, overload, wave, noisy, added; all of them by default") \
	X(policy,    0,  "policy",     "LIST", VALUE_list,     AT(policies), SIM_POLICY_WORDS, 16, \
	  "nothing, drover, incus, incus-coded, proxmox, descheduler; all by default") \
	X(set,       0,  "set",        "S.N=V", VALUE_repeat,  AT(settings), NULL, 64, \
	  "try drover with this setting as well, beside as it is configured; may be repeated") \
	X(simhosts,  0,  "hosts",      "N",    VALUE_number,   AT(sim_hosts), NULL, 1000, \
	  "hosts that are generated (8)") \
	X(simcts,    0,  "containers", "N",    VALUE_number,   AT(sim_containers), NULL, 10000, \
	  "containers that are generated (8 a host)") \
	X(seeds,     0,  "seeds",      "N",    VALUE_number,   AT(sim_seeds), NULL, 10000, \
	  "generated clusters of each shape; figures are means (10)") \
	X(seed,      0,  "seed",       "N",    VALUE_number,   AT(sim_seed), NULL, 1000000000, \
	  "the first of them (1)") \
	X(lasting,   0,  "for",        "TIME", VALUE_duration, AT(for_ms), NULL, 0, \
	  "virtual time of a run (2h), or how long to record (10m)") \
	X(record,    0,  "record",     "FILE", VALUE_file,     AT(record_file), NULL, 4095, \
	  "write the cluster's loads to this file; with --shape: the generated ones") \
	X(checkfile, 0,  "check",      "FILE", VALUE_file,     AT(check_file), NULL, 4095, \
	  "only say whether this file is right") \
	X(example,   0,  "example",    NULL,   VALUE_flag,     AT(example), NULL, 0, \
	  "print a configuration with every setting at its default, commented out") \
	X(output,    'o', "output",    "FORM", VALUE_choice,   AT(format), FORMAT_WORDS, 0, \
	  "table, wide, json or plain (tab separated)") \
	X(json,      0,  "json",       NULL,   VALUE_constant, AT(format), NULL, FORMAT_json, \
	  "same as -o json") \
	X(columns,   'c', "columns",   "LIST", VALUE_text,     AT(columns), NULL, 255, \
	  "these columns, in this order; with + first: these as well") \
	X(headings,  0,  "no-headings", NULL,  VALUE_flag,     AT(no_headings), NULL, 0, \
	  "no line of headings") \
	X(watch,     'w', "watch",     "SECS", VALUE_period,   AT(watch_s), NULL, 3600, \
	  "draw again on every event, or every SECS seconds") \
	X(config,    0,  "config",     "FILE", VALUE_file,     AT(config), NULL, 4095, \
	  "configuration file (" DROVER_CONFIG ")") \
	X(endpoint,  0,  "coordinator", "ENDPOINT", VALUE_text, AT(coordinator), NULL, 255, \
	  "ipc://PATH or tcp://HOST:PORT; also $DROVER_COORDINATOR") \
	X(server,    0,  "server",     "ID",   VALUE_name,     AT(server), NULL, 63, \
	  "the coordinator's name in the roster, for tcp://") \
	X(timeout,   0,  "timeout",    "TIME", VALUE_duration, AT(timeout_ms), NULL, 0, \
	  "wait this long for an answer (10s)") \
	X(color,     0,  "color",      "WHEN", VALUE_choice,   AT(color), "auto always never", 0, \
	  "auto, always or never; $NO_COLOR is respected") \
	X(quiet,     'q', "quiet",     NULL,   VALUE_flag,     AT(quiet), NULL, 0, \
	  "no progress, only the result and errors") \
	X(verbose,   'v', "verbose",   NULL,   VALUE_flag,     AT(verbose), NULL, 0, \
	  "say what is asked of whom") \
	X(version,   'V', "version",   NULL,   VALUE_flag,     AT(version), NULL, 0, \
	  "same as drover version") \
	X(help,      'h', "help",      NULL,   VALUE_flag,     AT(help), NULL, 0, \
	  "this text")
/* clang-format on */

enum flag_id {
#define X(id, ...) FLAG_ID_##id,
	FLAG_TABLE(X)
#undef X
		FLAG_COUNT
};

/* A set of rows; there are as many as a word has bits, and soon more. */
typedef unsigned __int128 flag_set;
_Static_assert(FLAG_COUNT <= 128, "a set has a bit for each row");

#define FLAG_BIT(id) ((flag_set)1 << (id))
#define FLAG(id) FLAG_BIT(FLAG_ID_##id)
#define FLAGS_FORM (FLAG(output) | FLAG(json))
#define FLAGS_TABLE (FLAGS_FORM | FLAG(columns) | FLAG(headings))
#define FLAGS_LIST (FLAGS_TABLE | FLAG(watch)) /* of what changes while one looks */
#define FLAGS_GLOBAL \
	(FLAG(config) | FLAG(endpoint) | FLAG(server) | FLAG(timeout) | FLAG(color) | \
	 FLAG(quiet) | FLAG(verbose) | FLAG(version) | FLAG(help))

struct flag {
	int letter; /* 0 = none */
	const char *name;
	const char *value; /* NULL: takes none */
	enum value_kind kind;
	size_t place;
	const char *words;
	uint64_t max;
	const char *help;
};

extern const struct flag flag_rows[FLAG_COUNT];

/* Puts one checked value at its place; `said` is how the reader wrote it ("--to", "CTR").
 * -ERR_usage with the nearest known word. */
int value_store(struct invocation *in, const char *said, enum value_kind kind, size_t place,
		const char *words, uint64_t max, const char *text, struct err *err);

/* Parses the whole command line: global options, the command, its options and arguments in any
 * order, "--" ends options. -ERR_usage; invocation_done is due in any case. */
int invocation_parse(struct invocation *in, int argc, char **argv, struct err *err);
void invocation_done(struct invocation *in);

/* Nearest of the space separated words, "" when none is near. */
const char *words_nearest(const char *words, const char *text, char *buf, size_t size);

#endif
