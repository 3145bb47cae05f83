/* SPDX-License-Identifier: MPL-2.0
 *
 * The statement as text, and whose signature counts. */
#include "proto/force.h"

#include <inttypes.h>
#include <string.h>

size_t force_text(const struct force *f, char ret[FORCE_TEXT_SIZE])
{
	bool source = str_eq(f->owner, "source");

	str_fmt(ret, FORCE_TEXT_SIZE, "drover force 1\n%s\n%s\n%" PRIu64 "\n%s\n%s\n%s\n%s\n%s\n",
		f->migration, f->container, f->epoch, source ? "source" : "target",
		source ? f->source : f->target, source ? f->target : f->source, f->operator,
		f->reason);
	return strlen(ret);
}

bool force_may(const struct roster_node *node)
{
	return node && node->role & ROLE_operator && !node->revoked && node->sign[0];
}

int force_check(const struct force *f, const struct roster_node *node, const uint8_t *sig,
		size_t len, struct err *err)
{
	char text[FORCE_TEXT_SIZE];
	size_t n = force_text(f, text);

	if (!f->operator[0] || !len)
		return fail(err, ERR_denied, "nobody has signed this");
	if (!node)
		return fail(err, ERR_denied, "%s is not in this host's roster", f->operator);
	if (!force_may(node))
		return fail(err, ERR_denied,
			    "%s is no operator with a signing key in this host's "
			    "roster",
			    f->operator);
	if (!f->reason[0])
		return fail(err, ERR_denied, "there is no reason");
	if (!sign_check(node->sign, text, n, sig, len))
		return fail(err, ERR_denied, "the signature is not %s's for this handover",
			    f->operator);
	return 0;
}
