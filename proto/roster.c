/* SPDX-License-Identifier: MPL-2.0
 *
 * The roster file. Rows fill nodes in file order while it is read; afterwards two sorted indexes
 * are made, which also show nodes and keys that occur twice. A roster that loaded is never
 * changed. */
#include "proto/roster.h"

#include "base/mem.h"
#include "base/options.h"

#include <string.h>

#define SSH_PORT_DEFAULT 22

struct roster {
	struct roster_node *nodes;
	unsigned *seen; /* while loading: a bit for each setting that a node had */
	size_t len;
	size_t room;
	const struct roster_node **by_id;
	const struct roster_node **by_curve;
};

/* clang-format off */
static const struct { const char *name; enum role role; } roles[] = {
	{ "worker",      ROLE_worker },
	{ "coordinator", ROLE_coordinator },
	{ "operator",    ROLE_operator },
};
/* clang-format on */

const char *role_name(enum role role)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "none";
}

enum role role_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (str_eq(roles[i].name, name))
			return roles[i].role;
	return ROLE_none;
}

static int set_role(struct roster_node *node, const char *value, struct err *err)
{
	const char *names[ARRAY_LEN(roles)], *near;

	node->role = role_find(value);
	if (node->role)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		names[i] = roles[i].name;
	near = str_nearest(value, names, ARRAY_LEN(names));
	if (near)
		return fail(err, ERR_config, "no role \"%.40s\" (did you mean %s?)", value, near);
	return fail(err, ERR_config, "no role \"%.40s\": it is worker, coordinator or operator",
		    value);
}

static int set_curve(struct roster_node *node, const char *value, struct err *err)
{
	if (!keys_z85_ok(value, NULL))
		return fail(err, ERR_config, "the curve key is not 40 characters of Z85");
	str_copy(node->curve, sizeof(node->curve), value);
	return 0;
}

static int set_sign(struct roster_node *node, const char *value, struct err *err)
{
	if (!sign_public_ok(value))
		return fail(err, ERR_config, "the signing key is not %d hex digits",
			    SIGN_PUBLIC_LEN);
	str_copy(node->sign, sizeof(node->sign), value);
	return 0;
}

/* "type base64 [comment]" as sshd(8) has it; the comment is dropped. The text later stands in
 * authorized_keys and known_hosts, so nothing but the two words' own alphabets gets through. */
static int copy_ssh_key(char dst[ROSTER_SSH_KEY_SIZE], const char *value, struct err *err)
{
	static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
					    "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"};
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t type = strcspn(value, " "), body, pad;
	const char *key = value + type + strspn(value + type, " ");

	for (size_t i = 0;; i++) {
		if (i == ARRAY_LEN(types))
			return fail(err, ERR_config, "unknown ssh key type \"%.*s\": use ed25519",
				    (int)(type < 40 ? type : 40), value);
		if (strlen(types[i]) == type && strncmp(types[i], value, type) == 0)
			break;
	}
	body = strspn(key, base64);
	pad = strspn(key + body, "=");
	/* AAAA: the blob begins with the type's length, which is below 256. */
	if (strncmp(key, "AAAA", 4) != 0 || pad > 2 || (body + pad) % 4 != 0 ||
	    (key[body + pad] != '\0' && key[body + pad] != ' '))
		return fail(err, ERR_config, "the ssh key is not \"type base64\"");
	if (!str_fmt(dst, ROSTER_SSH_KEY_SIZE, "%.*s %.*s", (int)type, value, (int)(body + pad),
		     key))
		return fail(err, ERR_config, "the ssh key is too long");
	return 0;
}

static int set_ssh_host_key(struct roster_node *node, const char *value, struct err *err)
{
	return copy_ssh_key(node->ssh_host_key, value, err);
}

static int set_ssh_transfer_key(struct roster_node *node, const char *value, struct err *err)
{
	return copy_ssh_key(node->ssh_transfer_key, value, err);
}

static int add_address(struct roster_node *node, const char *start, size_t len, struct err *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789.:%_-";

	if (len == 0 || len >= ROSTER_ADDRESS_SIZE || strspn(start, allowed) < len ||
	    strchr(".%-_", *start))
		return fail(err, ERR_config, "\"%.*s\" is no host name or IP address",
			    (int)(len < 64 ? len : 64), start);
	if (node->addresses == ROSTER_ADDRESS_MAX)
		return fail(err, ERR_config, "more than %d addresses", ROSTER_ADDRESS_MAX);
	str_fmt(node->address[node->addresses++], ROSTER_ADDRESS_SIZE, "%.*s", (int)len, start);
	return 0;
}

static int set_address(struct roster_node *node, const char *value, struct err *err)
{
	for (;;) {
		size_t len;

		value += strspn(value, " \t");
		len = strcspn(value, " \t,");
		if (add_address(node, value, len, err) < 0)
			return -ERR_config;
		value += len + strspn(value + len, " \t");
		if (*value == '\0')
			return 0;
		if (*value++ != ',')
			return fail(err, ERR_config, "addresses are separated by commas");
	}
}

