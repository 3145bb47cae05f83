/* SPDX-License-Identifier: MPL-2.0
 *
 * What speaks against a target for what it is: CRIU, CPU, runtime, cgroups, networks, labels. These
 * checks read nothing that digest->profile does not cover (digest.c), and so a ranking asks them
 * once for all hosts that are alike. */
#include "coordinator/judge.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void check_features(const struct judge *j)
{
	char missing[200] = "";
	size_t n = 0;

	if (j->source->features_digest == j->target->features_digest)
		return;
	for (size_t i = 0; i < j->from->cpu_features.n; i++) {
		const char *feature = j->from->cpu_features.v[i];
		size_t used = strlen(missing);

		if (strs_have(&j->to->cpu_features, feature))
			continue;
		if (n++ < 6)
			str_fmt(missing + used, sizeof(missing) - used, " %s", feature);
	}
	if (n)
		refuse(j, cpu_features, "the CPU of %s lacks %zu feature%s of %s:%s%s",
		       j->target->id, n, n == 1 ? "" : "s", j->source->id, missing,
		       n > 6 ? " …" : "");
}

static void check_cpu(const struct judge *j)
{
	if (!str_eq(given(j->from->arch), given(j->to->arch))) {
		refuse(j, arch, "%s is %s, %s is %s", j->source->id, given(j->from->arch),
		       j->target->id, given(j->to->arch));
		return; /* the CPUs' features cannot be compared */
	}
	check_features(j);
	if (j->to->xsave_bytes < j->from->xsave_bytes)
		refuse(j, cpu_xsave, "xsave area of %" PRIu64 " bytes on %s, %" PRIu64 " on %s",
		       j->to->xsave_bytes, j->target->id, j->from->xsave_bytes, j->source->id);
	if (j->ct->cpu_limit_permille > 1000 * j->to->cpus && j->to->cpus)
		warn(j, cpus, "%s may use %.1f CPUs, %s has %" PRIu64, given(j->ct->id),
		     (double)j->ct->cpu_limit_permille / 1000, j->target->id, j->to->cpus);
}

static void check_runtime(const struct judge *j)
{
	const char *name = given(j->ct->runtime);
	const struct msg_runtime *there = runtime_of(j->to, j->ct->runtime);
	const struct msg_runtime *here = runtime_of(j->from, j->ct->runtime);

	if (!there) {
		refuse(j, runtime, "%s has no %s", j->target->id, name);
		return;
	}
	if (!there->checkpoint)
		refuse(j, runtime_restore, "%s on %s cannot restore", name, j->target->id);
	if (!here || str_eq(given(here->version), given(there->version)))
		return;
	if (given(there->version)[0])
		warn(j, runtime_version, "%s %s on %s, %s on %s", name, there->version,
		     j->target->id, given(here->version)[0] ? here->version : "an unknown version",
		     j->source->id);
	else
		warn(j, runtime_version, "the version of %s on %s is not known", name,
		     j->target->id);
}

/* --- cgroups, security modules --- */

/* Whether a comma separated list has the word of len bytes. */
static bool list_has(const char *list, const char *word, size_t len)
{
	for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == len && !strncmp(at, word, len))
			return true;
	return false;
}

/* The words of `list` that `other` lacks, ", " between them; of those in `only` when it is given.
 */
static const char *lacks(const char *list, const char *other, const char *only, char *buf,
			 size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
		size_t len = strcspn(at, ",");

		if (list_has(other, at, len) || (only && !list_has(only, at, len)))
			continue;
		str_fmt(buf + used, size - used, "%s%.*s", used ? ", " : "", (int)len, at);
		used = strlen(buf);
	}
	return buf;
}

static void check_cgroup(const struct judge *j)
{
	const char *has = given(j->to->cgroup_controllers);
	char missing[120];

	if (j->from->cgroup_version != j->to->cgroup_version)
		refuse(j, cgroup, "cgroup v%" PRIu64 " on %s, v%" PRIu64 " on %s",
		       j->to->cgroup_version, j->target->id, j->from->cgroup_version,
		       j->source->id);
	else if (j->to->cgroup_version == 1 && str_eq(j->ct->runtime, "crun"))
		refuse(j, cgroup, "crun cannot restore on cgroup v1, which %s has", j->target->id);
	if (*lacks(given(j->from->cgroup_controllers), has, NULL, missing, sizeof(missing)))
		warn(j, controllers, "%s lacks the cgroup controllers %s of %s", j->target->id,
		     missing, j->source->id);
}

/* The modules that label processes; the others do not matter to a restore. */
#define LSM_LABELS "apparmor,selinux,smack"

static void check_lsm(const struct judge *j)
{
	const char *from = given(j->from->lsm), *to = given(j->to->lsm);
	char gone[60], fresh[60];

	if (str_eq(from, to) || !*from || !*to)
		return;
	lacks(from, to, LSM_LABELS, gone, sizeof(gone));
	lacks(to, from, LSM_LABELS, fresh, sizeof(fresh));
	if (*gone || *fresh)
		warn(j, lsm, "%s has %s, %s has %s", j->source->id, *gone ? gone : "none",
		     j->target->id, *fresh ? fresh : "none");
}

/* --- labels --- */

static void check_labels(const struct judge *j)
{
	const struct rules *rules = j->query->rules;
	char label[256], from[NAME_SIZE + 16];

	if (!rules)
		return;
	if (labels_lacked(rules->require, &j->to->labels, label, sizeof(label)))
		refuse(j, require, "%s has no label %s, which %s requires", j->target->id, label,
		       rules_source(rules, from, sizeof(from)));
	if (labels_had(rules->avoid, &j->to->labels, label, sizeof(label)))
		warn(j, avoid, "%s is %s, which %s avoids", j->target->id, label,
		     rules_source(rules, from, sizeof(from)));
}

int judge_tier(const struct judge *j)
{
	const struct rules *rules = j->query->rules;
	char label[256];

	if (!rules)
		return 0;
	if (labels_had(rules->avoid, &j->to->labels, label, sizeof(label)))
		return -1;
	return labels_had(rules->prefer, &j->to->labels, label, sizeof(label)) ? 1 : 0;
}

void judge_profile(const struct judge *j)
{
	check_criu(j);
	check_cpu(j);
	check_runtime(j);
	check_cgroup(j);
	check_lsm(j);
	check_network(j);
	check_policy(j);
	check_labels(j);
}
