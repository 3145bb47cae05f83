/* SPDX-License-Identifier: MPL-2.0
 *
 * nftables: the answer that a container's peers get while it is away, the lock of a loopback, and
 * the removal of what CRIU may leave in its namespace. */
#include "runtime/net.h"

#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define HEAL_MS 5000

static void nft_cmd(struct run_cmds *cmds, char *script)
{
	struct run_cmd *cmd = run_cmds_add(cmds, script, false);

	argv_add(&cmd->argv, "nft");
	argv_add(&cmd->argv, "-f");
	argv_add(&cmd->argv, "-");
}

/* Everything of a script that is added up: heap, never NULL. */
static char *append(char *script, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static char *append(char *script, const char *fmt, ...)
{
	char *more = NULL, *longer;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&more, fmt, ap) < 0)
		abort();
	va_end(ap);
	longer = str_new("%s%s", script, more);
	free(script);
	free(more);
	return longer;
}

/* Peers' SYN is left alone: a connection that is only being made would fail by the answer. */
static char *add_rule(char *script, const char *id, const struct net_addr *a)
{
	char host[INET6_ADDRSTRLEN];
	bool v4 = a->family == AF_INET;

	inet_ntop(a->family, a->addr, host, sizeof(host));
	return append(script,
		      "add rule netdev drover-%s away %s daddr %s tcp flags & syn == 0 "
		      "reject with %s\n",
		      id, v4 ? "ip" : "ip6", host,
		      v4 ? "icmp type host-unreachable" : "icmpv6 type no-route");
}

/* Where peers' segments come in: the other ports of the bridge. */
static char *port_list(const struct net_state *s)
{
	char ports[NET_PORTS][IFNAMSIZ];
	size_t n = net_bridge_ports(s->bridge, ports, NET_PORTS);
	char *list = str_dup("");

	for (size_t i = 0; i < n; i++)
		if (name_ok(ports[i]) && !str_eq(ports[i], s->host_ifname))
			list = append(list, "%s%s", *list ? ", " : "", ports[i]);
	return list;
}

void net_reject_cmds(const char *id, const struct net_state *s, struct run_cmds *ret_cmds)
{
	auto_free char *ports = NULL;
	char *script;

	memset(ret_cmds, 0, sizeof(*ret_cmds));
	if (s->kind != NET_NAMED || !name_ok(id))
		return;
	ports = port_list(s);
	if (!*ports)
		return;
	script = str_new("add table netdev drover-%s\n"
			 "delete table netdev drover-%s\n"
			 "add table netdev drover-%s\n"
			 "add chain netdev drover-%s away "
			 "{ type filter hook ingress devices = { %s } priority -500; }\n",
			 id, id, id, id, ports);
	for (uint32_t i = 0; i < s->n_addrs; i++)
		script = add_rule(script, id, &s->addrs[i]);
	nft_cmd(ret_cmds, script);
}

void net_unreject_cmds(const char *id, struct run_cmds *ret_cmds)
{
	memset(ret_cmds, 0, sizeof(*ret_cmds));
	if (name_ok(id))
		nft_cmd(ret_cmds, str_new("add table netdev drover-%s\n"
					  "delete table netdev drover-%s\n",
					  id, id));
}

static int in_netns(const struct net_state *s, const char *const *words, const char *input,
		    struct run_result *ret, struct err *err)
{
	auto_argv struct run_argv argv = {0};
	struct run_spec spec = {
		.argv = (const char *const *)argv.v,
		.stdin_data = input,
		.stdin_len = input ? strlen(input) : 0,
		.stdout_max = 65536,
		.timeout_ms = HEAL_MS,
	};

	argv_add(&argv, "nsenter");
	argv_addf(&argv, "--net=%s", s->netns);
	for (; *words; words++)
		argv_add(&argv, *words);
	return run_sync(&spec, ret, err);
}

/* By a name that net_heal removes, whoever has died. */
#define LOCAL_LOCK "inet CRIU-drover"

static int apply_in_netns(const struct net_state *s, const char *script, struct err *err)
{
	static const char *const words[] = {"nft", "-f", "-", NULL};
	struct run_result result = {0};
	int rc;

	rc = in_netns(s, words, script, &result, err);
	if (rc == 0)
		rc = run_check(&result, "nft", err);
	run_result_done(&result);
	return rc;
}

int net_local_lock(const struct net_state *s, struct err *err)
{
	return s->kind != NET_NAMED
		       ? 0
		       : apply_in_netns(s,
					"add table " LOCAL_LOCK "\n"
					"delete table " LOCAL_LOCK "\n"
					"add table " LOCAL_LOCK "\n"
					"add chain " LOCAL_LOCK
					" in { type filter hook input priority -400; }\n"
					"add rule " LOCAL_LOCK " in iif lo drop\n",
					err);
}

int net_local_unlock(const struct net_state *s, struct err *err)
{
	return s->kind != NET_NAMED
		       ? 0
		       : apply_in_netns(
				 s, "add table " LOCAL_LOCK "\ndelete table " LOCAL_LOCK "\n", err);
}

/* Lines "table inet CRIU-1234" of `nft list tables` become a script that deletes them. */
static char *criu_tables(const char *list)
{
	char *script = str_dup("");

	for (const char *p = list; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		char family[16], name[64];

		if (sscanf(p, "table %15s %63s", family, name) == 2 && str_starts(name, "CRIU"))
			script = append(script, "delete table %s %s\n", family, name);
	}
	return script;
}

static void heal_iptables(const struct net_state *s, const char *program)
{
	static const char *const steps[][4] = {
		{"-D", "INPUT", "-j", "CRIU"},
		{"-D", "OUTPUT", "-j", "CRIU"},
		{"-F", "CRIU", NULL, NULL},
		{"-X", "CRIU", NULL, NULL},
	};
	char path[64];

	if (run_find(program, path, sizeof(path), NULL) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		const char *words[] = {program,     "-w",        steps[i][0], steps[i][1],
				       steps[i][2], steps[i][3], NULL};
		struct run_result result = {0};

		in_netns(s, words, NULL, &result, NULL);
		run_result_done(&result);
	}
}

int net_heal(const struct net_state *s, struct err *err)
{
	static const char *const list[] = {"nft", "list", "tables", NULL};
	struct run_result result = {0};
	auto_free char *script = NULL;
	int rc;

	if (s->kind != NET_NAMED && s->kind != NET_PRIVATE)
		return 0;
	heal_iptables(s, "iptables");
	heal_iptables(s, "ip6tables");
	rc = in_netns(s, list, NULL, &result, err);
	if (rc == 0)
		rc = run_check(&result, "nft list tables", err);
	script = criu_tables(result.out);
	run_result_done(&result);
	return rc < 0 || !*script ? rc : apply_in_netns(s, script, err);
}
