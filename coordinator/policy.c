/* SPDX-License-Identifier: MPL-2.0
 *
 * Rules of containers: the configuration's policies, then labels. */
#include "coordinator/policy.h"

#include "base/mem.h"

#include <fnmatch.h>
#include <string.h>

const char *list_word(const char *list, size_t i, char buf[WORD_MAX])
{
	for (const char *at = list; *at;) {
		size_t len = strcspn(at, ","), skip = strspn(at, " \t");
		const char *next = at + len + (at[len] == ',');
		size_t end = len;

		while (end > skip && strchr(" \t", at[end - 1]))
			end--;
		if (end > skip && i-- == 0) {
			str_fmt(buf, WORD_MAX, "%.*s", (int)(end - skip), at + skip);
			return buf;
		}
		at = next;
	}
	return NULL;
}

bool list_names(const char *list, const char *wanted)
{
	char word[WORD_MAX];

	for (size_t i = 0; list_word(list, i, word); i++)
		if (str_eq(word, wanted))
			return true;
	return false;
}

const char *labels_had(const char *list, const struct msg_strs *labels, char *buf, size_t size)
{
	char word[WORD_MAX];

	for (size_t i = 0; list_word(list, i, word); i++)
		if (strs_have(labels, word)) {
			str_copy(buf, size, word);
			return buf;
		}
	return NULL;
}

const char *labels_lacked(const char *list, const struct msg_strs *labels, char *buf, size_t size)
{
	char word[WORD_MAX];

	for (size_t i = 0; list_word(list, i, word); i++)
		if (!strs_have(labels, word)) {
			str_copy(buf, size, word);
			return buf;
		}
	return NULL;
}

/* --- which policy --- */

static bool matches_name(const char *patterns, const char *id)
{
	char pattern[WORD_MAX];

	for (size_t i = 0; list_word(patterns, i, pattern); i++)
		if (fnmatch(pattern, id, 0) == 0)
			return true;
	return false;
}

/* A section with neither match nor label matches nothing. */
static bool matches(const struct options *options, size_t i, const struct msg_container *ct)
{
	const char *patterns = options_policy(options, i, POLICY_match);
	const char *labels = options_policy(options, i, POLICY_label);
	char word[WORD_MAX];

	if (*patterns && !matches_name(patterns, given(ct->id)))
		return false;
	if (*labels && labels_lacked(labels, &ct->labels, word, sizeof(word)))
		return false;
	return *patterns || *labels;
}

/* --- its rules --- */

static void set(struct rules *rules, enum policy_key key, const char *text, uint64_t number)
{
	switch (key) {
	case POLICY_move:
		rules->move = (enum policy_move)number;
		break;
	case POLICY_prefer:
		rules->prefer = text;
		break;
	case POLICY_avoid:
		rules->avoid = text;
		break;
	case POLICY_require:
		rules->require = text;
		break;
	case POLICY_spread:
		rules->spread = text;
		break;
	case POLICY_together:
		rules->together = text;
		break;
	case POLICY_priority:
		rules->priority = (unsigned)number;
		break;
	case POLICY_downtime:
		rules->max_downtime_ms = number;
		break;
	case POLICY_match:
	case POLICY_label:
	case POLICY_KEY_COUNT:
		break;
	}
}

static void use_policy(const struct options *options, size_t i, struct rules *rules)
{
	rules->name = options_policy_name(options, i);
	for (enum policy_key key = 0; key < POLICY_KEY_COUNT; key++) {
		const char *text = options_policy(options, i, key);
		uint64_t number = 0;

		if (*text && !policy_value(key, text, &number, NULL))
			set(rules, key, text, number);
	}
}

/* "move=never": a label whose key is no rule's is somebody else's. */
static void use_label(const char *label, struct rules *rules)
{
	const char *equals = strchr(label, '=');
	struct err err = {0};
	char name[32] = "";
	enum policy_key key;
	uint64_t number = 0;

	if (!equals || !str_fmt(name, sizeof(name), "%.*s", (int)(equals - label), label))
		return;
	key = policy_key_find(name);
	if (key == POLICY_KEY_COUNT || key == POLICY_match || key == POLICY_label)
		return;
	if (policy_value(key, equals + 1, &number, &err)) {
		str_fmt(rules->problem, sizeof(rules->problem), "label drover.%s", err.text);
		return;
	}
	rules->labeled = true;
	set(rules, key, equals + 1, number);
}

void policy_rules(const struct options *options, const struct msg_container *container,
		  struct rules *ret)
{
	*ret = (struct rules){.prefer = "",
			      .avoid = "",
			      .require = "",
			      .spread = "",
			      .together = "",
			      .name = "",
			      .priority = PRIORITY_DEFAULT};
	for (size_t i = 0; options && options_policy_name(options, i); i++)
		if (matches(options, i, container)) {
			use_policy(options, i, ret);
			break;
		}
	for (size_t i = 0; i < container->labels.n; i++)
		use_label(container->labels.v[i], ret);
}

const char *rules_source(const struct rules *rules, char *buf, size_t size)
{
	if (rules->labeled && *rules->name)
		str_fmt(buf, size, "policy %s or its labels", rules->name);
	else if (rules->labeled)
		str_copy(buf, size, "its labels");
	else
		str_fmt(buf, size, "policy %s", rules->name);
	return buf;
}

/* --- groups --- */

uint64_t spread_hash(const char *group)
{
	return hash_text(group) ^ 1;
}

uint64_t together_hash(const char *group)
{
	return hash_text(group) ^ 2;
}

struct mark {
	const struct options *options;
	uint64_t *v;
	size_t n;
};

static void mark_one(void *arg, const struct place *place)
{
	struct mark *mark = arg;
	struct rules rules;

	if (place->secondary)
		return;
	policy_rules(mark->options, place->container, &rules);
	mark->v = mem_grow(mark->v, mark->n + 2, sizeof(*mark->v));
	if (*rules.spread)
		mark->v[mark->n++] = spread_hash(rules.spread);
	if (*rules.together)
		mark->v[mark->n++] = together_hash(rules.together);
}

void policy_mark(const struct options *options, struct node *node)
{
	struct nodes one = {.v = &node, .n = 1};
	struct mark mark = {.options = options};

	nodes_each_place(&one, mark_one, &mark);
	hash_set_fill(&node->groups, mark.v, mark.n);
}
