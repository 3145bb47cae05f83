/* SPDX-License-Identifier: MPL-2.0
 *
 * CRIU, its version and the kernels that it is known to fail on. */
#include "coordinator/judge.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

#define CRIU_HOOK 31900 /* from this version on a post-restore hook can hold a container */

const char *version_text(char buf[24], uint64_t version)
{
	snprintf(buf, 24, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, version / 10000, version / 100 % 100,
		 version % 100);
	return buf;
}

/* A CRIU that fails on kernels from some version on. `sockets`: only when the container has
 * internet sockets; `dump`: only on the source. */
static const struct kernel_row {
	unsigned major, minor; /* from this kernel on */
	uint64_t criu_below;   /* CRIU older than this */
	bool sockets, dump;
	const char *what;
} kernel_rows[] = {
	/* https://github.com/checkpoint-restore/criu/issues/2532 */
	{6, 13, 40100, false, false, "it stops at start: unexpected rt vDSO area bounds"},
	/* https://github.com/checkpoint-restore/criu/issues/2705 */
	{6, 16, 40200, true, true, "its dump fails on internet sockets: can't get 1:16 opt"},
};

void check_kernel(const struct judge *j, const struct msg_caps *caps, bool dumps)
{
	unsigned major = 0, minor = 0;
	char version[24];

	if (!caps->criu_version || sscanf(given(caps->kernel), "%u.%u", &major, &minor) != 2)
		return;
	for (size_t i = 0; i < ARRAY_LEN(kernel_rows); i++) {
		const struct kernel_row *row = &kernel_rows[i];

		if (major < row->major || (major == row->major && minor < row->minor) ||
		    caps->criu_version >= row->criu_below)
			continue;
		if ((row->sockets && !j->ct->inet_sockets) || (row->dump && !dumps))
			continue;
		if (dumps)
			refuse(j, source_kernel, "criu %s on kernel %s: %s",
			       version_text(version, caps->criu_version), given(caps->kernel),
			       row->what);
		else
			refuse(j, kernel_criu, "criu %s on kernel %s: %s",
			       version_text(version, caps->criu_version), given(caps->kernel),
			       row->what);
	}
}

static void check_versions(const struct judge *j)
{
	uint64_t source = j->from->criu_version, target = j->to->criu_version;
	char has[24], wants[24];

	if (!source || target / 100 == source / 100)
		return;
	if (target / 100 < source / 100)
		refuse(j, criu_version, "criu %s on %s is older than %s on %s",
		       version_text(has, target), j->target->id, version_text(wants, source),
		       j->source->id);
	else
		warn(j, criu_version, "criu %s on %s, %s on %s", version_text(has, target),
		     j->target->id, version_text(wants, source), j->source->id);
}

void check_criu(const struct judge *j)
{
	char has[24];

	if (!j->to->criu_version) {
		refuse(j, criu_missing, "%s has no criu", j->target->id);
		return;
	}
	if (j->to->criu_version < CRIU_HOOK)
		refuse(j, criu_old,
		       "criu %s on %s has no post-restore hook that can hold a container",
		       version_text(has, j->to->criu_version), j->target->id);
	check_versions(j);
	if (given(j->to->criu_check)[0])
		refuse(j, criu_check, "criu check on %s: %s", j->target->id, j->to->criu_check);
	check_kernel(j, j->to, false);
}
