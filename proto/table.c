/* SPDX-License-Identifier: MPL-2.0
 *
 * Turns proto/schema.h into tables: one row per field with its offset in the C struct. */
#include "proto/table.h"

#include "base/mem.h"
#include "proto/msg.h"

#include <string.h>

/* clang-format off */
#define ROW_u64(rec, k, nm)              {k, FIELD_u64,  0, 0, #nm, offsetof(struct msg_##rec, nm), NULL},
#define ROW_i64(rec, k, nm)              {k, FIELD_i64,  0, 0, #nm, offsetof(struct msg_##rec, nm), NULL},
#define ROW_f64(rec, k, nm)              {k, FIELD_f64,  0, 0, #nm, offsetof(struct msg_##rec, nm), NULL},
#define ROW_flag(rec, k, nm)             {k, FIELD_flag, 0, 0, #nm, offsetof(struct msg_##rec, nm), NULL},
#define ROW_str(rec, k, nm, mx)          {k, FIELD_str, mx, 0, #nm, offsetof(struct msg_##rec, nm), NULL},
#define ROW_bin(rec, k, nm, mx)          {k, FIELD_bin, mx, 0, #nm, offsetof(struct msg_##rec, nm), NULL},
#define ROW_strs(rec, k, nm, mx, each)   {k, FIELD_strs, mx, each, #nm, offsetof(struct msg_##rec, nm), NULL},
#define ROW_obj(rec, k, nm, sb)          {k, FIELD_obj,  0, 0, #nm, offsetof(struct msg_##rec, nm), &table_##sb},
#define ROW_list(rec, k, nm, sb, mx)     {k, FIELD_list, mx, 0, #nm, offsetof(struct msg_##rec, nm), &table_##sb},
/* clang-format on */

#define TABLE(record, F) \
	static const struct field fields_##record[] = {MSG_##record(F)}; \
	static const struct table table_##record = {#record, sizeof(struct msg_##record), \
						    fields_##record, ARRAY_LEN(fields_##record)};

/* The row macro needs its record's name, which MSG_x(F) cannot pass on: one F per record. */
#define F_net(kind, key, name, ...) ROW_##kind(net, key, name, ##__VA_ARGS__)
TABLE(net, F_net)
#define F_reason(kind, key, name, ...) ROW_##kind(reason, key, name, ##__VA_ARGS__)
TABLE(reason, F_reason)
#define F_mount(kind, key, name, ...) ROW_##kind(mount, key, name, ##__VA_ARGS__)
TABLE(mount, F_mount)
#define F_device(kind, key, name, ...) ROW_##kind(device, key, name, ##__VA_ARGS__)
TABLE(device, F_device)
#define F_container(kind, key, name, ...) ROW_##kind(container, key, name, ##__VA_ARGS__)
TABLE(container, F_container)
#define F_runtime(kind, key, name, ...) ROW_##kind(runtime, key, name, ##__VA_ARGS__)
TABLE(runtime, F_runtime)
#define F_network(kind, key, name, ...) ROW_##kind(network, key, name, ##__VA_ARGS__)
TABLE(network, F_network)
#define F_usage(kind, key, name, ...) ROW_##kind(usage, key, name, ##__VA_ARGS__)
TABLE(usage, F_usage)
#define F_figures(kind, key, name, ...) ROW_##kind(figures, key, name, ##__VA_ARGS__)
TABLE(figures, F_figures)
#define F_term(kind, key, name, ...) ROW_##kind(term, key, name, ##__VA_ARGS__)
TABLE(term, F_term)
#define F_candidate(kind, key, name, ...) ROW_##kind(candidate, key, name, ##__VA_ARGS__)
TABLE(candidate, F_candidate)
#define F_host(kind, key, name, ...) ROW_##kind(host, key, name, ##__VA_ARGS__)
TABLE(host, F_host)
#define F_job(kind, key, name, ...) ROW_##kind(job, key, name, ##__VA_ARGS__)
TABLE(job, F_job)
#define F_line(kind, key, name, ...) ROW_##kind(line, key, name, ##__VA_ARGS__)
TABLE(line, F_line)
#define F_place(kind, key, name, ...) ROW_##kind(place, key, name, ##__VA_ARGS__)
TABLE(place, F_place)
#define F_rules(kind, key, name, ...) ROW_##kind(rules, key, name, ##__VA_ARGS__)
TABLE(rules, F_rules)
#define F_tally(kind, key, name, ...) ROW_##kind(tally, key, name, ##__VA_ARGS__)
TABLE(tally, F_tally)

#define F_window_host(kind, key, name, ...) ROW_##kind(window_host, key, name, ##__VA_ARGS__)
TABLE(window_host, F_window_host)

