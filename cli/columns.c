/* SPDX-License-Identifier: MPL-2.0
 *
 * The columns of each noun. */
#include "cli/columns.h"

#include <string.h>

#define MINI_CELLS 8
#define MINI_WIDTH 100 /* of the terminal, from which there is room for bars */

/* "━━━╸────  42%", on a terminal only: elsewhere the number. */
static void share_text(struct cell *cell, double share)
{
	char bar[BAR_SIZE(MINI_CELLS)] = "";

	if (cell->style->width >= MINI_WIDTH)
		style_bar(cell->style, bar, sizeof(bar), MINI_CELLS, share, false);
	cell_set(cell, "%s%s%*.0f%%", bar, *bar ? " " : "", *bar ? 3 : 0, share * 100);
	cell->tone = share >= 0.9 ? TONE_bad : share >= 0.75 ? TONE_warn : TONE_plain;
}

/* Hosts. */
TEXT_STR(host_id, host, id)
TEXT_STR(host_role, host, role)
TEXT_STR(host_address, host, address)
TEXT_STR(host_kernel, host, kernel)
TEXT_STR(host_arch, host, arch)
TEXT_STR(host_version, host, version)
TEXT_U64(host_cpus, host, cpus)
TEXT_U64(host_containers, host, containers)
TEXT_F64(host_psi_cpu, host, psi_cpu)
TEXT_F64(host_psi_mem, host, psi_mem)
TEXT_F64(host_psi_io, host, psi_io)
TEXT_BYTES(host_storage, host, storage_free_bytes)
TEXT_BYTES(host_staging, host, staging_free_bytes)

/* What a host said before it was lost says nothing about now. */
static bool heard_of(const struct msg_host *host)
{
	return !str_eq(host->state, "dead") && !str_eq(host->state, "unknown");
}

TEXT(host_state)
{
	const struct msg_host *r = record;

	cell_set(cell, "%s", r->state ? r->state : "unknown");
	cell->tone = state_tone(r->state);
	if (r->cordoned) {
		cell_set(cell, "%s%s%s",
			 heard_of(r) ? ""
			 : r->state  ? r->state
				     : "unknown",
			 heard_of(r) ? "" : ", ", r->maintenance ? "maintenance" : "cordoned");
		cell->tone = heard_of(r) ? TONE_warn : TONE_bad;
	}
}

TEXT(host_age)
{
	const struct msg_host *r = record;

	cell_duration(cell, r->age_ms);
	if (!r->age_ms)
		cell_set(cell, "%s", heard_of(r) ? "now" : "never");
}

TEXT(host_load)
{
	const struct msg_host *r = record;

	if (heard_of(r))
		cell_set(cell, "%.2f", r->load1);
}

TEXT(host_cpu)
{
	const struct msg_host *r = record;

	if (heard_of(r))
		share_text(cell, (double)r->cpu_permille / 1000);
}

TEXT(host_mem)
{
	const struct msg_host *r = record;
	uint64_t used = r->mem_total_bytes > r->mem_available_bytes
				? r->mem_total_bytes - r->mem_available_bytes
				: 0;

	if (r->mem_total_bytes && heard_of(r))
		share_text(cell, (double)used / (double)r->mem_total_bytes);
}

TEXT(host_hot)
{
	const struct msg_host *r = record;

	share_text(cell, r->hot);
}

TEXT(host_free)
{
	const struct msg_host *r = record;

	if (heard_of(r))
		cell_bytes(cell, r->mem_available_bytes);
}

TEXT(host_criu)
{
	const struct msg_host *r = record;
	uint64_t v = r->criu_version;

	if (!v)
		cell_set(cell, "none");
	else if (v % 100)
		cell_set(cell, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, v / 10000, v / 100 % 100,
			 v % 100);
	else
		cell_set(cell, "%" PRIu64 ".%" PRIu64, v / 10000, v / 100 % 100);
}

