/* SPDX-License-Identifier: MPL-2.0
 *
 * The little of netlink(7) that drover needs: requests with an acknowledgement, dumps, attributes;
 * and sockets that live in another network namespace. Only for files of this folder. */
#ifndef DROVER_RUNTIME_NETLINK_H
#define DROVER_RUNTIME_NETLINK_H

#include "base/err.h"

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* socket(2) in the network namespace behind path (NULL = our own). The calling thread visits the
 * namespace and comes back; that it cannot come back is a reason to abort. fd, or -1 with errno. */
int netns_socket(const char *netns, int domain, int type, int protocol);

struct nl {
	int fd;
	uint32_t seq;
};

/* protocol: NETLINK_ROUTE, NETLINK_SOCK_DIAG. -ERR_nosuch when the namespace is not there. */
int nl_open(int protocol, const char *netns, struct nl *ret, struct err *err);
void nl_close(struct nl *nl);
#define auto_nl __attribute__((cleanup(nl_close)))

/* A request under construction: header, the family's own struct, attributes. Too much for the
 * buffer is our own bug (assert). */
struct nl_request {
	_Alignas(NLMSG_ALIGNTO) char buf[2048];
};

struct nlmsghdr *nl_begin(struct nl_request *request, uint16_t type, uint16_t flags,
			  const void *head, size_t len);
void nl_put(struct nl_request *request, uint16_t type, const void *data, size_t len);
void nl_put_u32(struct nl_request *request, uint16_t type, uint32_t value);
void nl_put_text(struct nl_request *request, uint16_t type, const char *text);
/* Attributes put between nest and unnest become children of type. head (may be NULL) goes before
 * them. */
struct nlattr *nl_nest(struct nl_request *request, uint16_t type, const void *head, size_t len);
void nl_unnest(struct nl_request *request, struct nlattr *nest);

/* Sends and waits for the acknowledgement: 0 or -errno. */
int nl_ask(struct nl *nl, struct nl_request *request);

/* Sends and calls each for every message of the answer until its end: 0 or -errno. A single answer
 * (no NLM_F_DUMP) ends after its acknowledgement. */
typedef void nl_each(void *arg, const struct nlmsghdr *message);
int nl_dump(struct nl *nl, struct nl_request *request, nl_each *each, void *arg);

/* First attribute of a type among len bytes at attrs, NULL when absent or shorter than min. */
const struct nlattr *nl_find(const void *attrs, size_t len, uint16_t type, size_t min);
static inline const void *nl_data(const struct nlattr *attr)
{
	return (const char *)attr + NLA_HDRLEN;
}
static inline size_t nl_len(const struct nlattr *attr)
{
	return attr->nla_len - (size_t)NLA_HDRLEN;
}
/* Attributes of a message that come after a head of that size. */
const void *nl_attrs(const struct nlmsghdr *message, size_t head, size_t *ret_len);

#endif
