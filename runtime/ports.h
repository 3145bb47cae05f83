/* SPDX-License-Identifier: MPL-2.0
 *
 * Ports of this host's own network that something listens on, for a container that uses it. */
#ifndef DROVER_RUNTIME_PORTS_H
#define DROVER_RUNTIME_PORTS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether one "tcp 10.0.0.1:80" (a form of tasks_facts.listening) keeps another from being opened:
 * the same protocol and port, and the same address or any address on one side. Pure; false for a
 * text of another form. */
bool port_clash(const char *a, const char *b);

/* Whether what listens in the network namespace of this process keeps `wanted` from being opened.
 */
bool port_taken(const char *wanted);

#endif
