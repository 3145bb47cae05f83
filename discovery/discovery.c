/* SPDX-License-Identifier: MPL-2.0
 *
 * The interface's thin front: every call goes to the implementation's table. */
#include "discovery/discovery.h"

#include "discovery/private.h"

#include <stddef.h>

void discovery_free(struct discovery **discovery)
{
	if (*discovery)
		(*discovery)->ops->free(*discovery);
	*discovery = NULL;
}

int discovery_fd(const struct discovery *discovery)
{
	return discovery->fd;
}

void discovery_dispatch(struct discovery *discovery)
{
	discovery->ops->dispatch(discovery);
}

void discovery_refresh(struct discovery *discovery, const char *id)
{
	discovery->ops->refresh(discovery, id);
}
