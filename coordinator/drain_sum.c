/* SPDX-License-Identifier: MPL-2.0
 *
 * The last line of a drain: its hosts are empty, or what is left on them and why; and what was
 * stopped there. */
#include "coordinator/drain_impl.h"

#include <string.h>

static void list_left(const struct drain *drain, char *text, size_t size)
{
	for (size_t i = 0; i < drain->n_items; i++) {
		const struct drain_item *item = &drain->items[i];
		size_t used = strlen(text);

		if (item->state == ITEM_moved || item->state == ITEM_gone ||
		    item->state == ITEM_stopped || item->state == ITEM_started)
			continue;
		str_fmt(text + used, size - used, "%s%s on %s (%s%s%s)", used ? "; " : "",
			item->container, item->source,
			*item->code ? item->code : item_state_name(item->state),
			*item->why ? ": " : "", item->why);
	}
}

/* "; stopped there: mail, cache (drover restore alpha starts them again)" */
static void list_stopped(const struct drain *drain, char *text, size_t size)
{
	const char *before = "; stopped there: ", *host = "";

	for (size_t i = 0; i < drain->n_items; i++) {
		const struct drain_item *item = &drain->items[i];
		size_t used = strlen(text);

		if (item->state != ITEM_stopped || size - used < 120)
			continue;
		str_fmt(text + used, size - used, "%s%s", before, item->container);
		before = ", ";
		host = item->source;
	}
	str_fmt(text + strlen(text), size - strlen(text), " (drover restore %s starts %s)",
		drain->n_hosts == 1 ? host : "HOST",
		drain_count(drain, ITEM_stopped) == 1 ? "it" : "them");
}

void drain_sum_up(struct drain *drain)
{
	char hosts[400] = "", left[600] = "";
	size_t stopped = drain_count(drain, ITEM_stopped);
	size_t n = drain->n_items - drain_count(drain, ITEM_moved) - drain_count(drain, ITEM_gone) -
		   stopped - drain_count(drain, ITEM_started);

	for (size_t i = 0; i < drain->n_hosts; i++) {
		size_t used = strlen(hosts);

		str_fmt(hosts + used, sizeof(hosts) - used, "%s%s", i ? ", " : "", drain->hosts[i]);
	}
	list_left(drain, left, sizeof(left));
	if (n)
		str_fmt(drain->note, sizeof(drain->note), "%zu left: %s", n, left);
	else if (str_eq(drain->kind, "evacuate"))
		str_fmt(drain->note, sizeof(drain->note), "%s %s empty", hosts,
			drain->n_hosts == 1 ? "is" : "are");
	else if (!str_eq(drain->kind, "restore"))
		str_fmt(drain->note, sizeof(drain->note), "all moves are done");
	else
		str_fmt(drain->note, sizeof(drain->note), "%s %s back what %s", hosts,
			drain->n_hosts == 1 ? "has" : "have",
			drain->n_hosts == 1 ? "it had" : "they had");
	if (stopped)
		list_stopped(drain, drain->note, sizeof(drain->note));
}
