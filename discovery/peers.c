/* SPDX-License-Identifier: MPL-2.0
 *
 * Records and what the callback was told of them. A peer is (id, fingerprint): somebody who
 * advertises another's id with a key of his own is another peer, which the owner can tell from the
 * real one. Among equally good addresses the one that was told stays. */
#include "discovery/peers.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

#define RECORDS_MAX (2 * DISCOVERY_PEERS_MAX)

int peers_rank(const char *address)
{
	if (str_starts(address, "127.") || str_eq(address, "::1"))
		return 4;
	if (!strchr(address, ':'))
		return str_starts(address, "169.254.") ? 2 : 0;
	return strncasecmp(address, "fe80:", 5) == 0 ? 3 : 1;
}

struct record *peers_find(const struct peers *peers, int interface, int protocol, const char *name,
			  const char *domain)
{
	for (size_t i = 0; i < peers->len; i++) {
		struct record *r = peers->records[i];

		if (r->interface == interface && r->protocol == protocol &&
		    strcmp(r->name, name) == 0 && strcmp(r->domain, domain) == 0)
			return r;
	}
	return NULL;
}

struct record *peers_add(struct peers *peers, int interface, int protocol, const char *name,
			 const char *domain)
{
	struct record *record;

	if (peers->len == RECORDS_MAX || strlen(name) >= RECORD_NAME_SIZE ||
	    strlen(domain) >= RECORD_NAME_SIZE)
		return NULL;
	record = mem_new_of(struct record);
	record->interface = interface;
	record->protocol = protocol;
	str_copy(record->name, sizeof(record->name), name);
	str_copy(record->domain, sizeof(record->domain), domain);
	if ((peers->len & (peers->len + 1)) == 0) /* room doubles at 2^n - 1 */
		peers->records =
			mem_grow(peers->records, 2 * (peers->len + 1), sizeof(struct record *));
	peers->records[peers->len++] = record;
	return record;
}

static bool same_peer(const struct discovery_peer *a, const struct discovery_peer *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->fingerprint, b->fingerprint) == 0;
}

static bool same_contact(const struct discovery_peer *a, const struct discovery_peer *b)
{
	return strcmp(a->address, b->address) == 0 && a->port == b->port &&
	       a->beats_port == b->beats_port && a->ssh_port == b->ssh_port;
}

static struct discovery_peer *find_told(const struct peers *peers,
					const struct discovery_peer *peer)
{
	for (size_t i = 0; i < peers->told_len; i++)
		if (same_peer(&peers->told[i], peer))
			return &peers->told[i];
	return NULL;
}

static const struct discovery_peer *best_of(const struct peers *peers,
					    const struct discovery_peer *peer,
					    const struct discovery_peer *told)
{
	const struct discovery_peer *best = NULL;
	int best_rank = INT_MAX;

	for (size_t i = 0; i < peers->len; i++) {
		const struct record *r = peers->records[i];
		int rank;

		if (!r->resolved || !same_peer(&r->peer, peer))
			continue;
		/* Twice the rank, less one for what was told already. */
		rank = 2 * peers_rank(r->peer.address) - (told && same_contact(&r->peer, told));
		if (rank < best_rank) {
			best_rank = rank;
			best = &r->peer;
		}
	}
	return best;
}

/* Compares what is known of a peer with what was told, and tells the difference. */
static void settle(struct peers *peers, const struct discovery_peer *peer)
{
	struct discovery_peer *told = find_told(peers, peer), copy;
	const struct discovery_peer *best = best_of(peers, peer, told);

	if (best && told && same_contact(best, told))
		return;
	if (best && !told) {
		peers->told = mem_grow(peers->told, peers->told_len + 1, sizeof(*told));
		told = &peers->told[peers->told_len++];
	}
	if (best) {
		copy = *told = *best;
		peers->fn(peers->arg, DISCOVERY_found, &copy);
	} else if (told) {
		copy = *told;
		*told = peers->told[--peers->told_len];
		peers->fn(peers->arg, DISCOVERY_gone, &copy);
	}
}

void peers_resolved(struct peers *peers, struct record *record, const struct discovery_peer *peer)
{
	struct discovery_peer before = record->peer;
	bool was = record->resolved;

	record->peer = *peer;
	record->resolved = true;
	record->stale = false;
	record->tries = 0;
	if (was && !same_peer(&before, peer))
		settle(peers, &before);
	settle(peers, peer);
}

void peers_remove(struct peers *peers, struct record *record)
{
	for (size_t i = 0; i < peers->len; i++) {
		if (peers->records[i] != record)
			continue;
		/* Not the last one into the gap: owners walk the array from the end. */
		memmove(&peers->records[i], &peers->records[i + 1],
			(peers->len - i - 1) * sizeof(struct record *));
		peers->len--;
		break;
	}
	if (record->resolved) {
		record->resolved = false;
		settle(peers, &record->peer);
	}
	free(record);
}

void peers_done(struct peers *peers)
{
	for (size_t i = 0; i < peers->len; i++)
		free(peers->records[i]);
	free(peers->records);
	free(peers->told);
	memset(peers, 0, sizeof(*peers));
}