static int set_ssh_port(struct roster_node *node, const char *value, struct err *err)
{
	uint64_t port;

	if (!str_u64(value, 1, UINT16_MAX, &port))
		return fail(err, ERR_config, "ssh-port is a number from 1 to 65535");
	node->ssh_port = (uint16_t)port;
	return 0;
}

static int set_revoked(struct roster_node *node, const char *value, struct err *err)
{
	node->revoked = str_eq(value, "yes");
	if (!node->revoked && !str_eq(value, "no"))
		return fail(err, ERR_config, "revoked is yes or no");
	return 0;
}

/* clang-format off */
static const struct {
	const char *name;
	int (*set)(struct roster_node *node, const char *value, struct err *err);
} settings[] = {
	{ "role",             set_role },
	{ "curve",            set_curve },
	{ "sign",             set_sign },
	{ "ssh-host-key",     set_ssh_host_key },
	{ "ssh-transfer-key", set_ssh_transfer_key },
	{ "address",          set_address },
	{ "ssh-port",         set_ssh_port },
	{ "revoked",          set_revoked },
};
/* clang-format on */

static int unknown_setting(const char *name, struct err *err)
{
	const char *names[ARRAY_LEN(settings)], *near;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		names[i] = settings[i].name;
	near = str_nearest(name, names, ARRAY_LEN(names));
	if (near)
		return fail(err, ERR_config, "unknown setting \"%.40s\" (did you mean %s?)", name,
			    near);
	return fail(err, ERR_config, "unknown setting \"%.40s\"", name);
}

/* The node of the section that is being read. A section that is opened again later in the file
 * becomes a second node of that id, which index_nodes refuses. */
static struct roster_node *section_node(struct roster *roster, const char *id, struct err *err)
{
	struct roster_node *node = roster->len ? &roster->nodes[roster->len - 1] : NULL;

	if (node && strcmp(node->id, id) == 0)
		return node;
	if (!name_ok(id) || strlen(id) > ROSTER_ID_LEN) {
		fail(err, ERR_config, "[%.70s] is no node id: letters, digits, \"_.-\", up to %d",
		     id, ROSTER_ID_LEN);
		return NULL;
	}
	if (roster->len == ROSTER_NODES_MAX) {
		fail(err, ERR_config, "more than %d nodes", ROSTER_NODES_MAX);
		return NULL;
	}
	if (roster->len == roster->room) {
		roster->room = roster->room ? 2 * roster->room : 16;
		roster->nodes = mem_grow(roster->nodes, roster->room, sizeof(*roster->nodes));
		roster->seen = mem_grow(roster->seen, roster->room, sizeof(*roster->seen));
	}
	node = &roster->nodes[roster->len];
	memset(node, 0, sizeof(*node));
	roster->seen[roster->len++] = 0;
	str_copy(node->id, sizeof(node->id), id);
	node->ssh_port = SSH_PORT_DEFAULT;
	return node;
}

static int read_row(void *arg, const char *section, const char *name, const char *value,
		    struct err *err)
{
	struct roster *roster = arg;
	struct roster_node *node = section_node(roster, section ? section : "", err);
	unsigned *seen;

	if (!node)
		return -ERR_config;
	seen = &roster->seen[roster->len - 1];
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (strcmp(settings[i].name, name) != 0)
			continue;
		if (*seen & 1u << i)
			return fail(err, ERR_config, "[%s] has %s twice", section, name);
		*seen |= 1u << i;
		return settings[i].set(node, value, err);
	}
	return unknown_setting(name, err);
}

/* clang-format off */
#define COMPARE_BY(field) \
	static int by_##field(const void *a, const void *b) \
	{ \
		return strcmp((*(const struct roster_node *const *)a)->field, \
			      (*(const struct roster_node *const *)b)->field); \
	}
/* clang-format on */
COMPARE_BY(id)
COMPARE_BY(curve)
COMPARE_BY(sign)
COMPARE_BY(ssh_host_key)
COMPARE_BY(ssh_transfer_key)

typedef int compare_fn(const void *, const void *);

/* Sorts all nodes by a field; refuses two nodes that are alike in it, except where it is empty. */
static int index_by(const struct roster *roster, compare_fn *compare, size_t offset,
		    const char *what, const struct roster_node ***ret, struct err *err)
{
	const struct roster_node **index = mem_new(roster->len + 1, sizeof(*index));

	for (size_t i = 0; i < roster->len; i++)
		index[i] = &roster->nodes[i];
	if (roster->len)
		qsort(index, roster->len, sizeof(*index), compare);
	for (size_t i = 1; i < roster->len; i++) {
		if (((const char *)index[i])[offset] == '\0' || compare(&index[i - 1], &index[i]))
			continue;
		fail(err, ERR_config, "%s and %s have the same %s", index[i - 1]->id, index[i]->id,
		     what);
		free(index);
		return -ERR_config;
	}
	*ret = index;
	return 0;
}

