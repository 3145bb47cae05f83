/* SPDX-License-Identifier: MPL-2.0
 *
 * How the demands of a container's configuration are written where they are texts: in a container's
 * facts, in reasons. runtime/demands.h says what each is. */
#ifndef DROVER_BASE_DEMAND_FORMS_H
#define DROVER_BASE_DEMAND_FORMS_H

/* clang-format off */
/* X(kind, what a text of it begins with); a privilege is of no other form. */
#define DEMAND_FORMS(X) \
	X(bind,        "bind mount of ") \
	X(device,      "device ") \
	X(device_rule, "device rule ") \
	X(privilege,   "") \
	X(hook,        "OCI hook ") \
	X(criu,        "annotation org.criu.config ") \
	X(root,        "root path ") \
	X(netns,       "network namespace ") \
	X(join,        "namespace ") \
	X(notice,      "notice: ")
/* clang-format on */

#endif
