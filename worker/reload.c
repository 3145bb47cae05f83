/* SPDX-License-Identifier: MPL-2.0
 *
 * All of a file, or nothing of it. */
#include "worker/reload.h"

#include "base/log.h"

void reload_options(struct executor *x)
{
	struct options *fresh = options_new();
	struct err err = {0};
	char restart[512];

	x->config_problem[0] = '\0';
	if (x->loader->load(x->loader->arg, fresh, &err)) {
		log_error(LOG_LEVEL_ERR, "the configuration stays as it was: ", &err);
		str_copy(x->config_problem, sizeof(x->config_problem), err.text);
	} else {
		options_take(x->reloaded, fresh, restart, sizeof(restart));
		log_info("configuration read again\tnode=%s", x->self);
		if (*restart)
			log_warn("these need a restart: %s\tnode=%s", restart, x->self);
	}
	options_free(&fresh);
	x->next_caps_ms = 0; /* others shall know at once */
}
