/* SPDX-License-Identifier: MPL-2.0
 *
 * Page after page. Each is what the coordinator knows at its own moment: a container that is moved
 * meanwhile may be on two of them, or on none. */
#include "cli/pages.h"

#include "base/mem.h"

#include <string.h>

/* Every list field of a reply has this shape (proto/schema.h). */
struct list {
	void *v;
	size_t n;
};

static int ask(struct cli *cli, struct session *session, const struct msg_request *request,
	       struct msg **ret, struct err *err)
{
	char id[ULID_SIZE] = "";
	int code = session_ask(session, request, id, err);

	return code ? code : session_answer(session, id, cli->in.timeout_ms, ret, err);
}

/* Asks for one page; *ret_next (empty: it was the last) gets the key of the one after it. */
static int ask_page(struct cli *cli, struct session *session, struct msg_request *request,
		    struct msg **ret, char *ret_next, size_t size, struct err *err)
{
	const struct msg_reply *reply;
	int code;

	request->paged = true;
	request->page = *ret_next ? ret_next : NULL;
	code = ask(cli, session, request, ret, err);
	if (code)
		return code;
	reply = (*ret)->reply;
	if (reply->next && str_eq(reply->next, ret_next)) {
		msg_free(ret);
		return fail(err, ERR_protocol, "the coordinator repeats a page");
	}
	str_copy(ret_next, size, reply->next && !reply->code ? reply->next : "");
	return 0;
}

int pages_each(struct cli *cli, struct session *session, struct msg_request *request, page_fn *fn,
	       void *arg, struct err *err)
{
	char next[256] = "";
	int code;

	do {
		auto_msg struct msg *page = NULL;

		code = ask_page(cli, session, request, &page, next, sizeof(next), err);
		if (!code)
			code = fn(arg, page->reply);
	} while (!code && *next);
	request->page = NULL;
	return code;
}

static void join(struct joined *joined, const struct noun *noun)
{
	struct list all = {0}, one;

	for (size_t i = 0; i < joined->n; i++) {
		memcpy(&one, (const char *)joined->pages[i]->reply + noun->place, sizeof(one));
		all.v = mem_grow(all.v, all.n + one.n + 1, noun->stride);
		if (one.n)
			memcpy((char *)all.v + all.n * noun->stride, one.v, one.n * noun->stride);
		all.n += one.n;
	}
	joined->records = all.v;
	memcpy((char *)&joined->reply + noun->place, &all, sizeof(all));
}

int pages_join(struct cli *cli, struct session *session, struct msg_request *request,
	       const struct noun *noun, struct joined *ret, struct err *err)
{
	char next[256] = "";
	int code;

	*ret = (struct joined){0};
	do {
		struct msg *page = NULL;

		code = noun ? ask_page(cli, session, request, &page, next, sizeof(next), err)
			    : ask(cli, session, request, &page, err);
		if (code)
			break;
		ret->pages = mem_grow(ret->pages, ret->n + 1, sizeof(struct msg *));
		ret->pages[ret->n++] = page;
		ret->reply = *page->reply;
	} while (*next);
	request->page = NULL;
	if (code)
		joined_done(ret);
	else if (noun && !ret->reply.code)
		join(ret, noun);
	return code;
}

void joined_done(struct joined *joined)
{
	for (size_t i = 0; i < joined->n; i++)
		msg_free(&joined->pages[i]);
	free(joined->pages);
	free(joined->records);
	*joined = (struct joined){0};
}