#define F_window(kind, key, name, ...) ROW_##kind(window, key, name, ##__VA_ARGS__)
TABLE(window, F_window)
#define F_cluster(kind, key, name, ...) ROW_##kind(cluster, key, name, ##__VA_ARGS__)
TABLE(cluster, F_cluster)
#define F_item(kind, key, name, ...) ROW_##kind(item, key, name, ##__VA_ARGS__)
TABLE(item, F_item)
#define F_room(kind, key, name, ...) ROW_##kind(room, key, name, ##__VA_ARGS__)
TABLE(room, F_room)
#define F_plan(kind, key, name, ...) ROW_##kind(plan, key, name, ##__VA_ARGS__)
TABLE(plan, F_plan)
#define F_hello(kind, key, name, ...) ROW_##kind(hello, key, name, ##__VA_ARGS__)
TABLE(hello, F_hello)
#define F_welcome(kind, key, name, ...) ROW_##kind(welcome, key, name, ##__VA_ARGS__)
TABLE(welcome, F_welcome)
#define F_beat(kind, key, name, ...) ROW_##kind(beat, key, name, ##__VA_ARGS__)
TABLE(beat, F_beat)
#define F_caps(kind, key, name, ...) ROW_##kind(caps, key, name, ##__VA_ARGS__)
TABLE(caps, F_caps)
#define F_ask(kind, key, name, ...) ROW_##kind(ask, key, name, ##__VA_ARGS__)
TABLE(ask, F_ask)
#define F_ack(kind, key, name, ...) ROW_##kind(ack, key, name, ##__VA_ARGS__)
TABLE(ack, F_ack)
#define F_progress(kind, key, name, ...) ROW_##kind(progress, key, name, ##__VA_ARGS__)
TABLE(progress, F_progress)
#define F_answer(kind, key, name, ...) ROW_##kind(answer, key, name, ##__VA_ARGS__)
TABLE(answer, F_answer)
#define F_cancel(kind, key, name, ...) ROW_##kind(cancel, key, name, ##__VA_ARGS__)
TABLE(cancel, F_cancel)
#define F_bye(kind, key, name, ...) ROW_##kind(bye, key, name, ##__VA_ARGS__)
TABLE(bye, F_bye)
#define F_request(kind, key, name, ...) ROW_##kind(request, key, name, ##__VA_ARGS__)
TABLE(request, F_request)
#define F_reply(kind, key, name, ...) ROW_##kind(reply, key, name, ##__VA_ARGS__)
TABLE(reply, F_reply)
#define F_event(kind, key, name, ...) ROW_##kind(event, key, name, ##__VA_ARGS__)
TABLE(event, F_event)
#define F_probe(kind, key, name, ...) ROW_##kind(probe, key, name, ##__VA_ARGS__)
TABLE(probe, F_probe)
#define F_sight(kind, key, name, ...) ROW_##kind(sight, key, name, ##__VA_ARGS__)
TABLE(sight, F_sight)

static const struct table *const messages[] = {
#define X(name, number) [number] = &table_##name,
	MESSAGE_TABLE(X)
#undef X
};

static const struct table *const records[] = {
#define X(name) &table_##name,
	RECORD_TABLE(X)
#undef X
};

const struct table *table_of_type(enum msg_type type)
{
	return (unsigned)type < ARRAY_LEN(messages) ? messages[type] : NULL;
}

const struct table *table_of_record(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(records); i++)
		if (str_eq(records[i]->name, name))
			return records[i];
	return NULL;
}

const struct field *table_find_key(const struct table *t, uint64_t key)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->fields[i].key == key)
			return &t->fields[i];
	return NULL;
}

bool field_present(const struct field *f, const void *at)
{
	switch (f->kind) {
	case FIELD_u64:
	case FIELD_i64:
		return *(const uint64_t *)at != 0;
	case FIELD_f64:
		return *(const double *)at != 0;
	case FIELD_flag:
		return *(const bool *)at;
	case FIELD_bin:
		return ((const struct msg_bin *)at)->len != 0;
	case FIELD_strs:
		return ((const struct msg_strs *)at)->n != 0;
	case FIELD_list:
		return ((const struct field_list *)at)->n != 0;
	default:
		return *(const void *const *)at != NULL;
	}
}

const char *msg_type_name(enum msg_type type)
{
	const struct table *t = table_of_type(type);

	return t ? t->name : "?";
}

static const char *const steps[STEP_COUNT] = {
#define X(name, number, who) [number] = #name,
	STEP_TABLE(X)
#undef X
};

const char *step_name(uint64_t step)
{
	return step < STEP_COUNT && steps[step] ? steps[step] : "?";
}

enum step step_find(const char *name)
{
	for (size_t i = 1; i < STEP_COUNT; i++)
		if (str_eq(name, steps[i]))
			return (enum step)i;
	return STEP_none;
}
