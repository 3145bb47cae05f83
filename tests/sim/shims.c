/* SPDX-License-Identifier: MPL-2.0
 *
 * By the linker's choice: clocks, log, options, roster and signatures as the production code under
 * test calls them. */
#include "tests/sim/sim.h"

#include "base/clock.h"
#include "base/log.h"
#include "proto/roster.h"
#include "proto/sign.h"

#include <stdio.h>
#include <string.h>

/* --- time --- */

static uint64_t lag(void)
{
	return sim.cur ? sim.cur->lag_ms : 0;
}

uint64_t clock_mono_ms(void)
{
	return sim.now_ms + lag();
}

uint64_t clock_mono_us(void)
{
	return clock_mono_ms() * 1000;
}

uint64_t clock_boot_ms(void)
{
	return sim.now_ms - sim.cur->boot_at_ms + sim.cur->boot_jump_ms + lag();
}

uint64_t clock_wall_ms(void)
{
	return 1700000000000 + sim.now_ms;
}

/* --- log and options --- */

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[200];
	va_list args;

	if (!sim.tracing)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	trace("    <%d> %s", level, text);
}

int log_allowed(struct log_limit *limit, unsigned burst, unsigned period_ms)
{
	(void)limit;
	(void)burst;
	(void)period_ms;
	return 0;
}

uint64_t options_u64(const struct options *options, enum option_id option)
{
	(void)options;
	return option == OPT_worker_hold ? sim.hold_ms : sim.interval_ms;
}

/* No policies. */
const char *options_policy_name(const struct options *options, size_t i)
{
	(void)options;
	(void)i;
	return NULL;
}

const char *options_policy(const struct options *options, size_t i, enum policy_key key)
{
	(void)options;
	(void)i;
	(void)key;
	return "";
}

const struct section *options_window(const struct options *options, size_t i)
{
	(void)options;
	(void)i;
	return NULL;
}

const char *options_str(const struct options *options, enum option_id option)
{
	(void)options;
	(void)option;
	return "";
}

/* --- runtime --- */

const struct runtime_driver *runtime_find(const char *name)
{
	static const struct runtime_driver runc = {.name = "runc"};

	return str_eq(name, "runc") ? &runc : NULL;
}

void bundle_done(struct bundle *bundle)
{
	(void)bundle;
}

/* No network of ours goes through messages here: the gate is the simulator's. */
int net_kind_parse(const char *text, enum net_kind *ret, struct err *err)
{
	(void)text;
	(void)err;
	*ret = NET_HOST;
	return 0;
}

int net_state_check(const struct net_state *state, struct err *err)
{
	(void)state;
	(void)err;
	return 0;
}

#define NO_PARSER(name, ...) \
	int name(const char *text, __VA_ARGS__, struct err *err) \
	{ \
		(void)text; \
		(void)ret; \
		return fail(err, ERR_invalid, "not in the simulator"); \
	}
NO_PARSER(net_addr_parse, struct net_addr *ret)
NO_PARSER(net_route_parse, struct net_route *ret)
NO_PARSER(net_neigh_parse, struct net_neigh *ret)
NO_PARSER(net_mac_parse, uint8_t ret[6])

/* --- texts of answers: as worker/facts.c --- */

void *scratch_take(struct scratch **scratch, size_t size)
{
	struct scratch *block = mem_new(1, sizeof(*block) + size + 16);

	block->next = *scratch;
	*scratch = block;
	return (void *)(((uintptr_t)block->text + 15) & ~(uintptr_t)15);
}

void scratch_done(struct scratch **scratch)
{
	while (*scratch) {
		struct scratch *next = (*scratch)->next;

		free(*scratch);
		*scratch = next;
	}
}

/* --- keys: the secret of a node is its name, which only prover_new hands to the signer --- */

int keys_load(const char *path, struct curve_keys *ret, struct err *err)
{
	(void)path;
	(void)err;
	memset(ret, 0, sizeof(*ret));
	return 0;
}

void keys_wipe(struct curve_keys *keys)
{
	(void)keys;
}

int sign_derive(const struct curve_keys *keys, struct sign_keys *ret, struct err *err)
{
	(void)keys;
	(void)err;
	str_copy(ret->public, sizeof(ret->public), sim.cur->name);
	return 0;
}

void sign_wipe(struct sign_keys *keys)
{
	(void)keys;
}

static void seal(const char *public, const void *data, size_t len, uint8_t ret[SIGN_BYTES])
{
	uint64_t hash = 0xcbf29ce484222325;

	for (const char *p = public; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3;
	for (size_t i = 0; i < SIGN_BYTES; i++)
		ret[i] = (uint8_t)(hash >> i % 8 * 8);
}

void sign_make(const struct sign_keys *keys, const void *data, size_t len, uint8_t ret[SIGN_BYTES])
{
	seal(keys->public, data, len, ret);
}

void sign_digest(const void *data, size_t len, uint8_t ret[SIGN_DIGEST_BYTES])
{
	uint8_t wide[SIGN_BYTES];

	seal("", data, len, wide);
	memcpy(ret, wide, SIGN_DIGEST_BYTES);
}

bool sign_check(const char *public, const void *data, size_t len, const uint8_t *sig,
		size_t sig_len)
{
	uint8_t wanted[SIGN_BYTES];

	seal(public, data, len, wanted);
	return sig_len == SIGN_BYTES && memcmp(sig, wanted, SIGN_BYTES) == 0;
}

/* --- roster: every host --- */

struct roster {
	struct roster_node node[HOSTS_MAX];
};

static struct roster everybody;

int roster_load(const char *path, struct roster **ret, struct err *err)
{
	(void)path;
	(void)err;
	for (int i = 0; i < HOSTS_MAX; i++) {
		str_fmt(everybody.node[i].id, NAME_SIZE, "h%d", i);
		str_fmt(everybody.node[i].sign, SIGN_PUBLIC_SIZE, "h%d", i);
	}
	*ret = &everybody;
	return 0;
}

void roster_free(struct roster **roster)
{
	*roster = NULL;
}

const struct roster_node *roster_find(const struct roster *roster, const char *id)
{
	for (int i = 0; i < HOSTS_MAX; i++)
		if (str_eq(roster->node[i].id, id))
			return &roster->node[i];
	return NULL;
}