TEXT(host_runtimes)
{
	const struct msg_host *r = record;

	for (size_t i = 0; i < r->runtimes.n; i++) {
		size_t used = strlen(cell->text);

		str_fmt(cell->text + used, sizeof(cell->text) - used, "%s%s%s%s", i ? ", " : "",
			r->runtimes.v[i].name ? r->runtimes.v[i].name : "",
			r->runtimes.v[i].version ? " " : "",
			r->runtimes.v[i].version ? r->runtimes.v[i].version : "");
	}
}

static void join_text(struct cell *cell, const struct msg_strs *list)
{
	for (size_t i = 0; i < list->n; i++) {
		size_t used = strlen(cell->text);

		str_fmt(cell->text + used, sizeof(cell->text) - used, "%s%s", i ? "," : "",
			list->v[i]);
	}
}

TEXT(host_labels)
{
	join_text(cell, &((const struct msg_host *)record)->labels);
}

/* The reason of a cordon, else the first problem. */
TEXT(host_note)
{
	const struct msg_host *r = record;

	if (r->note && *r->note)
		cell_set(cell, "%s", r->note);
	else if (r->problems.n && r->problems.v[0].why)
		cell_set(cell, "%s", r->problems.v[0].why);
	else if (str_eq(r->state, "dead"))
		cell_set(cell, "containers unknown, not dead");
}

/* clang-format off */
static const struct column host_columns[] = {
	{ "host",       "id",                  host_id,         0 },
	{ "state",      "state",               host_state,      0 },
	{ "cpu",        "cpu_permille",        host_cpu,        COLUMN_RIGHT },
	{ "mem",        "memory",              host_mem,        COLUMN_RIGHT },
	{ "free",       "mem_available_bytes", host_free,       COLUMN_RIGHT },
	{ "load",       "load1",               host_load,       COLUMN_RIGHT },
	{ "ctrs", "containers",          host_containers, COLUMN_RIGHT },
	{ "seen",       "age_ms",              host_age,        COLUMN_RIGHT },
	{ "address",    "address",             host_address,    COLUMN_WIDE },
	{ "cpus",       "cpus",                host_cpus,       COLUMN_RIGHT | COLUMN_ASKED },
	{ "hot",        "hot",                 host_hot,        COLUMN_RIGHT | COLUMN_ASKED },
	{ "psi-cpu",    "psi_cpu",             host_psi_cpu,    COLUMN_RIGHT | COLUMN_ASKED },
	{ "psi-mem",    "psi_mem",             host_psi_mem,    COLUMN_RIGHT | COLUMN_WIDE },
	{ "psi-io",     "psi_io",              host_psi_io,     COLUMN_RIGHT | COLUMN_ASKED },
	{ "storage",    "storage_free_bytes",  host_storage,    COLUMN_RIGHT | COLUMN_WIDE },
	{ "staging",    "staging_free_bytes",  host_staging,    COLUMN_RIGHT | COLUMN_WIDE },
	{ "kernel",     "kernel",              host_kernel,     COLUMN_WIDE | COLUMN_CUT },
	{ "arch",       "arch",                host_arch,       COLUMN_ASKED },
	{ "criu",       "criu_version",        host_criu,       COLUMN_WIDE },
	{ "runtimes",   "runtimes",            host_runtimes,   COLUMN_ASKED | COLUMN_CUT },
	{ "version",    "version",             host_version,    COLUMN_ASKED },
	{ "role",       "role",                host_role,       COLUMN_ASKED },
	{ "labels",     "labels",              host_labels,     COLUMN_WIDE | COLUMN_CUT },
	{ "note",       "note",                host_note,       COLUMN_WRAP },
};

const struct noun noun_hosts = {
	.record = "host", .stride = sizeof(struct msg_host), .place = offsetof(struct msg_reply, hosts),
	.empty = "No host has been heard of yet. Is drover-worker running there?",
	.columns = host_columns, .n_columns = ARRAY_LEN(host_columns),
};
/* clang-format on */

