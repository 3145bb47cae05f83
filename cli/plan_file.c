/* SPDX-License-Identifier: MPL-2.0
 *
 * A saved plan is read back: what apply needs of it, checked as the schema checks it. */
#include "cli/cli.h"

#include "cli/report.h"

#include "base/file.h"
#include "base/mem.h"

#include <jansson.h>
#include <string.h>

#define PLAN_FILE_MAX (4u << 20)

/* Borrows from the JSON; NULL when it is no text. */
static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int read_hosts(const json_t *root, struct msg_plan *plan, struct err *err)
{
	const json_t *list = json_object_get(root, "hosts");
	size_t n = json_array_size(list);

	plan->hosts.v = mem_new(n + 1, sizeof(*plan->hosts.v));
	for (size_t i = 0; i < n; i++) {
		plan->hosts.v[i] = json_string_value(json_array_get(list, i));
		if (!name_ok(plan->hosts.v[i]))
			return fail(err, ERR_invalid, "hosts[%zu] is no host's name", i);
		plan->hosts.n++;
	}
	return 0;
}

static int read_items(const json_t *root, struct msg_plan *plan, struct err *err)
{
	const json_t *list = json_object_get(root, "items");
	size_t n = json_array_size(list);

	plan->items.v = mem_new(n + 1, sizeof(*plan->items.v));
	for (size_t i = 0; i < n; i++) {
		const json_t *object = json_array_get(list, i);
		struct msg_item item = {.container = text_of(object, "container"),
					.source = text_of(object, "source"),
					.target = text_of(object, "target")};

		if (!name_ok(item.container) || !name_ok(item.source) ||
		    (item.target && *item.target && !name_ok(item.target)))
			return fail(err, ERR_invalid, "items[%zu] is no container that moves", i);
		plan->items.v[plan->items.n++] = item;
	}
	return 0;
}

static void read_rooms(const json_t *root, struct msg_plan *plan)
{
	const json_t *list = json_object_get(root, "rooms");
	size_t n = json_array_size(list);

	plan->rooms.v = mem_new(n + 1, sizeof(*plan->rooms.v));
	for (size_t i = 0; i < n; i++) {
		const json_t *object = json_array_get(list, i);

		plan->rooms.v[i] = (struct msg_room){.host = text_of(object, "host"),
						     .boot_id = text_of(object, "boot_id")};
	}
	plan->rooms.n = n;
}

static int read_plan(const char *path, json_t **ret_root, struct msg_plan *plan, struct err *err)
{
	auto_free char *text = NULL;
	json_error_t where;
	size_t len;

	if (file_read(path, PLAN_FILE_MAX, &text, &len, err))
		return -err->code;
	*ret_root = json_loadb(text, len, 0, &where);
	if (!*ret_root)
		return fail(err, ERR_invalid, "%s:%d: %s", path, where.line, where.text);
	plan->kind = text_of(*ret_root, "kind");
	plan->reason = text_of(*ret_root, "reason");
	if (read_hosts(*ret_root, plan, err) || read_items(*ret_root, plan, err))
		return err_wrap(err, "%s", path);
	read_rooms(*ret_root, plan);
	return 0;
}

int apply_run(struct cli *cli)
{
	struct msg_plan plan = {0};
	struct err err = {0};
	json_t *root = NULL;
	int exit_code;

	if (read_plan(cli->in.file, &root, &plan, &err)) {
		exit_code = report_err(cli, NULL, &err);
	} else {
		cli->in.request.saved = &plan;
		if (!cli->in.request.reason)
			cli->in.request.reason = plan.reason;
		exit_code = drain_run(cli);
		cli->in.request.saved = NULL;
	}
	free(plan.hosts.v);
	free(plan.items.v);
	free(plan.rooms.v);
	json_decref(root);
	return exit_code;
}
