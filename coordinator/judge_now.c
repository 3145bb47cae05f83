/* SPDX-License-Identifier: MPL-2.0
 *
 * What speaks against a target for how it is now: room, pressure, names, groups, and the time that
 * the way there takes. Thousands of hosts are asked these for one decision: they read the digest
 * first, and CAPS only to find the words for a reason. */
#include "coordinator/judge.h"

#include <inttypes.h>

#define MIB (1024u * 1024u)
#define BEAT_OLD_FLOOR_MS 5000

bool judge_host(const struct judge *j)
{
	if (j->target == j->source) {
		refuse(j, same_host, "it is on %s already", j->target->id);
		return false;
	}
	if (j->target->state == NODE_up && j->target->caps && j->target->enrolled)
		return true;
	refuse(j, host_down, "%s is %s%s%s", j->target->id, node_state_name(j->target->state),
	       j->target->note[0] ? ": " : "",
	       j->target->state == NODE_up ? " but has not told its capabilities"
					   : j->target->note);
	return false;
}

static void check_beat(const struct judge *j)
{
	uint64_t limit_ms = 3 * j->query->interval_ms, age_ms;

	if (!j->query->now_ms || !j->target->beat_ms)
		return;
	if (limit_ms < BEAT_OLD_FLOOR_MS)
		limit_ms = BEAT_OLD_FLOOR_MS;
	age_ms = j->query->now_ms - j->target->beat_ms;
	if (j->query->now_ms > j->target->beat_ms && age_ms > limit_ms)
		refuse(j, beat_old, "the last beat of %s came %.1f s ago", j->target->id,
		       (double)age_ms / 1000);
}

static uint64_t more_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The restored memory with a tenth to grow by, and its image in the staging area, which is memory
 * too (tmpfs). What is on its way there is booked here, and reserved there a little later. */
static void check_memory(const struct judge *j)
{
	const struct digest *d = &j->target->digest;
	uint64_t rss = j->ct->rss_bytes, image = j->query->cold ? 0 : rss;
	uint64_t need = rss + rss / 10 + image;
	uint64_t percent = d->headroom_percent ? d->headroom_percent : j->query->headroom_percent;
	uint64_t reserve = d->mem_total_bytes / 100 * percent;
	uint64_t booked = more_of(j->target->booked.bytes, d->mem_reserved_bytes);
	char a[STR_HUMAN_SIZE], b[STR_HUMAN_SIZE], c[STR_HUMAN_SIZE], e[STR_HUMAN_SIZE];

	if (!d->mem_total_bytes || need + reserve + booked <= d->mem_available_bytes)
		return;
	refuse(j, mem,
	       "%s needs %s (image and copy) and %s keeps %s free: %s is available, %s is booked",
	       given(j->ct->id), str_human_bytes(a, need), j->target->id,
	       str_human_bytes(b, reserve), str_human_bytes(c, d->mem_available_bytes),
	       str_human_bytes(e, booked));
}

static void check_space(const struct judge *j)
{
	const struct digest *d = &j->target->digest;
	uint64_t tree = j->ct->tree_bytes + j->ct->tree_bytes / 10 + 16 * MIB;
	uint64_t image = j->ct->rss_bytes + j->ct->rss_bytes / 10 + 16 * MIB;
	uint64_t booked = more_of(j->target->booked.storage_bytes, d->storage_reserved_bytes);
	uint64_t beside = j->target->booked.staging_bytes;
	char a[STR_HUMAN_SIZE], b[STR_HUMAN_SIZE];

	if (d->has_storage && d->storage_free_bytes < tree + booked)
		refuse(j, disk, "its files need %s, %s has %s free%s", str_human_bytes(a, tree),
		       j->target->id, str_human_bytes(b, d->storage_free_bytes),
		       booked ? ", a part of it reserved" : "");
	if (d->has_staging && d->staging_free_bytes < image + beside)
		refuse(j, staging, "its image needs %s, the staging area of %s has %s free%s",
		       str_human_bytes(a, image), j->target->id,
		       str_human_bytes(b, d->staging_free_bytes),
		       beside ? ", a part of it for what moves with it" : "");
}

static void check_pressure(const struct judge *j)
{
	if (j->target->digest.presses)
		warn(j, psi, "tasks of %s waited for memory %.0f%% of the last 10 s", j->target->id,
		     j->target->beat->beat->psi_mem);
}

/* Only a host that lists all images of a directory can be found to lack one; its own check looks
 * again. */
static bool lacks_image(const struct judge *j)
{
	const struct digest *d = &j->target->digest;

	for (size_t i = 0; i < j->n_layers; i++)
		if (bloom_has_dir(d->image_dirs, j->layer[i].dir) &&
		    !bloom_has(&d->images, j->layer[i].path))
			return true;
	return false;
}

static void check_names(const struct judge *j)
{
	const struct msg_container *other = NULL;

	if (j->target->shifts || bloom_has(&j->target->digest.containers, j->id))
		other = node_container(j->target, given(j->ct->id));
	if (other && !container_is_copy(other))
		refuse(j, name_taken, "%s has a container %s already (%s)", j->target->id,
		       given(j->ct->id), given(other->status));
	if (lacks_image(j))
		refuse(j, image, "%s lacks the image %s", j->target->id, j->ct->image);
}

bool judge_has_group(const struct node *node, uint64_t group)
{
	for (size_t i = 0; i < node->booked.n_groups; i++)
		if (node->booked.groups[i] == group)
			return true;
	return hash_set_has(&node->groups, group);
}

static void check_groups(const struct judge *j)
{
	const struct rules *rules = j->query->rules;
	char from[NAME_SIZE + 16];

	if (j->spread && judge_has_group(j->target, j->spread))
		refuse(j, spread, "%s has another of spread group %s already (%s)", j->target->id,
		       rules->spread, rules_source(rules, from, sizeof(from)));
	if (j->together && j->query->has_peers && !judge_has_group(j->target, j->together))
		warn(j, together, "none of group %s is on %s (%s)", rules->together, j->target->id,
		     rules_source(rules, from, sizeof(from)));
}

static void check_downtime(const struct judge *j)
{
	const struct rules *rules = j->query->rules;
	char would[STR_HUMAN_SIZE], may[STR_HUMAN_SIZE], from[NAME_SIZE + 16];

	if (!rules || !rules->max_downtime_ms || j->prediction.frozen_ms <= rules->max_downtime_ms)
		return;
	refuse(j, downtime, "about %s frozen on the way to %s, %s%s is %s",
	       str_human_ms(would, j->prediction.frozen_ms), j->target->id,
	       rules->asked ? "--max-downtime" : "max-downtime of ",
	       rules->asked ? "" : rules_source(rules, from, sizeof(from)),
	       str_human_ms(may, rules->max_downtime_ms));
}

void judge_now(const struct judge *j)
{
	if (j->target->cordoned)
		refuse(j, host_cordoned, "%s is cordoned%s%s", j->target->id,
		       *j->target->cordon_reason ? ": " : "", j->target->cordon_reason);
	check_beat(j);
	check_memory(j);
	check_space(j);
	check_pressure(j);
	check_names(j);
	check_groups(j);
	check_downtime(j);
}
