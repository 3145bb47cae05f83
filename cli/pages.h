/* SPDX-License-Identifier: MPL-2.0
 *
 * Lists that come in pages (hosts, ps): asked for one after the other until the last. */
#ifndef DROVER_CLI_PAGES_H
#define DROVER_CLI_PAGES_H

#include "cli/session.h"
#include "cli/table.h"

/* One page as it comes, borrowed. Not 0 ends the walk with that. */
typedef int page_fn(void *arg, const struct msg_reply *page);

/* Asks for all pages of *request, whose page it moves on. 0; what fn returned; or -ERR of an answer
 * that did not come. A refusal is a page too, the last one: its code is set. */
int pages_each(struct cli *cli, struct session *session, struct msg_request *request, page_fn *fn,
	       void *arg, struct err *err);

/* An answer that may have come in pages: the first, with a list that has the records of all. */
struct joined {
	struct msg_reply reply;
	struct msg **pages; /* owned, as is what reply points to */
	size_t n;
	void *records;
};

/* noun: of the list that comes in pages, NULL: the answer is one. joined_done frees. */
int pages_join(struct cli *cli, struct session *session, struct msg_request *request,
	       const struct noun *noun, struct joined *ret, struct err *err);
void joined_done(struct joined *joined);

#endif
