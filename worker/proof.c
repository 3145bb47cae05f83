/* SPDX-License-Identifier: MPL-2.0
 *
 * Claims as text, signed and checked. */
#include "worker/proof.h"

#include "base/mem.h"
#include "proto/force.h"
#include "proto/roster.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define CLAIM_SIZE 512

struct prover {
	struct sign_keys keys;
	struct roster *roster;
	const char *roster_path;
	struct timespec read_at; /* mtime of the roster as it was read */
	char self[NAME_SIZE];
};

const char *proof_word(enum handover_side side, enum handover_state state)
{
	if (side == SIDE_source)
		return handover_is_away(state) ? "GRANT" : NULL;
	switch (state) {
	case HANDOVER_prepared:
		return "PREPARED";
	case HANDOVER_running:
		return "RUNNING";
	case HANDOVER_refused:
		return "REFUSED";
	default:
		return NULL;
	}
}

const char *proof_wanted(enum step step)
{
	static const char *const words[STEP_COUNT] = {
		[STEP_release] = "PREPARED",
		[STEP_start] = "GRANT",
		[STEP_abort] = "REFUSED",
		[STEP_retire] = "RUNNING",
	};

	return step < STEP_COUNT ? words[step] : NULL;
}

static int read_roster(struct prover *p, struct err *err)
{
	struct roster *fresh;
	struct stat st;
	int rc;

	if (stat(p->roster_path, &st) < 0)
		return fail_errno(err, ERR_config, "roster %s", p->roster_path);
	if (p->roster && st.st_mtim.tv_sec == p->read_at.tv_sec &&
	    st.st_mtim.tv_nsec == p->read_at.tv_nsec)
		return 0;
	rc = roster_load(p->roster_path, &fresh, err);
	if (rc)
		return rc;
	roster_free(&p->roster);
	p->roster = fresh;
	p->read_at = st.st_mtim;
	return 0;
}

int prover_new(const char *key_path, const char *roster_path, const char *self, struct prover **ret,
	       struct err *err)
{
	struct prover *p = mem_new_of(struct prover);
	struct curve_keys keys = {0};
	int rc = keys_load(key_path, &keys, err);

	p->roster_path = roster_path;
	str_copy(p->self, sizeof(p->self), self);
	if (!rc)
		rc = sign_derive(&keys, &p->keys, err);
	keys_wipe(&keys);
	if (!rc)
		rc = read_roster(p, err);
	if (rc)
		prover_free(&p);
	*ret = p;
	return rc;
}

void prover_free(struct prover **prover)
{
	if (!*prover)
		return;
	sign_wipe(&(*prover)->keys);
	roster_free(&(*prover)->roster);
	free(*prover);
	*prover = NULL;
}

static size_t claim_text(const struct handover_row *row, const char *word, const char *self,
			 char ret[CLAIM_SIZE])
{
	bool source = row->side == SIDE_source;
	char sum[2 * SIGN_DIGEST_BYTES + 1];
	size_t len;

	str_fmt(ret, CLAIM_SIZE, "drover proof 1\n%s\n%s\n%s\n%s\n%s\n%" PRIu64 "\n", word,
		row->migration, row->container, source ? self : row->peer,
		source ? row->peer : self, row->epoch);
	len = strlen(ret);
	if (!row->group[0] || !str_eq(word, "GRANT"))
		return len;
	/* It is authority for every member, so it names them. */
	str_hex(sum, row->group_sum, sizeof(row->group_sum));
	str_fmt(ret + len, CLAIM_SIZE - len, "%s\n%u\n%s\n", row->group, row->group_size, sum);
	return strlen(ret);
}

void prover_sign(const struct prover *p, const struct handover_row *row, const char *word,
		 uint8_t ret[SIGN_BYTES])
{
	char text[CLAIM_SIZE];
	size_t len = claim_text(row, word, p->self, text);

	sign_make(&p->keys, text, len, ret);
}

static const struct roster_node *signer(struct prover *p, const char *id)
{
	const struct roster_node *node = roster_find(p->roster, id);

	if ((!node || !node->sign[0]) && !read_roster(p, NULL))
		node = roster_find(p->roster, id);
	return node && node->sign[0] && !node->revoked ? node : NULL;
}

bool prover_check(struct prover *p, const struct handover_row *row, const char *word,
		  const uint8_t *sig, size_t len)
{
	const struct roster_node *node = signer(p, row->peer);
	char text[CLAIM_SIZE];
	size_t n = claim_text(row, word, p->self, text);

	return node && sign_check(node->sign, text, n, sig, len);
}

int prover_force(struct prover *p, const struct handover_row *row, const char *operator,
		 const char * reason, const uint8_t *sig, size_t len, struct err *err)
{
	bool source = row->side == SIDE_source;
	struct force force = {.migration = row->migration,
			      .container = row->container,
			      .source = source ? p->self : row->peer,
			      .target = source ? row->peer : p->self,
			      .owner = source ? "source" : "target",
			      .operator= operator,
			      .reason = reason,
			      .epoch = row->epoch};

	signer(p, operator); /* may read the roster again */
	return force_check(&force, roster_find(p->roster, operator), sig, len, err);
}

int prover_knows(struct prover *p, const char *id, struct err *err)
{
	if (signer(p, id))
		return 0;
	fail(err, ERR_refused, "the roster has no signing key of %s", id);
	return err_fix(err, "add its line \"sign = …\": drover keygen --public --json prints it");
}
