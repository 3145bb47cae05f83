/* SPDX-License-Identifier: MPL-2.0
 *
 * The node table: words heard, liveness, loads. Lookups of containers are in places.c. */
#include "coordinator/nodes.h"

#include "base/mem.h"
#include "coordinator/liveness.h"

#include <string.h>

#define EWMA_WEIGHT 0.3
#define SHIFT_MS 60000 /* twice the longest pause between two CAPS */

static const char *const state_names[] = {[NODE_unknown] = "unknown",
					  [NODE_up] = "up",
					  [NODE_suspect] = "suspect",
					  [NODE_dead] = "dead"};

const char *node_state_name(enum node_state state)
{
	return state_names[state];
}

void nodes_init(struct nodes *nodes, uint64_t interval_ms)
{
	*nodes = (struct nodes){.interval_ms = interval_ms};
}

static void shift_drop(struct shift **at)
{
	struct shift *gone = *at;

	*at = gone->next;
	msg_free(&gone->facts);
	free(gone);
}

void nodes_done(struct nodes *nodes)
{
	for (size_t i = 0; i < nodes->n; i++) {
		struct node *node = nodes->v[i];

		while (node->shifts)
			shift_drop(&node->shifts);
		free(node->enquiry);
		msg_free(&node->beat);
		msg_free(&node->caps);
		free(node->groups.v);
		free(node);
	}
	free(nodes->v);
	*nodes = (struct nodes){0};
}

void nodes_cordon(struct node *node, bool cordoned, const char *reason)
{
	node->cordoned = cordoned;
	str_copy(node->cordon_reason, sizeof(node->cordon_reason), cordoned ? given(reason) : "");
}