/* Containers in their places. */
#define CONTAINER(r) (((const struct msg_place *)(r))->container)
#define TEXT_CONTAINER(name, statement) \
	TEXT(name) \
	{ \
		const struct msg_container *c = CONTAINER(record); \
		if (c) \
			statement; \
	}

TEXT_STR(place_host, place, host)
TEXT_CONTAINER(place_id, cell_set(cell, "%s", c->id ? c->id : ""))
TEXT_CONTAINER(place_runtime, cell_set(cell, "%s", c->runtime ? c->runtime : ""))
TEXT_CONTAINER(place_image, cell_set(cell, "%s", c->image ? c->image : ""))
TEXT_CONTAINER(place_rss, cell_bytes(cell, c->rss_bytes))
TEXT_CONTAINER(place_limit, cell_bytes(cell, c->limit_bytes))
TEXT_CONTAINER(place_files, cell_bytes(cell, c->tree_bytes))
TEXT_CONTAINER(place_cpu, cell_set(cell, "%.0f%%", (double)c->cpu_permille / 10))
TEXT_CONTAINER(place_tasks, cell_set(cell, "%" PRIu64, c->tasks))
TEXT_CONTAINER(place_pid, cell_set(cell, "%" PRIu64, c->pid))
TEXT_CONTAINER(place_tcp, cell_set(cell, "%" PRIu64, c->tcp_established))
TEXT_CONTAINER(place_labels, join_text(cell, &c->labels))
TEXT_CONTAINER(place_listening, join_text(cell, &c->listening))
TEXT_CONTAINER(place_started, cell_time(cell, c->started_ms))
TEXT_CONTAINER(place_bundle, cell_set(cell, "%s", c->bundle ? c->bundle : ""))
TEXT_CONTAINER(place_authority, cell_set(cell, "%s", c->authority ? c->authority : ""))

TEXT(place_status)
{
	const struct msg_place *r = record;
	const char *status =
		r->container && r->container->status ? r->container->status : "unknown";

	cell_set(cell, "%s", status);
	cell->tone = state_tone(status);
	if (r->container && str_eq(r->container->authority, "away")) {
		cell_set(cell, "%s E-AWAY", status);
		cell->tone = TONE_bad;
	}
	if (r->host_state && !str_eq(r->host_state, "up")) {
		cell_set(cell, "unknown");
		cell->tone = TONE_warn;
	}
}

TEXT(place_address)
{
	const struct msg_container *c = CONTAINER(record);
	const struct msg_net *net = c ? c->net : NULL;

	if (net && net->addrs.n)
		join_text(cell, &net->addrs);
	else if (net && net->kind)
		cell_set(cell, "%s", net->kind);
}

TEXT(place_job)
{
	const struct msg_place *r = record;

	cell_set(cell, "%s", id_tail(r->job));
	cell->tone = TONE_live;
}

TEXT(place_movable)
{
	const struct msg_place *r = record;

	cell_set(cell, "%s", r->verdict ? r->verdict : "");
	cell->tone = str_eq(r->verdict, "no")     ? TONE_bad
		     : str_eq(r->verdict, "live") ? TONE_good
						  : TONE_warn;
}

TEXT_OF(place_to, place, if (r->best) cell_set(cell, "%s", r->best->host ? r->best->host : ""))
TEXT_OF(place_score, place,
	if (r->best && r->best->score > 0) cell_set(cell, "%.1f", r->best->score))
TEXT_OF(place_frozen, place, if (r->best) cell_duration(cell, r->best->predicted_frozen_ms))
TEXT_STR(place_policy, place, policy)
TEXT_U64(place_priority, place, priority)
TEXT_STR(place_group, place, group)

/* The first reason that refuses in its own words, or the codes of the warnings. */
TEXT(place_first)
{
	const struct msg_place *r = record;

	for (size_t i = 0; i < r->reasons.n; i++) {
		const struct msg_reason *reason = &r->reasons.v[i];
		size_t used = strlen(cell->text);

		if (!reason->warning) {
			cell_set(cell, "%s: %s", reason->code ? reason->code : "",
				 reason->why ? reason->why : "");
			return;
		}
		str_fmt(cell->text + used, sizeof(cell->text) - used, "%s%s", i ? ", " : "",
			reason->code ? reason->code : "");
	}
}