static int index_nodes(struct roster *roster, struct err *err)
{
	/* clang-format off */
	static const struct { compare_fn *compare; size_t offset; const char *what; } fields[] = {
		{ by_id,    offsetof(struct roster_node, id),    "id: a node is one section" },
		{ by_curve, offsetof(struct roster_node, curve), "curve key" },
		{ by_ssh_host_key, offsetof(struct roster_node, ssh_host_key),
		  "ssh-host-key: a copied machine needs new host keys" },
		{ by_ssh_transfer_key, offsetof(struct roster_node, ssh_transfer_key),
		  "ssh-transfer-key" },
		{ by_sign, offsetof(struct roster_node, sign), "signing key" },
	};
	/* clang-format on */
	const struct roster_node **index[ARRAY_LEN(fields)] = {0};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(fields) && r == 0; i++)
		r = index_by(roster, fields[i].compare, fields[i].offset, fields[i].what, &index[i],
			     err);
	roster->by_id = index[0];
	roster->by_curve = index[1];
	free(index[2]);
	free(index[3]);
	free(index[4]);
	return r;
}

static int check_nodes(const struct roster *roster, struct err *err)
{
	for (size_t i = 0; i < roster->len; i++) {
		const struct roster_node *node = &roster->nodes[i];

		if (!node->role)
			return fail(err, ERR_config, "[%s] has no role", node->id);
		if (!node->curve[0])
			return fail(err, ERR_config, "[%s] has no curve key", node->id);
	}
	return 0;
}

int roster_load(const char *path, struct roster **ret, struct err *err)
{
	struct roster *roster = mem_new_of(struct roster);
	int r = ini_read(path, read_row, roster, err);

	if (r == 0) {
		r = check_nodes(roster, err);
		if (r == 0)
			r = index_nodes(roster, err);
		if (r < 0)
			err_wrap(err, "%s", path);
	}
	free(roster->seen);
	roster->seen = NULL;
	if (r < 0)
		roster_free(&roster);
	else
		*ret = roster;
	return r;
}

void roster_free(struct roster **roster)
{
	if (!*roster)
		return;
	free((*roster)->nodes);
	free((*roster)->by_id);
	free((*roster)->by_curve);
	free(*roster);
	*roster = NULL;
}

size_t roster_len(const struct roster *roster)
{
	return roster ? roster->len : 0;
}

const struct roster_node *roster_at(const struct roster *roster, size_t i)
{
	return i < roster_len(roster) ? &roster->nodes[i] : NULL;
}

static const struct roster_node *find(const struct roster *roster,
				      const struct roster_node *const *index, compare_fn *compare,
				      const struct roster_node *key)
{
	const struct roster_node *const *hit;

	hit = bsearch(&key, index, roster->len, sizeof(*index), compare);
	return hit ? *hit : NULL;
}

const struct roster_node *roster_find(const struct roster *roster, const char *id)
{
	struct roster_node key;

	if (!roster || !id || !str_copy(key.id, sizeof(key.id), id))
		return NULL;
	return find(roster, roster->by_id, by_id, &key);
}

const struct roster_node *roster_find_curve(const struct roster *roster, const char *public)
{
	struct roster_node key;

	if (!roster || !public || !str_copy(key.curve, sizeof(key.curve), public))
		return NULL;
	return find(roster, roster->by_curve, by_curve, &key);
}

void roster_authorized_keys(const struct roster *roster, FILE *out)
{
	for (size_t i = 0; i < roster_len(roster); i++) {
		const struct roster_node *node = &roster->nodes[i];

		if (node->role == ROLE_worker && !node->revoked && node->ssh_transfer_key[0])
			fprintf(out,
				"restrict,command=\"" DROVER_LIBEXEC "/drover-receive\" %s %s\n",
				node->ssh_transfer_key, node->id);
	}
}

void roster_print(const struct roster_node *node, FILE *out)
{
	fprintf(out, "[%s]\nrole = %s\ncurve = %s\n", node->id, role_name(node->role), node->curve);
	if (node->sign[0])
		fprintf(out, "sign = %s\n", node->sign);
	if (node->ssh_host_key[0])
		fprintf(out, "ssh-host-key = %s\n", node->ssh_host_key);
	if (node->ssh_transfer_key[0])
		fprintf(out, "ssh-transfer-key = %s\n", node->ssh_transfer_key);
	for (size_t i = 0; i < node->addresses; i++)
		fprintf(out, "%s%s%s", i ? ", " : "address = ", node->address[i],
			i + 1 == node->addresses ? "\n" : "");
	if (node->ssh_port != SSH_PORT_DEFAULT)
		fprintf(out, "ssh-port = %u\n", node->ssh_port);
	if (node->revoked)
		fprintf(out, "revoked = yes\n");
}