/* The index of id, or of where it belongs. */
static size_t slot_of(const struct nodes *nodes, const char *id, bool *ret_found)
{
	size_t low = 0, high = nodes->n;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(id, nodes->v[middle]->id);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct node *nodes_find(const struct nodes *nodes, const char *id)
{
	bool found;
	size_t at = slot_of(nodes, given(id), &found);

	return found ? nodes->v[at] : NULL;
}

size_t nodes_seek(const struct nodes *nodes, const char *id)
{
	bool found;

	return slot_of(nodes, id, &found);
}

struct node *nodes_add(struct nodes *nodes, const char *id)
{
	bool found;
	size_t at = slot_of(nodes, id, &found);
	struct node *node;

	if (found)
		return nodes->v[at];
	node = mem_new_of(struct node);
	str_copy(node->id, sizeof(node->id), id);
	node->ssh_port = 22;
	nodes->v = mem_grow(nodes->v, nodes->n + 1, sizeof(struct node *));
	memmove(nodes->v + at + 1, nodes->v + at, (nodes->n - at) * sizeof(struct node *));
	nodes->v[at] = node;
	nodes->n++;
	return node;
}

static void smooth(double *mean, double sample, bool first)
{
	sample = sample < 0 ? 0 : sample > 1 ? 1 : sample;
	*mean = first ? sample : EWMA_WEIGHT * sample + (1 - EWMA_WEIGHT) * *mean;
}

static double link_bytes_s(const struct node *node)
{
	uint64_t mbit = 0;

	for (size_t i = 0; node->caps && i < node->caps->caps->networks.n; i++)
		if (node->caps->caps->networks.v[i].speed_mbit > mbit)
			mbit = node->caps->caps->networks.v[i].speed_mbit;
	return (double)(mbit ? mbit : 1000) * 1e6 / 8;
}

static void hear_loads(struct node *node, const struct msg_beat *beat)
{
	double total = (double)beat->mem_total_bytes;
	double used = total > 0 ? 1 - (double)beat->mem_available_bytes / total : 0;
	bool first = !node->load_known;

	smooth(&node->load[RESOURCE_cpu], (double)beat->cpu_permille / 1000, first);
	smooth(&node->load[RESOURCE_mem], used, first);
	smooth(&node->load[RESOURCE_io], beat->psi_io / 100, first);
	smooth(&node->load[RESOURCE_net], (double)beat->net_bytes_s / link_bytes_s(node), first);
	node->load_known = true;
}

static unsigned hear_identity(struct node *node, const char *boot_id, const char *instance)
{
	unsigned news = NODE_NEWS_none;

	if (instance && *instance && !str_eq(instance, node->instance)) {
		news |= node->instance[0] ? NODE_NEWS_restarted : 0;
		str_copy(node->instance, sizeof(node->instance), instance);
		node->beat_seq = 0;
	}
	if (boot_id && *boot_id && !str_eq(boot_id, node->boot_id)) {
		news |= node->boot_id[0] ? NODE_NEWS_rebooted : 0;
		str_copy(node->boot_id, sizeof(node->boot_id), boot_id);
	}
	return news;
}

static unsigned hear_beat(struct node *node, const struct msg *msg)
{
	const struct msg_beat *beat = msg->beat;
	unsigned news = hear_identity(node, beat->boot_id, beat->instance);
	struct msg *copy;

	if (node->beat && beat->seq <= node->beat_seq)
		return news; /* late or doubled: a stalled reader keeps the oldest ones */
	copy = msg_copy_try(MSG_TYPE_beat, beat);
	if (!copy)
		return news; /* the next one tells it anew */
	node->beat_seq = beat->seq;
	hear_loads(node, beat);
	digest_beat(&node->digest, beat);
	msg_free(&node->beat);
	node->beat = copy;
	return news;
}

/* A sum of FNV-1a hashes, so that order does not matter. */
static uint64_t features_digest(const struct msg_strs *features)
{
	uint64_t sum = features->n;

	for (size_t i = 0; i < features->n; i++) {
		uint64_t hash = 14695981039346656037u;

		for (const char *p = features->v[i]; *p; p++)
			hash = (hash ^ (unsigned char)*p) * 1099511628211u;
		sum += hash;
	}
	return sum;
}

/* What a move told is dropped once the host's own list agrees with it: CAPS that were on their way
 * when the move ended must not undo it. After SHIFT_MS the host's list is right in any case. */
static void settle_shifts(struct node *node, const struct msg_caps *caps, uint64_t now_ms)
{
	struct shift **at = &node->shifts;

	while (*at) {
		bool listed = false;

		for (size_t i = 0; i < caps->containers.n; i++)
			listed |= str_eq(caps->containers.v[i].id, (*at)->id) &&
				  !container_is_copy(&caps->containers.v[i]);
		if (listed == (*at)->here || now_ms > (*at)->made_ms + SHIFT_MS)
			shift_drop(at);
		else
			at = &(*at)->next;
	}
}

static unsigned hear_caps(struct node *node, const struct msg *msg, uint64_t now_ms)
{
	const struct msg_caps *caps = msg->caps;
	unsigned news = hear_identity(node, caps->boot_id, caps->instance);
	struct msg *copy = msg_copy_try(MSG_TYPE_caps, caps);

	if (!copy)
		return news; /* the next ones tell it anew */
	settle_shifts(node, caps, now_ms);
	msg_free(&node->caps);
	node->caps = copy;
	node->features_digest = features_digest(&node->caps->caps->cpu_features);
	digest_caps(&node->digest, caps);
	str_copy(node->version, sizeof(node->version), caps->version);
	if (caps->ssh_port && caps->ssh_port <= UINT16_MAX)
		node->ssh_port = (uint16_t)caps->ssh_port;
	return news;
}

void node_become(struct node *node, enum node_state state, uint64_t now_ms)
{
	node->state = state;
	node->since_ms = now_ms;
	node->note[0] = '\0';
	if (state == NODE_suspect)
		return;
	free(node->enquiry);
	node->enquiry = NULL;
}

static const char *instance_of(const struct msg *msg)
{
	switch (msg->head.type) {
	case MSG_TYPE_hello:
		return given(msg->hello->instance);
	case MSG_TYPE_beat:
		return msg->beat->instance;
	case MSG_TYPE_caps:
		return msg->caps->instance;
	default:
		return NULL;
	}
}

/* Bye comes by another connection than beats, and may overtake them. */
static bool is_late(struct node *node, const struct msg *msg)
{
	const char *instance = instance_of(msg);

	node->left = node->left && (!instance || str_eq(instance, node->instance));
	return node->left;
}

static void hear_bye(struct node *node, const struct msg_bye *bye, uint64_t now_ms)
{
	node->left = true;
	node_become(node, NODE_dead, now_ms);
	str_fmt(node->note, sizeof(node->note),
		"its worker has stopped%s%s; its containers are unknown, not dead",
		given(bye->reason)[0] ? ": " : "", given(bye->reason));
}

unsigned nodes_hear(struct nodes *nodes, struct node *node, const struct msg *msg, uint64_t now_ms)
{
	unsigned news = NODE_NEWS_none;

	if (is_late(node, msg))
		return news;
	node->heard_ms = now_ms;
	if (msg->head.type == MSG_TYPE_bye) {
		hear_bye(node, msg->bye, now_ms);
		return news;
	}
	if (msg->head.type == MSG_TYPE_hello) {
		news = hear_identity(node, msg->hello->boot_id, msg->hello->instance);
		str_copy(node->version, sizeof(node->version), msg->hello->version);
	} else if (msg->head.type == MSG_TYPE_beat) {
		liveness_beat(nodes, node, now_ms);
		news = hear_beat(node, msg);
	} else if (msg->head.type == MSG_TYPE_caps) {
		news = hear_caps(node, msg, now_ms);
	}
	if (node->state != NODE_up) {
		node_become(node, NODE_up, now_ms);
		news |= NODE_NEWS_up;
	}
	return news;
}