TEXT(place_why)
{
	const struct msg_place *r = record;

	for (size_t i = 0; i < r->reasons.n; i++) {
		size_t used = strlen(cell->text);

		str_fmt(cell->text + used, sizeof(cell->text) - used, "%s%s", i ? "," : "",
			r->reasons.v[i].code ? r->reasons.v[i].code : "");
	}
}

/* clang-format off */
static const struct column place_columns[] = {
	{ "container", "id",              place_id,        0 },
	{ "host",      "host",            place_host,      0 },
	{ "status",    "status",          place_status,    0 },
	{ "runtime",   "runtime",         place_runtime,   0 },
	{ "memory",    "rss_bytes",       place_rss,       COLUMN_RIGHT },
	{ "limit",     "limit_bytes",     place_limit,     COLUMN_RIGHT | COLUMN_WIDE },
	{ "cpu",       "cpu_permille",    place_cpu,       COLUMN_RIGHT },
	{ "tasks",     "tasks",           place_tasks,     COLUMN_RIGHT | COLUMN_WIDE },
	{ "pid",       "pid",             place_pid,       COLUMN_RIGHT | COLUMN_WIDE },
	{ "address",   "addrs",           place_address,   COLUMN_CUT },
	{ "tcp",       "tcp_established", place_tcp,       COLUMN_RIGHT },
	{ "listening", "listening",       place_listening, COLUMN_WIDE | COLUMN_CUT },
	{ "files",     "tree_bytes",      place_files,     COLUMN_RIGHT | COLUMN_WIDE },
	{ "started",   "started_ms",      place_started,   COLUMN_WIDE },
	{ "image",     "image",           place_image,     COLUMN_WIDE | COLUMN_CUT },
	{ "bundle",    "bundle",          place_bundle,    COLUMN_ASKED | COLUMN_CUT },
	{ "authority", "authority",       place_authority, COLUMN_ASKED },
	{ "labels",    "labels",          place_labels,    COLUMN_WIDE | COLUMN_CUT },
	{ "group",     "group",           place_group,     COLUMN_WIDE },
	{ "movable",   "verdict",         place_movable,   COLUMN_ASKED },
	{ "to",        "best",            place_to,        COLUMN_ASKED },
	{ "why",       "reasons",         place_why,       COLUMN_ASKED | COLUMN_WRAP },
	{ "job",       "job",             place_job,       0 },
};

/* The same places as an evacuation sees them. */
static const struct column ready_columns[] = {
	{ "container", "id",        place_id,       0 },
	{ "host",      "host",      place_host,     COLUMN_ASKED },
	{ "verdict",   "verdict",   place_movable,  0 },
	{ "to",        "best",      place_to,       0 },
	{ "score",     "score",     place_score,    COLUMN_RIGHT },
	{ "downtime",  "predicted_frozen_ms", place_frozen, COLUMN_RIGHT },
	{ "memory",    "rss_bytes", place_rss,      COLUMN_RIGHT },
	{ "policy",    "policy",    place_policy,   COLUMN_WIDE },
	{ "priority",  "priority",  place_priority, COLUMN_RIGHT | COLUMN_WIDE },
	{ "group",     "group",     place_group,    COLUMN_WIDE },
	{ "why",       "reasons",   place_first,    COLUMN_WRAP },
};

const struct noun noun_ready = {
	.record = "place", .stride = sizeof(struct msg_place),
	.place = offsetof(struct msg_reply, places), .empty = "No containers.",
	.columns = ready_columns, .n_columns = ARRAY_LEN(ready_columns),
};

const struct noun noun_places = {
	.record = "place", .stride = sizeof(struct msg_place),
	.place = offsetof(struct msg_reply, places), .empty = "No containers.",
	.columns = place_columns, .n_columns = ARRAY_LEN(place_columns),
};
/* clang-format on */
